/* Comparison, selection, ReLU, bits as shares and the maximum, against plain integers. */
#include "runtime/steps/steps.h"
#include "tests/support/rig.h"

/* Integers of all sizes below 2^bits, among them many around zero. The caller frees them. */
static int64_t *mixed_integers(size_t n, unsigned bits) {
    int64_t *a = rig_integers(n, bits);
    for (size_t i = 9; i < n; i += 3) a[i] = (int64_t)(rig_random() % 1024) - 512;
    return a;
}

Test(step_compare, knows_every_sign) {
    const unsigned size[][2] = {{1, 8},   {2, 8},   {5, 16},  {11, 16}, {12, 16}, {23, 32}, {30, 32},
                                {31, 64}, {30, 48}, {38, 48}, {46, 48}, {48, 64}, {53, 64}};
    const unsigned target[] = {8, 32, 48, 64};
    for (size_t c = 0; c < sizeof size / sizeof *size; c++)
        for (int s = 0; s < RIG_SIZES; s++) {
            size_t n = rig_size[s];
            unsigned bits = size[c][0], width = target[(c + (size_t)s) % 4];
            int64_t *a = bits > 10 ? mixed_integers(n, bits) : rig_integers(n, bits);
            rig r = rig_open(16);
            tf_value x = rig_put(&r, tf_dims(n), a, 8, size[c][1], ldexp(1, (int)bits - 8));
            tf_value bit = tf_negative(&r.program, x, 0);
            int is = rig_take(&r, tf_bit_to_share(&r.program, bit, width, false));
            int is_not = rig_take(&r, tf_bit_to_share(&r.program, bit, width, true));
            int soon = rig_take(&r, tf_bit_to_share(&r.program, tf_negative_soon(&r.program, x, 0), width, false));
            int at_once = rig_take(
                &r, tf_bit_to_share(&r.program, tf_negative_in(&r.program, x, 0, 1), width, false)); /* up to 11 bits */
            rig_run(&r);
            for (size_t i = 0; i < n; i++)
                if (rig_result(&r, is)[i] != (a[i] < 0) || rig_result(&r, is_not)[i] != (a[i] >= 0) ||
                    rig_result(&r, soon)[i] != (a[i] < 0) || rig_result(&r, at_once)[i] != (a[i] < 0))
                    cr_assert_fail("%u bits: %lld is %lld", bits, (long long)a[i], (long long)rig_result(&r, is)[i]);
            rig_close(&r);
            free(a);
        }
}

Test(step_compare, dropping_low_bits_errs_near_zero_only) {
    enum { N = 20000 };
    for (unsigned low = 1; low <= 12; low++)
        for (unsigned bits = 20; bits <= 46; bits += 13) {
            int64_t *a = mixed_integers(N, bits), zone = INT64_C(1) << (low - 1);
            a[0] = zone, a[1] = -zone - 1, a[2] = INT64_C(1) << (bits - 1);
            size_t wrong = 0, near = 0;
            rig r = rig_open(16);
            tf_value x = rig_put(&r, tf_dims(N), a, 16, 64, ldexp(1, (int)bits - 16));
            int y = rig_take(&r, tf_bit_to_share(&r.program, tf_negative(&r.program, x, low), 32, false));
            rig_run(&r);
            for (size_t i = 0; i < N; i++) {
                bool inside = a[i] >= -zone && a[i] < zone;
                near += inside;
                wrong += rig_result(&r, y)[i] != (a[i] < 0);
                cr_assert(inside || rig_result(&r, y)[i] == (a[i] < 0), "%lld", (long long)a[i]);
            }
            cr_assert_leq(wrong, near);
            rig_close(&r);
            free(a);
        }
}

Test(step_compare, with_a_public_number) {
    enum { N = 4000 };
    const double c[] = {0, 3.15, -3.15, 100};
    for (int k = 0; k < 4; k++) {
        int64_t *a = rig_integers(N, 24);
        rig r = rig_open(16);
        int y =
            rig_take(&r, tf_bit_to_share(&r.program, tf_less(&r.program, rig_put(&r, tf_dims(N), a, 16, 32, 256), c[k]),
                                         8, false));
        rig_run(&r);
        for (size_t i = 0; i < N; i++) {
            double x = ldexp((double)a[i], -16);
            cr_assert(fabs(x - c[k]) <= 0x1p-9 || rig_result(&r, y)[i] == (x < c[k]), "%g < %g", x, c[k]);
        }
        rig_close(&r);
        free(a);
    }
}

Test(step_compare, with_several_public_numbers) {
    const double c[] = {3.15, -3.15, 100};
    for (int count = 1; count <= 3; count++)
        for (int soon = 0; soon < 2; soon++)
            for (int s = 0; s < RIG_SIZES; s++) {
                size_t n = rig_size[s];
                int64_t *a = rig_integers(n, 24);
                rig r = rig_open(16);
                tf_value x = rig_put(&r, tf_dims(n), a, 16, 32, 256);
                tf_value bits = tf_below(&r.program, x, count, c, soon ? 10 : 7, soon);
                int y[3];
                for (int k = 0; k < count; k++) {
                    tf_value one = tf_bit_plane(&r.program, bits, (size_t)k);
                    y[k] = rig_take(&r, tf_bit_to_share(&r.program, one, 8, false));
                }
                rig_run(&r);
                for (size_t i = 0; i < n; i++)
                    for (int k = 0; k < count; k++) {
                        double v = ldexp((double)a[i], -16);
                        cr_assert(fabs(v - c[k]) <= (soon ? 0x1p-7 : 0x1p-10) || rig_result(&r, y[k])[i] == (v < c[k]),
                                  "%g < %g", v, c[k]);
                    }
                rig_close(&r);
                free(a);
            }
}

Test(step_select, adds_up_to_three_terms) {
    const unsigned ring[] = {32, 48, 64, 21};
    for (int terms = 1; terms <= 3; terms++)
        for (int w = 0; w < 4; w++)
            for (int s = 0; s < RIG_SIZES; s++) {
                size_t n = rig_size[s];
                unsigned bits = ring[w] - 4;
                int64_t *a[3], *sign[3];
                unsigned negate = (unsigned)(s + w) % 8;
                rig r = rig_open((int)bits - 10); /* so that the default range holds the sums */
                tf_term term[3];
                for (int k = 0; k < terms; k++) {
                    a[k] = rig_integers(n, bits), sign[k] = rig_integers(n, 20);
                    tf_value x = rig_put(&r, tf_dims(n), a[k], (int)bits - 10, ring[w], 1 << 10);
                    tf_value y = rig_put(&r, tf_dims(n), sign[k], 10, 32, 1 << 10);
                    term[k] = (tf_term){tf_negative(&r.program, y, 0), x, negate >> k & 1};
                }
                tf_value sum = tf_select(&r.program, terms, term);
                int y = rig_take(&r, tf_assume(&r.program, sum, 1 << 12));
                rig_run(&r);
                for (size_t i = 0; i < n; i++) {
                    int64_t wanted = 0;
                    for (int k = 0; k < terms; k++) {
                        bool taken = sign[k][i] < 0;
                        if (term[k].negate) taken = !taken;
                        wanted += taken ? a[k][i] : 0;
                    }
                    if (rig_result(&r, y)[i] != rig_signed((uint64_t)wanted, r.type[y].bits))
                        cr_assert_fail("%lld, not %lld", (long long)rig_result(&r, y)[i], (long long)wanted);
                }
                rig_close(&r);
                for (int k = 0; k < terms; k++) free(a[k]), free(sign[k]);
            }
}

Test(step_select, takes_one_of_two_values_or_zero) {
    const unsigned ring[] = {32, 48};
    for (int w = 0; w < 2; w++)
        for (int s = 0; s < RIG_SIZES; s++) {
            const size_t n = rig_size[s];
            const unsigned bits = ring[w] - 4;
            rig r = rig_open((int)bits - 10);
            int64_t *a[2], *sign[2];
            tf_term term[2];
            for (int k = 0; k < 2; k++) {
                a[k] = rig_integers(n, bits), sign[k] = rig_integers(n, 20);
                tf_value x = rig_put(&r, tf_dims(n), a[k], (int)bits - 10, ring[w], 1 << 10);
                tf_value y = rig_put(&r, tf_dims(n), sign[k], 10, 32, 1 << 10);
                term[k] = (tf_term){tf_negative(&r.program, y, 0), x, k == w};
            }
            int y = rig_take(&r, tf_select_either(&r.program, term, 1 << 11));
            rig_run(&r);
            for (size_t i = 0; i < n; i++) {
                int64_t wanted = 0;
                if ((sign[0][i] < 0) != term[0].negate) wanted += a[0][i] - a[1][i];
                if ((sign[1][i] < 0) != term[1].negate) wanted += a[1][i];
                if (rig_result(&r, y)[i] != rig_signed((uint64_t)wanted, r.type[y].bits))
                    cr_assert_fail("%lld, not %lld", (long long)rig_result(&r, y)[i], (long long)wanted);
            }
            rig_close(&r);
            for (int k = 0; k < 2; k++) free(a[k]), free(sign[k]);
        }
}

/* A selection that a reader lifts is one step or two, as a round is worth it; a later, wider wish widens it. What is
 * multiplied by zero may be anything. */
static void check_lifted(size_t n, unsigned from, unsigned to, bool negate, bool worth) {
    int64_t *a = rig_integers(n, from - 2), *sign = rig_integers(n, 20);
    for (size_t i = 0; i < n; i++)
        if (i % 5 == 4 && (sign[i] < 0) == negate) a[i] = (int64_t)(rig_random() >> 1);
    rig r = rig_open(16);
    r.program.round_bytes = worth ? 1e12 : 0;
    tf_value bit = tf_negative(&r.program, rig_put(&r, tf_dims(n), sign, 0, 32, 0x1p20), 0);
    tf_value x = rig_put(&r, tf_dims(n), a, 0, from, ldexp(1, (int)from - 2));
    tf_value y = tf_select(&r.program, 1, &(tf_term){bit, x, negate});
    int name = rig_take(&r, tf_assume(&r.program, y, ldexp(1, (int)from - 2)));
    tf_value wide = tf_lift(&r.program, y, from + 1);
    int first = rig_take(&r, wide), lifted = rig_take(&r, tf_lift(&r.program, y, to));
    if (worth || from == 32) cr_assert_eq(wide == y, worth); /* of some it takes fewer bytes as well */
    /* but for a selection where rounds count for nothing, if a lift then takes fewer bytes */
    if (worth || wide != y) cr_assert_eq(tf_type_of(&r.program, wide)->bits, to);
    rig_run(&r);
    for (size_t i = 0; i < n; i++) {
        int64_t wanted = (sign[i] < 0) != negate ? a[i] : 0;
        if (rig_result(&r, lifted)[i] != wanted || rig_result(&r, first)[i] != wanted ||
            rig_result(&r, name)[i] != wanted)
            cr_assert_fail("%u to %u bits: %lld is %lld", from, to, (long long)wanted,
                           (long long)rig_result(&r, lifted)[i]);
    }
    rig_close(&r);
    free(a);
    free(sign);
}

Test(step_select, comes_in_a_wider_ring) {
    const unsigned rings[][2] = {{4, 5}, {8, 64}, {13, 29}, {24, 40}, {29, 48}, {32, 48}, {48, 64}, {63, 64}};
    for (size_t k = 0; k < sizeof rings / sizeof *rings; k++)
        for (int which = 0; which < 4; which++) {
            check_lifted(700, rings[k][0], rings[k][1], which & 1, which & 2);
            if (k == 4)
                for (int s = 0; s < RIG_SIZES; s++) check_lifted(rig_size[s], 29, 48, which & 1, which & 2);
        }
}

Test(step_select, makes_room_for_the_sum) {
    enum { N = 10 };
    int64_t one[N], sign[N];
    for (int i = 0; i < N; i++) one[i] = (1 << 14) - 1, sign[i] = i % 2 ? 1 : -1;
    rig r = rig_open(14);
    tf_value x = rig_put(&r, tf_dims(N), one, 14, 16, 1),
             bit = tf_negative(&r.program, rig_put(&r, tf_dims(N), sign, 0, 8, 2), 0);
    tf_term term[3] = {{bit, x, false}, {bit, x, false}, {bit, x, false}};
    int y = rig_take(&r, tf_select(&r.program, 3, term));
    rig_run(&r);
    for (int i = 0; i < N; i++)
        cr_assert_eq(rig_result(&r, y)[i], i % 2 ? 0 : 3 * one[i], "%lld", (long long)rig_result(&r, y)[i]);
    rig_close(&r);
}

Test(step_select, keeps_a_range_above_the_default) {
    enum { N = 10 };
    int64_t large[N], sign[N];
    for (int i = 0; i < N; i++) large[i] = (INT64_C(1) << 40) - 1 - i, sign[i] = i % 2 ? 1 : -1;
    rig r = rig_open(16);
    tf_value x = rig_put(&r, tf_dims(N), large, 16, 48, 1 << 24),
             bit = tf_negative(&r.program, rig_put(&r, tf_dims(N), sign, 0, 8, 2), 0);
    tf_term term[2] = {{bit, x, false}, {bit, x, true}};
    int y = rig_take(&r, tf_select(&r.program, 2, term));
    rig_run(&r);
    for (int i = 0; i < N; i++) cr_assert_eq(rig_result(&r, y)[i], large[i], "%lld", (long long)rig_result(&r, y)[i]);
    rig_close(&r);
}

Test(step_select, relu) {
    const int fracs[] = {12, 16, 18};
    for (int f = 0; f < 3; f++)
        for (int s = 0; s < RIG_SIZES; s++) {
            size_t n = rig_size[s];
            int64_t *a = mixed_integers(n, 30), zone = INT64_C(1) << (fracs[f] / 2 - 1);
            rig r = rig_open(fracs[f]);
            tf_value x = rig_put(&r, tf_dims(n), a, fracs[f], s % 2 ? 32 : 48, ldexp(1, 30 - fracs[f]));
            int y = rig_take(&r, tf_relu(&r.program, x));
            rig_run(&r);
            cr_assert_eq(r.type[y].bits, 32);
            for (size_t i = 0; i < n; i++) {
                int64_t got = rig_result(&r, y)[i];
                if (got != (a[i] > 0 ? a[i] : 0) && !(got == 0 || got == a[i]))
                    cr_assert_fail("%lld of %lld", (long long)got, (long long)a[i]);
                cr_assert_leq(llabs(got - (a[i] > 0 ? a[i] : 0)), zone);
            }
            rig_close(&r);
            free(a);
        }
}

Test(step_select, maximum_of_two_and_of_a_row) {
    const size_t length[] = {1, 2, 3, 5, 128};
    const size_t rows[] = {1, 2, 129, 700};
    for (size_t k = 0; k < 5; k++)
        for (size_t m = 0; m < 4; m++) {
            size_t n = length[k], count = rows[m] * n;
            double guard = ceil(log2((double)n)) * 0x1p7; /* each match may err by 2^(low - 1) units */
            int64_t *a = mixed_integers(count, 29);
            rig r = rig_open(16);
            int y = rig_take(&r, tf_max_last(&r.program, rig_put(&r, tf_dims(rows[m], n), a, 16, 32, 1 << 13)));
            cr_assert(tf_shape_equal(r.type[y].shape, tf_dims(rows[m], 1)));
            rig_run(&r);
            for (size_t i = 0; i < rows[m]; i++) {
                int64_t most = a[i * n];
                bool present = false;
                for (size_t j = i * n; j < (i + 1) * n; j++) {
                    if (a[j] > most) most = a[j];
                    present |= a[j] == rig_result(&r, y)[i];
                }
                cr_assert(present, "a maximum is one of the numbers");
                cr_assert_leq((double)(most - rig_result(&r, y)[i]), guard);
            }
            rig_close(&r);
            free(a);
        }
}
