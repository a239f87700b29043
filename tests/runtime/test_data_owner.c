/* What a data owner can find out beyond what results say: by deviating, the weights of linear layers; by asking again,
 * the bits that rounding left off. Both are stated in net/THREAT-MODEL.md; these tests show that they are so. */
#include "tests/support/deviation.h"

enum { N = 384 };

/* y = (a b) . w, w being what the data owner is not to know: weight j shows in y when element j is moved by 1. */
Test(data_owner, who_deviates_reads_weights_and_is_not_noticed) {
    int64_t a[N], b[N], w[N];
    for (size_t i = 0; i < N; i++) {
        a[i] = llrint(rig_uniform(-4, 4) * 0x1p16);
        b[i] = llrint(rig_uniform(-1, 1) * 0x1p16);
        w[i] = llrint(rig_uniform(-1, 1) * 0x1p16);
    }
    rig r = rig_open(16);
    tf_value x = tf_mul(&r.program, rig_put(&r, tf_dims(N), a, 16, 48, 16), rig_put(&r, tf_dims(N), b, 16, 48, 2),
                        (tf_result){16, 0, false});
    tf_value y = tf_dot(&r.program, tf_reshape(&r.program, x, tf_dims(1, N)), rig_put(&r, tf_dims(1, N), w, 16, 48, 2),
                        (tf_result){16, 4096, false});
    tf_output(&r.program, y, DEVIANT, 0);
    cr_assert_eq(tf_program_status(&r.program), TF_OK, "%s", tf_error());
    double opened, honest = 0, *output[] = {&opened};
    r.t.program = &r.program;
    for (int p = 0; p < TF_PARTIES; p++) {
        r.t.party[p].params = r.param[p];
        r.t.party[p].slots.output = output;
    }
    cr_assert_eq(tf_plan_make(&r.program, &r.t.plan), TF_OK);
    for (int run = 0; run < 4; run++) {
        deviation d = {.t = &r.t, .product = x, .at = (size_t)run * 7, .error = 1 << 16, .message = run, .copy = run};
        deviation_find(&d);
        cr_assert_eq(three_do(deviation_play, &d, &r.t.outcome), TF_OK, "%s", tf_error());
        for (int p = 0; p < TF_PARTIES; p++) cr_assert_eq(r.t.outcome.status[p], TF_OK, "party %d noticed", p);
        if (run == 0) honest = opened;
        double weight = ldexp((double)w[d.at], -16), read = opened - honest;
        if (run) cr_assert_float_eq(read, weight, 0x1p-10, "element %zu: %g, not %g", d.at, read, weight);
    }
    rig_close(&r);
}

/* Who knows c of a truncation z = c + v learns that z lies in one interval of a grid; another c is another grid. */
Test(data_owner, who_asks_again_narrows_down_the_rounding) {
    enum { RUNS = 4096, DROPPED = 16 };
    const int64_t secret = INT64_C(123456789);
    int64_t *x = malloc(RUNS * sizeof *x);
    for (size_t i = 0; i < RUNS; i++) x[i] = secret;
    rig r = rig_open(16);
    r.sharing = RIG_UNIFORM;
    int y = rig_take(&r, tf_trunc(&r.program, rig_put(&r, tf_dims(RUNS), x, 32, 48, 1), 32 - DROPPED));
    rig_run(&r);
    int64_t low = INT64_MIN, high = INT64_MAX, unit = INT64_C(1) << DROPPED;
    for (size_t i = 0, next = 1; i < RUNS; i++) {
        int s = i >= tf_third(RUNS, (tf_cut){0}, 2).begin ? 2 : i >= tf_third(RUNS, (tf_cut){0}, 1).begin ? 1 : 0;
        int64_t offset = (int64_t)(r.component[0][(s + 2) % 3][i] % (uint64_t)unit);
        int64_t begin = (rig_result(&r, y)[i] - 1) * unit + offset;
        if (begin > low) low = begin;
        if (begin + unit < high) high = begin + unit;
        cr_assert(low <= secret && secret < high);
        if (i + 1 != next) continue;
        double left = (double)(high - low) / (double)unit; /* of an interval, in the mean 2 / (runs + 1) */
        cr_log_info("%zu runs: %.1f further bits", next, -log2(left));
        cr_assert(left * (double)next < 16 && left * (double)next > 1.0 / 16, "%zu runs leave %g of a unit", next,
                  left);
        next *= 4;
    }
    free(x);
    rig_close(&r);
}
