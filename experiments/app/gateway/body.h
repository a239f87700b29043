/** Reading a JSON body member by member, with refusals that name the member at fault. */
#ifndef TF_APP_BODY_H
#define TF_APP_BODY_H

#include "experiments/app/gateway/http.h"

/** From now on memory of JSON is wiped when it is freed, in the whole process. Called while there is one thread. */
void body_leave_no_trace(void);

/** Parses the body, an object; the caller lets go of *body. */
TF_CHECKED tf_status body_parse(const http_exchange *exchange, json_t **body, refusal *refusal);

/** Refuses members that are none of `known`, which NULL ends: whoever sends them would miss what they do. */
TF_CHECKED tf_status body_known(const json_t *body, const char *const known[], refusal *refusal);

/** A member; NULL where it is absent or null. */
json_t *body_member(const json_t *body, const char *name);

/** These leave *out as it is where the member is absent. */
TF_CHECKED tf_status body_whole(const json_t *body, const char *name, size_t low, size_t high, size_t *out,
                                refusal *refusal);
TF_CHECKED tf_status body_number(const json_t *body, const char *name, double low, double high, double *out,
                                 refusal *refusal);
TF_CHECKED tf_status body_flag(const json_t *body, const char *name, bool *out, refusal *refusal);
/** The string is the body's. */
TF_CHECKED tf_status body_word(const json_t *body, const char *name, const char **out, refusal *refusal);

/** Refuses a member unless it is absent or does nothing: false, 0, null, empty. `why` says what would be right. */
TF_CHECKED tf_status body_idle(const json_t *body, const char *name, const char *why, refusal *refusal);

#endif
