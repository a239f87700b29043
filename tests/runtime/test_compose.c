/* Protocols made of several steps, against floating point over their ranges: inverses, exponentials, polynomials. */
#include "runtime/program/step.h"
#include "tests/support/rig.h"

/* n integers with `frac` fractional bits, spread evenly over the magnitudes of low..high, ends first. */
static int64_t *spread(size_t n, double low, double high, int frac) {
    int64_t *a = malloc(n * sizeof *a), least = (int64_t)ceil(ldexp(low, frac)),
            most = (int64_t)floor(ldexp(high, frac));
    for (size_t i = 0; i < n; i++) {
        int64_t x = llrint(ldexp(low * pow(high / low, rig_uniform(0, 1)), frac));
        a[i] = i == 0 ? least : i == 1 ? most : x < least ? least : x > most ? most : x;
    }
    for (size_t i = 2; i + 1 < n && i < 80; i += 2) { /* powers of two and their neighbours below */
        double power = ldexp(low, (int)(i / 2));
        if (power < high) a[i] = (int64_t)ldexp(power, frac), a[i + 1] = a[i] - 1 < least ? least : a[i] - 1;
    }
    return a;
}

typedef tf_value inverse(tf_program *, tf_value, double, double, int);

/* The error: so much relative, plus three units of the result. */
static void check_inverse_to(double relative, inverse *append, double exponent, double low, double high, int from,
                             int to, size_t n) {
    int64_t *a = spread(n, low, high, from);
    rig r = rig_open(16);
    tf_value x = rig_put(&r, tf_dims(n), a, from, 48, high * 1.0001);
    int y = rig_take(&r, append(&r.program, x, low, high, to));
    rig_run(&r);
    for (size_t i = 0; i < n; i++) {
        double in = ldexp((double)a[i], -from), wanted = pow(in, exponent), error = fabs(rig_real(&r, y, i) - wanted);
        cr_assert_leq(error, relative * wanted + ldexp(3, -to), "%.9g (%d bits) in %g..%g: %.9g, not %.9g (%d bits)",
                      in, from, low, high, rig_real(&r, y, i), wanted, to);
    }
    rig_close(&r);
    free(a);
}

static void check_inverse(inverse *append, double exponent, double low, double high, int from, int to, size_t n) {
    check_inverse_to(1.6e-5, append, exponent, low, high, from, to, n);
}

static const double ranges[][2] = {{0.5, 256}, {1, 2},    {1, 1},     {0.25, 4},    {0.001, 10},
                                   {1, 128},   {3, 3000}, {0.7, 0.9}, {0x1p-10, 1}, {100, 16000}};
enum { RANGES = sizeof ranges / sizeof *ranges };

static void check_inverses(inverse *append, double exponent) {
    for (size_t k = 0; k < RANGES; k++) {
        check_inverse(append, exponent, ranges[k][0], ranges[k][1], 16, 20, 1000);
        check_inverse(append, exponent, ranges[k][0], ranges[k][1], 12, 16, 300);
        check_inverse(append, exponent, ranges[k][0], ranges[k][1], 18, 18, 300);
        check_inverse(append, exponent, ranges[k][0], ranges[k][1], 20, 24, 65);
    }
    for (int s = 0; s < RIG_SIZES; s++)
        check_inverse(append, exponent, 0.5, 256, 16, 20, rig_size[s] > 2100 ? 2100 : rig_size[s]);
}

Test(compose, reciprocal) {
    check_inverses(tf_reciprocal, -1);
}

static tf_value rsqrt_unscaled(tf_program *p, tf_value a, double low, double high, int frac) {
    return tf_rsqrt(p, a, low, high, 1, frac, 0);
}

Test(compose, rsqrt) {
    check_inverses(rsqrt_unscaled, -0.5);
}

static void check_step(const tf_program *p, tf_value y, const char *name) {
    cr_assert_eq(tf_program_status(p), TF_OK, "%s", tf_error());
    cr_assert_str_eq(p->node[y].step->name, name);
}

/* Where rounds are worth little. */
static tf_value reciprocal_in_pieces(tf_program *p, tf_value a, double low, double high, int frac) {
    p->round_bytes = 1;
    tf_value y = tf_reciprocal_near(p, a, low, high, frac, 46, false);
    check_step(p, y, "pieces");
    cr_assert_geq(tf_type_of(p, y)->bits, 46);
    return y;
}
static tf_value rsqrt_in_pieces(tf_program *p, tf_value a, double low, double high, int frac) {
    p->round_bytes = 1;
    tf_value y = tf_rsqrt(p, a, low, high, 1, frac, 44);
    check_step(p, y, "pieces");
    cr_assert_geq(tf_type_of(p, y)->bits, 44);
    return y;
}
/* Where they are worth what keys of thresholds take, but no curve. */
static tf_value reciprocal_by_keys(tf_program *p, tf_value a, double low, double high, int frac) {
    p->round_bytes = 2400 * (double)tf_shape_count(tf_type_of(p, a)->shape);
    tf_value later = tf_reciprocal_near(p, a, low, high, frac, 46, false),
             y = tf_reciprocal_near(p, a, low, high, frac, 46, true);
    check_step(p, later, "pieces");
    check_step(p, y, "pieces");
    cr_assert_eq(tf_inverse_exchanges(p, later), 3);
    cr_assert_eq(tf_inverse_exchanges(p, y), 2);
    return y;
}
/* Where they are worth anything: in one exchange, in the ring that is wanted. */
static tf_value reciprocal_at_once(tf_program *p, tf_value a, double low, double high, int frac) {
    p->round_bytes = 1e9;
    tf_value y = tf_reciprocal_near(p, a, low, high, frac, 56, false);
    check_step(p, y, "curve");
    cr_assert_geq(tf_type_of(p, y)->bits, 56);
    return y;
}
static tf_value rsqrt_at_once(tf_program *p, tf_value a, double low, double high, int frac) {
    p->round_bytes = 1e9;
    tf_value y = tf_rsqrt(p, a, low, high, 1, frac, 48);
    check_step(p, y, "curve");
    cr_assert_geq(tf_type_of(p, y)->bits, 48);
    return y;
}
Test(compose, inverses_in_a_ring) {
    const double wide[][2] = {{0.5, 256}, {1, 2}, {1, 1}, {0.25, 4}, {1, 128}, {3, 3000}, {0.7, 0.9}, {100, 16000}};
    for (size_t k = 0; k < sizeof wide / sizeof *wide; k++) {
        check_inverse_to(6.7e-5, reciprocal_in_pieces, -1, wide[k][0], wide[k][1], 16, 20, 1000);
        check_inverse_to(4e-5, rsqrt_in_pieces, -0.5, wide[k][0], wide[k][1], 16, 20, 1000);
        check_inverse_to(6.7e-5, reciprocal_by_keys, -1, wide[k][0], wide[k][1], 16, 20, 1000);
        check_inverse_to(6.7e-5, reciprocal_at_once, -1, wide[k][0], wide[k][1], 16, 20, 300);
        check_inverse_to(1.6e-5, rsqrt_at_once, -0.5, wide[k][0], wide[k][1], 16, 20, 300);
    }
    check_inverse_to(1.6e-5, rsqrt_at_once, -0.5, 0x1p-7, 0x1p22, 20, 20, 300);
    check_inverse_to(4e-5, rsqrt_in_pieces, -0.5, 0x1p-2, 0x1p22, 18, 20, 1000);
    check_inverse_to(6.7e-5, reciprocal_in_pieces, -1, 0x1p-14, 0x1p14, 20, 20, 3000); /* sums of powers of scores */
    check_inverse_to(6.7e-5, reciprocal_by_keys, -1, 0x1p-10, 0x1p14, 16, 20, 3000);   /* sums of scores */
}

Test(compose, exponential_of_negative_numbers) {
    const int fracs[] = {12, 14, 16, 18};
    for (int f = 0; f < 4; f++)
        for (int s = 0; s < RIG_SIZES; s++) {
            size_t n = rig_size[s];
            int64_t *a = rig_integers(n, 28);
            for (size_t i = 0; i < n; i++) a[i] = i % 2 ? -llabs(a[i]) : -(int64_t)(rig_random() % (12u << fracs[f]));
            a[0] = 0;
            rig r = rig_open(fracs[f]);
            int y = rig_take(
                &r, tf_exp_negative(&r.program, rig_put(&r, tf_dims(n), a, fracs[f], 32, ldexp(1, 28 - fracs[f]))));
            rig_run(&r);
            for (size_t i = 0; i < n; i++) {
                double x = ldexp((double)a[i], -fracs[f]);
                cr_assert_lt(fabs(rig_real(&r, y, i) - exp(x)), 6e-4 + 4 * ldexp(1, -fracs[f]), "e^%g is %g", x,
                             rig_real(&r, y, i));
            }
            rig_close(&r);
            free(a);
        }
}

/* Where the clip sets in: a number that passes it below -16 in powers of two would come out near 1. */
Test(compose, exponential_around_its_clip) {
    const int fracs[] = {8, 12, 16, 18};
    for (int f = 0; f < 4; f++) {
        int frac = fracs[f];
        int64_t from = (int64_t)ldexp(-11.5, frac);
        size_t n = (size_t)ldexp(1, frac);
        int64_t *a = malloc(n * sizeof *a);
        for (size_t i = 0; i < n; i++) a[i] = from + (int64_t)i;
        rig r = rig_open(frac);
        int y = rig_take(&r, tf_exp_negative(&r.program, rig_put(&r, tf_dims(n), a, frac, 32, 64)));
        rig_run(&r);
        for (size_t i = 0; i < n; i++)
            cr_assert_lt(rig_real(&r, y, i), 1e-4 + 2 * ldexp(1, -frac), "e^%g is %g", ldexp((double)a[i], -frac),
                         rig_real(&r, y, i));
        rig_close(&r);
        free(a);
    }
}

Test(compose, polynomial) {
    enum { N = 1500 };
    const double c[][7] = {
        {0.5, -1.25, 2, 0.125, -0.3, 0.25, 0.125}, {0, 1, -1, 0, 0, 0.5, -0.5}, {-3, 0, 0.01, 0.7, 1, 0.1, 0.2}};
    const int fracs[] = {12, 16, 18};
    for (int degree = 3; degree <= 6; degree++)
        for (int k = 0; k < 9; k++) {
            int frac = fracs[k / 3];
            const double *q = c[k % 3];
            int64_t *a = rig_integers(N, (unsigned)frac + 1); /* |x| < 2 */
            rig r = rig_open(frac);
            int y = rig_take(&r, tf_polynomial(&r.program, rig_put(&r, tf_dims(N), a, frac, 32, 2), degree, q,
                                               (tf_result){frac, 64, false}));
            rig_run(&r);
            for (size_t i = 0; i < N; i++) {
                double x = ldexp((double)a[i], -frac), wanted = 0, powers = 0, slope = 0;
                for (int j = degree; j >= 0; j--) wanted = wanted * x + q[j];
                /* coefficients from the second on to 11 bits (the ratio of the last two also), the first to 16 bits,
                 * the rounding of the square and of its product times their slopes, and of the result */
                for (int j = 2; j <= degree; j++)
                    powers += pow(fabs(x), j), slope += j * fabs(q[j]) * pow(fabs(x), j - 2);
                cr_assert_leq(fabs(rig_real(&r, y, i) - wanted),
                              ldexp(powers, -12) + ldexp(fabs(q[1] * x), -16) + ldexp(3 + 2 * slope + powers, -frac),
                              "degree %d at %g: %g, not %g", degree, x, rig_real(&r, y, i), wanted);
            }
            rig_close(&r);
            free(a);
        }
}

static double cube(double x) {
    return x * x * x / 64;
}

enum { FITS = 10 };

/* One of several values with fitted numbers, no two of which are alike. */
static tf_value fitted(tf_program *p, tf_value x, int which) {
    switch (which) {
    case 0: return tf_rsqrt(p, x, 0.01, 8, 1, 16, 0);
    case 1: return tf_rsqrt(p, x, 0.01, 8, 2, 16, 0);
    case 2: return tf_rsqrt(p, x, 0.02, 8, 1, 16, 0);
    case 3: return tf_rsqrt(p, x, 0.01, 8, 1, 16, 50);
    case 4: return tf_reciprocal(p, x, 0.01, 8, 16);
    case 5: return tf_spline(p, x, cube, (tf_window){4, 7}, (tf_result){16, 8, false});
    case 6: return tf_spline(p, x, cube, (tf_window){4, 8}, (tf_result){16, 8, false});
    case 7: return tf_spline(p, x, cube, (tf_window){8, 7}, (tf_result){16, 8, false});
    case 8: return tf_spline(p, x, cube, (tf_window){4, 7}, (tf_result){14, 8, false});
    default: return tf_spline(p, x, sin, (tf_window){4, 7}, (tf_result){16, 8, false});
    }
}

/* Numbers that an earlier node was fitted with serve another of the same facts, and none of others. */
Test(compose, fits_once_what_is_the_same) {
    tf_program all;
    tf_program_init(&all, 16, 0, 1);
    tf_value x = tf_input(&all, 0, tf_dims(5), 16, 32, 8, 0);
    for (int k = 0; k < 2 * FITS; k++) {
        tf_program alone;
        tf_program_init(&alone, 16, 0, 1);
        tf_value v = fitted(&all, x, k % FITS),
                 w = fitted(&alone, tf_input(&alone, 0, tf_dims(5), 16, 32, 8, 0), k % FITS);
        cr_assert_geq(v, 0, "%s", all.error);
        const tf_step_node *a = &all.node[v], *b = &alone.node[w];
        cr_assert_gt(a->data_count, 0);
        cr_assert_eq(a->data_count, b->data_count);
        cr_assert_arr_eq(a->data, b->data, a->data_count * sizeof *a->data, "%d", k);
        tf_program_free(&alone);
        cr_assert_eq(all.fits, k < FITS ? k + 1 : FITS);
    }
    tf_program_free(&all);
}
