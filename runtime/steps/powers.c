/*
 * 2^(q x) for x <= 0, without a comparison. X = x + 2^m - 1 in [0, 2^m) is cut as in a spline: c = ch 2^k + cl,
 * v = vh 2^k + vl, the carry left out, so that X = i 2^k + r with i = ch + vh mod 2^(m-k) and r = cl + vl. Then
 *     2^(q x) = 2^(q (i 2^k - 2^m + 1)) 2^(q cl) 2^(q vl),
 * the last factor of which S knows. L and R both know cl: their tables have 2^(q (i 2^k + cl - 2^m + 1)) at i, which is
 * rounded to zero but for a few of the highest i, so that what is far below zero needs no clip either.
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
#include "runtime/party/wide.h"
#include "runtime/steps/local.h"
#include "runtime/steps/steps.h"

enum { VECTOR = 1, MASK, FACTOR, FIX, MU }; /* purposes */
enum { SEGMENT = 2, MOST_WORDS = 2 };       /* bits of a segment before the point; words of a unit vector */
/* Fractional bits that table entries have beyond the result's, and those of S's factor; all of these are dropped. */
enum { MORE = 3, OWN = 13, DROP = MORE + OWN };
enum { RATE = 40, MANTISSA = TF_EXP2_BITS, WORD = 8, FACTORS = 2 };

/** Bits of a segment, the logarithm of how many segments there are, octaves a unit of x with RATE fractional bits.
 * Data: for each i, from the first one that counts on, 2^(q (i 2^k - 2^m + 1)) as a number in [2^31, 2^32), then the
 * exponents of 2 that these lack. */
typedef struct powers_args {
    int64_t segment, log, rate;
} powers_args;

static const tf_reshare reshare = {MU, DROP};

/** Words of a unit vector, and how many of its highest entries count. */
static size_t words_of(const tf_step_node *node) {
    return (size_t)1 << (tf_args(powers_args, node)->log - 6);
}

static size_t top_of(const tf_step_node *node) {
    return node->data_count / 2;
}

/** Bytes of an element of the ring in which products are made. */
static unsigned bytes_of(const tf_step_node *node) {
    return tf_bytes_of(node->type.bits + DROP);
}

static void powers_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 2;
    tf_traffic_deal(traffic, n, words_of(node) * WORD + FACTORS * bytes_of(node));
    tf_traffic_swap(traffic, 0, n, bytes_of(node));
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
    size_t words = words_of(call->node);
    tf_stream(call->party, call->part.own, call->index, VECTOR, at * words, out, count * words);
}

/** Component j of a block of x less its rows' numbers: where it lies, or in `room`. */
static inline __attribute__((always_inline)) const uint64_t *block_of(const tf_call *call, int j, size_t at,
                                                                      size_t count, uint64_t room[TF_BLOCK]) {
    const uint64_t *x = call->in[0].c[j] + at;
    tf_fetch_words(x);
    if (call->node->inputs == 1) return x;
    const uint64_t *less = tf_repeated_block(call, 1, j, at, count, room);
    for (size_t i = 0; i < count; i++) room[i] = x[i] - less[i];
    return room;
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

/** Where S's message has factor k of the block. */
static size_t factor_in_message(const tf_call *call, size_t k, size_t at) {
    size_t n = tf_span_count(call->part.span);
    return n * words_of(call->node) * WORD + (k * n + at - call->part.span.begin) * bytes_of(call->node);
}

/** S's bits and its factors of a block, of which factor[1] has both masks of P before. Where L has the bit, what it
 * adds is left. `words` is a constant where this is inlined. */
static inline __attribute__((always_inline)) void make_factors(const powers_args *args, size_t words, size_t count,
                                                               const uint64_t *x, const uint64_t *y, uint64_t *unit,
                                                               uint64_t factor[FACTORS][TF_BLOCK]) {
    unsigned segment = (unsigned)args->segment;
    for (size_t i = 0; i < count; i++) {
        unsigned whole;
        uint64_t v = x[i] + y[i], own_power = power_fixed(v & tf_mask(segment), (uint64_t)args->rate, &whole);
        uint64_t sign = tf_flip_bit(unit + i * words, words, v >> segment & tf_mask((unsigned)args->log)) * 2 - 1;
        factor[0][i] = sign * rounded(own_power, MANTISSA - OWN - whole);
        factor[1][i] *= factor[0][i];
    }
}

TF_MULTIVERSION static tf_status powers_solo(tf_call *call) {
    const powers_args *args = tf_args(powers_args, call->node);
    unsigned bytes = bytes_of(call->node);
    int own = call->part.own;
    size_t words = words_of(call->node);
    tf_for_blocks(call, at, count) {
        uint64_t unit[TF_BLOCK * MOST_WORDS], factor[FACTORS][TF_BLOCK], other[TF_BLOCK], room[2][TF_BLOCK];
        const uint64_t *x = block_of(call, 0, at, count, room[0]), *y = block_of(call, 1, at, count, room[1]);
        vector_stream(call, at, count, unit);
        tf_element_stream(call, own, MASK, at, count, factor[1]);
        tf_element_stream(call, 1 - own, MASK, at, count, other);
        for (size_t i = 0; i < count; i++) factor[1][i] += other[i];
        if (words == 1)
            make_factors(args, 1, count, x, y, unit, factor);
        else
            make_factors(args, MOST_WORDS, count, x, y, unit, factor);
        memcpy(call->message + (at - call->part.span.begin) * words * WORD, unit, count * words * WORD);
        for (size_t k = 0; k < FACTORS; k++) {
            tf_element_stream(call, own, (unsigned)(FACTOR + k), at, count, other);
            for (size_t i = 0; i < count; i++) factor[k][i] -= other[i];
            call->party->kernels->pack_bytes(factor[k], count, bytes, call->message + factor_in_message(call, k, at));
        }
        tf_reshare_solo(call, reshare, at, count);
    }
    return TF_OK;
}

/** This side's bits of the highest segments, and 2^(rate cl). `words` is a constant where this is inlined. */
static inline __attribute__((always_inline)) void turn(const powers_args *args, unsigned top, size_t words,
                                                       size_t count, const uint64_t *c, const uint64_t *unit,
                                                       uint64_t *bits, uint64_t *power, uint64_t *octaves) {
    unsigned segment = (unsigned)args->segment, log = (unsigned)args->log;
    for (size_t i = 0; i < count; i++) {
        unsigned whole;
        uint64_t x = c[i] + tf_mask(segment + log);
        bits[i] = tf_top_bits(unit + i * words, words, top, x >> segment & tf_mask(log));
        power[i] = power_fixed(x & tf_mask(segment), (uint64_t)args->rate, &whole);
        octaves[i] = whole;
    }
}

typedef uint64_t lanes __attribute__((vector_size(64)));
enum { LANES = sizeof(lanes) / sizeof(uint64_t) };

/** This side's sums of the table entries that its vectors select, masked. */
TF_MULTIVERSION static void open_sums(tf_call *call, size_t at, size_t count, uint64_t *p) {
    const powers_args *args = tf_args(powers_args, call->node);
    const uint64_t *mantissa = (const uint64_t *)call->node->data, *lacking = mantissa + top_of(call->node);
    uint64_t room[TF_BLOCK];
    const uint64_t *c = block_of(call, 1 - call->part.own, at, count, room);
    unsigned top = (unsigned)top_of(call->node);
    size_t words = words_of(call->node);
    _Alignas(lanes) uint64_t bits[TF_BLOCK], power[TF_BLOCK], octaves[TF_BLOCK], sum[TF_BLOCK];
    uint64_t unit[TF_BLOCK * MOST_WORDS], sign = call->part.role == TF_LEFT ? 1 : -(uint64_t)1;
    if (call->part.role == TF_LEFT)
        vector_stream(call, at, count, unit);
    else
        memcpy(unit, call->dealt + (at - call->part.span.begin) * words * WORD, count * words * WORD);
    if (words == 1)
        turn(args, top, 1, count, c, unit, bits, power, octaves);
    else
        turn(args, top, MOST_WORDS, count, c, unit, bits, power, octaves);
    for (size_t i = 0; i < count; i += LANES) {
        const lanes octave = *(const lanes *)(octaves + i), own = *(const lanes *)(power + i);
        lanes chosen = *(const lanes *)(bits + i), total = {0};
        for (unsigned k = 0; k < top; k++, chosen >>= 1) {
            lanes shift = lacking[k] - octave, near = (lanes)(shift < 64), by = shift & 63;
            lanes half = ((lanes){0} + 1) << by >> 1, entry = own * mantissa[k];
            total += ((entry + half) >> by) & near & -(chosen & 1);
        }
        *(lanes *)(sum + i) = total;
    }
    tf_element_stream(call, call->part.own, MASK, at, count, p);
    for (size_t i = 0; i < count; i++) p[i] += sign * sum[i];
}

static void take_factors(tf_call *call, size_t at, size_t count) {
    for (size_t k = 0; k < FACTORS; k++)
        if (call->part.role == TF_LEFT)
            tf_element_stream(call, call->part.own, (unsigned)(FACTOR + k), at, count, kept(call, 1 + k, at));
        else
            call->party->kernels->unpack_bytes(call->dealt + factor_in_message(call, k, at), count,
                                               bytes_of(call->node), kept(call, 1 + k, at));
}

TF_MULTIVERSION static tf_status powers_pair(tf_call *call, int phase) {
    unsigned bytes = bytes_of(call->node);
    tf_for_blocks(call, at, count) {
        size_t from = (at - call->part.span.begin) * bytes;
        uint64_t part[TF_BLOCK], *p = kept(call, 0, at), *factor = kept(call, 1, at), *fix = kept(call, 2, at);
        if (phase == 0) {
            take_factors(call, at, count);
            open_sums(call, at, count, p);
            call->party->kernels->pack_bytes(p, count, bytes, call->message + from);
        } else if (phase == 1) {
            call->party->kernels->unpack_bytes(call->received + from, count, bytes, part);
            for (size_t i = 0; i < count; i++) part[i] = factor[i] * (p[i] + part[i]) - fix[i];
            tf_reshare_send(call, reshare, at, count, part);
        } else {
            tf_reshare_receive(call, at, count);
        }
    }
    return TF_OK;
}

static const tf_step powers_step = {.name = "powers",
                                    .summary = "2^(q x) for x <= 0, by segments of x",
                                    .elementwise = true,
                                    .reads_whole = tf_repeated_whole,
                                    .cost = powers_cost,
                                    .state = powers_state,
                                    .shares_work = true,
                                    .solo = powers_solo,
                                    .pair = powers_pair};

/* In one exchange ------------------------------------------------------------------------------------------------- */

/*
 * Where elements are few, S deals the table itself, mod 2^W, at all places at which c may look: entry j is 2^(q (i 2^k
 * - 2^m + 1)) 2^(q vl) for i = j + vh mod 2^(m-k). L and R take entry ch, of which they then have shares, multiply it
 * by 2^(q cl), and reshare, which truncates: nothing is opened on the way. W has room for any ring of the result.
 *
 * What the receivers learn. R gets all entries less a stream of k_s, which it does not hold. L and R swap parts of the
 * result less streams shared with S alone.
 */
enum { WORDS = 2, MOST_ENTRIES = 64 * MOST_WORDS }; /* words of an entry */

static size_t entries_of(const tf_step_node *node) {
    return 64 * words_of(node);
}

static unsigned entry_bits(const tf_step_node *node) {
    return node->type.bits + DROP;
}

static void at_once_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, entries_of(node) * tf_bytes_of(entry_bits(node)));
    tf_traffic_swap(traffic, 0, n, tf_bytes_of(node->type.bits));
}

static tf_reshare reshare_at_once(const tf_step_node *node) {
    return (tf_reshare){MU, 64 - node->type.bits};
}

/** L's shares of an element's entries. */
static void entry_stream(tf_call *call, size_t at, uint64_t *out) {
    const size_t words = WORDS * entries_of(call->node);
    tf_stream(call->party, call->part.own, call->index, VECTOR, at * words, out, words);
}

/** The entries of an element of which S knows v. */
static void make_entries(const tf_step_node *node, uint64_t v, uint64_t *entry) {
    const powers_args *args = tf_args(powers_args, node);
    const uint64_t *mantissa = (const uint64_t *)node->data, *lacking = mantissa + top_of(node),
                   mask = tf_mask((unsigned)args->log);
    const size_t entries = entries_of(node), top = top_of(node);
    unsigned whole;
    const uint64_t power = power_fixed(v & tf_mask((unsigned)args->segment), (uint64_t)args->rate, &whole);
    memset(entry, 0, entries * sizeof *entry);
    for (size_t k = 0; k < top; k++) {
        const uint64_t by = lacking[k] - whole, near = -(uint64_t)(by < 64);
        const uint64_t value = rounded(power * mantissa[k], by & 63) & near;
        const uint64_t place = (entries - top + k - (v >> args->segment)) & mask;
        for (size_t j = 0; j < entries; j++) entry[j] |= value & tf_equal_mask(j, place);
    }
}

static tf_status at_once_solo(tf_call *call) {
    const tf_step_node *node = call->node;
    const size_t entries = entries_of(node), bytes = tf_bytes_of(entry_bits(node));
    tf_for_blocks(call, at, count) {
        uint8_t *message = call->message + (at - call->part.span.begin) * entries * bytes;
        uint64_t room[2][TF_BLOCK];
        const uint64_t *x = block_of(call, 0, at, count, room[0]), *y = block_of(call, 1, at, count, room[1]);
        for (size_t i = 0; i < count; i++) {
            uint64_t entry[MOST_ENTRIES], stream[WORDS * MOST_ENTRIES], dealt[WORDS];
            make_entries(node, x[i] + y[i], entry);
            entry_stream(call, at + i, stream);
            for (size_t j = 0; j < entries; j++, message += bytes) {
                tf_wide_put(entry[j] - tf_wide_of(stream + WORDS * j), dealt);
                if ((entries - j) * bytes >= sizeof dealt) /* the next entries are written over what is too much */
                    memcpy(message, dealt, sizeof dealt);
                else
                    memcpy(message, dealt, bytes);
            }
        }
        tf_reshare_solo(call, reshare_at_once(node), at, count);
    }
    return TF_OK;
}

/** This side's share of the entry at which c looks, of those in `entry`, WORDS each. All are looked at. */
static tf_wide entry_at(const uint64_t *entry, size_t entries, uint64_t c) {
    uint64_t words[WORDS] = {0};
    for (size_t j = 0; j < entries; j++)
        for (size_t w = 0; w < WORDS; w++) words[w] |= entry[WORDS * j + w] & tf_equal_mask(j, c);
    return tf_wide_of(words);
}

static tf_status at_once_pair(tf_call *call, int phase) {
    const tf_step_node *node = call->node;
    const powers_args *args = tf_args(powers_args, node);
    const unsigned segment = (unsigned)args->segment, log = (unsigned)args->log;
    const size_t entries = entries_of(node), bytes = tf_bytes_of(entry_bits(node));
    tf_for_blocks(call, at, count) {
        if (phase == 1) {
            tf_reshare_receive(call, at, count);
            continue;
        }
        const uint8_t *dealt = call->dealt + (at - call->part.span.begin) * entries * bytes;
        uint64_t part[TF_BLOCK], entry[WORDS * MOST_ENTRIES], room[TF_BLOCK];
        const uint64_t *c = block_of(call, 1 - call->part.own, at, count, room);
        for (size_t i = 0; i < count; i++) {
            const uint64_t x = c[i] + tf_mask(segment + log);
            unsigned whole;
            if (call->part.role == TF_LEFT) {
                entry_stream(call, at + i, entry);
            } else {
                memset(entry, 0, sizeof entry);
                for (size_t j = 0; j < entries; j++, dealt += bytes) memcpy(entry + WORDS * j, dealt, bytes);
            }
            const uint64_t power = power_fixed(x & tf_mask(segment), (uint64_t)args->rate, &whole);
            const tf_wide own = rounded(power, MANTISSA - OWN - whole),
                          product = entry_at(entry, entries, x >> segment & tf_mask(log)) * own;
            part[i] = (uint64_t)(product << (128 - entry_bits(node)) >> 64);
        }
        tf_reshare_send(call, reshare_at_once(node), at, count, part);
    }
    return TF_OK;
}

static const tf_step at_once_step = {.name = "powers_once",
                                     .summary = "2^(q x) for x <= 0, from a table of its own for each x",
                                     .elementwise = true,
                                     .reads_whole = tf_repeated_whole,
                                     .cost = at_once_cost,
                                     .shares_work = true,
                                     .solo = at_once_solo,
                                     .pair = at_once_pair};

double tf_powers_at_once_bytes(tf_powers_range range, unsigned ring) {
    return ldexp(tf_bytes_of(ring + DROP), (int)range) + 2 * tf_bytes_of(ring);
}

/* Builders -------------------------------------------------------------------------------------------------------- */

static tf_value powers(tf_program *p, const tf_step *step, tf_lowered below, double octaves, tf_powers_range range,
                       int frac, unsigned bits) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, below.x);
    const double bound = 1.001; /* what is rounded may come out above 1, and a ring that ends there cannot lift it */
    const unsigned least = tf_width(frac, bound), most = step == &powers_step ? 64 - DROP : 62;
    if (bits < least) bits = least;
    if (step == &powers_step) bits = (bits + DROP + 7) / 8 * 8 - DROP;
    if (type.frac < 0 || type.frac > 13 || !(octaves >= 0.7 && octaves <= 1.45) || bits > most)
        return tf_program_fail(
            p, tf_fail(TF_RANGE, "powers of 2^%g of %d fractional bits, to %d", octaves, type.frac, frac));
    powers_args args = {.segment = SEGMENT + type.frac, .log = range, .rate = llrint(ldexp(octaves, RATE - type.frac))};
    const unsigned cut = (unsigned)(args.segment + args.log);
    const bool rows = below.row >= 0;
    const tf_value in[] = {tf_lift(p, below.x, cut), rows ? tf_lift(p, below.row, cut) : -1};
    type = (tf_type){.shape = type.shape, .kind = TF_SHARE, .bits = bits, .frac = frac, .bound = bound, .zero = -1};
    tf_value v = tf_append_args(p, step, type, 1 + rows, in, &args, sizeof args);
    int top = 1 + (int)ceil((frac + MORE + 1) / (octaves * (1 << SEGMENT)));
    int64_t *data = tf_append_data(p, v, 2 * (size_t)top);
    if (!data) return -1;
    double unit = octaves * ldexp(1, (int)SEGMENT - (int)args.segment);
    for (int k = 0; k < top; k++) { /* 2^e = mantissa 2^-31 2^whole */
        double e = unit * (1 - ldexp(top - k, (int)args.segment)), whole = floor(e);
        data[k] = llrint(exp2(e - whole + 31));
        data[top + k] = MANTISSA + 31 - (frac + MORE) - (int64_t)whole;
        if (data[k] >> 32) data[k] /= 2, data[top + k]--;
    }
    return v;
}

tf_value tf_powers(tf_program *p, tf_lowered x, double octaves, tf_powers_range range, int frac, unsigned ring) {
    return powers(p, &powers_step, x, octaves, range, frac, ring);
}

tf_value tf_powers_at_once(tf_program *p, tf_lowered x, double octaves, tf_powers_range range, int frac,
                           unsigned ring) {
    return powers(p, &at_once_step, x, octaves, range, frac, ring);
}
