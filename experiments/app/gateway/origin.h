/** Hosts, as clients and pages of browsers name them. */
#ifndef TF_APP_ORIGIN_H
#define TF_APP_ORIGIN_H

#include <stdbool.h>
#include <sys/socket.h>

#include "net/base/status.h"

/** Splits HOST:PORT or [HOST]:PORT; the host goes to `host`, of 256 bytes, the port stays where it is. */
TF_CHECKED tf_status origin_split(const char *address, char host[256], const char **port);

/** Whether an address can be reached from this host alone. */
bool origin_is_local(const struct sockaddr *address);

/** Whether a Host header names this host itself: what a page of another site can reach by a name of its own that leads
 *  here does not. */
bool origin_is_loopback(const char *host);

/** Whether an Origin header, SCHEME://HOST:PORT, is that of the Host header. */
bool origin_is_same(const char *origin, const char *host);

#endif
