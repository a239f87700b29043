/*
 * Any function of one variable as lines over segments: x in [-T, T) is shifted to X in [0, 2^m) and everyone cuts its
 * part into the segment's number, s high bits, and k low ones: c = ch 2^k + cl, v = vh 2^k + vl. The carry is left out:
 * with i = ch + vh mod 2^s and r = cl + vl in [0, 2^(k+1)), X = i 2^k + r holds all the same; the lowest segment of the
 * window is lost. Both L and R know cl, so the line that they take reaches over one segment alone, the one that begins
 * at i 2^k + cl: with t = cl - 2^(k-1) and w = vl - 2^(k-1), counted from the middle of both, f = P + Q w with P = A_i
 * + B_i t + C_i t^2 and Q = B_i + 2 C_i t.
 *
 * S sends R its half of the unit vector of vh (L's half is a stream of k_s), and L and R turn their halves by ch and
 * add up the A, the B and the C that they select, one of them with a minus: all cancels but s A_i, s B_i and s C_i,
 * where the sign s is known to S, who knows its streams. Sums of B and C are whole numbers that do not wrap, so that
 * each side can put t in and round by itself. Then f = s (s P) + (s w)(s Q), products of what S knows with what L and R
 * share: they swap P and Q masked, S deals shares of s, of s w and of what the masks contribute, and L and R reshare,
 * dropping the spare bits before they send.
 *
 * What the receivers learn. R gets the unit vectors XOR a stream of k_s, and shares of S's factors less streams of k_s,
 * none of which it holds. L and R swap sums plus streams of k_s (from L) and k_(s+1) (from R), and parts of the result
 * less streams shared with S alone. All uniform to their receivers. tests/reference/few_rounds.py is its executable
 * reference.
 */
#include <math.h>
#include <string.h>

#include "runtime/steps/steps.h"

enum { VECTOR = 1, MASK_P, MASK_Q, SIGN, SLOPE, FIX, MU };                              /* purposes */
enum { LEAST_LOG = 7, MOST_LOG = 8, WORD_BITS = 32, MOST_WORDS = 1 << (MOST_LOG - 5) }; /* of a unit vector */
enum { FACTORS = 3, WINDOW_FRAC = 16, OWN_FRAC = 14, SPARE = 8, DIGIT_BITS = 24, MOST_DIGITS = 3 };
/* Fractional bits of B and of C, and what is above all of them. */
enum { LINE_FRAC = 19, MOST_SLOPE = 8, MOST_END = 64 };
enum { LEAST_VECTOR = 1 << (LEAST_LOG - 3) }; /* bytes */
enum { CHUNK = 1024, FEW = 256 };             /* elements whose vectors stay in the nearest cache */

/** Low bits of x that are dropped, bits of a segment above these, the logarithm of how many segments there are, what is
 * added to c; the fractional bits of t and how many w, P and Q lose. Data: all A, with SPARE bits more than the
 * result has, which are dropped in the end, in digits, all of one digit's after those of the one before; then all B and
 * all C, signed. */
typedef struct spline_args {
    int64_t drop, segment, log, offset, unit, own, point, slope;
} spline_args;

static const tf_reshare reshare = {MU, SPARE};

/** Bytes of an element of the ring in which lines are added up. */
static unsigned bytes_of(const tf_step_node *node) {
    return tf_bytes_of(node->type.bits + SPARE);
}

/** Digits of the ring's elements, so small that the sum of all segments' fits a word of 32 bits; or one, mod 2^32. */
static size_t digits_of(unsigned bits) {
    return bits <= WORD_BITS ? 1 : (bits + DIGIT_BITS - 1) / DIGIT_BITS;
}

/** Words of a unit vector. */
static size_t words_of(const tf_step_node *node) {
    return (size_t)1 << (tf_args(spline_args, node)->log - 5);
}

static size_t vector_bytes(const tf_step_node *node) {
    return words_of(node) * sizeof(uint32_t);
}

static void spline_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 2;
    tf_traffic_deal(traffic, n, vector_bytes(node) + FACTORS * bytes_of(node));
    tf_traffic_swap(traffic, 0, n, 2 * bytes_of(node));
    tf_traffic_swap(traffic, 1, n, tf_bytes_of(node->type.bits));
}

static bool is_narrow(const tf_step_node *node) {
    return tf_is_narrow(bytes_of(node));
}

static void ring_stream(tf_call *call, int which, unsigned purpose, size_t at, size_t count, tf_ring *out) {
    tf_ring_stream(call, which, purpose, bytes_of(call->node), at, count, out);
}

/** L and R keep P and Q, as this side has masked them; R its shares of S's factors, which are L's streams. */
enum { KEPT_P, KEPT_Q, KEPT_FACTOR, KEPT = KEPT_FACTOR + FACTORS };

/** Words of state that so many elements of the ring take. */
static size_t words_of_elements(const tf_step_node *node, size_t n) {
    return is_narrow(node) ? (n + 1) / 2 : n;
}

static size_t spline_state(const tf_program *program, const tf_step_node *node) {
    return KEPT * words_of_elements(node, tf_shape_count(node->type.shape));
}

static tf_ring *kept(const tf_call *call, int which, size_t at) {
    size_t all = words_of_elements(call->node, tf_shape_count(call->node->type.shape));
    return (tf_ring *)(call->state + (size_t)which * all + words_of_elements(call->node, at));
}

/* S ---------------------------------------------------------------------------------------------------------------- */

static void vector_stream(tf_call *call, size_t at, size_t count, uint64_t *out) {
    size_t words = vector_bytes(call->node) / sizeof *out;
    tf_stream(call->party, call->part.own, call->index, VECTOR, at * words, out, count * words);
}

/** The two parts of c or v. */
static inline void cut(const spline_args *args, uint64_t x, uint32_t *high, uint32_t *low) {
    x >>= args->drop;
    *high = (uint32_t)(x >> args->segment & tf_mask((unsigned)args->log));
    *low = (uint32_t)(x & tf_mask((unsigned)args->segment));
}

/** x without `bits` low bits, rounded. */
static inline int64_t rounded(int64_t x, int64_t bits) {
    return (x + ((INT64_C(1) << bits) >> 1)) >> bits;
}

typedef uint64_t pairs __attribute__((vector_size(64))); /* of words of a unit vector */
enum { PAIRS = sizeof(pairs) / sizeof(uint64_t) };

/** Flips the bits at the high parts of v of FEW elements at most, and tells what they were, and w, of the low parts. */
static inline __attribute__((always_inline)) void flip_bits(spline_args args, size_t words, size_t n, const uint64_t *x,
                                                            const uint64_t *y, uint64_t *unit, uint32_t *bit,
                                                            int32_t *own) {
    const int64_t half = INT64_C(1) << (args.segment - 1);
    _Alignas(pairs) uint64_t at[FEW * MOST_WORDS / 2], was[FEW * MOST_WORDS / 2];
    for (size_t i = 0; i < n; i++) {
        uint32_t high, low;
        cut(&args, x[i] + y[i], &high, &low);
        own[i] = (int32_t)rounded((int64_t)low - half, args.own);
        for (size_t w = 0; w < words; w++) at[i * words + w] = high - 64 * (uint64_t)w;
    }
    for (size_t j = 0; j < n * words; j += PAIRS) {
        pairs here = *(pairs *)(at + j), flip = (pairs)(here < 64) & ((pairs){0} + 1) << (here & 63);
        *(pairs *)(was + j) = *(pairs *)(unit + j) & flip;
        *(pairs *)(unit + j) ^= flip;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t any = 0;
        for (size_t w = 0; w < words; w++) any |= was[i * words + w];
        bit[i] = any != 0;
    }
}

/** The factors of a block from w, from L's bits at the high ones, which tell the sign (where L has the
 *  bit, what it adds is left), and from both masks of P and of Q. */
static inline __attribute__((always_inline)) void make_factors(bool narrow, size_t count, const uint32_t *bit,
                                                               const int32_t *w, const tf_ring *p, const tf_ring *q,
                                                               tf_ring factor[FACTORS]) {
    for (size_t i = 0; i < count; i++) {
        uint64_t sign = (uint64_t)bit[i] * 2 - 1, slope = sign * (uint64_t)w[i];
        tf_ring_put(&factor[0], narrow, i, sign);
        tf_ring_put(&factor[1], narrow, i, slope);
        tf_ring_put(&factor[2], narrow, i,
                    sign * (tf_ring_get(&p[0], narrow, i) + tf_ring_get(&p[1], narrow, i)) +
                        slope * (tf_ring_get(&q[0], narrow, i) + tf_ring_get(&q[1], narrow, i)));
    }
}

static inline __attribute__((always_inline)) void less_stream(bool narrow, size_t count, const tf_ring *stream,
                                                              tf_ring *r) {
    for (size_t i = 0; i < count; i++)
        tf_ring_put(r, narrow, i, tf_ring_get(r, narrow, i) - tf_ring_get(stream, narrow, i));
}

TF_MULTIVERSION static void solo_block(tf_call *call, size_t at, size_t count) {
    const spline_args *args = tf_args(spline_args, call->node);
    const uint64_t *x = call->in[0].c[0] + at, *y = call->in[0].c[1] + at;
    const bool narrow = is_narrow(call->node);
    size_t n = tf_span_count(call->part.span), from = at - call->part.span.begin, vector = vector_bytes(call->node);
    _Alignas(pairs) uint64_t unit[FEW * MOST_WORDS / 2];
    uint32_t bit[TF_BLOCK];
    int32_t w[TF_BLOCK];
    tf_ring factor[FACTORS], p[2], q[2];
    tf_fetch_words(x), tf_fetch_words(y);
    for (size_t i = 0; i < count; i += FEW) {
        const size_t few = count - i < FEW ? count - i : FEW;
        vector_stream(call, at + i, few, unit);
        if (vector == LEAST_VECTOR) /* a constant, for which the compiler finds vectors */
            flip_bits(*args, LEAST_VECTOR / 8, few, x + i, y + i, unit, bit + i, w + i);
        else
            flip_bits(*args, 2 * LEAST_VECTOR / 8, few, x + i, y + i, unit, bit + i, w + i);
        memcpy(call->message + (from + i) * vector, unit, few * vector);
    }
    for (int j = 0; j < 2; j++) {
        ring_stream(call, j, MASK_P, at, count, &p[j]);
        ring_stream(call, j, MASK_Q, at, count, &q[j]);
    }
    if (narrow)
        make_factors(true, count, bit, w, p, q, factor);
    else
        make_factors(false, count, bit, w, p, q, factor);
    for (int k = 0; k < FACTORS; k++) {
        tf_ring *stream = &p[0];
        ring_stream(call, call->part.own, (unsigned)(SIGN + k), at, count, stream);
        if (narrow)
            less_stream(true, count, stream, &factor[k]);
        else
            less_stream(false, count, stream, &factor[k]);
        tf_ring_pack(call, &factor[k], count, bytes_of(call->node),
                     call->message + n * vector + ((size_t)k * n + from) * bytes_of(call->node));
    }
    tf_reshare_solo(call, reshare, at, count);
}

static tf_status spline_solo(tf_call *call) {
    tf_for_blocks(call, at, count) solo_block(call, at, count);
    return TF_OK;
}

/* L and R ---------------------------------------------------------------------------------------------------------- */

typedef uint32_t lanes __attribute__((vector_size(64)));
typedef uint32_t vector_word __attribute__((aligned(1), may_alias)); /* of unit vectors, in a message */
enum { LANES = sizeof(lanes) / sizeof(uint32_t) };

/** This side's share of the unit vectors, each turned upwards by `by`, word by word: word w of vector i is unit[w][i].
 *  No index depends on `by`. */
static inline __attribute__((always_inline)) void turn(size_t words, const vector_word *vector, const uint32_t *by,
                                                       size_t count, uint32_t (*unit)[CHUNK]) {
    for (size_t w = 0; w < words; w++)
        for (size_t i = 0; i < count; i++) unit[w][i] = vector[i * words + w];
    for (size_t i = 0; i < count; i += LANES) {
        lanes x[MOST_WORDS], from[MOST_WORDS], turns = *(const lanes *)(by + i), shift = turns & (WORD_BITS - 1);
        for (size_t w = 0; w < words; w++) x[w] = *(const lanes *)(unit[w] + i);
        turns /= WORD_BITS;
        for (size_t back = 1; back < words; back *= 2, turns >>= 1) {
            memcpy(from, x, sizeof x);
            for (size_t w = 0; w < words; w++) x[w] ^= (from[w] ^ from[(w - back) & (words - 1)]) & -(turns & 1);
        }
        for (size_t w = 0; w < words; w++)
            *(lanes *)(unit[w] + i) = x[w] << shift | x[(w - 1) & (words - 1)] >> 1 >> (WORD_BITS - 1 - shift);
    }
}

/** P and Q of a chunk from what was added up of A's digits, of B and of C, this side's masks added in place. */
static inline __attribute__((always_inline)) void mask_lines(bool narrow, size_t digits, size_t count,
                                                             const spline_args *args, const uint32_t (*sum)[CHUNK],
                                                             const uint32_t *low, uint64_t sign, size_t at, tf_ring *p,
                                                             tf_ring *q) {
    const int64_t half = INT64_C(1) << (args->segment - 1), unit = INT64_C(1) << args->unit;
    for (size_t i = 0; i < count; i++) {
        uint64_t a = sum[0][i];
        for (size_t d = 1; d < digits; d++) a += (uint64_t)sum[d][i] << d * DIGIT_BITS;
        int64_t t = (int64_t)low[i] - half, b = (int32_t)sum[digits][i] * unit, bend = (int32_t)sum[digits + 1][i] * t;
        tf_ring_put(p, narrow, at + i,
                    tf_ring_get(p, narrow, at + i) + sign * (a + (uint64_t)rounded((b + bend) * t, args->point)));
        tf_ring_put(q, narrow, at + i,
                    tf_ring_get(q, narrow, at + i) + sign * (uint64_t)rounded(b + 2 * bend, args->slope));
    }
}

/** Adds P and Q of elements [done, done + count) of a block to their masks. */
TF_MULTIVERSION static void open_chunk(tf_call *call, size_t at, size_t done, size_t count, const uint32_t *table,
                                       tf_ring *p, tf_ring *q) {
    const spline_args *args = tf_args(spline_args, call->node);
    const uint64_t *c = call->in[0].c[1 - call->part.own] + at + done;
    size_t entries = (size_t)1 << args->log, digits = call->node->data_count / entries - 2;
    size_t vector = vector_bytes(call->node);
    uint64_t stream[CHUNK * MOST_WORDS / 2];
    _Alignas(lanes) uint32_t unit[MOST_WORDS][CHUNK], high[CHUNK];
    uint32_t low[CHUNK], sum[MOST_DIGITS + 2][CHUNK];
    uint64_t sign = call->part.role == TF_LEFT ? 1 : -(uint64_t)1;
    if (call->part.role == TF_LEFT) vector_stream(call, at + done, count, stream);
    const void *share =
        call->part.role == TF_LEFT ? (const void *)stream : call->dealt + (at + done - call->part.span.begin) * vector;
    for (size_t i = 0; i < count; i++) cut(args, c[i] + (uint64_t)args->offset, &high[i], &low[i]);
    if (words_of(call->node) == MOST_WORDS)
        turn(MOST_WORDS, share, high, count, unit);
    else
        turn(MOST_WORDS / 2, share, high, count, unit);
    call->party->kernels->sum_entries(table, digits + 2, entries, unit[0], CHUNK, count, sum[0]);
    if (is_narrow(call->node))
        mask_lines(true, 1, count, args, sum, low, sign, done, p, q);
    else
        mask_lines(false, digits, count, args, sum, low, sign, done, p, q);
}

/** P and Q of a block, this side's masks added, to be kept and swapped. */
static void open_lines(tf_call *call, size_t at, size_t count) {
    unsigned bytes = bytes_of(call->node);
    size_t n = tf_span_count(call->part.span), from = at - call->part.span.begin;
    tf_ring *p = kept(call, KEPT_P, at), *q = kept(call, KEPT_Q, at);
    uint32_t table[(MOST_DIGITS + 2) << MOST_LOG];
    for (size_t j = 0; j < call->node->data_count; j++) table[j] = (uint32_t)call->node->data[j];
    tf_fetch_words(call->in[0].c[1 - call->part.own] + at);
    ring_stream(call, call->part.own, MASK_P, at, count, p);
    ring_stream(call, call->part.own, MASK_Q, at, count, q);
    for (size_t done = 0; done < count; done += CHUNK)
        open_chunk(call, at, done, count - done < CHUNK ? count - done : CHUNK, table, p, q);
    tf_ring_pack(call, p, count, bytes, call->message + from * bytes);
    tf_ring_pack(call, q, count, bytes, call->message + (n + from) * bytes);
}

/** R: its shares of S's factors. */
static void take_factors(tf_call *call, size_t at, size_t count) {
    unsigned bytes = bytes_of(call->node);
    size_t n = tf_span_count(call->part.span), from = at - call->part.span.begin,
           vectors = n * vector_bytes(call->node);
    for (int k = 0; k < FACTORS; k++)
        tf_ring_unpack(call, call->dealt + vectors + ((size_t)k * n + from) * bytes, count, bytes,
                       kept(call, KEPT_FACTOR + k, at));
}

static inline __attribute__((always_inline)) void add_products(bool narrow, size_t count, const tf_ring *p,
                                                               const tf_ring *q, const tf_ring *other_p,
                                                               const tf_ring *other_q,
                                                               const tf_ring *const factor[FACTORS], uint64_t *part) {
    for (size_t i = 0; i < count; i++) {
        uint64_t x = tf_ring_get(factor[0], narrow, i) * (tf_ring_get(p, narrow, i) + tf_ring_get(other_p, narrow, i)) +
                     tf_ring_get(factor[1], narrow, i) * (tf_ring_get(q, narrow, i) + tf_ring_get(other_q, narrow, i)) -
                     tf_ring_get(factor[2], narrow, i);
        part[i] = narrow ? (uint32_t)x : x;
    }
}

/** This side's part of the result, once P and Q are opened under both masks. */
TF_MULTIVERSION static void combine(tf_call *call, size_t at, size_t count, uint64_t *part) {
    unsigned bytes = bytes_of(call->node);
    size_t n = tf_span_count(call->part.span), from = at - call->part.span.begin;
    const tf_ring *p = kept(call, KEPT_P, at), *q = kept(call, KEPT_Q, at), *factor[FACTORS];
    tf_fetch_words(p->wide), tf_fetch_words(q->wide);
    tf_ring other_p, other_q, stream[FACTORS];
    tf_ring_unpack(call, call->received + from * bytes, count, bytes, &other_p);
    tf_ring_unpack(call, call->received + (n + from) * bytes, count, bytes, &other_q);
    for (int k = 0; k < FACTORS; k++) {
        factor[k] = call->part.role == TF_LEFT ? &stream[k] : kept(call, KEPT_FACTOR + k, at);
        if (call->part.role == TF_LEFT) ring_stream(call, call->part.own, (unsigned)(SIGN + k), at, count, &stream[k]);
    }
    if (is_narrow(call->node))
        add_products(true, count, p, q, &other_p, &other_q, factor, part);
    else
        add_products(false, count, p, q, &other_p, &other_q, factor, part);
}

static tf_status spline_pair(tf_call *call, int phase) {
    tf_for_blocks(call, at, count) {
        uint64_t part[TF_BLOCK];
        if (phase == 0) {
            if (call->part.role == TF_RIGHT) take_factors(call, at, count);
            open_lines(call, at, count);
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

/** A, B and C around x: the quadratic in t, |t| <= half, of the mean of f from x + t - half to x + t + half, which
 * lines of such a length must have in the middle to be right in the mean. */
static void bend(tf_function *f, double x, double half, double c[3]) {
    const double root = half * sqrt(0.75); /* Chebyshev points */
    double y[3];
    for (int k = 0; k < 3; k++) {
        double at = x + (k - 1) * root;
        y[k] = (f(at - half) + 4 * f(at) + f(at + half)) / 6; /* Simpson's rule */
    }
    c[0] = y[1];
    c[1] = (y[2] - y[0]) / (2 * root);
    c[2] = (y[2] + y[0] - 2 * y[1]) / (2 * root * root);
}

static void put_digits(int64_t x, size_t digits, size_t segments, int64_t *data) {
    for (size_t d = 0; d < digits; d++)
        data[d * segments] = (int64_t)((uint64_t)x >> d * DIGIT_BITS & tf_mask(digits > 1 ? DIGIT_BITS : WORD_BITS));
}

/** The data of the spline v; whether it could be made. */
static bool put_lines(tf_program *p, tf_value v, tf_function *f, tf_window window) {
    const tf_type *type = tf_type_of(p, v);
    const size_t segments = (size_t)1 << window.log, digits = digits_of(type->bits + SPARE);
    const double width = 2 * window.end / (double)segments;
    const struct {
        tf_function *f;
        double end;
        int64_t log, frac, digits;
    } facts = {f, window.end, window.log, type->frac, (int64_t)digits};
    const int frac = type->frac + SPARE;
    bool known;
    int64_t *data = tf_append_fit(p, v, (digits + 2) * segments, &facts, sizeof facts, &known);
    for (size_t i = 0; data && i < segments && !known; i++) {
        double c[3];
        bend(f, (double)(i + 1) * width - window.end, width / 2, c);
        if (!(fabs(c[1]) < MOST_SLOPE))
            return tf_program_fail(p, tf_fail(TF_RANGE, "a spline with a slope of %g; below %d is possible", c[1],
                                              MOST_SLOPE)) >= 0;
        c[2] = fmax(fmin(c[2], MOST_SLOPE / 2), -MOST_SLOPE / 2); /* where there is a kink */
        put_digits(llrint(ldexp(c[0], frac)), digits, segments, data + i);
        for (size_t k = 0; k < 2; k++)
            data[(digits + k) * segments + i] = (int64_t)(uint32_t)llrint(ldexp(c[1 + k], LINE_FRAC));
    }
    return data != NULL;
}

tf_value tf_spline(tf_program *p, tf_value a, tf_function *f, tf_window window, tf_result result) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    int drop = type.frac > WINDOW_FRAC ? type.frac - WINDOW_FRAC : 0, unit = type.frac - drop, end;
    bool power = frexp(window.end, &end) == 0.5;
    int segment = end-- + unit - window.log; /* bits of a segment: 2 end / 2^log */
    if (!power || window.end > MOST_END || window.log < LEAST_LOG || window.log > MOST_LOG || segment < 1)
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
    const int own = unit > OWN_FRAC ? unit - OWN_FRAC : 0, point = type.frac + SPARE;
    /* what is dropped lowers both parts by half a unit in the mean */
    spline_args args = {.drop = drop,
                        .segment = segment,
                        .log = window.log,
                        .offset = (INT64_C(1) << (end + unit + drop)) + (INT64_C(1) << drop) - 1,
                        .unit = unit,
                        .own = own,
                        .point = LINE_FRAC + 2 * unit - point,
                        .slope = LINE_FRAC + 2 * unit - own - point};
    if (args.slope < 0) return tf_program_fail(p, tf_fail(TF_RANGE, "a spline from %d to %d bits", unit, point));
    tf_value v = tf_append_args(p, &spline_step, type, 1, &a, &args, sizeof args);
    return put_lines(p, v, f, window) ? v : -1;
}
