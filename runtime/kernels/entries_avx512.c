/**
 * Sums of chosen entries by lookups in registers: the 16 sums of four entries each are a vector, in which one vpermd
 * looks up what four bits of each of 16 elements choose.
 */
#include <immintrin.h>

#include "runtime/kernels/internal.h"

enum { LANES = 16, GROUP = 4, MOST_GROUPS = TF_SUM_ENTRIES / GROUP, GROUPS_OF_WORD = 32 / GROUP };

typedef uint32_t vector __attribute__((vector_size(64)));
typedef vector loose __attribute__((aligned(4), may_alias));

/** Of each lane, the entry of the table that its lowest four bits choose. */
INLINE vector look_up(vector table, vector choice) {
#ifdef __AVX512F__
    return (vector)_mm512_permutexvar_epi32((__m512i)choice, (__m512i)table);
#else /* for tests alone */
    vector found;
    for (size_t l = 0; l < LANES; l++) found[l] = table[choice[l] % LANES];
    return found;
#endif
}

/** The sums of all sets of each four entries. */
static void make_sums(const uint32_t *table, size_t entries, vector *sums) {
    const vector set = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (size_t g = 0; g < entries / GROUP; g++) {
        sums[g] = (vector){0};
        UNROLLED(e, GROUP) sums[g] += -(set >> (uint32_t)e & 1) & table[g * GROUP + e];
    }
}

/** What two tables give for the elements of two vectors. */
INLINE void add_pair(const vector *first, const vector *second, size_t words, const uint32_t *choice, size_t stride,
                     vector sum[2][2]) {
    UNROLLED(v, 4) sum[v / 2][v % 2] = (vector){0};
    for (size_t w = 0; w < words; w++, first += GROUPS_OF_WORD, second += GROUPS_OF_WORD) {
        vector x[2];
        UNROLLED(v, 2) x[v] = *(const loose *)(choice + w * stride + v * LANES);
        UNROLLED(g, GROUPS_OF_WORD)
            UNROLLED(v, 2) { /* of an index the lowest four bits count */
                sum[0][v] += look_up(first[g], x[v]);
                sum[1][v] += look_up(second[g], x[v]);
                x[v] >>= GROUP;
            }
    }
}

void tf_sum_entries_avx512(const uint32_t *table, size_t tables, size_t entries, const uint32_t *choice, size_t stride,
                           size_t n, uint32_t *sum) {
    for (size_t t = 0; t < tables; t += 2) {
        vector first[MOST_GROUPS], second[MOST_GROUPS], both[2][2];
        const size_t other = min(t + 1, tables - 1); /* of a last table without a pair, the same again */
        make_sums(table + t * entries, entries, first);
        make_sums(table + other * entries, entries, second);
        for (size_t i = 0; i < n; i += 2 * LANES) {
            add_pair(first, second, entries / 32, choice + i, stride, both);
            UNROLLED(v, 2) {
                *(loose *)(sum + t * stride + i + v * LANES) = both[0][v];
                *(loose *)(sum + other * stride + i + v * LANES) = both[1][v];
            }
        }
    }
}
