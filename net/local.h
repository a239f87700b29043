/** Three parties as three threads of one process. */
#ifndef TF_LOCAL_H
#define TF_LOCAL_H

#include "net/link.h"

TF_PUBLIC_BEGIN

/** What a party does with its end of the links. */
typedef tf_status tf_party_body(tf_link *link, int id, void *context);

/** How each party ended. */
typedef struct tf_outcome {
    tf_failure party[TF_PARTIES];
    int first; /**< the party that failed of itself rather than because of another; -1: all went well */
} tf_outcome;

/**
 * Runs `body` as each party on its end of memory links, and waits for all three. The links are closed at the end. Fails
 * as the first party did, with its number in front of the message. `outcome` may be NULL.
 */
TF_CHECKED tf_status tf_run_local(tf_party_body *body, void *context, tf_outcome *outcome);

/** The same on links that the caller has made, and closes. The message of a failure is the first party's own. */
TF_CHECKED tf_status tf_run_on_links(tf_link *const link[TF_PARTIES], tf_party_body *body, void *context,
                                     tf_outcome *outcome);

TF_PUBLIC_END

#endif
