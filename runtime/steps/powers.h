/** Powers of a value, by segments of its range. Used by softmax alone. */
#ifndef TF_STEPS_POWERS_H
#define TF_STEPS_POWERS_H

#include "runtime/program/program.h"

TF_PUBLIC_BEGIN

/** x may be down to -TF_POWERS_LEAST: far below what counts, where the power is zero. */
#define TF_POWERS_LEAST 1015.0

/**
 * 2^(octaves x) for -TF_POWERS_LEAST <= x <= 0, with 12 fractional bits or fewer, and 0.7 to 1.45 octaves; to 1e-4
 * relative (4e-5 in the mean square), 2^-16 (2e-6), and two units of the result, which has `frac` fractional bits, in a
 * ring of 24 + frac bits.
 * 16 B, two ring elements of 64 bits dealt, one opened, and the result: 60 B. 3 rounds, 1 of them S's.
 */
tf_value tf_powers(tf_program *program, tf_value x, double octaves, int frac);

TF_PUBLIC_END

#endif
