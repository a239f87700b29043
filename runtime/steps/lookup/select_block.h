/**
 * tf_select_block32 and tf_select_block64: the including file defines word, the type of what is added up, and
 * SELECT_BLOCK, the function's name.
 *
 * Each group of four rows has a table of its 16 sums (the method of four Russians). The tables of all groups of a
 * block, a line wide, take half of the level-1 cache, so that a token's sum goes through a block in registers.
 */
#include <string.h>

#include "runtime/kernels/multiversion.h"
#include "runtime/steps/lookup/select_rows.h"

enum {
    GROUP = 4,
    GROUPS = TF_SELECT_ROWS / GROUP,
    LANES = TF_SELECT_LINE / sizeof(word),
};

typedef word line __attribute__((vector_size(TF_SELECT_LINE)));
typedef line entries[1 << GROUP];

/** The sums of `rows` rows, at most GROUP, of c's first `width` columns; c's rows are `pitch` bytes apart. */
static inline __attribute__((always_inline)) void add_up(const unsigned char *c, size_t rows, size_t pitch,
                                                         size_t width, entries entry) {
    entry[0] = (line){0};
    for (size_t g = 0; g < GROUP; g++, c += pitch) {
        line row = {0};
        if (g < rows) memcpy(&row, c, width * sizeof(word));
        for (size_t e = 0; e < (size_t)1 << g; e++) entry[e | (size_t)1 << g] = entry[e] + row;
    }
}

TF_MULTIVERSION void SELECT_BLOCK(const void *c, size_t rows, size_t columns, const uint64_t *chosen, size_t tokens,
                                  void *sum) {
    const size_t pitch = columns * sizeof(word);
    const unsigned char *from = c;
    line *to = sum;
    for (size_t k = 0; k < columns; k += LANES, to += tokens, from += TF_SELECT_LINE) {
        _Alignas(TF_SELECT_LINE) entries entry[GROUPS];
        for (size_t g = 0; g < GROUPS; g++) {
            const size_t at = GROUP * g, left = rows > at ? rows - at : 0;
            if (columns - k >= LANES && left >= GROUP) /* both are constants */
                add_up(from + at * pitch, GROUP, pitch, LANES, entry[g]);
            else
                add_up(from + at * pitch, left, pitch, columns - k < LANES ? columns - k : LANES, entry[g]);
        }
        /* of the rows that follow a line each, token by token: they lie too far apart for a processor to foresee */
        size_t ahead = 0;
        for (size_t i = 0; i < tokens; i++) {
            line all = to[i];
            uint64_t bits = chosen[i];
            for (; ahead * tokens < (i + 1) * TF_SELECT_ROWS; ahead++)
                __builtin_prefetch(from + (TF_SELECT_ROWS + ahead) * pitch, 0, 2);
            entries *group = entry;
            /* unrolled further, the 16 indices would be computed ahead and would not fit in registers */
            _Pragma("GCC unroll 1") for (size_t g = 0; g < GROUPS; g += 4, group += 4)
                _Pragma("GCC unroll 4") for (size_t l = 0; l < 4; l++, bits >>= GROUP) all += group[l][bits & 15];
            to[i] = all;
        }
    }
}
