/** Where the largest element of the last axis stands, and which it is, by comparing all pairs of groups at once. */
#ifndef TF_TOURNAMENT_H
#define TF_TOURNAMENT_H

#include "runtime/program/program.h"

/** The position of the largest element of the last axis, which disappears; of equal ones the first. 50,257 elements of
 *  24 bits: 40 rounds, 2.6 MB. */
tf_value tf_argmax_last(tf_program *program, tf_value a);

/** The largest element of the last axis, which stays with length 1: tf_max_last in a third of the rounds, for a few
 *  times its bytes, and exactly. For few rows. 128 elements of 11 bits: 10 rounds, 67 B each. */
tf_value tf_max_last_soon(tf_program *program, tf_value a);

#endif
