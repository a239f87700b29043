/** Powers of a value, by segments of its range, and what brings scores into that range. Used by softmax alone. */
#ifndef TF_STEPS_POWERS_H
#define TF_STEPS_POWERS_H

#include "runtime/program/program.h"

TF_PUBLIC_BEGIN

/** How far below zero x may be: down to -252 or -508. Far below what counts the power is zero; beyond the range it is
 *  that of a multiple of 256 or 512 more. */
typedef enum tf_powers_range { TF_POWERS_TO_252 = 6, TF_POWERS_TO_508 = 7 } tf_powers_range;

/** What powers are taken of: x, or where `row` is not -1 x less that number of each row, the last axis: a difference
 * that nothing else reads, and that is made where it is read. */
typedef struct tf_lowered {
    tf_value x, row;
} tf_lowered;

/**
 * 2^(octaves x) for x <= 0 within the range, with 13 fractional bits or fewer, and 0.7 to 1.45 octaves; to 1e-4
 * relative (4e-5 in the mean square), and, of a result with `frac` fractional bits, 6 units (1 in the mean square). In
 * a ring of `ring` bits, or as many as it needs (0), and up to 7 more, for it is made in one of whole bytes and 16 bits
 * more. With 19 fractional bits and the nearer range 8 B, two ring elements of 5 B dealt, one opened, and the result in
 * 3 B: 34 B. 3 rounds, 1 of them S's.
 */
tf_value tf_powers(tf_program *program, tf_lowered x, double octaves, tf_powers_range range, int frac, unsigned ring);

/** The same in one exchange, 2 rounds of which 1 is S's, in a ring of at least `ring` bits, 62 at most: 64 or 128
 *  numbers of the ring's bits and 16 more, and the result twice. */
tf_value tf_powers_at_once(tf_program *program, tf_lowered x, double octaves, tf_powers_range range, int frac,
                           unsigned ring);

/** The bytes of an element of these. */
double tf_powers_at_once_bytes(tf_powers_range range, unsigned ring);

/** The longest row. */
enum { TF_CEILING_COLUMNS = 8191 };

/** So far below zero may the largest element of what tf_below_ceiling returns be. */
enum { TF_CEILING_SLACK = 8 };

/**
 * x and a number for each row, the last axis, to be less: for tf_powers of the same range. The largest of the elements
 * that count comes out between -TF_CEILING_SLACK and 0. Relative to the mean of eight of the row's elements that count,
 * or with `first` to its first element, elements must be below 92, and above -152 in the nearer range, -408 in the
 * farther; and no farther apart than 240 or 496. `mask`, a constant or public leaf read with `shape`, which broadcasts
 * to x's, has 1 for elements that count and 0 for others, of which what comes out is any number; -1: all count. x has
 * 13 fractional bits or fewer. Fails, in that a row's result is some multiple of 4 too high, with a probability of
 * 2^-39 for each multiple of 4. 8 or 16 B an element, and 787 B a row. 5 rounds, 1 of them S's.
 */
tf_lowered tf_below_ceiling(tf_program *program, tf_value x, tf_value mask, tf_shape shape, tf_powers_range range,
                            bool first);

/** Bytes that it sends. */
double tf_ceiling_bytes(size_t rows, size_t length, tf_powers_range range);

TF_PUBLIC_END

#endif
