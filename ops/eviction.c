/**
 * Eviction from a decoder's cache: which of its rows were attended to most, and a smaller cache of those. The choice is
 * a matrix of ones and zeros with a one in each row; where the ones stand is secret, how many there are is public.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "ops/ranking.h"
#include "runtime/graph/example.h"
#include "runtime/program/program.h"

/* attention: texts x keys, how much each key was attended to; mask: texts x 1 x keys, 0 for keys that come last. */
static tf_status infer_most(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    size_t count;
    TF_TRY(tf_expect_rank("the attention", shape[0], 2));
    TF_TRY(tf_attr_size(node, "count", &count));
    if (count > shape[0].dim[1]) return tf_fail(TF_INVALID, "%zu rows are to be kept of %zu", count, shape[0].dim[1]);
    double frac = tf_attr_get(node, "frac", 0);
    if (!(frac >= 0 && frac <= 24) || frac != floor(frac))
        return tf_fail(TF_INVALID, "attribute frac is %g, no number of fractional bits from 0 to 24", frac);
    if (node->inputs == 2) TF_TRY(tf_expect_shape("the mask", shape[1], tf_dims(shape[0].dim[0], 1, shape[0].dim[1])));
    *out = tf_dims(shape[0].dim[0], count, shape[0].dim[1]);
    return TF_OK;
}

typedef struct entry {
    float value;
    size_t position;
    bool masked;
} entry;

static int larger_first(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->masked != y->masked) return x->masked ? 1 : -1;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return x->position < y->position ? -1 : x->position > y->position;
}

static tf_status plain_most(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t texts = out->shape.dim[0], count = out->shape.dim[1], n = out->shape.dim[2];
    entry *row = malloc(n * sizeof *row);
    if (!row) return tf_fail(TF_NOMEM, "no memory for a row of %zu", n);
    memset(out->data, 0, texts * count * n * sizeof *out->data);
    for (size_t text = 0; text < texts; text++) {
        for (size_t i = 0; i < n; i++)
            row[i] = (entry){in[0].data[text * n + i], i, node->inputs == 2 && in[1].data[text * n + i] == 0};
        qsort(row, n, sizeof *row, larger_first);
        for (size_t k = 0; k < count; k++) out->data[(text * count + k) * n + row[k].position] = 1;
    }
    free(row);
    return TF_OK;
}

static tf_value lower_most(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    tf_value x = in[0];
    int frac = (int)tf_attr_get(node, "frac", tf_type_of(p, x)->frac);
    if (frac < tf_type_of(p, x)->frac) x = tf_trunc(p, x, frac);
    if (p->status) return -1;
    x = tf_assume(p, x, tf_attr_get(node, "bound", tf_type_of(p, x)->bound));
    tf_type type = *tf_type_of(p, x);
    double bound = type.bound;
    if (node->inputs == 2) {
        const tf_node *mask = tf_leaf_of(p, in[1]);
        if (!mask) return tf_program_fail(p, tf_fail(TF_INVALID, "the mask of an eviction is no public leaf"));
        bound *= 4;
        x = tf_lift(p, x, tf_width(type.frac, 2 * bound));
        x = tf_add_leaf_within(p, x, in[1], type.shape, 2 * type.bound, -2 * type.bound, bound);
    }
    x = tf_lift(p, x, tf_width(type.frac, 2 * bound)); /* with room for differences */
    return tf_choose_largest(p, x, node->shape.dim[1]);
}

/* choice: texts x count x rows; x: texts x rows x width. */
static tf_status infer_pick(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    TF_TRY(tf_expect_rank("the choice", shape[0], 3));
    TF_TRY(tf_expect_rank("the rows", shape[1], 3));
    TF_TRY(tf_expect_shape("the rows", shape[1], tf_dims(shape[0].dim[0], shape[0].dim[2], shape[1].dim[2])));
    *out = tf_dims(shape[0].dim[0], shape[0].dim[1], shape[1].dim[2]);
    return TF_OK;
}

static tf_status plain_pick(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t texts = out->shape.dim[0], count = out->shape.dim[1], width = out->shape.dim[2], n = in[1].shape.dim[1];
    memset(out->data, 0, texts * count * width * sizeof *out->data);
    for (size_t row = 0; row < texts * count; row++)
        for (size_t i = 0; i < n; i++) {
            float chosen = in[0].data[row * n + i];
            const float *from = in[1].data + (row / count * n + i) * width;
            for (size_t k = 0; k < width && chosen != 0; k++) out->data[row * width + k] += chosen * from[k];
        }
    return TF_OK;
}

/* A product with ones and zeros, which are not truncated, in the ring in which other products read these rows: what is
 * kept of a cache is lifted as the cache was. */
static tf_value lower_pick(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    const size_t *dim = node->shape.dim, n = tf_type_of(p, in[1])->shape.dim[1];
    tf_value x = tf_lift(p, in[1], tf_lifted_bits(p, in[1]));
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, x);
    bool whole = tf_type_of(p, in[0])->frac == 0;
    tf_matmul_layout layout = {.batch = {dim[0]},
                               .m = dim[1],
                               .k = n,
                               .n = dim[2],
                               .a_batch = {dim[1] * n},
                               .a_row = n,
                               .b_batch = {n * dim[2]},
                               .b_row = dim[2],
                               .b_col = 1,
                               .c_batch = {dim[1] * dim[2]},
                               .c_row = dim[2]};
    if (!whole) return tf_matmul(p, in[0], x, -1, layout, node->shape, (tf_result){p->frac, 0, false});
    unsigned bits = tf_width(type.frac, type.bound), bytes = type.bits / 8; /* on the wire: the rest is lifted */
    if (8 * bytes > bits) bits = 8 * bytes;
    tf_result same = {type.frac, ldexp(1, (int)bits - 2 - type.frac), false};
    tf_value y = tf_matmul(p, in[0], x, -1, layout, node->shape, same);
    return tf_lift(p, tf_assume(p, y, type.bound), type.bits);
}

static const tf_example most_example = {.input = {{TF_LEAF_NONE, "bn", TF_FILL_EVEN, 0, 0},
                                                  {TF_LEAF_CONSTANT, "b1n", TF_FILL_MASK, 0, 0}},
                                        .attr = {{"count", 1, 0}}},
                        pick_example = {.input = {{TF_LEAF_NONE, "b2n", TF_FILL_EVEN, 0, 1},
                                                  {TF_LEAF_NONE, "bnw", TF_FILL_RANDOM, 0, 0}}};

const tf_op tf_eviction_ops[] = {
    {.kind = "most_attended",
     .variant = "",
     .summary =
         "for each of the count largest of a row, the largest first, a row that is 1 where it stands and else 0; "
         "what a mask leaves out comes last. Rounded to attribute frac fractional bits, "
         "and taken to be within attribute bound",
     .source = "Zeng et al. 2025 (MPCache), 4.1; Liu et al. 2024 (SnapKV)",
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer_most,
     .plain = plain_most,
     .lower = lower_most,
     .low = 0,
     .high = 64,
     .private_error = 0.5, /* of a whole number: none */
     .example = &most_example},
    {.kind = "pick",
     .variant = "",
     .summary = "those rows of the second input that the first one marks",
     .source = "a product with ones and zeros",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_pick,
     .plain = plain_pick,
     .lower = lower_pick,
     .low = -8,
     .high = 8,
     .private_error = 1e-3,
     .example = &pick_example},
    {0},
};
