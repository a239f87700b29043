#include "models/fit_head.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY = 10, MAX_STEPS = 1000, BLOCK = 4, LANES = 4 };

/* Compiled for wide vectors too, chosen when the program is loaded. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

/*
 * The parameters are one vector, (dim + 1) x stride: the transposed weights, then the biases, with the labels padded to
 * a multiple of LANES. Padding stays zero throughout.
 */
typedef struct problem {
    const float *x;
    const int *label;
    size_t n, dim, labels, stride, parameters;
    double l2;
    double *block; /* BLOCK x stride: scores, then probabilities less the truth */
} problem;

/* score[s] = x[s] W^T + b for BLOCK samples. */
WIDE static void score_block(size_t dim, size_t stride, const float *const x[BLOCK], const double *theta,
                             double *score) {
    for (size_t s = 0; s < BLOCK; s++) memcpy(score + s * stride, theta + dim * stride, stride * sizeof *score);
    for (size_t d = 0; d < dim; d++) {
        const double *w = theta + d * stride;
        double x0 = x[0][d], x1 = x[1][d], x2 = x[2][d], x3 = x[3][d];
        double *s0 = score, *s1 = score + stride, *s2 = score + 2 * stride, *s3 = score + 3 * stride;
#pragma GCC ivdep
        for (size_t l = 0; l < stride; l++) {
            s0[l] += x0 * w[l];
            s1[l] += x1 * w[l];
            s2[l] += x2 * w[l];
            s3[l] += x3 * w[l];
        }
    }
}

/* gradient += x^T residual for BLOCK samples. */
WIDE static void add_block(size_t dim, size_t stride, const float *const x[BLOCK], const double *residual,
                           double *gradient) {
    const double *r0 = residual, *r1 = residual + stride, *r2 = residual + 2 * stride, *r3 = residual + 3 * stride;
    for (size_t d = 0; d <= dim; d++) {
        double *g = gradient + d * stride;
        double x0 = d < dim ? x[0][d] : 1, x1 = d < dim ? x[1][d] : 1;
        double x2 = d < dim ? x[2][d] : 1, x3 = d < dim ? x[3][d] : 1;
#pragma GCC ivdep
        for (size_t l = 0; l < stride; l++) g[l] += x0 * r0[l] + x1 * r1[l] + x2 * r2[l] + x3 * r3[l];
    }
}

/* The rows of the block that begins at sample `first`; past the end, the last sample again. */
static size_t block_rows(const problem *p, size_t first, const float *row[BLOCK]) {
    size_t rows = p->n - first < BLOCK ? p->n - first : BLOCK;
    for (size_t s = 0; s < BLOCK; s++) row[s] = p->x + (first + (s < rows ? s : rows - 1)) * p->dim;
    return rows;
}

/* Turns a sample's scores into probabilities less the truth and returns its cross-entropy. */
static double cross_entropy(const problem *p, int label, double *score) {
    double highest = score[0], own = score[label], sum = 0;
    for (size_t l = 1; l < p->labels; l++) highest = fmax(highest, score[l]);
    for (size_t l = 0; l < p->labels; l++) sum += score[l] = exp(score[l] - highest);
    for (size_t l = 0; l < p->labels; l++) score[l] /= sum;
    score[label] -= 1;
    return log(sum) + highest - own;
}

/** In eight sums, whatever the processor's vectors. */
WIDE static double dot(const double *a, const double *b, size_t n) {
    enum { SUMS = 8 };
    double sum[SUMS] = {0}, all = 0;
    const size_t whole = n / SUMS * SUMS;
    for (size_t i = 0; i < whole; i += SUMS)
        for (size_t k = 0; k < SUMS; k++) sum[k] += a[i + k] * b[i + k];
    for (size_t i = whole; i < n; i++) all += a[i] * b[i];
    for (size_t k = 0; k < SUMS; k++) all += sum[k];
    return all;
}

static double loss(const problem *p, const double *theta, double *gradient) {
    size_t weights = p->dim * p->stride;
    double entropy = 0;
    memset(gradient, 0, p->parameters * sizeof *gradient);
    for (size_t first = 0; first < p->n; first += BLOCK) {
        const float *row[BLOCK];
        size_t rows = block_rows(p, first, row);
        score_block(p->dim, p->stride, row, theta, p->block);
        for (size_t s = 0; s < rows; s++) entropy += cross_entropy(p, p->label[first + s], p->block + s * p->stride);
        memset(p->block + rows * p->stride, 0, (BLOCK - rows) * p->stride * sizeof *p->block);
        add_block(p->dim, p->stride, row, p->block, gradient);
    }
    for (size_t i = 0; i < p->parameters; i++) gradient[i] /= (double)p->n;
    for (size_t i = 0; i < weights; i++) gradient[i] += p->l2 * theta[i];
    return entropy / (double)p->n + p->l2 / 2 * dot(theta, theta, weights);
}

/* The last steps of L-BFGS and the changes of the gradient that they brought (Nocedal and Wright 2006, 7.2). */
typedef struct history {
    double *step[HISTORY], *change[HISTORY], curvature[HISTORY];
    size_t taken;
} history;

static void descent_direction(const history *h, const double *gradient, double *direction, size_t n) {
    double alpha[HISTORY];
    size_t kept = h->taken < HISTORY ? h->taken : HISTORY;
    for (size_t i = 0; i < n; i++) direction[i] = -gradient[i];
    for (size_t j = 0; j < kept; j++) {
        size_t at = (h->taken - 1 - j) % HISTORY;
        alpha[at] = dot(h->step[at], direction, n) / h->curvature[at];
        for (size_t i = 0; i < n; i++) direction[i] -= alpha[at] * h->change[at][i];
    }
    if (kept) {
        size_t at = (h->taken - 1) % HISTORY;
        double scale = h->curvature[at] / dot(h->change[at], h->change[at], n);
        for (size_t i = 0; i < n; i++) direction[i] *= scale;
    }
    for (size_t j = kept; j-- > 0;) {
        size_t at = (h->taken - 1 - j) % HISTORY;
        double beta = dot(h->change[at], direction, n) / h->curvature[at];
        for (size_t i = 0; i < n; i++) direction[i] += (alpha[at] - beta) * h->step[at][i];
    }
}

/* Keeps a step from `theta` to `next`, unless it shows no curvature. */
static void remember(history *h, const double *theta, const double *next, const double *gradient, const double *after,
                     size_t n) {
    size_t at = h->taken % HISTORY;
    for (size_t i = 0; i < n; i++) {
        h->step[at][i] = next[i] - theta[i];
        h->change[at][i] = after[i] - gradient[i];
    }
    h->curvature[at] = dot(h->step[at], h->change[at], n);
    if (h->curvature[at] > 1e-14 * dot(h->change[at], h->change[at], n)) h->taken++;
}

static void swap(double **a, double **b) {
    double *kept = *a;
    *a = *b;
    *b = kept;
}

static double largest(const double *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fabs(x[i]) > most ? fabs(x[i]) : most;
    return most;
}

enum { VECTORS = 5 + 2 * HISTORY };

/* `work` is room for VECTORS vectors of parameters, zeroed; the result comes to stand in the first one. */
static void minimise(const problem *p, double *work) {
    size_t n = p->parameters;
    double *theta = work, *next = work + n, *gradient = work + 2 * n, *after = work + 3 * n, *direction = work + 4 * n;
    history h = {.taken = 0};
    for (size_t i = 0; i < HISTORY; i++) {
        h.step[i] = work + (5 + 2 * i) * n;
        h.change[i] = h.step[i] + n;
    }
    double value = loss(p, theta, gradient);
    for (int step = 0; step < MAX_STEPS && largest(gradient, n) > 1e-7; step++) {
        descent_direction(&h, gradient, direction, n);
        double slope = dot(gradient, direction, n), length = 1, reached = INFINITY;
        for (int halving = 0; halving < 40; halving++, length /= 2) {
            for (size_t i = 0; i < n; i++) next[i] = theta[i] + length * direction[i];
            reached = loss(p, next, after);
            if (reached <= value + 1e-4 * length * slope) break;
        }
        bool settled = !(value - reached > 1e-9 * value);
        if (reached > value) break; /* no step helps: at the precision of double */
        remember(&h, theta, next, gradient, after, n);
        swap(&theta, &next);
        swap(&gradient, &after);
        value = reached;
        if (settled) break;
    }
    if (theta != work) memcpy(work, theta, n * sizeof *work);
}

static tf_status check(const float *x, const int *label, size_t n, size_t dim, size_t labels, double l2) {
    size_t count;
    if (!n || !dim) return tf_fail(TF_INVALID, "a classifier cannot be fitted without samples");
    if (labels < 2) return tf_fail(TF_INVALID, "a classifier needs at least 2 labels, not %zu", labels);
    if (!(l2 >= 0 && l2 < INFINITY)) return tf_fail(TF_INVALID, "the regularisation %g is not a number >= 0", l2);
    if (__builtin_mul_overflow(n, dim, &count)) return tf_fail(TF_INVALID, "%zu samples are too many", n);
    for (size_t i = 0; i < n; i++)
        if (label[i] < 0 || (size_t)label[i] >= labels)
            return tf_fail(TF_INVALID, "sample %zu has label %d, which is not in 0..%zu", i, label[i], labels - 1);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i])) return tf_fail(TF_INVALID, "the embedding of sample %zu is not finite", i / dim);
    return TF_OK;
}

static double accuracy_of(const float *x, const int *label, size_t n, size_t dim, size_t labels, const float *weight,
                          const float *bias) {
    size_t right = 0;
    for (size_t i = 0; i < n; i++) {
        double best = -INFINITY;
        size_t chosen = 0;
        for (size_t l = 0; l < labels; l++) {
            double score = bias[l];
            for (size_t d = 0; d < dim; d++) score += (double)weight[l * dim + d] * x[i * dim + d];
            if (score > best) best = score, chosen = l;
        }
        right += chosen == (size_t)label[i];
    }
    return n ? (double)right / (double)n : 0;
}

tf_status tf_fit_logistic(const float *x, const int *label, size_t n, size_t dim, size_t labels, double l2,
                          float *weight, float *bias, double *train_accuracy) {
    TF_TRY(check(x, label, n, dim, labels, l2));
    problem p = {.x = x, .label = label, .n = n, .dim = dim, .labels = labels, .l2 = l2};
    size_t doubles;
    if (labels > SIZE_MAX - LANES ||
        __builtin_mul_overflow(dim + 1, p.stride = (labels + LANES - 1) / LANES * LANES, &p.parameters) ||
        __builtin_mul_overflow(p.parameters, (size_t)VECTORS, &doubles))
        return tf_fail(TF_INVALID, "a classifier of %zu labels x %zu is too large", labels, dim);
    double *work = calloc(doubles, sizeof *work);
    p.block = calloc(BLOCK * p.stride, sizeof *p.block);
    if (!work || !p.block) {
        free(work);
        free(p.block);
        return tf_fail(TF_NOMEM, "no memory to fit a classifier of %zu labels x %zu", labels, dim);
    }
    minimise(&p, work);
    for (size_t l = 0; l < labels; l++) {
        for (size_t d = 0; d < dim; d++) weight[l * dim + d] = (float)work[d * p.stride + l];
        bias[l] = (float)work[dim * p.stride + l];
    }
    free(work);
    free(p.block);
    if (train_accuracy) *train_accuracy = accuracy_of(x, label, n, dim, labels, weight, bias);
    return TF_OK;
}
