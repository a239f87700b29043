/**
 * What a party sees, and whether it tells anything. A view collects every message that one party receives; the checks
 * hold for any message that is masked by fresh uniform randomness, and fail for what is not:
 *   each message's bytes are uniform (chi-square over 256 bins);
 *   so are the differences of the bytes of any two messages, and of the parts of one: no mask serves twice;
 *   no aligned block of 16 bytes ever occurs twice.
 * A chi-square of 255 degrees of freedom exceeds LIMIT with a probability of less than 10^-16 for uniform bytes.
 */
#ifndef TF_TESTS_RUNTIME_VIEW_H
#define TF_TESTS_RUNTIME_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/link.h"

static const double view_limit = 500;

enum { VIEW_ENOUGH = 2560, /**< bytes: ten in a bin */ VIEW_BLOCK = 16 };

typedef struct view_message {
    int peer;
    uint64_t length;
    uint8_t *data;
} view_message;

typedef struct view {
    view_message *message;
    size_t messages, capacity;
} view;

/** A tf_link_observer; the context is the view. */
static inline void view_observe(void *context, int peer, const void *data, uint64_t length) {
    view *v = context;
    if (v->messages == v->capacity) {
        v->capacity = v->capacity ? 2 * v->capacity : 64;
        v->message = realloc(v->message, v->capacity * sizeof *v->message);
    }
    view_message *m = &v->message[v->messages++];
    *m = (view_message){peer, length, malloc(length + 1)};
    memcpy(m->data, data, length);
}

static inline void view_free(view *v) {
    for (size_t i = 0; i < v->messages; i++) free(v->message[i].data);
    free(v->message);
    *v = (view){0};
}

static inline double view_chi_square(const uint64_t bin[256]) {
    uint64_t n = 0;
    double sum = 0;
    for (int b = 0; b < 256; b++) n += bin[b];
    for (int b = 0; b < 256; b++) sum += ((double)bin[b] - (double)n / 256) * ((double)bin[b] - (double)n / 256);
    return n ? sum * 256 / (double)n : 0;
}

/** Of the bytes a[i], less b[i] where b is not NULL. */
static inline double view_uniformity(const uint8_t *a, const uint8_t *b, size_t n) {
    uint64_t bin[256] = {0};
    for (size_t i = 0; i < n; i++) bin[(uint8_t)(a[i] - (b ? b[i] : 0))]++;
    return view_chi_square(bin);
}

/** All checks of uniformity on a view; what is wrong, or NULL. `why` has room for 160 bytes. */
static inline const char *view_tells(const view *v, char *why) {
    for (size_t i = 0; i < v->messages; i++) {
        const view_message *m = &v->message[i];
        if (m->length < VIEW_ENOUGH) continue;
        double worst = view_uniformity(m->data, NULL, m->length);
        if (worst > view_limit)
            return snprintf(why, 160, "message %zu, from %d: bytes are not uniform (%g)", i, m->peer, worst), why;
        for (size_t parts = 2; parts <= 6; parts++) { /* tensors dealt side by side have one size */
            size_t part = m->length / parts;
            if (m->length % parts || part < VIEW_ENOUGH) continue;
            for (size_t a = 0; a < parts; a++)
                for (size_t b = a + 1; b < parts; b++)
                    if ((worst = view_uniformity(m->data + a * part, m->data + b * part, part)) > view_limit)
                        return snprintf(why, 160, "message %zu, from %d: parts %zu and %zu of %zu share a mask (%g)", i, m->peer, a, b, parts, worst), why;
        }
        for (size_t k = 0; k < i; k++) {
            const view_message *other = &v->message[k];
            size_t common = m->length < other->length ? m->length : other->length;
            if (common >= VIEW_ENOUGH && (worst = view_uniformity(m->data, other->data, common)) > view_limit)
                return snprintf(why, 160, "messages %zu, from %d, and %zu, from %d, share a mask (%g)", k, other->peer, i, m->peer, worst), why;
        }
    }
    return NULL;
}

/** The bytes of all messages together, for many small ones. */
static inline double view_overall(const view *v) {
    uint64_t bin[256] = {0};
    for (size_t i = 0; i < v->messages; i++)
        for (uint64_t k = 0; k < v->message[i].length; k++) bin[v->message[i].data[k]]++;
    return view_chi_square(bin);
}

static inline int view_compare_blocks(const void *a, const void *b) { return memcmp(*(uint8_t *const *)a, *(uint8_t *const *)b, VIEW_BLOCK); }

/** Whether some aligned block of 16 bytes occurs twice in the view. */
static inline bool view_repeats(const view *v) {
    size_t blocks = 0, n = 0;
    for (size_t i = 0; i < v->messages; i++) blocks += v->message[i].length / VIEW_BLOCK;
    const uint8_t **block = malloc((blocks + 1) * sizeof *block);
    for (size_t i = 0; i < v->messages; i++)
        for (uint64_t at = 0; at + VIEW_BLOCK <= v->message[i].length; at += VIEW_BLOCK) block[n++] = v->message[i].data + at;
    qsort(block, n, sizeof *block, view_compare_blocks);
    bool found = false;
    for (size_t i = 1; i < n && !found; i++) found = !memcmp(block[i - 1], block[i], VIEW_BLOCK);
    free(block);
    return found;
}

/** Whether messages [from, from + count) and [to, to + count) came from the same peers with the same lengths. */
static inline bool view_same_lengths(const view *v, size_t from, size_t to, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (v->message[from + i].length != v->message[to + i].length) return false;
    return true;
}

#endif
