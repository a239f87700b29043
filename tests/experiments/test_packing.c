/* Batches of sorted texts: whatever the lengths, no other cut costs less. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "experiments/app/data/packing.h"

enum { MOST = 11 };

static size_t cost_of(const size_t *length, const size_t *rows, size_t batches, const packing_limits *limits) {
    size_t cost = 0, end = 0, square = limits->square ? limits->square : 1;
    for (size_t b = 0; b < batches; b++) {
        end += rows[b];
        size_t last = length[end - 1], text = last * square + (limits->square ? last * last : 0);
        cost += limits->rounds * square + rows[b] * text;
    }
    return cost;
}

/* Tries all cuts: bit i of a number says whether a batch ends after text i. */
static size_t least_cost(const size_t *length, size_t count, const packing_limits *limits) {
    size_t least = SIZE_MAX;
    for (unsigned cuts = 0; cuts < 1u << (count - 1); cuts++) {
        size_t rows[MOST] = {0}, batches = 0, allowed = 1;
        for (size_t i = 0; i < count; i++) {
            rows[batches]++;
            if (i + 1 < count && !(cuts >> i & 1)) continue;
            if (rows[batches] > limits->most) allowed = 0;
            if (limits->tokens && rows[batches] > 1 && rows[batches] * length[i] > limits->tokens) allowed = 0;
            batches++;
        }
        size_t cost = cost_of(length, rows, batches, limits);
        if (allowed && cost < least) least = cost;
    }
    return least;
}

Test(packing, no_other_cut_costs_less) {
    srand(1);
    for (int k = 0; k < 300; k++) {
        size_t count = 1 + (size_t)rand() % MOST, length[MOST], rows[MOST], last = 0, texts = 0;
        for (size_t i = 0; i < count; i++) length[i] = last += (size_t)rand() % 9 + (i == 0);
        packing_limits limits = {.most = 1 + (size_t)rand() % 12,
                                 .tokens = k % 3 ? 1 + (size_t)rand() % 200 : 0,
                                 .rounds = 1 + (size_t)rand() % 60,
                                 .square = k % 2 ? 1 + (size_t)rand() % 50 : 0};
        size_t batches = packing_make(length, count, &limits, rows);
        for (size_t b = 0; b < batches; b++) texts += rows[b];
        cr_assert_eq(texts, count);
        cr_assert_eq(cost_of(length, rows, batches, &limits), least_cost(length, count, &limits));
    }
}

Test(packing, without_rounds_batches_fill_up) {
    const size_t length[] = {1, 2, 3, 4, 50};
    size_t rows[5];
    cr_assert_eq(packing_make(length, 5, &(packing_limits){.most = 2}, rows), 3);
    cr_assert_arr_eq(rows, ((size_t[]){2, 2, 1}), sizeof(size_t[3]));
    cr_assert_eq(packing_make(length, 5, &(packing_limits){.most = 9, .tokens = 9}, rows), 3);
    cr_assert_arr_eq(rows, ((size_t[]){3, 1, 1}), sizeof(size_t[3]));
}

Test(packing, slow_networks_make_fewer_batches) {
    const size_t length[] = {8, 8, 9, 9, 41};
    packing_limits here = {.most = 32}, wan = here;
    size_t rows[5];
    packing_costs(16e3, 384, 12, &here);
    packing_costs(4e6, 384, 12, &wan);
    cr_assert_eq(packing_make(length, 5, &here, rows), 2);
    cr_assert_eq(rows[0], 4);
    cr_assert_eq(packing_make(length, 5, &wan, rows), 1);
}

Test(packing, long_texts_are_padded_less_for_their_attention) {
    const size_t length[] = {200, 214};
    size_t rows[2];
    packing_limits plain = {.most = 32, .rounds = 16}, square = {.most = 32, .rounds = 16, .square = 200};
    cr_assert_eq(packing_make(length, 2, &plain, rows), 1);
    cr_assert_eq(packing_make(length, 2, &square, rows), 2);
}
