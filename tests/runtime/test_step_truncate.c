/* Truncation, narrow and wide, and lifting, against plain integers. */
#include "tests/support/rig.h"

typedef struct truncation {
    unsigned bits; /* |x| < 2^bits */
    unsigned ring; /* it comes in */
    int frac, to;  /* fractional bits before and after */
    bool wide;
} truncation;

static const truncation truncations[] = {
    {61, 64, 16, 0, true},  {61, 64, 32, 16, true},  {61, 64, 40, 0, true},   {61, 64, 62, 0, true},
    {61, 64, 1, 0, true},   {61, 64, 12, 0, true},   {30, 64, 18, 0, true},   {30, 32, 8, 0, true},
    {46, 48, 24, 8, true},  {62, 64, 16, 0, false},  {46, 48, 16, 0, false},  {30, 32, 16, 0, false},
    {46, 64, 16, 0, false}, {30, 64, 16, 0, false},  {62, 64, 32, 16, false}, {38, 41, 13, 2, false},
    {21, 23, 9, 0, false},  {61, 64, 60, 16, false}, {46, 48, 12, 0, false},  {46, 48, 18, 0, false},
    {46, 48, 1, 0, false},  {30, 32, 29, 0, false},
};
enum { TRUNCATIONS = sizeof truncations / sizeof *truncations };

static tf_value truncated(tf_program *p, tf_value x, const truncation *c) {
    return c->wide ? tf_trunc_wide(p, x, c->to) : tf_trunc(p, x, c->to);
}

Test(step_truncate, is_off_by_one_unit_at_most) {
    for (const truncation *c = truncations; c < truncations + TRUNCATIONS; c++)
        for (int s = 0; s < RIG_SIZES; s++) {
            size_t n = rig_size[s];
            unsigned shift = (unsigned)(c->frac - c->to);
            int64_t *a = rig_integers(n, c->bits);
            rig r = rig_open(16);
            tf_value x = rig_put(&r, tf_dims(n), a, c->frac, c->ring, ldexp(1, (int)c->bits - c->frac));
            int y = rig_take(&r, truncated(&r.program, x, c));
            rig_run(&r);
            cr_assert_eq(r.type[y].frac, c->to);
            if (c->wide)
                cr_assert_eq(r.type[y].bits, 64);
            else
                cr_assert_leq(r.type[y].bits, c->ring - shift);
            for (size_t i = 0; i < n; i++) {
                __int128 unit = (__int128)1 << shift, error = rig_result(&r, y)[i] * unit - a[i];
                if (error > unit || error < -unit)
                    cr_assert_fail("%u bits by %u: %lld became %lld", c->bits, shift, (long long)a[i],
                                   (long long)rig_result(&r, y)[i]);
            }
            rig_close(&r);
            free(a);
        }
}

Test(step_truncate, has_no_mean_error) {
    enum { N = 200000 };
    for (const truncation *c = truncations; c < truncations + TRUNCATIONS; c++) {
        int shift = c->frac - c->to;
        if (shift < 12) continue; /* the mean error is 2^-shift units */
        int64_t *a = rig_integers(N, c->bits);
        double sum = 0;
        rig r = rig_open(16);
        r.sharing = RIG_UNIFORM;
        tf_value x = rig_put(&r, tf_dims(N), a, c->frac, c->ring, ldexp(1, (int)c->bits - c->frac));
        int y = rig_take(&r, truncated(&r.program, x, c));
        rig_run(&r);
        for (size_t i = 0; i < N; i++)
            sum += ldexp((double)(rig_result(&r, y)[i] * ((__int128)1 << shift) - a[i]), -shift);
        cr_assert_lt(fabs(sum / N), 6 * 0.5 / sqrt(N) + 0.0003, "%u bits by %d: %g", c->bits, shift, sum / N);
        rig_close(&r);
        free(a);
    }
}

Test(step_truncate, is_stochastic_rounding) {
    /* the share of results that are rounded up is the fraction that is cut off, for each third of the batch */
    enum { N = 3 * 65536, SHIFT = 4 };
    for (int wide = 0; wide < 2; wide++)
        for (int64_t fraction = 0; fraction < 1 << SHIFT; fraction++) {
            int64_t *a = malloc(N * sizeof *a);
            size_t up[3] = {0};
            for (size_t i = 0; i < N; i++) a[i] = ((int64_t)i - N / 2) * (1 << SHIFT) + fraction;
            rig r = rig_open(16);
            r.sharing = RIG_UNIFORM;
            tf_value x = rig_put(&r, tf_dims(N), a, SHIFT, wide ? 64 : 48, ldexp(1, 30));
            int y = rig_take(&r, wide ? tf_trunc_wide(&r.program, x, 0) : tf_trunc(&r.program, x, 0));
            rig_run(&r);
            for (size_t i = 0; i < N; i++) {
                int64_t more = rig_result(&r, y)[i] - (a[i] >> SHIFT);
                cr_assert(more == 0 || more == 1, "%lld", (long long)more);
                up[3 * i / N] += more != 0;
            }
            for (int s = 0; s < 3; s++) {
                /* floors of two uniform parts: with fraction 0, both parts may have none */
                double wanted = ldexp((double)fraction + 1, -SHIFT), share = 3.0 * (double)up[s] / N;
                cr_assert_lt(fabs(share - wanted), 6 * 0.5 / sqrt(N / 3.0), "third %d, %lld / 16: %g", s,
                             (long long)fraction, share);
            }
            rig_close(&r);
            free(a);
        }
}

Test(step_truncate, does_nothing_when_there_is_nothing_to_cut) {
    int64_t a[] = {5};
    rig r = rig_open(16);
    tf_value x = rig_put(&r, tf_dims(1), a, 16, 48, 100);
    cr_assert_eq(tf_trunc(&r.program, x, 16), x);
    cr_assert_eq(tf_trunc_wide(&r.program, x, 16), x);
    rig_close(&r);
}

Test(step_lift, is_exact) {
    const unsigned from[] = {3, 8, 15, 17, 20, 31, 32, 33, 41, 47, 48, 56, 61, 63}, to[] = {64, 48, 32, 21, 57};
    for (size_t f = 0; f < sizeof from / sizeof *from; f++)
        for (size_t t = 0; t < sizeof to / sizeof *to; t++)
            for (int s = 0; s < RIG_SIZES; s++) {
                if (to[t] <= from[f]) continue;
                size_t n = rig_size[s];
                int64_t *a = rig_integers(n, from[f] - 2);
                if (n > 8) a[8] = -(INT64_C(1) << (from[f] - 2)); /* the lower end of the range belongs to it */
                rig r = rig_open(16);
                tf_value x = rig_put(&r, tf_dims(n), a, 4, from[f], ldexp(1, (int)from[f] - 2 - 4));
                int y = rig_take(&r, tf_lift(&r.program, x, to[t]));
                rig_run(&r);
                cr_assert_eq(r.type[y].bits, to[t]);
                for (size_t i = 0; i < n; i++)
                    if (rig_result(&r, y)[i] != a[i])
                        cr_assert_fail("%u to %u bits: %lld became %lld", from[f], to[t], (long long)a[i],
                                       (long long)rig_result(&r, y)[i]);
                rig_close(&r);
                free(a);
            }
}

Test(step_lift, is_made_once) {
    int64_t a[] = {-5, 7};
    rig r = rig_open(16);
    tf_value x = rig_put(&r, tf_dims(2), a, 16, 32, 1 << 14);
    tf_value wide = tf_lift(&r.program, x, 48);
    cr_assert_eq(tf_lift(&r.program, x, 48), wide);
    cr_assert_eq(tf_lift(&r.program, x, 40), wide, "a wider one serves as well");
    cr_assert_eq(tf_lift(&r.program, x, 32), x);
    cr_assert_eq(tf_lift(&r.program, x, 64), wide, "a wider wish widens it");
    cr_assert_eq(tf_type_of(&r.program, wide)->bits, 64);
    rig_close(&r);
}

/* What reads a lift keeps the ring that it saw when the lift is widened for another reader. */
Test(step_lift, is_widened_under_its_readers) {
    enum { N = 3000 };
    static double opened[TF_PARTIES][N];
    double *output[TF_PARTIES][1] = {{opened[0]}, {opened[1]}, {opened[2]}};
    int64_t *a = rig_integers(N, 30);
    rig r = rig_open(16);
    tf_program *p = &r.program;
    tf_value x = rig_put(&r, tf_dims(N), a, 16, 32, 1 << 14), lifted = tf_lift(p, x, 40);
    tf_output(p, lifted, TF_EVERYONE, 0);
    int kept = rig_take(&r, lifted), doubled = rig_take(&r, tf_add(p, lifted, lifted));
    int sign = rig_take(&r, tf_bit_to_share(p, tf_negative(p, lifted, 0), 8, false));
    int product = rig_take(&r, tf_mul(p, x, x, (tf_result){16, 0x1p28, true})); /* wants 64 bits */
    cr_assert_eq(tf_type_of(p, lifted)->bits, 64);
    for (int party = 0; party < TF_PARTIES; party++) r.t.party[party].slots.output = output[party];
    rig_run(&r);
    for (int i = 0; i < N; i++) {
        for (int party = 0; party < TF_PARTIES; party++) cr_assert_eq(opened[party][i], ldexp((double)a[i], -16));
        cr_assert_eq(rig_result(&r, kept)[i], a[i]);
        cr_assert_eq(rig_result(&r, doubled)[i], 2 * a[i]);
        cr_assert_eq(rig_result(&r, sign)[i], a[i] < 0);
        __int128 error = rig_result(&r, product)[i] * ((__int128)1 << 16) - (__int128)a[i] * a[i];
        cr_assert(error <= 1 << 16 && error >= -(1 << 16));
    }
    rig_close(&r);
    free(a);
}

/* Values that went through several rings and scales keep their precision: x -> Z_2^48 -> Z_2^32 ->
 * lifted -> product. */
Test(step_lift, joins_chains_of_products) {
    enum { N = 5000 };
    const int fracs[] = {12, 16, 18};
    for (int f = 0; f < 3; f++) {
        int frac = fracs[f];
        double unit = ldexp(1, -frac);
        int64_t *a = rig_integers(N, (unsigned)frac + 3), *b = rig_integers(N, (unsigned)frac + 3);
        rig r = rig_open(frac);
        tf_program *p = &r.program;
        tf_value x = rig_put(&r, tf_dims(N), a, frac, 64, 8), y = rig_put(&r, tf_dims(N), b, frac, 32, 8);
        tf_value product = tf_mul(p, x, y, (tf_result){frac, 64, false});
        tf_value third = tf_mul(p, product, y, (tf_result){frac, 512, false});
        int z = rig_take(&r, tf_add(p, third, tf_scale_int(p, product, 7)));
        rig_run(&r);
        for (size_t i = 0; i < N; i++) {
            double u = ldexp((double)a[i], -frac), v = ldexp((double)b[i], -frac);
            cr_assert_leq(fabs(rig_real(&r, z, i) - (u * v * v + 7 * u * v)),
                          1.5 * (1 + 8 + 7) * unit + 1e-12); /* a product is off by one and a half units at most */
        }
        rig_close(&r);
        free(a), free(b);
    }
}
