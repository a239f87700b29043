/** Classification and ranking, as text-embeddings-inference's clients ask for them. */
#ifndef TF_APP_GATEWAY_CLASSIFY_H
#define TF_APP_GATEWAY_CLASSIFY_H

#include "experiments/app/gateway/ask.h"

/** POST /predict and /classify: a text, a pair [a, b], or a list of [a] and [a, b]. */
TF_CHECKED tf_status classify_tei(gateway_desk *desk, http_exchange *exchange, const json_t *body,
                                  gateway_request *request, refusal *refusal);

/** POST /rerank: by a classifier of one label as a cross-encoder, or by the cosines of embeddings. */
TF_CHECKED tf_status rerank_tei(gateway_desk *desk, http_exchange *exchange, const json_t *body,
                                gateway_request *request, refusal *refusal);

#endif
