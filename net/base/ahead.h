/** Memory that is read in order, block by block with other work in between. */
#ifndef TF_AHEAD_H
#define TF_AHEAD_H

#include <stddef.h>
#include <stdint.h>

/**
 * Asks for the first lines of the pages that begin in the `bytes` bytes a page behind `now`, where a block of so many
 * bytes is about to be read. What a processor fetches ahead by itself ends with each page, and begins with the next one
 * after a few misses only, which take longer than what is done to a page: passes over what lies behind the level-2
 * cache take half the time with it. The addresses depend on `now` alone, and need not be mapped.
 */
static inline void tf_fetch_ahead(const void *now, size_t bytes) {
    enum { PAGE = 4096, LINE = 64, LINES = 4 };
    const uintptr_t from = (uintptr_t)now + PAGE, end = from + bytes;
    for (uintptr_t page = (from + PAGE - 1) / PAGE * PAGE; page < end; page += PAGE)
        for (int k = 0; k < LINES; k++) __builtin_prefetch((const char *)page + k * LINE, 0, 2);
}

#endif
