/** The data owner's front for clients of HTTP: paths, and what answers them. See experiments/GATEWAY.md. */
#ifndef TF_APP_GATEWAY_H
#define TF_APP_GATEWAY_H

#include "experiments/app/gateway/desk.h"
#include "experiments/app/gateway/http.h"

typedef struct gateway gateway;

/** Begins to answer clients with what the desk has; both settings must outlive it. */
TF_CHECKED tf_status gateway_open(const http_settings *settings, gateway_desk *desk, gateway **gateway);
const char *gateway_url(const gateway *gateway);
/** Waits for the answers that are under way. NULL is allowed. */
void gateway_close(gateway *gateway);

#endif
