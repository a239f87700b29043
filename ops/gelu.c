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

/*
 * x (Phi(x) - 1/2) is smooth and even: inside |x| < T it is a polynomial Q in x^2, and only the two tails need a
 * comparison: GELU(x) = x + [x < T](Q - x/2) - [x < -T](Q + x/2). Outside, Q may be garbage: it is multiplied by zero,
 * exactly, in the ring. So its powers live in rings just wide enough for |x| < T. Both selections share one reshare.
 * The sum is kept doubled (one fractional bit more) so that x/2 needs no truncation.
 *
 * Q is the polynomial of degree 6 of least error in s = x^2/8 - 1, which keeps all coefficients below 1.5; those from
 * the second power on were rounded to 11 bits one after the other, the rest fitted anew each time. It is within 4.2e-4
 * of x (Phi(x) - 1/2) for |x| < T = 3.7; the tails are cut at 4.0e-4.
 */
static tf_value lower_exact(tf_program *p, const tf_node *node, const tf_value *in) {
    enum { POWER_FRAC = 13 };
    const double tail = 3.7, most = 2, unit = 1 << TF_COEFFICIENT_BITS;
    const double q[7] = {1.40791566, 0.73295653, -490 / unit, 309 / unit, -108 / unit, -1486 / unit * -275 / unit,
                         -275 / unit};
    tf_value x = in[0];
    tf_value below = tf_less(p, x, tail), far_below = tf_less(p, x, -tail);
    tf_value near = tf_assume(p, x, tail);
    tf_value s = tf_mul(p, near, tf_scale_real(p, near, 0.125, 1), (tf_result){POWER_FRAC, most, false});
    s = tf_add_const_within(p, s, -1, 1);
    tf_value poly = tf_polynomial(p, s, 6, q, (tf_result){p->frac, most, false});
    /* twice Q, minus and plus x; below -T both terms count and Q must cancel, so they live in the ring of the result */
    double whole = tf_default_bound(p);
    tf_value twice = tf_scale_int(p, tf_lift(p, poly, tf_width(p->frac, whole)), 2);
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
