/*
 * A value compared with many public thresholds at once: the split bits [x < t_j], and a sum of public numbers that
 * such bits select. Meant for what occurs once per row, where rounds count and bytes do not.
 *
 * Bit j is the sign of x - t_j, which is, as in compare.c, the carry [a_j > t] and the top bits: a_j from c - t_j
 * (known to L and R), t the complement of the bits of v (S). Since t is the same for all thresholds, S deals the unit
 * vectors of t's blocks once, however many thresholds there are, so the blocks can be so wide that three are enough; L
 * and R look up an entry of each for every threshold. Then [a > t] = g2 ^ e2 g1 ^ e2 e1 g0,   e: the blocks are equal,
 * g: that of a is greater (block 2 is the top one) takes a single exchange: e2, e1, g1 and g0 are opened under masks
 * made from streams of k_s (L) and k_(s+1) (R), and S, who knows both, deals the products of those masks. The result is
 * opened under one more pair of masks, rho.
 *
 * What the receivers learn. R gets the unit vectors and the products XOR streams of k_s. L and R open XOR shares masked
 * by streams that the other does not hold, each used for one wire only. In the sum R gets the bits of rho less streams
 * of k_s, and L and R swap their parts less streams shared with S alone. All uniform to their receivers.
 */
#include <math.h>
#include <string.h>

#include "net/base/secret.h"
#include "runtime/steps/steps.h"

enum { TABLE = 1, DEAL, OPEN }; /* purposes */

/** The lowest bit that counts, how many do. Data: what is added to c for each threshold. */
typedef struct thresholds_args {
    int64_t low, width;
} thresholds_args;

enum { MAX_BLOCKS = 3, MIN_BLOCK_BITS = 6, MAX_BLOCK_BITS = 14, MAX_THRESHOLDS = 512, MAX_WIRES = 4, MAX_ANDS = 5 };

/** How the bits are cut: `blocks` of `bits` each, as many as cost the fewest bits on the wire. */
typedef struct layout {
    int blocks;
    unsigned bits;
    size_t words;       /**< of an element's unit vectors */
    size_t wires, ands; /**< of a threshold: opened before the result, and products dealt */
    size_t count;       /**< thresholds */
} layout;

static layout layout_of(const tf_step_node *node) {
    static const size_t wires[] = {0, 2, MAX_WIRES}, ands[] = {0, 1, MAX_ANDS};
    unsigned width = (unsigned)tf_args(thresholds_args, node)->width;
    layout best = {0};
    size_t least = 0;
    for (int blocks = 1; blocks <= MAX_BLOCKS; blocks++) {
        unsigned bits = (width + (unsigned)blocks - 1) / (unsigned)blocks;
        if (bits < MIN_BLOCK_BITS) bits = MIN_BLOCK_BITS;
        if (bits > MAX_BLOCK_BITS) continue;
        layout l = {blocks, bits, (size_t)blocks << (bits - 6), wires[blocks - 1], ands[blocks - 1], node->type.bits};
        size_t cost = l.words * 64 + l.count * (l.ands + 2 * l.wires + 2);
        if (!least || cost < least) least = cost, best = l;
    }
    return best;
}

static void thresholds_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    layout l = layout_of(node);
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = l.blocks > 1 ? 2 : 1;
    for (int k = 0; k < TF_PARTS; k++) {
        uint64_t rows = tf_span_count(tf_part_span(n, k)), words = tf_words(rows);
        traffic->dealt[k] = (rows * l.words + words * l.count * l.ands) * 8;
        for (int e = 0; e < traffic->exchanges; e++)
            traffic->swapped[e][k] = words * l.count * (e + 1 < traffic->exchanges ? l.wires : 1) * 8;
    }
}

/* State of L and R, per part and threshold: the top block's gt, then the wires, then the dealt products; and a
 * plane to work in. */
static size_t state_planes(const layout *l) {
    return l->count * (1 + l->wires + l->ands) + 1;
}

static size_t thresholds_state(const tf_program *program, const tf_step_node *node) {
    layout l = layout_of(node);
    return state_planes(&l) * (tf_words(tf_shape_count(node->type.shape)) + 2);
}

/** Plane `plane` of a stream of bit planes, its words for the part. */
static void plane_stream(tf_call *call, int which, unsigned purpose, size_t plane, uint64_t *out) {
    size_t all = tf_words(tf_shape_count(call->node->type.shape));
    tf_span span = call->part.span;
    tf_stream(call->party, which, call->index, purpose, plane * all + span.begin / 64, out,
              tf_words(tf_span_count(span)));
}

static uint64_t *bit_plane(const tf_call *call, size_t threshold) {
    return call->out.bit + threshold * tf_words(tf_shape_count(call->node->type.shape)) + call->part.span.begin / 64;
}

static uint64_t equal_mask(uint64_t a, uint64_t b) {
    return (((a ^ b) | -(a ^ b)) >> 63) - 1;
}

/** The products of the masks of one threshold's wires, one plane after the other. */
TF_MULTIVERSION static void mask_products(const layout *l, const uint64_t *mask, size_t words, uint64_t *product) {
    if (l->blocks == 2)
        for (size_t w = 0; w < words; w++) product[w] = mask[w] & mask[words + w];
    if (l->blocks == 3)
        for (size_t w = 0; w < words; w++) {
            uint64_t e2 = mask[w], e1 = mask[words + w], g1 = mask[2 * words + w], g0 = mask[3 * words + w];
            product[w] = e2 & g1;
            product[words + w] = e2 & e1;
            product[2 * words + w] = e2 & g0;
            product[3 * words + w] = e1 & g0;
            product[4 * words + w] = e2 & e1 & g0;
        }
}

TF_MULTIVERSION static tf_status thresholds_solo(tf_call *call) {
    layout l = layout_of(call->node);
    const thresholds_args *args = tf_args(thresholds_args, call->node);
    unsigned low = (unsigned)args->low, width = (unsigned)args->width;
    int own = call->part.own;
    size_t begin = call->part.span.begin, rows = tf_span_count(call->part.span), words = tf_words(rows);
    if (!rows) return TF_OK;
    uint8_t *message = call->message;
    uint64_t table[MAX_BLOCKS << (MAX_BLOCK_BITS - 6)];
    const size_t room = (2 * (l.wires + 1) + 2 * l.ands + 1) * words * 8;
    uint64_t *mask = tf_secret_alloc(room);
    if (!mask) return tf_fail(TF_NOMEM, "no memory for %zu thresholds", l.count);
    uint64_t *other = mask + (l.wires + 1) * words, *product = other + (l.wires + 1) * words;
    uint64_t *stream = product + l.ands * words, *top = stream + l.ands * words;
    memset(top, 0, words * 8);
    for (size_t i = 0; i < rows; i++) {
        uint64_t v = call->in[0].c[0][begin + i] + call->in[0].c[1][begin + i], t = ~v >> low & tf_mask(width);
        tf_stream(call->party, own, call->index, TABLE, (begin + i) * tf_even(l.words), table, l.words);
        for (int k = 0; k < l.blocks; k++) {
            uint64_t at = t >> (unsigned)k * l.bits & tf_mask(l.bits);
            uint64_t *block = table + ((size_t)k << (l.bits - 6));
            for (size_t w = 0; w < (size_t)1 << (l.bits - 6); w++)
                block[w] ^= UINT64_C(1) << (at & 63) & equal_mask(w, at >> 6);
        }
        memcpy(message + i * l.words * 8, table, l.words * 8);
        top[i / 64] |= (v >> (low + width) & 1) << (i & 63);
    }
    message += rows * l.words * 8;
    for (size_t j = 0; j < l.count; j++) {
        for (size_t k = 0; k <= l.wires; k++) {
            plane_stream(call, own, OPEN, j * (l.wires + 1) + k, mask + k * words);
            plane_stream(call, 1 - own, OPEN, j * (l.wires + 1) + k, other + k * words);
        }
        for (size_t i = 0; i < (l.wires + 1) * words; i++) mask[i] ^= other[i];
        mask_products(&l, mask, words, product);
        for (size_t k = 0; k < l.ands; k++) plane_stream(call, own, DEAL, j * l.ands + k, stream + k * words);
        for (size_t i = 0; i < l.ands * words; i++) product[i] ^= stream[i];
        memcpy(message + j * l.ands * words * 8, product, l.ands * words * 8);
        uint64_t *rho = bit_plane(call, j);
        for (size_t w = 0; w < words; w++) rho[w] = mask[l.wires * words + w] ^ top[w];
    }
    tf_secret_free(mask, room);
    return TF_OK;
}

/** The XOR of the entries below each entry of a unit vector's share. */
static void prefix(const uint64_t *entry, size_t words, uint64_t *below) {
    uint64_t carry = 0;
    for (size_t w = 0; w < words; w++) {
        uint64_t x = entry[w];
        for (unsigned by = 1; by < 64; by *= 2) x ^= x << by;
        below[w] = x << 1 ^ carry;
        carry ^= -(x >> 63);
    }
}

/** Bit `at` of `words` words of both vectors; all words are looked at, whatever `at` is. */
static inline void look_up(const uint64_t *entry, const uint64_t *below, size_t words, uint64_t at, uint64_t *equal,
                           uint64_t *greater) {
    uint64_t e = 0, g = 0;
    for (size_t w = 0; w < words; w++) {
        uint64_t here = equal_mask(w, at >> 6);
        e |= entry[w] & here;
        g |= below[w] & here;
    }
    *equal = e >> (at & 63) & 1;
    *greater = g >> (at & 63) & 1;
}

/** The part as L or R sees it. */
typedef struct side {
    tf_call *call;
    layout l;
    int own;
    bool left; /**< whether this side is L */
    size_t begin, rows, words;
    uint64_t *gt, *wire, *product; /**< state: count planes, count x wires, count x ands */
    uint64_t *scratch;             /**< one plane */
} side;

/** gt of the top block and the wires of every threshold, from the unit vectors and the bits of c. */
TF_MULTIVERSION static void leaves(const side *b) {
    const layout *l = &b->l;
    const tf_step_node *node = b->call->node;
    const thresholds_args *args = tf_args(thresholds_args, node);
    unsigned low = (unsigned)args->low, width = (unsigned)args->width;
    size_t block_words = (size_t)1 << (l->bits - 6);
    const uint64_t *c = b->call->in[0].c[1 - b->own] + b->begin;
    uint64_t table[MAX_BLOCKS << (MAX_BLOCK_BITS - 6)], below[MAX_BLOCKS << (MAX_BLOCK_BITS - 6)];
    memset(b->gt, 0, l->count * b->words * 8);
    memset(b->wire, 0, l->count * l->wires * b->words * 8);
    for (size_t i = 0; i < b->rows; i++) {
        if (b->left)
            tf_stream(b->call->party, b->own, b->call->index, TABLE, (b->begin + i) * tf_even(l->words), table,
                      l->words);
        else
            memcpy(table, b->call->dealt + i * l->words * 8, l->words * 8);
        for (int k = 0; k < l->blocks; k++)
            prefix(table + (size_t)k * block_words, block_words, below + (size_t)k * block_words);
        for (size_t j = 0; j < l->count; j++) {
            uint64_t shifted = (c[i] + (uint64_t)node->data[j]) >> low, a = shifted & tf_mask(width);
            uint64_t e[MAX_BLOCKS], g[MAX_BLOCKS], top = b->left ? shifted >> width & 1 : 0;
            for (int k = 0; k < l->blocks; k++)
                look_up(table + (size_t)k * block_words, below + (size_t)k * block_words, block_words,
                        a >> (unsigned)k * l->bits & tf_mask(l->bits), &e[k], &g[k]);
            size_t w = i / 64, bit = i & 63;
            uint64_t *wire = b->wire + j * l->wires * b->words + w;
            b->gt[j * b->words + w] |= (g[l->blocks - 1] ^ top) << bit;
            if (l->blocks == 2) wire[0] |= e[1] << bit, wire[b->words] |= g[0] << bit;
            if (l->blocks == 3) {
                wire[0] |= e[2] << bit;
                wire[b->words] |= e[1] << bit;
                wire[2 * b->words] |= g[1] << bit;
                wire[3 * b->words] |= g[0] << bit;
            }
        }
    }
}

/** The dealt products: L's are a stream, R's came from S behind the unit vectors. */
static void take_products(const side *b) {
    const layout *l = &b->l;
    for (size_t k = 0; k < l->count * l->ands && b->left; k++)
        plane_stream(b->call, b->own, DEAL, k, b->product + k * b->words);
    if (!b->left) memcpy(b->product, b->call->dealt + b->rows * l->words * 8, l->count * l->ands * b->words * 8);
}

/** Plane after plane of `share`, `planes` for each threshold, masked as wires from `first` on. */
static void send_masked(const side *b, const uint64_t *share, size_t planes, size_t first) {
    uint8_t *message = b->call->message;
    for (size_t j = 0; j < b->l.count; j++)
        for (size_t k = 0; k < planes; k++, message += b->words * 8, share += b->words) {
            plane_stream(b->call, b->own, OPEN, j * (b->l.wires + 1) + first + k, b->scratch);
            for (size_t w = 0; w < b->words; w++) b->scratch[w] ^= share[w];
            memcpy(message, b->scratch, b->words * 8);
        }
}

/** Adds e2 g1 ^ e2 e1 g0 (or e1 g0) to a threshold's gt: d the opened wires, m this side's masks of them, p the
 * products of both sides' masks; `both` on one side, which adds the product of the opened values. */
TF_MULTIVERSION static void combine(const layout *l, size_t words, const uint64_t *d, const uint64_t *m,
                                    const uint64_t *p, uint64_t both, uint64_t *gt) {
    for (size_t w = 0; w < words && l->blocks == 2; w++)
        gt[w] ^= p[w] ^ (d[w] & m[words + w]) ^ (d[words + w] & m[w]) ^ (d[w] & d[words + w] & both);
    for (size_t w = 0; w < words && l->blocks == 3; w++) {
        uint64_t e2 = d[w], e1 = d[words + w], g1 = d[2 * words + w], g0 = d[3 * words + w];
        uint64_t me2 = m[w], me1 = m[words + w], mg1 = m[2 * words + w], mg0 = m[3 * words + w];
        gt[w] ^= p[w] ^ (e2 & mg1) ^ (g1 & me2) ^ (e2 & g1 & both);
        gt[w] ^= p[4 * words + w] ^ (e2 & p[3 * words + w]) ^ (e1 & p[2 * words + w]) ^ (g0 & p[words + w]);
        gt[w] ^= (e2 & e1 & mg0) ^ (e2 & g0 & me1) ^ (e1 & g0 & me2) ^ (e2 & e1 & g0 & both);
    }
}

static tf_status and_blocks(const side *b) {
    size_t words = b->words, wires = b->l.wires;
    const size_t room = 2 * wires * words * 8;
    uint64_t *d = tf_secret_alloc(room), *m = d + wires * words;
    if (!d) return tf_fail(TF_NOMEM, "no memory for %zu thresholds", b->l.count);
    const uint8_t *message = b->call->received;
    for (size_t j = 0; j < b->l.count; j++) {
        memcpy(d, message + j * wires * words * 8, wires * words * 8);
        for (size_t k = 0; k < wires; k++) plane_stream(b->call, b->own, OPEN, j * (wires + 1) + k, m + k * words);
        for (size_t i = 0; i < wires * words; i++) d[i] ^= m[i] ^ b->wire[j * wires * words + i];
        combine(&b->l, words, d, m, b->product + j * b->l.ands * words, b->left ? ~UINT64_C(0) : 0, b->gt + j * words);
    }
    tf_secret_free(d, room);
    return TF_OK;
}

static void open_result(const side *b) {
    const uint8_t *message = b->call->received;
    for (size_t j = 0; j < b->l.count; j++) {
        uint64_t *delta = bit_plane(b->call, j);
        plane_stream(b->call, b->own, OPEN, j * (b->l.wires + 1) + b->l.wires, delta);
        memcpy(b->scratch, message + j * b->words * 8, b->words * 8);
        for (size_t w = 0; w < b->words; w++) delta[w] ^= b->gt[j * b->words + w] ^ b->scratch[w];
    }
}

static tf_status thresholds_pair(tf_call *call, int phase) {
    layout l = layout_of(call->node);
    int last = l.blocks > 1 ? 2 : 1;
    side b = {.call = call,
              .l = l,
              .own = call->part.own,
              .left = call->part.role == TF_LEFT,
              .begin = call->part.span.begin,
              .rows = tf_span_count(call->part.span)};
    if (!b.rows) return TF_OK;
    b.words = tf_words(b.rows);
    b.gt = call->state + state_planes(&l) * (b.begin / 64);
    b.wire = b.gt + l.count * b.words;
    b.product = b.wire + l.count * l.wires * b.words;
    b.scratch = b.product + l.count * l.ands * b.words;
    if (phase == 0) {
        leaves(&b);
        take_products(&b);
        if (last == 2) send_masked(&b, b.wire, l.wires, 0);
    } else if (phase < last)
        TF_TRY(and_blocks(&b));
    if (phase == last)
        open_result(&b);
    else if (phase == last - 1)
        send_masked(&b, b.gt, 1, l.wires);
    return TF_OK;
}

static const tf_step thresholds_step = {.name = "thresholds",
                                        .summary = "comparisons of a value with many public thresholds, as split bits",
                                        .elementwise = true,
                                        .cost = thresholds_cost,
                                        .state = thresholds_state,
                                        .solo = thresholds_solo,
                                        .pair = thresholds_pair};

tf_value tf_thresholds(tf_program *p, tf_value a, size_t count, const double *threshold, unsigned low) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    if (count < 1 || count > MAX_THRESHOLDS)
        return tf_program_fail(p, tf_fail(TF_INVALID, "%zu thresholds; 1 to %d are possible", count, MAX_THRESHOLDS));
    double most = 0;
    for (size_t j = 0; j < count; j++) most = fmax(most, fabs(threshold[j]));
    tf_compared compared = tf_compared_bits(&type, most, low);
    unsigned width = compared.width;
    low = compared.low;
    if (width > MAX_BLOCKS * MAX_BLOCK_BITS)
        return tf_program_fail(
            p, tf_fail(TF_RANGE, "thresholds over %u bits; %d are the most", width, MAX_BLOCKS * MAX_BLOCK_BITS));
    a = tf_lift(p, a, low + width + 1);
    tf_type bits = {.shape = type.shape, .kind = TF_BIT, .bits = (unsigned)count, .bound = 1, .zero = -1};
    thresholds_args args = {.low = low, .width = width};
    tf_value v = tf_append_args(p, &thresholds_step, bits, 1, &a, &args, sizeof args);
    int64_t *data = tf_append_data(p, v, count);
    if (!data) return -1;
    for (size_t j = 0; j < count; j++)
        data[j] = (low ? INT64_C(1) << (low - 1) : 0) - (int64_t)ceil(ldexp(threshold[j], type.frac));
    return v;
}
