/* Many public thresholds at once, and polynomials between them, against plain numbers. */
#include "tests/support/rig.h"

enum { MOST = 200 };

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How many thresholds are above each element, if each is moved by `margin` and by this part of the shorter interval at
 * its sides. */
static int64_t above(const double *threshold, int count, double x, double margin, double part) {
    int64_t sum = 0;
    for (int j = 0; j < count; j++) {
        double shorter = INFINITY;
        if (j > 0) shorter = threshold[j] - threshold[j - 1];
        if (j + 1 < count) shorter = fmin(shorter, threshold[j + 1] - threshold[j]);
        sum += x < threshold[j] + margin + (isfinite(shorter) ? part * shorter : 0);
    }
    return sum;
}

typedef tf_value comparison(tf_program *, tf_value, size_t, const double *, unsigned);

static void check_thresholds(comparison *compare, size_t n, int frac, unsigned bits, unsigned ring, unsigned low,
                             int count) {
    double threshold[MOST], largest = ldexp(1, (int)bits - frac);
    for (int j = 0; j < count; j++) threshold[j] = ldexp((double)(rig_random() >> (64 - bits)), -frac);
    if (count > 2) threshold[0] = largest, threshold[1] = ldexp(1, -frac), threshold[2] = threshold[count - 1];
    qsort(threshold, (size_t)count, sizeof *threshold, ascending);
    int64_t *a = rig_integers(n, bits);
    for (size_t i = 0; i < n; i++) a[i] = a[i] < 0 ? -(a[i] + 1) : a[i];
    for (size_t i = 0; i < n && i < (size_t)count; i++) { /* around the thresholds themselves */
        int64_t t = (int64_t)ldexp(threshold[i], frac) - (int64_t)(rig_random() % 3);
        a[i] = t < 0 ? 0 : t >= INT64_C(1) << bits ? (INT64_C(1) << bits) - 1 : t;
    }
    rig r = rig_open(16);
    tf_value x = rig_put(&r, tf_dims(n), a, frac, ring, largest);
    tf_value bit = compare(&r.program, x, (size_t)count, threshold, low);
    tf_value sum = tf_bit_to_share(&r.program, tf_bit_plane(&r.program, bit, 0), 16, false);
    for (int j = 1; j < count; j++)
        sum = tf_add_within(&r.program, sum,
                            tf_bit_to_share(&r.program, tf_bit_plane(&r.program, bit, (size_t)j), 16, false), MOST);
    int y = rig_take(&r, sum);
    rig_run(&r);
    const double part = compare == tf_thresholds_soon ? 0x1p-6 : 0;
    double margin = low ? ldexp(1, (int)low - 1 - frac) : 0;
    for (size_t i = 0; i < n; i++) {
        double in = ldexp((double)a[i], -frac);
        int64_t is = rig_result(&r, y)[i], least = above(threshold, count, in, -margin, -part),
                most = above(threshold, count, in, margin, part);
        cr_assert(is >= least && is <= most, "%u bits, %u dropped: %lld of %d are above %g, not %lld", bits, low,
                  (long long)least, count, in, (long long)is);
    }
    rig_close(&r);
    free(a);
}

Test(step_thresholds, knows_every_threshold) {
    const unsigned width[][2] = {{1, 8}, {5, 16}, {6, 32}, {12, 16}, {13, 64}, {20, 32}, {24, 48}, {33, 64}, {35, 37}};
    for (size_t w = 0; w < sizeof width / sizeof *width; w++)
        for (int s = 0; s < RIG_SIZES; s++)
            if (rig_size[s] < 3000)
                check_thresholds(tf_thresholds, rig_size[s], (int)w, width[w][0], width[w][1], 0,
                                 w % 3 == 0   ? 1
                                 : w % 3 == 1 ? 7
                                              : 40);
    check_thresholds(tf_thresholds, 400, 16, 30, 32, 0, MOST);
}

Test(step_thresholds, dropped_bits_err_near_thresholds_only) {
    for (unsigned low = 1; low <= 12; low += 3) {
        check_thresholds(tf_thresholds, 1000, 16, 26, 48, low, 30);
        check_thresholds(tf_thresholds_soon, 1000, 16, 26, 48, low, 30);
    }
}

/* In one exchange; neighbours and equal ones leave no bit out. */
Test(step_thresholds, keys_know_every_threshold) {
    const unsigned width[][2] = {{1, 8}, {5, 16}, {6, 32}, {7, 32}, {8, 16}, {13, 64}, {20, 32}, {24, 48}, {33, 64}};
    for (size_t w = 0; w < sizeof width / sizeof *width; w++)
        for (int s = 0; s < RIG_SIZES; s++)
            if (rig_size[s] < 3000)
                check_thresholds(tf_thresholds_soon, rig_size[s], (int)w, width[w][0], width[w][1], 0,
                                 w % 3 == 0   ? 1
                                 : w % 3 == 1 ? 7
                                              : 40);
    check_thresholds(tf_thresholds_soon, 400, 16, 30, 32, 0, MOST);
}

/* Polynomials near a function, each on its own interval, in rings of all sizes. */
static void check_pieces(int degree, unsigned ring) {
    enum { N = 700, COUNT = 64, FRAC = 12 };
    double end[COUNT + 1];
    int64_t *a = rig_integers(N, 20);
    for (int j = 0; j <= COUNT; j++) end[j] = exp2(j / 8.0); /* 1 to 256 */
    for (size_t i = 0; i < N; i++) a[i] = (1 << FRAC) + (int64_t)((uint64_t)a[i] % (255u << FRAC));
    rig r = rig_open(16);
    tf_value x = rig_put(&r, tf_dims(N), a, FRAC, ring, 256);
    tf_value bits = tf_thresholds(&r.program, x, COUNT - 1, end + 1, 0);
    const tf_power inverse = {1, -1, end, COUNT}, square = {0.5, 2, end, COUNT};
    int y = rig_take(&r, tf_pieces(&r.program, bits, x, degree, &inverse, (tf_result){20, 4, false}, 0));
    int z = rig_take(&r, tf_pieces(&r.program, bits, x, degree, &square, (tf_result){8, 0x1p15, false}, 50));
    cr_assert_eq(tf_type_of(&r.program, r.program.nodes - 1)->bits, 50);
    rig_run(&r);
    double width = exp2(1 / 8.0) - 1, off = pow(width / 4, degree + 1) * 2;
    for (size_t i = 0; i < N; i++) {
        double v = ldexp((double)a[i], -FRAC);
        cr_assert_float_eq(rig_real(&r, y, i), 1 / v, off / v + 0x1p-18, "%g by degree %d", v, degree);
        cr_assert_float_eq(rig_real(&r, z, i), v * v / 2, (degree > 1 ? 0 : off / 2 * v * v) + 0x1p-6, "%g", v);
    }
    rig_close(&r);
    free(a);
}

Test(step_thresholds, polynomials_between_public_numbers) {
    for (int degree = 1; degree <= TF_PIECE_DEGREE; degree++) {
        check_pieces(degree, 22);
        check_pieces(degree, 41);
        check_pieces(degree, 64);
    }
}

/* Below the first interval, and around zero, its polynomial goes on. */
Test(step_thresholds, pieces_go_on_below_the_first) {
    enum { N = 300, FRAC = 16 };
    const double end[] = {1, 2, 4};
    int64_t a[N];
    for (int i = 0; i < N; i++) a[i] = (i - N / 2) * 16;
    rig r = rig_open(16);
    tf_value x = rig_put(&r, tf_dims(N), a, FRAC, 20, 4);
    tf_value bits = tf_thresholds(&r.program, x, 1, end + 1, 0);
    const tf_power itself = {1, 1, end, 2};
    int y = rig_take(&r, tf_pieces(&r.program, bits, x, 1, &itself, (tf_result){20, 8, false}, 0));
    rig_run(&r);
    for (int i = 0; i < N; i++) cr_assert_float_eq(rig_real(&r, y, i), ldexp((double)a[i], -FRAC), 0x1p-18);
    rig_close(&r);
}
