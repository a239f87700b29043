/** Products of matrices: with weights (linear) and of two activations (matmul). */
#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
#include "runtime/graph/plain_matmul.h"
#include "runtime/program/program.h"

tf_status tf_linear_infer(tf_shape x, tf_shape weight, const tf_shape *bias, tf_shape *out) {
    TF_TRY(tf_expect_rank("the weight", weight, 2));
    if (x.rank < 1) return tf_fail(TF_INVALID, "the input is a scalar");
    TF_TRY(tf_expect_shape("the weight", weight, tf_dims(weight.dim[0], tf_shape_last(x))));
    if (bias) TF_TRY(tf_expect_shape("the bias", *bias, tf_dims(weight.dim[0])));
    *out = x;
    out->dim[out->rank - 1] = weight.dim[0];
    return TF_OK;
}

void tf_linear_plain(const tf_array *x, const tf_array *weight, const tf_array *bias, tf_array *out) {
    size_t rows = tf_shape_rows(out->shape), n = weight->shape.dim[0], k = weight->shape.dim[1];
    tf_plain_matmul(rows, k, n, x->data, k, weight->data, 1, k, out->data, n);
    for (size_t row = 0; bias && row < rows; row++)
        for (size_t i = 0; i < n; i++) out->data[row * n + i] += bias->data[i];
}

static tf_status infer_linear(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    return tf_linear_infer(shape[0], shape[1], node->inputs == 3 ? &shape[2] : NULL, out);
}

static tf_status plain_linear(const tf_node *node, const tf_array *in, tf_array *out) {
    tf_linear_plain(&in[0], &in[1], node->inputs == 3 ? &in[2] : NULL, out);
    return TF_OK;
}

static bool transposed(const tf_node *node) {
    return tf_attr_get(node, "transpose_b", 0) != 0;
}

static tf_status infer_matmul(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    tf_shape a = shape[0], wanted = shape[0];
    int rank = a.rank;
    if (rank < 2) return tf_expect_rank("the left operand", a, 2);
    TF_TRY(tf_expect_rank("the right operand", shape[1], rank));
    size_t n = shape[1].dim[transposed(node) ? rank - 2 : rank - 1];
    wanted.dim[rank - 2] = transposed(node) ? n : a.dim[rank - 1];
    wanted.dim[rank - 1] = transposed(node) ? a.dim[rank - 1] : n;
    TF_TRY(tf_expect_shape("the right operand", shape[1], wanted));
    *out = a;
    out->dim[rank - 1] = n;
    return TF_OK;
}

static tf_status plain_matmul(const tf_node *node, const tf_array *in, tf_array *out) {
    int rank = out->shape.rank;
    size_t m = out->shape.dim[rank - 2], n = out->shape.dim[rank - 1], k = in[0].shape.dim[rank - 1];
    size_t count = tf_shape_count(out->shape), products = count / (m * n);
    bool transpose = transposed(node);
    for (size_t p = 0; p < products; p++)
        tf_plain_matmul(m, k, n, in[0].data + p * m * k, k, in[1].data + p * k * n, transpose ? 1 : n,
                        transpose ? k : 1, out->data + p * m * n, n);
    float scale = (float)tf_attr_get(node, "scale", 1);
    for (size_t i = 0; scale != 1 && i < count; i++) out->data[i] *= scale;
    return TF_OK;
}

static tf_value lower_linear(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_linear(p, in[0], in[1], node->inputs == 3 ? in[2] : -1, (tf_result){p->frac, 0, false});
}

static tf_value lower_matmul(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    tf_shape shape = node->shape, a = tf_type_of(p, in[0])->shape;
    size_t m = shape.dim[shape.rank - 2], n = shape.dim[shape.rank - 1], k = a.dim[a.rank - 1];
    size_t products = tf_shape_count(shape) / (m * n);
    bool transpose = transposed(node);
    tf_matmul_layout layout = {.batch = {1, products},
                               .m = m,
                               .k = k,
                               .n = n,
                               .a_batch = {0, m * k},
                               .a_row = k,
                               .b_batch = {0, k * n},
                               .b_row = transpose ? 1 : n,
                               .b_col = transpose ? k : 1,
                               .c_batch = {0, m * n},
                               .c_row = n};
    tf_value left = tf_scale_real(p, in[0], tf_attr_get(node, "scale", 1), 12);
    return tf_matmul(p, left, in[1], -1, layout, shape, (tf_result){p->frac, 0, false});
}

static const tf_example linear_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0},
                                                    {TF_LEAF_WEIGHT, "ww", TF_FILL_RANDOM, 0.5, 1.5},
                                                    {TF_LEAF_WEIGHT, "w", TF_FILL_RANDOM, 0.5, 1.5}}},
                        matmul_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0},
                                                    {TF_LEAF_NONE, "bwn", TF_FILL_ROWS, 0, 0}}};

const tf_op tf_linear_ops[] = {
    {.kind = "linear",
     .variant = "",
     .summary = "x W^T + b with W of out x in, secret or public; the bias may be left out",
     .source = "product with one truncation; classifier heads are this op too",
     .min_inputs = 2,
     .max_inputs = 3,
     .infer = infer_linear,
     .plain = plain_linear,
     .lower = lower_linear,
     .low = -8,
     .high = 8,
     .private_error = 5e-3,
     .example = &linear_example},
    {.kind = "matmul",
     .variant = "",
     .summary = "a b, or a b^T with attribute transpose_b, times attribute scale",
     .source = "product with one truncation",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_matmul,
     .plain = plain_matmul,
     .lower = lower_matmul,
     .low = -8,
     .high = 8,
     .private_error = 5e-3,
     .example = &matmul_example},
    {0},
};
