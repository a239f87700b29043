/*
 * The split bits [x < t_j] for many public thresholds, as in thresholds.c, in one exchange: for what occurs once per
 * row, where a round is worth more bytes.
 *
 * x - t_j = c' - t_j + v, c' known to L and R, v to S, all mod 2^(w+1), and its sign is the top bits and the carry from
 * below. With s = t_j - c' - 1, of which L and R know all bits, there is no carry where v <= s, of w bits each. So S
 * makes keys of a comparison with v (party/bit_key.h), whose roots are streams that it shares with L and with R, and
 * each of them finds its share of [v <= s] for any s, alone, where unit vectors and ANDs take an exchange more. The
 * results are opened under rho.
 *
 * Of a threshold those low bits are not looked at that are worth less than a 64th of its interval.
 *
 * What the receivers learn. L and R receive the keys' body, which is uniform to one who does not know the other's root:
 * R does not hold k_s, nor L k_(s+1). They open XOR shares masked by streams that the other does not hold.
 */
#include <math.h>
#include <string.h>

#include "net/base/secret.h"
#include "runtime/party/bit_key.h"
#include "runtime/steps/steps.h"

enum { ROOT = 1, OPEN }; /* purposes */
enum { MOST_WORDS = 2 * (TF_BIT_KEY_MOST - TF_BIT_KEY_LEAF + 1) };

/** The lowest bit that counts, how many do. Data, for each threshold, the largest first: itself in units of the lowest
 *  bit, and how many bits more are not looked at. */
typedef struct keys_args {
    int64_t low, width;
} keys_args;
enum { THRESHOLD, SPARE, ENTRY };

static size_t body_words(const tf_step_node *node) {
    return tf_bit_key_words((unsigned)tf_args(keys_args, node)->width);
}

static void keys_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    const size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    traffic->both = true;
    tf_traffic_deal(traffic, n, body_words(node) * sizeof(uint64_t));
    for (int k = 0; k < TF_PARTS; k++)
        traffic->swapped[0][k] = node->type.bits * tf_words(tf_span_count(tf_part_span(n, program->cut, k))) * 8;
}

static size_t keys_state(const tf_program *program, const tf_step_node *node) {
    return node->type.bits * tf_words(tf_shape_count(node->type.shape));
}

/** Where the part's words of plane j are, of planes as the result has them. */
static size_t place_of(const tf_call *call, size_t j) {
    return j * tf_words(tf_shape_count(call->node->type.shape)) + call->part.span.begin / 64;
}

static void roots(tf_call *call, int which, size_t at, size_t count, uint64_t *root) {
    tf_stream(call->party, which, call->index, ROOT, 2 * at, root, 2 * count);
}

/** The part's words of the stream that masks plane j; at most `words`, which is a block's. */
enum { PLANE_WORDS = 512 };
static void mask_words(tf_call *call, int which, size_t j, size_t at, size_t words, uint64_t *out) {
    tf_stream(call->party, which, call->index, OPEN, place_of(call, j) + at, out, words);
}

/** Walks the words of the part's planes, some at a time. */
#define FOR_WORDS(call, j, at, count)                                                                                  \
    for (size_t j = 0, words_ = tf_words(tf_span_count((call)->part.span)); j < (call)->node->type.bits; j++)          \
        for (size_t at = 0, count; at < words_ && (count = words_ - at < PLANE_WORDS ? words_ - at : PLANE_WORDS, 1);  \
             at += count)

static tf_status keys_solo(tf_call *call) {
    const keys_args *args = tf_args(keys_args, call->node);
    const unsigned low = (unsigned)args->low, width = (unsigned)args->width;
    const size_t bytes = body_words(call->node) * sizeof(uint64_t), rows = tf_span_count(call->part.span);
    const int own = call->part.own;
    uint64_t *top = tf_secret_alloc((tf_words(rows) + 1) * 8);
    if (!top) return tf_fail(TF_NOMEM, "no memory for %zu rows", rows);
    memset(top, 0, tf_words(rows) * 8);
    tf_for_blocks(call, at, count) {
        const uint64_t *x = call->in[0].c[0] + at, *y = call->in[0].c[1] + at;
        const size_t first = at - call->part.span.begin;
        uint64_t root[2][2 * TF_BLOCK], body[MOST_WORDS];
        roots(call, own, at, count, root[0]);
        roots(call, 1 - own, at, count, root[1]);
        for (size_t i = 0; i < count; i++) {
            const uint64_t v = (x[i] + y[i]) >> low;
            call->party->broken |=
                !tf_bit_key_make(call->party->hash, root[0] + 2 * i, root[1] + 2 * i, width, v & tf_mask(width), body);
            memcpy(call->message + (first + i) * bytes, body, bytes);
            top[(first + i) / 64] |= (v >> width & 1) << ((first + i) & 63);
        }
    }
    FOR_WORDS(call, j, at, count) {
        uint64_t *rho = call->out.bit + place_of(call, j) + at, other[PLANE_WORDS];
        mask_words(call, own, j, at, count, rho);
        mask_words(call, 1 - own, j, at, count, other);
        for (size_t w = 0; w < count; w++) rho[w] ^= other[w] ^ top[at + w];
    }
    tf_secret_free(top, (tf_words(rows) + 1) * 8);
    return TF_OK;
}

/** Puts this side's shares of a row's bits into the state's planes. */
static void compare_row(tf_call *call, const tf_comparison_point *point, const uint64_t *root, const uint64_t *body,
                        size_t row) {
    const keys_args *args = tf_args(keys_args, call->node);
    const unsigned low = (unsigned)args->low, width = (unsigned)args->width;
    const size_t count = call->node->type.bits, at = row - call->part.span.begin;
    const uint64_t half = low ? UINT64_C(1) << (low - 1) : 0,
                   base = ~((call->in[0].c[1 - call->part.own][row] + half) >> low), left = call->part.role == TF_LEFT;
    uint8_t share[TF_KEY_POINTS];
    call->party->broken |=
        !tf_bit_key_at(call->party->hash, !left, root, width, body, base & tf_mask(width), count, point, share);
    for (size_t j = 0; j < count; j++) {
        const uint64_t bit = share[count - 1 - j] ^ ((base + point[count - 1 - j].offset) >> width & left);
        call->state[place_of(call, j) + at / 64] |= bit << (at & 63);
    }
}

static void compare_rows(tf_call *call) {
    const size_t words = body_words(call->node), count = call->node->type.bits;
    tf_comparison_point point[TF_KEY_POINTS];
    for (size_t j = 0; j < count; j++) {
        const int64_t *entry = call->node->data + j * ENTRY;
        point[j] = (tf_comparison_point){(uint64_t)entry[THRESHOLD], (unsigned)entry[SPARE]};
    }
    FOR_WORDS(call, j, at, n) memset(call->state + place_of(call, j) + at, 0, n * 8);
    tf_for_blocks(call, at, block) {
        const uint8_t *dealt = call->dealt + (at - call->part.span.begin) * words * sizeof(uint64_t);
        uint64_t root[2 * TF_BLOCK], body[MOST_WORDS];
        roots(call, call->part.own, at, block, root);
        for (size_t i = 0; i < block; i++, dealt += words * sizeof(uint64_t)) {
            memcpy(body, dealt, words * sizeof(uint64_t));
            compare_row(call, point, root + 2 * i, body, at + i);
        }
    }
}

static tf_status keys_pair(tf_call *call, int phase) {
    const size_t plane = tf_words(tf_span_count(call->part.span));
    if (phase == 0) compare_rows(call);
    FOR_WORDS(call, j, at, count) {
        const uint64_t *share = call->state + place_of(call, j) + at;
        uint64_t masked[PLANE_WORDS], received[PLANE_WORDS];
        mask_words(call, call->part.own, j, at, count, masked);
        for (size_t w = 0; w < count; w++) masked[w] ^= share[w];
        if (phase == 0) {
            memcpy(call->message + (j * plane + at) * 8, masked, count * 8);
            continue;
        }
        uint64_t *delta = call->out.bit + place_of(call, j) + at;
        memcpy(received, call->received + (j * plane + at) * 8, count * 8);
        for (size_t w = 0; w < count; w++) delta[w] = masked[w] ^ received[w];
    }
    return TF_OK;
}

static const tf_step keys_step = {.name = "threshold_keys",
                                  .summary = "comparisons of a value with many public thresholds in one exchange",
                                  .elementwise = true,
                                  .cost = keys_cost,
                                  .state = keys_state,
                                  .solo = keys_solo,
                                  .pair = keys_pair};

/** Low bits of threshold j that are worth less than a 64th of the shorter interval at its sides. */
static unsigned spare_bits(const double *threshold, size_t count, size_t j, int point) {
    double shorter = INFINITY;
    if (j > 0) shorter = threshold[j] - threshold[j - 1];
    if (j + 1 < count) shorter = fmin(shorter, threshold[j + 1] - threshold[j]);
    return isfinite(shorter) ? tf_spare_bits(shorter, point) : 0;
}

tf_value tf_thresholds_soon(tf_program *p, tf_value a, size_t count, const double *threshold, unsigned low) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    if (count < 1 || count > TF_KEY_POINTS || threshold[0] < 0)
        return tf_program_fail(p, tf_fail(TF_INVALID, "%zu thresholds from %g on; 1 to %d above 0 are possible", count,
                                          count ? threshold[0] : 0, TF_KEY_POINTS));
    const tf_compared compared = tf_compared_bits(&type, threshold[count - 1], low);
    if (compared.width > TF_BIT_KEY_MOST)
        return tf_program_fail(
            p, tf_fail(TF_RANGE, "thresholds over %u bits; %d are the most", compared.width, TF_BIT_KEY_MOST));
    a = tf_lift(p, a, compared.low + compared.width + 1);
    const tf_type bits = {.shape = type.shape, .kind = TF_BIT, .bits = (unsigned)count, .bound = 1, .zero = -1};
    const keys_args args = {.low = compared.low, .width = compared.width};
    const tf_value v = tf_append_args(p, &keys_step, bits, 1, &a, &args, sizeof args);
    int64_t *data = tf_append_data(p, v, count * ENTRY);
    unsigned spare = TF_BIT_KEY_MOST;
    for (size_t j = count; data && j-- > 0; data += ENTRY) {
        const unsigned worth = spare_bits(threshold, count, j, type.frac);
        if (worth < spare) spare = worth;
        const double unit = ldexp(threshold[j], type.frac - (int)compared.low);
        data[THRESHOLD] = llrint(ceil(compared.low ? unit - 0.5 : unit));
        data[SPARE] = spare > compared.low ? spare - compared.low : 0;
    }
    return data ? v : -1;
}
