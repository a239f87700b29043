/* Functions of one variable as lines over segments, against the functions themselves. */
#include "tests/support/rig.h"

static double smooth(double x) {
    return x * 0.5 * (1 + erf(x * M_SQRT1_2));
}

/* Curved alike everywhere: what lines of the least largest error would be off by in the mean, 8e-5, shows. */
static double square(double x) {
    return x * x / 2;
}

/* 3 x + 1 is a line everywhere: what is left are the rounding of x and of the lines, whatever the ring. */
static double straight(double x) {
    return 3 * x + 1;
}

static void check(tf_function *f, double end, int log, int frac, unsigned ring, size_t n, double bound, double error) {
    double width = ldexp(2 * end, -log), sum = 0;
    int64_t *a = rig_integers(n, 40), most = (int64_t)ldexp(end, frac), least = (int64_t)ldexp(width - end, frac);
    for (size_t i = 0; i < n; i++) a[i] = least + (int64_t)((uint64_t)a[i] % (uint64_t)(most - least));
    a[0] = least;
    if (n > 1) a[n - 1] = most - 1;
    rig r = rig_open(16);
    if (f == square) r.sharing = RIG_UNIFORM; /* as real ones are: what is right in the mean over shares */
    tf_value x = rig_put(&r, tf_dims(n), a, frac, ring, end);
    int y = rig_take(&r, tf_spline(&r.program, x, f, (tf_window){end, log}, (tf_result){16, bound, false}));
    rig_run(&r);
    for (size_t i = 0; i < n; i++) {
        double off = rig_real(&r, y, i) - f(ldexp((double)a[i], -frac));
        cr_assert_leq(fabs(off), error, "%g: off by %g", ldexp((double)a[i], -frac), off);
        sum += off;
    }
    double mean = f == straight ? 3e-5 : f == square ? 2e-5 : 1;
    if (n > 1000) cr_assert_leq(fabs(sum / (double)n), mean, "off by %g in the mean", sum / (double)n);
    rig_close(&r);
    free(a);
}

Test(step_spline, knows_functions) {
    for (int s = 0; s < RIG_SIZES; s++) {
        check(smooth, 4, 7, 16, 32, rig_size[s], 8, 3.2e-4);
        check(straight, 8, 7, 16, 32, rig_size[s], 32, 2.5e-4);
    }
    check(square, 4, 7, 16, 32, 30000, 8, 6e-4);
    check(smooth, 4, 8, 12, 17, 3000, 8, 1.2e-4);
    check(smooth, 4, 8, 18, 64, 3000, 0x1p13, 1.5e-4);
    check(straight, 0.5, 7, 14, 20, 3000, 8, 8e-5);
    check(straight, 64, 8, 9, 48, 3000, 256, 3e-4);
}

static double steep(double x) {
    return 9 * x;
}

Test(step_spline, refuses_other_windows) {
    rig r = rig_open(16);
    int64_t a = 0;
    tf_value x = rig_put(&r, tf_dims(1), &a, 8, 32, 4);
    cr_assert_eq(tf_spline(&r.program, x, smooth, (tf_window){3, 7}, (tf_result){16, 8, false}), -1);
    cr_assert_neq(tf_program_status(&r.program), TF_OK);
    r.program.status = TF_OK;
    cr_assert_eq(tf_spline(&r.program, x, smooth, (tf_window){128, 8}, (tf_result){16, 8, false}), -1);
    r.program.status = TF_OK;
    cr_assert_eq(tf_spline(&r.program, x, steep, (tf_window){4, 7}, (tf_result){16, 64, false}), -1);
    cr_assert_eq(r.program.status, TF_RANGE);
    rig_close(&r);
}
