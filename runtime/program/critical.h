/** The chain of steps that decides the number of rounds of a plan. */
#ifndef TF_CRITICAL_H
#define TF_CRITICAL_H

#include "runtime/program/plan.h"

/** A step of the chain. The next one waits for its result, which takes the rounds from `begin` to `end`. */
typedef struct tf_critical {
    int node, begin, end;
    int late; /**< the step for which S did not know its thirds of the input in time, so that its message takes a round
               *   of its own: one before, or this one where its thirds are not those of its input; -1: none */
} tf_critical;

/** Finds the chain, first step first; steps that take no round are left out. The rounds of all add up to the plan's.
 *  The caller frees it. */
TF_CHECKED tf_status tf_plan_critical(const tf_program *program, const tf_plan *plan, tf_critical **chain, int *count);

#endif
