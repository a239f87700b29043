/** Ranks of shared elements: all pairs of a row meet at once, so rows are short, or cut into groups. */
#ifndef TF_OPS_RANKING_H
#define TF_OPS_RANKING_H

#include "runtime/program/program.h"

/** [a < 0], all bits looked at: in few rounds where elements are few, with few bytes where they are many. */
tf_value tf_negative_of(tf_program *program, tf_value a);

/** By how many others of its row each element of x (rows, n) is beaten: by larger ones, and by equal ones before it. n
 *  (n - 1) / 2 comparisons a row. `bound`: of the elements, in whose ring there should be room for differences. */
tf_value tf_losses(tf_program *program, tf_value x, double bound);

/** The most elements of a row that are ranked at once; longer rows are cut into groups first. */
enum { TF_RANKED = 512 };

/** The largest elements of rows, largest first, and where in the row they stood. */
typedef struct tf_largest {
    tf_value value, position; /**< (rows, count) */
} tf_largest;

/**
 * The `count` largest elements of each row of x (rows, n), count <= n. Of equal ones at the limit some are found, so
 * many that there are `count`. Groups of five are reduced to their largest elements, and these again, until a row of
 * them can be ranked; the largest groups are then opened up level by level.
 */
tf_largest tf_largest_of(tf_program *program, tf_value x, size_t count);

/** Entry (j, i) of a row is 1 where its element i is the j-th largest, j < count <= n, else 0: (rows, count, n). n (n -
 *  1) / 2 comparisons of elements, which should have room for differences, and count n of small numbers. */
tf_value tf_choose_largest(tf_program *program, tf_value x, size_t count);

/** The entry of `value` (rows, n) where x (rows, n) is largest, and the first such one: (rows), within `bound`. n is at
 *  most TF_RANKED. */
tf_value tf_at_largest(tf_program *program, tf_value x, tf_value value, double bound);

#endif
