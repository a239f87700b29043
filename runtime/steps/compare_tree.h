/**
 * How a comparison is cut into blocks, and a tree combines them, groups of blocks at a time. A group takes one
 * exchange. Of blocks 0 to m, m the most significant, gt = gt_m ^ eq_m gt_(m-1) ^ eq_m eq_(m-1) gt_(m-2) ^ ... ^ (eq_m
 * ... eq_1) gt_0,   eq = (eq_m ... eq_1) eq_0. Opened at once are the wires eq_1 .. eq_m, gt_0 .. gt_(m-1), and eq_0
 * where eq is wanted, in this order, under masks; S deals the products of all sets of masks that occur in these terms.
 * Planes have `words` words. Used by compare.c alone.
 */
#ifndef TF_STEPS_COMPARE_TREE_H
#define TF_STEPS_COMPARE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Words of planes, which are worked on eight at a time; planes may end with fewer. */
typedef uint64_t tf_lanes __attribute__((vector_size(64)));
enum { TF_LANES = sizeof(tf_lanes) / sizeof(uint64_t) };

/** The n words at x, TF_LANES at most, and zeros. */
static inline __attribute__((always_inline)) void tf_load_lanes(tf_lanes *v, const void *x, size_t n) {
    *v = (tf_lanes){0};
    memcpy(v, x, n * sizeof(uint64_t));
}

enum { TF_GROUP_MOST = 6 };

/** So many blocks, 2 to TF_GROUP_MOST, and whether eq is wanted. */
typedef struct tf_group {
    int blocks;
    bool eq;
} tf_group;

/** Wires of a group, and dealt products. */
size_t tf_group_wires(tf_group group);
size_t tf_group_products(tf_group group);

/** S: the products of the wires' masks. */
void tf_group_deal(tf_group group, size_t words, const uint64_t *mask, uint64_t *product);

/** What L or R combines. */
typedef struct tf_group_view {
    const uint64_t *opened, *mask, *product; /**< the wires; this side's masks of them; its shares of the products */
    uint64_t both;                           /**< all ones on one side and zero on the other */
} tf_group_view;

/** L or R: adds all terms but the first to a share of gt_m in `gt`; writes a share of eq where that is wanted. */
void tf_group_combine(tf_group group, size_t words, const tf_group_view *view, uint64_t *gt, uint64_t *eq);

enum { TF_TREE_LEAVES = 9, TF_TREE_LEVELS = 3, TF_TREE_BLOCK_BITS = 6, TF_TREE_SINGLE_BITS = 11 };

/** Trees by how many levels they have at most: any number, one, none (a block of TF_TREE_SINGLE_BITS at most). */
typedef enum tf_tree_kind { TF_TREE_ANY, TF_TREE_FLAT, TF_TREE_SINGLE } tf_tree_kind;

/** How a comparison of `width` bits is cut, block j having bits[j] bits, the first the least significant; and how its
 *  blocks are combined, level by level in groups of arity[level]. Wires and ANDs are those of one number. */
typedef struct tf_tree {
    int leaves, levels, arity[TF_TREE_LEVELS];
    unsigned bits[TF_TREE_LEAVES];
    size_t numbers, unit_planes; /**< dealt: entries of the unit vectors */
    size_t ands;                 /**< dealt: products of masks */
    size_t wires[TF_TREE_LEVELS + 1], first_wire[TF_TREE_LEVELS + 1], first_and[TF_TREE_LEVELS + 1];
    size_t dealt_planes, opened_planes; /**< in all, the final one included in the latter: of one number */
} tf_tree;

/** The tree of `width` bits and this kind that is worth most: the fewest bits on the wire, a level less being worth a
 *  quarter of them. No leaves if there is none. */
tf_tree tf_tree_of(unsigned width, size_t numbers, tf_tree_kind kind);

/** The tree that tf_tree_of has chosen, of its leaves, levels and first arity: without looking at the others. */
tf_tree tf_tree_again(unsigned width, size_t numbers, int leaves, int levels, int arity);

/** Bits an element on the wire. */
size_t tf_tree_bits(const tf_tree *tree);

/** The group whose first node is node j of `nodes`, of a level; one node alone is none, and stays as it is. */
tf_group tf_tree_group(const tf_tree *tree, int level, int nodes, int j);

/** How many nodes the next level has. */
int tf_tree_above(const tf_tree *tree, int level, int nodes);

#endif
