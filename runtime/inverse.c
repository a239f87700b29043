/*
 * 1/a and 1/sqrt(a), once per row. The scale that brings a into one octave (two for the root) is a public combination
 * of comparison bits; there a seed of degree 1 (2) leaves a residual r, and a cubic in r corrects it. Every seed
 * serves: r is computed from the very seed that is used, so neither its coefficients nor the rounding in it matter.
 *
 * Few elements, so what counts is rounds. Each product truncates into a narrower ring and a lift back costs a round;
 * products are given room, up to 64 bits, so that what follows needs none.
 */
#include <math.h>

#include "runtime/compose.h"
#include "runtime/step.h"

enum { FINE = 22, SQUARE = 20, MAX_SCALES = 64 }; /* fractional bits of normalised values and of r^2 */

/** a * b with `frac` fractional bits, within `bound`, in a ring of `bits` if 64 bits are enough for that. */
static tf_value roomy(tf_program *p, tf_value a, tf_value b, int frac, double bound, unsigned bits) {
    if (p->status) return -1;
    int shift = tf_type_of(p, a)->frac + tf_type_of(p, b)->frac - frac;
    if (shift > 0 && bits + (unsigned)shift > 64) bits = 64 - (unsigned)shift;
    if (bits < tf_width(frac, bound)) return tf_mul(p, a, b, (tf_result){frac, bound, false});
    return tf_assume(p, tf_mul(p, a, b, (tf_result){frac, ldexp(1, (int)bits - 2 - frac), false}), bound);
}

/** The factors that bring a into [2^-step, 1), a little more at both ends, and their square roots where step is 2. */
typedef struct scaling {
    tf_value factor, root;
} scaling;

/**
 * The integer X behind a lies in 2^bottom..2^top. All bits [X < 2^k], every `step`-th k, come from one comparison; a
 * public combination of them is 2^(step j) with the point set so that a * factor is X 2^(step j) / 2^top. Low bits that
 * move X across a power of two by 1/256 at most are not compared.
 */
static scaling scale_of(tf_program *p, tf_value a, int bottom, int top, int step) {
    scaling s = {-1, -1};
    if (p->status) return s;
    tf_type type = *tf_type_of(p, a);
    int count = (top - bottom - 1) / step;
    if (count < 1) count = 1;
    if (count > MAX_SCALES || type.shape.rank >= TF_MAX_RANK) {
        tf_program_fail(p, tf_fail(TF_RANGE, "an inverse over %d bits of range", top - bottom));
        return s;
    }
    tf_shape wide = {.rank = type.shape.rank + 1, .dim = {(size_t)count}},
             column = {.rank = wide.rank, .dim = {(size_t)count}};
    for (int i = 0; i < type.shape.rank; i++) wide.dim[i + 1] = type.shape.dim[i], column.dim[i + 1] = 1;
    double threshold[MAX_SCALES], weight[2][MAX_SCALES];
    for (int i = 0; i < count; i++) { /* bit i: X < 2^(top - step (i + 1)), a factor of 2^step more */
        threshold[i] = -ldexp(1, top - step * (i + 1) - type.frac);
        for (int r = 0; r < 2; r++) weight[r][i] = ldexp(1, (step >> r) * (i + 1)) - ldexp(1, (step >> r) * i);
    }
    tf_value bit = tf_negative(p, tf_add_public(p, tf_expand(p, a, wide), column, threshold),
                               bottom > 6 ? (unsigned)bottom - 6 : 0);
    for (int r = 0; r < step; r++) {
        int exponent = (step >> r) * count, point = (top - type.frac) >> r;
        tf_value share = tf_mul_public(p, tf_bit_to_share(p, bit, 64, false), column, weight[r], 0);
        share = tf_add_const_within(p, tf_sum_axis(p, share, 0, ldexp(1, exponent)), 1, ldexp(1, exponent));
        share = tf_scale_real(p, share, ldexp(1, -point), 1); /* sets the point: the same integer at another scale */
        if (r == 0)
            s.factor = share;
        else
            s.root = share;
    }
    return s;
}

/** a with `frac` fractional bits, |a| <= bound, in what is left of its ring. */
static tf_value coarse_of(tf_program *p, tf_value a, int frac, double bound) {
    if (p->status || tf_type_of(p, a)->frac <= frac) return a;
    int bits = (int)tf_type_of(p, a)->bits - (tf_type_of(p, a)->frac - frac);
    return tf_assume(p, tf_trunc(p, tf_assume(p, a, ldexp(1, bits - 2 - frac)), frac), bound);
}

/** 1 - a b, small, in the widest ring, so that what is made of it needs no lift. `centre` evens out the error of what
 *  follows. */
static tf_value residual(tf_program *p, tf_value a, tf_value b, double centre) {
    tf_value product = roomy(p, a, b, FINE, 1, FINE + 2); /* near 1, while the ring ends at 2 */
    tf_value r = tf_add_const_within(p, tf_scale_int(p, product, -1), 1 + centre, 1);
    return tf_lift(p, r, 64);
}

/** factor * seed (1 + c1 r)(1 + c2 r + c3 r^2); c with 9 significant bits, c3 with at most 10 fractional ones. factor
 * -1 stands for 1. */
static tf_value correct(tf_program *p, tf_value factor, tf_value seed, tf_value r, const double *c, tf_result result) {
    enum { PRECISION = 9, MOST = 10 };
    /* the last product stays within 64 bits: the result's, those of c3 r^2, and some more of factor * seed (1 + c1 r)
     */
    int room = 64 - MOST - (int)tf_width(result.frac, result.bound), square_frac = room < SQUARE ? room : SQUARE;
    int frac = result.frac + (room - square_frac < 10 ? room - square_frac : 10);
    tf_value g = factor < 0 ? seed : roomy(p, factor, seed, frac, result.bound, 64);
    tf_value first = tf_add_const_within(p, tf_scale_real(p, r, c[0], PRECISION), 1, 2);
    tf_value square = tf_lift(p, tf_mul(p, r, r, (tf_result){square_frac, 1, false}), 64);
    tf_value second = tf_scale_real(p, square, c[2], PRECISION);
    if (c[1] != 0) second = tf_add_within(p, second, tf_scale_real(p, r, c[1], PRECISION), 2);
    first = tf_mul(p, g, first, (tf_result){frac, result.bound, false});
    return tf_mul(p, first, tf_add_const_within(p, second, 1, 2), result);
}

/** factor / u for u in [1/2, 1), to 4e-6. */
static tf_value divide(tf_program *p, tf_value u, tf_value factor, tf_result result) {
    /* 1/u = y / (1 - r) with |r| < 0.061; (1 + r)(1 + 257/256 r^2) is nearly the cubic of least error */
    static const double c[] = {1, 0, 257.0 / 256};
    tf_value y = tf_add_const_within(p, tf_scale_real(p, u, -1.875, 4), 2.8203, 2);
    return correct(p, factor, y, residual(p, u, y, -1.6e-6), c, result);
}

tf_value tf_reciprocal_unit(tf_program *p, tf_value u) {
    return divide(p, tf_lift(p, u, 64), -1, (tf_result){FINE, 4, false});
}

static int log2_floor(double x) {
    return (int)floor(log2(x));
}

tf_value tf_reciprocal(tf_program *p, tf_value a, double low, double high, int frac) {
    if (p->status) return -1;
    int point = tf_type_of(p, a)->frac, bottom = log2_floor(low) + point, top = log2_floor(high) + point + 1;
    if (bottom < 0) bottom = 0;
    scaling s = scale_of(p, a, bottom, top, 1);
    tf_value u = roomy(p, a, s.factor, top < FINE ? top : FINE, 1, 64);
    return divide(p, u, s.factor, (tf_result){frac, 2 / low, false});
}

tf_value tf_rsqrt(tf_program *p, tf_value a, double low, double high, int frac) {
    enum { COARSE = 13 };
    /* 1 + r/2 + 3/8 r^2 + 0.3134 r^3, where the series has 5/16 r^3 */
    static const double c[] = {21.0 / 32, -5.0 / 32, 489.0 / 1024};
    if (p->status) return -1;
    int point = tf_type_of(p, a)->frac, bottom = log2_floor(low) + point, top = log2_floor(high) + point + 1;
    if (bottom < 0) bottom = 0;
    if ((top - point) % 2) top++; /* so that the square root of the scale is a power of two */
    scaling s = scale_of(p, a, bottom, top, 2);
    tf_value u = roomy(p, a, s.factor, top < FINE ? top : FINE, 1, 64);
    /* 1/sqrt(u) = y / sqrt(1 - r) with |r| < 0.057 for u in [1/4, 1) */
    tf_value coarse = coarse_of(p, u, COARSE, 1);
    tf_value y = tf_scale_real(p, roomy(p, coarse, coarse, COARSE, 1, 64), 1.5, 2);
    y = tf_add_const_within(p, tf_add_within(p, y, tf_scale_real(p, coarse, -3.125, 5), 2), 2.63295, 2);
    y = tf_lift(p, y, 64);
    tf_value r = residual(p, u, roomy(p, y, y, 20, 4, 44), 0);
    return correct(p, s.root, y, r, c, (tf_result){frac, 2 / sqrt(low), false});
}
