/**
 * The blocks of a comparison combined in one exchange rather than by a binary tree:
 *     gt = gt_m ^ eq_m gt_(m-1) ^ eq_m eq_(m-1) gt_(m-2) ^ ... ^ (eq_m ... eq_1) gt_0.
 * Opened at once are the wires eq_1 .. eq_m and gt_0 .. gt_(m-1), under masks as in the tree; S deals the products of
 * all sets of masks that occur in these terms. Planes have `words` words. Used by compare.c alone.
 */
#ifndef TF_STEPS_COMPARE_FLAT_H
#define TF_STEPS_COMPARE_FLAT_H

#include <stddef.h>
#include <stdint.h>

enum { TF_FLAT_LEAVES = 6 };

/** Wires of so many blocks, and dealt products. */
size_t tf_flat_wires(int leaves);
size_t tf_flat_products(int leaves);

/** S: the products of the wires' masks. */
void tf_flat_deal(int leaves, size_t words, const uint64_t *mask, uint64_t *product);

/** L or R: adds all terms but the first to a share of gt_m: d the opened wires, m this side's masks of them, `both` all
 *  ones on one side and zero on the other. */
void tf_flat_combine(int leaves, size_t words, const uint64_t *d, const uint64_t *m, const uint64_t *product,
                     uint64_t both, uint64_t *gt);

#endif
