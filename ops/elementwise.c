/** Sums and public factors: nothing here needs more of the protocol than local arithmetic and a truncation. */
#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
#include "runtime/program/program.h"

static tf_status infer_add(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    return tf_shape_broadcast(shape[0], shape[1], out);
}

static tf_status infer_mask(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    *out = shape[0];
    return tf_expect_broadcast("the mask", shape[1], shape[0]);
}

static tf_status plain_add(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t rows = tf_shape_rows(out->shape), n = tf_shape_last(out->shape);
    size_t step_a = tf_shape_last(in[0].shape) != 1, step_b = tf_shape_last(in[1].shape) != 1;
    for (size_t row = 0; row < rows; row++) {
        const float *a = in[0].data + tf_broadcast_row(in[0].shape, out->shape, row);
        const float *b = in[1].data + tf_broadcast_row(in[1].shape, out->shape, row);
        for (size_t i = 0; i < n; i++) out->data[row * n + i] = a[i * step_a] + b[i * step_b];
    }
    return TF_OK;
}

static tf_status plain_scale(const tf_node *node, const tf_array *in, tf_array *out) {
    float factor = (float)tf_attr_get(node, "factor", 1);
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) out->data[i] = factor * in[0].data[i];
    return TF_OK;
}

static tf_status plain_multiply(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t rows = tf_shape_rows(out->shape), n = tf_shape_last(out->shape);
    size_t step_a = tf_shape_last(in[0].shape) != 1, step_b = tf_shape_last(in[1].shape) != 1;
    for (size_t row = 0; row < rows; row++) {
        const float *a = in[0].data + tf_broadcast_row(in[0].shape, out->shape, row);
        const float *b = in[1].data + tf_broadcast_row(in[1].shape, out->shape, row);
        for (size_t i = 0; i < n; i++) out->data[row * n + i] = a[i * step_a] * b[i * step_b];
    }
    return TF_OK;
}

static tf_value lower_multiply(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_mul(p, in[0], in[1], (tf_result){p->frac, 0, false});
}

static tf_value lower_add(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_add(p, in[0], in[1]);
}

static tf_value lower_mask(tf_program *p, const tf_node *node, const tf_value *in) {
    const tf_node *mask = tf_leaf_of(p, in[1]);
    return tf_add_leaf(p, in[0], in[1], mask ? mask->shape : node->shape);
}

static tf_value lower_scale(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_trunc(p, tf_scale_real(p, in[0], tf_attr_get(node, "factor", 1), 14), p->frac);
}

static const tf_example row_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0},
                                                 {TF_LEAF_NONE, "w", TF_FILL_ROWS, 0, 0}}},
                        mask_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0},
                                                  {TF_LEAF_CONSTANT, "1w", TF_FILL_RANDOM, 0, 0}}},
                        scale_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_EVEN, 0, 0}},
                                         .attr = {{"factor", 0.3, 0}}};

const tf_op tf_elementwise_ops[] = {
    {.kind = "add",
     .variant = "",
     .summary = "a + b, broadcast as in numpy",
     .source = "ring addition, local",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_add,
     .plain = plain_add,
     .lower = lower_add,
     .low = -256,
     .high = 256,
     .private_error = 5e-5,
     .example = &row_example},
    {.kind = "multiply",
     .variant = "",
     .summary = "a * b element by element, broadcast as in numpy",
     .source = "Shazeer 2020 (gated linear units)",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_add,
     .plain = plain_multiply,
     .lower = lower_multiply,
     .low = -32,
     .high = 32,
     .private_error = 1e-3,
     .example = &row_example},
    {.kind = "mask",
     .variant = "",
     .summary = "x plus a public additive mask that is broadcast to it",
     .source = "Devlin et al. 2019 (BERT), reference code",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_mask,
     .plain = plain_add,
     .lower = lower_mask,
     .low = -256,
     .high = 256,
     .private_error = 5e-5,
     .example = &mask_example},
    {.kind = "scale",
     .variant = "",
     .summary = "x times the public number in attribute factor",
     .source = "public product and truncation",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = plain_scale,
     .lower = lower_scale,
     .low = -8,
     .high = 8,
     .private_error = 2e-4,
     .example = &scale_example},
    {0},
};
