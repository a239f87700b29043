/* The largest element of a row and its position, exactly, whatever the shape: every size and kind of group occurs. */
#include "runtime/lower/tournament.h"
#include "tests/support/rig.h"

static void check(size_t rows, size_t n, int frac, unsigned bits, double round_bytes) {
    int64_t *a = rig_integers(rows * n, bits);
    for (size_t i = 0; i < rows * n; i += 3) a[i] = a[i - i % n]; /* equal ones, of which the first counts */
    rig r = rig_open(16);
    r.program.round_bytes = round_bytes;
    tf_value x = rig_put(&r, tf_dims(rows, n), a, frac, bits + 2, ldexp(1, (int)bits - frac));
    int most = rig_take(&r, tf_max_last_soon(&r.program, x)), at = rig_take(&r, tf_argmax_last(&r.program, x));
    cr_assert(tf_shape_equal(r.type[most].shape, tf_dims(rows, 1)) && tf_shape_equal(r.type[at].shape, tf_dims(rows)));
    rig_run(&r);
    for (size_t row = 0; row < rows; row++) {
        size_t best = 0;
        for (size_t i = 1; i < n; i++)
            if (a[row * n + i] > a[row * n + best]) best = i;
        cr_assert_eq(rig_result(&r, at)[row], (int64_t)best, "%zu of %zu: %lld, not %zu", row, n,
                     (long long)rig_result(&r, at)[row], best);
        cr_assert_eq(rig_result(&r, most)[row], a[row * n + best]);
    }
    rig_close(&r);
    free(a);
}

Test(tournament, finds_the_first_of_the_largest) {
    const size_t length[] = {1, 2, 3, 5, 7, 31, 65, 128, 200, 1500}, rows[] = {1, 2, 12, 129};
    for (size_t k = 0; k < sizeof length / sizeof *length; k++)
        for (size_t m = 0; m < 4 && rows[m] * length[k] < 30000; m++)
            for (double worth = 100; worth < 1e8; worth *= 70)
                check(rows[m], length[k], (int)(k + m) % 9, 6 + 5 * (unsigned)m + (unsigned)k, worth);
}
