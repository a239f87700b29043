/**
 * What a party sees, and whether it tells anything. A view collects every message that one party receives; the checks
 * hold for any message that is masked by fresh uniform randomness, and fail for what is not:
 *   each message's bytes are uniform (chi-square over 256 bins), and so are those of each part of it;
 *   so are the sums and differences of the bytes of any two of them: no mask serves twice, and no two messages add up
 * to something that tells; no aligned block of 16 bytes ever occurs twice. A chi-square of 255 degrees of freedom
 * exceeds view_limit with a probability of less than 10^-16 for uniform bytes.
 */
#ifndef TF_TESTS_VIEW_H
#define TF_TESTS_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/link.h"

static const double view_limit = 500;

enum {
    VIEW_ENOUGH = 2560,  /**< bytes: ten in a bin */
    VIEW_PAIR = 1 << 14, /**< bytes of a pair that are looked at */
    VIEW_PARTS = 5,
    VIEW_BLOCK = 16
};

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

/** Of the bytes a[i] + factor b[i]. */
static inline double view_uniformity(const uint8_t *a, const uint8_t *b, int factor, size_t n) {
    uint64_t bin[256] = {0};
    for (size_t i = 0; i < n; i++) bin[(uint8_t)(a[i] + factor * b[i])]++;
    return view_chi_square(bin);
}

/** A message, or one of several parts of one size: tensors dealt side by side. */
typedef struct view_part {
    size_t message, number, of, length;
    const uint8_t *data;
} view_part;

static inline size_t view_list_parts(const view *v, view_part *part) {
    size_t n = 0;
    for (size_t i = 0; i < v->messages; i++)
        for (size_t of = 1; of <= VIEW_PARTS; of++) {
            size_t length = v->message[i].length / of;
            if (v->message[i].length % of || length < VIEW_ENOUGH) continue;
            for (size_t k = 0; k < of; k++) part[n++] = (view_part){i, k, of, length, v->message[i].data + k * length};
        }
    return n;
}

/** All checks of uniformity on a view; what is wrong, or NULL. `why` has room for 160 bytes. */
static inline const char *view_tells(const view *v, char *why) {
    view_part *part = malloc((v->messages * VIEW_PARTS * VIEW_PARTS + 1) * sizeof *part);
    size_t n = view_list_parts(v, part);
    bool found = false;
    for (size_t i = 0; i < n && !found; i++) {
        const view_part *a = &part[i];
        double chi = view_uniformity(a->data, a->data, 0, a->length);
        found = chi > view_limit;
        if (found)
            snprintf(why, 160, "message %zu, part %zu of %zu: bytes are not uniform (%g)", a->message, a->number, a->of,
                     chi);
        for (size_t k = 0; k < i && !found; k++) {
            const view_part *b = &part[k];
            if (a->length != b->length || (a->message == b->message && a->of != b->of)) continue;
            size_t length = a->length < VIEW_PAIR ? a->length : VIEW_PAIR;
            for (int factor = -1; factor <= 1 && !found; factor += 2) {
                chi = view_uniformity(a->data, b->data, factor, length);
                found = chi > view_limit;
                if (found)
                    snprintf(why, 160,
                             "part %zu of %zu of message %zu %s part %zu of %zu of message %zu is not uniform (%g)",
                             a->number, a->of, a->message, factor < 0 ? "less" : "and", b->number, b->of, b->message,
                             chi);
            }
        }
    }
    free(part);
    return found ? why : NULL;
}

/** The bytes of all messages together, for many small ones. */
static inline double view_overall(const view *v) {
    uint64_t bin[256] = {0};
    for (size_t i = 0; i < v->messages; i++)
        for (uint64_t k = 0; k < v->message[i].length; k++) bin[v->message[i].data[k]]++;
    return view_chi_square(bin);
}

static inline int view_compare_blocks(const void *a, const void *b) {
    return memcmp(*(uint8_t *const *)a, *(uint8_t *const *)b, VIEW_BLOCK);
}

/** Whether some aligned block of 16 bytes occurs twice in the view. */
static inline bool view_repeats(const view *v) {
    size_t blocks = 0, n = 0;
    for (size_t i = 0; i < v->messages; i++) blocks += v->message[i].length / VIEW_BLOCK;
    const uint8_t **block = malloc((blocks + 1) * sizeof *block);
    for (size_t i = 0; i < v->messages; i++)
        for (uint64_t at = 0; at + VIEW_BLOCK <= v->message[i].length; at += VIEW_BLOCK)
            block[n++] = v->message[i].data + at;
    qsort(block, n, sizeof *block, view_compare_blocks);
    bool found = false;
    for (size_t i = 1; i < n && !found; i++) found = !memcmp(block[i - 1], block[i], VIEW_BLOCK);
    free(block);
    return found;
}

#endif
