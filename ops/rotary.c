/**
 * A linear layer with rotary positions (Su et al. 2021). In each head, output i and output i + depth/2 are the two
 * coordinates of a point that is turned by an angle, which grows with the token's position. The angles are public and
 * turning is linear, so privately each party turns its part of the product before the truncation: for nothing.
 */
#include <string.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
#include "runtime/graph/plain_matmul.h"
#include "runtime/program/program.h"

/* x: texts x tokens x in; weight: out x in; table: texts x tokens x depth, depth/2 cosines and then as many sines;
 * bias: out, or left out. The first `rotated` outputs are heads of `depth` that are turned. */
static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    size_t rotated;
    TF_TRY(tf_expect_rank("the input", shape[0], 3));
    TF_TRY(tf_expect_rank("the weight", shape[1], 2));
    TF_TRY(tf_expect_rank("the table", shape[2], 3));
    size_t texts = shape[0].dim[0], tokens = shape[0].dim[1], width = shape[1].dim[0], depth = shape[2].dim[2];
    TF_TRY(tf_expect_shape("the weight", shape[1], tf_dims(width, shape[0].dim[2])));
    TF_TRY(tf_expect_shape("the table", shape[2], tf_dims(texts, tokens, depth)));
    if (node->inputs == 4) TF_TRY(tf_expect_shape("the bias", shape[3], tf_dims(width)));
    TF_TRY(tf_attr_size(node, "rotated", &rotated));
    if (depth % 2 || rotated > width || rotated % depth)
        return tf_fail(TF_INVALID, "%zu of %zu outputs cannot be cut into heads of %zu, an even number", rotated, width,
                       depth);
    *out = tf_dims(texts, tokens, width);
    return TF_OK;
}

static void rotate(float *x, const float *table, size_t half) {
    const float *cosine = table, *sine = table + half;
    for (size_t i = 0; i < half; i++) {
        float first = x[i], second = x[half + i];
        x[i] = first * cosine[i] - second * sine[i];
        x[half + i] = second * cosine[i] + first * sine[i];
    }
}

static tf_status plain(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t rows = tf_shape_rows(out->shape), n = tf_shape_last(out->shape), k = tf_shape_last(in[0].shape);
    size_t depth = tf_shape_last(in[2].shape), rotated;
    TF_TRY(tf_attr_size(node, "rotated", &rotated));
    tf_plain_matmul(rows, k, n, in[0].data, k, in[1].data, 1, k, out->data, n);
    for (size_t row = 0; row < rows; row++) {
        float *y = out->data + row * n;
        for (size_t i = 0; node->inputs == 4 && i < n; i++) y[i] += in[3].data[i];
        for (size_t at = 0; at < rotated; at += depth) rotate(y + at, in[2].data + row * depth, depth / 2);
    }
    return TF_OK;
}

static tf_value lower(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_linear_rotated(p, in[0], in[1], node->inputs == 4 ? in[3] : -1, in[2],
                             (size_t)tf_attr_get(node, "rotated", 0), (tf_result){p->frac, 0, false});
}

/* x: texts x tokens x heads x depth; the result has the heads side by side. */
static tf_status infer_rotary(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    TF_TRY(tf_expect_rank("the input", shape[0], 4));
    const size_t *dim = shape[0].dim;
    TF_TRY(tf_expect_shape("the table", shape[1], tf_dims(dim[0], dim[1], dim[3])));
    if (dim[3] % 2) return tf_fail(TF_INVALID, "heads of %zu elements are no pairs", dim[3]);
    *out = tf_dims(dim[0], dim[1], dim[2] * dim[3]);
    return TF_OK;
}

static tf_status plain_rotary(const tf_node *node, const tf_array *in, tf_array *out) {
    const size_t *dim = in[0].shape.dim, heads = dim[2], depth = dim[3];
    memcpy(out->data, in[0].data, tf_shape_count(out->shape) * sizeof(float));
    for (size_t i = 0; i < dim[0] * dim[1] * heads; i++)
        rotate(out->data + i * depth, in[1].data + i / heads * depth, depth / 2);
    return TF_OK;
}

static tf_value lower_rotary(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    return tf_rotate(p, tf_reshape(p, in[0], node->shape), in[1], tf_shape_last(node->shape),
                     (tf_result){p->frac, 0, false});
}

static const tf_example linear_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0},
                                                    {TF_LEAF_WEIGHT, "8w", TF_FILL_RANDOM, -1, 1},
                                                    {TF_LEAF_CONSTANT, "bn4", TF_FILL_RANDOM, -1, 1},
                                                    {TF_LEAF_WEIGHT, "8", TF_FILL_RANDOM, -1, 1}},
                                          .attr = {{"rotated", 4, 0}}},
                        heads_example = {.input = {{TF_LEAF_NONE, "bn34", TF_FILL_ROWS, 0, 0},
                                                   {TF_LEAF_CONSTANT, "bn4", TF_FILL_RANDOM, -1, 1}}};

const tf_op tf_rotary_ops[] = {
    {.kind = "rotary",
     .variant = "",
     .summary = "heads turned by public angles, a row of the table a token",
     .source = "Su et al. 2021 (RoFormer), 3.2; pairs as in GPT-NeoX and LLaMA",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_rotary,
     .plain = plain_rotary,
     .lower = lower_rotary,
     .low = -32,
     .high = 32,
     .private_error = 2.5e-3,
     .example = &heads_example},
    {.kind = "rotary_linear",
     .variant = "",
     .summary = "x W^T + b, the first outputs (attribute rotated) turned by public angles, a row of the table a token",
     .source = "Su et al. 2021 (RoFormer), 3.2; pairs as in GPT-NeoX and LLaMA",
     .min_inputs = 3,
     .max_inputs = 4,
     .infer = infer,
     .plain = plain,
     .lower = lower,
     .low = -8,
     .high = 8,
     .private_error = 5e-3,
     .example = &linear_example},
    {0},
};
