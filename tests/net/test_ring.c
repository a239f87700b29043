/** A ring: frames in order and in one piece, and what its end makes of counts that nobody honest writes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "net/ring.h"

enum { SIZE = 1024, GUARD = 64 };

static alignas(TF_RING_LINE) unsigned char memory[GUARD + SIZE + GUARD];
static tf_ring_counts counts;

static tf_ring end_of(int peer) {
    return (tf_ring){.counts = &counts, .bytes = memory + GUARD, .size = SIZE, .peer = peer};
}

Test(ring, carries_frames_of_all_lengths) {
    tf_ring sender = end_of(2), receiver = end_of(1);
    unsigned char *to;
    const unsigned char *from;
    unsigned char text[SIZE];
    uint64_t length[8];
    srand(1);
    cr_assert_eq(tf_ring_longest(SIZE), SIZE / 2 - TF_RING_LEAD);
    memset(memory, 0xee, sizeof memory);
    for (uint64_t sent = 0, taken = 0; taken < 20000;) {
        const uint64_t next = 1 + (uint64_t)rand() % tf_ring_longest(SIZE);
        cr_assert_eq(tf_ring_place(&sender, next, &to), TF_OK);
        if (to && sent - taken < 8 && rand() % 3) {
            cr_assert(to >= memory + GUARD && to + next <= memory + GUARD + SIZE);
            cr_assert_eq((uintptr_t)(to + 8) % TF_RING_LINE, 0);
            memset(to, (int)(sent % 251), next);
            tf_ring_commit(&sender, next, next + 7);
            length[sent++ % 8] = next;
        } else if (sent == taken) {
            cr_assert_eq(tf_ring_peek(&receiver, 2, 1, 1, &from), TF_OK);
            cr_assert_null(from);
            cr_assert(to, "an empty ring has room for each frame");
        } else {
            const uint64_t expected = length[taken % 8];
            cr_assert_eq(tf_ring_peek(&receiver, 2, expected, expected + 7, &from), TF_OK);
            cr_assert_not_null(from);
            memset(text, (int)(taken % 251), expected);
            cr_assert_eq(memcmp(from, text, expected), 0);
            tf_ring_release(&receiver, expected);
            taken++;
        }
    }
    for (int i = 0; i < GUARD; i++) cr_assert(memory[i] == 0xee && memory[GUARD + SIZE + i] == 0xee);
}

Test(ring, says_which_lengths_differ) {
    tf_ring sender = end_of(2), receiver = end_of(1);
    unsigned char *to;
    const unsigned char *from;
    cr_assert_eq(tf_ring_place(&sender, 5, &to), TF_OK);
    tf_ring_commit(&sender, 5, 5);
    cr_expect_eq(tf_ring_peek(&receiver, 2, 400, 400, &from), TF_MISMATCH);
    cr_expect_str_eq(tf_error(), "party 1 sent 5 bytes where party 2 expected 400");
    cr_expect_null(from);
}

/** None of these is an address: an end fails, or waits, and what it gives out lies in the ring. */
Test(ring, counts_are_not_believed) {
    const uint64_t lies[] = {1, 63, 64, 128, SIZE, SIZE + 1, SIZE + 64, 1ull << 32, 1ull << 63, -64ull, -1ull};
    for (size_t begin = 0; begin < SIZE; begin += TF_RING_LINE)
        for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
            for (uint64_t length = 1; length <= tf_ring_longest(SIZE); length += 101) {
                tf_ring sender = end_of(2), receiver = end_of(1);
                unsigned char *to;
                const unsigned char *from;
                sender.count = receiver.count = begin;
                for (int word = 0; word < SIZE / 8; word++) memcpy(memory + GUARD + 8 * word, &length, 8);
                counts.written = begin + lies[i];
                counts.read = begin - lies[i];
                tf_status sends = tf_ring_place(&sender, length, &to);
                tf_status receives = tf_ring_peek(&receiver, 2, length, length, &from);
                cr_assert(lies[i] <= SIZE || (sends == TF_PEER && receives == TF_PEER));
                cr_assert(sends == TF_OK || !to);
                cr_assert(receives == TF_OK || !from);
                cr_assert(!to || (to >= memory + GUARD && to + length <= memory + GUARD + SIZE));
                cr_assert(!from || (from >= memory + GUARD && from + length <= memory + GUARD + SIZE));
            }
}
