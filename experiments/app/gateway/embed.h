/** Embeddings, as OpenAI's clients and text-embeddings-inference's ask for them. */
#ifndef TF_APP_GATEWAY_EMBED_H
#define TF_APP_GATEWAY_EMBED_H

#include "experiments/app/gateway/ask.h"

/** POST /v1/embeddings. Fills the answer, or a refusal; of the request what the log tells. */
TF_CHECKED tf_status embed_openai(gateway_desk *desk, http_exchange *exchange, const json_t *body,
                                  gateway_request *request, refusal *refusal);

/** POST /embed. */
TF_CHECKED tf_status embed_tei(gateway_desk *desk, http_exchange *exchange, const json_t *body,
                               gateway_request *request, refusal *refusal);

/** POST /similarity: cosines of a source's embedding and those of sentences. */
TF_CHECKED tf_status similarity_tei(gateway_desk *desk, http_exchange *exchange, const json_t *body,
                                    gateway_request *request, refusal *refusal);

#endif
