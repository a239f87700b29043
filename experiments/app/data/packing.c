#include "experiments/app/data/packing.h"

#include <math.h>
#include <stdlib.h>

/*
 * Estimated from runs on two cores of MiniLM's six layers of 384: a token costs the three parties as much as 30 rounds,
 * and a batch takes 400 to 500 of them, so one on one machine costs as much as 16 tokens. Beside the 16 kB that
 * choosing a protocol saves there with a round, each has steps to set up and hand over. The bytes and work of a token
 * grow with the width, the rounds do not. In 48 bits a score of attention moves 102 B, a token some 650 B an element of
 * the width.
 */
static const double STEPS_OF_A_ROUND = 48e3, TOKEN_BYTES = 10.4, ATTENTION = 6.4;

void packing_costs(double round_bytes, size_t width, size_t heads, packing_limits *limits) {
    double rounds = (round_bytes + STEPS_OF_A_ROUND) / (TOKEN_BYTES * (double)width);
    limits->rounds = rounds < 1 ? 1 : rounds > 1e6 ? (size_t)1e6 : (size_t)lrint(rounds);
    limits->square = heads ? (size_t)(ATTENTION * (double)width / (double)heads) : 0;
}

uint64_t packing_cost(const packing_limits *limits, size_t texts, size_t length) {
    uint64_t square = limits->square;
    if (!square) return limits->rounds + texts * length;
    return square * limits->rounds + texts * length * (square + length);
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
            uint64_t sum = cost[i - texts] + packing_cost(limits, texts, length[i - 1]);
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
