/** The op softmax, and what it shares with attention. */
#include "ops/softmax.h"

#include <math.h>
#include <stdlib.h>

#include "ops/common.h"

const tf_softmax *tf_softmax_of(const tf_node *node) {
    return node->op->detail;
}

tf_status tf_softmax_check(const tf_node *node) {
    const tf_softmax *softmax = tf_softmax_of(node);
    return softmax->check ? softmax->check(node) : TF_OK;
}

int tf_softmax_frac(const tf_softmax *softmax, const tf_program *program) {
    return softmax->frac ? softmax->frac : program->frac;
}

/** x * mask, the mask being 0 or 1: the scale stays. */
static tf_value masked(tf_program *p, tf_value x, tf_mask mask) {
    return mask.leaf < 0 ? x : tf_mul_leaf(p, x, mask.leaf, mask.shape, 0);
}

tf_value tf_softmax_lowest(tf_program *p, tf_value score, tf_mask mask, double limit) {
    if (mask.leaf < 0) return score;
    /* of the two terms of the sum one is always zero */
    return tf_add_leaf_within(p, masked(p, score, mask), mask.leaf, mask.shape, limit, -limit, limit);
}

enum { EPSILON_GUARD = 4 };

tf_weights tf_softmax_weights(const tf_softmax *softmax, tf_program *p, const tf_node *node, tf_value score,
                              double unit, tf_mask mask, int inverse_frac, unsigned inverse_ring, tf_value *inverse) {
    tf_weights weights =
        softmax->lower_unit ? softmax->lower_unit(p, node, score, unit, mask) : softmax->lower(p, node, score);
    tf_value counting = masked(p, weights.value, mask);
    if (weights.masked_stray) tf_let_through(p, weights.value, counting);
    weights.value = counting;
    *inverse = -1;
    if (softmax->mean) return weights;
    /* a sum near eps divides by little: what the context's rounding makes of zeros must not show */
    if (weights.eps > 0) weights.guard = EPSILON_GUARD;
    tf_value sum = tf_sum_axis(p, weights.value, -1, weights.most);
    if (weights.eps > 0) sum = tf_add_const(p, sum, weights.eps);
    if (inverse_ring) inverse_ring += (unsigned)weights.guard;
    *inverse = tf_reciprocal_near(p, sum, weights.least, weights.most, inverse_frac, inverse_ring, weights.widens);
    return weights;
}

/** How many of the n entries of a mask's row count; all without a mask. */
static size_t entries(const tf_node *mask, size_t row, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += !mask || mask->data[row * n + i] != 0;
    return count;
}

double tf_softmax_largest(const tf_softmax *softmax, const tf_program *p, tf_mask mask, size_t n) {
    const tf_node *leaf = tf_leaf_of(p, mask.leaf);
    if (!softmax->mean) return 1;
    size_t fewest = n, rows = leaf && leaf->leaf == TF_LEAF_CONSTANT ? tf_shape_rows(leaf->shape) : 0;
    for (size_t row = 0; row < rows; row++) {
        size_t count = entries(leaf, row, n);
        if (count > 0 && count < fewest) fewest = count;
    }
    return 1 / (double)fewest;
}

tf_value tf_softmax_scaled(const tf_softmax *softmax, tf_program *p, tf_value x, double factor, int precision,
                           tf_mask mask, size_t n, tf_shape column) {
    const tf_node *leaf = tf_leaf_of(p, mask.leaf);
    if (p->status) return -1;
    if (softmax->mean && leaf && leaf->leaf != TF_LEAF_CONSTANT)
        return tf_program_fail(p, tf_fail(TF_INVALID,
                                          "weights that are divided by the number of entries need a mask "
                                          "that is made with the graph; %s comes with each run",
                                          leaf->name));
    double largest = factor * tf_softmax_largest(softmax, p, mask, n);
    if (!softmax->mean || !leaf) return tf_scale_real(p, x, largest, precision);
    size_t rows = tf_shape_rows(leaf->shape);
    double *c = malloc(rows * sizeof *c), bound = tf_type_of(p, x)->bound * largest;
    int exponent;
    frexp(largest, &exponent); /* largest 2^-exponent lies in [1/2, 1) */
    if (!c) return tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for a mask"));
    for (size_t row = 0; row < rows; row++) {
        size_t count = entries(leaf, row, n);
        c[row] = count ? ldexp(factor / (double)count, -exponent) : 0;
    }
    x = tf_mul_public(p, x, column, c, precision);
    free(c);
    return tf_assume(p, tf_scale_real(p, x, ldexp(1, exponent), 1), bound);
}

tf_value tf_softmax_lower(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    const tf_softmax *softmax = tf_softmax_of(node);
    tf_mask mask = {.leaf = node->inputs == 2 ? in[1] : -1, .shape = node->shape};
    tf_value inverse;
    size_t n = tf_shape_last(node->shape);
    if (tf_leaf_of(p, mask.leaf)) mask.shape = tf_leaf_of(p, mask.leaf)->shape;
    tf_shape row = node->shape, column = mask.shape;
    column.dim[column.rank - 1] = row.dim[row.rank - 1] = 1;
    double bound = softmax->limit * tf_softmax_largest(softmax, p, mask, n);
    tf_value score = tf_assume(p, in[0], softmax->limit);
    score = tf_softmax_scaled(softmax, p, score, 1, 15, mask, n, column);
    if (!p->status && tf_type_of(p, score)->frac > tf_softmax_frac(softmax, p))
        score = tf_trunc(p, score, tf_softmax_frac(softmax, p));
    score = tf_assume(p, score, bound);
    tf_value weight = tf_softmax_weights(softmax, p, node, score, 1, mask, p->frac + 3, 0, &inverse).value;
    if (inverse < 0) return weight;
    return tf_mul(p, weight, tf_reshape(p, inverse, row), (tf_result){p->frac, 2, false});
}

/* Scores that count move to the front and their weights back again. */
void tf_softmax_row(const tf_node *node, const float *score, const float *mask, size_t n, double *weight,
                    float *probability) {
    const tf_softmax *softmax = tf_softmax_of(node);
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (!mask || mask[i] != 0) probability[count++] = score[i];
    if (count) softmax->weights(node, probability, count, weight);
    double sum = softmax->eps;
    for (size_t i = 0; i < count; i++) sum += weight[i];
    double factor = softmax->mean ? 1 : sum > 0 ? 1 / sum : 0;
    for (size_t i = n; i-- > 0;) probability[i] = !mask || mask[i] != 0 ? (float)(weight[--count] * factor) : 0;
}

tf_status tf_softmax_infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    *out = shape[0];
    TF_TRY(tf_softmax_check(node));
    if (node->inputs == 1) return TF_OK;
    if (tf_shape_last(shape[1]) != tf_shape_last(shape[0]))
        return tf_fail(TF_INVALID, "the mask's last dimension is %zu, the scores' is %zu", tf_shape_last(shape[1]),
                       tf_shape_last(shape[0]));
    return tf_expect_broadcast("the mask", shape[1], shape[0]);
}

tf_status tf_softmax_plain(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t rows = tf_shape_rows(out->shape), n = tf_shape_last(out->shape);
    double *weight = malloc(n * sizeof *weight);
    if (!weight) return tf_fail(TF_NOMEM, "no memory for a row of %zu weights", n);
    for (size_t row = 0; row < rows; row++) {
        const float *mask = NULL;
        if (node->inputs == 2) mask = in[1].data + tf_broadcast_row(in[1].shape, out->shape, row);
        tf_softmax_row(node, in[0].data + row * n, mask, n, weight, out->data + row * n);
    }
    free(weight);
    return TF_OK;
}

const tf_example tf_softmax_example = {
    .input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0}, {TF_LEAF_CONSTANT, "bnw", TF_FILL_MASK, 0, 0}}};
