/** The activation of the feed-forward layers. */
#include <math.h>

#include "ops/common.h"
#include "ops/ops.h"

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

const tf_op tf_gelu_ops[] = {
    {.kind = "gelu",
     .variant = "exact",
     .summary = "x Phi(x), Phi the normal distribution function",
     .source = "Hendrycks and Gimpel 2016, 2",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = plain_exact,
     .low = -8,
     .high = 8,
     .private_error = 5e-3},
    {.kind = "gelu",
     .variant = "relu",
     .summary = "max(x, 0)",
     .source = "Liu and Liu 2023 (arXiv:2305.18396)",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = plain_relu,
     .truth = "exact",
     .low = -8,
     .high = 8,
     .approximation_error = 0.171,
     .private_error = 5e-5},
    {0},
};
