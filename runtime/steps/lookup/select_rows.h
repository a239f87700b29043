/** What the parts of tf_select_rows share. */
#ifndef TF_SELECT_ROWS_H
#define TF_SELECT_ROWS_H

#include <stddef.h>
#include <stdint.h>

enum {
    TF_SELECT_ROWS = 64, /**< of a block: as many as a word of a bit vector has bits */
    TF_SELECT_LINE = 64, /**< bytes of neighbouring columns that are added up together: a cache line */
};

/**
 * sum += the rows of c (rows x columns words of 32 or 64 bits at any address, rows <= TF_SELECT_ROWS) that the bits of
 * chosen[token] select, for all tokens. sum: ceil(columns / lanes) x tokens x lanes words, a line having as many lanes
 * as words; aligned. What follows c is fetched ahead, whatever it is.
 */
typedef void tf_select_block(const void *c, size_t rows, size_t columns, const uint64_t *chosen, size_t tokens,
                             void *sum);
tf_select_block tf_select_block32, tf_select_block64;

#endif
