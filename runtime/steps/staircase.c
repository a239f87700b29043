/*
 * What the bits of one value's thresholds, b_j = [x < t_j] = delta_j ^ rho_j, select: a sum of public numbers y + sum_j
 * b_j y_j, or a function of x as parabolas or lines between the thresholds,
 *     p + sum_j b_j (p_j - p_(j+1)),   p_j = A_j + B_j x + C_j x^2,   p the last of all.
 * S deals shares of its bits rho_j, and for a function of rho_j v, of rho_j v^2 and once of v^2 unless all C are zero;
 * L and R turn what they make of these and of c where delta_j is 1, scale by the public coefficients, add up, and
 * reshare once. So a function that is given in pieces takes no product.
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

/* Public numbers ------------------------------------------------------------------------------------------------- */

/* Data: y_j, then y. */

static size_t steps_of(const tf_step_node *node) {
    return node->data_count - 1;
}

static unsigned bytes_of(const tf_step_node *node) {
    return tf_bytes_of(node->type.bits);
}

static void staircase_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, steps_of(node) * bytes_of(node));
    tf_traffic_swap(traffic, 0, n, bytes_of(node));
}

/** Plane j of the input from element `at` on: all ones or zero for each element. */
static void expand(const tf_call *call, size_t j, size_t at, size_t count, uint64_t *out) {
    tf_expand_bits(call->in[0].bit + j * tf_words(tf_shape_count(call->node->type.shape)), at, count, false, out);
}

static void deal_stream(tf_call *call, size_t number, size_t at, size_t count, uint64_t *out) {
    size_t n = tf_even(tf_shape_count(call->node->type.shape));
    tf_stream(call->party, call->part.own, call->index, DEAL, number * n + at, out, count);
}

/** Where S's message has rho_j of the block. */
static size_t bit_in_message(const tf_call *call, size_t j, size_t at) {
    size_t n = tf_span_count(call->part.span);
    return (j * n + at - call->part.span.begin) * bytes_of(call->node);
}

TF_MULTIVERSION static tf_status staircase_solo(tf_call *call) {
    const tf_step_node *node = call->node;
    tf_for_blocks(call, at, count) {
        uint64_t rho[TF_BLOCK], m[TF_BLOCK];
        for (size_t j = 0; j < steps_of(node); j++) {
            expand(call, j, at, count, rho);
            deal_stream(call, j, at, count, m);
            for (size_t i = 0; i < count; i++) m[i] = (rho[i] & 1) - m[i];
            call->party->kernels->pack_bytes(m, count, bytes_of(node), call->message + bit_in_message(call, j, at));
        }
        tf_reshare_solo(call, (tf_reshare){MU, 0}, at, count);
    }
    return TF_OK;
}

TF_MULTIVERSION static tf_status staircase_pair(tf_call *call, int phase) {
    const uint64_t *y = (const uint64_t *)call->node->data;
    size_t steps = steps_of(call->node);
    tf_for_blocks(call, at, count) {
        if (phase == 1) {
            tf_reshare_receive(call, at, count);
            continue;
        }
        uint64_t part[TF_BLOCK], delta[TF_BLOCK], m[TF_BLOCK], one = call->part.role == TF_LEFT;
        for (size_t i = 0; i < count; i++) part[i] = y[steps] * one;
        for (size_t j = 0; j < steps; j++) {
            expand(call, j, at, count, delta);
            if (call->part.role == TF_LEFT)
                deal_stream(call, j, at, count, m);
            else
                call->party->kernels->unpack_bytes(call->dealt + bit_in_message(call, j, at), count,
                                                   bytes_of(call->node), m);
            for (size_t i = 0; i < count; i++) part[i] += y[j] * (((m[i] ^ delta[i]) - delta[i]) + (delta[i] & one));
        }
        tf_reshare_send(call, (tf_reshare){MU, 0}, at, count, part);
    }
    return TF_OK;
}

static const tf_step staircase_step = {.name = "staircase",
                                       .summary = "sum of public numbers that the bits of thresholds select",
                                       .takes_bits = true,
                                       .elementwise = true,
                                       .cost = staircase_cost,
                                       .solo = staircase_solo,
                                       .pair = staircase_pair};

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
    tf_value v = tf_append(p, &staircase_step, type, 1, &bits);
    int64_t *data = tf_append_data(p, v, count + 1);
    if (!data) return -1;
    for (size_t j = 0; j < count; j++) data[j] = llrint(ldexp(y[j], frac));
    data[count] = llrint(ldexp(base, frac));
    return v;
}

/* Pieces ---------------------------------------------------------------------------------------------------------- */

enum { WORD = 8 }; /* bytes of what is dealt */

/** Bits that the reshare drops, the power of x up to which pieces go, how many x there are, and the first piece of
 * each. Data: all A_j, all B_j, and all C_j of parabolas. */
typedef struct pieces_args {
    int64_t drop, degree, scales, first[TF_PIECE_SCALES];
} pieces_args;

static size_t degree_of(const tf_step_node *node) {
    return (size_t)tf_args(pieces_args, node)->degree;
}
static size_t pieces_of(const tf_step_node *node) {
    return node->data_count / (degree_of(node) + 1);
}

/** The pieces [begin, end) that take x at a scale, and the thresholds next to one of these. */
static tf_span pieces_at(const tf_step_node *node, size_t scale) {
    const pieces_args *args = tf_args(pieces_args, node);
    bool last = scale + 1 == (size_t)args->scales;
    return (tf_span){(size_t)args->first[scale], last ? pieces_of(node) : (size_t)args->first[scale + 1]};
}
static tf_span thresholds_at(const tf_step_node *node, size_t scale) {
    tf_span own = pieces_at(node, scale);
    return (tf_span){own.begin ? own.begin - 1 : 0, own.end < pieces_of(node) ? own.end : own.end - 1};
}

/** Elements that S deals: rho_j; then for each scale rho_j v, of parabolas all rho_j v^2, and v^2. `scale` may be past
 * the last. */
static size_t dealt_before(const tf_step_node *node, size_t scale) {
    size_t count = pieces_of(node) - 1;
    for (size_t s = 0; s < scale; s++)
        count += degree_of(node) * tf_span_count(thresholds_at(node, s)) + degree_of(node) - 1;
    return count;
}

static void pieces_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, dealt_before(node, (size_t)tf_args(pieces_args, node)->scales) * WORD);
    tf_traffic_swap(traffic, 0, n, tf_bytes_of(node->type.bits));
}

static tf_reshare reshare_of(const tf_step_node *node) {
    return (tf_reshare){MU, (unsigned)tf_args(pieces_args, node)->drop};
}

/** Where S's message has element `number` of the block. */
static size_t in_message(const tf_call *call, size_t number, size_t at) {
    return (number * tf_span_count(call->part.span) + at - call->part.span.begin) * WORD;
}

/** S: puts a dealt element into the message. */
static void deal(tf_call *call, size_t number, size_t at, size_t count, const uint64_t *value) {
    uint64_t m[TF_BLOCK];
    deal_stream(call, number, at, count, m);
    for (size_t i = 0; i < count; i++) m[i] = value[i] - m[i];
    memcpy(call->message + in_message(call, number, at), m, count * WORD);
}

/** L or R: its share of a dealt element. */
static void take(tf_call *call, size_t number, size_t at, size_t count, uint64_t *out) {
    if (call->part.role == TF_LEFT)
        deal_stream(call, number, at, count, out);
    else
        memcpy(out, call->dealt + in_message(call, number, at), count * WORD);
}

TF_MULTIVERSION static tf_status pieces_solo(tf_call *call) {
    const tf_step_node *node = call->node;
    bool curved = degree_of(node) > 1;
    tf_for_blocks(call, at, count) {
        uint64_t rho[TF_BLOCK], v[TF_BLOCK], square[TF_BLOCK], m[TF_BLOCK];
        for (size_t j = 0; j + 1 < pieces_of(node); j++) {
            expand(call, j, at, count, rho);
            for (size_t i = 0; i < count; i++) m[i] = rho[i] & 1;
            deal(call, j, at, count, m);
        }
        for (size_t s = 0; s < (size_t)tf_args(pieces_args, node)->scales; s++) {
            const tf_view *x = &call->in[1 + s];
            tf_span next = thresholds_at(node, s);
            size_t to = dealt_before(node, s), all = tf_span_count(next);
            for (size_t i = 0; i < count; i++) v[i] = x->c[0][at + i] + x->c[1][at + i], square[i] = v[i] * v[i];
            for (size_t j = next.begin; j < next.end; j++, to++) {
                expand(call, j, at, count, rho);
                for (size_t i = 0; i < count; i++) m[i] = rho[i] & v[i];
                deal(call, to, at, count, m);
                if (!curved) continue;
                for (size_t i = 0; i < count; i++) m[i] = rho[i] & square[i];
                deal(call, to + all, at, count, m);
            }
            if (curved) deal(call, to + all, at, count, square);
        }
        tf_reshare_solo(call, reshare_of(node), at, count);
    }
    return TF_OK;
}

/** The bit or 1 less the bit, times a value: `once` is a share of rho times it, `whole` of the value. */
static inline uint64_t chosen(uint64_t delta, uint64_t once, uint64_t whole) {
    return ((once ^ delta) - delta) + (delta & whole);
}

/** What multiplies b_j of a power of x: the piece's coefficient less that of the next, where these take this x. */
static uint64_t step_of(const uint64_t *coefficient, size_t j, tf_span own_pieces) {
    return (j >= own_pieces.begin ? coefficient[j] : 0) - (j + 1 < own_pieces.end ? coefficient[j + 1] : 0);
}

/** part += the terms of x at a scale. */
TF_MULTIVERSION static void add_scale(tf_call *call, size_t s, size_t at, size_t count, uint64_t *part) {
    const tf_step_node *node = call->node;
    size_t pieces = pieces_of(node);
    bool curved = degree_of(node) > 1;
    const uint64_t *slope = (const uint64_t *)node->data + pieces, *curve = slope + pieces;
    int own = call->part.own;
    const uint64_t *half = call->in[1 + s].c[own] + at, *c = call->in[1 + s].c[1 - own] + at;
    uint64_t left = call->part.role == TF_LEFT ? ~UINT64_C(0) : 0; /* one side counts c and its square */
    uint64_t whole[TF_BLOCK], square[TF_BLOCK], delta[TF_BLOCK], m[TF_BLOCK], u[TF_BLOCK], w[TF_BLOCK];
    tf_span next = thresholds_at(node, s), own_pieces = pieces_at(node, s);
    size_t from = dealt_before(node, s), all = tf_span_count(next);
    bool last = own_pieces.end == pieces;
    for (size_t i = 0; i < count; i++) {
        whole[i] = half[i] + (c[i] & left);
        if (last) part[i] += slope[pieces - 1] * whole[i];
    }
    if (curved) take(call, from + 2 * all, at, count, square);
    for (size_t i = 0; i < count && curved; i++) {
        square[i] += 2 * c[i] * half[i] + (c[i] * c[i] & left);
        if (last) part[i] += curve[pieces - 1] * square[i];
    }
    for (size_t j = next.begin; j < next.end; j++, from++) {
        uint64_t by = step_of(slope, j, own_pieces);
        expand(call, j, at, count, delta);
        take(call, j, at, count, m);
        take(call, from, at, count, u);
        for (size_t i = 0; i < count; i++) part[i] += by * chosen(delta[i], c[i] * m[i] + u[i], whole[i]);
        if (!curved) continue;
        by = step_of(curve, j, own_pieces);
        take(call, from + all, at, count, w);
        for (size_t i = 0; i < count; i++)
            part[i] += by * chosen(delta[i], c[i] * (c[i] * m[i] + 2 * u[i]) + w[i], square[i]);
    }
}

TF_MULTIVERSION static tf_status pieces_pair(tf_call *call, int phase) {
    const tf_step_node *node = call->node;
    const uint64_t *y = (const uint64_t *)node->data;
    size_t pieces = pieces_of(node);
    tf_for_blocks(call, at, count) {
        if (phase == 1) {
            tf_reshare_receive(call, at, count);
            continue;
        }
        uint64_t part[TF_BLOCK], delta[TF_BLOCK], m[TF_BLOCK], one = call->part.role == TF_LEFT;
        for (size_t i = 0; i < count; i++) part[i] = y[pieces - 1] * one;
        for (size_t j = 0; j + 1 < pieces; j++) {
            expand(call, j, at, count, delta);
            take(call, j, at, count, m);
            for (size_t i = 0; i < count; i++) part[i] += (y[j] - y[j + 1]) * chosen(delta[i], m[i], one);
        }
        for (size_t s = 0; s < (size_t)tf_args(pieces_args, node)->scales; s++) add_scale(call, s, at, count, part);
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
