/* Where the solo party runs ahead: thirds that differ, and tensors that lie in one. */
#include "runtime/program/critical.h"
#include "tests/support/rig.h"

static tf_value in(tf_program *p, size_t n, int slot) {
    return tf_input(p, slot, tf_dims(n), 16, 32, 1 << 14, slot);
}

/* Slices, sums and what is put together have other thirds than before, but where all lies in one. */
Test(thirds, small_tensors_share_a_third) {
    enum { N = 700, HALF = N / 2 };
    int64_t *a = rig_integers(N, 20);
    for (int k = 0; k < 2; k++) {
        rig r = rig_open(16);
        tf_program *p = &r.program;
        p->small = k ? N : 0;
        p->round_bytes = -1e12; /* lifts stay, by which S is late or not */
        tf_value x = tf_lift(p, rig_put(&r, tf_dims(N), a, 16, 32, 1 << 14), 48);
        tf_value half = tf_lift(p, tf_trunc(p, tf_slice(p, x, 0, HALF, HALF), 10), 48); /* 42 bits are left, then 48 */
        tf_value twice = tf_lift(p, tf_trunc(p, tf_concat(p, 2, (tf_value[]){half, half}, 0), 4), 48);
        tf_value sum =
            tf_lift(p, tf_trunc(p, tf_sum_axis(p, tf_reshape(p, twice, tf_dims(N / 7, 7)), 1, 1 << 14), 2), 48);
        int y = rig_take(&r, sum);
        rig_run(&r);
        cr_assert_eq(r.t.plan.rounds, k ? 5 : 8);
        uint64_t dealt = r.t.plan.bytes[0][1] + r.t.plan.bytes[0][2];
        cr_assert(!k || r.t.plan.bytes[1][0] + r.t.plan.bytes[2][0] == 0, "the solo party of all only sends");
        cr_assert_gt(dealt, 0);
        for (size_t i = 0; i < N / 7; i++) {
            double sum_of = 0;
            for (size_t j = 0; j < 7; j++) sum_of += (double)a[HALF + (7 * i + j) % HALF];
            cr_assert_float_eq((double)rig_result(&r, y)[i], sum_of / (1 << 14), 3, "%zu", i);
        }
        rig_close(&r);
    }
    free(a);
}

Test(thirds, chain_says_where_s_is_late) {
    tf_program p;
    tf_plan plan;
    tf_critical *chain;
    int count;
    tf_program_init(&p, 16, 0, 1);
    p.round_bytes = -1e12; /* the lift stays */
    tf_value x =
        tf_mul(&p, tf_lift(&p, in(&p, 700, 0), 48), tf_lift(&p, in(&p, 700, 2), 48), (tf_result){16, 64, false});
    tf_value cut = tf_slice(&p, x, 0, 0, 500); /* whose thirds are others */
    tf_value lifted = tf_lift(&p, cut, 48);
    cr_assert_eq(tf_plan_make(&p, &plan), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_plan_critical(&p, &plan, &chain, &count), TF_OK, "%s", tf_error());
    cr_assert_eq(chain[count - 1].node, lifted);
    cr_assert_eq(chain[count - 1].late, cut);
    cr_assert_eq(chain[count - 1].end - chain[count - 1].begin, 2);
    cr_assert_eq(chain[count - 2].node, x);
    cr_assert_eq(chain[count - 2].late, -1);
    free(chain);
    tf_plan_free(&plan);
    tf_program_free(&p);
}
