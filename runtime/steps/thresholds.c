/*
 * A value compared with many public thresholds at once: the split bits [x < t_j], and a sum of public numbers that
 * such bits select. Meant for what occurs once per row, where rounds count and bytes do not.
 *
 * Bit j is the sign of x - t_j, which is, as in compare.c, the carry [a_j > t] and the top bits: a_j from c - t_j
 * (known to L and R), t the complement of the bits of v (S). Since t is the same for all thresholds, S deals the unit
 * vectors of t's blocks once, however many thresholds there are, so the blocks can be wide and few; L and R look up an
 * entry of each for every threshold. Combining them takes a single exchange (compare_tree.h): wires are opened under
 * masks made from streams of k_s (L) and k_(s+1) (R), and S, who knows both, deals the products of those masks. The
 * result is opened under one more pair of masks, rho.
 *
 * What the receivers learn. R gets the unit vectors and the products XOR streams of k_s. L and R open XOR shares masked
 * by streams that the other does not hold, each used for one wire only. In the sum R gets the bits of rho less streams
 * of k_s, and L and R swap their parts less streams shared with S alone. All uniform to their receivers.
 */
#include <math.h>
#include <string.h>

#include "net/base/secret.h"
#include "runtime/kernels/unit_vector.h"
#include "runtime/steps/compare_tree.h"
#include "runtime/steps/steps.h"

enum { TABLE = 1, DEAL, OPEN }; /* purposes */

/** The lowest bit that counts, how many do. Data: what is added to c for each threshold. */
typedef struct thresholds_args {
    int64_t low, width;
} thresholds_args;

enum { MAX_BLOCKS = 4, MIN_BLOCK_BITS = 6, MAX_BLOCK_BITS = 14, MAX_THRESHOLDS = 1024 };

/** How the bits are cut: `blocks` of `bits` each, as many as cost the fewest bits on the wire. */
typedef struct layout {
    int blocks;
    unsigned bits;
    size_t words;       /**< of an element's unit vectors */
    size_t wires, ands; /**< of a threshold: opened before the result, and products dealt */
    size_t count;       /**< thresholds */
} layout;

static tf_group group_of(const layout *l) {
    return (tf_group){l->blocks, false};
}

static layout layout_of(const tf_step_node *node) {
    unsigned width = (unsigned)tf_args(thresholds_args, node)->width;
    layout best = {0};
    size_t least = 0;
    for (int blocks = 1; blocks <= MAX_BLOCKS; blocks++) {
        unsigned bits = (width + (unsigned)blocks - 1) / (unsigned)blocks;
        if (bits < MIN_BLOCK_BITS) bits = MIN_BLOCK_BITS;
        if (bits > MAX_BLOCK_BITS) continue;
        layout l = {.blocks = blocks, .bits = bits, .words = (size_t)blocks << (bits - 6), .count = node->type.bits};
        if (blocks > 1) l.wires = tf_group_wires(group_of(&l)), l.ands = tf_group_products(group_of(&l));
        size_t cost = l.words * 64 + l.count * (l.ands + 2 * l.wires + 2);
        if (!least || cost < least) least = cost, best = l;
    }
    return best;
}

/*
 * The bits of all thresholds and rows of a part stand side by side in planes, one of each kind: those of a threshold
 * after those of the one before, however few the rows are. Only the result has planes of its own for each threshold.
 */

static size_t cells_of(const layout *l, size_t rows) {
    return l->count * rows;
}

static void thresholds_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    layout l = layout_of(node);
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = l.blocks > 1 ? 2 : 1;
    for (int k = 0; k < TF_PARTS; k++) {
        uint64_t rows = tf_span_count(tf_part_span(n, program->cut, k)), words = tf_words(cells_of(&l, rows));
        traffic->dealt[k] = (rows * l.words + words * l.ands) * 8;
        for (int e = 0; e < traffic->exchanges; e++)
            traffic->swapped[e][k] = words * (e + 1 < traffic->exchanges ? l.wires : 1) * 8;
    }
}

/* State of L and R, per part: the top block's gt, then the wires, then the dealt products. */
static size_t state_planes(const layout *l) {
    return 1 + l->wires + l->ands;
}

static size_t thresholds_state(const tf_program *program, const tf_step_node *node) {
    layout l = layout_of(node);
    return state_planes(&l) * (tf_words(cells_of(&l, tf_shape_count(node->type.shape))) + 2);
}

/** `planes` planes of a stream, from number `plane` on, the part's words of each. */
static void plane_streams(tf_call *call, int which, unsigned purpose, size_t plane, size_t planes, uint64_t *out) {
    layout l = layout_of(call->node);
    size_t all = tf_words(cells_of(&l, tf_shape_count(call->node->type.shape)));
    size_t words = tf_words(cells_of(&l, tf_span_count(call->part.span)));
    for (size_t k = 0; k < planes; k++, out += words)
        tf_stream(call->party, which, call->index, purpose,
                  (plane + k) * all + cells_of(&l, call->part.span.begin) / 64, out, words);
}

/** Writes the bits of the part to the planes of each threshold. */
static void write_planes(const tf_call *call, const layout *l, const uint64_t *cell) {
    size_t rows = tf_span_count(call->part.span), all = tf_words(tf_shape_count(call->node->type.shape));
    for (size_t j = 0; j < l->count; j++) {
        uint64_t *out = call->out.bit + j * all + call->part.span.begin / 64;
        memset(out, 0, tf_words(rows) * 8);
        if (rows % 64 == 0) memcpy(out, cell + j * rows / 64, rows / 8);
        for (size_t i = 0; i < rows && rows % 64; i++) {
            size_t at = j * rows + i;
            out[i / 64] |= (cell[at / 64] >> (at & 63) & 1) << (i & 63);
        }
    }
}

TF_MULTIVERSION static tf_status thresholds_solo(tf_call *call) {
    layout l = layout_of(call->node);
    const thresholds_args *args = tf_args(thresholds_args, call->node);
    unsigned low = (unsigned)args->low, width = (unsigned)args->width;
    int own = call->part.own;
    size_t begin = call->part.span.begin, rows = tf_span_count(call->part.span), words = tf_words(cells_of(&l, rows));
    if (!rows) return TF_OK;
    uint8_t *message = call->message;
    uint64_t table[MAX_BLOCKS << (MAX_BLOCK_BITS - 6)];
    const size_t masks = (l.wires + 1) * words, room = (2 * masks + 2 * l.ands * words) * 8;
    uint64_t *mask = tf_secret_alloc(room);
    if (!mask) return tf_fail(TF_NOMEM, "no memory for %zu thresholds", l.count);
    uint64_t *other = mask + masks, *product = other + masks, *stream = product + l.ands * words;
    plane_streams(call, own, OPEN, 0, l.wires + 1, mask);
    plane_streams(call, 1 - own, OPEN, 0, l.wires + 1, other);
    for (size_t i = 0; i < masks; i++) mask[i] ^= other[i];
    uint64_t *rho = mask + l.wires * words;
    for (size_t i = 0; i < rows; i++) {
        uint64_t v = call->in[0].c[0][begin + i] + call->in[0].c[1][begin + i], t = ~v >> low & tf_mask(width);
        tf_stream(call->party, own, call->index, TABLE, (begin + i) * tf_even(l.words), table, l.words);
        for (int k = 0; k < l.blocks; k++) {
            uint64_t at = t >> (unsigned)k * l.bits & tf_mask(l.bits);
            uint64_t *block = table + ((size_t)k << (l.bits - 6));
            for (size_t w = 0; w < (size_t)1 << (l.bits - 6); w++)
                block[w] ^= UINT64_C(1) << (at & 63) & tf_equal_mask(w, at >> 6);
        }
        memcpy(message + i * l.words * 8, table, l.words * 8);
        for (size_t j = 0, at = i; j < l.count; j++, at += rows) /* the top bit belongs to the result */
            rho[at / 64] ^= (v >> (low + width) & 1) << (at & 63);
    }
    message += rows * l.words * 8;
    if (l.blocks > 1) tf_group_deal(group_of(&l), words, mask, product);
    plane_streams(call, own, DEAL, 0, l.ands, stream);
    for (size_t i = 0; i < l.ands * words; i++) product[i] ^= stream[i];
    memcpy(message, product, l.ands * words * 8);
    write_planes(call, &l, rho);
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

/** Bits at[j] of both vectors, for `count` j; all words are looked at, whatever these are. */
static inline __attribute__((always_inline)) void look_up(const uint64_t *entry, const uint64_t *below, size_t words,
                                                          const uint64_t *at, size_t count, uint64_t *equal,
                                                          uint64_t *greater) {
    for (size_t w = 0; w < words; w++) {
        const uint64_t e = entry[w], g = below[w];
        for (size_t j = 0; j < count; j++) {
            uint64_t here = tf_equal_mask(w, at[j] >> 6);
            equal[j] = (w ? equal[j] : 0) | (e & here);
            greater[j] = (w ? greater[j] : 0) | (g & here);
        }
    }
    for (size_t j = 0; j < count; j++) {
        equal[j] = equal[j] >> (at[j] & 63) & 1;
        greater[j] = greater[j] >> (at[j] & 63) & 1;
    }
}

/** The part as L or R sees it. */
typedef struct side {
    tf_call *call;
    layout l;
    int own;
    bool left; /**< whether this side is L */
    size_t begin, rows, words;
    uint64_t *gt, *wire, *product; /**< state: planes of cells */
} side;

enum { AT_ONCE = 32 }; /* thresholds of a row that are looked up together, in vectors */

/** What the unit vectors of a row say of thresholds [first, first + count), from their bits of c: for each cell a byte,
 *  whose bits belong to the planes of gt and of the wires. */
static inline __attribute__((always_inline)) void leaves_of(const side *b, size_t row, size_t first, size_t count,
                                                            const uint64_t *table, const uint64_t *below,
                                                            uint8_t *cell) {
    const layout *l = &b->l;
    const tf_step_node *node = b->call->node;
    const thresholds_args *args = tf_args(thresholds_args, node);
    const size_t block_words = (size_t)1 << (l->bits - 6);
    const uint64_t c = b->call->in[0].c[1 - b->own][b->begin + row];
    uint64_t shifted[AT_ONCE], at[AT_ONCE], e[MAX_BLOCKS][AT_ONCE], g[MAX_BLOCKS][AT_ONCE];
    for (size_t j = 0; j < count; j++) shifted[j] = (c + (uint64_t)node->data[first + j]) >> args->low;
    for (int k = 0; k < l->blocks; k++) {
        for (size_t j = 0; j < count; j++)
            at[j] = (shifted[j] & tf_mask((unsigned)args->width)) >> (unsigned)k * l->bits & tf_mask(l->bits);
        look_up(table + (size_t)k * block_words, below + (size_t)k * block_words, block_words, at, count, e[k], g[k]);
    }
    uint64_t all[AT_ONCE];
    const uint64_t left = b->left;
    for (size_t j = 0; j < count; j++) all[j] = g[l->blocks - 1][j] ^ (shifted[j] >> args->width & left);
    for (int k = 0; k + 1 < l->blocks; k++) /* eq of all but the lowest, then gt of all but the top block */
        for (size_t j = 0; j < count; j++) all[j] |= e[k + 1][j] << (1 + k) | g[k][j] << (l->blocks + k);
    for (size_t j = 0; j < count; j++) cell[(first + j) * b->rows + row] = (uint8_t)all[j];
}

/** The planes, at most eight, of the cells' bits. */
TF_MULTIVERSION static void gather_planes(const uint8_t *cell, size_t words, size_t planes, uint64_t *plane) {
    const uint64_t lowest = UINT64_C(0x0101010101010101), gather = UINT64_C(0x0102040810204080);
    for (size_t w = 0; w < words; w++, cell += 64) {
        uint64_t eight[8]; /* cells each */
        memcpy(eight, cell, sizeof eight);
        for (size_t p = 0; p < planes; p++) {
            uint64_t word = 0;
            for (size_t k = 0; k < 8; k++) word |= (eight[k] >> p & lowest) * gather >> 56 << 8 * k;
            plane[p * words + w] = word;
        }
    }
}

/** gt of the top block and the wires of every threshold, from the unit vectors and the bits of c. */
TF_MULTIVERSION static void leaves(const side *b, uint8_t *cell) {
    const layout *l = &b->l;
    size_t block_words = (size_t)1 << (l->bits - 6);
    uint64_t table[MAX_BLOCKS << (MAX_BLOCK_BITS - 6)], below[MAX_BLOCKS << (MAX_BLOCK_BITS - 6)];
    for (size_t i = 0; i < b->rows; i++) {
        if (b->left)
            tf_stream(b->call->party, b->own, b->call->index, TABLE, (b->begin + i) * tf_even(l->words), table,
                      l->words);
        else
            memcpy(table, b->call->dealt + i * l->words * 8, l->words * 8);
        for (int k = 0; k < l->blocks; k++)
            prefix(table + (size_t)k * block_words, block_words, below + (size_t)k * block_words);
        for (size_t j = 0; j < l->count; j += AT_ONCE)
            leaves_of(b, i, j, l->count - j < AT_ONCE ? l->count - j : AT_ONCE, table, below, cell);
    }
}

static tf_status open_leaves(const side *b) {
    const size_t room = 64 * b->words, cells = cells_of(&b->l, b->rows);
    uint8_t *cell = tf_secret_alloc(room);
    if (!cell) return tf_fail(TF_NOMEM, "no memory for %zu thresholds", b->l.count);
    memset(cell + cells, 0, room - cells);
    leaves(b, cell);
    gather_planes(cell, b->words, 1 + b->l.wires, b->gt);
    tf_secret_free(cell, room);
    return TF_OK;
}

/** The dealt products: L's are a stream, R's came from S behind the unit vectors. */
static void take_products(const side *b) {
    if (b->left)
        plane_streams(b->call, b->own, DEAL, 0, b->l.ands, b->product);
    else
        memcpy(b->product, b->call->dealt + b->rows * b->l.words * 8, b->l.ands * b->words * 8);
}

/** Sends `planes` planes of `share`, masked as wires from `first` on. */
static tf_status send_masked(const side *b, const uint64_t *share, size_t planes, size_t first) {
    const size_t count = planes * b->words;
    uint64_t *mask = tf_secret_alloc(count * 8);
    if (!mask) return tf_fail(TF_NOMEM, "no memory for %zu thresholds", b->l.count);
    plane_streams(b->call, b->own, OPEN, first, planes, mask);
    for (size_t i = 0; i < count; i++) mask[i] ^= share[i];
    memcpy(b->call->message, mask, count * 8);
    tf_secret_free(mask, count * 8);
    return TF_OK;
}

static tf_status and_blocks(const side *b) {
    const size_t count = b->l.wires * b->words, room = 2 * count * 8;
    uint64_t *d = tf_secret_alloc(room), *m = d + count;
    if (!d) return tf_fail(TF_NOMEM, "no memory for %zu thresholds", b->l.count);
    memcpy(d, b->call->received, count * 8);
    plane_streams(b->call, b->own, OPEN, 0, b->l.wires, m);
    for (size_t i = 0; i < count; i++) d[i] ^= m[i] ^ b->wire[i];
    tf_group_view view = {d, m, b->product, b->left ? ~UINT64_C(0) : 0};
    tf_group_combine(group_of(&b->l), b->words, &view, b->gt, NULL);
    tf_secret_free(d, room);
    return TF_OK;
}

static tf_status open_result(const side *b) {
    const size_t room = 2 * b->words * 8;
    uint64_t *delta = tf_secret_alloc(room), *received = delta + b->words;
    if (!delta) return tf_fail(TF_NOMEM, "no memory for %zu thresholds", b->l.count);
    plane_streams(b->call, b->own, OPEN, b->l.wires, 1, delta);
    memcpy(received, b->call->received, b->words * 8);
    for (size_t w = 0; w < b->words; w++) delta[w] ^= b->gt[w] ^ received[w];
    write_planes(b->call, &b->l, delta);
    tf_secret_free(delta, room);
    return TF_OK;
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
    b.words = tf_words(cells_of(&l, b.rows));
    b.gt = call->state + state_planes(&l) * (cells_of(&l, b.begin) / 64);
    b.wire = b.gt + b.words;
    b.product = b.wire + l.wires * b.words;
    if (phase == 0) {
        TF_TRY(open_leaves(&b));
        take_products(&b);
        if (last == 2) TF_TRY(send_masked(&b, b.wire, l.wires, 0));
    } else if (phase < last)
        TF_TRY(and_blocks(&b));
    if (phase == last) return open_result(&b);
    return phase == last - 1 ? send_masked(&b, b.gt, 1, l.wires) : TF_OK;
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
