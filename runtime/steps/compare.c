/*
 * Comparison: the carry into bit `hi` of c + v, of which only bits lo..hi-1 matter, as a split bit; with the top bits
 * added it is the sign. The carry is [a > t] with a = those bits of c (known to L and R), t = the complement of those
 * of v (S).
 *
 * S cuts t into blocks and sends R its half of the unit vector of each block (the last entry is implied; L's half is a
 * stream of k_s). L and R look up entry a_j, which is [a_j = t_j], and the XOR of the entries below a_j, which is
 * [a_j > t_j], without interaction: both know a. A tree combines the blocks, groups of them at a time
 * (compare_tree.h). Its ANDs use masks made from streams of k_s (L) and k_(s+1) (R); S, who knows both, deals the
 * products of the masks with its first message. The result is opened between L and R under one more pair of such masks,
 * rho, known to S from the start. Where rounds count, all blocks are one group, or few bits a single block.
 *
 * A value may be compared with several public numbers at once: a differs, t does not, so that the unit vectors serve
 * all. The tree is made for each.
 *
 * All of it works on bit planes, 64 elements a word. Per block of TF_BLOCK elements a message holds plane after plane.
 *
 * What the receivers learn. R gets S's planes XOR streams of k_s. L and R open XOR shares masked by streams that the
 * other does not hold (L: k_s, R: k_(s+1)), each used for one opened wire only. All uniform to their receivers.
 */
#include <math.h>
#include <string.h>

#include "runtime/steps/compare_tree.h"
#include "runtime/steps/steps.h"

enum { DEAL = 1, OPEN }; /* purposes */

enum { MOST_NUMBERS = 3 };

/** lo, hi - lo, whether to add the top bits, the tree, what to add to c for a number. */
typedef struct compare_args {
    int64_t low, width, top, leaves, levels, arity, numbers, offset[MOST_NUMBERS];
} compare_args;

enum { BLOCK_WORDS = TF_BLOCK / 64 };

static tf_tree tree_of(const tf_step_node *node) {
    const compare_args *args = tf_args(compare_args, node);
    return tf_tree_again((unsigned)args->width, (size_t)args->numbers, (int)args->leaves, (int)args->levels,
                         (int)args->arity);
}

static void compare_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    tf_tree t = tree_of(node);
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = t.levels + 1;
    for (int k = 0; k < TF_PARTS; k++) {
        uint64_t bytes = tf_words(tf_span_count(tf_part_span(n, program->cut, k))) * 8;
        traffic->dealt[k] = bytes * t.dealt_planes;
        for (int e = 0; e <= t.levels; e++) traffic->swapped[e][k] = bytes * t.numbers * t.wires[e];
    }
}

/* State of L and R, per block and number: 2 * leaves planes of the tree's current nodes, then the dealt products. */
static size_t state_planes(const tf_tree *t) {
    return t->numbers * (2 * (size_t)t->leaves + t->ands);
}

static size_t compare_state(const tf_program *program, const tf_step_node *node) {
    tf_tree t = tree_of(node);
    return state_planes(&t) * (tf_words(tf_shape_count(node->type.shape)) + 2);
}

#define INLINE static inline __attribute__((always_inline))

/** n words of the unit vector of a block of so many bits. */
INLINE void unit_vector(unsigned bits, size_t n, const uint64_t *plane, size_t words, uint64_t *out) {
    tf_lanes bit[TF_TREE_SINGLE_BITS];
    for (unsigned b = 0; b < bits; b++) tf_load_lanes(&bit[b], plane + b * BLOCK_WORDS, n);
    for (size_t v = 0; v + 1 < (size_t)1 << bits; v++) {
        tf_lanes all = ~(tf_lanes){0};
        for (unsigned b = 0; b < bits; b++) all &= v >> b & 1 ? bit[b] : ~bit[b];
        memcpy(out + v * words, &all, n * sizeof *out);
    }
}

/** The unit vectors of all blocks from the planes of t: entry v of block j is [t_j = v], the last one left out. */
TF_MULTIVERSION static void unit_vectors(const tf_tree *t, const uint64_t *plane, size_t words, uint64_t *out) {
    for (int j = 0; j < t->leaves; j++) {
        size_t w = 0;
        for (; w + TF_LANES <= words; w += TF_LANES) unit_vector(t->bits[j], TF_LANES, plane + w, words, out + w);
        if (w < words) unit_vector(t->bits[j], words - w, plane + w, words, out + w);
        out += (((size_t)1 << t->bits[j]) - 1) * words;
        plane += t->bits[j] * BLOCK_WORDS;
    }
}

/** The products of the masks of the wires that L and R will open for one number. */
static void deal_products(const tf_tree *t, const uint64_t *wire, size_t words, uint64_t *product) {
    int nodes = t->leaves;
    for (int level = 0; level < t->levels; level++) {
        for (int j = 0; j < nodes; j += t->arity[level]) {
            tf_group group = tf_tree_group(t, level, nodes, j);
            if (group.blocks < 2) continue;
            tf_group_deal(group, words, wire, product);
            wire += tf_group_wires(group) * words;
            product += tf_group_products(group) * words;
        }
        nodes = tf_tree_above(t, level, nodes);
    }
}

/** Clears what makes the planes of `count` elements whole pairs of words. */
static void fill_pairs(uint64_t *plane, unsigned planes, size_t count) {
    const size_t words = (count + 63) / 64;
    for (unsigned p = 0; p < planes && words % 2; p++) plane[p * BLOCK_WORDS + words] = 0;
}

/** Plane `number` of the result, from a block's first word on. */
static uint64_t *bit_plane(const tf_call *call, size_t number, size_t from) {
    return call->out.bit + number * tf_words(tf_shape_count(call->node->type.shape)) + from;
}

TF_MULTIVERSION static tf_status compare_solo(tf_call *call) {
    const tf_step_node *node = call->node;
    tf_tree t = tree_of(node);
    const compare_args *args = tf_args(compare_args, node);
    unsigned low = (unsigned)args->low, width = (unsigned)args->width;
    int own = call->part.own;
    tf_for_blocks(call, at, count) {
        const uint64_t *x = call->in[0].c[0] + at, *y = call->in[0].c[1] + at;
        size_t words = tf_words(count), from = at / 64, opened = t.numbers * t.opened_planes;
        uint64_t value[TF_BLOCK], plane[64 * BLOCK_WORDS], stream[t.dealt_planes * words], deal[t.dealt_planes * words];
        tf_fetch_words(x), tf_fetch_words(y);
        for (size_t i = 0; i < count; i++) value[i] = ~(x[i] + y[i]);
        call->party->kernels->to_planes(value, count, low, width + 1, plane, BLOCK_WORDS);
        fill_pairs(plane, width + 1, count);
        unit_vectors(&t, plane, words, deal);
        /* the products of the masks that L and R will use in the tree, and rho */
        uint64_t left[opened * words], right[opened * words];
        tf_stream(call->party, own, call->index, OPEN, opened * from, left, opened * words);
        tf_stream(call->party, 1 - own, call->index, OPEN, opened * from, right, opened * words);
        for (size_t i = 0; i < opened * words; i++) left[i] ^= right[i];
        for (size_t k = 0; k < t.numbers; k++) {
            const uint64_t *mask = left + k * t.opened_planes * words, *rho = mask + (t.opened_planes - 1) * words;
            deal_products(&t, mask, words, deal + (t.unit_planes + k * t.ands) * words);
            uint64_t *bit = bit_plane(call, k, from);
            for (size_t w = 0; w < words; w++) /* the planes hold complements */
                bit[w] = rho[w] ^ (args->top ? ~plane[width * BLOCK_WORDS + w] : 0);
        }
        tf_stream(call->party, own, call->index, DEAL, t.dealt_planes * from, stream, t.dealt_planes * words);
        uint8_t *message = call->message + (at - call->part.span.begin) / 64 * t.dealt_planes * 8;
        for (size_t i = 0; i < t.dealt_planes * words; i++)
            tf_number_put(message, sizeof *deal, i, deal[i] ^ stream[i]);
    }
    return TF_OK;
}

typedef uint64_t entry_word __attribute__((aligned(1), may_alias)); /* of S's planes, in a message */

/** Shares of entry a_j of the unit vector and of the XOR of the entries below it, of n words; `whole` is 1 for the side
 *  that takes the constant of the implied last entry. Of each two neighbours a bit of a chooses one, and so on upwards;
 *  what waits for its neighbour is in e[b] and g[b]. */
INLINE void look_up(unsigned bits, size_t n, const uint64_t *a, const entry_word *entry, size_t words, uint64_t whole,
                    uint64_t *greater, uint64_t *equal) {
    tf_lanes choose[TF_TREE_SINGLE_BITS], e[TF_TREE_SINGLE_BITS + 1], g[TF_TREE_SINGLE_BITS + 1], sum = {0};
    const size_t last = ((size_t)1 << bits) - 1;
    for (unsigned b = 0; b < bits; b++) tf_load_lanes(&choose[b], a + b * BLOCK_WORDS, n);
    _Pragma("GCC unroll 16") for (size_t v = 0; v <= last; v++) {
        tf_lanes x = sum ^ whole, y = sum;
        if (v < last) tf_load_lanes(&x, entry + v * words, n);
        unsigned b = 0;
        sum ^= x;
        _Pragma("GCC unroll 4") for (; v >> b & 1; b++) {
            x = e[b] ^ ((e[b] ^ x) & choose[b]);
            y = g[b] ^ ((g[b] ^ y) & choose[b]);
        }
        e[b] = x;
        g[b] = y;
    }
    memcpy(equal, &e[bits], n * sizeof *equal);
    memcpy(greater, &g[bits], n * sizeof *greater);
}

/** The same of all words of a block. */
INLINE void look_up_all(unsigned bits, const uint64_t *a, const entry_word *entry, size_t words, uint64_t whole,
                        uint64_t *greater, uint64_t *equal) {
    size_t w = 0;
    for (; w + TF_LANES <= words; w += TF_LANES)
        look_up(bits, TF_LANES, a + w, entry + w, words, whole, greater + w, equal + w);
    if (w < words) look_up(bits, words - w, a + w, entry + w, words, whole, greater + w, equal + w);
}

/** A block as L or R sees it, and what it keeps of one number. */
typedef struct side {
    tf_call *call;
    const tf_tree *t;
    int own;
    bool left;                     /**< whether this side is L */
    size_t at, count, words, from; /* from: first word of the block in the tensor */
    size_t number;
    uint64_t *gt, *eq, *product; /* state */
} side;

/** Planes of the block in a message of `planes` planes. */
static size_t in_message(const side *b, size_t planes) {
    return (b->at - b->call->part.span.begin) / 64 * planes * 8;
}

/** Where the wires that `level` opens for the number stand in the message. */
static size_t wires_at(const side *b, int level) {
    size_t wires = b->t->wires[level];
    return in_message(b, b->t->numbers * wires) + b->number * wires * b->words * 8;
}

static void open_masks(const side *b, int level, uint64_t *mask) {
    const tf_tree *t = b->t;
    size_t skip = (b->number * t->opened_planes + t->first_wire[level]) * b->words;
    tf_stream(b->call->party, b->own, b->call->index, OPEN, t->numbers * t->opened_planes * b->from + skip, mask,
              t->wires[level] * b->words);
}

/** The unmasked shares of the wires that `level` opens, group by group, then the result. */
static void gather_wires(const side *b, int level, int nodes, uint64_t *wire) {
    size_t words = b->words;
    if (level == b->t->levels) {
        memcpy(wire, b->gt, words * 8);
        return;
    }
    for (int j = 0; j < nodes; j += b->t->arity[level]) {
        tf_group group = tf_tree_group(b->t, level, nodes, j);
        if (group.blocks < 2) continue;
        size_t half = (size_t)(group.blocks - 1) * words;
        memcpy(wire, b->eq + (size_t)(j + 1) * words, half * 8);
        memcpy(wire + half, b->gt + (size_t)j * words, half * 8);
        if (group.eq) memcpy(wire + 2 * half, b->eq + (size_t)j * words, words * 8);
        wire += tf_group_wires(group) * words;
    }
}

TF_MULTIVERSION static void send_wires(const side *b, int level, int nodes) {
    size_t count = b->t->wires[level] * b->words;
    uint64_t wire[count], mask[count];
    gather_wires(b, level, nodes, wire);
    open_masks(b, level, mask);
    uint8_t *message = b->call->message + wires_at(b, level);
    for (size_t i = 0; i < count; i++) tf_number_put(message, sizeof *wire, i, wire[i] ^ mask[i]);
}

/** The leaves, from S's message and the bits of c. */
TF_MULTIVERSION static void first_phase(const side *b) {
    const tf_tree *t = b->t;
    const compare_args *args = tf_args(compare_args, b->call->node);
    unsigned low = (unsigned)args->low, width = (unsigned)args->width;
    const uint64_t *c = b->call->in[0].c[1 - b->own] + b->at;
    size_t words = b->words;
    uint64_t value[TF_BLOCK], plane[64 * BLOCK_WORDS], stream[b->left ? t->dealt_planes * words : 1];
    tf_fetch_words(c);
    for (size_t i = 0; i < b->count; i++) value[i] = c[i] + (uint64_t)args->offset[b->number];
    b->call->party->kernels->to_planes(value, b->count, low, width + 1, plane, BLOCK_WORDS);
    fill_pairs(plane, width + 1, b->count);
    const void *dealt = b->left ? (const void *)stream : b->call->dealt + in_message(b, t->dealt_planes);
    const entry_word *e = dealt;
    if (b->left)
        tf_stream(b->call->party, b->own, b->call->index, DEAL, t->dealt_planes * b->from, stream,
                  t->dealt_planes * words);
    const uint64_t *a = plane;
    uint64_t whole = b->left ? ~UINT64_C(0) : 0;
    for (int j = 0; j < t->leaves; j++) {
        uint64_t *gt = b->gt + (size_t)j * words, *eq = b->eq + (size_t)j * words;
        if (t->bits[j] == 3) /* constants, as most blocks have them */
            look_up_all(3, a, e, words, whole, gt, eq);
        else if (t->bits[j] == 4)
            look_up_all(4, a, e, words, whole, gt, eq);
        else
            look_up_all(t->bits[j], a, e, words, whole, gt, eq);
        e += (((size_t)1 << t->bits[j]) - 1) * words;
        a += t->bits[j] * BLOCK_WORDS;
    }
    memcpy(b->product, e + b->number * t->ands * words, t->ands * words * 8);
    if (args->top && b->left) /* the top bit of c belongs to the result: added to the last block's gt */
        for (size_t w = 0; w < words; w++) b->gt[(size_t)(t->leaves - 1) * words + w] ^= plane[width * BLOCK_WORDS + w];
}

/** The nodes of the next level from the opened wires; returns their number. */
TF_MULTIVERSION static int combine(const side *b, int level, int nodes) {
    const tf_tree *t = b->t;
    size_t words = b->words, count = t->wires[level] * words;
    uint64_t wire[count], mask[count], opened[count];
    gather_wires(b, level, nodes, wire);
    open_masks(b, level, mask);
    const uint8_t *received = b->call->received + wires_at(b, level);
    for (size_t i = 0; i < count; i++) /* the wire and both masks */
        opened[i] = wire[i] ^ mask[i] ^ tf_number_get(received, sizeof *wire, i);
    tf_group_view view = {opened, mask, b->product + t->first_and[level] * words, b->left ? ~UINT64_C(0) : 0};
    size_t next = 0;
    for (int j = 0; j < nodes; j += t->arity[level], next++) {
        tf_group group = tf_tree_group(t, level, nodes, j);
        uint64_t *gt = b->gt + next * words, *eq = b->eq + next * words;
        memmove(gt, b->gt + (size_t)(j + group.blocks - 1) * words, words * 8);
        if (group.blocks < 2) {
            memmove(eq, b->eq + (size_t)j * words, words * 8);
            continue;
        }
        tf_group_combine(group, words, &view, gt, eq);
        size_t wires = tf_group_wires(group) * words;
        view.opened += wires, view.mask += wires, view.product += tf_group_products(group) * words;
    }
    return (int)next;
}

static void open_result(const side *b) {
    size_t words = b->words;
    const uint8_t *received = b->call->received + wires_at(b, b->t->levels);
    uint64_t mask[words], *bit = bit_plane(b->call, b->number, b->from);
    open_masks(b, b->t->levels, mask);
    for (size_t w = 0; w < words; w++) bit[w] = b->gt[w] ^ mask[w] ^ tf_number_get(received, sizeof *mask, w);
}

static void work_phase(side *b, int phase) {
    int nodes = b->t->leaves;
    for (int level = 0; level + 1 < phase; level++) nodes = tf_tree_above(b->t, level, nodes); /* before this phase's */
    if (phase == 0)
        first_phase(b);
    else if (phase <= b->t->levels)
        nodes = combine(b, phase - 1, nodes);
    if (phase <= b->t->levels)
        send_wires(b, phase, nodes);
    else
        open_result(b);
}

static tf_status compare_pair(tf_call *call, int phase) {
    tf_tree t = tree_of(call->node);
    size_t planes = state_planes(&t);
    tf_for_blocks(call, at, count) {
        side b = {.call = call,
                  .t = &t,
                  .own = call->part.own,
                  .left = call->part.role == TF_LEFT,
                  .at = at,
                  .count = count,
                  .words = tf_words(count),
                  .from = at / 64};
        for (; b.number < t.numbers; b.number++) {
            b.gt = call->state + planes * b.from + planes / t.numbers * b.number * b.words;
            b.eq = b.gt + (size_t)t.leaves * b.words;
            b.product = b.eq + (size_t)t.leaves * b.words;
            work_phase(&b, phase);
        }
    }
    return TF_OK;
}

static const tf_step compare_step = {.name = "compare",
                                     .summary = "sign or carry as a split bit",
                                     .elementwise = true,
                                     .cost = compare_cost,
                                     .state = compare_state,
                                     .shares_work = true,
                                     .solo = compare_solo,
                                     .pair = compare_pair};

/** Chooses the tree that takes so many exchanges, the one that opens the result included, or the next that takes more;
 * of 0 the one that is worth most. */
static void choose_tree(const tf_program *p, tf_value a, int exchanges, compare_args *args) {
    const unsigned width = (unsigned)args->width;
    const size_t numbers = (size_t)args->numbers;
    tf_tree_kind best = exchanges == 1 ? TF_TREE_SINGLE : exchanges == 2 ? TF_TREE_FLAT : TF_TREE_ANY;
    while (best > TF_TREE_ANY && !tf_tree_of(width, numbers, best).leaves) best--;
    tf_tree tree = tf_tree_of(width, numbers, best);
    for (tf_tree_kind kind = TF_TREE_FLAT; kind <= TF_TREE_SINGLE && !exchanges; kind++) {
        tf_tree less = tf_tree_of(width, numbers, kind);
        double more = (double)tf_tree_bits(&less) - (double)tf_tree_bits(&tree);
        more *= (double)tf_shape_count(tf_type_of(p, a)->shape) / 8;
        if (!less.leaves || !tf_rounds_are_worth(p, tree.levels - less.levels, more)) continue;
        tree = less;
    }
    args->leaves = tree.leaves;
    args->levels = tree.levels;
    args->arity = tree.arity[0];
}

tf_value tf_carry(tf_program *p, tf_value a, unsigned low, unsigned width, bool top, uint64_t offset, int exchanges) {
    if (p->status) return -1;
    tf_type type = {.shape = tf_type_of(p, a)->shape, .kind = TF_BIT, .bits = 1, .bound = 1, .zero = -1};
    compare_args args = {.low = low, .width = width, .top = top, .numbers = 1, .offset = {(int64_t)offset}};
    choose_tree(p, a, exchanges, &args);
    return tf_append_args(p, &compare_step, type, 1, &a, &args, sizeof args);
}

tf_compared tf_compared_bits(const tf_type *type, double most, unsigned low) {
    /* |integer| < 2^hi, also after adding the offset that centres the dropped bits' error */
    int hi;
    double mantissa = frexp(ldexp(fmax(type->bound, most), type->frac) + (low ? ldexp(1, (int)low - 1) : 0), &hi);
    if (mantissa == 0.5 && !low) hi--;
    if (hi < 2) hi = 2;
    if (low > (unsigned)hi - 1) low = (unsigned)hi - 1;
    return (tf_compared){low, (unsigned)hi - low};
}

unsigned tf_default_low(const tf_type *type) {
    return type->frac > 0 ? (unsigned)type->frac / 2 : 0;
}

/** a as a comparison over these bits wants it. */
static tf_value compared(tf_program *p, tf_value a, tf_compared bits) {
    a = tf_lift(p, a, bits.low + bits.width + 1);
    if (!p->status && bits.width > TF_TREE_LEAVES * TF_TREE_BLOCK_BITS)
        tf_program_fail(p, tf_fail(TF_RANGE, "a comparison over %u bits; %d are the most", bits.width,
                                   TF_TREE_LEAVES * TF_TREE_BLOCK_BITS));
    return p->status ? -1 : a;
}

static uint64_t centre(tf_compared bits) {
    return bits.low ? UINT64_C(1) << (bits.low - 1) : 0;
}

tf_value tf_negative_in(tf_program *p, tf_value a, unsigned low, int exchanges) {
    if (p->status) return -1;
    tf_compared bits = tf_compared_bits(tf_type_of(p, a), 0, low);
    a = compared(p, a, bits);
    return p->status ? -1 : tf_carry(p, a, bits.low, bits.width, true, centre(bits), exchanges);
}

tf_value tf_negative(tf_program *p, tf_value a, unsigned low) {
    return tf_negative_in(p, a, low, 0);
}

tf_value tf_negative_soon(tf_program *p, tf_value a, unsigned low) {
    return tf_negative_in(p, a, low, 2);
}

tf_value tf_below(tf_program *p, tf_value a, int count, const double *number, unsigned low, bool soon) {
    if (p->status) return -1;
    if (count < 1 || count > MOST_NUMBERS)
        return tf_program_fail(
            p, tf_fail(TF_INVALID, "a comparison with %d numbers; 1 to %d are possible", count, MOST_NUMBERS));
    tf_type type = *tf_type_of(p, a);
    double most = 0;
    for (int k = 0; k < count; k++) most = fmax(most, fabs(number[k]));
    tf_compared bits = tf_compared_bits(&type, type.bound + most, low);
    compare_args args = {.low = bits.low, .width = bits.width, .top = true, .numbers = count};
    choose_tree(p, a, soon ? 2 : 0, &args);
    for (int k = 0; k < count; k++) args.offset[k] = (int64_t)centre(bits) - llrint(ldexp(number[k], type.frac));
    a = compared(p, a, bits);
    type = (tf_type){.shape = type.shape, .kind = TF_BIT, .bits = (unsigned)count, .bound = 1, .zero = -1};
    return tf_append_args(p, &compare_step, type, 1, &a, &args, sizeof args);
}
