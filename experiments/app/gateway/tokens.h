/** Models with results for each token, asked as Hugging Face's inference endpoints are. */
#ifndef TF_APP_GATEWAY_TOKENS_H
#define TF_APP_GATEWAY_TOKENS_H

#include "experiments/app/gateway/ask.h"

/**
 * Answers POST / and /predict: entities of texts; answers to {"question", "context"}; words for the masks of texts.
 * "parameters" may have aggregation_strategy, or top_k. A list of inputs has a list of results.
 */
TF_CHECKED tf_status tokens_ask(gateway_desk *desk, http_exchange *exchange, const json_t *body,
                                gateway_request *request, refusal *refusal);

#endif
