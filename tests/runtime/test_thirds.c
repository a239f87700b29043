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
        p->cut.small = k ? N : 0;
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

/* Whether a node's solo phase comes before all that waits for messages at its time. */
static bool runs_early(const tf_plan *plan, tf_value node) {
    const int time = plan->schedule[node].solo, first = plan->first_entry[time];
    for (int e = first; e < first + plan->early[time]; e++) {
        cr_assert_eq(plan->entry[e].phase, TF_SOLO_PHASE);
        if (plan->entry[e].node == node) return true;
    }
    return false;
}

/* Of linear layers between whose rows thirds end S makes its rows before it has heard of the others'. */
Test(thirds, solo_party_runs_ahead_through_layers) {
    enum { ROWS = 29, WIDTH = 256, WIDER = 384 };
    tf_node up = {.name = "up", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(WIDER, WIDTH)},
            down = {.name = "down", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(WIDTH, WIDER)};
    const tf_result result = {16, 0, false};
    for (int k = 0; k < 2; k++) {
        tf_program p;
        tf_plan plan;
        tf_program_init(&p, 16, 0, 1);
        if (k) p.cut = (tf_cut){.rows = ROWS, .width = {WIDTH, WIDER}};
        p.round_bytes = -1e12; /* lifts stay */
        tf_value x = tf_input(&p, 1, tf_dims(ROWS, WIDTH), 16, 32, 1 << 14, 0);
        tf_value higher = tf_linear(&p, x, tf_program_leaf(&p, &up), -1, result);
        tf_value compared = tf_negative(&p, higher, 8);
        tf_value lower =
            tf_linear(&p, tf_select(&p, 1, &(tf_term){compared, higher, true}), tf_program_leaf(&p, &down), -1, result);
        tf_value lifted = tf_lift(&p, lower, 48);
        cr_assert_eq(tf_plan_make(&p, &plan), TF_OK, "%s", tf_error());
        for (int s = 0; s < TF_PARTIES && k; s++) {
            cr_assert_eq(tf_third(ROWS * WIDTH, p.cut, s).begin / WIDTH,
                         tf_third(ROWS * WIDER, p.cut, s).begin / WIDER);
            cr_assert_eq(tf_third(ROWS * WIDER, p.cut, s).begin % WIDER, 0);
            cr_assert_geq(tf_span_count(tf_third(ROWS * WIDTH, p.cut, s)), ROWS / 3 * WIDTH);
        }
        cr_assert_eq(runs_early(&plan, compared), k);
        cr_assert_eq(runs_early(&plan, lower), k);
        cr_assert_eq(runs_early(&plan, lifted), k);
        tf_plan_free(&plan);
        tf_program_free(&p);
    }
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
