/*
 * Comparison: the carry into bit `hi` of c + v, of which only bits lo..hi-1 matter, as a split bit; with the top bits
 * added it is the sign. The carry is [a > t] with a = those bits of c (known to L and R), t = the complement of those
 * of v (S).
 *
 * S cuts t into blocks and sends R its half of the unit vector of each block (the last entry is implied; L's half is a
 * stream of k_s). L and R look up entry a_j, which is [a_j = t_j], and the XOR of the entries below a_j, which is
 * [a_j > t_j], without interaction: both know a. A binary tree combines the blocks:
 * gt = gt_h ^ eq_h gt_l, eq = eq_h eq_l. Its ANDs use masks made from streams of k_s (L) and k_(s+1) (R); S, who knows
 * both, deals the products of the masks with its first message. The result is opened between L and R under one more
 * pair of such masks, rho, known to S from the start. Where rounds count, all blocks are combined in one exchange
 * (compare_flat.h).
 *
 * All of it works on bit planes, 64 elements a word. Per block of TF_BLOCK elements a message holds plane after plane.
 *
 * What the receivers learn. R gets S's planes XOR streams of k_s. L and R open XOR shares masked by streams that the
 * other does not hold (L: k_s, R: k_(s+1)), each used for one opened wire only. All uniform to their receivers.
 */
#include <math.h>
#include <string.h>

#include "runtime/steps/compare_flat.h"
#include "runtime/steps/steps.h"

enum { DEAL = 1, OPEN }; /* purposes */

/** lo, hi - lo, whether to add the top bits, what to add to c, whether to combine all blocks at once. */
typedef struct compare_args {
    int64_t low, width, top, offset, flat;
} compare_args;

enum { MAX_LEAVES = 8, MAX_LEVELS = 3, BLOCK_WORDS = TF_BLOCK / 64, MAX_BLOCK_BITS = 6 };

/** How a comparison of `width` bits is cut: block j has bits[j] bits, the first is the least significant. */
typedef struct tree {
    int leaves, levels;
    unsigned bits[MAX_LEAVES];
    size_t unit_planes; /**< dealt: entries of the unit vectors */
    size_t ands;        /**< dealt: products of masks */
    size_t wires[MAX_LEVELS + 1], first_wire[MAX_LEVELS + 1], first_and[MAX_LEVELS + 1];
    size_t dealt_planes, opened_planes; /**< in all, the final one included in the latter */
} tree;

static tree tree_of_leaves(unsigned width, int leaves, bool flat) {
    tree t = {.leaves = leaves};
    for (int j = 0; j < leaves; j++) {
        t.bits[j] = width / (unsigned)leaves + ((unsigned)j < width % (unsigned)leaves);
        t.unit_planes += ((size_t)1 << t.bits[j]) - 1;
    }
    if (flat && leaves > 1) {
        t.levels = 1;
        t.opened_planes = t.wires[0] = tf_flat_wires(leaves);
        t.ands = tf_flat_products(leaves);
    }
    for (int nodes = leaves; nodes > 1 && !flat; nodes = (nodes + 1) / 2, t.levels++) {
        t.first_wire[t.levels] = t.opened_planes;
        t.first_and[t.levels] = t.ands;
        for (int j = 0; j + 1 < nodes; j += 2) { /* opened: eq_h, gt_l, and eq_l except in the lowest pair */
            t.wires[t.levels] += j ? 3 : 2;
            t.ands += j ? 2 : 1;
        }
        t.opened_planes += t.wires[t.levels];
    }
    t.first_wire[t.levels] = t.opened_planes;
    t.wires[t.levels] = 1;
    t.opened_planes += 1;
    t.dealt_planes = t.unit_planes + t.ands;
    return t;
}

/** The tree of at most three levels with the fewest bits on the wire; a level less is worth an eighth more of them.
 *  Of flat ones that with the fewest bits. */
static tree tree_of(const tf_step_node *node) {
    unsigned width = (unsigned)tf_args(compare_args, node)->width;
    bool flat = tf_args(compare_args, node)->flat;
    int most = flat ? TF_FLAT_LEAVES : MAX_LEAVES;
    tree best = {0};
    size_t least = 0;
    for (int leaves = 1; leaves <= most && leaves <= (int)width; leaves++) {
        if ((width + (unsigned)leaves - 1) / (unsigned)leaves > MAX_BLOCK_BITS) continue;
        tree t = tree_of_leaves(width, leaves, flat);
        size_t bits = t.dealt_planes + 2 * t.opened_planes;
        size_t worth = t.levels > best.levels ? bits + bits / 8 : bits;
        if (!least || worth < least) least = bits, best = t;
    }
    return best;
}

static void compare_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    tree t = tree_of(node);
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = t.levels + 1;
    for (int k = 0; k < TF_PARTS; k++) {
        uint64_t bytes = tf_words(tf_span_count(tf_part_span(n, k))) * 8;
        traffic->dealt[k] = bytes * t.dealt_planes;
        for (int e = 0; e <= t.levels; e++) traffic->swapped[e][k] = bytes * t.wires[e];
    }
}

/* State of L and R, per block: 2 * leaves planes of the tree's current nodes, then the dealt products. */
static size_t state_planes(const tree *t) {
    return 2 * (size_t)t->leaves + t->ands;
}

static size_t compare_state(const tf_program *program, const tf_step_node *node) {
    tree t = tree_of(node);
    return state_planes(&t) * (tf_words(tf_shape_count(node->type.shape)) + 2);
}

/** The unit vectors of all blocks from the planes of t: entry v of block j is [t_j = v], the last one left out. */
TF_MULTIVERSION static void unit_vectors(const tree *t, const uint64_t *plane, size_t words, uint64_t *out) {
    const uint64_t *bit = plane;
    for (int j = 0; j < t->leaves; j++) {
        size_t entries = ((size_t)1 << t->bits[j]) - 1;
        for (size_t v = 0; v < entries; v++)
            for (size_t w = 0; w < words; w++) {
                uint64_t all = ~UINT64_C(0);
                for (unsigned b = 0; b < t->bits[j]; b++) {
                    uint64_t x = bit[b * BLOCK_WORDS + w];
                    all &= v >> b & 1 ? x : ~x;
                }
                out[v * words + w] = all;
            }
        out += entries * words;
        bit += t->bits[j] * BLOCK_WORDS;
    }
}

/** The products of the masks of the wires that L and R will open. */
TF_MULTIVERSION static void deal_products(const tree *t, bool flat, const uint64_t *wire, size_t words,
                                          uint64_t *product) {
    if (flat) {
        tf_flat_deal(t->leaves, words, wire, product);
        return;
    }
    for (int nodes = t->leaves; nodes > 1; nodes = (nodes + 1) / 2)
        for (int j = 0; j + 1 < nodes; j += 2) {
            for (int k = 0; k < (j ? 2 : 1); k++, product += words)
                for (size_t w = 0; w < words; w++) product[w] = wire[w] & wire[(size_t)(k + 1) * words + w];
            wire += (j ? 3 : 2) * words;
        }
}

TF_MULTIVERSION static tf_status compare_solo(tf_call *call) {
    const tf_step_node *node = call->node;
    tree t = tree_of(node);
    const compare_args *args = tf_args(compare_args, node);
    unsigned low = (unsigned)args->low, width = (unsigned)args->width;
    int own = call->part.own;
    tf_for_blocks(call, at, count) {
        const uint64_t *x = call->in[0].c[0] + at, *y = call->in[0].c[1] + at;
        size_t words = tf_words(count), from = at / 64;
        uint64_t value[TF_BLOCK], plane[64 * BLOCK_WORDS], stream[t.dealt_planes * words], deal[t.dealt_planes * words];
        for (size_t i = 0; i < count; i++) value[i] = ~(x[i] + y[i]);
        memset(plane, 0, sizeof plane);
        call->party->kernels->to_planes(value, count, low, width + 1, plane, BLOCK_WORDS);
        unit_vectors(&t, plane, words, deal);
        /* the products of the masks that L and R will use in the tree, and rho */
        uint64_t left[t.opened_planes * words], right[t.opened_planes * words];
        tf_stream(call->party, own, call->index, OPEN, t.opened_planes * from, left, t.opened_planes * words);
        tf_stream(call->party, 1 - own, call->index, OPEN, t.opened_planes * from, right, t.opened_planes * words);
        for (size_t i = 0; i < t.opened_planes * words; i++) left[i] ^= right[i];
        const uint64_t *wire = left + (t.opened_planes - 1) * words;
        deal_products(&t, args->flat, left, words, deal + t.unit_planes * words);
        tf_stream(call->party, own, call->index, DEAL, t.dealt_planes * from, stream, t.dealt_planes * words);
        for (size_t i = 0; i < t.dealt_planes * words; i++) deal[i] ^= stream[i];
        size_t skip = (at - call->part.span.begin) / 64;
        memcpy(call->message + skip * t.dealt_planes * 8, deal, t.dealt_planes * words * 8);
        for (size_t w = 0; w < words; w++) /* the planes hold complements */
            call->out.bit[from + w] = wire[w] ^ (args->top ? ~plane[width * BLOCK_WORDS + w] : 0);
    }
    return TF_OK;
}

/** Shares of entry a_j of the unit vector and of the XOR of the entries below it; `whole` is 1 for the side that takes
 *  the constant of the implied last entry. */
static inline void look_up(unsigned bits, const uint64_t *a, const uint64_t *entry, size_t words, size_t w,
                           uint64_t whole, uint64_t *greater, uint64_t *equal) {
    uint64_t e[1 << MAX_BLOCK_BITS], g[1 << MAX_BLOCK_BITS], sum = 0;
    size_t n = (size_t)1 << bits;
    for (size_t v = 0; v + 1 < n; v++) {
        g[v] = sum;
        e[v] = entry[v * words + w];
        sum ^= e[v];
    }
    g[n - 1] = sum;
    e[n - 1] = sum ^ whole;
    for (unsigned b = 0; b < bits; b++) {
        uint64_t choose = a[b * BLOCK_WORDS + w];
        n /= 2;
        for (size_t v = 0; v < n; v++) {
            e[v] = e[2 * v] ^ ((e[2 * v] ^ e[2 * v + 1]) & choose);
            g[v] = g[2 * v] ^ ((g[2 * v] ^ g[2 * v + 1]) & choose);
        }
    }
    *equal = e[0];
    *greater = g[0];
}

/** A block as L or R sees it. */
typedef struct side {
    tf_call *call;
    const tree *t;
    int own;
    bool left;                     /**< whether this side is L */
    size_t at, count, words, from; /* from: first word of the block in the tensor */
    uint64_t *gt, *eq, *product;   /* state */
    uint64_t *opened;              /* this side's outgoing wires, block by block in the message */
} side;

/** Planes of the block in a message of `planes` planes. */
static size_t in_message(const side *b, size_t planes) {
    return (b->at - b->call->part.span.begin) / 64 * planes * 8;
}

static void open_masks(const side *b, int level, uint64_t *mask) {
    size_t planes = b->t->opened_planes, skip = b->t->first_wire[level] * b->words;
    tf_stream(b->call->party, b->own, b->call->index, OPEN, planes * b->from + skip, mask,
              b->t->wires[level] * b->words);
}

static bool is_flat(const side *b) {
    return tf_args(compare_args, b->call->node)->flat;
}

/** The unmasked shares of the wires that `level` opens, in order: eq_h, gt_l, eq_l for each pair, then the result. */
static void gather_wires(const side *b, int level, int nodes, uint64_t *wire) {
    size_t words = b->words;
    if (level == b->t->levels) {
        memcpy(wire, b->gt, words * 8);
        return;
    }
    if (is_flat(b)) {
        size_t half = (size_t)(nodes - 1) * words;
        memcpy(wire, b->eq + words, half * 8);
        memcpy(wire + half, b->gt, half * 8);
        return;
    }
    for (int j = 0; j + 1 < nodes; j += 2) {
        memcpy(wire, b->eq + (size_t)(j + 1) * words, words * 8);
        memcpy(wire + words, b->gt + (size_t)j * words, words * 8);
        if (j) memcpy(wire + 2 * words, b->eq + (size_t)j * words, words * 8);
        wire += (j ? 3 : 2) * words;
    }
}

TF_MULTIVERSION static void send_wires(const side *b, int level, int nodes) {
    size_t count = b->t->wires[level] * b->words;
    uint64_t wire[count], mask[count];
    gather_wires(b, level, nodes, wire);
    open_masks(b, level, mask);
    for (size_t i = 0; i < count; i++) wire[i] ^= mask[i];
    memcpy(b->call->message + in_message(b, b->t->wires[level]), wire, count * 8);
}

/** The leaves, from S's message and the bits of c. */
TF_MULTIVERSION static void first_phase(const side *b) {
    const tree *t = b->t;
    const tf_step_node *node = b->call->node;
    const compare_args *args = tf_args(compare_args, node);
    unsigned low = (unsigned)args->low, width = (unsigned)args->width;
    const uint64_t *c = b->call->in[0].c[1 - b->own] + b->at;
    size_t words = b->words;
    uint64_t value[TF_BLOCK], plane[64 * BLOCK_WORDS], entry[t->dealt_planes * words];
    for (size_t i = 0; i < b->count; i++) value[i] = c[i] + (uint64_t)args->offset;
    memset(plane, 0, sizeof plane);
    b->call->party->kernels->to_planes(value, b->count, low, width + 1, plane, BLOCK_WORDS);
    if (b->left)
        tf_stream(b->call->party, b->own, b->call->index, DEAL, t->dealt_planes * b->from, entry,
                  t->dealt_planes * words);
    else
        memcpy(entry, b->call->dealt + in_message(b, t->dealt_planes), t->dealt_planes * words * 8);
    const uint64_t *e = entry, *a = plane;
    uint64_t whole = b->left ? ~UINT64_C(0) : 0;
    for (int j = 0; j < t->leaves; j++) {
        for (size_t w = 0; w < words; w++)
            look_up(t->bits[j], a, e, words, w, whole, &b->gt[(size_t)j * words + w], &b->eq[(size_t)j * words + w]);
        e += (((size_t)1 << t->bits[j]) - 1) * words;
        a += t->bits[j] * BLOCK_WORDS;
    }
    memcpy(b->product, e, t->ands * words * 8);
    if (args->top && b->left) /* the top bit of c belongs to the result: added to the last block's gt */
        for (size_t w = 0; w < words; w++) b->gt[(size_t)(t->leaves - 1) * words + w] ^= plane[width * BLOCK_WORDS + w];
}

/** The nodes of the next level from the opened wires; returns their number. */
TF_MULTIVERSION static int combine(const side *b, int level, int nodes) {
    size_t words = b->words, count = b->t->wires[level] * words;
    uint64_t wire[count], mask[count];
    gather_wires(b, level, nodes, wire);
    open_masks(b, level, mask);
    const uint8_t *message = b->call->received + in_message(b, b->t->wires[level]);
    uint64_t other[count];
    memcpy(other, message, count * 8);
    for (size_t i = 0; i < count; i++) other[i] ^= wire[i] ^ mask[i]; /* opened: wire ^ both masks */
    const uint64_t *d = other, *m = mask, *product = b->product + b->t->first_and[level] * words;
    uint64_t both = b->left ? ~UINT64_C(0) : 0; /* one side adds the product of the opened values */
    int next = 0;
    if (is_flat(b)) {
        memcpy(b->gt, b->gt + (size_t)(nodes - 1) * words, words * 8);
        tf_flat_combine(nodes, words, d, m, product, both, b->gt);
        return 1;
    }
    for (int j = 0; j + 1 < nodes; j += 2, next++) {
        for (size_t w = 0; w < words; w++) {
            uint64_t dh = d[w], mh = m[w], dg = d[words + w], mg = m[words + w];
            uint64_t and_gt = product[w] ^ (dh & mg) ^ (dg & mh) ^ (dh & dg & both);
            b->gt[(size_t)next * words + w] = b->gt[(size_t)(j + 1) * words + w] ^ and_gt;
            if (j) {
                uint64_t de = d[2 * words + w], me = m[2 * words + w];
                b->eq[(size_t)next * words + w] = product[words + w] ^ (dh & me) ^ (de & mh) ^ (dh & de & both);
            }
        }
        d += (j ? 3 : 2) * words, m += (j ? 3 : 2) * words, product += (j ? 2 : 1) * words;
    }
    if (nodes % 2) {
        memmove(b->gt + (size_t)next * words, b->gt + (size_t)(nodes - 1) * words, words * 8);
        memmove(b->eq + (size_t)next * words, b->eq + (size_t)(nodes - 1) * words, words * 8);
        next++;
    }
    return next;
}

static void open_result(const side *b) {
    size_t words = b->words;
    uint64_t mask[words], other[words];
    open_masks(b, b->t->levels, mask);
    memcpy(other, b->call->received + in_message(b, 1), words * 8);
    for (size_t w = 0; w < words; w++) b->call->out.bit[b->from + w] = b->gt[w] ^ mask[w] ^ other[w];
}

static tf_status compare_pair(tf_call *call, int phase) {
    tree t = tree_of(call->node);
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
        b.gt = call->state + planes * b.from;
        b.eq = b.gt + (size_t)t.leaves * b.words;
        b.product = b.eq + (size_t)t.leaves * b.words;
        int nodes = t.leaves;
        for (int l = 1; l < phase; l++) nodes = (nodes + 1) / 2; /* before this phase's combination */
        if (phase == 0)
            first_phase(&b);
        else if (phase <= t.levels)
            nodes = combine(&b, phase - 1, nodes);
        if (phase <= t.levels)
            send_wires(&b, phase, nodes);
        else
            open_result(&b);
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

tf_value tf_carry(tf_program *p, tf_value a, unsigned low, unsigned width, bool top, uint64_t offset, bool flat) {
    if (p->status) return -1;
    tf_type type = {.shape = tf_type_of(p, a)->shape, .kind = TF_BIT, .bits = 1, .bound = 1, .zero = -1};
    if (width < 2 || width > TF_FLAT_LEAVES * MAX_BLOCK_BITS) flat = false;
    compare_args args = {.low = low, .width = width, .top = top, .offset = (int64_t)offset, .flat = flat};
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

static tf_value negative(tf_program *p, tf_value a, unsigned low, bool flat) {
    if (p->status) return -1;
    tf_compared bits = tf_compared_bits(tf_type_of(p, a), 0, low);
    unsigned width = bits.width;
    low = bits.low;
    a = tf_lift(p, a, low + width + 1);
    if (p->status) return -1;
    if (width > MAX_LEAVES * MAX_BLOCK_BITS)
        return tf_program_fail(
            p, tf_fail(TF_RANGE, "a comparison over %u bits; %d are the most", width, MAX_LEAVES * MAX_BLOCK_BITS));
    return tf_carry(p, a, low, width, true, low ? UINT64_C(1) << (low - 1) : 0, flat);
}

tf_value tf_negative(tf_program *p, tf_value a, unsigned low) {
    return negative(p, a, low, false);
}

tf_value tf_negative_soon(tf_program *p, tf_value a, unsigned low) {
    return negative(p, a, low, true);
}
