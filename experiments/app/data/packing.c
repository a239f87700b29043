#include "experiments/app/data/packing.h"

#include <stdint.h>
#include <stdlib.h>

/* Estimated from runs on two cores of MiniLM's six layers of 384: a token costs the three parties as much as 30 rounds,
   and a batch takes 400 to 500 of them; wider models have dearer tokens. A round takes 0.4 ms there. */
static const size_t ROUNDS_IN_TOKENS = 16;
static const double ROUND_SECONDS = 0.4e-3;

size_t packing_rounds(const tf_network *network) {
    const double seconds = ROUND_SECONDS + (network ? network->round_trip / 2 : 0);
    return (size_t)((double)ROUNDS_IN_TOKENS * seconds / ROUND_SECONDS);
}

static int fits(const packing_limits *limits, size_t texts, size_t length) {
    return texts == 1 || (texts <= limits->most && (!limits->tokens || texts * length <= limits->tokens));
}

/* The batches that fill up first. */
static size_t pack_greedily(const size_t *length, size_t count, const packing_limits *limits, size_t *rows) {
    size_t batches = 0;
    for (size_t start = 0; start < count; start += rows[batches++]) {
        rows[batches] = 1;
        while (start + rows[batches] < count && fits(limits, rows[batches] + 1, length[start + rows[batches]]))
            rows[batches]++;
    }
    return batches;
}

/* cost[i]: the least that the first i texts cost; last[i]: the texts of the last batch then. */
static void solve(const size_t *length, size_t count, const packing_limits *limits, uint64_t *cost, size_t *last) {
    cost[0] = 0;
    for (size_t i = 1; i <= count; i++) {
        cost[i] = UINT64_MAX;
        for (size_t texts = 1; texts <= i && fits(limits, texts, length[i - 1]); texts++) {
            uint64_t sum = cost[i - texts] + limits->rounds + texts * length[i - 1];
            if (sum < cost[i]) cost[i] = sum, last[i] = texts;
        }
    }
}

size_t packing_make(const size_t *length, size_t count, const packing_limits *limits, size_t *rows) {
    if (!limits->rounds) return pack_greedily(length, count, limits, rows);
    uint64_t *cost = calloc(count + 1, sizeof *cost);
    size_t *last = calloc(count + 1, sizeof *last), batches = 0;
    if (cost && last) {
        solve(length, count, limits, cost, last);
        for (size_t i = count; i > 0; i -= last[i]) batches++;
        for (size_t i = count, b = batches; i > 0; i -= last[i]) rows[--b] = last[i];
    }
    free(cost);
    free(last);
    return batches;
}
