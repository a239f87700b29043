/* Copies of components are compared before an output opens: a fault on one side is found and named,
 * and nothing opens. */
#include "tests/support/deviation.h"
#include "tests/support/tiny.h"

#include "models/ranges.h"

enum { N = 384 };

typedef struct fault {
    bool checks, message, copy;
    tf_status status; /* of all parties, and what party 1, the receiver, is told */
    char error[1024];
    double opened;
} fault;

/* y = (a b) . w, opened to party 1; element 5 of a b goes wrong on the way to party 2, or in the memory of party 1. */
static fault run_fault(bool checks, bool message, bool copy) {
    fault f = {.checks = checks, .opened = NAN};
    int64_t a[N], b[N], w[N];
    for (size_t i = 0; i < N; i++) a[i] = b[i] = w[i] = llrint(rig_uniform(-1, 1) * 0x1p16);
    rig r = rig_open(16);
    tf_value x = tf_mul(&r.program, rig_put(&r, tf_dims(N), a, 16, 48, 2), rig_put(&r, tf_dims(N), b, 16, 48, 2),
                        (tf_result){16, 0, false});
    tf_value y = tf_dot(&r.program, tf_reshape(&r.program, x, tf_dims(1, N)), rig_put(&r, tf_dims(1, N), w, 16, 48, 2),
                        (tf_result){16, 4096, false});
    if (checks) tf_compare_copies(&r.program, 1, &y);
    tf_output(&r.program, y, 1, 0);
    cr_assert_eq(tf_program_status(&r.program), TF_OK, "%s", tf_error());
    double *output[] = {&f.opened};
    r.t.program = &r.program;
    for (int p = 0; p < TF_PARTIES; p++) {
        r.t.party[p].params = r.param[p];
        r.t.party[p].slots.output = output;
    }
    cr_assert_eq(tf_plan_make(&r.program, &r.t.plan), TF_OK);
    deviation d = {.t = &r.t, .product = x, .at = 5, .error = 1, .message = message, .copy = copy};
    deviation_find(&d);
    f.status = three_do(deviation_play, &d, &r.t.outcome);
    for (int p = 0; p < TF_PARTIES && checks; p++)
        cr_assert_eq(!r.t.outcome.status[p], !f.status, "party %d goes on", p);
    snprintf(f.error, sizeof f.error, "%s", r.t.outcome.error[1]);
    if (!f.status) rig_check_forecast(&r.t);
    rig_close(&r);
    return f;
}

Test(copies, that_differ_are_named_before_anything_opens) {
    const bool faults[][2] = {{true, false}, {false, true}}; /* a message, a copy */
    for (int k = 0; k < 2; k++) {
        fault f = run_fault(true, faults[k][0], faults[k][1]);
        cr_assert_eq(f.status, TF_MISMATCH, "%s", f.error);
        cr_assert(strstr(f.error, "hold different copies of a value") && strstr(f.error, "(multiply)"), "%s", f.error);
        cr_assert(isnan(f.opened), "%g was opened", f.opened);
        fault unseen = run_fault(false, faults[k][0], faults[k][1]);
        cr_assert_eq(unseen.status, TF_OK, "%s", unseen.error);
        cr_assert_not(isnan(unseen.opened));
    }
}

/* The same error on both copies is another value, honestly shared: this is not what the comparison is for. */
Test(copies, that_are_wrong_alike_pass) {
    cr_assert_eq(run_fault(true, true, true).status, TF_OK);
    cr_assert_eq(run_fault(true, false, false).status, TF_OK);
}

typedef struct job {
    const char *approximations;
    const tf_ranges *ranges;
    bool checks;
    double logits[TINY_TEXTS * TINY_LABELS];
    tf_session_stats stats;
    int nodes;
} job;

static tf_status run(tf_link *link, int id, void *context) {
    job *j = context;
    tf_session session;
    tf_graph graph;
    tf_session_stats stats;
    const tf_compiled *compiled;
    double *output[] = {j->logits};
    TF_TRY(tf_session_open(&session, link));
    tf_status status = tiny_graph(&graph, j->approximations, TINY_TEXTS, tiny_ids, id);
    graph.check_copies = j->checks;
    if (!status && j->ranges) tf_ranges_apply(j->ranges, &graph);
    if (!status) status = tf_session_compile(&session, &graph, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER, &compiled);
    if (!status && id == 0) j->nodes = compiled->program.copies;
    if (!status)
        status =
            tf_session_execute(&session, compiled, &graph, &(tf_slots){.output = id == TINY_DATA_OWNER ? output : NULL},
                               id == 0 ? &j->stats : &stats, NULL);
    tf_graph_free(&graph);
    tf_session_close(&session);
    return status;
}

static uint64_t sent(const job *j) {
    uint64_t sum = 0;
    for (int i = 0; i < TF_PARTIES; i++)
        for (int k = 0; k < TF_PARTIES; k++) sum += j->stats.bytes[i][k];
    return sum;
}

/* Whatever steps there are in a model, their copies agree; it takes a round, and 8 B a step on each link. */
static void check_model(const char *approximations, const tf_ranges *ranges) {
    job with = {.approximations = approximations, .ranges = ranges, .checks = true},
        without = {.approximations = approximations, .ranges = ranges};
    three_outcome outcome;
    cr_assert_eq(three_do(run, &with, &outcome), TF_OK, "%s", tf_error());
    cr_assert_eq(three_do(run, &without, &outcome), TF_OK, "%s", tf_error());
    cr_assert_lt(tiny_error(with.logits, approximations, TINY_TEXTS, tiny_ids), 0.02);
    cr_assert_gt(with.nodes, 100);
    cr_assert_eq(without.nodes, 0);
    cr_assert_eq(with.stats.rounds, without.stats.rounds + 1);
    cr_assert_eq(sent(&with), sent(&without) + 6 * 8 * (uint64_t)with.nodes);
}

Test(copies, of_a_model_agree) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    check_model("exact", NULL);
    check_model("paper", NULL);
    check_model("puma", NULL);
}

Test(copies, of_a_guarded_model_agree) {
    tf_ranges ranges = {.factor = 2};
    tf_ranges_watch watch = {.ranges = &ranges};
    tf_graph graph;
    tf_array out;
    cr_assert_eq(tf_ops_register(), TF_OK);
    cr_assert_eq(tiny_graph(&graph, "exact", TINY_TEXTS, tiny_ids, -1), TF_OK);
    cr_assert_eq(tf_graph_plain(&graph, &out, tf_ranges_watch_node, &watch), TF_OK);
    free(out.data);
    tf_graph_free(&graph);
    check_model("exact", &ranges);
    tf_ranges_free(&ranges);
}
