/* What several steps share. */
#ifndef TF_STEPS_H
#define TF_STEPS_H

#include <string.h>

#include "runtime/program/step.h"

/** The same elements under another type; `type` says all. */
tf_value tf_rename(tf_program *program, tf_value a, tf_type type);

/** The carry into bit low + width of (c + offset) + v, with the bits at low + width added if `top`: a split bit.
 * In so many exchanges at most, 1 (up to 11 bits) or 2 for more bytes; 0: in as many as are worth theirs. */
tf_value tf_carry(tf_program *program, tf_value a, unsigned low, unsigned width, bool top, uint64_t offset,
                  int exchanges);

/** tf_negative in so many exchanges at most, likewise. */
tf_value tf_negative_in(tf_program *program, tf_value a, unsigned low, int exchanges);

/** x W^T + b truncated, W and b public leaves (b may be NULL). */
struct tf_node;
tf_value tf_public_linear(tf_program *program, tf_value x, const struct tf_node *weight, const struct tf_node *bias,
                          tf_result result);

/** For each bit from element `at` on, all ones where it is 1 and zero elsewhere; the other way round with `invert`. */
void tf_expand_bits(const uint64_t *bit, size_t at, size_t count, bool invert, uint64_t *out);

/** @name A block's elements as numbers of C, of 1, 2, 4 or 8 bytes, the least that hold so many bytes or 8: loops that
 * take the size as a constant read messages and keystreams where they lie, and write messages, and become vectors. @{
 */

static inline unsigned tf_number_size(unsigned bytes) {
    return bytes & (bytes - 1) ? sizeof(uint64_t) : bytes;
}

/** Messages are little-endian, and so is this machine; by way of each type, for which the compiler finds vectors. */
static inline __attribute__((always_inline)) uint64_t tf_number_get(const void *in, unsigned size, size_t i) {
    const uint8_t *at = (const uint8_t *)in + i * size;
    uint16_t half;
    uint32_t word;
    uint64_t whole;
    switch (size) {
    case 1: return *at;
    case 2: memcpy(&half, at, sizeof half); return half;
    case 4: memcpy(&word, at, sizeof word); return word;
    default: memcpy(&whole, at, sizeof whole); return whole;
    }
}

static inline __attribute__((always_inline)) void tf_number_put(void *out, unsigned size, size_t i, uint64_t x) {
    uint8_t *at = (uint8_t *)out + i * size;
    const uint16_t half = (uint16_t)x;
    const uint32_t word = (uint32_t)x;
    switch (size) {
    case 1: *at = (uint8_t)x; break;
    case 2: memcpy(at, &half, sizeof half); break;
    case 4: memcpy(at, &word, sizeof word); break;
    default: memcpy(at, &x, sizeof x);
    }
}

/** The stream of a block, so many numbers of tf_number_size(bytes): a mask need not be wider than what it masks. */
void tf_number_stream(tf_call *call, int which, unsigned purpose, unsigned bytes, size_t at, size_t count,
                      uint64_t out[TF_BLOCK]);

/** A block's numbers in a message: where they lie, or in `room`. */
const void *tf_number_read(const tf_call *call, const uint8_t *in, size_t count, unsigned bytes,
                           uint64_t room[TF_BLOCK]);

/** Where a block's numbers are written for a message: there, or in `room`, of which tf_number_sent puts them there. */
static inline void *tf_number_place(uint8_t *out, unsigned bytes, uint64_t room[TF_BLOCK]) {
    return tf_number_size(bytes) == bytes ? (void *)out : room;
}
void tf_number_sent(const tf_call *call, uint8_t *out, size_t count, unsigned bytes, const uint64_t room[TF_BLOCK]);

/** Calls f(size, ...) with the size as a constant. */
#define TF_WITH_NUMBER_SIZE(size, f, ...)                                                                              \
    switch (size) {                                                                                                    \
    case 1: f(1, __VA_ARGS__); break;                                                                                  \
    case 2: f(2, __VA_ARGS__); break;                                                                                  \
    case 4: f(4, __VA_ARGS__); break;                                                                                  \
    default: f(8, __VA_ARGS__);                                                                                        \
    }

/** @} */

/** @name A block's elements in a ring of so many bytes: words of 32 bits where it has four, of 64 otherwise, masks from
 * a keystream included. Loops over them take `narrow`, tf_is_narrow(bytes), as a constant. @{ */

typedef union tf_ring {
    uint32_t narrow[TF_BLOCK];
    uint64_t wide[TF_BLOCK];
} tf_ring;

static inline bool tf_is_narrow(unsigned bytes) {
    return bytes == sizeof(uint32_t);
}

static inline uint64_t tf_ring_get(const tf_ring *r, bool narrow, size_t i) {
    return narrow ? r->narrow[i] : r->wide[i];
}

static inline void tf_ring_put(tf_ring *r, bool narrow, size_t i, uint64_t x) {
    if (narrow)
        r->narrow[i] = (uint32_t)x;
    else
        r->wide[i] = x;
}

/** The stream of a block: whole words of it are written, so that an odd number of elements needs room for one more. */
void tf_ring_stream(tf_call *call, int which, unsigned purpose, unsigned bytes, size_t at, size_t count, tf_ring *out);

/** As in messages, and back. */
void tf_ring_pack(const tf_call *call, const tf_ring *r, size_t count, unsigned bytes, uint8_t *out);
void tf_ring_unpack(const tf_call *call, const uint8_t *in, size_t count, unsigned bytes, tf_ring *r);

/** @} */

/** @name Reshare: L and R hold an additive sharing of the result; one message each way makes it replicated.
 *  Each sends its part less a stream (`purpose`) shared with S alone, so the message is uniform to the other. Of a
 *  result that is truncated by `drop` bits, into a ring narrower by as many, messages and streams each lose them: the
 *  error is two units at most, and zero in the mean. Elements are sent in the bytes of the node's ring. @{ */

typedef struct tf_reshare {
    unsigned purpose, drop;
} tf_reshare;

/** What S will hold of the result: the two streams, known from the start. */
void tf_reshare_solo(tf_call *call, tf_reshare reshare, size_t at, size_t count);
/** L or R: sends the block's part. */
void tf_reshare_send(tf_call *call, tf_reshare reshare, size_t at, size_t count, const uint64_t *part);
/** L or R: completes the common component in the next phase. */
void tf_reshare_receive(tf_call *call, size_t at, size_t count);

/** @} */

/** The polynomial through a power of x at the Chebyshev points of [low, high], in u = 2^point x and with `frac`
 * fractional bits: for each power of u a number mod 2^128, the lower word first. */
void tf_piece_fit(const tf_power *power, int point, int frac, int degree, double low, double high,
                  int64_t *coefficient);

/** @name Which element of a group is the largest, from the split bits of all its pairs: for tournaments @{ */

enum { TF_WINNERS_MOST = 8, TF_SELECT_MOST = 6 }; /* elements of a group */

/**
 * For elements 1 to group - 1, whether each is the first of the largest of its group: as many planes of split bits. The
 * first element is the one that none of them is. `bit`: [x_i < x_j] for (0, 1), (0, 2), .., (1, 2), .. 1 round.
 */
tf_value tf_winners(tf_program *program, size_t group, const tf_value *bit);

/** What the first of the largest adds to element 0, given what each of the others does: `more` of `group` - 1, of one
 *  scale. 1 round, and no split bits on the way. */
tf_value tf_select_winner(tf_program *program, size_t group, const tf_value *bit, const tf_value *more);

/** Bytes of a group's winners; and how many ring elements a group's winner costs. */
double tf_winners_bytes(size_t group);
double tf_select_winner_elements(size_t group);

/** @} */

#endif
