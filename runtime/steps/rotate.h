/** Rotations by public angles (rotary positions): of additive parts before a truncation, or of shares. */
#ifndef TF_STEPS_ROTATE_H
#define TF_STEPS_ROTATE_H

#include "runtime/steps/steps.h"

/** Fractional bits of cosines and sines. An output is off by 2^-15 times the sum of its pair's magnitudes at most. */
enum { TF_ROTATION_BITS = 14 };

/** The first `rotated` columns of each row are heads of `depth`; in each, columns i and i + depth/2 are a point. Each
 *  row has a row of the public table: depth/2 cosines, then as many sines. */
typedef struct tf_rotation {
    size_t width, rotated, depth; /**< width: of a whole row */
    unsigned bits;                /**< fractional bits of cosines and sines; the result has as many more */
} tf_rotation;

/** Fails unless the table, a public leaf or a constant, fits `rows` rows of `width`; tells how they are rotated. */
tf_status tf_rotation_of(const tf_program *program, tf_value table, size_t rows, size_t width, size_t rotated,
                         tf_rotation *rotation);

/** Gives a node just appended its table: integers of a constant, or the leaf that brings it to each run. */
tf_value tf_rotation_table(tf_program *program, tf_value value, tf_value table, unsigned bits);

/** Fails if this party was given no table for the node. */
tf_status tf_rotation_ready(const tf_call *call);

/** Rotates rows [begin, end) of z in place, and brings the columns that are not rotated to the same scale. */
void tf_rotate_rows(const tf_call *call, const tf_rotation *rotation, size_t begin, size_t end, uint64_t *z);

#endif
