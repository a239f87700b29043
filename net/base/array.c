#include "net/base/array.h"

#include <stdlib.h>

void *tf_grow(void *items, size_t *capacity, size_t need, size_t size) {
    if (need <= *capacity && items) return items;
    size_t wanted = *capacity ? *capacity : 64, bytes;
    while (wanted < need)
        if (__builtin_mul_overflow(wanted, 2, &wanted)) return NULL;
    if (__builtin_mul_overflow(wanted, size, &bytes)) return NULL;
    void *more = realloc(items, bytes);
    if (more) *capacity = wanted;
    return more;
}
