/**
 * The last step of a LayerNorm alone, for models that fold gamma and beta into the layers that follow, and with the
 * linear layer to whose result it is added. What a later LayerNorm will centre can be centred here, where it delays
 * nothing: the mean of gamma n is a dot product.
 */
#include <math.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
#include "runtime/program/program.h"

static tf_value shift_of(tf_program *p, tf_value beta) {
    return tf_weight(p, beta, p->frac, tf_width(p->frac, tf_default_bound(p)));
}

tf_value tf_scaled(tf_program *p, tf_value x, tf_value gamma, tf_value beta) {
    if (p->status) return -1;
    const int frac = tf_factor_frac(p, x);
    gamma = tf_weight(p, gamma, frac, tf_width(tf_type_of(p, x)->frac + frac, tf_default_bound(p)));
    return tf_mul_add(p, x, gamma, beta < 0 ? -1 : shift_of(p, beta), (tf_result){p->frac, 0, false});
}

static bool is_centred(const tf_node *node) {
    return tf_attr_get(node, "centred", 0) != 0;
}

static tf_status infer_affine(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    tf_shape wanted = tf_dims(tf_shape_last(shape[0]));
    TF_TRY(tf_expect_shape("gamma", shape[1], wanted));
    TF_TRY(tf_expect_shape("beta", shape[2], wanted));
    *out = shape[0];
    return TF_OK;
}

/* out += x gamma + beta, of which the former is taken less its mean where that is `centred`. */
static void add_affine(const tf_array *x, const float *gamma, const float *beta, bool centred, tf_array *out) {
    size_t rows = tf_shape_rows(out->shape), n = tf_shape_last(out->shape);
    for (size_t row = 0; row < rows; row++) {
        const float *in = x->data + row * n;
        double mean = 0;
        for (size_t i = 0; i < n && centred; i++) mean += in[i] * gamma[i] / (double)n;
        for (size_t i = 0; i < n; i++) out->data[row * n + i] += (float)(in[i] * gamma[i] - mean + beta[i]);
    }
}

static tf_status plain_affine(const tf_node *node, const tf_array *in, tf_array *out) {
    for (size_t i = 0; i < tf_shape_count(out->shape); i++) out->data[i] = 0;
    add_affine(&in[0], in[1].data, in[2].data, is_centred(node), out);
    return TF_OK;
}

/* y less the mean of x gamma in each row. */
static tf_value less_mean(tf_program *p, tf_value y, tf_value x, tf_value gamma) {
    if (p->status) return -1;
    const double most_mean = 1024;
    tf_begin_beside(p); /* of layers, which take longer */
    /* gamma in so few bits that the product fits the ring that x has anyway: their errors are lost in the mean */
    tf_shape row = tf_type_of(p, x)->shape;
    size_t n = tf_shape_last(row);
    int halvings = (int)ceil(log2((double)n)), few = p->frac + 4 - halvings > 1 ? p->frac + 4 - halvings : 1;
    gamma = tf_weight(p, gamma, few, tf_width(2 * p->frac + 4, most_mean));
    gamma = tf_scale_real(p, gamma, ldexp(1, -halvings), 1);
    tf_value mean = tf_dot(p, x, gamma, (tf_result){p->frac, most_mean, false});
    mean = tf_trunc(p, tf_scale_real(p, mean, ldexp(1, halvings) / (double)n, 16), p->frac);
    row.dim[row.rank - 1] = 1;
    y = tf_add_within(p, y, tf_scale_int(p, tf_reshape(p, mean, row), -1), tf_default_bound(p));
    tf_end_beside(p);
    return y;
}

static tf_value lower_affine(tf_program *p, const tf_node *node, const tf_value *in) {
    tf_value y = tf_scaled(p, in[0], in[1], in[2]);
    return is_centred(node) ? less_mean(p, y, in[0], in[1]) : y;
}

enum { INPUT, WEIGHT, SCALED, GAMMA, BETA, BIAS };

static tf_status infer_residual(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    TF_TRY(tf_linear_infer(shape[INPUT], shape[WEIGHT], node->inputs > BIAS ? &shape[BIAS] : NULL, out));
    tf_shape wanted = tf_dims(tf_shape_last(*out));
    TF_TRY(tf_expect_shape("what is added", shape[SCALED], *out));
    TF_TRY(tf_expect_shape("gamma", shape[GAMMA], wanted));
    return tf_expect_shape("beta", shape[BETA], wanted);
}

static tf_status plain_residual(const tf_node *node, const tf_array *in, tf_array *out) {
    tf_linear_plain(&in[INPUT], &in[WEIGHT], node->inputs > BIAS ? &in[BIAS] : NULL, out);
    add_affine(&in[SCALED], in[GAMMA].data, in[BETA].data, is_centred(node), out);
    return TF_OK;
}

static tf_value lower_residual(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    tf_value bias = node->inputs > BIAS ? in[BIAS] : -1, y;
    const tf_node *weight = tf_leaf_of(p, in[WEIGHT]);
    tf_result result = {p->frac, 0, false};
    if (weight && weight->leaf == TF_LEAF_WEIGHT)
        y = tf_linear_plus(p, in[INPUT], in[WEIGHT], bias, in[SCALED], in[GAMMA], result);
    else /* public weights take no product to which this one could be added */
        y = tf_add(p, tf_linear(p, in[INPUT], in[WEIGHT], bias, result), tf_scaled(p, in[SCALED], in[GAMMA], -1));
    y = tf_add(p, y, shift_of(p, in[BETA]));
    return is_centred(node) ? less_mean(p, y, in[SCALED], in[GAMMA]) : y;
}

static const tf_example affine_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0},
                                                    {TF_LEAF_WEIGHT, "w", TF_FILL_RANDOM, 0.5, 1.5},
                                                    {TF_LEAF_WEIGHT, "w", TF_FILL_RANDOM, 0.5, 1.5}}},
                        residual_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0},
                                                      {TF_LEAF_WEIGHT, "ww", TF_FILL_RANDOM, 0.5, 1.5},
                                                      {TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0},
                                                      {TF_LEAF_WEIGHT, "w", TF_FILL_RANDOM, 0.5, 1.5},
                                                      {TF_LEAF_WEIGHT, "w", TF_FILL_RANDOM, 0.5, 1.5},
                                                      {TF_LEAF_WEIGHT, "w", TF_FILL_RANDOM, 0.5, 1.5}}};

const tf_op tf_residual_ops[] = {
    {.kind = "affine",
     .variant = "",
     .summary = "x * gamma + beta over the last dimension; with attribute centred x * gamma is taken less its mean",
     .source = "the last step of a LayerNorm, Ba, Kiros and Hinton 2016, 3",
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_affine,
     .plain = plain_affine,
     .lower = lower_affine,
     .low = -32,
     .high = 32,
     .private_error = 1e-3,
     .example = &affine_example},
    {.kind = "residual",
     .variant = "",
     .summary =
         "x W^T + b + n gamma + beta with W secret or public; with attribute centred n gamma is taken less its mean",
     .source = "a linear layer, and the LayerNorm that its result is added to; one product, one truncation",
     .min_inputs = 5,
     .max_inputs = 6,
     .infer = infer_residual,
     .plain = plain_residual,
     .lower = lower_residual,
     .low = -8,
     .high = 8,
     .private_error = 5e-3,
     .example = &residual_example},
    {0},
};
