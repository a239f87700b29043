/** Asking the desk from a connection's thread: submitting, waiting, and parts of answers that several kinds have. */
#ifndef TF_APP_ASK_H
#define TF_APP_ASK_H

#include "experiments/app/gateway/body.h"
#include "experiments/app/gateway/desk.h"

/** Puts a request to the desk; refuses it where it is not taken. */
TF_CHECKED tf_status ask_submit(gateway_desk *desk, gateway_request *request, refusal *refusal);

/** Waits for the answer. Refuses where there is none; with HTTP_CLIENT_GONE where nobody waits for it. */
TF_CHECKED tf_status ask_wait(gateway_desk *desk, gateway_request *request, refusal *refusal);

/** Why a request that is done was not answered; TF_OK if it was. */
TF_CHECKED tf_status ask_outcome(const gateway_request *request, refusal *refusal);

/** Adds a string, or each string of an array, to the texts. Ids of tokens are refused. */
TF_CHECKED tf_status ask_texts(const json_t *body, const char *name, gateway_request *request, refusal *refusal);

/** Refuses another model than the gateway's, by "model", where that is given. */
TF_CHECKED tf_status ask_model(const gateway_desk *desk, const json_t *body, refusal *refusal);

/** Reads "truncate" and "truncation_direction". */
TF_CHECKED tf_status ask_truncation(const json_t *body, gateway_request *request, refusal *refusal);

/** Refuses everything before the parties have met for the first time. */
TF_CHECKED tf_status ask_known(gateway_desk *desk, refusal *refusal);

/** The same, and what the model does not do. */
TF_CHECKED tf_status ask_head(gateway_desk *desk, tf_head head, refusal *refusal);

/** Counts and logs what became of a request, by its status of HTTP, and lets go of it: counts of texts and tokens and
 *  times, never what was said. */
void ask_conclude(gateway_desk *desk, gateway_request *request, int status);

/** {"prompt_tokens": n, "completion_tokens": n, "total_tokens": n}. */
json_t *ask_usage(const gateway_request *request);

/** What the run took that answered a request; NULL where it is not known yet. */
json_t *ask_cost(const gateway_request *request);

/** A random name such as "cmpl-4f0c...". */
void ask_name(const char *prefix, char name[48]);

#endif
