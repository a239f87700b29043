/** Runs a plan on one party. */
#ifndef TF_EXECUTE_H
#define TF_EXECUTE_H

#include "runtime/execute/profile.h"
#include "runtime/program/plan.h"

/** What a run cost this party, by the clock and by the link's counters. */
typedef struct tf_run_stats {
    double seconds, wait_seconds;
    uint64_t sent[TF_PARTIES], received[TF_PARTIES], rounds;
    int round, op; /**< how far it came: the round, from 1, and the op of the graph (-1: none) */
} tf_run_stats;

/**
 * All three parties call it together with the same program and plan. `params` has a view for each of program->param.
 * `slots` carries what this party puts in and takes out. `profile`, if not NULL, gains the times of this run.
 *
 * Fails with TF_INTERNAL when bytes or rounds differ from the plan's, with TF_PEER when a party is missing.
 */
TF_CHECKED tf_status tf_execute(tf_party *party, const tf_program *program, const tf_plan *plan, const tf_view *params,
                                tf_slots *slots, tf_run_stats *stats, tf_profile *profile);

#endif
