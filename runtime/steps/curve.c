/*
 * A function of one value, as cubics between public thresholds, in one exchange: for what occurs once per row.
 *
 * S makes keys of a comparison (party/comparison_key.h) for v, the payload being 1, v and v^2, numbers mod 2^128, whose
 * roots are streams that it shares with L and with R. Each of them finds shares of [v < q] (1, v, v^2) for any q,
 * alone. x = c + v, or c + v - 2^m where that wraps, which is where v >= 2^m - c. So [x < t] is a sum of such
 * comparisons, and multiplied by x and x^2 too, for L and R know c. f is the last parabola, and for each threshold that
 * x is below the difference of the parabolas at its two sides: a sum of what L and R have shares of, which they
 * reshare.
 *
 * Low bits are cut off c and of v, and what they carry is left out: that moves thresholds, not x, which counts whole.
 * Of a threshold only so many bits are looked at as a 64th of its interval is worth.
 *
 * What the receivers learn. L and R receive the keys' body, which is uniform to one who does not know the other's root:
 * R does not hold k_s, nor L k_(s+1). They swap parts less streams shared with S alone.
 */
#include <math.h>
#include <string.h>

#include "runtime/party/comparison_key.h"
#include "runtime/steps/steps.h"

enum { ROOT = 1, PART }; /* purposes */
enum { MOST_WORDS = 64 * TF_KEY_LEVEL_WORDS };

/** Bits that are cut off, those that are left, and what the reshare drops. */
typedef struct curve_args {
    int64_t low, bits, drop;
} curve_args;

/* Of each threshold, the largest first: itself with what is added to x, in units of the low bits; those of its bits
 * that are not looked at; the coefficients of the difference. The last entry has those of the last cubic. */
enum { THRESHOLD, SPARE, COEFFICIENT, ENTRY = COEFFICIENT + 2 * TF_PAYLOAD };

static size_t thresholds_of(const tf_step_node *node) {
    return node->data_count / ENTRY - 1;
}

static int64_t offset_of(const curve_args *args) {
    return INT64_C(2) << args->low; /* what is a little below zero stays above it, whatever the low bits carry */
}

static unsigned width_of(const curve_args *args) {
    return (unsigned)(args->low + args->bits);
}

static size_t body_words(const tf_step_node *node) {
    return (size_t)(tf_args(curve_args, node)->bits + 1) * TF_KEY_LEVEL_WORDS;
}

static void curve_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    traffic->both = true;
    tf_traffic_deal(traffic, n, body_words(node) * sizeof(uint64_t));
    tf_traffic_swap(traffic, 0, n, tf_bytes_of(node->type.bits));
}

static tf_reshare reshare_of(const tf_step_node *node) {
    return (tf_reshare){PART, (unsigned)tf_args(curve_args, node)->drop};
}

static void roots(tf_call *call, int which, size_t at, size_t count, uint64_t *root) {
    tf_stream(call->party, which, call->index, ROOT, 2 * at, root, 2 * count);
}

static tf_status curve_solo(tf_call *call) {
    const curve_args *args = tf_args(curve_args, call->node);
    uint64_t mask = tf_mask(width_of(args));
    size_t words = body_words(call->node);
    const tf_prf *hash = call->party->hash;
    tf_for_blocks(call, at, count) {
        const uint64_t *x = call->in[0].c[0] + at, *y = call->in[0].c[1] + at;
        uint8_t *message = call->message + (at - call->part.span.begin) * words * sizeof(uint64_t);
        uint64_t root[2][2 * TF_BLOCK], body[MOST_WORDS];
        roots(call, call->part.own, at, count, root[0]);
        roots(call, 1 - call->part.own, at, count, root[1]);
        for (size_t i = 0; i < count; i++, message += words * sizeof(uint64_t)) {
            tf_wide v = (x[i] + y[i]) & mask;
            call->party->broken |=
                !tf_comparison_make(hash, root[0] + 2 * i, root[1] + 2 * i, (unsigned)args->bits,
                                    (uint64_t)v >> args->low, (tf_wide[]){1, v, v * v, v * v * v}, body);
            memcpy(message, body, words * sizeof(uint64_t));
        }
        tf_reshare_solo(call, reshare_of(call->node), at, count);
    }
    return TF_OK;
}

/** What is multiplied by powers of x in place of those of v, where x = shift + v. */
static void moments(const tf_wide *of_v, tf_wide shift, tf_wide *of_x) {
    const tf_wide square = shift * shift;
    of_x[0] = of_v[0];
    of_x[1] = of_v[1] + shift * of_v[0];
    of_x[2] = of_v[2] + 2 * shift * of_v[1] + square * of_v[0];
    of_x[3] = of_v[3] + 3 * shift * of_v[2] + 3 * square * of_v[1] + square * shift * of_v[0];
}

static tf_wide coefficient_of(const int64_t *coefficient, int k) {
    return tf_wide_of((const uint64_t *)coefficient + 2 * k);
}

static tf_wide product(const int64_t *coefficient, const tf_wide *of_x) {
    tf_wide sum = 0;
    for (int k = 0; k < TF_PAYLOAD; k++) sum += coefficient_of(coefficient, k) * of_x[k];
    return sum;
}

/* Where shares are: of the payload, of the point where c + v wraps, of thresholds. */
enum { EVERYTHING, WRAP, FIRST };

/** This side's part of f, of its shares, where c is less than the thresholds that are not wrapped. */
static tf_wide part_of(const tf_step_node *node, uint64_t c, const uint64_t *wrapped, tf_wide (*share)[TF_PAYLOAD]) {
    const curve_args *args = tf_args(curve_args, node);
    const size_t count = thresholds_of(node);
    const int64_t *entry = node->data, *last = entry + count * ENTRY + COEFFICIENT;
    const tf_wide below = (tf_wide)c - (tf_wide)offset_of(args), above = below - ((tf_wide)1 << width_of(args));
    tf_wide rest[TF_PAYLOAD], first[TF_PAYLOAD], second[TF_PAYLOAD], chosen[TF_PAYLOAD];
    for (int k = 0; k < TF_PAYLOAD; k++) rest[k] = share[EVERYTHING][k] - share[WRAP][k];
    moments(rest, above, second); /* all that has wrapped is below a threshold that c is below */
    moments(share[WRAP], below, first);
    tf_wide sum = product(last, first) + product(last, second);
    for (size_t j = 0; j < count; j++, entry += ENTRY) {
        tf_wide past = -(tf_wide)wrapped[j];
        for (int k = 0; k < TF_PAYLOAD; k++) chosen[k] = share[FIRST + j][k] - (share[WRAP][k] & past);
        moments(chosen, below ^ ((below ^ above) & past), first);
        for (int k = 0; k < TF_PAYLOAD; k++) first[k] += second[k] & ~past;
        sum += product(entry + COEFFICIENT, first);
    }
    return sum;
}

/** Where a point mod 2^bits is 0 but 2^bits is meant: below it is everything. */
static void replace_zero(uint64_t point, const tf_wide *everything, tf_wide *share) {
    const tf_wide zero = -(tf_wide)(((point | -point) >> 63) ^ 1);
    for (int k = 0; k < TF_PAYLOAD; k++) share[k] ^= (share[k] ^ everything[k]) & zero;
}

/** This side's part of f at an element. */
static tf_wide evaluate(tf_call *call, const tf_comparison_point *point, const uint64_t *root, const uint64_t *body,
                        uint64_t c) {
    const curve_args *args = tf_args(curve_args, call->node);
    const size_t count = thresholds_of(call->node);
    const int right = call->part.role == TF_RIGHT;
    uint64_t wrapped[TF_KEY_POINTS];
    tf_wide share[FIRST + TF_KEY_POINTS][TF_PAYLOAD];
    c = (c + (uint64_t)offset_of(args)) & tf_mask(width_of(args));
    uint64_t high = c >> args->low;
    call->party->broken |= !tf_comparison_at(call->party->hash, right, root, (unsigned)args->bits, body,
                                             -high & tf_mask((unsigned)args->bits), count, point, share);
    replace_zero(high, share[EVERYTHING], share[WRAP]);
    for (size_t j = 0; j < count; j++) {
        uint64_t left = point[j].offset - high; /* 0 or less where wrapped */
        wrapped[j] = (left - 1) >> 63;
        replace_zero(left, share[EVERYTHING], share[FIRST + j]);
    }
    tf_wide part = part_of(call->node, c, wrapped, share), flip = -(tf_wide)right;
    return (part ^ flip) - flip;
}

static void send_parts(tf_call *call) {
    const size_t words = body_words(call->node);
    tf_comparison_point point[TF_KEY_POINTS];
    for (size_t j = 0; j < thresholds_of(call->node); j++) {
        const int64_t *entry = call->node->data + j * ENTRY;
        point[j] = (tf_comparison_point){(uint64_t)entry[THRESHOLD], (unsigned)entry[SPARE]};
    }
    tf_for_blocks(call, at, block) {
        const uint64_t *c = call->in[0].c[1 - call->part.own] + at;
        const uint8_t *dealt = call->dealt + (at - call->part.span.begin) * words * sizeof(uint64_t);
        uint64_t root[2 * TF_BLOCK], part[TF_BLOCK], body[MOST_WORDS];
        roots(call, call->part.own, at, block, root);
        for (size_t i = 0; i < block; i++, dealt += words * sizeof(uint64_t)) {
            memcpy(body, dealt, words * sizeof(uint64_t));
            part[i] = (uint64_t)(evaluate(call, point, root + 2 * i, body, c[i]) >> 64);
        }
        tf_reshare_send(call, reshare_of(call->node), at, block, part);
    }
}

static tf_status curve_pair(tf_call *call, int phase) {
    if (phase == 1) {
        tf_for_blocks(call, at, count) {
            tf_reshare_receive(call, at, count);
        }
        return TF_OK;
    }
    send_parts(call);
    return TF_OK;
}

static const tf_step curve_step = {.name = "curve",
                                   .summary = "a function of one value, as cubics, in one exchange",
                                   .elementwise = true,
                                   .cost = curve_cost,
                                   .solo = curve_solo,
                                   .pair = curve_pair};

/* Builders ------------------------------------------------------------------------------------------------------- */

/** Low bits of threshold j that are worth less than a 64th of the interval before it, and of that after it. */
static int spare_bits(const tf_power *f, size_t j, int point) {
    double shorter = f->end[j] - f->end[j - 1];
    if (j < f->count) shorter = fmin(shorter, f->end[j + 1] - f->end[j]);
    return (int)tf_spare_bits(shorter, point);
}

/** Of piece j the coefficients, of those past the last zeros. */
static void fit(const tf_power *f, size_t j, int point, int frac, int64_t *coefficient) {
    memset(coefficient, 0, 2 * TF_PAYLOAD * sizeof *coefficient);
    if (j < f->count) tf_piece_fit(f, point, frac, TF_PAYLOAD - 1, f->end[j], f->end[j + 1], coefficient);
}

static void fill(const tf_step_node *node, const tf_power *f, int point, int frac, int64_t *data) {
    const curve_args *args = tf_args(curve_args, node);
    int64_t here[2 * TF_PAYLOAD], next[2 * TF_PAYLOAD];
    fit(f, 0, point, frac, here);
    for (size_t j = 1; j <= f->count; j++) {
        int64_t *entry = data + (j < f->count ? f->count - 1 - j : j - 1) * ENTRY;
        int spare = spare_bits(f, j, point) - (int)args->low;
        entry[THRESHOLD] = (llrint(ldexp(f->end[j], point)) + offset_of(args)) >> args->low;
        entry[SPARE] = spare > 0 ? spare : 0;
        fit(f, j, point, frac, next);
        for (int k = 0; k < TF_PAYLOAD; k++)
            tf_wide_put(coefficient_of(here, k) - coefficient_of(next, k), (uint64_t *)entry + COEFFICIENT + 2 * k);
        memcpy(here, next, sizeof here);
    }
}

tf_value tf_curve(tf_program *p, tf_value a, const tf_power *f, tf_result result, unsigned ring) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    const int point = type.frac, low = spare_bits(f, 1, point);
    const unsigned width = tf_width(result.frac, result.bound), bits = ring > width ? ring : width;
    if (f->count < 1 || f->count + 1 > TF_KEY_POINTS || bits > 64)
        return tf_program_fail(p, tf_fail(TF_RANGE, "a curve of %zu cubics in %u bits", f->count, bits));
    if (tf_width(point, type.bound) > type.bits || low + 4 > (int)type.bits || (int)type.bits - low > 63)
        return tf_program_fail(p, tf_fail(TF_RANGE, "a curve of values within %g in %u bits", type.bound, type.bits));
    curve_args args = {.low = low, .bits = (int64_t)type.bits - low, .drop = 64 - (int64_t)bits};
    type = (tf_type){
        .shape = type.shape, .kind = TF_SHARE, .bits = bits, .frac = result.frac, .bound = result.bound, .zero = -1};
    tf_value v = tf_append_args(p, &curve_step, type, 1, &a, &args, sizeof args);
    struct {
        tf_digest ends;
        curve_args args;
        double scale, exponent;
        int64_t frac, point;
    } facts = {tf_digest_of(f->end, (f->count + 1) * sizeof *f->end), args, f->scale, f->exponent, result.frac, point};
    bool known;
    int64_t *data = tf_append_fit(p, v, f->count * ENTRY, &facts, sizeof facts, &known);
    if (data && !known) fill(&p->node[v], f, point, result.frac + 128 - (int)bits, data);
    return v;
}
