#include "runtime/steps/compare_tree.h"

#include "runtime/kernels/multiversion.h"

/*
 * The masks of eq_1 .. eq_m are numbered from 0, so that sets of them are bit masks. Terms are a set of eq, all from
 * some number on, times one more wire: those of gt_0 .. gt_(m-1), and then of eq_0. Products come in this order: of the
 * sets of two and more eq; then for each term, its last wire times each set but the empty one of its eq, whose number
 * is shifted by that of the first.
 */
enum { SETS = 1 << (TF_GROUP_MOST - 1) };

size_t tf_group_wires(tf_group group) {
    return 2 * (size_t)(group.blocks - 1) + group.eq;
}

size_t tf_group_products(tf_group group) {
    size_t above = (size_t)(group.blocks - 1), sets = (size_t)1 << above;
    return sets - 1 - above + 2 * sets - 2 - above + (group.eq ? sets - 1 : 0);
}

/** Whether a set has one element or none: its product is a mask, or 1. */
static int is_small(size_t set) {
    return !(set & (set - 1));
}

/** How many terms there are, and the number of the first eq of term j. */
static int terms_of(tf_group group) {
    return group.blocks - 1 + group.eq;
}
static int first_of(tf_group group, int j) {
    return j < group.blocks - 1 ? j : 0;
}

#define INLINE static inline __attribute__((always_inline))

/** n words of all products. */
INLINE void deal(tf_group group, size_t n, size_t words, const uint64_t *mask, uint64_t *product) {
    const int above = group.blocks - 1;
    tf_lanes of[SETS] = {~(tf_lanes){0}};
    for (size_t set = 1; set < (size_t)1 << above; set++) {
        tf_load_lanes(&of[set], mask + (size_t)__builtin_ctzll(set) * words, n);
        of[set] &= of[set & (set - 1)];
        if (is_small(set)) continue;
        memcpy(product, &of[set], n * sizeof *product);
        product += words;
    }
    for (int j = 0; j < terms_of(group); j++) {
        const size_t first = (size_t)first_of(group, j);
        tf_lanes last;
        tf_load_lanes(&last, mask + (size_t)(above + j) * words, n);
        for (size_t set = 1; set < (size_t)1 << ((size_t)above - first); set++, product += words) {
            const tf_lanes all = of[set << first] & last;
            memcpy(product, &all, n * sizeof *product);
        }
    }
}

TF_MULTIVERSION void tf_group_deal(tf_group group, size_t words, const uint64_t *mask, uint64_t *product) {
    size_t w = 0;
    for (; w + TF_LANES <= words; w += TF_LANES) deal(group, TF_LANES, words, mask + w, product + w);
    if (w < words) deal(group, words - w, words, mask + w, product + w);
}

/** The terms of a pair: a wire times eq_1. */
TF_MULTIVERSION static void combine_pair(size_t words, const tf_group_view *v, size_t wire, size_t product,
                                         uint64_t *sum) {
    const uint64_t *d = v->opened, *m = v->mask, *p = v->product + product * words;
    for (size_t w = 0; w < words; w++) {
        uint64_t dx = d[wire * words + w], mx = m[wire * words + w];
        sum[w] ^= p[w] ^ (d[w] & mx) ^ (dx & m[w]) ^ (d[w] & dx & v->both);
    }
}

/** A term of a triple: a wire times eq_1 and eq_2; its three products begin at `product`. */
TF_MULTIVERSION static void combine_triple(size_t words, const tf_group_view *v, size_t wire, size_t product,
                                           uint64_t *sum) {
    const uint64_t *d = v->opened, *m = v->mask, *p = v->product, *mine = p + product * words;
    for (size_t w = 0; w < words; w++) {
        uint64_t x = d[w], y = d[words + w], z = d[wire * words + w];
        sum[w] ^= mine[2 * words + w] ^ (x & mine[words + w]) ^ (y & mine[w]) ^ (z & p[w]) ^
                  (x & y & m[wire * words + w]) ^ (x & z & m[words + w]) ^ (y & z & m[w]) ^ (x & y & z & v->both);
    }
}

/** n words from w on of any number of blocks. A term is the product of d ^ mask over its wires: what is dealt of every
 *  set, times the d of the others. */
INLINE void combine_lanes(tf_group group, size_t n, size_t words, size_t w, const tf_group_view *v, uint64_t *gt,
                          uint64_t *eq) {
    const int above = group.blocks - 1;
    const uint64_t *dealt = v->product + w, *opened = v->opened + w, *mask = v->mask + w;
    tf_lanes of[SETS] = {(tf_lanes){0} + v->both}, d[TF_GROUP_MOST], term[SETS], sum, last;
    tf_load_lanes(&sum, gt + w, n);
    for (int i = 0; i < above; i++) tf_load_lanes(&d[i], opened + (size_t)i * words, n);
    for (size_t set = 1; set < (size_t)1 << above; set++) {
        tf_load_lanes(&of[set], is_small(set) ? mask + (size_t)__builtin_ctzll(set) * words : dealt, n);
        if (!is_small(set)) dealt += words;
    }
    for (int j = 0; j < terms_of(group); j++) {
        const int first = first_of(group, j);
        const size_t wire = (size_t)(above + j) * words;
        size_t sets = (size_t)1 << (above - first);
        tf_load_lanes(&last, opened + wire, n);
        tf_load_lanes(&term[0], mask + wire, n);
        term[0] ^= last & of[0];
        for (size_t set = 1; set < sets; set++, dealt += words) {
            tf_load_lanes(&term[set], dealt, n);
            term[set] ^= last & of[set << first];
        }
        for (int i = above - 1; sets > 1; i--) {
            sets /= 2;
            for (size_t set = 0; set < sets; set++) term[set] = term[set + sets] ^ (d[i] & term[set]);
        }
        if (j < above)
            sum ^= term[0];
        else
            memcpy(eq + w, &term[0], n * sizeof *eq);
    }
    memcpy(gt + w, &sum, n * sizeof *gt);
}

TF_MULTIVERSION static void combine_any(tf_group group, size_t words, const tf_group_view *v, uint64_t *gt,
                                        uint64_t *eq) {
    size_t w = 0;
    for (; w + TF_LANES <= words; w += TF_LANES) combine_lanes(group, TF_LANES, words, w, v, gt, eq);
    if (w < words) combine_lanes(group, words - w, words, w, v, gt, eq);
}

void tf_group_combine(tf_group group, size_t words, const tf_group_view *view, uint64_t *gt, uint64_t *eq) {
    if (group.blocks > 3) {
        combine_any(group, words, view, gt, eq);
        return;
    }
    for (size_t w = 0; w < words && group.eq; w++) eq[w] = 0;
    if (group.blocks == 2) { /* wires: eq_1, gt_0, eq_0 */
        combine_pair(words, view, 1, 0, gt);
        if (group.eq) combine_pair(words, view, 2, 1, eq);
    } else { /* eq_1, eq_2, gt_0, gt_1, eq_0 */
        tf_group_view upper = {view->opened + words, view->mask + words, view->product, view->both};
        combine_triple(words, view, 2, 1, gt);
        combine_pair(words, &upper, 2, 4, gt); /* gt_1, of which eq_2 is the only factor */
        if (group.eq) combine_triple(words, view, 4, 5, eq);
    }
}

tf_group tf_tree_group(const tf_tree *tree, int level, int nodes, int j) {
    int rest = nodes - j;
    return (tf_group){rest < tree->arity[level] ? rest : tree->arity[level], j > 0};
}

int tf_tree_above(const tf_tree *tree, int level, int nodes) {
    return (nodes + tree->arity[level] - 1) / tree->arity[level];
}

/** All levels but the last are of one arity. */
tf_tree tf_tree_again(unsigned width, size_t numbers, int leaves, int levels, int arity) {
    tf_tree t = {.leaves = leaves, .levels = levels, .numbers = numbers};
    int nodes = leaves;
    for (int j = 0; j < leaves; j++) {
        t.bits[j] = width / (unsigned)leaves + ((unsigned)j < width % (unsigned)leaves);
        t.unit_planes += ((size_t)1 << t.bits[j]) - 1;
    }
    for (int level = 0; level < levels; level++) {
        t.arity[level] = level + 1 < levels ? arity : nodes;
        t.first_wire[level] = t.opened_planes;
        t.first_and[level] = t.ands;
        if (nodes < 2 || t.arity[level] > TF_GROUP_MOST) return (tf_tree){0};
        for (int j = 0; j < nodes; j += t.arity[level]) {
            tf_group group = tf_tree_group(&t, level, nodes, j);
            if (group.blocks < 2) continue;
            t.wires[level] += tf_group_wires(group);
            t.ands += tf_group_products(group);
        }
        t.opened_planes += t.wires[level];
        nodes = tf_tree_above(&t, level, nodes);
    }
    if (nodes > 1) return (tf_tree){0};
    t.first_wire[levels] = t.opened_planes;
    t.wires[levels] = 1;
    t.opened_planes += 1;
    t.dealt_planes = t.unit_planes + numbers * t.ands;
    return t;
}

size_t tf_tree_bits(const tf_tree *tree) {
    return tree->dealt_planes + 2 * tree->numbers * tree->opened_planes;
}

tf_tree tf_tree_of(unsigned width, size_t numbers, tf_tree_kind kind) {
    tf_tree best = {0};
    double least = 0;
    if (kind == TF_TREE_SINGLE)
        return width <= TF_TREE_SINGLE_BITS ? tf_tree_again(width, numbers, 1, 0, 0) : (tf_tree){0};
    for (int leaves = 1; leaves <= TF_TREE_LEAVES && leaves <= (int)width; leaves++) {
        if ((width + (unsigned)leaves - 1) / (unsigned)leaves > TF_TREE_BLOCK_BITS) continue;
        int most = leaves == 1 ? 0 : kind == TF_TREE_FLAT ? 1 : TF_TREE_LEVELS;
        for (int levels = leaves > 1; levels <= most; levels++)
            for (int arity = 2; arity <= (levels > 1 ? 3 : 2); arity++) {
                tf_tree t = tf_tree_again(width, numbers, leaves, levels, arity);
                double bits = (double)tf_tree_bits(&t);
                for (int level = 0; level < levels; level++) bits *= 1.25;
                if (t.leaves && (!best.leaves || bits < least)) least = bits, best = t;
            }
    }
    return best;
}
