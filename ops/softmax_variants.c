/** The variants of softmax and attention: what they make of scores. */
#include <math.h>

#include "ops/ops.h"
#include "ops/softmax.h"
#include "runtime/lower/tournament.h"
#include "runtime/steps/powers.h"

#define EPSILON 1e-3 /* as the paper's fixed point has it */

const tf_weights tf_no_weights = {.value = -1};

static void weights_exact(const tf_node *node, const float *score, size_t n, double *weight) {
    float highest = score[0];
    for (size_t i = 1; i < n; i++) highest = fmaxf(highest, score[i]);
    for (size_t i = 0; i < n; i++) weight[i] = exp((double)score[i] - highest);
}

/*
 * What is subtracted need not be the maximum itself: the division undoes it. It is a number somewhat above, which takes
 * few rounds however long a row is, if weights keep as many bits more; or the largest score by a tournament, rounded to
 * whole units, and a unit more, so that none exceeds zero.
 */
static tf_lowered below_highest(tf_program *p, tf_value score, tf_mask mask) {
    const double most_below = 2 * TF_SCORE_BOUND + 2;
    score = tf_softmax_lowest(p, score, mask, TF_SCORE_BOUND);
    tf_value highest = tf_max_last_soon(p, tf_trunc(p, score, 0));
    /* the ring has room for differences, though not for lifting them */
    tf_value below = tf_add_within(p, score, tf_scale_int(p, highest, -1), TF_SCORE_BOUND);
    below = tf_add_const_within(p, tf_assume(p, below, most_below), -1, TF_SCORE_BOUND);
    return (tf_lowered){tf_assume(p, below, most_below), -1};
}

/* Fractional bits of weights beyond activations'; units that the largest is below zero by a tournament; bits that
 * weighted sums keep more for a ceiling. */
enum { FRAC_MORE = 5, SLACK = 2, GUARD = 8 };

/** Bits that weights have more for a ceiling, as it is farther from the largest score than a tournament's result. */
static int ceiling_bits(double octaves) {
    return (int)(octaves * (TF_CEILING_SLACK - SLACK));
}

/** Whether the products of such weights with values, and of their sums with inverses, fit a ring. */
static bool can_be_ceiling(const tf_program *p, double octaves) {
    int room = 64 - (int)tf_width(p->frac, tf_default_bound(p)) - p->frac;
    return FRAC_MORE + ceiling_bits(octaves) <= room && GUARD + TF_INVERSE_MORE < room;
}

/** Whether rows are to be taken relative to a ceiling, by rounds and bytes. */
static bool ceiling_is_worth(const tf_program *p, tf_value score, tf_powers_range range) {
    enum { ROUNDS = 4, WIDER_SCORE = 6, WIDER_ROW = 500 }; /* bytes that wider rings cost, with a context of 64 */
    tf_type type = *tf_type_of(p, score);
    size_t n = tf_shape_last(type.shape), rows = tf_shape_count(type.shape) / n;
    if (n > TF_CEILING_COLUMNS) return false;
    type.frac = 0;
    double more = tf_ceiling_bytes(rows, n, range) + (double)rows * (WIDER_ROW + WIDER_SCORE * (double)n);
    return more + ROUNDS * tf_round_worth(p) < tf_max_last_cost(p, &type);
}

/** The powers: at once, and in the ring of the product that averages by them, where that is worth two rounds; else in
 *  one that has room for their sum where waiting for a lift is worth those bytes. */
static tf_value powers_of(tf_program *p, tf_lowered below, double octaves, tf_powers_range range, int frac, int guard) {
    enum { WIDEST = 62 };
    if (p->status) return -1;
    const unsigned averaged = tf_width(p->frac + guard, tf_default_bound(p)) + (unsigned)(frac - guard);
    const double elements = (double)tf_shape_count(tf_type_of(p, below.x)->shape);
    if (averaged <= WIDEST && tf_rounds_are_worth(p, 2, elements * tf_powers_at_once_bytes(range, averaged)))
        return tf_powers_at_once(p, below, octaves, range, frac, averaged);
    tf_shape shape = tf_type_of(p, below.x)->shape;
    unsigned ring = tf_width(frac, (double)tf_shape_last(shape));
    double more = 2 * (double)((ring - tf_width(frac, 1) + 7) / 8); /* bytes of two elements, less what a lift saves */
    bool worth = tf_rounds_are_worth(p, 1, more * elements);
    return tf_powers(p, below, octaves, range, frac, worth ? ring : 0);
}

static tf_weights lower_exact(tf_program *p, const tf_node *node, tf_value score, double unit, tf_mask mask) {
    if (p->status) return tf_no_weights;
    const double octaves = unit * 1.4426950408889634, n = (double)tf_shape_last(tf_type_of(p, score)->shape);
    const tf_powers_range range = mask.hidden ? TF_POWERS_TO_508 : TF_POWERS_TO_252;
    const int frac = p->frac + FRAC_MORE;
    const bool ceiling = can_be_ceiling(p, octaves) && ceiling_is_worth(p, score, range);
    tf_lowered below =
        ceiling ? tf_below_ceiling(p, score, mask.leaf, mask.shape, range, mask.hidden) : below_highest(p, score, mask);
    tf_value power =
        powers_of(p, below, octaves, range, frac + (ceiling ? ceiling_bits(octaves) : 0), ceiling ? GUARD : 0);
    double least = 0.99 * exp2(-octaves * (ceiling ? TF_CEILING_SLACK : SLACK));
    return (tf_weights){.value = power,
                        .least = least,
                        .most = n,
                        .most_frac = can_be_ceiling(p, octaves) ? frac + ceiling_bits(octaves) : 0,
                        .masked_stray = mask.leaf >= 0,
                        .guard = ceiling ? GUARD : 0};
}

/* Products of queries of 21 fractional bits and keys of 16 fit 48 bits, so that queries of depths up to 511 lose none:
 * 40 bits would save a byte where keys are lifted, and take as many to round queries. */
static const tf_softmax exact = {.limit = TF_SCORE_BOUND,
                                 .frac = 13,
                                 .query = 21,
                                 .padding = TF_SCORE_PADDING,
                                 .weights = weights_exact,
                                 .lower_unit = lower_exact};

static void weights_relu(const tf_node *node, const float *score, size_t n, double *weight) {
    for (size_t i = 0; i < n; i++) weight[i] = score[i] > 0 ? score[i] : 0;
}

/* A row's positive scores are taken to add up to less, as its powers are: their sum is no wider than activations. */
enum { RELU_SUM = 1 << 14 };

static tf_weights lower_relu(tf_program *p, const tf_node *node, tf_value score) {
    /* rows whose sum is small are divided by little: fewer low bits are dropped than elsewhere */
    const unsigned low = 2;
    if (p->status) return tf_no_weights;
    double most = fmin((double)tf_shape_last(tf_type_of(p, score)->shape) * TF_SCORE_BOUND, RELU_SUM);
    tf_value weight = tf_select(p, 1, &(tf_term){tf_negative(p, score, low), score, true});
    /* its sum is waited for longest: at once in whole bytes that have room for it, where a round is worth that */
    const tf_type *type = tf_type_of(p, weight);
    unsigned ring = (tf_width(type->frac, most) + 7) / 8 * 8;
    bool worth = tf_rounds_are_worth(p, 1, 3 * (double)tf_shape_count(type->shape)); /* as many bytes more at most */
    if (worth && !tf_softmax_of(node)->mean) weight = tf_lift(p, weight, ring);
    return (tf_weights){.value = weight, .least = EPSILON, .most = most, .eps = EPSILON, .widens = true};
}

static const tf_softmax relu = {
    .eps = EPSILON, .limit = TF_SCORE_BOUND, .padding = TF_SCORE_PADDING, .weights = weights_relu, .lower = lower_relu};

static void weights_relu_n(const tf_node *node, const float *score, size_t n, double *weight) {
    for (size_t i = 0; i < n; i++) weight[i] = score[i] > 0 ? score[i] / (double)n : 0;
}

/* The queries have been divided by n: these scores are the probabilities but for their sign. */
static const tf_softmax relu_n = {.limit = TF_SCORE_BOUND,
                                  .query = 14,
                                  .mean = true,
                                  .padding = TF_SCORE_PADDING,
                                  .weights = weights_relu_n,
                                  .lower = lower_relu};

/*
 * Powers of up to 64^2, in units of 16: so products with what is averaged stay in the range of activations, and a
 * square of scores with 9 fractional bits fits 32 bits as it is, untruncated. A row's powers are
 * taken to add up to less than 2^18, which is as far above 0.001 as inverses reach; below about 1 they are resolved
 * coarsely.
 */
enum { POWER_BASE = 64, POWER_UNIT = 16, POWER_SUM = 1 << 18, OFFSET = 5, LEAST_POWER = 2, MOST_POWER = 8 };

static tf_weights powers(tf_program *p, tf_value base, int power) {
    enum { FRAC = 12, LAST = 20 };
    if (p->status) return tf_no_weights;
    double n = (double)tf_shape_last(tf_type_of(p, base)->shape), most = POWER_BASE * POWER_BASE;
    double bound = tf_type_of(p, base)->bound;
    tf_value left = base, right = base;
    if (power > 2) left = right = tf_mul(p, base, base, (tf_result){FRAC, bound * bound, false});
    if (power > 4) left = tf_mul(p, right, right, (tf_result){FRAC, pow(bound, 4), false});
    if (power == 8) right = left;
    if (p->status) return tf_no_weights;
    int last = tf_type_of(p, left)->frac + tf_type_of(p, right)->frac;
    tf_value weight = tf_mul(p, left, right, (tf_result){last < LAST ? last : LAST, most, false});
    return (tf_weights){.value = tf_scale_real(p, weight, 1.0 / POWER_UNIT, 1),
                        .least = EPSILON / POWER_UNIT,
                        .most = fmin(n * most, POWER_SUM) / POWER_UNIT,
                        .eps = EPSILON / POWER_UNIT};
}

static void weights_2quad(const tf_node *node, const float *score, size_t n, double *weight) {
    for (size_t i = 0; i < n; i++) weight[i] = pow((double)score[i] + OFFSET, 2);
}

static tf_weights lower_2quad(tf_program *p, const tf_node *node, tf_value score) {
    return powers(p, tf_add_const_within(p, score, OFFSET, POWER_BASE), 2);
}

static const tf_softmax quad = {.eps = EPSILON,
                                .limit = POWER_BASE - OFFSET,
                                .frac = 9,
                                .query = 16,
                                .padding = OFFSET,
                                .masks_keys = true,
                                .weights = weights_2quad,
                                .lower = lower_2quad};

static void weights_power(const tf_node *node, const float *score, size_t n, double *weight) {
    double power = tf_attr_get(node, "p", LEAST_POWER);
    for (size_t i = 0; i < n; i++) weight[i] = pow(score[i], power);
}

static tf_weights lower_power(tf_program *p, const tf_node *node, tf_value score) {
    int power = (int)tf_attr_get(node, "p", LEAST_POWER);
    return powers(p, tf_assume(p, score, pow(POWER_BASE, 2.0 / power)), power);
}

static tf_status check_power(const tf_node *node) {
    double power = tf_attr_get(node, "p", LEAST_POWER);
    if (!(power >= LEAST_POWER && power <= MOST_POWER) || fmod(power, 2) != 0)
        return tf_fail(TF_INVALID, "softmax %s: p is %g, not 2, 4, 6 or 8", node->op->variant, power);
    return TF_OK;
}

static const tf_softmax power = {.eps = EPSILON,
                                 .limit = POWER_BASE,
                                 .frac = 9,
                                 .query = 16,
                                 .masks_keys = true,
                                 .check = check_power,
                                 .weights = weights_power,
                                 .lower = lower_power};

/* Where all scores of a row are within a unit of zero, that unit is weighed against the 0.001 that is added to the sum:
 * hence the error of relu's attention. */
const tf_op tf_softmax_ops[] = {
    TF_SOFTMAX_OPS("exact", &exact, "exp(s_i - max s) / sum exp(s_j - max s)", 48, 3e-4, 2e-3,
                   .source = "Vaswani et al. 2017, 3.2.1"),
    TF_SOFTMAX_OPS("relu", &relu, "ReLU(s_i) / (sum ReLU(s_j) + 0.001); for weights trained so", 48, 1e-3, 7e-2,
                   .source = "Liu and Liu 2023 (arXiv:2305.18396)", .trained = true),
    TF_SOFTMAX_OPS("relu_n", &relu_n, "ReLU(s_i) / n, n the entries that count; for weights trained so", 48, 1e-3, 8e-3,
                   .source = "Akimoto et al. 2023 (PrivFormer); Zeng et al. 2023 (MPCViT)", .trained = true),
    TF_SOFTMAX_OPS("2quad", &quad, "(s_i + 5)^2 / (sum (s_j + 5)^2 + 0.001); for weights trained so", 24, 8e-3, 5e-3,
                   .source = "Li et al. 2023 (MPCFormer)", .trained = true),
    TF_SOFTMAX_OPS("power", &power, "s_i^p / (sum s_j^p + 0.001), p = 2, 4, 6 or 8, here 2; for weights trained so", 24,
                   8e-3, 2e-2, .source = "Zimerman et al. 2024 (Power-Softmax)", .trained = true, .parameter = "p"),
    {0},
};
