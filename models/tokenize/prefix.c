#include "models/tokenize/prefix.h"

#include <stdlib.h>
#include <string.h>

tf_status tf_prefixes_reserve(tf_prefixes *prefixes, size_t count) {
    *prefixes = (tf_prefixes){.prefix = calloc(count + 1, sizeof *prefixes->prefix)};
    return prefixes->prefix ? TF_OK : tf_fail(TF_NOMEM, "no memory for %zu tokens", count);
}

void tf_prefixes_free(tf_prefixes *prefixes) {
    free(prefixes->prefix);
    *prefixes = (tf_prefixes){0};
}

static int by_text(const void *left, const void *right) {
    const tf_prefix *a = left, *b = right;
    int order = memcmp(a->text, b->text, a->length < b->length ? a->length : b->length);
    if (order) return order;
    if (a->length != b->length) return a->length < b->length ? -1 : 1;
    return (a->value > b->value) - (a->value < b->value);
}

void tf_prefixes_sort(tf_prefixes *p) {
    qsort(p->prefix, p->count, sizeof *p->prefix, by_text);
    for (size_t c = 0, i = 0; c <= 256; c++) {
        while (i < p->count && (unsigned char)p->prefix[i].text[0] < c) i++;
        p->first[c] = i;
    }
}

/* The first of low .. high - 1 whose byte at `depth` is at least `byte`. */
static size_t narrow(const tf_prefixes *p, size_t low, size_t high, size_t depth, unsigned byte) {
    while (low < high) {
        size_t half = low + (high - low) / 2;
        if ((unsigned char)p->prefix[half].text[depth] < byte)
            low = half + 1;
        else
            high = half;
    }
    return low;
}

int32_t tf_prefix_read(const tf_prefixes *p, tf_prefix_cursor *c, unsigned char byte) {
    if (!c->depth) {
        c->low = p->first[byte];
        c->high = p->first[byte + 1];
    } else {
        c->low = narrow(p, c->low, c->high, c->depth, byte);
        c->high = narrow(p, c->low, c->high, c->depth, byte + 1u);
    }
    c->depth++;
    int32_t value = -1;
    for (; c->low < c->high && p->prefix[c->low].length == c->depth; c->low++)
        if (value < 0) value = p->prefix[c->low].value;
    return value;
}
