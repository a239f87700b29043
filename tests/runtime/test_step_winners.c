/* The largest of a group by the bits of its pairs, against plain integers, ties included. */
#include "runtime/steps/steps.h"
#include "tests/support/rig.h"

static size_t first_of_largest(const int64_t *const *a, size_t g, size_t i) {
    size_t best = 0;
    for (size_t k = 1; k < g; k++)
        if (a[k][i] > a[best][i]) best = k;
    return best;
}

static void check(size_t g, size_t n) {
    int64_t *a[TF_WINNERS_MOST];
    tf_value x[TF_WINNERS_MOST], pair[TF_STEP_INPUTS], more[TF_WINNERS_MOST];
    int is[TF_WINNERS_MOST], most = -1;
    size_t pairs = 0;
    rig r = rig_open(16);
    for (size_t k = 0; k < g; k++) {
        a[k] = rig_integers(n, 10);
        for (size_t i = k; i < n && k; i += 3) a[k][i] = a[k - 1][i];
        x[k] = rig_put(&r, tf_dims(n), a[k], 0, 12, 1024);
        if (k) more[k - 1] = tf_add_within(&r.program, x[k], tf_scale_int(&r.program, x[0], -1), 1024);
    }
    for (size_t i = 0; i < g; i++)
        for (size_t j = i + 1; j < g; j++) {
            tf_value less = tf_add_within(&r.program, x[i], tf_scale_int(&r.program, x[j], -1), 1024);
            pair[pairs++] = tf_negative(&r.program, tf_assume(&r.program, less, 2047), 0);
        }
    tf_value bits = tf_winners(&r.program, g, pair);
    for (size_t k = 1; k < g; k++)
        is[k] = rig_take(&r, tf_bit_to_share(&r.program, tf_bit_plane(&r.program, bits, k - 1), 8, false));
    if (g <= TF_SELECT_MOST) most = rig_take(&r, tf_select_winner(&r.program, g, pair, more));
    rig_run(&r);
    for (size_t i = 0; i < n; i++) {
        size_t best = first_of_largest((const int64_t *const *)a, g, i);
        for (size_t k = 1; k < g; k++) cr_assert_eq(rig_result(&r, is[k])[i], k == best, "%zu of %zu, %zu", k, g, i);
        if (most >= 0) cr_assert_eq(rig_result(&r, most)[i], a[best][i] - a[0][i], "%zu: %zu of %zu", i, best, g);
    }
    rig_close(&r);
    for (size_t k = 0; k < g; k++) free(a[k]);
}

Test(step_winners, are_the_first_of_the_largest) {
    for (size_t g = 2; g <= TF_WINNERS_MOST; g++)
        for (int s = 0; s < RIG_SIZES; s++) check(g, rig_size[s]);
}
