/**
 * A session: three parties with fresh keys that share a model's weights once and then run graph after graph.
 * All functions but the readers are called by all three parties together, in the same order.
 */
#ifndef TF_SESSION_H
#define TF_SESSION_H

#include "net/network.h"
#include "runtime/execute/execute.h"
#include "runtime/lower/compiled.h"
#include "runtime/session/facts.h"
#include "runtime/session/state.h"
#include "runtime/session/store.h"

typedef struct tf_session {
    tf_party party;
    tf_digest generation; /**< of the shared weights: drawn anew whenever they are shared from the beginning */
    tf_store store;       /**< of shared weights; its provider and stream may be set before the first run */
    tf_state state;       /**< what stays shared from run to run */
    tf_cache programs;    /**< compiled so far; how many are kept at most may be set before the first run */
    tf_network network;   /**< that graphs are planned for which are not told: see measure.h; rate 0: none */
} tf_session;

/** What running one graph took. */
typedef struct tf_session_stats {
    tf_run_stats online;
    double setup_seconds;    /**< sharing the weights that this graph was the first to need */
    tf_traffic_matrix bytes; /**< forecast of the run, which the execution has checked on this party's links */
    uint64_t rounds, memory; /**< memory: bytes of values and messages at the peak, without weights */
} tf_session_stats;

/** Makes the keys. The link must outlive the session. */
TF_CHECKED tf_status tf_session_open(tf_session *session, tf_link *link);

/**
 * Goes on over another link after the one before failed or was closed by all; a session that holds nothing but zeros
 * begins so. Keys are fresh, so that no stream repeats. The shared weights are kept if all three parties still hold
 * the same ones; if one of them has started anew, all drop theirs, and the next run shares them again; those from share
 * files stay, since each party reads its own. Likewise state (after which tf_session_length is 0) and programs. The
 * earlier link must be closed already. What is compared says how many weights and rows the parties hold, and which
 * programs, which is public. 1 round, or 2.
 */
TF_CHECKED tf_status tf_session_resume(tf_session *session, tf_link *link);

/** Wipes keys and shares. */
void tf_session_close(tf_session *session);

/** Compares facts with both other parties, as tf_facts_compare does. 1 round. */
TF_CHECKED tf_status tf_session_agree(tf_session *session, const tf_fact *fact, size_t facts);

/** Party `from` sends public data to both others; `size` bytes, known to all. */
TF_CHECKED tf_status tf_session_publish(tf_session *session, int from, void *data, size_t size);

/**
 * The program of a graph: lowered, planned and agreed upon now, or found among those of earlier calls, after which
 * nothing is sent. Only shapes and public numbers count, not the data of weights, tokens and public leaves. It belongs
 * to the session, and is valid until the next call. TF_MISMATCH on a difference in precision, owners or steps.
 */
TF_CHECKED tf_status tf_session_compile(tf_session *session, const tf_graph *graph, int frac, int model_owner,
                                        int data_owner, const tf_compiled **compiled);

/**
 * Runs a compiled program with the leaves of `graph`, which has the shape that was compiled: weights are read where
 * this party is the model owner, tokens where it is the data owner, public leaves everywhere. `slots` has room for the
 * outputs that this party receives or keeps, each in its slot. Weights that no earlier run has shared are shared now.
 * State grows by what the run appends. TF_RANGE on the data owner, and on nobody else, if a guarded row exceeded its
 * bound: the run is then complete, and its result is wrong or may be. `profile`, if not NULL, has times for each node
 * of the graph and gains those of this run.
 */
TF_CHECKED tf_status tf_session_execute(tf_session *session, const tf_compiled *compiled, const tf_graph *graph,
                                        const tf_slots *slots, tf_session_stats *stats, tf_profile *profile);

/** Both, for a graph with one output to the data owner (room for the output's elements; NULL elsewhere). */
TF_CHECKED tf_status tf_session_run(tf_session *session, const tf_graph *graph, int frac, int model_owner,
                                    int data_owner, double *output, tf_session_stats *stats, tf_profile *profile);

/** Runs a program that was made otherwise, with its inputs and outputs by slot. The parties compare it each time. */
TF_CHECKED tf_status tf_session_run_program(tf_session *session, const tf_program *program, tf_slots *slots,
                                            tf_session_stats *stats, tf_profile *profile);

/** Rows of the state of that name; 0 if there is none. */
size_t tf_session_length(const tf_session *session, const char *name);

/** Takes back the rows past the first `length` of all states, such as those of rejected drafts; 0 forgets all. Local,
 *  but all three parties must do it between the same runs. */
void tf_session_truncate(tf_session *session, size_t length);

/** Forgets all states whose names end so, likewise. */
void tf_session_drop(tf_session *session, const char *ending);

#endif
