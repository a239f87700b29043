#include "models/tokenize/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "models/tokenize/text.h"
#include "models/tokenize/unicode.h"
#include "net/base/array.h"

enum { MAX_MERGES = 1 << 22 };

static size_t hash(int32_t left, int32_t right) {
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    key *= 0x9E3779B97F4A7C15u;
    return (size_t)(key ^ key >> 29);
}

static tf_merge *place(const tf_bpe *bpe, int32_t left, int32_t right) {
    for (size_t i = hash(left, right);; i++) {
        tf_merge *m = &bpe->merge[i & (bpe->slots - 1)];
        if (m->left < 0 || (m->left == left && m->right == right)) return m;
    }
}

tf_status tf_bpe_reserve(tf_bpe *bpe, size_t merges) {
    if (merges > MAX_MERGES) return tf_fail(TF_FORMAT, "%zu merges; at most %d are supported", merges, MAX_MERGES);
    for (bpe->slots = 16; bpe->slots < 2 * merges;) bpe->slots *= 2;
    bpe->merge = malloc(bpe->slots * sizeof *bpe->merge);
    if (!bpe->merge) return tf_fail(TF_NOMEM, "no memory for %zu merges", merges);
    for (size_t i = 0; i < bpe->slots; i++) bpe->merge[i].left = -1;
    return TF_OK;
}

void tf_bpe_add(tf_bpe *bpe, int32_t left, int32_t right, int32_t made, uint32_t rank) {
    *place(bpe, left, right) = (tf_merge){left, right, made, rank};
}

void tf_bpe_free(tf_bpe *bpe) {
    free(bpe->merge);
    free(bpe->prefix);
    free(bpe->suffix);
}

/* ---- Characters ---- */

/* A token of a word; `next` and `previous` are places in the array, -1 at the ends. Length 0: merged into another. */
typedef struct symbol {
    int32_t id, previous, next;
    uint32_t length;
} symbol;

typedef struct candidate {
    uint32_t rank;
    int32_t at, made;
} candidate;

typedef struct word {
    symbol *symbol;
    size_t count, capacity;
    candidate *heap; /* the lowest rank, then the leftmost place, comes first */
    size_t waiting, heap_capacity;
    char *key; /* scratch: a character with prefix and suffix */
    size_t key_capacity;
} word;

static tf_status add_symbol(word *w, int32_t id, size_t length) {
    symbol *more = tf_grow(w->symbol, &w->capacity, w->count + 1, sizeof *more);
    if (!more) return tf_text_no_memory();
    w->symbol = more;
    int32_t at = (int32_t)w->count++;
    w->symbol[at] = (symbol){id, at - 1, -1, (uint32_t)length};
    if (at) w->symbol[at - 1].next = at;
    return TF_OK;
}

/* What stands in the vocabulary for a character at this place of the word. */
static tf_status key_of(const tf_bpe *bpe, word *w, const char *text, size_t length, bool first, bool last,
                        const char **key, size_t *size) {
    const char *prefix = first ? "" : bpe->prefix, *suffix = last ? bpe->suffix : "";
    size_t before = strlen(prefix), after = strlen(suffix);
    *key = text;
    *size = length;
    if (!before && !after) return TF_OK;
    *size = before + length + after;
    char *more = tf_grow(w->key, &w->key_capacity, *size, 1);
    if (!more) return tf_text_no_memory();
    w->key = more;
    memcpy(more, prefix, before);
    memcpy(more + before, text, length);
    memcpy(more + before + length, suffix, after);
    *key = more;
    return TF_OK;
}

static tf_status fall_back(const tf_bpe *bpe, const char *key, size_t size, word *w, bool *done) {
    *done = false;
    for (size_t i = 0; i < size; i++)
        if (bpe->byte[(unsigned char)key[i]] < 0) return TF_OK;
    *done = true;
    for (size_t i = 0; i < size; i++) TF_TRY(add_symbol(w, bpe->byte[(unsigned char)key[i]], 1));
    return TF_OK;
}

/* The characters of a word as tokens. A run of unknown ones waits until a known one ends it. */
static tf_status add_characters(const tf_bpe *bpe, const tf_vocabulary *v, const char *text, size_t length, word *w) {
    size_t unknown = 0, size;
    for (size_t i = 0; i < length; i += size) {
        int32_t code;
        const char *key;
        size_t key_size;
        bool done = false;
        size = tf_utf8_read(text + i, length - i, &code);
        TF_TRY(key_of(bpe, w, text + i, size, i == 0, i + size == length, &key, &key_size));
        int32_t id = tf_vocabulary_find(v, key, key_size);
        if (id < 0 && bpe->byte_fallback) TF_TRY(fall_back(bpe, key, key_size, w, &done));
        if (done) continue;
        if (id < 0 && bpe->refuses_unknown)
            return tf_fail(TF_INVALID, "the text has characters that the tokenizer does not know");
        if (id < 0 && bpe->unknown < 0) continue;
        if (unknown && (id >= 0 || !bpe->fuse_unknown)) {
            TF_TRY(add_symbol(w, bpe->unknown, unknown));
            unknown = 0;
        }
        if (id < 0)
            unknown += size;
        else
            TF_TRY(add_symbol(w, id, size));
    }
    return unknown ? add_symbol(w, bpe->unknown, unknown) : TF_OK;
}

/* ---- Merges ---- */

static bool before(const candidate *a, const candidate *b) {
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static tf_status push(word *w, candidate c) {
    candidate *more = tf_grow(w->heap, &w->heap_capacity, w->waiting + 1, sizeof *more);
    if (!more) return tf_text_no_memory();
    w->heap = more;
    size_t i = w->waiting++;
    for (; i && before(&c, &w->heap[(i - 1) / 2]); i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = c;
    return TF_OK;
}

static candidate pop(word *w) {
    candidate top = w->heap[0], last = w->heap[--w->waiting];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->waiting; i = child) {
        if (child + 1 < w->waiting && before(&w->heap[child + 1], &w->heap[child])) child++;
        if (!before(&w->heap[child], &last)) break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

static tf_status push_pair(const tf_bpe *bpe, word *w, int32_t at) {
    if (at < 0 || w->symbol[at].next < 0) return TF_OK;
    const tf_merge *m = place(bpe, w->symbol[at].id, w->symbol[w->symbol[at].next].id);
    return m->left < 0 ? TF_OK : push(w, (candidate){m->rank, at, m->made});
}

static tf_status merge_all(const tf_bpe *bpe, word *w) {
    for (size_t i = 0; i + 1 < w->count; i++) TF_TRY(push_pair(bpe, w, (int32_t)i));
    while (w->waiting) {
        candidate top = pop(w);
        symbol *left = &w->symbol[top.at];
        if (!left->length || left->next < 0) continue;
        symbol *right = &w->symbol[left->next];
        const tf_merge *m = place(bpe, left->id, right->id);
        if (m->left < 0 || m->made != top.made) continue; /* an older pair's */
        left->id = top.made;
        left->length += right->length;
        left->next = right->next;
        right->length = 0;
        if (left->next >= 0) w->symbol[left->next].previous = top.at;
        TF_TRY(push_pair(bpe, w, left->previous));
        TF_TRY(push_pair(bpe, w, top.at));
    }
    return TF_OK;
}

tf_status tf_bpe_encode(const tf_bpe *bpe, const tf_vocabulary *vocabulary, const char *text, size_t length,
                        tf_tokens *out) {
    int32_t whole = bpe->ignore_merges ? tf_vocabulary_find(vocabulary, text, length) : -1;
    if (whole >= 0) return tf_tokens_add(out, whole, 0, length);
    word w = {0};
    tf_status status = add_characters(bpe, vocabulary, text, length, &w);
    if (status == TF_OK) status = merge_all(bpe, &w);
    size_t at = 0;
    for (size_t i = 0; i < w.count && status == TF_OK; i++) {
        if (!w.symbol[i].length) continue;
        status = tf_tokens_add(out, w.symbol[i].id, at, at + w.symbol[i].length);
        at += w.symbol[i].length;
    }
    free(w.symbol);
    free(w.heap);
    free(w.key);
    return status;
}
