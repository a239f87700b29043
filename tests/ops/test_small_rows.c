/* Rows of very little variance, in a graph whose ranges are calibrated: what is divided by their deviation is right. */
#include <criterion/criterion.h>
#include <math.h>

#include "models/ranges.h"
#include "ops/ops.h"
#include "runtime/session/session.h"
#include "tests/support/three.h"

enum { ROWS = 6, WIDTH = 32, DATA_OWNER = 1, MODEL_OWNER = 0 };

typedef struct job {
    const char *kind;
    const tf_ranges *ranges;
    float table[ROWS * WIDTH];
    double result[ROWS * WIDTH];
} job;

static const int32_t tokens[ROWS] = {0, 1, 2, 3, 4, 5};

static tf_status build(const job *j, int id, tf_graph *graph) {
    tf_graph_init(graph);
    tf_id table = tf_graph_leaf(graph, TF_LEAF_WEIGHT, "table", tf_dims(ROWS, WIDTH),
                                id == MODEL_OWNER || id < 0 ? j->table : NULL);
    tf_id ids =
        tf_graph_leaf(graph, TF_LEAF_TOKENS, "ids", tf_dims(1, ROWS), id == DATA_OWNER || id < 0 ? tokens : NULL);
    tf_id x = tf_graph_op(graph, "embedding", "", "rows", TF_IN(ids, table), TF_NO_ATTRS);
    tf_status status =
        tf_graph_finish(graph, tf_graph_op(graph, j->kind, "exact", "norm", TF_IN(x), TF_ATTRS({"eps", 1e-12})));
    if (!status && j->ranges) tf_ranges_apply(j->ranges, graph);
    return status;
}

static tf_status run(tf_link *link, int id, void *context) {
    job *j = context;
    tf_session session;
    tf_graph graph;
    TF_TRY(tf_session_open(&session, link));
    tf_status status = build(j, id, &graph);
    if (!status)
        status = tf_session_run(&session, &graph, 16, MODEL_OWNER, DATA_OWNER, id == DATA_OWNER ? j->result : NULL,
                                NULL, NULL);
    tf_graph_free(&graph);
    tf_session_close(&session);
    return status;
}

/* Sums of squares from 2^-16 (a variance of 5e-7) to 2^4, side by side. */
static void check(const char *kind) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    job j = {.kind = kind};
    tf_ranges ranges = {.factor = 2};
    tf_ranges_watch watch = {.ranges = &ranges};
    three_outcome outcome;
    tf_graph graph;
    tf_array plain;
    for (size_t i = 0; i < ROWS * WIDTH; i++) { /* multiples of the unit, so that the rows are what they are */
        double deviation = sqrt(exp2((double)(i / WIDTH) * 4 - 16) / WIDTH);
        double x = deviation * (i % 2 ? 1.3 : -0.6) * (i % 3 ? 1 : -1);
        j.table[i] = (float)ldexp(rint(ldexp(x, 16)), -16);
    }
    cr_assert_eq(build(&j, -1, &graph), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_graph_plain(&graph, &plain, tf_ranges_watch_node, &watch), TF_OK, "%s", tf_error());
    cr_assert_eq(watch.status, TF_OK);
    tf_graph_free(&graph);
    j.ranges = &ranges;
    cr_assert_eq(three_do(run, &j, &outcome), TF_OK, "%s", tf_error());
    for (size_t i = 0; i < ROWS * WIDTH; i++) {
        double deviation = sqrt(exp2((double)(i / WIDTH) * 4 - 16) / WIDTH);
        cr_assert_float_eq(j.result[i], plain.data[i], 2e-3 + 2 * 0x1p-16 / deviation, "%s, row %zu: %g, not %g", kind,
                           i / WIDTH, j.result[i], (double)plain.data[i]);
    }
    free(plain.data);
    tf_ranges_free(&ranges);
}

Test(small_rows, of_a_layernorm) {
    check("layernorm");
}

Test(small_rows, of_an_rmsnorm) {
    check("rmsnorm");
}
