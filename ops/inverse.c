/** 1/x and 1/sqrt(x), element by element, for x from attribute low to attribute high. */
#include <math.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/lower/compose.h"

static const double low_default = 0x1p-6, high_default = 0x1p10;

static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    double low = tf_attr_get(node, "low", low_default), high = tf_attr_get(node, "high", high_default);
    if (!(low > 0 && high >= low && high <= 0x1p40))
        return tf_fail(TF_INVALID, "attributes low and high are %g and %g, no range above 0", low, high);
    *out = shape[0];
    return TF_OK;
}

static tf_status plain_reciprocal(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) out->data[i] = 1 / in[0].data[i];
    return TF_OK;
}

static tf_status plain_rsqrt(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) out->data[i] = 1 / sqrtf(in[0].data[i]);
    return TF_OK;
}

static tf_value lower_reciprocal(tf_program *p, const tf_node *node, const tf_value *in) {
    double low = tf_attr_get(node, "low", low_default), high = tf_attr_get(node, "high", high_default);
    return tf_reciprocal(p, tf_assume(p, in[0], high), low, high, p->frac);
}

static tf_value lower_rsqrt(tf_program *p, const tf_node *node, const tf_value *in) {
    double low = tf_attr_get(node, "low", low_default), high = tf_attr_get(node, "high", high_default);
    return tf_rsqrt(p, tf_assume(p, in[0], high), low, high, 1, p->frac, 0);
}

const tf_op tf_inverse_ops[] = {
    {.kind = "reciprocal",
     .variant = "exact",
     .summary = "1 / x for x from attribute low (2^-6) to high (2^10)",
     .source = "thresholds at once, a polynomial between each two",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer,
     .plain = plain_reciprocal,
     .lower = lower_reciprocal,
     .low = 0x1p-6,
     .high = 0x1p10,
     .private_error = 2e-3},
    {.kind = "rsqrt",
     .variant = "exact",
     .summary = "1 / sqrt(x) for x from attribute low (2^-6) to high (2^10)",
     .source = "thresholds at once, a polynomial between each two",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer,
     .plain = plain_rsqrt,
     .lower = lower_rsqrt,
     .low = 0x1p-6,
     .high = 0x1p10,
     .private_error = 1e-3},
    {0},
};
