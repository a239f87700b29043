/** Part of models/tokenize: all the strings of a set that a text begins with, byte by byte. */
#ifndef TF_TOKENIZE_PREFIX_H
#define TF_TOKENIZE_PREFIX_H

#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

typedef struct tf_prefix {
    const char *text; /**< not owned */
    size_t length;    /**< at least 1 */
    int32_t value;    /**< not negative */
} tf_prefix;

/** Sorted strings. Those that begin with byte c are at first[c] .. first[c + 1] - 1. */
typedef struct tf_prefixes {
    tf_prefix *prefix;
    size_t count, first[257];
} tf_prefixes;

/** Makes room for `count` strings, which the caller fills in before they are sorted. */
TF_CHECKED tf_status tf_prefixes_reserve(tf_prefixes *prefixes, size_t count);
void tf_prefixes_sort(tf_prefixes *prefixes);
void tf_prefixes_free(tf_prefixes *prefixes);

/** The strings that begin with the bytes read so far: one span, which every byte narrows. Begins as {0}. */
typedef struct tf_prefix_cursor {
    size_t low, high, depth;
} tf_prefix_cursor;

/** Reads one byte; returns the value of the string that ends with it, or -1. No string goes on when low == high. */
int32_t tf_prefix_read(const tf_prefixes *prefixes, tf_prefix_cursor *cursor, unsigned char byte);

#endif
