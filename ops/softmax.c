#include "ops/softmax.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/compose.h"

static bool counts(const float *mask, size_t i) {
    return !mask || mask[i] != 0;
}

static void weights_exact(const float *score, const float *mask, size_t n, double *weight) {
    float highest = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (counts(mask, i) && score[i] > highest) highest = score[i];
    for (size_t i = 0; i < n; i++) weight[i] = counts(mask, i) ? exp((double)score[i] - highest) : 0;
}

static void weights_relu(const float *score, const float *mask, size_t n, double *weight) {
    for (size_t i = 0; i < n; i++) weight[i] = counts(mask, i) && score[i] > 0 ? score[i] : 0;
}

/** weights * mask, the mask being 0 or 1: the scale stays. */
static tf_value masked(tf_program *p, tf_value weight, tf_value mask, tf_shape shape) {
    return mask < 0 ? weight : tf_mul_leaf(p, weight, mask, shape, 0);
}

/*
 * Each selection of the maximum's tournament may fall short by half the dropped low bits, so scores may exceed what is
 * found by that much a level; all are lowered by as much, which the division undoes.
 */
static tf_value lower_exact(tf_program *p, tf_value score, tf_value mask, tf_shape mask_shape, double *least,
                            double *most) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, score);
    size_t n = tf_shape_last(type.shape);
    double guard = ceil(log2((double)n)) * ldexp(1, (int)tf_default_low(&type) - 1 - type.frac);
    if (mask >= 0) { /* masked scores move far below the others: (mask - 1) * 2 * bound */
        const tf_node *leaf = tf_leaf_of(p, mask);
        size_t count = tf_shape_count(mask_shape);
        double *shift = leaf ? malloc(count * sizeof *shift) : NULL;
        if (!shift) return tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for a mask"));
        for (size_t i = 0; i < count; i++) shift[i] = (leaf->data[i] - 1) * 2 * TF_SCORE_BOUND;
        score = tf_add_public(p, score, mask_shape, shift);
        free(shift);
    }
    tf_value highest = tf_max_last(p, score);
    tf_value below = tf_assume(p, tf_add_const(p, tf_sub(p, score, highest), -guard), 4 * TF_SCORE_BOUND);
    *least = 0.5;
    *most = (double)n;
    return masked(p, tf_power_negative(p, below), mask, mask_shape);
}

static tf_value lower_relu(tf_program *p, tf_value score, tf_value mask, tf_shape mask_shape, double *least,
                           double *most) {
    /* rows whose sum is small are divided by little: fewer low bits are dropped than elsewhere */
    const unsigned low = 2;
    tf_value weight = masked(p, tf_select(p, 1, &(tf_term){tf_negative(p, score, low), score, true}), mask, mask_shape);
    *least = 1e-3;
    *most = p->status ? 0 : (double)tf_shape_last(tf_type_of(p, score)->shape) * TF_SCORE_BOUND;
    return weight;
}

tf_value tf_softmax_lower(const tf_softmax *softmax, tf_program *p, tf_value score, tf_value mask, tf_shape mask_shape,
                          tf_value *inverse) {
    double least = 0, most = 0;
    tf_value weight = softmax->lower(p, score, mask, mask_shape, &least, &most);
    tf_value sum = tf_sum_axis(p, weight, -1, most);
    if (softmax->eps > 0) sum = tf_add_const(p, sum, softmax->eps);
    *inverse = tf_reciprocal(p, sum, least, most, p->frac + 6);
    return weight;
}

static tf_value lower(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    bool has_mask = node->inputs == 2;
    const tf_softmax *softmax = tf_softmax_find(node->op->variant);
    tf_value inverse,
        score = tf_trunc(p, tf_scale_real(p, tf_assume(p, in[0], TF_SCORE_BOUND / 2), softmax->scale, 20), p->frac);
    tf_shape row = node->shape, mask_shape = row;
    row.dim[row.rank - 1] = 1;
    if (has_mask && tf_leaf_of(p, in[1])) mask_shape = tf_leaf_of(p, in[1])->shape;
    tf_value weight = tf_softmax_lower(softmax, p, score, has_mask ? in[1] : -1, mask_shape, &inverse);
    return tf_mul(p, weight, tf_reshape(p, inverse, row), (tf_result){p->frac, 2, false});
}

#define ENTRY(name, formula, from, epsilon, factor, error) {#name, epsilon, factor, weights_##name, lower_##name},
static const tf_softmax variants[] = {TF_SOFTMAX_VARIANTS(ENTRY)};

const tf_softmax *tf_softmax_find(const char *variant) {
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        if (!strcmp(variants[i].variant, variant)) return &variants[i];
    return NULL;
}

void tf_softmax_row(const tf_softmax *softmax, const float *score, const float *mask, size_t n, double *weight,
                    float *probability) {
    softmax->weights(score, mask, n, weight);
    double sum = softmax->eps;
    for (size_t i = 0; i < n; i++) sum += weight[i];
    double factor = sum > 0 ? 1 / sum : 0;
    for (size_t i = 0; i < n; i++) probability[i] = (float)(weight[i] * factor);
}

static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    *out = shape[0];
    if (node->inputs == 1) return TF_OK;
    if (tf_shape_last(shape[1]) != tf_shape_last(shape[0]))
        return tf_fail(TF_INVALID, "the mask's last dimension is %zu, the scores' is %zu", tf_shape_last(shape[1]),
                       tf_shape_last(shape[0]));
    return tf_expect_broadcast("the mask", shape[1], shape[0]);
}

static tf_status plain(const tf_node *node, const tf_array *in, tf_array *out) {
    const tf_softmax *softmax = tf_softmax_find(node->op->variant);
    size_t rows = tf_shape_rows(out->shape), n = tf_shape_last(out->shape);
    double *weight = malloc(n * sizeof *weight);
    if (!weight) return tf_fail(TF_NOMEM, "no memory for a row of %zu weights", n);
    for (size_t row = 0; row < rows; row++) {
        const float *mask = NULL;
        if (node->inputs == 2) mask = in[1].data + tf_broadcast_row(in[1].shape, out->shape, row);
        tf_softmax_row(softmax, in[0].data + row * n, mask, n, weight, out->data + row * n);
    }
    free(weight);
    return TF_OK;
}

#define OP(name, formula, from, epsilon, factor, error)                                                                \
    {.kind = "softmax",                                                                                                \
     .variant = #name,                                                                                                 \
     .summary = formula " over the last dimension",                                                                    \
     .source = from,                                                                                                   \
     .min_inputs = 1,                                                                                                  \
     .max_inputs = 2,                                                                                                  \
     .infer = infer,                                                                                                   \
     .plain = plain,                                                                                                   \
     .lower = lower,                                                                                                   \
     .low = -48,                                                                                                       \
     .high = 48,                                                                                                       \
     .private_error = error},

const tf_op tf_softmax_ops[] = {TF_SOFTMAX_VARIANTS(OP){0}};
