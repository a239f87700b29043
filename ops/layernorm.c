/** Normalisation over the last dimension. */
#include <math.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/compose.h"

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

/** x minus the mean of its row, in a ring of at least `bits`. The mean is rounded once per row. */
static tf_value centred(tf_program *p, tf_value x, unsigned bits) {
    if (p->status) return -1;
    size_t n = tf_shape_last(tf_type_of(p, x)->shape);
    double bound = tf_type_of(p, x)->bound;
    x = tf_lift(p, x, bits);
    tf_shape row = tf_type_of(p, x)->shape;
    tf_value mean = tf_scale_real(p, tf_sum_axis(p, x, -1, bound * (double)n), 1 / (double)n, 20);
    mean = tf_trunc(p, mean, p->frac);
    row.dim[row.rank - 1] = 1;
    return tf_sub(p, x, tf_reshape(p, mean, row));
}

/** d * gamma + beta */
static tf_value affine(tf_program *p, tf_value d, const tf_value *in) {
    double bound = tf_default_bound(p);
    tf_value gamma = tf_weight(p, in[1], p->frac, tf_width(2 * p->frac, bound));
    tf_value scaled = tf_mul(p, d, gamma, (tf_result){p->frac, 0, false});
    return tf_add(p, scaled, tf_weight(p, in[2], p->frac, tf_width(p->frac, bound)));
}

/*
 * The sum of squares is taken once per row; its inverse root times sqrt(n) is the inverse deviation. Sums of squares
 * from 2^-6 to 2^22 are resolved; below, a row is scaled by less than it should be, and a row of zeros stays zero.
 */
static tf_value lower_exact(tf_program *p, const tf_node *node, const tf_value *in) {
    const double low = 0x1p-6, high = 0x1p22;
    if (p->status) return -1;
    int frac = p->frac, square_frac = frac + 4, factor_frac = frac + 4;
    size_t n = tf_shape_last(tf_type_of(p, in[0])->shape);
    tf_value d = centred(p, in[0], tf_width(2 * frac, high));
    tf_value sum = tf_dot(p, d, d, (tf_result){square_frac, high, false});
    double eps = tf_attr_get(node, "eps", 0) * (double)n;
    if (eps * ldexp(1, square_frac) >= 1) sum = tf_add_const(p, sum, eps);
    tf_value factor = tf_rsqrt(p, sum, low, high, sqrt((double)n), factor_frac);
    if (p->status) return -1;
    tf_shape row = tf_type_of(p, d)->shape;
    row.dim[row.rank - 1] = 1;
    tf_result unit = {frac, ldexp(1, (int)ceil(log2((double)n) / 2) + 1), false}; /* |d| / deviation <= sqrt(n) */
    return affine(p, tf_mul(p, d, tf_reshape(p, factor, row), unit), in);
}

static tf_value lower_center(tf_program *p, const tf_node *node, const tf_value *in) {
    return affine(p, centred(p, in[0], tf_width(2 * p->frac, tf_default_bound(p))), in);
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
     .lower = lower_exact,
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
     .lower = lower_center,
     .low = -32,
     .high = 32,
     .private_error = 1e-3},
    {0},
};
