/** What one party does in the private commands, on its end of a link. All three call the same function together. */
#ifndef TF_APP_PARTY_INFER_H
#define TF_APP_PARTY_INFER_H

#include "experiments/app/report/run_report.h"
#include "experiments/app/service/job.h"
#include "runtime/session/session.h"

/** A failure because of a peer, with what this party was doing in front of the message. */
static inline tf_status party_doing(tf_status status, const char *what) {
    return tf_fail_doing(status, what);
}

/** The digest of the numbers that the lowering sees; ranges may be NULL. */
tf_digest ranges_digest(const tf_ranges *ranges);

/** Compares what must be the same before any weight or text is touched, and measures the network where it is asked for
 *  or the parties are on several hosts and nobody tells. */
TF_CHECKED tf_status party_agree(tf_session *session, const private_job *job);

/** What a session that has agreed is planned for. */
run_network party_network(const tf_session *session, const run_settings *settings);

/** Compares who owns what alone: parties that differ in that would not even exchange files. */
TF_CHECKED tf_status party_agree_owners(tf_session *session, const run_settings *settings);

/** What a link has counted: what the parties gave it, and what went over the wire for that. */
typedef struct party_counters {
    tf_link_counters payload, wire;
} party_counters;

party_counters party_read_counters(const tf_link *link);

/** Tells how many batches the data owner's next request has, which begins then (links_request); 0: there is none. The
 * data owner may rest before it, for ever, if `may_rest`. */
TF_CHECKED tf_status party_await_request(tf_session *session, int data_owner, bool may_rest, uint64_t *batches);

/**
 * Runs one request: the batches of the data owner's job, none of which (or NULL) means that there are no more requests;
 * *asked says on all parties whether there was one. `values` are filled at the data owner, `report` everywhere. What
 * was set up before took `open_seconds`; `before` are the link's counters after the last request. `may_rest`: the data
 * owner may take any time until it asks; a peer that goes meanwhile is noticed all the same.
 */
TF_CHECKED tf_status party_answer(tf_session *session, const private_job *job, float *values, double open_seconds,
                                  const party_counters *before, bool may_rest, run_report *report, bool *asked);

/** The same for texts of share files, whose results go to share files. */
TF_CHECKED tf_status party_answer_shared(tf_session *session, const private_job *job, double open_seconds,
                                         run_report *report);

/** Opens a session for one job, with its threads and, where they are asked for, its range check and shared weights.
 *  `provider` outlives the session; nothing is left to close after a failure. */
TF_CHECKED tf_status party_open_session(tf_link *link, const private_job *job, tf_provider *provider,
                                        tf_session *session);

/** A session with one request. */
TF_CHECKED tf_status party_infer(tf_link *link, const private_job *job, float *values, run_report *report);

TF_CHECKED tf_status party_identify(tf_link *link, const private_job *job, model_digest *digest);

#endif
