/** Numbers mod 2^128, and how they stand in words: the lower one first. */
#ifndef TF_WIDE_H
#define TF_WIDE_H

#include <stdint.h>

__extension__ typedef unsigned __int128 tf_wide;

static inline tf_wide tf_wide_of(const uint64_t words[2]) {
    return (tf_wide)words[1] << 64 | words[0];
}

static inline void tf_wide_put(tf_wide x, uint64_t words[2]) {
    words[0] = (uint64_t)x;
    words[1] = (uint64_t)(x >> 64);
}

#endif
