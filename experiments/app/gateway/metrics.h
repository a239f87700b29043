/** What can be asked of the gateway itself. */
#ifndef TF_APP_METRICS_H
#define TF_APP_METRICS_H

#include "experiments/app/gateway/desk.h"
#include "experiments/app/gateway/http.h"

/** GET /metrics: counts in the text form of Prometheus. */
void metrics_answer(gateway_desk *desk, http_exchange *exchange);

/** GET /health: 200 while the three parties are connected, otherwise 503. */
void health_answer(gateway_desk *desk, http_exchange *exchange);

/** GET /v1/models, and /v1/models/NAME of which `name` is given. */
void models_answer(gateway_desk *desk, http_exchange *exchange, const char *name);

/** GET /info: what the model is and what can be asked of it. */
void info_answer(gateway_desk *desk, http_exchange *exchange);

#endif
