/**
 * tf_select_block32 and tf_select_block64: the including file defines word, the type of what is added up, and
 * SELECT_BLOCK, the function's name.
 *
 * Each group of four rows has a table of its 16 sums (the method of four Russians). The tables of all groups of a
 * block, a line wide, take half of the level-1 cache, so that a token's sum goes through a block in registers.
 */
#include <string.h>

#include "runtime/kernels/multiversion.h"
#include "runtime/steps/select_rows.h"

enum {
    GROUP = 4,
    GROUPS = TF_SELECT_ROWS / GROUP,
    LANES = TF_SELECT_LINE / sizeof(word),
};

typedef word half __attribute__((vector_size(TF_SELECT_LINE / 2)));
typedef half line[2];
typedef line entries[1 << GROUP];

/** The sums of `rows` rows, at most GROUP, of c's first `width` columns. */
static inline __attribute__((always_inline)) void add_up(const uint64_t *c, size_t rows, size_t columns, size_t width,
                                                         entries entry) {
    memset(entry[0], 0, sizeof entry[0]);
    for (size_t g = 0; g < GROUP; g++) {
        _Alignas(TF_SELECT_LINE) word row[LANES] = {0};
        for (size_t j = 0; g < rows && j < width; j++) row[j] = (word)c[g * columns + j];
        const half *add = (const half *)row;
        for (size_t e = 0; e < (size_t)1 << g; e++)
            for (int h = 0; h < 2; h++) entry[e | (size_t)1 << g][h] = entry[e][h] + add[h];
    }
}

TF_MULTIVERSION void SELECT_BLOCK(const uint64_t *c, size_t rows, size_t columns, const uint64_t *chosen, size_t tokens,
                                  void *sum) {
    line *to = sum;
    for (size_t k = 0; k < columns; k += LANES, to += tokens) {
        _Alignas(TF_SELECT_LINE) entries entry[GROUPS];
        for (size_t g = 0; g < GROUPS; g++) {
            const size_t at = GROUP * g, left = rows > at ? rows - at : 0;
            if (columns - k >= LANES) /* the width is a constant */
                add_up(c + at * columns + k, left, columns, LANES, entry[g]);
            else
                add_up(c + at * columns + k, left, columns, columns - k, entry[g]);
        }
        for (size_t i = 0; i < tokens; i++) {
            half low = to[i][0], high = to[i][1];
            uint64_t bits = chosen[i];
            entries *group = entry;
            /* unrolled further, the 16 indices would be computed ahead and would not fit in registers */
            _Pragma("GCC unroll 1") for (size_t g = 0; g < GROUPS; g += 4, group += 4) {
                _Pragma("GCC unroll 4") for (size_t l = 0; l < 4; l++, bits >>= GROUP) {
                    low += group[l][bits & 15][0];
                    high += group[l][bits & 15][1];
                }
            }
            to[i][0] = low, to[i][1] = high;
        }
    }
}
