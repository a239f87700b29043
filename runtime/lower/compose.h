/** Protocols made of several steps, for ops to use. All of them append to a program and return the result. */
#ifndef TF_COMPOSE_H
#define TF_COMPOSE_H

#include "runtime/program/program.h"

TF_PUBLIC_BEGIN

/** max(a, 0), to 2^(low - 1) units near zero with the default low bits dropped. A comparison and a selection. */
tf_value tf_relu(tf_program *program, tf_value a);

/** [a < c] for a public c, as a split bit. */
tf_value tf_less(tf_program *program, tf_value a, double c);

/** max(a, b), to 2^(low - 1) units. */
tf_value tf_max(tf_program *program, tf_value a, tf_value b);

/** The maximum over the last axis, which stays with length 1: a tournament of log2(n) comparisons and selections. */
tf_value tf_max_last(tf_program *program, tf_value a);

/**
 * 1 / a for low <= a <= high, with `frac` fractional bits, to 1.2e-5 relative and three units. a is compared with
 * thresholds a fifth to half of an octave apart, all at once; they select a polynomial of degree 3 at most. Meant for
 * what occurs once per row: 3 rounds, 240 bytes, some 4 for each threshold, and the unit vectors of a comparison; or a
 * round less or two for more bytes, where they are worth it.
 */
tf_value tf_reciprocal(tf_program *program, tf_value a, double low, double high, int frac);

/** scale / sqrt(a) likewise, for a public scale of at least 1; in a ring of `ring` bits at least. */
tf_value tf_rsqrt(tf_program *program, tf_value a, double low, double high, double scale, int frac, unsigned ring);

/** 1 / a to TF_NEAR_ERROR relative and three units, from fewer thresholds; `ring` as above. Not `soon`: what reads it
 * is no earlier for having it in two exchanges rather than three. */
tf_value tf_reciprocal_near(tf_program *program, tf_value a, double low, double high, int frac, unsigned ring,
                            bool soon);
#define TF_NEAR_ERROR 5e-5 /* and a quarter of that for what rounding the argument takes */

/** In how many exchanges a value is made that tf_reciprocal or tf_rsqrt has returned: 1, 2 or 3. */
int tf_inverse_exchanges(const tf_program *program, tf_value value);

/** The factor that makes e^x of the x of tf_power_negative. */
enum { TF_OCTAVES = 20 };
#define TF_POWER_SCALE (1.4426950408889634 * 16 / TF_OCTAVES)

/** 2^(a TF_OCTAVES/16) for a <= 0 with two fractional bits more than activations, to 5e-4 relative (8e-5 in the mean
 *  square) and two units; 0 below some threshold from -16 to -15.5, where it would be 2^-20 to 2^-19.4. */
tf_value tf_power_negative(tf_program *program, tf_value a);

/** e^a for a <= 0 likewise; 0 below some threshold from -13.9 to -13.4. */
tf_value tf_exp_negative(tf_program *program, tf_value a);

/** Fractional bits to which tf_polynomial rounds the coefficients from the second power on. */
enum { TF_COEFFICIENT_BITS = 11 };

/** c[0] + c[1] a + c[2] a^2 ..., degree 3 to 6, |a| <= the bound of its type, powers kept with a's fractional bits. Two
 *  products one after the other, three from degree 5 on. */
tf_value tf_polynomial(tf_program *program, tf_value a, int degree, const double *c, tf_result result);

TF_PUBLIC_END

#endif
