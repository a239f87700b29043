#include "runtime/steps/rows/keys.h"

#include <string.h>

#include "runtime/party/comparison_key.h"

enum { ROOT = 32 }; /* purpose: none of the ceiling's own */

/** The roots of a row's keys, two words each. */
static void roots(tf_call *call, int which, size_t row, uint64_t *root) {
    tf_stream(call->party, which, call->index, ROOT, row * 2 * TF_BUCKETS, root, 2 * TF_BUCKETS);
}

/** The bits of all words of a bucket, side by side. */
static void number_of_each(const uint64_t *word, unsigned from, uint64_t number[TF_BUCKETS]) {
    for (unsigned j = 0; j < TF_BUCKETS; j++) {
        number[j] = 0;
        for (unsigned k = 0; k < TF_PARITIES; k++) number[j] |= (word[k] >> (from + j) & 1) << k;
    }
}

void tf_row_keys_deal(tf_call *call, size_t row, const uint64_t *mask, unsigned from, uint8_t *body) {
    uint64_t root[2][2 * TF_BUCKETS], alpha[TF_BUCKETS], words[2 * TF_PARITIES + 1];
    roots(call, call->part.own, row, root[0]);
    roots(call, 1 - call->part.own, row, root[1]);
    number_of_each(mask, from, alpha);
    for (unsigned j = 0; j < TF_BUCKETS; j++, body += sizeof words) {
        call->party->broken |= !tf_equality_make(call->party->hash, root[0] + 2 * j, root[1] + 2 * j, TF_PARITIES,
                                                 ~alpha[j] & tf_mask(TF_PARITIES), words);
        memcpy(body, words, sizeof words);
    }
}

uint64_t tf_row_keys_count(tf_call *call, size_t row, const uint64_t *opened, unsigned from, const uint64_t *body) {
    const int right = call->part.role == TF_RIGHT;
    uint64_t root[2 * TF_BUCKETS], point[TF_BUCKETS], share[TF_BUCKETS] = {0}, sum = 0;
    roots(call, call->part.own, row, root);
    number_of_each(opened, from, point);
    call->party->broken |= !tf_equality_at(call->party->hash, right, TF_BUCKETS, root, TF_PARITIES, body, point, share);
    for (unsigned j = 0; j < TF_BUCKETS; j++) sum += share[j];
    return right ? -sum : sum;
}
