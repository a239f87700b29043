/*
 * 2^(q x) for x <= 0, without a comparison. X = x + 2^m - 1 in [0, 2^m) is cut as in a spline: c = ch 2^k + cl,
 * v = vh 2^k + vl, the carry left out, so that X = i 2^k + r with i = ch + vh mod 2^7 and r = cl + vl. Then
 *     2^(q x) = 2^(q (i 2^k - 2^m + 1)) 2^(q cl) 2^(q vl),
 * the last factor of which S knows. L and R both know cl: their tables have 2^(q (i 2^k + cl - 2^m + 1)) at i, which is
 * rounded to zero but for the TOP highest i, so that what is far below zero needs no clip either.
 *
 * S sends R its half of the unit vector of vh (L's is a stream of k_s); L and R turn their halves by ch, and add up the
 * entries that their bits select, one with a minus: P, of which s P is left, the sign s known to S. They swap P masked;
 * S deals shares of s 2^(q vl) and of what that and the masks contribute; they multiply, and reshare, which truncates.
 *
 * What the receivers learn. R gets the unit vector XOR a stream of k_s, and S's factors less streams of k_s, none of
 * which it holds. L and R swap sums plus streams of k_s (from L) and k_(s+1) (from R), and parts of the result less
 * streams shared with S alone. All uniform to their receivers. tests/reference/few_rounds.py is its executable
 * reference.
 */
#include "runtime/steps/powers.h"

#include <math.h>
#include <string.h>

#include "runtime/kernels/exp2.h"
#include "runtime/kernels/unit_vector.h"
#include "runtime/steps/steps.h"

enum { VECTOR = 1, MASK, FACTOR, FIX, MU };         /* purposes */
enum { LOG = 7, WORDS = 2, SEGMENT = 3, TOP = 5 };  /* segments, words of their unit vector, bits before the point */
enum { ENTRY = 27, OWN = 13, POINT = ENTRY + OWN }; /* fractional bits of table entries and of S's factor */
enum { RATE = 40, MANTISSA = TF_EXP2_BITS, WORD = 8, FACTORS = 2 };

/** Bits of a segment, octaves a unit of x with RATE fractional bits, what is dropped in the end. Data: for i = 2^7 -
 * TOP on, 2^(q (i 2^k - 2^m + 1)) as a number in [2^31, 2^32) and the exponent of 2 that it lacks. */
typedef struct powers_args {
    int64_t segment, rate, drop;
} powers_args;

static tf_reshare reshare_of(const tf_step_node *node) {
    return (tf_reshare){MU, (unsigned)tf_args(powers_args, node)->drop};
}

static void powers_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 2;
    tf_traffic_deal(traffic, n, (WORDS + FACTORS) * WORD);
    tf_traffic_swap(traffic, 0, n, WORD);
    tf_traffic_swap(traffic, 1, n, tf_bytes_of(node->type.bits));
}

/** L and R keep P as this side has masked it, and their shares of S's factors. */
static size_t powers_state(const tf_program *program, const tf_step_node *node) {
    return (1 + FACTORS) * tf_shape_count(node->type.shape);
}

static uint64_t *kept(const tf_call *call, size_t which, size_t at) {
    return call->state + which * tf_shape_count(call->node->type.shape) + at;
}

static void vector_stream(tf_call *call, size_t at, size_t count, uint64_t *out) {
    tf_stream(call->party, call->part.own, call->index, VECTOR, at * WORDS, out, count * WORDS);
}

/** 2^(rate low) = y 2^whole with y in [2^30, 2^31). Integers only: all machines agree to the last bit. */
static inline uint64_t power_fixed(uint64_t low, uint64_t rate, unsigned *whole) {
    uint64_t octaves = low * rate >> (RATE - MANTISSA);
    *whole = (unsigned)(octaves >> MANTISSA);
    return tf_exp2_fraction(octaves & tf_mask(MANTISSA));
}

/** y / 2^by, rounded; by < 64. */
static inline uint64_t rounded(uint64_t y, uint64_t by) {
    return (y + ((UINT64_C(1) << by) >> 1)) >> by;
}

TF_MULTIVERSION static tf_status powers_solo(tf_call *call) {
    const powers_args *args = tf_args(powers_args, call->node);
    unsigned segment = (unsigned)args->segment;
    int own = call->part.own;
    size_t n = tf_span_count(call->part.span);
    tf_for_blocks(call, at, count) {
        uint64_t unit[TF_BLOCK * WORDS], factor[FACTORS][TF_BLOCK], mask[TF_BLOCK], other[TF_BLOCK];
        size_t from = at - call->part.span.begin;
        const uint64_t *x = call->in[0].c[0] + at, *y = call->in[0].c[1] + at;
        vector_stream(call, at, count, unit);
        tf_element_stream(call, own, MASK, at, count, mask);
        tf_element_stream(call, 1 - own, MASK, at, count, other);
        for (size_t i = 0; i < count; i++) {
            unsigned whole, high = (unsigned)((x[i] + y[i]) >> segment) & ((1u << LOG) - 1);
            uint64_t own_power = power_fixed((x[i] + y[i]) & tf_mask(segment), (uint64_t)args->rate, &whole);
            own_power = rounded(own_power, MANTISSA - OWN - whole);
            uint64_t sign =
                tf_flip_bit(unit + i * WORDS, WORDS, high) * 2 - 1; /* where L has the bit, what it adds is left */
            factor[0][i] = sign * own_power;
            factor[1][i] = factor[0][i] * (mask[i] + other[i]);
        }
        memcpy(call->message + from * WORDS * WORD, unit, count * WORDS * WORD);
        for (size_t k = 0; k < FACTORS; k++) {
            tf_element_stream(call, own, (unsigned)(FACTOR + k), at, count, other);
            for (size_t i = 0; i < count; i++) factor[k][i] -= other[i];
            memcpy(call->message + ((WORDS + k) * n + from) * WORD, factor[k], count * WORD);
        }
        tf_reshare_solo(call, reshare_of(call->node), at, count);
    }
    return TF_OK;
}

/** Bits 2^7 - TOP to 2^7 - 1 of a vector turned upwards by `by`: no branch or index depends on it. */
static inline uint64_t top_bits(const uint64_t unit[WORDS], unsigned by) {
    unsigned from = ((1u << LOG) - TOP - by) & ((1u << LOG) - 1), shift = from & 63;
    uint64_t upper = -(uint64_t)(from >> 6), low = unit[0] ^ ((unit[0] ^ unit[1]) & upper),
             high = low ^ unit[0] ^ unit[1];
    return low >> shift | high << 1 << (63 - shift);
}

/** This side's sums of the table entries that its vectors select, masked. */
TF_MULTIVERSION static void open_sums(tf_call *call, size_t at, size_t count, uint64_t *p) {
    const powers_args *args = tf_args(powers_args, call->node);
    const uint64_t *mantissa = (const uint64_t *)call->node->data, *lacking = mantissa + TOP;
    const uint64_t *c = call->in[0].c[1 - call->part.own] + at;
    unsigned segment = (unsigned)args->segment;
    uint64_t unit[TF_BLOCK * WORDS], mask[TF_BLOCK], offset = (UINT64_C(1) << (segment + LOG)) - 1;
    uint64_t sign = call->part.role == TF_LEFT ? 1 : -(uint64_t)1;
    if (call->part.role == TF_LEFT)
        vector_stream(call, at, count, unit);
    else
        memcpy(unit, call->dealt + (at - call->part.span.begin) * WORDS * WORD, count * WORDS * WORD);
    tf_element_stream(call, call->part.own, MASK, at, count, mask);
    for (size_t i = 0; i < count; i++) {
        unsigned whole;
        uint64_t low = c[i] + offset, sum = 0;
        uint64_t bits = top_bits(unit + i * WORDS, (unsigned)(low >> segment) & ((1u << LOG) - 1));
        uint64_t power = power_fixed(low & tf_mask(segment), (uint64_t)args->rate, &whole);
        for (size_t k = 0; k < TOP; k++) {
            uint64_t shift = lacking[k] - whole, far = -(uint64_t)(shift > 63);
            sum += rounded(power * mantissa[k], shift & 63) & ~far & -(bits >> k & 1);
        }
        p[i] = sign * sum + mask[i];
    }
}

static void take_factors(tf_call *call, size_t at, size_t count) {
    size_t n = tf_span_count(call->part.span), from = at - call->part.span.begin;
    for (size_t k = 0; k < FACTORS; k++)
        if (call->part.role == TF_LEFT)
            tf_element_stream(call, call->part.own, (unsigned)(FACTOR + k), at, count, kept(call, 1 + k, at));
        else
            memcpy(kept(call, 1 + k, at), call->dealt + ((WORDS + k) * n + from) * WORD, count * WORD);
}

TF_MULTIVERSION static tf_status powers_pair(tf_call *call, int phase) {
    tf_for_blocks(call, at, count) {
        size_t from = (at - call->part.span.begin) * WORD;
        uint64_t part[TF_BLOCK], *p = kept(call, 0, at), *factor = kept(call, 1, at), *fix = kept(call, 2, at);
        if (phase == 0) {
            take_factors(call, at, count);
            open_sums(call, at, count, p);
            memcpy(call->message + from, p, count * WORD);
        } else if (phase == 1) {
            memcpy(part, call->received + from, count * WORD);
            for (size_t i = 0; i < count; i++) part[i] = factor[i] * (p[i] + part[i]) - fix[i];
            tf_reshare_send(call, reshare_of(call->node), at, count, part);
        } else {
            tf_reshare_receive(call, at, count);
        }
    }
    return TF_OK;
}

static const tf_step powers_step = {.name = "powers",
                                    .summary = "2^(q x) for x <= 0, by segments of x",
                                    .elementwise = true,
                                    .cost = powers_cost,
                                    .state = powers_state,
                                    .shares_work = true,
                                    .solo = powers_solo,
                                    .pair = powers_pair};

tf_value tf_powers(tf_program *p, tf_value x, double octaves, int frac) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, x);
    const double bound = 1.001; /* what is rounded may come out above 1, and a ring that ends there cannot lift it */
    int drop = POINT - frac;
    if (type.frac < 0 || type.frac > 12 || !(octaves >= 0.7 && octaves <= 1.45) || drop < 1 ||
        64 - drop < (int)tf_width(frac, bound))
        return tf_program_fail(
            p, tf_fail(TF_RANGE, "powers of 2^%g of %d fractional bits, to %d", octaves, type.frac, frac));
    powers_args args = {.segment = SEGMENT + type.frac, .rate = llrint(ldexp(octaves, RATE - type.frac)), .drop = drop};
    x = tf_lift(p, x, (unsigned)args.segment + LOG);
    type = (tf_type){
        .shape = type.shape, .kind = TF_SHARE, .bits = 64 - (unsigned)drop, .frac = frac, .bound = bound, .zero = -1};
    tf_value v = tf_append_args(p, &powers_step, type, 1, &x, &args, sizeof args);
    int64_t *data = tf_append_data(p, v, (size_t)2 * TOP);
    if (!data) return -1;
    double unit = octaves * ldexp(1, (int)SEGMENT - (int)args.segment);
    for (int k = 0; k < TOP; k++) { /* 2^e = mantissa 2^-31 2^whole */
        double e = unit * (1 - ldexp(TOP - k, (int)args.segment)), whole = floor(e);
        data[k] = llrint(exp2(e - whole + 31));
        data[TOP + k] = MANTISSA + 31 - ENTRY - (int64_t)whole;
        if (data[k] >> 32) data[k] /= 2, data[TOP + k]--;
    }
    return v;
}
