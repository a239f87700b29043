/**
 * The connections of a server. Where there are as many as there may be, whoever has held one longest without a whole
 * request gives way to the next caller, so that those who say nothing, or only a byte now and then, keep nobody out.
 */
#ifndef TF_APP_CALLERS_H
#define TF_APP_CALLERS_H

#include <stdbool.h>
#include <stddef.h>

#include "net/base/status.h"

typedef struct callers callers;
typedef struct caller caller;

/** For `most` connections that are served at once. */
TF_CHECKED tf_status callers_open(size_t most, callers **callers);
/** After all of them have left. NULL is allowed. */
void callers_close(callers *callers);

/** Notes a connection by its socket, which stays open until it leaves. NULL without memory: it is kept, but not known;
 *  the functions below take such a one. */
caller *callers_enter(callers *callers, int socket);
void callers_leave(callers *callers, caller *caller);

/** Notes that a caller's request has come in whole, or that it was answered and the next one may come. */
void callers_asks(callers *callers, caller *caller, bool asks);

#endif
