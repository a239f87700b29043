/**
 * Picking rows by shuffles: 16 bytes of a column, one of each of 16 rows, are a table in a register, in which one byte
 * shuffle looks up 32 indices at a time; an index into other rows has its top bit set, which makes the shuffle give
 * zero. So a row costs each index a sixteenth of an operation a byte, and no address depends on an index.
 *
 * A room holds, for each byte of each column, one byte of every index, in vectors; behind them the indices of one call.
 */
#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/internal.h"

enum { ROWS = 16, COLUMNS = 8, VECTOR = sizeof(__m256i), GROUPS = TF_PICK_ROWS / ROWS };

/** Columns of the two halves of a vector of transposed bytes, as the narrowing of words leaves them. */
static const uint8_t order[2][COLUMNS / 2] = {{0, 1, 4, 5}, {2, 3, 6, 7}};

static size_t padded(size_t count) {
    return round_up(count, VECTOR);
}

size_t tf_pick_room_avx2(size_t columns, unsigned bytes, size_t count) {
    return (columns * bytes + GROUPS) * padded(count);
}

/** The index among a group's rows, or a byte with its top bit set. */
static void localize(const int32_t *index, size_t count, size_t first, uint8_t *local) {
    for (size_t g = 0; g < GROUPS; g++, first += ROWS, local += padded(count)) {
        for (size_t i = 0; i < count; i++) {
            const uint32_t at = (uint32_t)index[i] - (uint32_t)first, above = at >> 4;
            local[i] = (uint8_t)((at & 15) | (above | -above) >> 31 << 7);
        }
        memset(local + count, 0x80, padded(count) - count);
    }
}

/** out[4 l + b]: byte `from` + b of 16 rows of the l-th columns of both halves. `stride`: words from row to row. */
static inline void transpose(const uint64_t *c, size_t stride, unsigned from, __m256i out[16]) {
    __m256i x[16];
    UNROLLED(r, 16) {
        const __m256 low = _mm256_castsi256_ps(_mm256_loadu_si256((const __m256i *)(c + r * stride)));
        const __m256 high = _mm256_castsi256_ps(_mm256_loadu_si256((const __m256i *)(c + r * stride + 4)));
        x[r] = _mm256_castps_si256(from ? _mm256_shuffle_ps(low, high, 0xdd) : _mm256_shuffle_ps(low, high, 0x88));
    }
    for (int stage = 0; stage < 2; stage++) { /* of four: each moves a bit of the row's number into the byte's */
        __m256i y[16];
        UNROLLED(r, 8) {
            y[2 * r] = _mm256_unpacklo_epi8(x[r], x[r + 8]);
            y[2 * r + 1] = _mm256_unpackhi_epi8(x[r], x[r + 8]);
        }
        UNROLLED(r, 8) {
            x[2 * r] = _mm256_unpacklo_epi8(y[r], y[r + 8]);
            x[2 * r + 1] = _mm256_unpackhi_epi8(y[r], y[r + 8]);
        }
    }
    memcpy(out, x, sizeof x);
}

/** ORs what the indices find in one byte of a column into their bytes. */
static inline void look_up(const __m128i *const table[GROUPS], const uint8_t *local, size_t pitch, uint8_t *found) {
    __m256i entries[GROUPS];
    UNROLLED(g, GROUPS) entries[g] = _mm256_broadcastsi128_si256(*table[g]);
    for (size_t i = 0; i < pitch; i += VECTOR) {
        __m256i v = _mm256_load_si256((const __m256i *)(found + i));
        UNROLLED(g, GROUPS) {
            const __m256i at = _mm256_load_si256((const __m256i *)(local + g * pitch + i));
            v = _mm256_or_si256(v, _mm256_shuffle_epi8(entries[g], at));
        }
        _mm256_store_si256((__m256i *)(found + i), v);
    }
}

/** Up to TF_PICK_ROWS rows of up to 8 columns, of which the bytes from `from` on, at most four. */
static void pick_tile(const uint64_t *c, size_t stride, size_t rows, size_t columns, unsigned from, unsigned bytes,
                      const uint8_t *local, size_t pitch, uint8_t *found) {
    __m256i plane[GROUPS][16];
    for (size_t g = 0; g < GROUPS; g++) {
        const size_t left = rows > g * ROWS ? min(rows - g * ROWS, ROWS) : 0;
        if (left == ROWS && columns == COLUMNS) {
            transpose(c + g * ROWS * stride, stride, from, plane[g]);
            continue;
        }
        uint64_t edge[ROWS][COLUMNS] = {{0}};
        for (size_t r = 0; r < left; r++) memcpy(edge[r], c + (g * ROWS + r) * stride, columns * sizeof *c);
        transpose(edge[0], COLUMNS, from, plane[g]);
    }
    for (size_t half = 0; half < 2; half++)
        for (size_t l = 0; l < COLUMNS / 2; l++)
            for (unsigned b = 0; b < 4 && from + b < bytes && order[half][l] < columns; b++) {
                const __m128i *table[GROUPS];
                UNROLLED(g, GROUPS) table[g] = (const __m128i *)&plane[g][4 * l + b] + half;
                look_up(table, local, pitch, found + (order[half][l] * bytes + from + b) * pitch);
            }
}

void tf_pick_rows_avx2(const uint64_t *c, size_t rows, size_t columns, unsigned bytes, size_t first,
                       const int32_t *index, size_t count, void *room) {
    const size_t pitch = padded(count);
    uint8_t *found = room, *local = found + columns * bytes * pitch;
    for (size_t r = 0; r < rows; r += TF_PICK_ROWS, c += TF_PICK_ROWS * columns) {
        localize(index, count, first + r, local);
        for (size_t k = 0; k < columns; k += COLUMNS)
            for (unsigned from = 0; from < bytes; from += 4)
                pick_tile(c + k, columns, min(rows - r, TF_PICK_ROWS), min(columns - k, COLUMNS), from, bytes, local,
                          pitch, found + k * bytes * pitch);
    }
}

void tf_picked_rows_avx2(const void *room, size_t columns, unsigned bytes, size_t count, uint64_t *out) {
    const uint8_t *found = room;
    const size_t pitch = padded(count);
    for (size_t k = 0; k < columns; k++)
        for (size_t i = 0; i < count; i++) {
            uint64_t x = 0;
            for (unsigned b = 0; b < bytes; b++) x |= (uint64_t)found[(k * bytes + b) * pitch + i] << 8 * b;
            out[i * columns + k] += x;
        }
}
