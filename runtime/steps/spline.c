/*
 * Any function of one variable as lines over segments: x in [-T, T) is shifted to X in [0, 2^m) and everyone cuts its
 * part into the segment's number, s high bits, and k low ones: c = ch 2^k + cl, v = vh 2^k + vl. The carry is left out:
 * with i = ch + vh mod 2^s and r = cl + vl in [0, 2^(k+1)), X = i 2^k + r holds all the same. So line i, A_i + B_i r,
 * serves for twice a segment, and the lowest segment of the window is lost.
 *
 * S sends R its half of the unit vector of vh (L's half is a stream of k_s), and L and R turn their halves by ch and
 * add up the A and the B that they select, one of them with a minus: all cancels but s A_i and s B_i, where the sign s
 * is known to S, who knows its streams. Both put cl in: P = A + B cl, Q = B. Then f = s (s P) + (s vl)(s Q), products
 * of what S knows with what L and R share: they swap P and Q masked, S deals shares of s, of s vl and of what the masks
 * contribute, and L and R reshare, dropping the spare bits before they send.
 *
 * What the receivers learn. R gets the unit vectors XOR a stream of k_s, and shares of S's factors less streams of k_s,
 * none of which it holds. L and R swap sums plus streams of k_s (from L) and k_(s+1) (from R), and parts of the result
 * less streams shared with S alone. All uniform to their receivers. tests/reference/few_rounds.py is its executable
 * reference.
 */
#include <math.h>
#include <string.h>

#include "runtime/kernels/unit_vector.h"
#include "runtime/steps/steps.h"

enum { VECTOR = 1, MASK_P, MASK_Q, SIGN, SLOPE, FIX, MU };              /* purposes */
enum { LEAST_LOG = 7, MOST_LOG = 8, MOST_WORDS = 1 << (MOST_LOG - 6) }; /* of segments; words of a unit vector */
enum {
    FACTORS = 3,
    WINDOW_FRAC = 12,
    SPARE = 8,
    CHUNK = 256
}; /* CHUNK: elements whose vectors stay in the nearest cache */

/** Low bits of x that are dropped, bits of a segment above these, the logarithm of how many segments there are, what is
 * added to c. Data: all A, then all B, with SPARE bits more than the result has, which are dropped in the end. */
typedef struct spline_args {
    int64_t drop, segment, log, offset;
} spline_args;

static const tf_reshare reshare = {MU, SPARE};

/** Bytes of an element of the ring in which lines are added up. */
static unsigned bytes_of(const tf_step_node *node) {
    return tf_bytes_of(node->type.bits + SPARE);
}

/** Words of a unit vector. */
static size_t words_of(const tf_step_node *node) {
    return (size_t)1 << (tf_args(spline_args, node)->log - 6);
}

static void spline_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 2;
    tf_traffic_deal(traffic, n, words_of(node) * 8 + FACTORS * bytes_of(node));
    tf_traffic_swap(traffic, 0, n, 2 * bytes_of(node));
    tf_traffic_swap(traffic, 1, n, tf_bytes_of(node->type.bits));
}

/** L and R keep P and Q, as this side has masked them, and their shares of S's factors. */
enum { KEPT_P, KEPT_Q, KEPT_FACTOR, KEPT = KEPT_FACTOR + FACTORS };

static size_t spline_state(const tf_program *program, const tf_step_node *node) {
    return KEPT * tf_shape_count(node->type.shape);
}

static uint64_t *kept(const tf_call *call, int which, size_t at) {
    return call->state + (size_t)which * tf_shape_count(call->node->type.shape) + at;
}

static void vector_stream(tf_call *call, size_t at, size_t count, uint64_t *out) {
    size_t words = words_of(call->node);
    tf_stream(call->party, call->part.own, call->index, VECTOR, at * words, out, count * words);
}

/** The two parts of c or v. */
static inline void cut(const spline_args *args, uint64_t x, uint64_t *high, uint64_t *low) {
    x >>= args->drop;
    *high = x >> args->segment & tf_mask((unsigned)args->log);
    *low = x & tf_mask((unsigned)args->segment);
}

TF_MULTIVERSION static tf_status spline_solo(tf_call *call) {
    const spline_args *args = tf_args(spline_args, call->node);
    unsigned bytes = bytes_of(call->node);
    int own = call->part.own;
    size_t n = tf_span_count(call->part.span), words = words_of(call->node);
    tf_for_blocks(call, at, count) {
        uint64_t unit[TF_BLOCK * MOST_WORDS], factor[FACTORS][TF_BLOCK], p[TF_BLOCK], q[TF_BLOCK], other[TF_BLOCK];
        size_t from = at - call->part.span.begin;
        vector_stream(call, at, count, unit);
        tf_element_stream(call, own, MASK_P, at, count, p);
        tf_element_stream(call, 1 - own, MASK_P, at, count, other);
        for (size_t i = 0; i < count; i++) p[i] += other[i];
        tf_element_stream(call, own, MASK_Q, at, count, q);
        tf_element_stream(call, 1 - own, MASK_Q, at, count, other);
        for (size_t i = 0; i < count; i++) {
            uint64_t high, low;
            cut(args, call->in[0].c[0][at + i] + call->in[0].c[1][at + i], &high, &low);
            factor[0][i] =
                tf_flip_bit(unit + i * words, words, high) * 2 - 1; /* where L has the bit, what it adds is left */
            factor[1][i] = factor[0][i] * low;
            factor[2][i] = factor[0][i] * p[i] + factor[1][i] * (q[i] + other[i]);
        }
        memcpy(call->message + from * words * 8, unit, count * words * 8);
        for (int k = 0; k < FACTORS; k++) {
            tf_element_stream(call, own, (unsigned)(SIGN + k), at, count, other);
            for (size_t i = 0; i < count; i++) factor[k][i] -= other[i];
            call->party->kernels->pack_bytes(factor[k], count, bytes,
                                             call->message + n * words * 8 + ((size_t)k * n + from) * bytes);
        }
        tf_reshare_solo(call, reshare, at, count);
    }
    return TF_OK;
}

/** Turns vectors upwards by `by`, bit by bit: no index or shift depends on it. Word w of vector i is unit[w][i]. */
static inline __attribute__((always_inline)) void turn(size_t words, uint64_t (*unit)[CHUNK], const uint64_t *by,
                                                       size_t count) {
    for (unsigned bit = 0; bit < 6; bit++)
        for (size_t i = 0; i < count; i++) {
            uint64_t take = -(by[i] >> bit & 1), last = unit[words - 1][i];
            for (size_t w = words; w-- > 0;) {
                uint64_t x = unit[w][i], below = w ? unit[w - 1][i] : last;
                unit[w][i] = x ^ ((x ^ (x << (1u << bit) | below >> (64 - (1u << bit)))) & take);
            }
        }
    for (size_t back = 1; back < words; back *= 2)
        for (size_t i = 0; i < count; i++) {
            uint64_t take = -(by[i] / 64 / back & 1), from[MOST_WORDS];
            for (size_t w = 0; w < words; w++) from[w] = unit[w][i];
            for (size_t w = 0; w < words; w++) unit[w][i] ^= (from[w] ^ from[(w - back) & (words - 1)]) & take;
        }
}

/** This side's share of the unit vectors, each turned by the segment's number in c, word by word. */
static inline __attribute__((always_inline)) void turned_vectors(tf_call *call, size_t words, size_t at, size_t count,
                                                                 const uint64_t *high, uint64_t (*unit)[CHUNK]) {
    uint64_t vector[CHUNK * MOST_WORDS];
    if (call->part.role == TF_LEFT)
        vector_stream(call, at, count, vector);
    else
        memcpy(vector, call->dealt + (at - call->part.span.begin) * words * 8, count * words * 8);
    for (size_t w = 0; w < words; w++)
        for (size_t i = 0; i < count; i++) unit[w][i] = vector[i * words + w];
    turn(words, unit, high, count);
}

/** P and Q of a chunk, this side's masks added. */
TF_MULTIVERSION static void open_chunk(tf_call *call, size_t at, size_t count, uint64_t *p, uint64_t *q) {
    const spline_args *args = tf_args(spline_args, call->node);
    const uint64_t *c = call->in[0].c[1 - call->part.own] + at;
    uint64_t unit[MOST_WORDS][CHUNK] = {{0}}, high[CHUNK], low[CHUNK], line[2][CHUNK], mask[2][CHUNK];
    uint64_t sign = call->part.role == TF_LEFT ? 1 : -(uint64_t)1;
    for (size_t i = 0; i < count; i++) cut(args, c[i] + (uint64_t)args->offset, &high[i], &low[i]);
    if (words_of(call->node) == 2)
        turned_vectors(call, 2, at, count, high, unit);
    else
        turned_vectors(call, MOST_WORDS, at, count, high, unit);
    call->party->kernels->sum_entries(call->node->data, 2, call->node->data_count / 2, unit[0], CHUNK, count, line[0]);
    tf_element_stream(call, call->part.own, MASK_P, at, count, mask[0]);
    tf_element_stream(call, call->part.own, MASK_Q, at, count, mask[1]);
    for (size_t i = 0; i < count; i++) {
        p[i] = sign * (line[0][i] + line[1][i] * low[i]) + mask[0][i];
        q[i] = sign * line[1][i] + mask[1][i];
    }
}

static void open_lines(tf_call *call, size_t at, size_t count, uint64_t *p, uint64_t *q) {
    for (size_t done = 0; done < count; done += CHUNK)
        open_chunk(call, at + done, count - done < CHUNK ? count - done : CHUNK, p + done, q + done);
}

static void take_factors(tf_call *call, size_t at, size_t count) {
    unsigned bytes = bytes_of(call->node);
    size_t n = tf_span_count(call->part.span), from = at - call->part.span.begin, words = words_of(call->node);
    for (int k = 0; k < FACTORS; k++) {
        uint64_t *factor = kept(call, KEPT_FACTOR + k, at);
        if (call->part.role == TF_LEFT)
            tf_element_stream(call, call->part.own, (unsigned)(SIGN + k), at, count, factor);
        else
            call->party->kernels->unpack_bytes(call->dealt + n * words * 8 + ((size_t)k * n + from) * bytes, count,
                                               bytes, factor);
    }
}

/** This side's part of the result, once P and Q are opened under both masks. */
TF_MULTIVERSION static void combine(tf_call *call, size_t at, size_t count, uint64_t *part) {
    unsigned bytes = bytes_of(call->node);
    size_t n = tf_span_count(call->part.span), from = at - call->part.span.begin;
    const uint64_t *p = kept(call, KEPT_P, at), *q = kept(call, KEPT_Q, at), *sign = kept(call, KEPT_FACTOR, at),
                   *slope = kept(call, KEPT_FACTOR + 1, at), *fix = kept(call, KEPT_FACTOR + 2, at);
    uint64_t other_p[TF_BLOCK], other_q[TF_BLOCK];
    call->party->kernels->unpack_bytes(call->received + from * bytes, count, bytes, other_p);
    call->party->kernels->unpack_bytes(call->received + (n + from) * bytes, count, bytes, other_q);
    for (size_t i = 0; i < count; i++)
        part[i] = sign[i] * (p[i] + other_p[i]) + slope[i] * (q[i] + other_q[i]) - fix[i];
}

static tf_status spline_pair(tf_call *call, int phase) {
    unsigned bytes = bytes_of(call->node);
    size_t n = tf_span_count(call->part.span);
    tf_for_blocks(call, at, count) {
        size_t from = at - call->part.span.begin;
        uint64_t part[TF_BLOCK];
        if (phase == 0) {
            take_factors(call, at, count);
            open_lines(call, at, count, kept(call, KEPT_P, at), kept(call, KEPT_Q, at));
            call->party->kernels->pack_bytes(kept(call, KEPT_P, at), count, bytes, call->message + from * bytes);
            call->party->kernels->pack_bytes(kept(call, KEPT_Q, at), count, bytes, call->message + (n + from) * bytes);
        } else if (phase == 1) {
            combine(call, at, count, part);
            tf_reshare_send(call, reshare, at, count, part);
        } else {
            tf_reshare_receive(call, at, count);
        }
    }
    return TF_OK;
}

static const tf_step spline_step = {.name = "spline",
                                    .summary = "a function of one variable, as lines over segments",
                                    .elementwise = true,
                                    .cost = spline_cost,
                                    .state = spline_state,
                                    .shares_work = true,
                                    .solo = spline_solo,
                                    .pair = spline_pair};

/** The line a + b r on 0 <= r <= width for f(from + r): the chord, moved so that it is right in the mean. r, the sum of
 *  two low parts one of which is uniform, is near the middle more often than near the ends. */
static void line(tf_function *f, double from, double width, double *a, double *b) {
    enum { SAMPLES = 64 };
    double sum = 0, weights = 0, first = f(from);
    *b = (f(from + width) - first) / width;
    for (int i = 1; i < SAMPLES; i++) {
        double r = width * i / SAMPLES, weight = i < SAMPLES / 2 ? i : SAMPLES - i;
        sum += weight * (f(from + r) - first - *b * r);
        weights += weight;
    }
    *a = first + sum / weights;
}

tf_value tf_spline(tf_program *p, tf_value a, tf_function *f, tf_window window, tf_result result) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    int drop = type.frac > WINDOW_FRAC ? type.frac - WINDOW_FRAC : 0, unit = type.frac - drop, end;
    bool power = frexp(window.end, &end) == 0.5;
    int segment = end-- + unit - window.log; /* bits of a segment: 2 end / 2^log */
    if (!power || window.log < LEAST_LOG || window.log > MOST_LOG || segment < 1)
        return tf_program_fail(p, tf_fail(TF_INVALID, "a spline of 2^%d segments on +-%g", window.log, window.end));
    a = tf_lift(p, a, (unsigned)(drop + segment + window.log));
    type = (tf_type){.shape = type.shape,
                     .kind = TF_SHARE,
                     .bits = tf_width(result.frac, result.bound),
                     .frac = result.frac,
                     .bound = result.bound,
                     .zero = -1};
    if (type.bits + SPARE > 64)
        return tf_program_fail(p, tf_fail(TF_RANGE, "a spline in a ring of %u bits", type.bits + SPARE));
    /* what is dropped lowers both parts by half a unit in the mean */
    spline_args args = {drop, segment, window.log, (INT64_C(1) << (end + unit + drop)) + (INT64_C(1) << drop) - 1};
    size_t segments = (size_t)1 << window.log;
    tf_value v = tf_append_args(p, &spline_step, type, 1, &a, &args, sizeof args);
    const struct {
        tf_function *f;
        double end;
        int64_t log, unit, frac;
    } facts = {f, window.end, window.log, unit, type.frac};
    bool known;
    int64_t *data = tf_append_fit(p, v, 2 * segments, &facts, sizeof facts, &known);
    if (!data) return -1;
    for (size_t i = 0; i < segments && !known; i++) {
        double c[2], width = 2 * window.end / (double)segments;
        line(f, (double)i * width - window.end, 2 * width, &c[0], &c[1]);
        data[i] = llrint(ldexp(c[0], type.frac + SPARE));
        data[segments + i] = llrint(ldexp(c[1], type.frac + SPARE - unit));
    }
    return v;
}
