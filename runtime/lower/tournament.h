/** Where the largest element of the last axis stands, and which it is, by comparing all pairs of groups at once. */
#ifndef TF_TOURNAMENT_H
#define TF_TOURNAMENT_H

#include "runtime/program/program.h"

/** The position of the largest element of the last axis, which disappears; of equal ones the first. 50,257 elements
 *  with 8 fractional bits within 256: 28 rounds, 2.3 MB. */
tf_value tf_argmax_last(tf_program *program, tf_value a);

/** The largest element of the last axis, which stays with length 1: tf_max_last in fewer rounds, for more bytes, and
 *  exactly. For few rows: 12 of 128 elements of 11 bits take 18 rounds and 37 B an element. */
tf_value tf_max_last_soon(tf_program *program, tf_value a);

/** About what that costs for elements of this type: bytes, and those that its rounds are worth. */
double tf_max_last_cost(const tf_program *program, const tf_type *type);

#endif
