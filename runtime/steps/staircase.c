/*
 * What the bits of one value's thresholds t_0 <= t_1 <= ..., b_j = [x < t_j] = delta_j ^ rho_j, select: one of public
 * numbers, or of lines or parabolas p_j = A_j + B_j x + C_j x^2. So a function that is given in pieces takes no
 * product.
 *
 * With b_(-1) = 0 and a last bit of 1, [x lies in piece j] = b_(j-1) ^ b_j = d_j ^ r_j, where L and R know d_j, the
 * XOR of two delta, and S knows r_j. As d_j = r_j in all pieces but the right one, J,
 *     sum_j (d_j - r_j) p_j = s p_J,   s = sum_j d_j - sum_j r_j = 1 or -1,
 * and s is the product of two signs, one a function of sum_j d_j mod 4, the other of sum_j r_j mod 4. So L and R know
 * D(x) = sum_j d_j p_j but for v, S knows R(x) = sum_j r_j p_j but for c, and p_J = s_LR (s_S D(x) - s_S R(x)) is
 * bilinear in what L and R know and what S knows: S deals shares of s_S times 1, v, v^2 and the coefficients of R as a
 * polynomial in c, however many pieces there are; L and R multiply by what they know, and reshare once.
 *
 * Pieces are computed mod 2^64. Where x is large, coefficients of its square would be whole numbers of few bits: such
 * pieces take x in fewer fractional bits, as inputs of its own. Inputs: the bits, then x at each of these scales.
 *
 * What the receivers learn. R gets the elements that S deals less streams of k_s that it does not hold. L and R swap
 * their parts of the sum less streams shared with S alone. All uniform to their receivers.
 * tests/reference/few_rounds.py is its executable reference.
 */
#include <math.h>
#include <string.h>

#include "runtime/steps/steps.h"

enum { DEAL = 1, MU }; /* purposes */
enum { WORD = 8 };     /* bytes of what is dealt */

/** Bits that the reshare drops, the power of x up to which pieces go, how many x there are, and the first piece of
 * each. Data: all A_j, then all B_j if the degree is 1 or 2, and all C_j if it is 2. */
typedef struct pieces_args {
    int64_t drop, degree, scales, first[TF_PIECE_SCALES];
} pieces_args;

static size_t degree_of(const tf_step_node *node) {
    return (size_t)tf_args(pieces_args, node)->degree;
}
static size_t scales_of(const tf_step_node *node) {
    return (size_t)tf_args(pieces_args, node)->scales;
}
static size_t pieces_of(const tf_step_node *node) {
    return node->data_count / (degree_of(node) + 1);
}

/* The elements that S deals, each times its sign: 1; all of R that no c multiplies; for each scale v, what c multiplies
 * in R, and of parabolas v^2 and what c^2 does. */
enum { SIGN, REST, SCALES };
enum { V, SLOPE, SQUARE, CURVE };

static size_t element_of(const tf_step_node *node, size_t scale, size_t which) {
    return SCALES + 2 * degree_of(node) * scale + which;
}

static void pieces_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, element_of(node, scales_of(node), 0) * WORD);
    tf_traffic_swap(traffic, 0, n, tf_bytes_of(node->type.bits));
}

static tf_reshare reshare_of(const tf_step_node *node) {
    return (tf_reshare){MU, (unsigned)tf_args(pieces_args, node)->drop};
}

static void deal_stream(tf_call *call, size_t number, size_t at, size_t count, uint64_t *out) {
    size_t n = tf_even(tf_shape_count(call->node->type.shape));
    tf_stream(call->party, call->part.own, call->index, DEAL, number * n + at, out, count);
}

/** Where S's message has element `number` of the block. */
static size_t in_message(const tf_call *call, size_t number, size_t at) {
    return (number * tf_span_count(call->part.span) + at - call->part.span.begin) * WORD;
}

/** S: puts an element, times its sign, into the message. */
static void deal(tf_call *call, size_t number, size_t at, size_t count, const uint64_t *sign, const uint64_t *value) {
    uint64_t m[TF_BLOCK];
    deal_stream(call, number, at, count, m);
    for (size_t i = 0; i < count; i++) m[i] = sign[i] * value[i] - m[i];
    memcpy(call->message + in_message(call, number, at), m, count * WORD);
}

/** L or R: its share of a dealt element. */
static void take(tf_call *call, size_t number, size_t at, size_t count, uint64_t *out) {
    if (call->part.role == TF_LEFT)
        deal_stream(call, number, at, count, out);
    else
        memcpy(out, call->dealt + in_message(call, number, at), count * WORD);
}

/** How many pieces this side's bits select, and what their coefficients add up to: all A, then B and C of each scale.
 */
typedef struct sums {
    uint64_t count[TF_BLOCK], a[TF_BLOCK], b[TF_PIECE_SCALES][TF_BLOCK], c[TF_PIECE_SCALES][TF_BLOCK];
} sums;

/** `last` is this side's half of the last bit: all ones or 0. */
TF_MULTIVERSION static void add_up(const tf_call *call, uint64_t last, size_t at, size_t count, sums *sum) {
    const tf_step_node *node = call->node;
    const pieces_args *args = tf_args(pieces_args, node);
    size_t pieces = pieces_of(node), degree = degree_of(node), plane = tf_words(tf_shape_count(node->type.shape));
    const uint64_t *a = (const uint64_t *)node->data, *b = a + pieces, *c = b + pieces;
    uint64_t bit[TF_BLOCK], before[TF_BLOCK] = {0};
    memset(sum, 0, sizeof *sum);
    for (size_t j = 0, s = 0; j < pieces; j++) {
        while (s + 1 < scales_of(node) && j >= (size_t)args->first[s + 1]) s++;
        if (j + 1 < pieces)
            tf_expand_bits(call->in[0].bit + j * plane, at, count, false, bit);
        else
            for (size_t i = 0; i < count; i++) bit[i] = last;
        for (size_t i = 0; i < count; i++) {
            uint64_t here = bit[i] ^ before[i];
            sum->count[i] += here & 1;
            sum->a[i] += a[j] & here;
            if (degree > 0) sum->b[s][i] += b[j] & here;
            if (degree > 1) sum->c[s][i] += c[j] & here;
            before[i] = bit[i];
        }
    }
}

/** 1, or -1 where bit 1 of x is set. The product of these of sum_j d_j and of 1 + sum_j r_j is their difference s. */
static inline uint64_t sign_of(uint64_t x) {
    return 1 - (x & 2);
}

TF_MULTIVERSION static tf_status pieces_solo(tf_call *call) {
    const tf_step_node *node = call->node;
    size_t degree = degree_of(node);
    tf_for_blocks(call, at, count) {
        sums sum;
        uint64_t sign[TF_BLOCK], v[TF_BLOCK], x[TF_BLOCK];
        add_up(call, 0, at, count, &sum);
        for (size_t i = 0; i < count; i++) {
            sign[i] = sign_of(sum.count[i] + 1);
            x[i] = 1;
        }
        deal(call, SIGN, at, count, sign, x);
        for (size_t s = 0; s < scales_of(node); s++) {
            const uint64_t *b = sum.b[s], *c = sum.c[s], *x_0 = call->in[1 + s].c[0] + at,
                           *x_1 = call->in[1 + s].c[1] + at;
            for (size_t i = 0; i < count; i++) {
                v[i] = x_0[i] + x_1[i];
                x[i] = b[i] + 2 * c[i] * v[i];
                sum.a[i] += (b[i] + c[i] * v[i]) * v[i];
            }
            deal(call, element_of(node, s, V), at, count, sign, v);
            deal(call, element_of(node, s, SLOPE), at, count, sign, x);
            if (degree < 2) continue;
            for (size_t i = 0; i < count; i++) v[i] *= v[i];
            deal(call, element_of(node, s, SQUARE), at, count, sign, v);
            deal(call, element_of(node, s, CURVE), at, count, sign, c);
        }
        deal(call, REST, at, count, sign, sum.a);
        tf_reshare_solo(call, reshare_of(node), at, count);
    }
    return TF_OK;
}

/** part += s_S times the terms of x at a scale that v or c multiplies; adds to sum->a what c makes of D. */
TF_MULTIVERSION static void add_scale(tf_call *call, size_t s, size_t at, size_t count, sums *sum, uint64_t *part) {
    const tf_step_node *node = call->node;
    const uint64_t *b = sum->b[s], *curve = sum->c[s], *c = call->in[1 + s].c[1 - call->part.own] + at;
    uint64_t v[TF_BLOCK], slope[TF_BLOCK];
    take(call, element_of(node, s, V), at, count, v);
    take(call, element_of(node, s, SLOPE), at, count, slope);
    for (size_t i = 0; i < count; i++) {
        part[i] += (b[i] + 2 * curve[i] * c[i]) * v[i] - c[i] * slope[i];
        sum->a[i] += (b[i] + curve[i] * c[i]) * c[i];
    }
    if (degree_of(node) < 2) return;
    take(call, element_of(node, s, SQUARE), at, count, v);
    take(call, element_of(node, s, CURVE), at, count, slope);
    for (size_t i = 0; i < count; i++) part[i] += curve[i] * v[i] - c[i] * c[i] * slope[i];
}

TF_MULTIVERSION static tf_status pieces_pair(tf_call *call, int phase) {
    const tf_step_node *node = call->node;
    tf_for_blocks(call, at, count) {
        if (phase == 1) {
            tf_reshare_receive(call, at, count);
            continue;
        }
        sums sum;
        uint64_t part[TF_BLOCK] = {0}, sign[TF_BLOCK], rest[TF_BLOCK];
        add_up(call, ~UINT64_C(0), at, count, &sum);
        for (size_t s = 0; s < scales_of(node); s++) add_scale(call, s, at, count, &sum, part);
        take(call, SIGN, at, count, sign);
        take(call, REST, at, count, rest);
        for (size_t i = 0; i < count; i++) part[i] = sign_of(sum.count[i]) * (part[i] + sum.a[i] * sign[i] - rest[i]);
        tf_reshare_send(call, reshare_of(node), at, count, part);
    }
    return TF_OK;
}

static const tf_step pieces_step = {.name = "pieces",
                                    .summary = "a function of one value, as parabolas or lines between thresholds",
                                    .takes_bits = true,
                                    .elementwise = true,
                                    .cost = pieces_cost,
                                    .solo = pieces_solo,
                                    .pair = pieces_pair};

tf_value tf_staircase(tf_program *p, tf_value bits, const double *y, double base, int frac, double bound,
                      unsigned ring) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, bits);
    if (type.kind != TF_BIT) return tf_program_fail(p, tf_fail(TF_INVALID, "the bits of thresholds are expected"));
    size_t count = type.bits;
    type = (tf_type){.shape = type.shape,
                     .kind = TF_SHARE,
                     .bits = ring > tf_width(frac, bound) ? ring : tf_width(frac, bound),
                     .frac = frac,
                     .bound = bound,
                     .zero = -1};
    pieces_args args = {.drop = 0};
    tf_value v = tf_append_args(p, &pieces_step, type, 1, &bits, &args, sizeof args);
    int64_t *data = tf_append_data(p, v, count + 1);
    if (!data) return -1;
    data[count] = llrint(ldexp(base, frac));
    for (size_t j = count; j-- > 0;) data[j] = data[j + 1] + llrint(ldexp(y[j], frac));
    return v;
}

static double power_of(const tf_power *f, double x) {
    return f->scale * pow(x, f->exponent);
}

/** The middle between the least and the largest of 2^frac f(x) less B u + C u^2, u = 2^point x. */
static double middle(const tf_power *f, double low, double high, int point, int frac, double b, double c) {
    enum { SAMPLES = 16 };
    const double unit = ldexp(1, point), whole = ldexp(1, frac);
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i <= SAMPLES; i++) {
        double x = low + (high - low) * i / SAMPLES, u = x * unit, rest = power_of(f, x) * whole - u * (b + u * c);
        least = fmin(least, rest);
        most = fmax(most, rest);
    }
    return (least + most) / 2;
}

/** The parabola, or line, through f at the Chebyshev points of [low, high], in whole numbers: each coefficient makes up
 *  for what rounding the ones above it lost. */
static void piece(const tf_power *f, int degree, double low, double high, int point, int frac, int64_t *coefficient) {
    const double off = (high - low) / 2 * (degree > 1 ? 0.8660254037844386 : 0.7071067811865476),
                 centre = (low + high) / 2, u = ldexp(centre, point), step = ldexp(off, point);
    double y[3] = {0};
    for (int i = 0; i < 3 && off > 0; i++) y[i] = ldexp(power_of(f, centre + (i - 1) * off), frac);
    double c = off > 0 && degree > 1 ? nearbyint((y[0] - 2 * y[1] + y[2]) / (2 * step * step)) : 0;
    double b = off > 0 ? nearbyint((y[2] - y[0]) / (2 * step) - 2 * c * u) : 0;
    coefficient[0] = llrint(middle(f, low, high, point, frac, b, c));
    coefficient[1] = llrint(b);
    coefficient[2] = llrint(c);
}

tf_value tf_pieces(tf_program *p, tf_value bits, const tf_pieces_of *in, const tf_power *f, tf_result result,
                   unsigned ring) {
    if (p->status) return -1;
    tf_type planes = *tf_type_of(p, bits);
    size_t count = f->count;
    if (planes.kind != TF_BIT || planes.bits != count - 1 || in->scales < 1 || in->scales > TF_PIECE_SCALES)
        return tf_program_fail(p, tf_fail(TF_INVALID, "the bits of %zu thresholds are expected", count - 1));
    unsigned width = tf_width(result.frac, result.bound);
    int spare = 64 - (int)(ring > width ? ring : width); /* as fine as the widest ring has room for */
    if (spare < 1) return tf_program_fail(p, tf_fail(TF_RANGE, "pieces within %g have no room", result.bound));
    pieces_args args = {.drop = spare, .degree = in->degree, .scales = in->scales};
    tf_value input[1 + TF_PIECE_SCALES] = {bits};
    int point[TF_PIECE_SCALES];
    for (int s = 0; s < in->scales; s++) {
        point[s] = tf_type_of(p, in->x[s])->frac;
        input[1 + s] = tf_lift(p, in->x[s], 64);
        args.first[s] = (int64_t)in->first[s];
    }
    tf_type type = {.shape = planes.shape,
                    .kind = TF_SHARE,
                    .bits = 64 - (unsigned)spare,
                    .frac = result.frac,
                    .bound = result.bound,
                    .zero = -1};
    tf_value v = tf_append_args(p, &pieces_step, type, 1 + in->scales, input, &args, sizeof args);
    struct {
        tf_digest ends;
        pieces_args args;
        double scale, exponent;
        int64_t frac, point[TF_PIECE_SCALES];
    } facts = {tf_digest_of(f->end, (count + 1) * sizeof *f->end), args, f->scale, f->exponent, result.frac, {0}};
    for (int s = 0; s < in->scales; s++) facts.point[s] = point[s];
    bool known;
    int64_t *data = tf_append_fit(p, v, (size_t)(in->degree + 1) * count, &facts, sizeof facts, &known);
    for (size_t j = 0, s = 0; data && !known && j < count; j++) {
        int64_t coefficient[3];
        while ((int)s + 1 < in->scales && j >= in->first[s + 1]) s++;
        piece(f, in->degree, f->end[j], f->end[j + 1], point[s], result.frac + spare, coefficient);
        for (size_t k = 0; k <= (size_t)in->degree; k++) data[k * count + j] = coefficient[k];
    }
    return v;
}
