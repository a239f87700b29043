/** Protocols made of several steps, for ops to use. All of them append to a program and return the result. */
#ifndef TF_COMPOSE_H
#define TF_COMPOSE_H

#include "runtime/program.h"

/** max(a, 0), to 2^(low - 1) units near zero with the default low bits dropped. A comparison and a selection. */
tf_value tf_relu(tf_program *program, tf_value a);

/** [a < c] for a public c, as a split bit. */
tf_value tf_less(tf_program *program, tf_value a, double c);

/** max(a, b), to 2^(low - 1) units. */
tf_value tf_max(tf_program *program, tf_value a, tf_value b);

/** The maximum over the last axis, which stays with length 1: a tournament of log2(n) comparisons and selections. */
tf_value tf_max_last(tf_program *program, tf_value a);

/**
 * 1 / a for low <= a <= high, with `frac` fractional bits, to 1e-5 relative or half a unit. a is compared with the
 * powers of two in between, all at once; the scale that brings it into [1/2, 1) is a public combination of those bits;
 * a cubic and a Newton step invert it there. Meant for what occurs once per row.
 */
tf_value tf_reciprocal(tf_program *program, tf_value a, double low, double high, int frac);

/** 1 / u for 1/2 <= u <= 1 to 4e-6, with 22 fractional bits. */
tf_value tf_reciprocal_unit(tf_program *program, tf_value u);

/** 1 / sqrt(a) likewise, with powers of four and a quartic; to 1e-5 relative or half a unit. */
tf_value tf_rsqrt(tf_program *program, tf_value a, double low, double high, int frac);

/** The factor that makes e^x of the x of tf_power_negative. */
#define TF_POWER_SCALE (1.4426950408889634 * 16 / 18)

/** 2^(a 18/16) for a <= 0, to 2e-4; 0 below -16, where it would be 2^-18. */
tf_value tf_power_negative(tf_program *program, tf_value a);

/** e^a for a <= 0, to 2e-4; 0 below -12.4. */
tf_value tf_exp_negative(tf_program *program, tf_value a);

/** Fractional bits to which tf_polynomial rounds the coefficients from the second power on. */
enum { TF_COEFFICIENT_BITS = 11 };

/** c[0] + c[1] a + c[2] a^2 ..., degree 3 to 6, |a| <= the bound of its type, powers kept with a's fractional bits. Two
 *  products one after the other, three from degree 5 on. */
tf_value tf_polynomial(tf_program *program, tf_value a, int degree, const double *c, tf_result result);

#endif
