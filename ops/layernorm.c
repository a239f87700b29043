/** Normalisation over the last dimension. */
#include <math.h>
#include <string.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
#include "runtime/kernels/multiversion.h"
#include "runtime/lower/compose.h"

static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    tf_shape wanted = tf_dims(tf_shape_last(shape[0]));
    if (node->inputs > 1) TF_TRY(tf_expect_shape("gamma", shape[1], wanted));
    if (node->inputs > 2) TF_TRY(tf_expect_shape("beta", shape[2], wanted));
    double eps = tf_attr_get(node, "eps", 0);
    if (!(eps >= 0 && eps <= 1)) return tf_fail(TF_INVALID, "attribute eps is %g, not in 0..1", eps);
    if (node->inputs == 2 && !strcmp(node->op->kind, "layernorm"))
        return tf_fail(TF_INVALID, "a layernorm takes gamma and beta, or neither");
    *out = shape[0];
    return TF_OK;
}

/* Sums of a row are eight sums, whatever the processor's vectors. */
enum { SUMS = 8 };

TF_MULTIVERSION static double mean_of(const float *x, size_t n) {
    double sum[SUMS] = {0}, all = 0;
    const size_t whole = n / SUMS * SUMS;
    for (size_t i = 0; i < whole; i += SUMS)
        for (size_t k = 0; k < SUMS; k++) sum[k] += x[i + k];
    for (size_t i = whole; i < n; i++) all += x[i];
    for (size_t k = 0; k < SUMS; k++) all += sum[k];
    return all / (double)n;
}

TF_MULTIVERSION static double variance_of(const float *x, size_t n, double mean) {
    double sum[SUMS] = {0}, all = 0;
    const size_t whole = n / SUMS * SUMS;
    for (size_t i = 0; i < whole; i += SUMS)
        for (size_t k = 0; k < SUMS; k++) sum[k] += (x[i + k] - mean) * (x[i + k] - mean);
    for (size_t i = whole; i < n; i++) all += (x[i] - mean) * (x[i] - mean);
    for (size_t k = 0; k < SUMS; k++) all += sum[k];
    return all / (double)n;
}

/* A row of zero variance stays zero, whatever eps. */
static double inverse_deviation(const float *x, size_t n, double mean, double eps) {
    double square = variance_of(x, n, mean) + eps;
    return square > 0 ? 1 / sqrt(square) : 0;
}

/** out = (x - mean) factor gamma + beta; without gamma and beta where they are NULL. */
TF_MULTIVERSION static void scale_row(const float *x, size_t n, double mean, double factor, const float *gamma,
                                      const float *beta, float *out) {
    if (gamma)
        for (size_t i = 0; i < n; i++) out[i] = (float)((x[i] - mean) * factor * gamma[i] + beta[i]);
    else
        for (size_t i = 0; i < n; i++) out[i] = (float)((x[i] - mean) * factor);
}

static tf_status normalise(const tf_node *node, const tf_array *in, tf_array *out, bool divide) {
    size_t rows = tf_shape_rows(out->shape), n = tf_shape_last(out->shape);
    double eps = tf_attr_get(node, "eps", 0);
    bool centred = tf_attr_get(node, "centred", 0) != 0;
    for (size_t row = 0; row < rows; row++) {
        const float *x = in[0].data + row * n;
        double mean = centred ? 0 : mean_of(x, n), factor = divide ? inverse_deviation(x, n, mean, eps) : 1;
        scale_row(x, n, mean, factor, node->inputs > 1 ? in[1].data : NULL, node->inputs > 1 ? in[2].data : NULL,
                  out->data + row * n);
    }
    return TF_OK;
}

static tf_status plain_exact(const tf_node *node, const tf_array *in, tf_array *out) {
    return normalise(node, in, out, true);
}

static tf_status plain_center(const tf_node *node, const tf_array *in, tf_array *out) {
    return normalise(node, in, out, false);
}

static tf_status plain_rms(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t rows = tf_shape_rows(out->shape), n = tf_shape_last(out->shape);
    for (size_t row = 0; row < rows; row++) {
        const float *x = in[0].data + row * n;
        double factor = inverse_deviation(x, n, 0, tf_attr_get(node, "eps", 0));
        for (size_t i = 0; i < n; i++)
            out->data[row * n + i] = (float)(x[i] * factor * (node->inputs > 1 ? in[1].data[i] : 1));
    }
    return TF_OK;
}

/** x minus the mean of its row, in a ring of at least `bits`. The mean is rounded once per row. */
static tf_value centred(tf_program *p, tf_value x, unsigned bits) {
    if (p->status) return -1;
    size_t n = tf_shape_last(tf_type_of(p, x)->shape);
    double bound = tf_type_of(p, x)->bound;
    x = tf_lift(p, x, bits);
    tf_shape row = tf_type_of(p, x)->shape;
    tf_value mean = tf_scale_real(p, tf_sum_axis(p, x, -1, bound * (double)n), 1 / (double)n, 20);
    mean = tf_trunc(p, mean, p->frac);
    row.dim[row.rank - 1] = 1;
    return tf_sub(p, x, tf_reshape(p, mean, row));
}

/** Sums of squares from LEAST to MOST are resolved; below, a row is scaled by less than it should be, and a row of
 * zeros stays zero. */
static const double least = 0x1p-7, most = 0x1p22;

/** Doublings of d for which a calibrated bound of the squared norms of its rows' sketches leaves room, a factor of 4
 * for sketches that fall short included: sums of squares are then resolved from so many factors of 4 less on. */
static int headroom(double square) {
    enum { MOST_DOUBLINGS = 5 };
    int doublings = 0;
    for (; square > 0 && doublings < MOST_DOUBLINGS && 16 * square <= most; doublings++) square *= 4;
    return doublings;
}

double tf_norm_resolves(double square) {
    return ldexp(least, -2 * headroom(square));
}

/** Whether the linear layers that read a normalisation's result should take d, and scale what they make of it: the sum
 *  of squares and its inverse root are then made beside their products. */
static bool scaled_later(const tf_program *p, const tf_node *node) {
    const tf_graph *graph = p->graph;
    double elements = 0;
    if (!graph || node->inputs > 1) return false;
    const tf_id id = (tf_id)(node - graph->node);
    for (tf_id i = id + 1; i < graph->nodes; i++) {
        const tf_node *reader = &graph->node[i];
        if (!reader->op || reader->input[0] != id || strcmp(reader->op->kind, "linear")) continue;
        if (graph->node[reader->input[1]].leaf == TF_LEAF_WEIGHT) elements += (double)tf_shape_count(reader->shape);
    }
    return elements > 0 && tf_rounds_are_worth(p, 2, TF_LATER_BYTES * elements);
}

/** d over the root of the mean of its row's squares plus eps, d being in a ring with room for products. The sum of
 *  squares is taken once per row; its inverse root times sqrt(n) is the factor. */
static tf_value normalised(tf_program *p, const tf_node *node, tf_value d) {
    if (p->status) return -1;
    int doublings = headroom(p->graph ? p->graph->node[node->input[0]].square : 0), frac = p->frac,
        square_frac = frac + 4, factor_frac = frac + 4 + doublings;
    tf_shape row = tf_type_of(p, d)->shape;
    size_t n = tf_shape_last(row);
    double gain = ldexp(1, doublings);
    const tf_value x = d;
    d = tf_scale_real(p, d, gain, 1);
    tf_value sum = tf_dot(p, d, d, (tf_result){square_frac, most, false});
    double eps = tf_attr_get(node, "eps", 0) * (double)n * gain * gain;
    if (eps * ldexp(1, square_frac) >= 1) sum = tf_add_const_within(p, sum, eps, most);
    /* |d| / deviation <= sqrt(n); the ring is the same however coarse it is */
    const int coarser = (int)tf_attr_get(node, "coarser", 0);
    tf_result unit = {frac - coarser, ldexp(1, (int)ceil(log2((double)n) / 2) + 1 + coarser), false};
    unsigned ring = tf_width(unit.frac, unit.bound) + (unsigned)(tf_type_of(p, d)->frac + factor_frac - unit.frac);
    const int narrower = tf_type_of(p, x)->frac - unit.frac; /* bits by which x is scaled down, and the factor up */
    const unsigned later =
        tf_width(frac, tf_default_bound(p)) + (unsigned)(TF_LATER_FRAC + factor_frac - doublings + narrower);
    const bool scales_later = later <= 64 && scaled_later(p, node);
    if (scales_later && later > ring) ring = later;
    tf_value factor = tf_rsqrt(p, sum, least, most, sqrt((double)n), factor_frac, ring);
    row.dim[row.rank - 1] = 1;
    factor = tf_reshape(p, factor, row);
    if (!scales_later) return tf_mul(p, d, factor, unit);
    const double scale = ldexp(1, narrower); /* so that weights have the same bits */
    return tf_scale_rows(p, tf_scale_real(p, x, scale, 1), tf_scale_real(p, factor, gain / scale, 1), unit);
}

/** The input less its rows' means, in a ring of at least `bits`. */
static tf_value centred_input(tf_program *p, const tf_node *node, tf_value x, unsigned bits) {
    return tf_attr_get(node, "centred", 0) ? tf_lift(p, x, bits) : centred(p, x, bits);
}

static tf_value lower_exact(tf_program *p, const tf_node *node, const tf_value *in) {
    tf_value d = normalised(p, node, centred_input(p, node, in[0], tf_width(2 * p->frac, most)));
    return node->inputs > 1 ? tf_scaled(p, d, in[1], in[2]) : d;
}

static tf_value lower_rms(tf_program *p, const tf_node *node, const tf_value *in) {
    tf_value d = normalised(p, node, tf_lift(p, in[0], tf_width(2 * p->frac, most)));
    return node->inputs > 1 ? tf_scaled(p, d, in[1], -1) : d;
}

/* Of no more than a product: what is not divided has no root to take. */
static tf_status plain_rms_center(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t rows = tf_shape_rows(out->shape), n = tf_shape_last(out->shape);
    for (size_t i = 0; i < rows * n; i++)
        out->data[i] = node->inputs > 1 ? in[0].data[i] * in[1].data[i % n] : in[0].data[i];
    return TF_OK;
}

static tf_value lower_rms_center(tf_program *p, const tf_node *node, const tf_value *in) {
    return node->inputs > 1 ? tf_scaled(p, in[0], in[1], -1) : in[0];
}

static tf_value lower_center(tf_program *p, const tf_node *node, const tf_value *in) {
    if (node->inputs == 1) return centred_input(p, node, in[0], 0);
    tf_value d = centred_input(p, node, in[0], tf_width(2 * p->frac, tf_default_bound(p)));
    return tf_scaled(p, d, in[1], in[2]);
}

static const tf_example layernorm_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0},
                                                       {TF_LEAF_WEIGHT, "w", TF_FILL_RANDOM, 0.5, 1.5},
                                                       {TF_LEAF_WEIGHT, "w", TF_FILL_RANDOM, 0.5, 1.5}},
                                             .attr = {{"eps", 1e-12, 0}}},
                        rmsnorm_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0},
                                                     {TF_LEAF_WEIGHT, "w", TF_FILL_RANDOM, 0.5, 1.5}},
                                           .attr = {{"eps", 1e-6, 0}}};

const tf_op tf_layernorm_ops[] = {
    {.kind = "layernorm",
     .variant = "exact",
     .summary = "(x - mean) / sqrt(variance + eps) * gamma + beta over the last dimension",
     .source = "Ba, Kiros and Hinton 2016, 3",
     .min_inputs = 1,
     .max_inputs = 3,
     .infer = infer,
     .plain = plain_exact,
     .places = 2,
     .lower = lower_exact,
     .low = -72,
     .high = 224,
     .private_error = 1e-3,
     .example = &layernorm_example},
    {.kind = "layernorm",
     .variant = "center",
     .summary = "(x - mean) * gamma + beta: no variance, no division; for weights trained so",
     .source = "Liu and Liu 2023 (arXiv:2305.18396)",
     .min_inputs = 1,
     .max_inputs = 3,
     .infer = infer,
     .plain = plain_center,
     .lower = lower_center,
     .trained = true,
     .low = -32,
     .high = 32,
     .private_error = 1e-3,
     .example = &layernorm_example},
    {.kind = "rmsnorm",
     .variant = "exact",
     .summary = "x / sqrt(mean of x^2 + eps) * gamma over the last dimension",
     .source = "Zhang and Sennrich 2019, 4",
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer,
     .plain = plain_rms,
     .places = 2,
     .like = "layernorm",
     .lower = lower_rms,
     .low = -32,
     .high = 32,
     .private_error = 1e-3,
     .example = &rmsnorm_example},
    {.kind = "rmsnorm",
     .variant = "center",
     .summary = "x * gamma: LayerNorm's center where no mean is taken, no division; for weights trained so",
     .source = "Liu and Liu 2023 (arXiv:2305.18396), of LayerNorm",
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer,
     .plain = plain_rms_center,
     .lower = lower_rms_center,
     .trained = true,
     .low = -32,
     .high = 32,
     .private_error = 1e-3,
     .example = &rmsnorm_example},
    {0},
};
