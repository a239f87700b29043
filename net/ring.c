#include "net/ring.h"

#include <string.h>

/** Where a frame lies in a ring. */
typedef struct frame {
    uint64_t begin; /**< where the length of its message stands, whatever its own length is */
    uint64_t bytes; /**< where its bytes begin: behind that, or at the ring's beginning if they do not fit there */
    uint64_t taken; /**< of the ring, by what is skipped, too */
} frame;

static frame next_frame(const tf_ring *ring, uint64_t length) {
    const uint64_t span = (TF_RING_LEAD + length + TF_RING_LINE - 1) / TF_RING_LINE * TF_RING_LINE;
    const uint64_t begin = ring->count % ring->size, left = ring->size - begin;
    return span <= left ? (frame){begin, begin + TF_RING_LEAD, span} : (frame){begin, TF_RING_LEAD, left + span};
}

tf_status tf_ring_place(const tf_ring *ring, uint64_t length, unsigned char **at) {
    const frame next = next_frame(ring, length);
    const uint64_t read = atomic_load_explicit(&ring->counts->read, memory_order_acquire);
    const uint64_t full = ring->count - read;
    *at = NULL;
    if (full > ring->size) return tf_fail_public(TF_PEER, "party %d has read what was not sent to it", ring->peer);
    if (next.taken <= ring->size - full) *at = ring->bytes + next.bytes;
    return TF_OK;
}

void tf_ring_commit(tf_ring *ring, uint64_t length, uint64_t whole) {
    const frame next = next_frame(ring, length);
    memcpy(ring->bytes + next.begin, &whole, sizeof whole);
    ring->count += next.taken;
    atomic_store_explicit(&ring->counts->written, ring->count, memory_order_release);
}

tf_status tf_ring_peek(const tf_ring *ring, int party, uint64_t length, uint64_t whole, const unsigned char **at) {
    const uint64_t written = atomic_load_explicit(&ring->counts->written, memory_order_acquire);
    const uint64_t full = written - ring->count;
    *at = NULL;
    if (full == 0) return TF_OK;
    if (full > ring->size) return tf_fail_public(TF_PEER, "party %d has sent more than there is room for", ring->peer);
    const frame next = next_frame(ring, length);
    const uint64_t sent = *(const volatile uint64_t *)(ring->bytes + next.begin); // once: it may change
    if (sent != whole)
        return tf_fail_public(TF_MISMATCH, "party %d sent %llu bytes where party %d expected %llu", ring->peer,
                              (unsigned long long)sent, party, (unsigned long long)whole);
    if (next.taken > full) return tf_fail_public(TF_PEER, "party %d has sent a part of a frame", ring->peer);
    *at = ring->bytes + next.bytes;
    return TF_OK;
}

void tf_ring_release(tf_ring *ring, uint64_t length) {
    ring->count += next_frame(ring, length).taken;
    atomic_store_explicit(&ring->counts->read, ring->count, memory_order_release);
}
