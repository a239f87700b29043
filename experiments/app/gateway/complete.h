/** Completions and conversations, as OpenAI's clients ask for them; see stream.h for answers that are sent as they
 * grow. */
#ifndef TF_APP_GATEWAY_COMPLETE_H
#define TF_APP_GATEWAY_COMPLETE_H

#include "experiments/app/gateway/ask.h"

/** POST /v1/completions. */
TF_CHECKED tf_status complete_prompt(gateway_desk *desk, http_exchange *exchange, const json_t *body,
                                     gateway_request *request, refusal *refusal);

/** POST /v1/chat/completions. */
TF_CHECKED tf_status complete_chat(gateway_desk *desk, http_exchange *exchange, const json_t *body,
                                   gateway_request *request, refusal *refusal);

#endif
