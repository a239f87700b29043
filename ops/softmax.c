#include "ops/softmax.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/lower/compose.h"

#define EPSILON 1e-3 /* as the paper's fixed point has it */

static const tf_weights nothing = {.value = -1};

static bool counts(const float *mask, size_t i) {
    return !mask || mask[i] != 0;
}

static void weights_exact(const tf_node *node, const float *score, const float *mask, size_t n, double *weight) {
    float highest = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (counts(mask, i) && score[i] > highest) highest = score[i];
    for (size_t i = 0; i < n; i++) weight[i] = counts(mask, i) ? exp((double)score[i] - highest) : 0;
}

static void weights_relu(const tf_node *node, const float *score, const float *mask, size_t n, double *weight) {
    for (size_t i = 0; i < n; i++) weight[i] = counts(mask, i) && score[i] > 0 ? score[i] : 0;
}

static void weights_relu_n(const tf_node *node, const float *score, const float *mask, size_t n, double *weight) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += counts(mask, i);
    weights_relu(node, score, mask, n, weight);
    for (size_t i = 0; i < n && count; i++) weight[i] /= (double)count;
}

enum { OFFSET = 5, LEAST_POWER = 2, MOST_POWER = 8 };

static void weights_2quad(const tf_node *node, const float *score, const float *mask, size_t n, double *weight) {
    for (size_t i = 0; i < n; i++) weight[i] = counts(mask, i) ? pow((double)score[i] + OFFSET, 2) : 0;
}

static void weights_power(const tf_node *node, const float *score, const float *mask, size_t n, double *weight) {
    double power = tf_attr_get(node, "p", LEAST_POWER);
    for (size_t i = 0; i < n; i++) weight[i] = counts(mask, i) ? pow(score[i], power) : 0;
}

tf_status tf_softmax_check(const tf_node *node) {
    double power = node->op->parameter ? tf_attr_get(node, "p", LEAST_POWER) : LEAST_POWER;
    if (!(power >= LEAST_POWER && power <= MOST_POWER) || fmod(power, 2) != 0)
        return tf_fail(TF_INVALID, "softmax %s: p is %g, not 2, 4, 6 or 8", node->op->variant, power);
    return TF_OK;
}

/** weights * mask, the mask being 0 or 1: the scale stays. */
static tf_value masked(tf_program *p, tf_value weight, tf_value mask, tf_shape shape) {
    return mask < 0 ? weight : tf_mul_leaf(p, weight, mask, shape, 0);
}

/** Masked scores become the least there can be. */
static tf_value masked_scores(tf_program *p, tf_value score, tf_value mask, tf_shape shape) {
    const tf_node *leaf = mask < 0 ? NULL : tf_leaf_of(p, mask);
    if (!leaf) return score;
    /* of the two terms of the sum one is always zero */
    return tf_add_leaf_within(p, masked(p, score, mask, shape), mask, shape, TF_SCORE_BOUND, -TF_SCORE_BOUND,
                              TF_SCORE_BOUND);
}

/*
 * What is subtracted need not be the maximum itself: the division undoes it. So the tournament is one of scores rounded
 * to 5 fractional bits, in 2 bytes. Each match may fall short by half the dropped low bits; all scores are lowered by
 * as much, so that none exceeds zero.
 */
static tf_weights lower_exact(tf_program *p, const tf_node *node, tf_value score, tf_value mask, tf_shape mask_shape) {
    enum { COARSE = 5 };
    score = masked_scores(p, score, mask, mask_shape);
    tf_value coarse = tf_trunc(p, score, COARSE), highest = tf_max_last(p, coarse);
    if (p->status) return nothing;
    double n = (double)tf_shape_last(tf_type_of(p, score)->shape), unit = ldexp(1, -COARSE);
    double guard = unit + ceil(log2(n)) * ldexp(unit, (int)tf_default_low(tf_type_of(p, coarse)) - 1);
    /* the ring has room for differences, though not for lifting them */
    const double most_below = 2 * TF_SCORE_BOUND + 1;
    tf_value below = tf_add_within(p, score, tf_scale_int(p, highest, -1), TF_SCORE_BOUND);
    below = tf_add_const_within(p, tf_assume(p, below, most_below), -guard, TF_SCORE_BOUND);
    below = tf_assume(p, below, most_below);
    return (tf_weights){masked(p, tf_power_negative(p, below), mask, mask_shape),
                        0.99 * exp2(-(guard + unit) * TF_OCTAVES / 16), n, 0};
}

static tf_weights lower_relu(tf_program *p, const tf_node *node, tf_value score, tf_value mask, tf_shape mask_shape) {
    /* rows whose sum is small are divided by little: fewer low bits are dropped than elsewhere */
    const unsigned low = 2;
    if (p->status) return nothing;
    double n = (double)tf_shape_last(tf_type_of(p, score)->shape);
    tf_value weight = tf_select(p, 1, &(tf_term){tf_negative(p, score, low), score, true});
    return (tf_weights){masked(p, weight, mask, mask_shape), EPSILON, n * TF_SCORE_BOUND, EPSILON};
}

/* The queries have been divided by n: these scores are the probabilities but for their sign. */
static tf_weights lower_relu_n(tf_program *p, const tf_node *node, tf_value score, tf_value mask, tf_shape mask_shape) {
    return lower_relu(p, node, score, mask, mask_shape);
}

/*
 * Powers of up to 64^2, in units of 16: so products with what is averaged stay in the range of activations, and a
 * square of scores with 9 fractional bits fits 32 bits as it is, untruncated. A row's powers are
 * taken to add up to less than 2^18, which is as far above 0.001 as inverses reach; below about 1 they are resolved
 * coarsely.
 */
enum { POWER_BASE = 64, POWER_UNIT = 16, POWER_SUM = 1 << 18 };

static tf_weights powers(tf_program *p, tf_value base, int power, tf_value mask, tf_shape mask_shape) {
    enum { FRAC = 12, LAST = 20 };
    if (p->status) return nothing;
    double n = (double)tf_shape_last(tf_type_of(p, base)->shape), most = POWER_BASE * POWER_BASE;
    double bound = tf_type_of(p, base)->bound;
    tf_value left = base, right = base;
    if (power > 2) left = right = tf_mul(p, base, base, (tf_result){FRAC, bound * bound, false});
    if (power > 4) left = tf_mul(p, right, right, (tf_result){FRAC, pow(bound, 4), false});
    if (power == 8) right = left;
    if (p->status) return nothing;
    int last = tf_type_of(p, left)->frac + tf_type_of(p, right)->frac;
    tf_value weight = tf_mul(p, left, right, (tf_result){last < LAST ? last : LAST, most, false});
    weight = tf_scale_real(p, masked(p, weight, mask, mask_shape), 1.0 / POWER_UNIT, 1);
    return (tf_weights){weight, EPSILON / POWER_UNIT, fmin(n * most, POWER_SUM) / POWER_UNIT, EPSILON / POWER_UNIT};
}

static tf_weights lower_2quad(tf_program *p, const tf_node *node, tf_value score, tf_value mask, tf_shape mask_shape) {
    return powers(p, tf_add_const_within(p, score, OFFSET, POWER_BASE), 2, mask, mask_shape);
}

static tf_weights lower_power(tf_program *p, const tf_node *node, tf_value score, tf_value mask, tf_shape mask_shape) {
    int power = (int)tf_attr_get(node, "p", LEAST_POWER);
    double bound = pow(POWER_BASE, 2.0 / power);
    return powers(p, tf_assume(p, score, bound), power, mask, mask_shape);
}

int tf_softmax_frac(const tf_softmax *softmax, const tf_program *program) {
    return softmax->frac ? softmax->frac : program->frac;
}

tf_value tf_softmax_lower(const tf_softmax *softmax, tf_program *p, const tf_node *node, tf_value score, tf_value mask,
                          tf_shape mask_shape, int inverse_frac, tf_value *inverse) {
    tf_weights weights = softmax->lower(p, node, score, mask, mask_shape);
    *inverse = -1;
    if (softmax->mean) return weights.value;
    tf_value sum = tf_sum_axis(p, weights.value, -1, weights.most);
    if (weights.eps > 0) sum = tf_add_const(p, sum, weights.eps);
    *inverse = tf_reciprocal(p, sum, weights.least, weights.most, inverse_frac);
    return weights.value;
}

/** How many of the n entries of a mask's row count; all without a mask. */
static size_t entries(const tf_node *mask, size_t row, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += !mask || mask->data[row * n + i] != 0;
    return count;
}

double tf_softmax_largest(const tf_softmax *softmax, const tf_program *p, tf_value mask, size_t n) {
    const tf_node *leaf = tf_leaf_of(p, mask);
    if (!softmax->mean) return 1;
    size_t fewest = n, rows = leaf && leaf->data ? tf_shape_rows(leaf->shape) : 0;
    for (size_t row = 0; row < rows; row++) {
        size_t count = entries(leaf, row, n);
        if (count > 0 && count < fewest) fewest = count;
    }
    return 1 / (double)fewest;
}

tf_value tf_softmax_scaled(const tf_softmax *softmax, tf_program *p, tf_value x, double factor, int precision,
                           tf_value mask, size_t n, tf_shape column) {
    const tf_node *leaf = tf_leaf_of(p, mask);
    double largest = factor * tf_softmax_largest(softmax, p, mask, n);
    if (p->status) return -1;
    if (!softmax->mean || !leaf || !leaf->data) return tf_scale_real(p, x, largest, precision);
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

static tf_value lower(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    tf_value mask = node->inputs == 2 ? in[1] : -1, inverse;
    const tf_softmax *softmax = tf_softmax_find(node->op->variant);
    size_t n = tf_shape_last(node->shape);
    tf_shape row = node->shape, mask_shape = row;
    if (tf_leaf_of(p, mask)) mask_shape = tf_leaf_of(p, mask)->shape;
    tf_shape column = mask_shape;
    column.dim[column.rank - 1] = row.dim[row.rank - 1] = 1;
    double bound = softmax->limit * tf_softmax_largest(softmax, p, mask, n);
    tf_value score = tf_assume(p, in[0], softmax->limit / softmax->scale);
    score = tf_softmax_scaled(softmax, p, score, softmax->scale, softmax->mean ? 15 : 11, mask, n, column);
    if (!p->status && tf_type_of(p, score)->frac > tf_softmax_frac(softmax, p))
        score = tf_trunc(p, score, tf_softmax_frac(softmax, p));
    score = tf_assume(p, score, bound);
    tf_value weight = tf_softmax_lower(softmax, p, node, score, mask, mask_shape, p->frac + 3, &inverse);
    if (inverse < 0) return weight;
    return tf_mul(p, weight, tf_reshape(p, inverse, row), (tf_result){p->frac, 2, false});
}

/* in the order of TF_SOFTMAX_VARIANTS */
static const tf_softmax variants[] = {
    {"exact", 0, TF_POWER_SCALE, TF_SCORE_BOUND, 12, 13, false, weights_exact, lower_exact},
    {"relu", EPSILON, 1, TF_SCORE_BOUND, 0, 0, false, weights_relu, lower_relu},
    {"relu_n", 0, 1, TF_SCORE_BOUND, 0, 14, true, weights_relu_n, lower_relu_n},
    {"2quad", EPSILON, 1, POWER_BASE - OFFSET, 9, 16, false, weights_2quad, lower_2quad},
    {"power", EPSILON, 1, POWER_BASE, 9, 16, false, weights_power, lower_power},
};

const tf_softmax *tf_softmax_find(const char *variant) {
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        if (!strcmp(variants[i].variant, variant)) return &variants[i];
    return NULL;
}

void tf_softmax_row(const tf_softmax *softmax, const tf_node *node, const float *score, const float *mask, size_t n,
                    double *weight, float *probability) {
    softmax->weights(node, score, mask, n, weight);
    double sum = softmax->eps;
    for (size_t i = 0; i < n; i++) sum += weight[i];
    double factor = softmax->mean ? 1 : sum > 0 ? 1 / sum : 0;
    for (size_t i = 0; i < n; i++) probability[i] = (float)(weight[i] * factor);
}

static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    *out = shape[0];
    TF_TRY(tf_softmax_check(node));
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
        tf_softmax_row(softmax, node, in[0].data + row * n, mask, n, weight, out->data + row * n);
    }
    free(weight);
    return TF_OK;
}

#define OP(name, formula, from, new_weights, range, error, attention_error, attribute)                                 \
    {.kind = "softmax",                                                                                                \
     .variant = #name,                                                                                                 \
     .summary = formula " over the last dimension",                                                                    \
     .source = from,                                                                                                   \
     .min_inputs = 1,                                                                                                  \
     .max_inputs = 2,                                                                                                  \
     .infer = infer,                                                                                                   \
     .plain = plain,                                                                                                   \
     .lower = lower,                                                                                                   \
     .trained = new_weights,                                                                                           \
     .parameter = attribute,                                                                                           \
     .low = -range,                                                                                                    \
     .high = range,                                                                                                    \
     .private_error = error},

const tf_op tf_softmax_ops[] = {TF_SOFTMAX_VARIANTS(OP){0}};
