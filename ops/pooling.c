/** From the vectors of a text's tokens to one vector of the text. */
#include <math.h>
#include <string.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
#include "runtime/lower/compose.h"

static tf_status infer_first_token(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    TF_TRY(tf_expect_rank("the input", shape[0], 3));
    *out = tf_dims(shape[0].dim[0], shape[0].dim[2]);
    return TF_OK;
}

static tf_status plain_first_token(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t texts = in[0].shape.dim[0], length = in[0].shape.dim[1], width = in[0].shape.dim[2];
    for (size_t text = 0; text < texts; text++)
        memcpy(out->data + text * width, in[0].data + text * length * width, width * sizeof(float));
    return TF_OK;
}

/* Weights are texts x tokens; or texts x sums x tokens, for as many weighted sums of each text. */
static tf_status infer_mean_pool(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    TF_TRY(infer_first_token(node, shape, out));
    if (shape[1].rank == 3) {
        *out = tf_dims(shape[0].dim[0], shape[1].dim[1], shape[0].dim[2]);
        return tf_expect_shape("the tensor of weights", shape[1],
                               tf_dims(shape[0].dim[0], shape[1].dim[1], shape[0].dim[1]));
    }
    return tf_expect_shape("the tensor of weights", shape[1], tf_dims(shape[0].dim[0], shape[0].dim[1]));
}

static tf_status plain_mean_pool(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t texts = in[0].shape.dim[0], length = in[0].shape.dim[1], width = in[0].shape.dim[2];
    size_t sums = in[1].shape.rank == 3 ? in[1].shape.dim[1] : 1;
    for (size_t row = 0; row < texts * sums; row++) {
        const float *x = in[0].data + row / sums * length * width, *weight = in[1].data + row * length;
        for (size_t i = 0; i < width; i++) {
            double sum = 0;
            for (size_t token = 0; token < length; token++) sum += (double)weight[token] * x[token * width + i];
            out->data[row * width + i] = (float)sum;
        }
    }
    return TF_OK;
}

static tf_status plain_max_pool(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t texts = in[0].shape.dim[0], length = in[0].shape.dim[1], width = in[0].shape.dim[2];
    for (size_t text = 0; text < texts; text++)
        for (size_t i = 0; i < width; i++) {
            float most = -INFINITY;
            for (size_t token = 0; token < length; token++)
                if (in[1].data[text * length + token] != 0)
                    most = fmaxf(most, in[0].data[(text * length + token) * width + i]);
            out->data[text * width + i] = most;
        }
    return TF_OK;
}

static tf_status plain_l2norm(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t rows = tf_shape_rows(out->shape), n = tf_shape_last(out->shape);
    for (size_t row = 0; row < rows; row++) {
        const float *x = in[0].data + row * n;
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
        double factor = 1 / fmax(sqrt(sum), 1e-12);
        for (size_t i = 0; i < n; i++) out->data[row * n + i] = (float)(x[i] * factor);
    }
    return TF_OK;
}

static tf_value lower_first_token(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_reshape(p, tf_slice(p, in[0], 1, 0, 1), node->shape);
}

/* With weights that are shares a product for each element that comes out. */
static tf_value secret_mean_pool(tf_program *p, const tf_node *node, const tf_value *in) {
    size_t texts = node->shape.dim[0], width = tf_shape_last(node->shape), sums = 1;
    size_t length = tf_shape_last(tf_type_of(p, in[1])->shape);
    if (node->shape.rank == 3) sums = node->shape.dim[1];
    tf_matmul_layout layout = {.batch = {texts},
                               .m = sums,
                               .k = length,
                               .n = width,
                               .a_batch = {sums * length},
                               .a_row = length,
                               .b_batch = {length * width},
                               .b_row = width,
                               .b_col = 1,
                               .c_batch = {sums * width},
                               .c_row = width};
    return tf_matmul(p, in[1], in[0], -1, layout, node->shape, (tf_result){p->frac, 0, false});
}

static tf_value lower_mean_pool(tf_program *p, const tf_node *node, const tf_value *in) {
    const tf_node *weights = tf_leaf_of(p, in[1]);
    if (p->status) return -1;
    if (!weights) return secret_mean_pool(p, node, in);
    if (weights->shape.rank != 2) return tf_program_fail(p, tf_expect_rank("public weights", weights->shape, 2));
    double bound = tf_default_bound(p);
    tf_shape column = tf_dims(weights->shape.dim[0], weights->shape.dim[1], 1);
    tf_value sum = tf_sum_axis(p, tf_mul_leaf(p, in[0], in[1], column, tf_factor_frac(p, in[0])), 1, bound);
    /* what a product with gamma follows is truncated once, after that, where the widest ring has room for both */
    bool later = tf_attr_get(node, "scaled", 0) != 0 && tf_width(3 * p->frac, bound) <= 64;
    return later ? sum : tf_trunc(p, sum, p->frac);
}

/* A tournament between the two halves of the tokens, round by round; padding goes in 2^10 lower, so that elements of
 * up to 2^9 stand above it. */
static tf_value lower_max_pool(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    const double lower = 0x1p10, bound = tf_default_bound(p);
    tf_shape shape = tf_type_of(p, in[0])->shape, column = tf_dims(shape.dim[0], shape.dim[1], 1);
    tf_value x;
    if (tf_leaf_of(p, in[1]))
        x = tf_add_leaf_within(p, in[0], in[1], column, lower, -lower, bound);
    else /* a secret mask: local all the same */
        x = tf_add_within(p, in[0],
                          tf_reshape(p, tf_scale_int(p, tf_add_const_within(p, in[1], -1, 1), (int64_t)lower), column),
                          bound);
    for (size_t length = shape.dim[1]; length > 1 && !p->status; length -= length / 2) {
        size_t half = length / 2;
        tf_value most = tf_max(p, tf_slice(p, x, 1, 0, half), tf_slice(p, x, 1, half, half));
        x = length % 2 ? tf_concat(p, 2, (tf_value[]){most, tf_slice(p, x, 1, length - 1, 1)}, 1) : most;
    }
    return tf_reshape(p, x, node->shape);
}

/* Vectors with a squared length from 2^-10 to 2^16 come out with length 1; shorter ones come out too short. */
static tf_value lower_l2norm(tf_program *p, const tf_node *node, const tf_value *in) {
    const double low = 0x1p-10, high = 0x1p16;
    if (p->status) return -1;
    tf_value sum = tf_dot(p, in[0], in[0], (tf_result){p->frac + 6, high, false});
    const tf_result unit = {p->frac, 2, false};
    const int factor_frac = p->frac + 4;
    unsigned ring = (tf_width(p->frac, unit.bound) + (unsigned)factor_frac + 7) / 8 * 8; /* the product's */
    tf_value factor = tf_rsqrt(p, sum, low, high, 1, factor_frac, ring);
    if (p->status) return -1;
    tf_shape row = node->shape;
    row.dim[row.rank - 1] = 1;
    return tf_mul(p, in[0], tf_reshape(p, factor, row), unit);
}

static const tf_example rows_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0}}},
                        mean_pool_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0},
                                                       {TF_LEAF_CONSTANT, "bn", TF_FILL_MEAN, 0, 0}}},
                        max_pool_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0},
                                                      {TF_LEAF_CONSTANT, "bn", TF_FILL_MASK, 0, 0}}};

const tf_op tf_pooling_ops[] = {
    {.kind = "first_token",
     .variant = "",
     .summary = "the vector of each text's first token",
     .source = "Devlin et al. 2019 (BERT), 3",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_first_token,
     .plain = plain_first_token,
     .lower = lower_first_token,
     .low = -256,
     .high = 256,
     .private_error = 3e-5,
     .example = &rows_example},
    {.kind = "mean_pool",
     .variant = "",
     .summary = "the sum of each text's token vectors times weights, public or secret, 1/length or 0; with attribute "
                "scaled for an affine, which rounds once for both",
     .source = "Reimers and Gurevych 2019 (Sentence-BERT), 3",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_mean_pool,
     .plain = plain_mean_pool,
     .lower = lower_mean_pool,
     .low = -8,
     .high = 8,
     .private_error = 1e-3,
     .example = &mean_pool_example},
    {.kind = "max_pool",
     .variant = "",
     .summary = "the largest of each text's token vectors, by element, where a mask, public or secret, is 1",
     .source = "Reimers and Gurevych 2019 (Sentence-BERT), 3",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_mean_pool,
     .plain = plain_max_pool,
     .lower = lower_max_pool,
     .low = -8,
     .high = 8,
     .private_error = 5e-3,
     .example = &max_pool_example},
    {.kind = "l2norm",
     .variant = "",
     .summary = "x / |x| over the last dimension",
     .source = "Reimers and Gurevych 2019 (Sentence-BERT), reference code",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = plain_l2norm,
     .lower = lower_l2norm,
     .low = -8,
     .high = 8,
     .private_error = 1e-3,
     .example = &rows_example},
    {0},
};
