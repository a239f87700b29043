/* The check of ranges: a run within its ranges passes and tells its magnitudes, and the first node outside is named. */
#include "tests/support/tiny.h"

#include "models/ranges.h"
#include "runtime/session/range_check.h"

typedef struct job {
    const char *approximations, *narrow; /* a node whose range is declared to be `range`; NULL: none */
    double range;
    const tf_ranges *ranges; /* of all nodes, or NULL */
    tf_range_check *check;
    double output[TINY_TEXTS * TINY_LABELS];
} job;

static tf_status run(tf_link *link, int id, void *context) {
    job *j = context;
    tf_session session;
    tf_graph graph;
    TF_TRY(tf_session_open(&session, link));
    tf_range_check_attach(j->check, &session.party);
    tf_status status = tiny_graph(&graph, j->approximations, TINY_TEXTS, tiny_ids, id);
    if (status == TF_OK) {
        for (int i = 0; i < graph.nodes; i++)
            if (j->narrow && !strcmp(graph.node[i].name, j->narrow)) graph.node[i].range = j->range;
        if (j->ranges) tf_ranges_apply(j->ranges, &graph);
        status = tf_session_run(&session, &graph, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER,
                                id == TINY_DATA_OWNER ? j->output : NULL, NULL, NULL);
        tf_graph_free(&graph);
    }
    tf_session_close(&session);
    return status;
}

static tf_status check(job *j) {
    three_outcome outcome;
    cr_assert_eq(tf_range_check_make(&j->check), TF_OK);
    return three_do(run, j, &outcome);
}

/* The largest magnitudes in floating point. */
static tf_ranges plain_ranges(const char *approximations) {
    tf_ranges ranges = {.factor = 1};
    tf_ranges_watch watch = {.ranges = &ranges};
    tf_graph graph;
    tf_array out;
    cr_assert_eq(tiny_graph(&graph, approximations, TINY_TEXTS, tiny_ids, -1), TF_OK);
    cr_assert_eq(tf_graph_plain(&graph, &out, tf_ranges_watch_node, &watch), TF_OK);
    cr_assert_eq(watch.status, TF_OK);
    free(out.data);
    tf_graph_free(&graph);
    return ranges;
}

/* `error`: six times the deviation over masks of the value that is off by the most. */
static void check_clean(const char *approximations, double error) {
    job j = {.approximations = approximations};
    cr_assert_eq(check(&j), TF_OK, "%s: %s", approximations, tf_error());
    tf_ranges plain = plain_ranges(approximations);
    cr_assert_eq(tf_range_check_count(j.check), plain.count);
    for (size_t i = 0; i < plain.count; i++) {
        const tf_range_entry *e = tf_range_check_entry(j.check, i);
        cr_assert_float_eq(e->largest, tf_ranges_find(&plain, e->name), error, "%s: %g, %g in floating point", e->name,
                           e->largest, tf_ranges_find(&plain, e->name));
        cr_assert_leq(e->largest, e->bound, "%s", e->name);
    }
    tf_ranges_free(&plain);
    tf_range_check_free(j.check);
}

static void set_up(void) {
    cr_assert_eq(tf_ops_register(), TF_OK);
}

TestSuite(range_check, .init = set_up);

Test(range_check, passes_a_run_within_its_ranges) {
    check_clean("exact", 1.2e-3);
    check_clean("paper", 1.2e-2);
}

/* Narrow ranges are narrower comparisons, but the same results. */
static void check_calibrated(const char *approximations, double factor) {
    tf_ranges plain = plain_ranges(approximations);
    plain.factor = factor;
    job j = {.approximations = approximations, .ranges = &plain};
    cr_assert_eq(check(&j), TF_OK, "%s: %s", approximations, tf_error());
    double error = tiny_error(j.output, approximations, TINY_TEXTS, tiny_ids);
    cr_assert_lt(error, 5e-3, "%s with ranges %g times the largest: off by %g", approximations, factor, error);
    tf_range_check_free(j.check);
    tf_ranges_free(&plain);
}

Test(range_check, calibrated_runs_compute_the_same) {
    check_calibrated("exact", 2);
    check_calibrated("exact", 1.01);
    check_calibrated("paper", 2);
    check_calibrated("paper", 1.01);
}

static void check_caught(const char *node, const char *kind) {
    tf_ranges plain = plain_ranges("paper");
    job j = {.approximations = "paper", .narrow = node, .range = 0.75 * tf_ranges_find(&plain, node)};
    cr_assert_gt(j.range, 0);
    cr_assert_eq(check(&j), TF_RANGE, "%s: %s", node, tf_error());
    char named[128];
    snprintf(named, sizeof named, "%s (%s): a value of ", node, kind);
    cr_assert(strstr(tf_error(), named), "'%s' does not name %s", tf_error(), node);
    cr_assert(strstr(tf_error(), "leaves its range of"), "%s", tf_error());
    tf_ranges_free(&plain);
    tf_range_check_free(j.check);
}

Test(range_check, names_a_node_whose_range_is_declared_too_small) {
    check_caught("embeddings.LayerNorm", "layernorm");
    check_caught("encoder.layer.1.intermediate.dense", "linear");
    check_caught("classifier", "linear");
}

Test(range_check, lets_pass_what_a_selection_drops) {
    tf_program p;
    tf_program_init(&p, 16, 0, 1);
    tf_value x = tf_input(&p, 0, tf_dims(4), 16, 32, 256, 0);
    tf_value near = tf_assume_selected(&p, x, 4), wide = tf_scale_int(&p, near, 3);
    tf_value kept = tf_select(&p, 1, &(tf_term){tf_negative(&p, x, 0), wide, false});
    cr_assert_eq(tf_program_status(&p), TF_OK, "%s", tf_error());
    cr_assert(p.node[near].loose && p.node[wide].loose);
    cr_assert_not(p.node[kept].loose);
    cr_assert_not(p.node[x].loose);
    cr_assert(p.node[tf_lift(&p, near, 48)].loose, "a lift forgets what its value is");
    tf_program_free(&p);
}
