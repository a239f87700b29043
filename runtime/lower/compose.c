#include "runtime/lower/compose.h"

#include <math.h>

#include "runtime/program/step.h"

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
    tf_type type = *tf_type_of(p, a), other = *tf_type_of(p, b);
    double bound = fmax(type.bound, other.bound), low = ldexp(1, (int)tf_default_low(&type));
    unsigned bits = type.bits < other.bits ? type.bits : other.bits;
    if (type.frac != other.frac || ldexp(2 * bound, type.frac) + low > ldexp(1, (int)bits - 1))
        return tf_assume(p, tf_add(p, a, tf_relu(p, tf_sub(p, b, a))), bound);
    /* the ring has room for the sign of the difference, though not for lifting it, and the sum is within the bound
     * again */
    tf_value difference = tf_assume(p, tf_add_within(p, b, tf_scale_int(p, a, -1), bound), 2 * bound);
    return tf_add_within(p, a, tf_assume(p, tf_relu(p, difference), bound), bound);
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

tf_value tf_power_negative(tf_program *p, tf_value a) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    /* The exponential looks at a mod 16, so below -16 its value is that of the wrong number, and is multiplied by
     * zero. The comparison runs beside it; it lets through what is up to 1/4 below its threshold, and even that must
     * stay above -16. Two units are taken off a: rounding may have put 0 one unit above. */
    unsigned low = type.frac > 0 ? (unsigned)type.frac - 1 : 0;
    double least = 16 - ldexp(1, (int)low - 1 - type.frac) - ldexp(4, -type.frac);
    tf_value near =
        tf_assume_selected(p, a, 16); /* a + least is no farther from zero than a: its ring has room for it */
    tf_value above = tf_assume(p, tf_add_const_within(p, near, least, 16), fmax(type.bound, 16));
    tf_value power = tf_exp2(p, tf_add_const_within(p, near, -ldexp(2, -type.frac), 16), TF_OCTAVES, p->frac + 2);
    return tf_select(p, 1, &(tf_term){tf_negative(p, above, low), power, true});
}

tf_value tf_exp_negative(tf_program *p, tf_value a) {
    if (p->status) return -1;
    tf_value z = tf_scale_real(p, a, TF_POWER_SCALE, 20);
    return tf_power_negative(p, tf_trunc(p, z, tf_type_of(p, a)->frac));
}
