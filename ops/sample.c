/** A draw from softmax(logits / temperature), or from the most probable of it: op sample. */
#include "ops/sample.h"

#include <math.h>
#include <stdlib.h>

#include "ops/common.h"
#include "ops/nucleus.h"
#include "ops/ops.h"
#include "ops/ranking.h"
#include "runtime/graph/example.h"
#include "runtime/graph/noise.h"
#include "runtime/lower/compose.h"
#include "runtime/lower/tournament.h"

size_t tf_sampling_candidates(const tf_sampling *s, size_t n) {
    return s->top_k && s->top_k < n ? s->top_k : n;
}

int tf_sampling_ranks(const tf_sampling *s, size_t n) {
    size_t candidates = tf_sampling_candidates(s, n);
    return candidates < n || (s->top_p < 1 && n <= TF_MOST_CANDIDATES);
}

size_t tf_sampling_kept(const tf_sampling *s, const double *sorted, size_t count) {
    double total = 0, sum = 0;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) total += exp(sorted[i] - sorted[0]);
    for (; kept < count; kept++) {
        double weight = exp(sorted[kept] - sorted[0]);
        if (kept && ((s->top_p < 1 && sum >= s->top_p * total) || weight < s->min_p)) break;
        sum += weight;
    }
    return kept;
}

tf_status tf_sampling_check(const tf_sampling *s) {
    if (!(s->temperature >= TF_LEAST_TEMPERATURE && s->temperature <= 1000))
        return tf_fail(TF_INVALID, "a temperature of %g; %g to 1000 are possible", s->temperature,
                       TF_LEAST_TEMPERATURE);
    if (!(s->top_p > 0)) return tf_fail(TF_INVALID, "a top_p of %g; it must be above 0", s->top_p);
    if (!(s->min_p >= 0 && s->min_p < 1))
        return tf_fail(TF_INVALID, "a min_p of %g; it must be from 0 to less than 1", s->min_p);
    return TF_OK;
}

static tf_sampling sampling_of(const tf_node *node) {
    return (tf_sampling){.temperature = tf_attr_get(node, "temperature", 1),
                         .top_k = (size_t)tf_attr_get(node, "top_k", 0),
                         .top_p = tf_attr_get(node, "top_p", 1),
                         .min_p = tf_attr_get(node, "min_p", 0)};
}

static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    enum { MOST_ENTRIES = 1 << 24 }; /* that floats count exactly */
    double top_k = tf_attr_get(node, "top_k", 0);
    if (!(top_k >= 0 && top_k <= MOST_ENTRIES) || top_k != floor(top_k))
        return tf_fail(TF_INVALID, "a top_k of %g; it must be a whole number, 0 for all", top_k);
    tf_sampling s = sampling_of(node);
    TF_TRY(tf_sampling_check(&s));
    if (shape[0].rank < 1 || shape[1].rank < 1) return tf_fail(TF_INVALID, "an input is a scalar");
    size_t n = tf_shape_last(shape[0]), candidates = tf_sampling_candidates(&s, n);
    if (n > MOST_ENTRIES)
        return tf_fail(TF_INVALID, "rows of %zu elements; at most %d are supported", n, (int)MOST_ENTRIES);
    if (tf_shape_rows(shape[0]) != tf_shape_rows(shape[1]) || tf_shape_last(shape[1]) < candidates)
        return tf_fail(TF_INVALID, "the noise has %zu rows of %zu; %zu rows of %zu are needed", tf_shape_rows(shape[1]),
                       tf_shape_last(shape[1]), tf_shape_rows(shape[0]), candidates);
    *out = shape[0];
    out->rank--;
    return TF_OK;
}

/* In floating point ------------------------------------------------------------------------------------------------ */

typedef struct entry {
    double value;
    size_t position;
} entry;

static int larger_first(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return x->position < y->position ? -1 : x->position > y->position;
}

/* The noise is that of ranks, or of positions. */
static size_t draw(const tf_sampling *s, entry *row, double *sorted, size_t n, const float *noise) {
    size_t count = tf_sampling_candidates(s, n), best = 0;
    bool ranks = tf_sampling_ranks(s, n);
    qsort(row, n, sizeof *row, larger_first);
    for (size_t i = 0; i < count; i++) sorted[i] = row[i].value;
    count = tf_sampling_kept(s, sorted, count);
    double chosen = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        double noisy = row[i].value + (double)noise[ranks ? i : row[i].position];
        if (noisy <= chosen) continue;
        chosen = noisy;
        best = i;
    }
    return row[best].position;
}

static tf_status plain(const tf_node *node, const tf_array *in, tf_array *out) {
    tf_sampling s = sampling_of(node);
    size_t rows = tf_shape_rows(in[0].shape), n = tf_shape_last(in[0].shape), entries = tf_shape_last(in[1].shape);
    entry *row = malloc(n * sizeof *row);
    double *sorted = malloc(n * sizeof *sorted);
    tf_status status = row && sorted ? TF_OK : tf_fail(TF_NOMEM, "no memory for %zu logits", n);
    for (size_t r = 0; status == TF_OK && r < rows; r++) {
        for (size_t i = 0; i < n; i++) row[i] = (entry){(double)in[0].data[r * n + i] / s.temperature, i};
        out->data[r] = (float)draw(&s, row, sorted, n, in[1].data + r * entries);
    }
    free(row);
    free(sorted);
    return status;
}

/* Privately -------------------------------------------------------------------------------------------------------- */

/* Scores keep this many fractional bits. Rounding them by up to 2^-14 changes what is drawn only where the two largest
 * noisy scores are that close together: the density of their gap is below 1, so the draw's distribution is within 2^-13
 * of the exact one, in total variation. The temperature is rounded to as many bits. */
enum { SCORE_FRAC = 14, TEMPERATURE_BITS = 14 };

/* What is not kept is lowered to this below the largest score: noise spans less. */
#define DROPPED 64.0

static tf_value rounded(tf_program *p, tf_value x) {
    return !p->status && tf_type_of(p, x)->frac > SCORE_FRAC ? tf_trunc(p, x, SCORE_FRAC) : x;
}

/** The first `count` entries of each row of noise: dealt, if it is a leaf; with as many bits as what it is added to. */
static tf_value noise_of(tf_program *p, tf_value noise, size_t rows, size_t count, unsigned bits) {
    if (p->status) return -1;
    if (tf_leaf_of(p, noise))
        noise = tf_noise(p, noise, SCORE_FRAC, bits);
    else
        noise = rounded(p, tf_assume(p, noise, TF_GUMBEL_BOUND));
    if (p->status) return -1;
    size_t entries = tf_shape_last(tf_type_of(p, noise)->shape);
    noise = tf_reshape(p, noise, tf_dims(rows, entries));
    return entries > count ? tf_slice(p, noise, -1, 0, count) : noise;
}

static tf_value noisy(tf_program *p, tf_value score, tf_value noise, double bound) {
    if (p->status) return -1;
    tf_shape shape = tf_type_of(p, score)->shape;
    double within = bound + TF_GUMBEL_BOUND;
    score = tf_lift(p, score, tf_width(SCORE_FRAC, 2 * within)); /* with room for differences */
    noise = noise_of(p, noise, shape.dim[0], shape.dim[1], tf_type_of(p, score)->bits);
    return tf_add_within(p, score, noise, within);
}

/** score where the bit is 1 (or 0 with `negate`), and DROPPED below 0 elsewhere. */
static tf_value kept(tf_program *p, tf_value score, tf_value bit, bool negate, double bound) {
    tf_value raised = tf_add_const_within(p, score, DROPPED, bound);
    raised = tf_select(p, 1, &(tf_term){bit, raised, negate});
    return tf_add_const_within(p, raised, -DROPPED, bound);
}

/** [the probability before each candidate (rows, n), scores below the largest, is less than top_p of all]. */
static tf_value in_nucleus(tf_program *p, tf_value below, size_t rows, size_t n, double top_p) {
    enum { PRECISION = 12 }; /* fractional bits of top_p */
    tf_value weight = tf_exp_negative(p, below);
    if (p->status) return -1;
    weight = tf_lift(p, weight, tf_width(tf_type_of(p, weight)->frac + PRECISION, (double)n)); /* while they are few */
    double *earlier = calloc(n * n, sizeof *earlier);
    if (!earlier) return tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for %zu candidates", n));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) earlier[i * n + j] = 1;
    tf_value all = tf_expand(p, tf_reshape(p, weight, tf_dims(rows, 1, n)), tf_dims(rows, n, n));
    tf_value before = tf_sum_axis(p, tf_mul_public(p, all, tf_dims(n, n), earlier, 0), -1, (double)n);
    free(earlier);
    tf_value total = tf_sum_axis(p, tf_reshape(p, weight, tf_dims(rows, n, 1)), 1, (double)n);
    total = tf_scale_real(p, total, -top_p, PRECISION);
    return tf_negative_of(p, tf_add_within(p, before, total, (double)n));
}

/** What min_p lets through, of scores below the largest. */
static tf_value above_least(tf_program *p, tf_value score, tf_value below, double min_p, double bound) {
    double least = log(min_p);
    tf_value under = tf_negative_of(p, tf_add_const_within(p, below, -least, bound - least));
    return kept(p, score, under, true, bound);
}

/** Draws among candidates that are ranked. */
static tf_value draw_ranked(tf_program *p, const tf_sampling *s, tf_value x, tf_value noise, size_t count) {
    if (p->status) return -1;
    size_t rows = tf_type_of(p, x)->shape.dim[0], n = tf_type_of(p, x)->shape.dim[1];
    double bound = 2 * tf_type_of(p, x)->bound + DROPPED;
    tf_largest best = tf_largest_of(p, x, count);
    tf_value first = tf_scale_int(p, tf_slice(p, best.value, -1, 0, 1), -1);
    tf_value below = tf_assume(p, tf_add_within(p, best.value, first, tf_type_of(p, x)->bound), bound - DROPPED);
    below = tf_lift(p, below, tf_width(SCORE_FRAC, 2 * (bound + TF_GUMBEL_BOUND)));
    tf_value score = below;
    if (s->top_p < 1) score = kept(p, score, in_nucleus(p, below, rows, count, s->top_p), false, bound);
    if (s->min_p > 0) score = above_least(p, score, below, s->min_p, bound);
    return tf_at_largest(p, noisy(p, score, noise, bound), best.position, (double)n);
}

/** Draws among all. */
static tf_value draw_any(tf_program *p, const tf_sampling *s, tf_value x, tf_value noise) {
    if (p->status) return -1;
    double bound = tf_type_of(p, x)->bound;
    if (s->top_p >= 1 && !(s->min_p > 0)) return tf_argmax_last(p, noisy(p, x, noise, bound));
    tf_value largest = tf_scale_int(p, tf_max_last_soon(p, x), -1);
    bound = 2 * bound + DROPPED;
    tf_value below = tf_assume(p, tf_add_within(p, x, largest, tf_type_of(p, x)->bound), bound - DROPPED);
    tf_value score = below;
    if (s->top_p < 1) score = kept(p, score, tf_outside_nucleus(p, below, s->top_p), true, bound);
    if (s->min_p > 0) score = above_least(p, score, below, s->min_p, bound);
    return tf_argmax_last(p, noisy(p, score, noise, bound));
}

static tf_value lower(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    tf_sampling s = sampling_of(node);
    tf_shape shape = tf_type_of(p, in[0])->shape;
    size_t rows = tf_shape_rows(shape), n = tf_shape_last(shape), count = tf_sampling_candidates(&s, n);
    bool ranks = tf_sampling_ranks(&s, n);
    if (ranks && count > TF_MOST_CANDIDATES)
        return tf_program_fail(p, tf_fail(TF_INVALID,
                                          "a top_k of %zu of %zu logits; privately at most %d are sorted: choose "
                                          "a smaller one",
                                          count, n, (int)TF_MOST_CANDIDATES));
    tf_value x = tf_reshape(p, in[0], tf_dims(rows, n));
    x = rounded(p, tf_scale_real(p, x, 1 / s.temperature, TEMPERATURE_BITS));
    if (p->status) return -1;
    x = tf_lift(p, x, tf_width(tf_type_of(p, x)->frac, 2 * tf_type_of(p, x)->bound));
    if (n == 1) return tf_reshape(p, tf_scale_int(p, x, 0), node->shape);
    tf_value drawn = ranks ? draw_ranked(p, &s, x, in[1], count) : draw_any(p, &s, x, in[1]);
    return tf_reshape(p, drawn, node->shape);
}

/* Steps that rounding does not order otherwise: another order is another result. */
static const tf_example example = {
    .input = {{TF_LEAF_NONE, "bnw", TF_FILL_EVEN, 0, 0}, {TF_LEAF_NONE, "bnw", TF_FILL_EVEN, -3, 30}},
    .attr = {{"temperature", 0.8, 0}, {"top_k", 7, 0}, {"top_p", 0.9, 0}, {"min_p", 0.02, 0}}};

const tf_op tf_sample_ops[] = {
    {.kind = "sample",
     .variant = "exact",
     .summary = "a position of the last dimension, drawn from softmax(x / temperature) of the top_k, top_p, min_p; "
                "the noise that decides is the second input",
     .source = "Gumbel 1954; Holtzman et al. 2020 (top-p)",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer,
     .plain = plain,
     .lower = lower,
     .low = -256,
     .high = 256,
     .private_error = 0.5, /* of a whole number: none */
     .example = &example},
    {0},
};
