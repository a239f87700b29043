/**
 * A ring of bytes in memory that two ends share: one writes frames, the other reads them, in the same order and of the
 * same lengths, which both know beforehand. A frame lies in one piece, so that what makes it can make it in its place,
 * and what reads it can read it there.
 *
 * Where the next frame lies follows from the lengths of those before it. Nothing that the other end writes is an
 * address or a size: of its count only whether it has come far enough is asked, and a count that no honest end can have
 * is an error. What lies in a frame can change while it is read.
 */
#ifndef TF_RING_H
#define TF_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "net/base/status.h"

enum {
    TF_RING_LINE = 64,
    /** A frame's bytes begin so far behind its own beginning, at a multiple of TF_RING_LINE: what follows the eight
     *  bytes of a record's header then begins at such a multiple. */
    TF_RING_LEAD = TF_RING_LINE - 8
};

/** Bytes that the sender has written and the receiver has read since the beginning: 0 at first. */
typedef struct tf_ring_counts {
    alignas(TF_RING_LINE) _Atomic uint64_t written;
    alignas(TF_RING_LINE) _Atomic uint64_t read;
} tf_ring_counts;

/** One end of a ring. */
typedef struct tf_ring {
    tf_ring_counts *counts; /**< shared */
    unsigned char *bytes;   /**< shared, at a multiple of TF_RING_LINE */
    uint64_t size;          /**< of these, a multiple of TF_RING_LINE */
    uint64_t count;         /**< what this end has written, or read */
    int peer;               /**< the other end, for errors */
} tf_ring;

/** The longest frame of a ring of `size` bytes: it has room wherever it begins. */
static inline uint64_t tf_ring_longest(uint64_t size) {
    return size / 2 - TF_RING_LEAD;
}

/** Where the next frame of `length` bytes, tf_ring_longest at most, is to be written, in *at; NULL while there is no
 *  room. Fails with TF_PEER when the receiver has read what was not written. */
TF_CHECKED tf_status tf_ring_place(const tf_ring *ring, uint64_t length, unsigned char **at);

/** Gives the receiver the frame that was written there, as a part of a message of `whole` bytes. */
void tf_ring_commit(tf_ring *ring, uint64_t length, uint64_t whole);

/** Where the next frame of `length` bytes lies, in *at; NULL while it is not there. Fails with TF_MISMATCH when the
 *  next frame is part of a message that has not `whole` bytes, and with TF_PEER when the sender has written more than
 *  there is room for. `party` is this end, for errors. */
TF_CHECKED tf_status tf_ring_peek(const tf_ring *ring, int party, uint64_t length, uint64_t whole,
                                  const unsigned char **at);

/** Gives its room back to the sender. */
void tf_ring_release(tf_ring *ring, uint64_t length);

#endif
