/**
 * Activations that are a smooth even (or odd) function plus something linear, with linear tails: a polynomial in x^2
 * for |x| < T, and two independent comparisons.
 */
#ifndef TF_OPS_SPLIT_H
#define TF_OPS_SPLIT_H

#include "runtime/lower/compose.h"

/** A product's result in 16 bits (or 17): kept with `frac` fractional bits, and centred on its way to 32 bits, since
 *  lifting asks for half of the ring: within 2^(14 - frac) of `middle`. */
typedef struct tf_narrow {
    int frac;
    double middle;
} tf_narrow;

/**
 * A polynomial of degree 16 in x that takes a product after each of four squarings of the degree, each of 32 bits into
 * 16, all of whose factors are small integers, halves and powers of two:
 *     s = x^2 / 2^scale - offset                         w = s^2
 *     z = (w + a[0] s + a[1]) (w + b[0] s + b[1])
 *     Q = (z + c[0] s + c[1] w + c[2]) (d[0] s + d[1] w + d[2] z + d[3]) / 2^point
 *         + e[0] s + e[1] w + e[2] z + e[3]
 * The integers are searched for and the offsets fitted to each choice of them. Factors must keep the products below
 * 2^31 units for |x| < tail.
 */
typedef struct tf_even {
    double tail; /**< T */
    int input, scale;
    tf_narrow square; /**< x^2 / 2^scale, from x with `input` fractional bits */
    double offset;
    tf_narrow w;
    double a[2], b[2];
    tf_narrow z;
    double c[3], d[4];
    int point;
    tf_narrow top;
    double e[4];
} tf_even;

/** x rounded for the polynomial, whose value is garbage outside the tails. */
tf_value tf_even_input(tf_program *program, tf_value x, const tf_even *even);

/** Q in 32 bits, for such an x. */
tf_value tf_even_polynomial(tf_program *program, tf_value x, const tf_even *even);

/** The comparisons of x with the tails: [x < T] and [x < -T], where the pieces meet so closely that 1/128 to either
 *  side of T does not matter. */
void tf_even_tails(tf_program *program, tf_value x, const tf_even *even, tf_value *below, tf_value *far_below);

/** x/2 + Q for |x| < T, x above and 0 below. */
tf_value tf_even_ramp(tf_program *program, tf_value x, const tf_even *even);

/** 1/2 + x Q for |x| < T, 1 above and 0 below. Q is near 1/16 at T. */
tf_value tf_even_step(tf_program *program, tf_value x, const tf_even *even);

#endif
