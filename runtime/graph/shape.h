/** Shapes of dense row-major tensors. */
#ifndef TF_SHAPE_H
#define TF_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

TF_PUBLIC_BEGIN

enum { TF_MAX_RANK = 4 };

/** Row-major; dim[0] is the outermost. Rank 0 is a scalar of one element. */
typedef struct tf_shape {
    int rank;
    size_t dim[TF_MAX_RANK];
} tf_shape;

enum { TF_CUT_WIDTHS = 4 };

/** How a program's tensors are cut into thirds (party/parts.h). */
typedef struct tf_cut {
    size_t small; /**< tensors of so many elements at most are in the first third whole, so that all have the same */
    size_t rows;  /**< tensors of so many rows are cut between rows if these have one of the widths; 0: none is */
    size_t width[TF_CUT_WIDTHS]; /**< multiples of 128; 0: no more */
} tf_cut;

/** tf_dims(2, 3) is the shape 2 x 3. */
#define tf_dims(...) ((tf_shape){(int)(sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t)), {__VA_ARGS__}})

/** The number of elements. The shape must have passed tf_shape_check. */
size_t tf_shape_count(tf_shape shape);

/** Fails with TF_INVALID when a dimension is zero, the rank is too large, or the count exceeds 2^40. */
TF_CHECKED tf_status tf_shape_check(tf_shape shape);

bool tf_shape_equal(tf_shape a, tf_shape b);

/** The last dimension; 1 for a scalar. */
size_t tf_shape_last(tf_shape shape);

/** Writes "2x3x4" into a buffer of at least 96 bytes and returns it. */
char *tf_shape_text(tf_shape shape, char *buffer);

/**
 * The shape of a broadcast of a and b, aligned at the last dimension as in numpy.
 * Fails with TF_INVALID when the two do not fit.
 */
TF_CHECKED tf_status tf_shape_broadcast(tf_shape a, tf_shape b, tf_shape *out);

TF_PUBLIC_END

#endif
