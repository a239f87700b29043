/** What a selection is told, and how it comes in a wider ring. */
#ifndef TF_STEPS_SELECT_LIFTED_H
#define TF_STEPS_SELECT_LIFTED_H

#include "runtime/program/step.h"

enum { TF_SELECT_TERMS = 7 }; /* at the most */

/** Whether each term has 1 - bit in place of bit. A bit turned into shares is one such term. Inputs: bit_0, x_0, bit_1,
 *  x_1, ... */
typedef struct tf_select_args {
    int64_t negate[TF_SELECT_TERMS];
    int64_t from;       /**< of a selection that comes lifted: the bits of its value */
    int64_t difference; /**< whether the first of two terms is x_0 - x_1 in place of x_0 */
} tf_select_args;

/** A selection's tf_step.widen. One of a single term can come lifted: S to R 2 n + 3 (n - m) bits, L and R swap n, m
 *  being the bits of its value and n those of its result. */
double tf_select_widen(tf_program *p, tf_value selection, unsigned bits, bool now);

#endif
