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

/** Masked scores become the least there can be. */
static tf_value masked_scores(tf_program *p, tf_value score, tf_value mask, tf_shape shape) {
    const tf_node *leaf = mask < 0 ? NULL : tf_leaf_of(p, mask);
    if (!leaf || !leaf->data) return score;
    size_t count = tf_shape_count(shape);
    double *shift = malloc(count * sizeof *shift);
    if (!shift) return tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for a mask"));
    for (size_t i = 0; i < count; i++) shift[i] = (leaf->data[i] - 1) * TF_SCORE_BOUND;
    /* of the two terms of the sum one is always zero */
    score = tf_add_public_within(p, masked(p, score, mask, shape), shape, shift, TF_SCORE_BOUND);
    free(shift);
    return score;
}

/*
 * What is subtracted need not be the maximum itself: the division undoes it. So the tournament is one of scores rounded
 * to 5 fractional bits, in 2 bytes. Each match may fall short by half the dropped low bits; all scores are lowered by
 * as much, so that none exceeds zero.
 */
static tf_value lower_exact(tf_program *p, tf_value score, tf_value mask, tf_shape mask_shape, double *least,
                            double *most) {
    enum { COARSE = 5 };
    if (p->status) return -1;
    score = masked_scores(p, score, mask, mask_shape);
    tf_value coarse = tf_trunc(p, score, COARSE), highest = tf_max_last(p, coarse);
    if (p->status) return -1;
    double n = (double)tf_shape_last(tf_type_of(p, score)->shape), unit = ldexp(1, -COARSE);
    double guard = unit + ceil(log2(n)) * ldexp(unit, (int)tf_default_low(tf_type_of(p, coarse)) - 1);
    /* the ring has room for differences, though not for lifting them */
    const double most_below = 2 * TF_SCORE_BOUND + 1;
    tf_value below = tf_add_within(p, score, tf_scale_int(p, highest, -1), TF_SCORE_BOUND);
    below = tf_add_const_within(p, tf_assume(p, below, most_below), -guard, TF_SCORE_BOUND);
    below = tf_assume(p, below, most_below);
    *least = 0.99 * exp2(-(guard + unit) * TF_OCTAVES / 16);
    *most = n;
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

int tf_softmax_frac(const tf_softmax *softmax, const tf_program *program) {
    return softmax->frac ? softmax->frac : program->frac;
}

tf_value tf_softmax_lower(const tf_softmax *softmax, tf_program *p, tf_value score, tf_value mask, tf_shape mask_shape,
                          int inverse_frac, tf_value *inverse) {
    double least = 0, most = 0;
    tf_value weight = softmax->lower(p, score, mask, mask_shape, &least, &most);
    tf_value sum = tf_sum_axis(p, weight, -1, most);
    if (softmax->eps > 0) sum = tf_add_const(p, sum, softmax->eps);
    *inverse = tf_reciprocal(p, sum, least, most, inverse_frac);
    return weight;
}

static tf_value lower(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    bool has_mask = node->inputs == 2;
    const tf_softmax *softmax = tf_softmax_find(node->op->variant);
    tf_value inverse,
        score = tf_scale_real(p, tf_assume(p, in[0], TF_SCORE_BOUND / softmax->scale), softmax->scale, 11);
    score = tf_assume(p, tf_trunc(p, score, tf_softmax_frac(softmax, p)), TF_SCORE_BOUND);
    tf_shape row = node->shape, mask_shape = row;
    row.dim[row.rank - 1] = 1;
    if (has_mask && tf_leaf_of(p, in[1])) mask_shape = tf_leaf_of(p, in[1])->shape;
    tf_value weight = tf_softmax_lower(softmax, p, score, has_mask ? in[1] : -1, mask_shape, p->frac + 3, &inverse);
    return tf_mul(p, weight, tf_reshape(p, inverse, row), (tf_result){p->frac, 2, false});
}

#define ENTRY(name, formula, from, epsilon, factor, frac, error)                                                       \
    {#name, epsilon, factor, frac, weights_##name, lower_##name},
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

#define OP(name, formula, from, epsilon, factor, frac, error)                                                          \
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
