/* Powers by segments, against floating point, from zero down to where nothing is left. */
#include "runtime/steps/powers.h"
#include "runtime/steps/steps.h"
#include "tests/support/rig.h"

/* `ring`: in one exchange, and in so many bits. */
static void check(size_t n, int frac, double octaves, tf_powers_range range, int to, unsigned ring) {
    const int64_t least = (int64_t)((4 << range) - 4) << frac;
    int64_t *a = rig_integers(n, 10 + (unsigned)frac);
    double square = 0;
    for (size_t i = 0; i < n; i++) {
        a[i] = -llabs(a[i]) % least;
        if (i % 3) a[i] = -(int64_t)(rig_random() % (UINT64_C(20) << frac));
    }
    a[0] = 0;
    if (n > 1) a[1] = -least;
    rig r = rig_open(16);
    tf_value x = rig_put(&r, tf_dims(n), a, frac, (unsigned)range + 2 + (unsigned)frac, ldexp(1, range + 1));
    int y = rig_take(&r, ring ? tf_powers_at_once(&r.program, (tf_lowered){x, -1}, octaves, range, to, ring)
                              : tf_powers(&r.program, (tf_lowered){x, -1}, octaves, range, to, 0));
    if (ring) cr_assert_eq(r.type[y].bits, ring);
    rig_run(&r);
    cr_assert_eq(r.t.plan.rounds, ring ? 2 : 3);
    for (size_t i = 0; i < n; i++) {
        double wanted = exp2(octaves * ldexp((double)a[i], -frac)), error = fabs(rig_real(&r, y, i) - wanted);
        cr_assert_leq(error, 1e-4 * wanted + ldexp(6, -to), "%g: %g, not %g", ldexp((double)a[i], -frac),
                      rig_real(&r, y, i), wanted);
        if (wanted > 0.1) square += pow(error / wanted, 2);
    }
    cr_assert_leq(square, 1.6e-9 * (double)n + 1e-8 + (double)n * ldexp(100, -2 * to),
                  "the error is %g in the mean square", sqrt(square / (double)n));
    rig_close(&r);
    free(a);
}

Test(step_powers, are_those_of_floating_point) {
    const double octaves[] = {0.7213, 1, 1.4427};
    for (int k = 0; k < 3; k++)
        for (int s = 0; s < RIG_SIZES; s++) {
            check(rig_size[s], k == 1 ? 8 : 13, octaves[k], TF_POWERS_TO_252, k == 2 ? 26 : 19, 0);
            check(rig_size[s], 12, octaves[k], TF_POWERS_TO_508, k == 2 ? 19 : 30, 0);
        }
}

Test(step_powers, come_in_any_ring_in_one_exchange) {
    const double octaves[] = {0.7213, 1, 1.4427};
    const unsigned ring[] = {62, 33, 48};
    for (int k = 0; k < 3; k++)
        for (int s = 0; s < RIG_SIZES; s++) {
            check(rig_size[s], k == 1 ? 8 : 13, octaves[k], TF_POWERS_TO_252, k == 2 ? 26 : 19, ring[k]);
            check(rig_size[s], 12, octaves[k], TF_POWERS_TO_508, k == 2 ? 19 : 30, ring[(k + 2) % 3]);
        }
}

/* x less a number a row, which is nowhere but in the powers. */
static void check_below(size_t rows, size_t n, unsigned ring) {
    enum { FRAC = 12, TO = 19 };
    int64_t *a = malloc(rows * n * sizeof *a), *row = malloc(rows * sizeof *row);
    for (size_t i = 0; i < rows; i++) row[i] = (int64_t)(rig_random() % (40 << FRAC)) - (20 << FRAC);
    for (size_t i = 0; i < rows * n; i++) a[i] = row[i / n] - (int64_t)(rig_random() % (30 << FRAC));
    rig r = rig_open(16);
    const tf_lowered below = {rig_put(&r, tf_dims(rows, n), a, FRAC, 32, 100),
                              rig_put(&r, tf_dims(rows, 1), row, FRAC, 32, 100)};
    int y = rig_take(&r, ring ? tf_powers_at_once(&r.program, below, 1.25, TF_POWERS_TO_252, TO, ring)
                              : tf_powers(&r.program, below, 1.25, TF_POWERS_TO_252, TO, 0));
    rig_run(&r);
    for (size_t i = 0; i < rows * n; i++) {
        const double x = ldexp((double)(a[i] - row[i / n]), -FRAC), wanted = exp2(1.25 * x);
        cr_assert_leq(fabs(rig_real(&r, y, i) - wanted), 1e-4 * wanted + ldexp(6, -TO), "%g", x);
    }
    rig_close(&r);
    free(row);
    free(a);
}

Test(step_powers, are_taken_of_rows_less_a_number) {
    const size_t rows[] = {1, 3, 7, 384}, length[] = {1, 5, 128, 700};
    for (size_t k = 0; k < 4; k++)
        for (size_t m = 0; m < 4; m++) check_below(rows[k], length[m], 0);
    check_below(7, 33, 61);
    check_below(384, 2, 61);
}

Test(step_powers, refuse_what_they_are_not_made_for) {
    rig r = rig_open(16);
    int64_t a = 0;
    tf_value x = rig_put(&r, tf_dims(1), &a, 14, 32, 100);
    cr_assert_eq(tf_powers(&r.program, (tf_lowered){x, -1}, 1, TF_POWERS_TO_252, 19, 0), -1);
    cr_assert_eq(r.program.status, TF_RANGE);
    r.program.status = TF_OK;
    cr_assert_eq(
        tf_powers(&r.program, (tf_lowered){rig_put(&r, tf_dims(1), &a, 12, 32, 100), -1}, 2, TF_POWERS_TO_252, 19, 0),
        -1);
    r.program.status = TF_OK;
    tf_value y = rig_put(&r, tf_dims(1), &a, 12, 32, 100);
    cr_assert_eq(tf_powers_at_once(&r.program, (tf_lowered){y, -1}, 1, TF_POWERS_TO_252, 19, 63), -1);
    r.program.status = TF_OK;
    rig_run(&r);
    rig_close(&r);
}
