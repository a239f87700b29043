/**
 * The guard against values beyond the ranges of a calibration. Where a function that only holds within a range reads
 * rows (LayerNorm, GELU, attention and their kind), the squared norm of each row's sketch is compared with its bound.
 * How many exceed it is counted; whether any did is one bit, which is opened to the data owner alone.
 *
 * What is found: a row whose sketch has more than the bound, certainly as long as the squared norm is below 2^30 (at
 * 16 fractional bits), of which a row of twice the norm escapes with a probability of 0.001, one of four times 10^-8.
 * What is not: an entry that leaves its own range while its row keeps to its norm; values inside of ops.
 */
#ifndef TF_GUARD_H
#define TF_GUARD_H

#include "runtime/graph/graph.h"
#include "runtime/program/program.h"

/** Whether the rows of a node are guarded where their bound is known: an op of a kind that has several variants, or
 *  follows the rules of one, reads them, maybe out of state that they are appended to. */
bool tf_guarded(const tf_graph *graph, tf_id id);

/** Adds the rows of x whose squared norm exceeds `most` to a count (-1: none yet), which is returned: a comparison and
 *  some 300 B a row. */
tf_value tf_guard_rows(tf_program *program, tf_value x, double most, tf_value count);

/** Whether the count is above zero: 1 or 0. */
tf_value tf_guard_any(tf_program *program, tf_value count);

#endif
