/** What selections have in common. */
#ifndef TF_STEPS_SELECT_H
#define TF_STEPS_SELECT_H

#include "runtime/program/step.h"

enum { TF_SELECT_TERMS = 7 };

/** Whether each term has 1 - bit in place of bit. A bit turned into shares is one such term. Inputs: bit_0, x_0, bit_1,
 *  x_1, ... */
typedef struct tf_select_args {
    int64_t negate[TF_SELECT_TERMS];
} tf_select_args;

/**
 * Makes a selection of one term come in a ring of `bits` at once, where a round less than with a lift is worth the
 * bytes: S to R 2 n + 3 (n - m) bits, L and R swap n, m being the bits of its value and n those of its result. False
 * where it stays as it is.
 */
bool tf_select_widen(tf_program *program, tf_value selection, unsigned bits);

#endif
