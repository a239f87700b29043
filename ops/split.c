#include "ops/split.h"

#include <math.h>

enum { RING = 32 };

/** The sum of c[i] v[i] plus `constant`, within 8; the v are in rings with room for it. */
static tf_value combination(tf_program *p, int count, const double *c, const tf_value *v, double constant) {
    enum { PRECISION = 8, WITHIN = 8 };
    tf_value sum = -1;
    for (int i = 0; i < count; i++) {
        if (c[i] == 0) continue;
        tf_value term = tf_assume(p, tf_scale_real(p, v[i], c[i], PRECISION), WITHIN);
        sum = sum < 0 ? term : tf_add_within(p, sum, term, WITHIN);
    }
    return tf_add_const_within(p, sum, constant, WITHIN);
}

/** a * b, a value around `kept.middle`, in 32 bits. */
static tf_value product(tf_program *p, tf_value a, tf_value b, tf_narrow kept, double within) {
    tf_value v = tf_mul(p, a, b, (tf_result){kept.frac, within, false});
    v = tf_lift(p, tf_add_const_within(p, v, -kept.middle, within), RING);
    return tf_add_const_within(p, v, kept.middle, 2 * (within + fabs(kept.middle)));
}

static double half_ring(tf_narrow kept) {
    return ldexp(1, 14 - kept.frac);
}

tf_value tf_even_input(tf_program *p, tf_value x, const tf_even *even) {
    if (p->status) return -1;
    int frac = tf_type_of(p, x)->frac;
    return tf_assume_selected(p, tf_trunc(p, x, frac < even->input ? frac : even->input), even->tail);
}

tf_value tf_even_polynomial(tf_program *p, tf_value x, const tf_even *even) {
    double square_within = fmax(half_ring(even->square), 0.52 * even->tail * even->tail * ldexp(1, -even->scale));
    tf_value s = product(p, x, tf_scale_real(p, x, ldexp(1, -even->scale), 1), even->square, square_within);
    s = tf_add_const_within(p, s, -even->offset, 2);
    tf_value w = product(p, s, s, even->w, half_ring(even->w)), v[] = {s, w, -1};
    tf_value left = combination(p, 2, (double[]){even->a[0], 1}, v, even->a[1]);
    tf_value right = combination(p, 2, (double[]){even->b[0], 1}, v, even->b[1]);
    v[2] = product(p, left, right, even->z, half_ring(even->z));
    left = combination(p, 3, (double[]){even->c[0], even->c[1], 1}, v, even->c[2]);
    right = combination(p, 3, even->d, v, even->d[3]);
    tf_value top =
        product(p, tf_scale_real(p, left, ldexp(1, -even->point), 1), right, even->top, half_ring(even->top));
    return tf_add_within(p, combination(p, 3, even->e, v, even->e[3]), top, 8);
}

void tf_even_tails(tf_program *p, tf_value x, const tf_even *even, tf_value *below, tf_value *far_below) {
    int frac = p->status ? 0 : tf_type_of(p, x)->frac;
    unsigned low = frac > 6 ? (unsigned)frac - 6 : 0; /* far fewer bits need be compared than elsewhere */
    *below = tf_negative(p, tf_add_const(p, x, -even->tail), low);
    *far_below = tf_negative(p, tf_add_const(p, x, even->tail), low);
}

tf_value tf_even_ramp(tf_program *p, tf_value x, const tf_even *even) {
    if (p->status) return -1;
    tf_value below, far_below;
    tf_even_tails(p, x, even, &below, &far_below);
    tf_value q = tf_even_polynomial(p, tf_even_input(p, x, even), even);
    /* x + [x < T](Q - x/2) - [x < -T](Q + x/2), doubled (one fractional bit more) so that x/2 needs no truncation;
     * below -T both terms count and Q must cancel, so they live in the ring of the result */
    double whole = tf_default_bound(p);
    tf_value twice = tf_scale_real(p, q, 2, 1);
    if (!p->status && tf_type_of(p, twice)->frac > p->frac) twice = tf_trunc(p, twice, p->frac);
    twice = tf_lift(p, twice, tf_width(p->frac, whole));
    tf_value minus = tf_assume(p, tf_sub(p, twice, x), whole), plus = tf_assume(p, tf_add(p, twice, x), whole);
    tf_term terms[2] = {{below, minus, false}, {far_below, tf_scale_int(p, plus, -1), false}};
    tf_value both = tf_add(p, tf_scale_int(p, tf_assume(p, x, whole / 2), 2), tf_select(p, 2, terms));
    return tf_scale_real(p, tf_assume(p, both, whole), 0.5, 1);
}

tf_value tf_even_step(tf_program *p, tf_value x, const tf_even *even) {
    if (p->status) return -1;
    tf_value below, far_below;
    tf_even_tails(p, x, even, &below, &far_below);
    x = tf_even_input(p, x, even);
    tf_value q = tf_even_polynomial(p, x, even);
    /* x (Q - 1/16) stays below 1/2, and needs a bit less */
    tf_value rest = tf_mul(p, x, tf_add_const_within(p, q, -0.0625, 1), (tf_result){p->frac, 0.5, false});
    tf_value odd = tf_add_within(p, tf_assume(p, tf_scale_real(p, x, 0.0625, 1), 1), rest, 1);
    if (!p->status && tf_type_of(p, odd)->frac > p->frac) odd = tf_trunc(p, odd, p->frac);
    /* 1 + [x < T](x Q - 1/2) - [x < -T](x Q + 1/2); x Q must cancel below -T, so it is lifted before the terms part */
    odd = tf_lift(p, odd, tf_width(p->frac, 2));
    tf_value minus = tf_add_const_within(p, odd, -0.5, 1), plus = tf_add_const_within(p, odd, 0.5, 1);
    tf_term terms[2] = {{below, minus, false}, {far_below, tf_scale_int(p, plus, -1), false}};
    return tf_add_const_within(p, tf_select(p, 2, terms), 1, 2);
}
