/** The activation of BERT's pooler. */
#include <math.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/compose.h"

static tf_status plain_exact(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) out->data[i] = tanhf(in[0].data[i]);
    return TF_OK;
}

/* With e = exp(-2|x|), tanh|x| = 2/(1 + e) - 1, and (1 + e)/2 lies in [1/2, 1]: its inverse needs no normalisation. */
static tf_value lower_exact(tf_program *p, const tf_node *node, const tf_value *in) {
    tf_value x = in[0], negative = tf_negative(p, x, 0); /* exact, so that |x| is never below zero */
    tf_value size = tf_sub(p, x, tf_scale_int(p, tf_select(p, 1, &(tf_term){negative, x, false}), 2));
    tf_value e = tf_exp_negative(p, tf_scale_int(p, size, -2));
    tf_value half = tf_scale_real(p, tf_assume(p, tf_add_const(p, e, 1), 2), 0.5, 1);
    tf_value t = tf_trunc(p, tf_assume(p, tf_add_const(p, tf_reciprocal_unit(p, half), -1), 2), p->frac);
    return tf_sub(p, t, tf_scale_int(p, tf_select(p, 1, &(tf_term){negative, t, false}), 2));
}

const tf_op tf_tanh_ops[] = {
    {.kind = "tanh",
     .variant = "exact",
     .summary = "the hyperbolic tangent",
     .source = "Devlin et al. 2019 (BERT), reference code",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = plain_exact,
     .lower = lower_exact,
     .low = -8,
     .high = 8,
     .private_error = 2e-3},
    {0},
};
