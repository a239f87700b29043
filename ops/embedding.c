/** What comes of the data owner's integers: rows of a table that they name, or numbers. And the first rows
 *  of a table. */
#include <math.h>
#include <string.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
#include "runtime/program/program.h"

static tf_status infer_embedding(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    TF_TRY(tf_expect_rank("the table", shape[1], 2));
    if (shape[0].rank < 1 || shape[0].rank >= TF_MAX_RANK) return tf_expect_rank("the tokens", shape[0], 2);
    if (shape[1].dim[0] > 1 << 24) /* tokens must stay exact as floats */
        return tf_fail(TF_INVALID, "the table has %zu rows; at most 2^24 are supported", shape[1].dim[0]);
    *out = shape[0];
    out->dim[out->rank++] = shape[1].dim[1];
    return TF_OK;
}

static tf_status plain_embedding(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t tokens = tf_shape_count(in[0].shape), rows = in[1].shape.dim[0], width = in[1].shape.dim[1];
    for (size_t i = 0; i < tokens; i++) {
        float token = in[0].data[i];
        if (!(token >= 0 && token < (float)rows))
            return tf_fail(TF_INVALID, "token %g at position %zu is not in a table of %zu rows", (double)token, i,
                           rows);
        memcpy(out->data + i * width, in[1].data + (size_t)token * width, width * sizeof(float));
    }
    return TF_OK;
}

static tf_status infer_rows(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    size_t count;
    TF_TRY(tf_expect_rank("the table", shape[0], 2));
    TF_TRY(tf_attr_size(node, "count", &count));
    if (count > shape[0].dim[0])
        return tf_fail(TF_INVALID, "%zu rows wanted of a table of %zu", count, shape[0].dim[0]);
    *out = tf_dims(count, shape[0].dim[1]);
    return TF_OK;
}

static tf_status plain_rows(const tf_node *node, const tf_array *in, tf_array *out) {
    memcpy(out->data, in[0].data, tf_shape_count(out->shape) * sizeof(float));
    return TF_OK;
}

/** Fractional bits of a table's entries: by attribute finer some more than activations have, for rows that a
 *  normalisation will scale up. More than MOST_FRAC have no room when it squares them. */
static int table_frac(const tf_program *p, const tf_node *node) {
    enum { MOST_FRAC = 20 };
    int finer = p->frac + (int)tf_attr_get(node, "finer", 0), most = p->frac > MOST_FRAC ? p->frac : MOST_FRAC;
    return finer < most ? finer : most;
}

/* By attribute singly, tokens of other graphs come one by one: they read all of the table, so it stays in few bytes.
 * And finer rows are normalised, in 64 bits: a table of such is dearer, to share and to read, than the two rounds of a
 * lift. */
static bool stays_narrow(const tf_node *node) {
    return tf_attr_get(node, "singly", 0) != 0 || tf_attr_get(node, "finer", 0) > 0;
}

static tf_value lower_embedding(tf_program *p, const tf_node *node, const tf_value *in) {
    const tf_node *tokens = tf_leaf_of(p, in[0]);
    if (!p->status && (!tokens || tokens->leaf != TF_LEAF_TOKENS))
        return tf_program_fail(p, tf_fail(TF_INVALID, "%s looks up something that is no tokens", node->name));
    tf_value table =
        tf_table_weight(p, in[1], table_frac(p, node), tf_width(p->frac, tf_default_bound(p)), stays_narrow(node));
    return tf_embed(p, table, tokens, p->data_owner);
}

static tf_value lower_rows(tf_program *p, const tf_node *node, const tf_value *in) {
    const unsigned bits = tf_width(p->frac, tf_default_bound(p));
    const int frac = table_frac(p, node);
    tf_value table = stays_narrow(node) ? tf_fixed_weight(p, in[0], frac, bits) : tf_weight(p, in[0], frac, bits);
    return tf_slice(p, table, 0, 0, node->shape.dim[0]);
}

/* Integers in units of 2^-frac, within a bound. */
static double unit_of(const tf_node *node) {
    return ldexp(1, -(int)tf_attr_get(node, "frac", 0));
}

static double bound_of(const tf_node *node) {
    return tf_attr_get(node, "bound", 1);
}

static tf_status infer_given(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    double frac = tf_attr_get(node, "frac", 0);
    if (!(frac >= 0 && frac <= 24) || !(bound_of(node) > 0 && bound_of(node) <= 1 << 24))
        return tf_fail(TF_INVALID, "%g fractional bits or a bound of %g", frac, bound_of(node));
    *out = shape[0];
    return TF_OK;
}

static tf_status plain_given(const tf_node *node, const tf_array *in, tf_array *out) {
    for (size_t i = 0; i < tf_shape_count(out->shape); i++) {
        out->data[i] = (float)(in[0].data[i] * unit_of(node));
        if (fabs((double)out->data[i]) > bound_of(node))
            return tf_fail(TF_RANGE, "number %zu is outside its range of %g", i, bound_of(node));
    }
    return TF_OK;
}

static tf_value lower_given(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_input_leaf(p, p->data_owner, in[0], (int)tf_attr_get(node, "frac", 0), bound_of(node));
}

static const tf_example given_example = {.input = {{TF_LEAF_TOKENS, "bn", TF_FILL_TOKENS, 0, 0}},
                                         .attr = {{"bound", 1 << 20, 0}}};
static const tf_example embedding_example = {.input = {{TF_LEAF_TOKENS, "bn", TF_FILL_TOKENS, 0, 0},
                                                       {TF_LEAF_WEIGHT, "rw", TF_FILL_ROWS, 0, 0}}},
                        rows_example = {.input = {{TF_LEAF_WEIGHT, "rw", TF_FILL_ROWS, 0, 0}},
                                        .attr = {{"count", 0, 'n'}}};

const tf_op tf_embedding_ops[] = {
    {.kind = "embedding",
     .variant = "",
     .summary = "the rows of a secret table that secret tokens name",
     .source = "Devlin et al. 2019 (BERT), 3",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_embedding,
     .plain = plain_embedding,
     .lower = lower_embedding,
     .low = -256,
     .high = 256,
     .private_error = 3e-5,
     .example = &embedding_example},
    {.kind = "rows",
     .variant = "",
     .summary = "the first rows of a table, as many as attribute count says",
     .source = "Devlin et al. 2019 (BERT), 3",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_rows,
     .plain = plain_rows,
     .lower = lower_rows,
     .low = -256,
     .high = 256,
     .private_error = 3e-5,
     .example = &rows_example},
    {.kind = "given",
     .variant = "",
     .summary = "the data owner's integers, in units of 2^-frac, secret to the others",
     .source = "Araki et al. 2016 (arXiv:1705.05524), sharing",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer_given,
     .plain = plain_given,
     .lower = lower_given,
     .low = 0,
     .high = 1,
     .private_error = 1e-6,
     .example = &given_example},
    {0},
};
