/* Whatever an owner outside deals in place of a token's selection is refused by all three parties, and nothing is kept;
 * a party that deviates makes the run fail for any token, and sees no more than it did. */
#include "tests/support/selection.h"
#include "tests/support/view.h"

enum { TOKENS = 5, COLUMNS = 3 };

/* What was dealt for the tokens at `at`: see cheats. */
typedef struct deal {
    selection_rig *own;
    size_t at, words;
} deal;

/** Flips bit `row` of party p's vector for component j. */
static void flip(const deal *d, int p, int j, size_t row) {
    uint64_t *vector = (uint64_t *)d->own->selection[p].vector[j != p];
    vector[d->at * d->words + row / 64] ^= UINT64_C(1) << row % 64;
}

/** Adds to the sign of component j, at both parties that hold the sign's first component. */
static void add_to_sign(const deal *d, int j, uint64_t x) {
    for (int p = 0; p < 3; p += 2) ((uint64_t *)d->own->selection[p].sign[p != 0])[3 * d->at + (size_t)j] += x;
}

/** By how much sign j changes where L's bit of a row is flipped. */
static uint64_t change(const deal *d, int j, size_t row) {
    uint64_t bit = d->own->selection[j].vector[0][d->at * d->words + row / 64] >> row % 64 & 1;
    return 2 * bit - 1; /* after the flip */
}

static void other_row(const deal *d, int j, size_t row, bool fits) {
    flip(d, j, j, row);
    if (fits) add_to_sign(d, j, change(d, j, row));
}

static void two_rows(const deal *d) {
    for (int j = 0; j < 3; j++) other_row(d, j, 9, true);
}
static void three_rows(const deal *d) {
    for (int j = 0; j < 3; j++) other_row(d, j, 9, true), other_row(d, j, 69, true);
}
static void three_rows_of_one_component(const deal *d) {
    other_row(d, 1, 9, true), other_row(d, 1, 69, true);
}
static void another_row_for_a_component(const deal *d) {
    other_row(d, 2, 0, true), other_row(d, 2, 9, true); /* row 0 is what was selected */
}
static void another_row_for_the_first(const deal *d) {
    other_row(d, 0, 0, true), other_row(d, 0, 9, true);
}
static void no_row(const deal *d) {
    for (int j = 0; j < 3; j++) other_row(d, j, 0, true);
}
static void no_row_but_a_sign(const deal *d) {
    for (int j = 0; j < 3; j++) other_row(d, j, 0, false);
}
static void the_other_sign(const deal *d) {
    add_to_sign(d, 1, 2 * (0 - change(d, 1, 0)));
}
static void a_factor(const deal *d) {
    for (int j = 0; j < 3; j++) add_to_sign(d, j, 2 * change(d, j, 0)); /* 3 or -3 */
}
static void a_large_factor(const deal *d) {
    add_to_sign(d, 0, UINT64_C(1) << 63);
}

static const struct {
    const char *name;
    void (*play)(const deal *d);
} cheats[] = {{"two rows", two_rows},
              {"three rows", three_rows},
              {"three rows of one component", three_rows_of_one_component},
              {"another row for one component", another_row_for_a_component},
              {"another row for the first component", another_row_for_the_first},
              {"no row", no_row},
              {"no row, but a sign", no_row_but_a_sign},
              {"the other sign", the_other_sign},
              {"a factor", a_factor},
              {"a large factor", a_large_factor}};

/** A lookup that is checked, then kept. The tokens are row 0 all. */
static int look_up(rig *r, selection_rig *own, size_t rows, size_t tokens, const int32_t *ids) {
    int64_t *table = calloc(rows * COLUMNS, sizeof *table);
    for (size_t i = 0; i < rows * COLUMNS; i++) table[i] = (int64_t)i;
    tf_value x = rig_put(r, tf_dims(rows, COLUMNS), table, 4, 32, 0x1p26);
    tf_value y = selection_embed(r, own, x, tf_dims(tokens), ids);
    tf_check_selections(&r->program);
    int taken = rig_take(r, y);
    selection_bind(r, own);
    free(table);
    return taken;
}

Test(check_selection, refuses_whatever_is_no_token) {
    const int32_t ids[TOKENS] = {0};
    for (size_t k = 0; k < sizeof cheats / sizeof *cheats; k++)
        for (size_t at = 0; at < TOKENS; at += TOKENS - 1) {
            rig r = rig_open(16);
            selection_rig own;
            look_up(&r, &own, 70, TOKENS, ids);
            for (int p = 0; p < TF_PARTIES; p++) r.kept[p][0].c[0][0] = 77;
            cheats[k].play(&(deal){&own, at, tf_words(70)});
            cr_assert_eq(rig_try(&r), TF_MISMATCH, "%s pass", cheats[k].name);
            for (int p = 0; p < TF_PARTIES; p++) {
                cr_assert(strstr(r.t.outcome.error[p], "do not select one row of a table for each token"), "%s: %s",
                          cheats[k].name, r.t.outcome.error[p]);
                cr_assert_eq(r.kept[p][0].c[0][0], 77, "%s: something was kept", cheats[k].name);
            }
            selection_close(&own);
            rig_close(&r);
        }
}

/* The forecast is exact (rig_run), and this much: two elements a token each way, and 15 more. */
Test(check_selection, lets_every_token_pass) {
    const size_t size[][2] = {{1, 1}, {2, 3}, {63, 5}, {64, 4}, {65, 9}, {2048, 3}, {2049, 3}, {5000, 64}};
    for (size_t s = 0; s < sizeof size / sizeof *size; s++)
        for (int threads = 1; threads <= 3; threads += 2) {
            size_t rows = size[s][0], tokens = size[s][1];
            int32_t ids[64];
            for (size_t i = 0; i < tokens; i++) ids[i] = (int32_t)(i == 0 ? rows - 1 : rig_random() % rows);
            rig r = rig_open(16);
            selection_rig own;
            int y = look_up(&r, &own, rows, tokens, ids);
            r.t.threads = threads;
            rig_run(&r);
            for (size_t i = 0; i < tokens * COLUMNS; i++)
                cr_assert_eq(rig_result(&r, y)[i], (int64_t)((size_t)ids[i / COLUMNS] * COLUMNS + i % COLUMNS));
            cr_assert_eq(r.t.plan.total_bytes, 9 * tokens * COLUMNS * 4 + 32 * tokens + 120);
            cr_assert_eq(r.t.plan.rounds, 2 + 3);
            selection_close(&own);
            rig_close(&r);
        }
}

/** Bytes that a party receives from the check. */
static uint64_t received(const view *v) {
    uint64_t bytes = 0;
    for (size_t m = 0; m < v->messages; m++) bytes += v->message[m].length;
    return bytes;
}

/* With tokens of one kind or another: what is received is uniform, and a party that changes all it sends ends the run
 * before the others say anything about w. */
Test(check_selection, tells_a_party_that_deviates_nothing) {
    enum { MANY = 400, ROWS = 70 };
    for (int cheat = -1; cheat < TF_PARTIES; cheat++)
        for (int kind = 0; kind < 2; kind++) {
            int32_t ids[MANY];
            char why[160];
            view seen[TF_PARTIES] = {{0}};
            for (int i = 0; i < MANY; i++) ids[i] = kind ? i % ROWS : 7;
            rig r = rig_open(16);
            selection_rig own;
            look_up(&r, &own, ROWS, MANY, ids);
            for (int p = 0; p < TF_PARTIES; p++)
                r.t.party[p].observer = view_observe, r.t.party[p].observer_context = &seen[p];
            if (cheat >= 0) r.t.tampers[cheat] = true;
            cr_assert_eq(rig_try(&r), cheat < 0 ? TF_OK : TF_MISMATCH, "%s", tf_error());
            for (int p = 0; p < TF_PARTIES; p++) {
                const char *wrong = cheat < 0 || p == cheat ? view_tells(&seen[p], why) : NULL;
                if (cheat < 0 || p == cheat) cr_assert_not(view_repeats(&seen[p]));
                cr_assert_null(wrong, "party %d, party %d deviating: %s", p, cheat, wrong);
                uint64_t lookup = 3 * MANY * COLUMNS * 4, swapped = p == 1 ? 0 : 16 * MANY, second = 24, third = 16;
                if (cheat < 0) cr_assert_eq(received(&seen[p]), lookup + swapped + second + third);
                if (p == cheat) cr_assert_leq(received(&seen[p]), lookup + swapped + second);
                view_free(&seen[p]);
            }
            selection_close(&own);
            rig_close(&r);
        }
}
