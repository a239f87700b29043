/** Parts of activations: local, and for nothing. */
#include <string.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
#include "runtime/program/program.h"

static tf_status infer_columns(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    double first = tf_attr_get(node, "first", 0);
    size_t count, width = tf_shape_last(shape[0]);
    TF_TRY(tf_attr_size(node, "count", &count));
    if (shape[0].rank < 1) return tf_fail(TF_INVALID, "the input is a scalar");
    if (!(first >= 0 && first <= (double)width) || count > width - (size_t)first)
        return tf_fail(TF_INVALID, "%zu columns from column %g wanted of %zu", count, first, width);
    *out = shape[0];
    out->dim[out->rank - 1] = count;
    return TF_OK;
}

static tf_status plain_columns(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t first = (size_t)tf_attr_get(node, "first", 0), width = tf_shape_last(in[0].shape);
    size_t rows = tf_shape_rows(out->shape), count = tf_shape_last(out->shape);
    for (size_t row = 0; row < rows; row++)
        memcpy(out->data + row * count, in[0].data + row * width + first, count * sizeof(float));
    return TF_OK;
}

static tf_value lower_columns(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_slice(p, in[0], -1, (size_t)tf_attr_get(node, "first", 0), tf_shape_last(node->shape));
}

static tf_status infer_first_tokens(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    size_t count;
    TF_TRY(tf_expect_rank("the input", shape[0], 3));
    TF_TRY(tf_attr_size(node, "count", &count));
    if (count > shape[0].dim[1])
        return tf_fail(TF_INVALID, "%zu tokens wanted of texts of %zu", count, shape[0].dim[1]);
    *out = tf_dims(shape[0].dim[0], count, shape[0].dim[2]);
    return TF_OK;
}

static tf_status plain_first_tokens(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t texts = in[0].shape.dim[0], from = in[0].shape.dim[1] * in[0].shape.dim[2];
    size_t count = out->shape.dim[1] * out->shape.dim[2];
    for (size_t text = 0; text < texts; text++)
        memcpy(out->data + text * count, in[0].data + text * from, count * sizeof(float));
    return TF_OK;
}

static tf_value lower_first_tokens(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_slice(p, in[0], 1, 0, node->shape.dim[1]);
}

static tf_status infer_last_token(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    TF_TRY(tf_expect_rank("the input", shape[0], 3));
    *out = tf_dims(shape[0].dim[0], 1, shape[0].dim[2]);
    return TF_OK;
}

static tf_status plain_last_token(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t texts = in[0].shape.dim[0], length = in[0].shape.dim[1], width = in[0].shape.dim[2];
    for (size_t text = 0; text < texts; text++)
        memcpy(out->data + text * width, in[0].data + ((text + 1) * length - 1) * width, width * sizeof(float));
    return TF_OK;
}

static tf_value lower_last_token(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    size_t length = tf_type_of(p, in[0])->shape.dim[1];
    return tf_slice(p, in[0], 1, length - 1, 1);
}

/* texts x (rows width) to texts x rows x width */
static tf_status infer_rows(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    size_t rows;
    TF_TRY(tf_expect_rank("the input", shape[0], 2));
    TF_TRY(tf_attr_size(node, "rows", &rows));
    if (shape[0].dim[1] % rows)
        return tf_fail(TF_INVALID, "%zu elements cannot be cut into %zu rows", shape[0].dim[1], rows);
    *out = tf_dims(shape[0].dim[0], rows, shape[0].dim[1] / rows);
    return TF_OK;
}

static tf_status infer_split_heads(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    size_t depth;
    TF_TRY(tf_expect_rank("the input", shape[0], 3));
    TF_TRY(tf_attr_size(node, "depth", &depth));
    if (shape[0].dim[2] % depth)
        return tf_fail(TF_INVALID, "a width of %zu cannot be cut into heads of %zu", shape[0].dim[2], depth);
    *out = tf_dims(shape[0].dim[0], shape[0].dim[1], shape[0].dim[2] / depth, depth);
    return TF_OK;
}

static tf_status plain_split(const tf_node *node, const tf_array *in, tf_array *out) {
    memcpy(out->data, in[0].data, tf_shape_count(out->shape) * sizeof(float));
    return TF_OK;
}

static tf_value lower_split(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_reshape(p, in[0], node->shape);
}

static const tf_example heads_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0}},
                                         .attr = {{"depth", 0, 'h'}}};
static const tf_example rows_example = {.input = {{TF_LEAF_NONE, "bw", TF_FILL_ROWS, 0, 0}},
                                        .attr = {{"rows", 0, 'h'}}};
static const tf_example first_tokens_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0}},
                                                .attr = {{"count", 1, 0}}};
static const tf_example columns_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0}},
                                           .attr = {{"count", 0, 'h'}}};

const tf_op tf_slicing_ops[] = {
    {.kind = "split_heads",
     .variant = "",
     .summary = "texts x tokens x width as texts x tokens x heads x depth, of attribute depth",
     .source = "Vaswani et al. 2017, 3.2.2",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_split_heads,
     .plain = plain_split,
     .lower = lower_split,
     .low = -256,
     .high = 256,
     .private_error = 3e-5,
     .example = &heads_example},
    {.kind = "split_rows",
     .variant = "",
     .summary = "texts x (rows width) as texts x rows x width, of attribute rows",
     .source = "local",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_rows,
     .plain = plain_split,
     .lower = lower_split,
     .low = -256,
     .high = 256,
     .private_error = 3e-5,
     .example = &rows_example},
    {.kind = "columns",
     .variant = "",
     .summary = "columns of the last dimension: as many as attribute count says, from attribute first on",
     .source = "local",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_columns,
     .plain = plain_columns,
     .lower = lower_columns,
     .low = -256,
     .high = 256,
     .private_error = 3e-5,
     .example = &columns_example},
    {.kind = "first_tokens",
     .variant = "",
     .summary = "the first tokens' rows of each text, as many as attribute count says",
     .source = "Devlin et al. 2019 (BERT), 3: a classifier reads the first alone",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_first_tokens,
     .plain = plain_first_tokens,
     .lower = lower_first_tokens,
     .low = -256,
     .high = 256,
     .private_error = 3e-5,
     .example = &first_tokens_example},
    {.kind = "last_token",
     .variant = "",
     .summary = "the last token's row of each text, at which a decoder says what follows",
     .source = "Radford et al. 2019 (GPT-2)",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_last_token,
     .plain = plain_last_token,
     .lower = lower_last_token,
     .low = -256,
     .high = 256,
     .private_error = 3e-5},
    {0},
};
