/* Truncation in the 2+1 view, shared by the truncation step and the end of every product. See PROTOCOLS.md. */
#ifndef TF_STEPS_TRUNCATION_H
#define TF_STEPS_TRUNCATION_H

#include "runtime/program/step.h"

/** How a value in Z_2^bits, known as c to L and R and as v to S, loses `shift` low bits. */
typedef struct tf_truncation {
    unsigned bits;  /**< of the ring before; 64 when wide */
    unsigned shift; /**< 0: no truncation, S's part is only split between S's components */
    bool wide;      /**< stay in Z_2^64, correcting the wrap: one more exchange */
} tf_truncation;

/** The same among the public parameters of a step. */
typedef struct tf_truncation_args {
    int64_t bits, shift, wide;
} tf_truncation_args;

static inline tf_truncation tf_truncation_read(const tf_truncation_args *args) {
    return (tf_truncation){(unsigned)args->bits, (unsigned)args->shift, args->wide};
}

static inline tf_truncation_args tf_truncation_write(tf_truncation t) {
    return (tf_truncation_args){.bits = t.bits, .shift = t.shift, .wide = t.wide};
}

/**
 * The truncation by `shift` bits whose narrow result holds `bits` bits, and more where whole bytes on the wire leave
 * room. `most` is the width of the ring that is there anyway; 0 if any width can be asked for.
 */
tf_truncation tf_truncation_into(unsigned bits, unsigned shift, bool wide, unsigned most);

/** The ring that a wide truncation of a value of this tf_width takes: above 64 bits, which cannot be had,
 *  from 64 on. */
unsigned tf_truncation_ring(unsigned width);

/** Bytes of an element in S's message, and in each direction of the exchange that corrects the wrap. */
unsigned tf_truncation_dealt(tf_truncation t);
unsigned tf_truncation_swapped(tf_truncation t);

/** Purposes of streams from this number up are the truncation's own. */
enum { TF_PURPOSE_TRUNCATION = 16 };

/** S: from v of the block, both of S's components of the result and the block's part of the message. */
void tf_truncation_solo(tf_call *call, tf_truncation t, size_t at, size_t count, const uint64_t *v);

/** L or R, narrow only: its share of S's part, a component of the result: numbers of tf_number_size, or `room`. */
const void *tf_truncation_share(tf_call *call, tf_truncation t, size_t at, size_t count, uint64_t room[TF_BLOCK]);

/**
 * L or R: from c of the block. Narrow: writes both components. Wide: writes this side's half of the correction to the
 * message for the partner, keeping what tf_truncation_finish needs in call->out and in call->state (one word an
 * element).
 */
void tf_truncation_pair(tf_call *call, tf_truncation t, size_t at, size_t count, const uint64_t *c);

/** L or R, wide only: the result, after the exchange. */
void tf_truncation_finish(tf_call *call, tf_truncation t, size_t at, size_t count);

#endif
