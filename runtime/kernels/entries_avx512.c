/**
 * Sums of chosen entries by lookups in registers: the 16 sums of four entries each are a vector, in which one vpermd
 * looks up what four bits of each of 16 elements choose.
 */
#include <immintrin.h>

#include "runtime/kernels/internal.h"

enum { LANES = 16, GROUP = 4, MOST_GROUPS = TF_SUM_ENTRIES / GROUP, GROUPS_OF_WORD = 32 / GROUP, MOST_TABLES = 3 };

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

/** Sums of up to three tables, a constant where this is inlined, which share the choices. */
INLINE void add_tables(size_t tables, const uint32_t *table, size_t entries, const uint32_t *choice, size_t stride,
                       size_t n, uint32_t *sum) {
    vector sums[MOST_TABLES][MOST_GROUPS];
    for (size_t t = 0; t < tables; t++) make_sums(table + t * entries, entries, sums[t]);
    for (size_t i = 0; i < n; i += 2 * LANES) {
        vector total[MOST_TABLES][2] = {0};
        for (size_t w = 0; w < entries / 32; w++) {
            vector x[2];
            UNROLLED(v, 2) x[v] = *(const loose *)(choice + w * stride + i + v * LANES);
            UNROLLED(g, GROUPS_OF_WORD) {
                UNROLLED(t, MOST_TABLES)
                    if (t < tables)
                        UNROLLED(v, 2) total[t][v] += look_up(sums[t][w * GROUPS_OF_WORD + g], x[v]);
                UNROLLED(v, 2) x[v] >>= GROUP; /* of an index the lowest four bits count */
            }
        }
        for (size_t t = 0; t < tables; t++)
            UNROLLED(v, 2) *(loose *)(sum + t * stride + i + v * LANES) = total[t][v];
    }
}

void tf_sum_entries_avx512(const uint32_t *table, size_t tables, size_t entries, const uint32_t *choice, size_t stride,
                           size_t n, uint32_t *sum) {
    for (size_t now; tables > 0; tables -= now, table += now * entries, sum += now * stride) {
        now = tables == 4 ? 2 : min(tables, MOST_TABLES);
        if (now == 1) add_tables(1, table, entries, choice, stride, n, sum);
        if (now == 2) add_tables(2, table, entries, choice, stride, n, sum);
        if (now == 3) add_tables(3, table, entries, choice, stride, n, sum);
    }
}
