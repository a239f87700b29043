/* Functions in one exchange, against floating point. */
#include "runtime/party/bit_key.h"
#include "tests/support/rig.h"

enum { MOST = 300 };

/* Pieces of equal ratio from low to high. */
static tf_power power_between(double scale, double exponent, double low, double high, size_t count, double *end) {
    for (size_t j = 0; j <= count; j++) end[j] = low * pow(high / low, (double)j / (double)count);
    return (tf_power){scale, exponent, end, count};
}

static void check_curve(const tf_power *f, size_t n, int frac, unsigned bits, int out_frac, unsigned ring,
                        double error) {
    double low = f->end[0], high = f->end[f->count];
    int64_t *a = malloc(n * sizeof *a);
    for (size_t i = 0; i < n; i++) a[i] = llrint(ldexp(low * pow(high / low, rig_uniform(0, 1)), frac));
    for (size_t i = 0; i < n && i + 1 < f->count; i++) { /* around the thresholds */
        int64_t at = llrint(ldexp(f->end[i + 1], frac)) + (int64_t)(rig_random() % 3) - 1;
        if (ldexp((double)at, -frac) <= high) a[i] = at;
    }
    rig r = rig_open(16);
    tf_value x = rig_put(&r, tf_dims(n), a, frac, bits, high);
    tf_result result = {out_frac, 4 * f->scale * pow(f->exponent < 0 ? low : high, f->exponent), false};
    tf_value v = tf_curve(&r.program, x, f, result, ring);
    int y = rig_take(&r, v);
    rig_run(&r);
    cr_assert_geq(tf_type_of(&r.program, v)->bits, ring);
    cr_assert_eq(r.t.plan.rounds, 2);
    for (size_t i = 0; i < n; i++) {
        double in = ldexp((double)a[i], -frac), is = ldexp((double)rig_result(&r, y)[i], -out_frac),
               exact = f->scale * pow(in, f->exponent);
        cr_assert(fabs(is - exact) <= error * exact + ldexp(2.5, -out_frac), "%g: %.9g, not %.9g", in, is, exact);
    }
    rig_close(&r);
    free(a);
}

Test(step_curve, is_near_its_function) {
    double end[MOST + 1];
    tf_power root = power_between(27.7, -0.5, 0x1p-7, 0x1p22, 225, end);
    for (int s = 0; s < RIG_SIZES; s++)
        if (rig_size[s] < 1000) check_curve(&root, rig_size[s], 20, 45, 20, 48, 2e-5);
    check_curve(&root, 300, 20, 60, 20, 0, 2e-5);
    tf_power inverse = power_between(1, -1, 0.5, 128, 40, end);
    check_curve(&inverse, 700, 16, 26, 22, 54, 2e-4);
    check_curve(&inverse, 300, 16, 32, 22, 64, 2e-4);
    tf_power square = power_between(1, 2, 1, 16, 3, end);
    check_curve(&square, 300, 8, 16, 16, 0, 1e-6);
    tf_power one = power_between(1, 2, 1, 16, 1, end);
    check_curve(&one, 300, 8, 16, 16, 0, 1e-6);
}

/* What both holders have of every point of a small range. */
Test(step_curve, keys_compare) {
    enum { BITS = 6, POINTS = 1 << BITS };
    tf_prf *hash = tf_comparison_hash();
    cr_assert_not_null(hash);
    for (uint64_t alpha = 0; alpha < POINTS; alpha++) {
        uint64_t root[2][2] = {{rig_random(), rig_random()}, {rig_random(), rig_random()}},
                 body[(BITS + 1) * TF_KEY_LEVEL_WORDS], base = rig_random() % POINTS;
        tf_comparison_point point[POINTS - 1];
        tf_wide payload[TF_PAYLOAD] = {1, alpha, 0, (tf_wide)rig_random() << 64 | rig_random()},
                share[2][POINTS + 1][TF_PAYLOAD];
        cr_assert(tf_comparison_make(hash, root[0], root[1], BITS, alpha, payload, body));
        for (unsigned j = 0; j + 1 < POINTS; j++)
            point[j] = (tf_comparison_point){POINTS - 1 - j, j < POINTS / 2 ? 3 : j < POINTS / 4 * 3 ? 1 : 0};
        for (int b = 0; b < 2; b++)
            cr_assert(tf_comparison_at(hash, b, root[b], BITS, body, base, POINTS - 1, point, share[b]));
        for (size_t j = 0; j <= POINTS; j++) {
            unsigned drop = j < 2 ? 0 : point[j - 2].low;
            uint64_t q = j == 0 ? POINTS : j == 1 ? base : (base + point[j - 2].offset) % POINTS;
            bool below = alpha >> drop < q >> drop;
            for (int k = 0; k < TF_PAYLOAD; k++)
                cr_assert(share[0][j][k] - share[1][j][k] == (below ? payload[k] : 0), "%d < %d", (int)alpha, (int)q);
        }
    }
    tf_prf_free(hash);
}

/* What both holders have of every point of a small range, whose paths begin and end at different levels. */
Test(bit_key, compares) {
    enum { MOST_BITS = 9, MOST_POINTS = 1 << MOST_BITS };
    const unsigned lengths[] = {1, 6, 7, 8, MOST_BITS};
    tf_prf *hash = tf_comparison_hash();
    for (size_t b = 0; b < sizeof lengths / sizeof *lengths; b++)
        for (int i = 0; i < 200; i++) {
            const unsigned bits = lengths[b];
            const size_t points = (size_t)1 << bits;
            const uint64_t alpha = rig_random() & tf_mask(bits), base = rig_random() & tf_mask(bits);
            uint64_t root[2][2] = {{rig_random(), rig_random()}, {rig_random(), rig_random()}};
            uint64_t body[2 * (MOST_BITS - TF_BIT_KEY_LEAF + 1)];
            tf_comparison_point point[MOST_POINTS];
            uint8_t share[2][MOST_POINTS];
            cr_assert_leq(tf_bit_key_words(bits) * 8, sizeof body);
            cr_assert(tf_bit_key_make(hash, root[0], root[1], bits, alpha, body));
            for (size_t j = 0; j < points; j++)
                point[j] = (tf_comparison_point){points - 1 - j, j < points / 4 ? 8 : j < points / 2 ? 7 : 3};
            for (int h = 0; h < 2; h++)
                cr_assert(tf_bit_key_at(hash, h, root[h], bits, body, base, points, point, share[h]));
            for (size_t j = 0; j < points; j++) {
                const uint64_t q = (base + point[j].offset) & tf_mask(bits);
                const unsigned low = point[j].low;
                const bool wanted = low < TF_BIT_KEY_LEAF ? alpha <= q : alpha >> low < q >> low;
                cr_assert_eq(share[0][j] ^ share[1][j], wanted, "%u bits: %d, %d", bits, (int)alpha, (int)q);
            }
        }
    tf_prf_free(hash);
}

/* Every point of small keys, and some of large ones. */
Test(comparison_key, tells_a_point_that_is_equal) {
    enum { LONGEST = 64, KEYS = 3 };
    const unsigned bits[] = {1, 5, 40, 64};
    tf_prf *hash = tf_comparison_hash();
    for (size_t b = 0; b < 4; b++)
        for (size_t i = 0; i < 32; i++) {
            const uint64_t mask = tf_mask(bits[b]), alpha[KEYS] = {i & mask, rig_random() & mask, -(uint64_t)i & mask};
            const size_t words = tf_equality_words(bits[b]);
            uint64_t root[2][2 * KEYS], body[KEYS * (2 * LONGEST + 1)], share[2][KEYS];
            for (int k = 0; k < 4 * KEYS; k++) root[k % 2][k / 2] = rig_random();
            for (size_t k = 0; k < KEYS; k++)
                cr_assert(
                    tf_equality_make(hash, root[0] + 2 * k, root[1] + 2 * k, bits[b], alpha[k], body + k * words));
            for (uint64_t q = 0; q < 40; q++) {
                uint64_t point[KEYS];
                for (size_t k = 0; k < KEYS; k++)
                    point[k] = q < 32 ? q & mask : alpha[k] ^ (q == 32 ? 0 : mask >> (q - 33));
                for (int h = 0; h < 2; h++)
                    cr_assert(tf_equality_at(hash, h, KEYS, root[h], bits[b], body, point, share[h]));
                for (size_t k = 0; k < KEYS; k++)
                    cr_assert_eq(share[0][k] - share[1][k], alpha[k] == point[k], "%u bits", bits[b]);
            }
        }
    tf_prf_free(hash);
}
