/**
 * Local search allocation (Khosla 2013): a bucket's label bounds from below over how many moves a free bucket is
 * reached from it. A token goes to that of its choices whose label is the least, whose token looks for another, and the
 * label becomes one more than the least of the other choices' labels. So labels only grow, and where there is an
 * assignment one is found; how many moves that takes at most follows from how few tokens have all choices in few
 * buckets (tests/reference/buckets.py).
 */
#include "runtime/steps/lookup/buckets.h"

#include <string.h>

#include "net/base/secret.h"
#include "runtime/kernels/multiversion.h"
#include "runtime/kernels/unit_vector.h"

enum { MOST_BUCKETS = TF_BATCH_GROUP + 16 * TF_CHOICES, MOVES = 10 }; /* moves for each token of a group */

tf_buckets tf_buckets_of(size_t tokens) {
    enum { SPARE = 14 };
    const size_t groups = (tokens + TF_BATCH_GROUP - 1) / TF_BATCH_GROUP, group = (tokens + groups - 1) / groups;
    const size_t quarter = (group + 3) / 4 + SPARE;
    return (tf_buckets){tokens, groups, group, quarter, TF_CHOICES * quarter};
}

/** A token on its way, with its row's hash word; token -1: none. */
typedef struct item {
    int32_t token;
    uint64_t word;
} item;

/** What lies in the buckets, and what does not yet. */
typedef struct table {
    item on_its_way;
    int32_t label[MOST_BUCKETS], token[MOST_BUCKETS];
    uint64_t word[MOST_BUCKETS];
    int32_t waiting[TF_BATCH_GROUP]; /* the tokens of the group, without repetitions */
    uint64_t its_word[TF_BATCH_GROUP];
    int32_t next; /* of these */
} table;

/** tf_equal_mask of 32 bits, of which a vector has twice as many. */
static inline int32_t equal(int32_t a, int32_t b) {
    const uint32_t x = (uint32_t)(a ^ b);
    return (int32_t)(((x | -x) >> 31) - 1);
}

/** All ones where a < b, which differ by less than 2^31, else 0. */
static inline int32_t less(int32_t a, int32_t b) {
    return -(int32_t)((uint32_t)(a - b) >> 31);
}

static inline uint64_t wide(int32_t mask) {
    return (uint64_t)(int64_t)mask;
}

/** Of tokens that are there several times the first alone is to be put anywhere. */
TF_MULTIVERSION static void list_distinct(const int32_t *token, const uint64_t *word, size_t tokens, table *t) {
    for (size_t i = 0; i < TF_BATCH_GROUP; i++) t->waiting[i] = -1, t->its_word[i] = 0;
    for (size_t i = 0; i < tokens; i++) {
        int32_t known = 0;
        for (size_t k = 0; k < i; k++) known |= equal(token[i], token[k]);
        t->waiting[i] = token[i] | known;
        t->its_word[i] = word[i];
    }
}

/** The next waiting token where there is none on its way. */
TF_MULTIVERSION static void take_next(table *t) {
    item *on_its_way = &t->on_its_way;
    const int32_t take = equal(on_its_way->token, -1), at = t->next;
    int32_t token = 0, past = less(at, TF_BATCH_GROUP) ^ -1;
    uint64_t word = 0;
    for (int32_t i = 0; i < TF_BATCH_GROUP; i++) {
        const int32_t here = equal(i, at);
        token |= t->waiting[i] & here;
        word |= t->its_word[i] & wide(here);
    }
    token |= past;
    on_its_way->token = (token & take) | (on_its_way->token & ~take);
    on_its_way->word = (word & wide(take)) | (on_its_way->word & ~wide(take));
    t->next = at - take;
}

/** Puts the token into that of its choices that has the least label, and takes what was there. */
TF_MULTIVERSION static void move(table *t, size_t quarter) {
    item *on_its_way = &t->on_its_way;
    const int32_t moves = ~equal(on_its_way->token, -1);
    int32_t choice[TF_CHOICES], label[TF_CHOICES] = {0}, least = INT32_MAX / 2, second = INT32_MAX / 2, chosen = -1;
    for (size_t j = 0; j < TF_CHOICES; j++) {
        choice[j] = (int32_t)tf_bucket_of(on_its_way->word, j, quarter);
        const int32_t *of = t->label + j * quarter, first = (int32_t)(j * quarter);
        int32_t its = 0;
        for (size_t b = 0; b < quarter; b++) its |= of[b] & equal(first + (int32_t)b, choice[j]);
        label[j] = its;
    }
    for (size_t j = 0; j < TF_CHOICES; j++) {
        const int32_t first = less(label[j], least), next = less(label[j], second) & ~first;
        second = (least & first) | (label[j] & next) | (second & ~(first | next));
        least = (label[j] & first) | (least & ~first);
        chosen = (choice[j] & first) | (chosen & ~first);
    }
    int32_t token = 0;
    uint64_t word = 0;
    for (size_t b = 0; b < TF_CHOICES * quarter; b++) {
        const int32_t here = equal((int32_t)b, chosen) & moves;
        token |= t->token[b] & here;
        t->token[b] = (on_its_way->token & here) | (t->token[b] & ~here);
        t->label[b] = ((second + 1) & here) | (t->label[b] & ~here);
    }
    for (size_t b = 0; b < TF_CHOICES * quarter; b++) {
        const uint64_t here = wide(equal((int32_t)b, chosen) & moves);
        word |= t->word[b] & here;
        t->word[b] = (on_its_way->word & here) | (t->word[b] & ~here);
    }
    on_its_way->token = token | ~moves;
    on_its_way->word = word;
}

tf_status tf_assign_buckets(const int32_t *token, const uint64_t *word, size_t tokens, const tf_buckets *buckets,
                            int32_t *want, uint32_t *found) {
    table *t = tf_secret_alloc(sizeof *t);
    if (!t) return tf_fail(TF_NOMEM, "no memory for a lookup");
    memset(t, 0, sizeof *t);
    memset(t->token, -1, sizeof t->token);
    list_distinct(token, word, tokens, t);
    t->on_its_way.token = -1;
    for (size_t k = 0; k < MOVES * buckets->group; k++) {
        take_next(t);
        move(t, buckets->quarter);
    }
    take_next(t); /* there is none left */
    *found = (uint32_t)(equal(t->on_its_way.token, -1) & less((int32_t)tokens, t->next) & 1);
    memcpy(want, t->token, buckets->count * sizeof *want);
    tf_secret_free(t, sizeof *t);
    return TF_OK;
}

TF_MULTIVERSION void tf_find_words(const uint64_t *word, size_t rows, const int32_t *token, size_t tokens,
                                   uint64_t *found) {
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < tokens; i++) found[i] |= word[r] & tf_equal_mask((uint64_t)(int64_t)token[i], r);
}

void tf_flip_bits(const uint64_t *word, size_t rows, const tf_buckets *buckets, const int32_t *want, uint64_t *vector,
                  size_t words, uint64_t *positive) {
    for (size_t j = 0; j < TF_CHOICES; j++)
        for (size_t r = 0; r < rows; r++) {
            const size_t b = tf_bucket_of(word[r], j, buckets->quarter);
            const uint64_t wanted = tf_equal_mask((uint64_t)(int64_t)want[b], r);
            uint64_t *w = &vector[j * words + r / 64];
            positive[b] |= wanted & -(*w >> r % 64 & 1);
            *w ^= (wanted & 1) << r % 64;
        }
}

TF_MULTIVERSION void tf_fill_row(const int32_t *want, const uint64_t *positive, int32_t token, size_t buckets,
                                 uint64_t *row) {
    for (size_t b = 0; b < buckets; b++)
        row[b] = tf_equal_mask((uint64_t)(int64_t)want[b], (uint64_t)(int64_t)token) & ((positive[b] & 2) - 1);
}
