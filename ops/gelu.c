/** The activation of the feed-forward layers. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "ops/tails.h"
#include "runtime/kernels/multiversion.h"
#include "runtime/lower/compose.h"

/** e^y of -700 < y <= 0, to a few units of a double: of y = k ln 2 + r the series of e^r, and k in the exponent. */
static inline double exp_of(double y) {
    const double shift = 0x1.8p52, moved = y * 0x1.71547652b82fep0 + shift,
                 r = y - (moved - shift) * 0x1.62e42fefa39efp-1;
    uint64_t exponent, bits;
    double sum = 1;
    for (int n = 12; n > 0; n--) sum = 1 + sum * r * (1.0 / n);
    memcpy(&exponent, &moved, sizeof exponent);
    memcpy(&bits, &sum, sizeof bits);
    bits += exponent << 52;
    memcpy(&sum, &bits, sizeof sum);
    return sum;
}

/** 1 - erf(z) of z >= 0, to 1.2e-7 of itself: Press et al. 1992, 6.2, erfcc. */
static inline double erfc_of(double z) {
    const double t = 1 / (1 + 0.5 * z);
    double p = 0.17087277;
    p = -0.82215223 + t * p;
    p = 1.48851587 + t * p;
    p = -1.13520398 + t * p;
    p = 0.27886807 + t * p;
    p = -0.18628806 + t * p;
    p = 0.09678418 + t * p;
    p = 0.37409196 + t * p;
    p = 1.00002368 + t * p;
    p = -1.26551223 + t * p;
    return t * exp_of(p - z * z);
}

TF_MULTIVERSION static void gelu_exact(const float *in, size_t count, float *out) {
    for (size_t i = 0; i < count; i++) {
        const double x = in[i], a = fabs(x) > 36 ? 36 : fabs(x), rest = 0.5 * a * erfc_of(a * M_SQRT1_2);
        out[i] = (float)((x > 0 ? x : 0) - rest);
    }
}

static tf_status plain_exact(const tf_node *node, const tf_array *in, tf_array *out) {
    gelu_exact(in[0].data, tf_shape_count(out->shape), out->data);
    return TF_OK;
}

static tf_status plain_new(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) {
        float x = in[0].data[i];
        out->data[i] = 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
    }
    return TF_OK;
}

tf_status tf_plain_relu(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) out->data[i] = in[0].data[i] > 0 ? in[0].data[i] : 0;
    return TF_OK;
}

static tf_status plain_poly4(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) {
        double x = in[0].data[i], a = fabs(x), y = x > 0 ? x : 0;
        if (a < 3) y += 0.00410626 + a * (-0.55386347 + a * (0.5658561 + a * (-0.19719836 + a * 0.02328962)));
        out->data[i] = (float)y;
    }
    return TF_OK;
}

static tf_status plain_puma(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) {
        double x = in[0].data[i], t = x * x, y = x;
        if (x < -4)
            y = 0;
        else if (x < -1.95)
            y = -0.5054031199 + x * (-0.4222658115 + x * (-0.1180761295 - 0.0110341340 * x));
        else if (x <= 3)
            y = 0.0085263215 + 0.5 * x + t * (0.3603292693 + t * (-0.0376882004 + 0.0018067463 * t));
        out->data[i] = (float)y;
    }
    return TF_OK;
}

static tf_status plain_quad(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) {
        float x = in[0].data[i];
        out->data[i] = 0.125f * x * x + 0.25f * x + 0.5f;
    }
    return TF_OK;
}

/* The same as functions of a number. The second derivative is below 0.8 (0.82): lines are off by 2.7e-4 at most and
 * right in the mean, and the tails, from 3.69 on, off by 4.2e-4 (2.9e-4). */
static const tf_window window = {4, 7};
static const double blur = 0x1p-3;

static double gelu(double x) {
    return 0.5 * x * (1 + erf(x * M_SQRT1_2));
}

static double gelu_new(double x) {
    return 0.5 * x * (1 + tanh(0.7978845608 * (x + 0.044715 * x * x * x)));
}

static tf_value lower_exact(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_spline_ramp(p, in[0], gelu, window, blur);
}

static tf_value lower_new(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_spline_ramp(p, in[0], gelu_new, window, blur);
}

tf_value tf_lower_relu(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_relu(p, in[0]);
}

/*
 * The published piecewise polynomials. The square of a rounded x has 16 bits, products with the coefficients take 48;
 * pieces are chosen by three comparisons at once and one reshare. Outside its piece a polynomial is garbage, multiplied
 * by zero or cancelled by itself, in the ring of the result.
 */
enum { PIECE_INPUT = 12, SQUARE = 11, SIGNIFICANT = 12, PIECE_RING = 48 };

/** x rounded, within `end`, and x^2 < 16 in the ring of their products. */
static tf_value piece_input(tf_program *p, tf_value x, double end, tf_value *square) {
    enum { MIDDLE = 8 };
    if (p->status) return -1;
    int frac = tf_type_of(p, x)->frac;
    x = tf_assume_selected(p, tf_trunc(p, x, frac < PIECE_INPUT ? frac : PIECE_INPUT), end);
    tf_value t = tf_mul(p, x, x, (tf_result){SQUARE, MIDDLE, false});
    t = tf_lift(p, tf_add_const_within(p, t, -MIDDLE, MIDDLE), PIECE_RING);
    *square = tf_add_const_within(p, t, MIDDLE, 2 * MIDDLE);
    return x;
}

/** The sum of [x < c_k] value_k, to 1/128 of c_k: the pieces jump there, by 0.003 (poly4) and 0.016 (puma), and either
 *  piece will do. */
static tf_value pieces(tf_program *p, tf_value x, const double c[3], const tf_value value[3]) {
    tf_term term[3];
    tf_value left = tf_below(p, x, 3, c, (unsigned)p->frac - 6, false);
    for (size_t k = 0; k < 3; k++) term[k] = (tf_term){tf_bit_plane(p, left, k), value[k], false};
    return tf_select(p, 3, term);
}

/** a (c[0] + c[1] b), within 8. */
static tf_value times_affine(tf_program *p, tf_value a, const double c[2], tf_value b) {
    tf_value factor = tf_add_const_within(p, tf_scale_real(p, b, c[1], SIGNIFICANT), c[0], 4);
    return tf_mul(p, a, factor, (tf_result){p->frac, 8, false});
}

/* Of the polynomial of |x|, e are the even powers and o the odd ones, taken of x: it is e + o above 0, e - o below. */
static tf_value lower_poly4(tf_program *p, const tf_node *node, const tf_value *in) {
    static const double even[2] = {0.5658561, 0.02328962}, odd[2] = {-0.55386347, -0.19719836};
    if (p->status) return -1;
    double whole = tf_default_bound(p);
    unsigned ring = tf_width(p->frac, whole);
    tf_value x = in[0], t, narrow = piece_input(p, x, 3, &t);
    tf_value e = tf_lift(p, tf_add_const_within(p, times_affine(p, t, even, t), 0.00410626, 8), ring);
    tf_value o = tf_lift(p, times_affine(p, narrow, odd, t), ring);
    /* x + [x < 3](e + o) - [x < 0](x + 2 o) + [x < -3](o - e) */
    tf_value turn = tf_assume(p, tf_add(p, x, tf_scale_int(p, o, 2)), whole);
    tf_value value[3] = {tf_add(p, e, o), tf_scale_int(p, turn, -1), tf_sub(p, o, e)};
    return tf_assume(p, tf_add(p, x, pieces(p, x, (double[]){3, 0, -3}, value)), whole);
}

/*
 * Doubled until the end, so that x/2 needs no truncation: Q is the piece of degree 6 less x/2, C the cubic. The square
 * has room for |x| < 4 and no more, so its pieces end a little before -4, where C is 6e-4: whatever the comparison
 * takes for greater is still greater than -4.
 */
static tf_value lower_puma(tf_program *p, const tf_node *node, const tf_value *in) {
    static const double outermost = -3.99;
    static const double upper[2] = {-0.0376882004, 0.0018067463};
    enum { UPPER = 15 };
    if (p->status) return -1;
    double whole = tf_default_bound(p);
    unsigned ring = tf_width(p->frac, whole);
    tf_value x = in[0], t, narrow = piece_input(p, x, 4, &t);
    tf_value factor = tf_add_const_within(p, tf_scale_real(p, t, upper[1], SIGNIFICANT), upper[0], 1);
    tf_value q = tf_mul(p, t, factor, (tf_result){UPPER, 0.5, false});
    q = tf_mul(p, t, tf_add_const_within(p, q, 0.3603292693, 1), (tf_result){p->frac, 8, false});
    q = tf_lift(p, tf_add_const_within(p, q, 0.0085263215, 8), ring);
    tf_value slope = tf_assume(p, tf_scale_real(p, narrow, -0.1180761295, SIGNIFICANT), 4);
    slope = tf_add_within(p, slope, tf_assume(p, tf_scale_real(p, t, -0.0110341340, SIGNIFICANT), 4), 4);
    slope = tf_add_const_within(p, slope, -0.4222658115, 4);
    tf_value c = tf_mul(p, narrow, slope, (tf_result){p->frac, 8, false});
    c = tf_scale_int(p, tf_lift(p, tf_add_const_within(p, c, -0.5054031199, 8), ring), 2);
    q = tf_scale_int(p, q, 2);
    /* 2 x + [x < 3](2 Q - x) + [x < -1.95](2 C - 2 Q - x) - [x < -4](2 C) */
    tf_value outer = tf_assume(p, tf_sub(p, tf_sub(p, c, q), x), whole);
    tf_value value[3] = {tf_assume(p, tf_sub(p, q, x), whole), outer, tf_scale_int(p, c, -1)};
    tf_value chosen = pieces(p, x, (double[]){3, -1.95, outermost}, value);
    tf_value twice = tf_add(p, tf_scale_int(p, tf_assume(p, x, whole / 2), 2), chosen);
    return tf_scale_real(p, tf_assume(p, twice, whole), 0.5, 1);
}

/* x^2/8 + x/4 + 1/2 = (x + 1)^2/8 + 3/8, for |x| < 127 */
static tf_value lower_quad(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    double bound = fmin(2048, tf_default_bound(p));
    tf_value y = tf_add_const(p, in[0], 1);
    y = tf_mul(p, y, tf_scale_real(p, y, 0.125, 1), (tf_result){p->frac, bound, false});
    return tf_add_const_within(p, y, 0.375, bound);
}

#define VARIANT(name, formula, from)                                                                                   \
    .kind = "gelu", .variant = #name, .summary = formula, .source = from, .min_inputs = 1, .max_inputs = 1,            \
    .infer = tf_infer_same, .plain = plain_##name, .lower = lower_##name, .low = -8, .high = 8

#define RELU(name, after, range, error)                                                                                \
    {                                                                                                                  \
        .kind = name, .variant = "relu", .summary = "max(x, 0); for weights trained so",                               \
        .source = "Liu and Liu 2023 (arXiv:2305.18396)", .min_inputs = 1, .max_inputs = 1, .infer = tf_infer_same,     \
        .plain = tf_plain_relu, .lower = tf_lower_relu, .like = after, .trained = true, .truth = "exact",              \
        .low = -range, .high = range, .approximation_error = error, .private_error = 2.1e-3                            \
    }

const tf_op tf_gelu_ops[] = {
    {VARIANT(exact, "x Phi(x), Phi the normal distribution function", "Hendrycks and Gimpel 2016, 2"), .places = 1,
     .private_error = 5e-4},
    RELU("gelu", NULL, 8, 0.171),
    {VARIANT(poly4, "max(x, 0) plus a polynomial of degree 4 in |x| < 3", "piecewise least squares"), .truth = "exact",
     .approximation_error = 4.2e-3, .private_error = 4e-3},
    {VARIANT(puma, "0 | cubic | degree 6 | x, meeting at -4, -1.95 and 3", "Dong et al. 2023 (PUMA)"), .truth = "exact",
     .approximation_error = 0.0205, .private_error = 0.018},
    {VARIANT(quad, "x^2/8 + x/4 + 1/2; for weights trained so", "Li et al. 2023 (MPCFormer)"), .truth = "exact",
     .trained = true, .approximation_error = 6.6, .private_error = 1e-3},
    {.kind = "gelu_new",
     .variant = "exact",
     .summary = "x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2",
     .source = "Hendrycks and Gimpel 2016, 2; GPT-2's activation",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = plain_new,
     .lower = lower_new,
     .places = 1,
     .like = "gelu",
     .low = -8,
     .high = 8,
     .private_error = 4e-4},
    RELU("gelu_new", "gelu", 8, 0.171),
    {.kind = "relu",
     .variant = "exact",
     .summary = "max(x, 0)",
     .source = "a comparison and a selection",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = tf_plain_relu,
     .lower = tf_lower_relu,
     .low = -8,
     .high = 8,
     .private_error = 2.1e-3},
    {0},
};
