/* Rows less a number not far above their largest elements, whatever the shape and the mask. */
#include "runtime/steps/powers.h"
#include "tests/support/rig.h"

typedef struct masking {
    int kind;   /* 0: none; 1: a row of the mask for all; 2: one for each, whose columns past the row's number go */
    bool later; /* a public leaf brings it */
} masking;

static bool counts(const masking *m, size_t row, size_t column) {
    return m->kind == 0 || (m->kind == 1 ? column % 5 != 1 : column <= row || column == 3);
}

static void check(size_t rows, size_t n, int frac, tf_powers_range range, bool first, masking m, bool keyed) {
    int64_t *a = malloc(rows * n * sizeof *a), unit = INT64_C(1) << frac;
    float *mask = calloc(rows * n, sizeof *mask);
    double low = first ? -300 : -26;
    for (size_t i = 0; i < rows * n; i++) {
        double spread = 1 + (double)(i / n % 60); /* rows of all sizes */
        a[i] = (int64_t)floor(rig_uniform(-spread, spread) * (double)unit);
        if (i / n % 7 == 6) a[i] = (i / n % 2 ? 3 : -7) * 4 * unit; /* all alike, where buckets meet */
        if (i / n % 7 == 5 && i % n > 3) a[i] = (int64_t)(low * (double)unit) + (int64_t)(rig_random() % 9);
        if (first && i % n == 0) a[i] = 0;
        mask[i] = counts(&m, i / n, i % n);
        if (mask[i] == 0 && i % 2) a[i] = 450 * unit;
    }
    tf_node leaf = {.name = "mask",
                    .leaf = m.later ? TF_LEAF_PUBLIC : TF_LEAF_CONSTANT,
                    .shape = m.kind == 2 ? tf_dims(rows, n) : tf_dims(1, n),
                    .range = 1,
                    .data = mask};
    rig r = rig_open(16);
    tf_value x = rig_put(&r, tf_dims(rows, n), a, frac, 11 + (unsigned)frac, 500);
    r.program.round_bytes = keyed ? 1e9 : 0;
    tf_value chosen = m.kind ? tf_program_leaf(&r.program, &leaf) : -1;
    int y = rig_take(&r, tf_below_ceiling(&r.program, x, chosen, leaf.shape, range, first).row);
    cr_assert_eq(r.program.status, TF_OK, "%s", r.program.error);
    rig_run(&r);
    cr_assert_eq(r.t.plan.rounds < 5, keyed);
    const int64_t window = unit << (range + 2);
    for (size_t row = 0; row < rows; row++) {
        const int64_t *in = a + row * n;
        size_t most = n;
        for (size_t i = 0; i < n; i++)
            if (counts(&m, row, i) && (most == n || in[i] > in[most])) most = i;
        if (most == n) continue;
        int64_t largest = (in[most] - rig_result(&r, y)[row]) % window;
        if (largest > 0) largest -= window; /* the ring's numbers go from minus to plus half a window */
        cr_assert(largest < 0 && largest >= -TF_CEILING_SLACK * unit - 3, "%zu x %zu, row %zu: %g", rows, n, row,
                  ldexp((double)largest, -frac));
    }
    rig_close(&r);
    free(mask);
    free(a);
}

Test(step_ceiling, is_above_the_largest_and_near_it) {
    const size_t length[] = {1, 2, 3, 8, 31, 64, 128, 129, 700}, rows[] = {1, 2, 3, 12, 129, 500};
    const masking masks[] = {{0, false}, {1, false}, {2, false}, {2, true}};
    for (size_t k = 0; k < sizeof length / sizeof *length; k++)
        for (size_t m = 0; m < 6 && rows[m] * length[k] < 70000; m++) {
            bool far = (k + m) % 3 == 1;
            check(rows[m], length[k], (k + m) % 2 ? 13 : 9, far ? TF_POWERS_TO_508 : TF_POWERS_TO_252, far && m % 2,
                  masks[far && m % 2 ? 0 : (k + m) % 4], false);
        }
}

Test(step_ceiling, is_found_by_keys_where_rows_are_few) {
    const size_t length[] = {1, 2, 8, 31, 129};
    for (size_t k = 0; k < 5; k++) {
        const masking masks[] = {{0, false}, {1, false}, {2, false}, {2, true}};
        for (size_t rows = 1; rows < 40; rows = 2 * rows + 1)
            check(rows, length[k], k % 2 ? 13 : 9, k % 3 == 1 ? TF_POWERS_TO_508 : TF_POWERS_TO_252, k == 4,
                  masks[k == 4 ? 0 : (k + rows) % 4], true);
    }
}

Test(step_ceiling, refuses_what_it_is_not_made_for) {
    rig r = rig_open(16);
    int64_t a[8192] = {0};
    tf_shape none = {0};
    tf_value y = rig_put(&r, tf_dims(1, 8192), a, 12, 32, 100);
    cr_assert_eq(tf_below_ceiling(&r.program, y, -1, none, TF_POWERS_TO_252, false).x, -1);
    cr_assert_eq(r.program.status, TF_RANGE);
    r.program.status = TF_OK;
    tf_value x = rig_put(&r, tf_dims(2, 4), a, 14, 32, 100);
    cr_assert_eq(tf_below_ceiling(&r.program, x, -1, none, TF_POWERS_TO_252, false).x, -1);
    r.program.status = TF_OK;
    rig_run(&r);
    rig_close(&r);
}
