/** Elements of as many bytes as a number of C has, packed and unpacked by vectors that the compiler finds. */
#ifndef TF_WHOLE_BYTES_H
#define TF_WHOLE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Defines pack_TYPE and unpack_TYPE. */
#define TF_WHOLE_BYTES(type)                                                                                           \
    static void pack_##type(const uint64_t *x, size_t n, uint8_t *out) {                                               \
        for (size_t i = 0; i < n; i++) {                                                                               \
            const type word = (type)x[i];                                                                              \
            memcpy(out + i * sizeof word, &word, sizeof word);                                                         \
        }                                                                                                              \
    }                                                                                                                  \
    static void unpack_##type(const uint8_t *in, size_t n, uint64_t *x) {                                              \
        for (size_t i = 0; i < n; i++) {                                                                               \
            type word;                                                                                                 \
            memcpy(&word, in + i * sizeof word, sizeof word);                                                          \
            x[i] = word;                                                                                               \
        }                                                                                                              \
    }

#endif
