/** The activation of the feed-forward layers. */
#include <math.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/compose.h"

static tf_status plain_exact(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) {
        float x = in[0].data[i];
        out->data[i] = 0.5f * x * (1.0f + erff(x * (float)M_SQRT1_2));
    }
    return TF_OK;
}

static tf_status plain_relu(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) out->data[i] = in[0].data[i] > 0 ? in[0].data[i] : 0;
    return TF_OK;
}

/** A value in 16 bits that lies around `middle`, in 32 bits and less `middle` + `shift`: it is lifted centred, since a
 *  lift asks for half of its ring. */
static tf_value widened(tf_program *p, tf_value a, double middle, double shift) {
    double half = p->status ? 0 : tf_type_of(p, a)->bound;
    a = tf_lift(p, tf_add_const_within(p, a, -middle, half), 32);
    return tf_add_const_within(p, a, middle - shift, 4);
}

/*
 * x (Phi(x) - 1/2) is smooth and even: inside |x| < T it is a polynomial Q in x^2, and only the two tails need a
 * comparison: GELU(x) = x + [x < T](Q - x/2) - [x < -T](Q + x/2). Outside, Q may be garbage: it is multiplied by zero,
 * exactly, in the ring. So its powers live in rings just wide enough for |x| < T. Both selections share one reshare.
 * The sum is kept doubled (one fractional bit more) so that x/2 needs no truncation.
 *
 * Q has degree 8 in s = x^2/8 - 0.810963. With w = s^2
 *     z = (w - s + 0.230684)(w - s/2 + 0.470784)
 *     Q = (z + 2s - 0.182449)((w - z + 3s)/2 - 1.68364)/16 + s - 3w/8 + 1.25172
 * takes a product after each of three squarings of the degree, each from 32 bits into 16, and multiplies by nothing but
 * small integers and powers of two: those were searched for, the other constants fitted to each choice. It is within
 * 1.4e-4 of x (Phi(x) - 1/2) for |x| < T = 3.88; the tails are cut at 2.1e-4.
 */
static tf_value inner(tf_program *p, tf_value x) {
    enum { FRAC = 14 };
    tf_value u = tf_mul(p, x, tf_scale_real(p, x, 0.125, 1), (tf_result){FRAC, 1, false});
    tf_value s = widened(p, u, 0.945, 0.810963);
    tf_value w = widened(p, tf_mul(p, s, s, (tf_result){FRAC, 1, false}), 0.582, 0);
    tf_value left = tf_add_const_within(p, tf_add_within(p, w, tf_scale_int(p, s, -1), 4), 0.230684, 4);
    tf_value right = tf_add_const_within(p, tf_add_within(p, w, tf_scale_real(p, s, -0.5, 1), 4), 0.470784, 4);
    tf_value z = widened(p, tf_mul(p, left, right, (tf_result){FRAC - 1, 2, false}), 1.299, 0);
    left = tf_add_const_within(p, tf_add_within(p, z, tf_scale_int(p, s, 2), 4), -0.182449, 4);
    right = tf_add_within(p, tf_add_within(p, w, tf_scale_int(p, z, -1), 4), tf_scale_int(p, s, 3), 8);
    right = tf_add_const_within(p, tf_scale_real(p, right, 0.5, 1), -1.68364, 4);
    tf_value top = tf_mul(p, tf_scale_real(p, left, 0.0625, 1), right, (tf_result){FRAC + 3, 0.125, false});
    tf_value low = tf_add_const_within(p, tf_add_within(p, s, tf_scale_real(p, w, -0.375, 2), 4), 1.25172, 4);
    return tf_add_within(p, widened(p, top, -0.0711, 0), low, 4);
}

static tf_value lower_exact(tf_program *p, const tf_node *node, const tf_value *in) {
    const double tail = 3.88;
    if (p->status) return -1;
    tf_value x = in[0];
    /* the pieces meet within 2e-4 over 1/128 around T, so that far fewer bits need be compared than elsewhere */
    unsigned low = (unsigned)p->frac - 6;
    tf_value below = tf_negative(p, tf_add_const(p, x, -tail), low);
    tf_value far_below = tf_negative(p, tf_add_const(p, x, tail), low);
    /* the square asks for 5 bits more than x has, or for 5 fractional bits less of x: that costs a message, no lift */
    int frac = p->frac <= 16 && p->frac > 13 ? 27 - p->frac : p->frac;
    tf_value q = inner(p, tf_assume_selected(p, tf_trunc(p, x, frac), tail));
    /* twice Q, minus and plus x; below -T both terms count and Q must cancel, so they live in the ring of the result */
    double whole = tf_default_bound(p);
    tf_value twice = tf_scale_real(p, q, 2, 1);
    if (!p->status && tf_type_of(p, twice)->frac > p->frac) twice = tf_trunc(p, twice, p->frac);
    twice = tf_lift(p, twice, tf_width(p->frac, whole));
    tf_value minus = tf_assume(p, tf_sub(p, twice, x), whole), plus = tf_assume(p, tf_add(p, twice, x), whole);
    tf_term terms[2] = {{below, minus, false}, {far_below, tf_scale_int(p, plus, -1), false}};
    tf_value both = tf_add(p, tf_scale_int(p, tf_assume(p, x, whole / 2), 2), tf_select(p, 2, terms));
    return tf_scale_real(p, tf_assume(p, both, whole), 0.5, 1);
}

static tf_value lower_relu(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_relu(p, in[0]);
}

const tf_op tf_gelu_ops[] = {
    {.kind = "gelu",
     .variant = "exact",
     .summary = "x Phi(x), Phi the normal distribution function",
     .source = "Hendrycks and Gimpel 2016, 2",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = plain_exact,
     .lower = lower_exact,
     .low = -8,
     .high = 8,
     .private_error = 2e-3},
    {.kind = "gelu",
     .variant = "relu",
     .summary = "max(x, 0)",
     .source = "Liu and Liu 2023 (arXiv:2305.18396)",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = plain_relu,
     .lower = lower_relu,
     .truth = "exact",
     .low = -8,
     .high = 8,
     .approximation_error = 0.171,
     .private_error = 2.1e-3},
    {0},
};
