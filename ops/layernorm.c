/** Normalisation over the last dimension. */
#include <math.h>

#include "ops/common.h"
#include "ops/ops.h"

static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    tf_shape wanted = tf_dims(tf_shape_last(shape[0]));
    TF_TRY(tf_expect_shape("gamma", shape[1], wanted));
    TF_TRY(tf_expect_shape("beta", shape[2], wanted));
    double eps = tf_attr_get(node, "eps", 0);
    if (!(eps >= 0 && eps <= 1)) return tf_fail(TF_INVALID, "attribute eps is %g, not in 0..1", eps);
    *out = shape[0];
    return TF_OK;
}

static double mean_of(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

static double variance_of(const float *x, size_t n, double mean) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return sum / (double)n;
}

/* A row of zero variance stays zero, whatever eps. */
static double inverse_deviation(const float *x, size_t n, double mean, double eps) {
    double square = variance_of(x, n, mean) + eps;
    return square > 0 ? 1 / sqrt(square) : 0;
}

static tf_status normalise(const tf_node *node, const tf_array *in, tf_array *out, bool divide) {
    size_t rows = tf_shape_rows(out->shape), n = tf_shape_last(out->shape);
    double eps = tf_attr_get(node, "eps", 0);
    for (size_t row = 0; row < rows; row++) {
        const float *x = in[0].data + row * n;
        double mean = mean_of(x, n), factor = divide ? inverse_deviation(x, n, mean, eps) : 1;
        for (size_t i = 0; i < n; i++)
            out->data[row * n + i] = (float)((x[i] - mean) * factor * in[1].data[i] + in[2].data[i]);
    }
    return TF_OK;
}

static tf_status plain_exact(const tf_node *node, const tf_array *in, tf_array *out) {
    return normalise(node, in, out, true);
}

static tf_status plain_center(const tf_node *node, const tf_array *in, tf_array *out) {
    return normalise(node, in, out, false);
}

const tf_op tf_layernorm_ops[] = {
    {.kind = "layernorm",
     .variant = "exact",
     .summary = "(x - mean) / sqrt(variance + eps) * gamma + beta over the last dimension",
     .source = "Ba, Kiros and Hinton 2016, 3",
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer,
     .plain = plain_exact,
     .low = -72,
     .high = 224,
     .private_error = 1e-3},
    {.kind = "layernorm",
     .variant = "center",
     .summary = "(x - mean) * gamma + beta: no variance, no division; for weights trained so",
     .source = "Liu and Liu 2023 (arXiv:2305.18396)",
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer,
     .plain = plain_center,
     .low = -32,
     .high = 32,
     .private_error = 1e-3},
    {0},
};
