#include "runtime/compose.h"

#include <math.h>

#include "runtime/step.h"

enum {
    UNIT_FRAC = 22,
    LEAST_FRAC = 16,
    MAX_SCALES = 64
}; /* fractional bits of normalised values, at best and at least */

tf_value tf_relu(tf_program *p, tf_value a) {
    if (p->status) return -1;
    tf_term term = {tf_negative(p, a, tf_default_low(tf_type_of(p, a))), a, true};
    return tf_select(p, 1, &term);
}

tf_value tf_less(tf_program *p, tf_value a, double c) {
    if (p->status) return -1;
    return tf_negative(p, tf_add_const(p, a, -c), tf_default_low(tf_type_of(p, a)));
}

tf_value tf_max(tf_program *p, tf_value a, tf_value b) {
    if (p->status) return -1;
    double bound = fmax(tf_type_of(p, a)->bound, tf_type_of(p, b)->bound);
    tf_value difference = tf_sub(p, b, a);
    return tf_assume(p, tf_add(p, a, tf_relu(p, difference)), bound);
}

tf_value tf_max_last(tf_program *p, tf_value a) {
    if (p->status) return -1;
    while (!p->status && tf_shape_last(tf_type_of(p, a)->shape) > 1) {
        size_t n = tf_shape_last(tf_type_of(p, a)->shape), half = (n + 1) / 2; /* for odd n the middle meets itself */
        a = tf_max(p, tf_slice(p, a, -1, 0, half), tf_slice(p, a, -1, n - half, half));
    }
    return a;
}

/** c * x, the coefficient rounded to `precision` fractional bits, which are added to x's. */
static tf_value coefficient(tf_program *p, tf_value x, double c, int precision) {
    if (p->status) return -1;
    tf_value scaled = tf_scale_int(p, x, llrint(ldexp(c, precision)));
    return tf_scale_real(p, scaled, ldexp(1, -precision), 1);
}

/** The sum of c[i] x[i] plus `constant`, within `bound` as the caller knows; the x are in rings with room for it. */
static tf_value combination(tf_program *p, int count, const double *c, const tf_value *x, int precision,
                            double constant, double bound) {
    tf_value sum = -1;
    for (int i = 0; i < count; i++) {
        if (c[i] == 0 && i) continue;
        tf_value term = tf_assume(p, coefficient(p, x[i], c[i], precision), bound);
        sum = sum < 0 ? term : tf_add_within(p, sum, term, bound);
    }
    return tf_add_const_within(p, sum, constant, bound);
}

tf_value tf_polynomial(tf_program *p, tf_value a, int degree, const double *c, tf_result result) {
    if (p->status) return -1;
    if (degree < 3 || degree > 6) return tf_program_fail(p, tf_fail(TF_INVALID, "a polynomial of degree %d", degree));
    int frac = tf_type_of(p, a)->frac, precision = TF_COEFFICIENT_BITS;
    double b = tf_type_of(p, a)->bound;
    /* c0 + c1 a + a^2 (c2 + c3 a + c4 a^2 + top m), m = a^2 (a^2 + (c5/c6) a), or a^2 a for degree 5 */
    double ratio = degree == 6 ? c[5] / c[6] : 0, inner_bound = degree == 6 ? b * b + fabs(ratio) * b : b;
    double m_bound = degree >= 5 ? b * b * inner_bound : 0, top = degree >= 5 ? c[degree] : 0,
           fourth = degree >= 4 ? c[4] : 0;
    double upper_bound = fabs(c[2]) + b * fabs(c[3]) + b * b * fabs(fourth) + m_bound * fabs(top);
    double whole = fmax(result.bound, b * b * upper_bound);
    /* the powers are lifted at once to the ring of the last product */
    unsigned ring = tf_width(result.frac, whole) + (unsigned)(2 * frac + precision - result.frac);
    tf_value square = tf_mul(p, a, a, (tf_result){frac, b * b, false});
    a = tf_lift(p, a, ring);
    tf_value m = square;
    if (degree >= 5) {
        tf_value inner = a;
        unsigned inner_ring = tf_width(frac, m_bound) + (unsigned)(frac + precision);
        square = tf_lift(p, square, ring > inner_ring ? ring : inner_ring);
        if (degree == 6)
            inner = combination(p, 2, (double[]){1, ratio}, (tf_value[]){square, a}, precision, 0, inner_bound);
        m = tf_lift(p, tf_mul(p, square, inner, (tf_result){frac, m_bound, false}), ring);
    }
    square = tf_lift(p, square, ring);
    tf_value upper =
        combination(p, 3, (double[]){c[3], fourth, top}, (tf_value[]){a, square, m}, precision, c[2], upper_bound);
    upper = tf_mul(p, square, upper, (tf_result){result.frac, whole, false});
    double lower_bound = b * fabs(c[1]) + fabs(c[0]);
    tf_value lower = tf_add_const_within(p, tf_scale_real(p, a, c[1], 16), c[0], lower_bound);
    if (!p->status && tf_type_of(p, lower)->frac > result.frac) lower = tf_trunc(p, lower, result.frac);
    return tf_add_within(p, lower, upper, result.bound);
}

/**
 * Brings the integer X behind a, 2^bottom <= X < 2^top, into [2^(top - step), 2^top) by a power of 2^step: returns that
 * factor's `root`-th root as shares with `frac` fractional bits, i.e. (2^(step j / root)) with the point so set that
 * for root 1 the product with a lies in [2^-step, 1). The bits [X < 2^k] come from one comparison of all k at once.
 */
typedef struct scaling {
    tf_value factor[2]; /* 2^(step j), and its square root where step is 2 */
} scaling;

static scaling normalising_scale(tf_program *p, tf_value a, int bottom, int top, int step, int frac) {
    scaling s = {{-1, -1}};
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
    tf_value compared = tf_add_public(p, tf_expand(p, a, wide), column, threshold);
    tf_value bit = tf_negative(p, compared, 0);
    for (int r = 0; r < step && r < 2; r++) {
        int exponent = (step >> r) * count;
        tf_value share = tf_bit_to_share(p, bit, (unsigned)exponent + 3, false);
        share = tf_mul_public(p, share, column, weight[r], 0);
        share = tf_add_const(p, tf_sum_axis(p, share, 0, ldexp(1, exponent)), 1);
        /* set the point: the same integer, read at another scale */
        if (p->status) return s;
        tf_type t = *tf_type_of(p, share);
        int point = r == 0 ? top - type.frac : frac;
        share = tf_scale_real(p, share, ldexp(1, -point), 1);
        s.factor[r] = tf_assume(p, share, ldexp(t.bound, -point));
    }
    return s;
}

/** The same value with at least `frac` fractional bits, for products of it to be as fine. */
static tf_value refine(tf_program *p, tf_value a, int frac) {
    int more = frac - tf_type_of(p, a)->frac;
    if (p->status || more <= 0) return a;
    return tf_scale_real(p, tf_scale_int(p, a, INT64_C(1) << more), ldexp(1, -more), 1);
}

static int log2_floor(double x) {
    return (int)floor(log2(x));
}

/** y (2 - u y) for y near 1/u. */
static tf_value newton_reciprocal(tf_program *p, tf_value u, tf_value y) {
    tf_value correction = tf_mul(p, u, y, (tf_result){UNIT_FRAC, 2, false});
    correction = tf_add_const_within(p, tf_scale_int(p, correction, -1), 2, 2);
    return tf_mul(p, y, correction, (tf_result){UNIT_FRAC, 4, false});
}

tf_value tf_reciprocal_unit(tf_program *p, tf_value u) {
    /* least relative error on [1/2, 1] with 12 bits for those that multiply: 0.0018, squared by the Newton step */
    static const double c[] = {5.65794389, -11.76171875, 10.65379533, -3.5517578125};
    tf_value y = tf_polynomial(p, u, 3, c, (tf_result){UNIT_FRAC, 4, false});
    return newton_reciprocal(p, u, y);
}

tf_value tf_reciprocal(tf_program *p, tf_value a, double low, double high, int frac) {
    if (p->status) return -1;
    int point = tf_type_of(p, a)->frac, bottom = log2_floor(low) + point, top = log2_floor(high) + point + 1;
    if (bottom < 0) bottom = 0;
    scaling s = normalising_scale(p, a, bottom, top, 1, 0);
    tf_value u = refine(p, tf_mul(p, a, s.factor[0], (tf_result){UNIT_FRAC, 1, false}), LEAST_FRAC);
    return tf_mul(p, tf_reciprocal_unit(p, u), s.factor[0], (tf_result){frac, 2 / low, false});
}

tf_value tf_rsqrt(tf_program *p, tf_value a, double low, double high, int frac) {
    if (p->status) return -1;
    /* least relative error on [1/4, 1] with 8 fractional bits for those that multiply: 0.0022; the Newton step
       leaves 1.5 times its square */
    static const double c[] = {3.49846574, -8.98828125, 14.6677093, -11.984375, 3.80859375};
    int point = tf_type_of(p, a)->frac, bottom = log2_floor(low) + point, top = log2_floor(high) + point + 1;
    if (bottom < 0) bottom = 0;
    if ((top - point) % 2) top++; /* so that the square root of the scale is a power of two */
    scaling s = normalising_scale(p, a, bottom, top, 2, (top - point) / 2);
    tf_value u = refine(p, tf_mul(p, a, s.factor[0], (tf_result){UNIT_FRAC, 1, false}), LEAST_FRAC);
    tf_value y = tf_polynomial(p, u, 4, c, (tf_result){UNIT_FRAC, 4, false});
    /* y (3 - u y^2) / 2 */
    tf_value square = tf_mul(p, y, y, (tf_result){UNIT_FRAC, 8, false});
    tf_value correction = tf_mul(p, u, square, (tf_result){UNIT_FRAC, 2, false});
    correction = tf_add_const_within(p, tf_scale_int(p, correction, -1), 3, 4);
    y = tf_mul(p, y, tf_scale_real(p, correction, 0.5, 1), (tf_result){UNIT_FRAC, 4, false});
    return tf_mul(p, y, s.factor[1], (tf_result){frac, 2 / sqrt(low), false});
}

tf_value tf_power_negative(tf_program *p, tf_value a) {
    if (p->status) return -1;
    int frac = tf_type_of(p, a)->frac;
    /* The exponential looks at a mod 16, so below -16 its value is that of the wrong number, and is multiplied by
     * zero. The comparison runs beside it; it lets through what is less than 2^(low - 1) units below its threshold, and
     * even that must stay above -16. Two units are taken off a: rounding may have put 0 one unit above. */
    double least = 16 - ldexp(1, (int)tf_default_low(tf_type_of(p, a)) - 1 - frac) - ldexp(4, -frac);
    tf_value below = tf_less(p, a, -least);
    tf_value power = tf_exp2(p, tf_add_const_within(p, tf_assume(p, a, 16), -ldexp(2, -frac), 16), 18);
    return tf_select(p, 1, &(tf_term){below, power, true});
}

tf_value tf_exp_negative(tf_program *p, tf_value a) {
    if (p->status) return -1;
    tf_value z = tf_scale_real(p, a, TF_POWER_SCALE, 20);
    return tf_power_negative(p, tf_trunc(p, z, tf_type_of(p, a)->frac));
}
