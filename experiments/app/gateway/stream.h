/** Answers that are sent as they grow: server-sent events, each a chunk of JSON, and "[DONE]" at the end. */
#ifndef TF_APP_GATEWAY_STREAM_H
#define TF_APP_GATEWAY_STREAM_H

#include "experiments/app/gateway/ask.h"

/**
 * Waits until there is something to send, so that what fails before is refused as usual, and makes the exchange a
 * stream, which then holds the request in place of the caller. What fails later ends it with an event of an error,
 * without "[DONE]".
 */
TF_CHECKED tf_status stream_answer(gateway_desk *desk, http_exchange *exchange, gateway_request *request, bool chat,
                                   bool with_usage, refusal *refusal);

#endif
