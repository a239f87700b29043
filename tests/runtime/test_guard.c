/* The guard: what goes beyond a calibration is told to the data owner, alone; what keeps to it passes. */
#include "tests/support/tiny.h"
#include "tests/support/view.h"

#include "models/ranges.h"
#include "runtime/lower/guard.h"
#include "tests/support/rig.h"

enum { LOUD = 69, LENGTH = TINY_TEXTS * TINY_LENGTH };
static const int32_t quiet_ids[LENGTH] = {1, 7, 6, 3, 3, 2, 1, 9, 2, 0, 0, 0, 1, 4, 68, 0, 2, 0};
static const int32_t loud_ids[LENGTH] = {1, 7, LOUD, 3, 3, 2, 1, 9, 2, 0, 0, 0, 1, 4, 68, 0, 2, 0};

/* A token whose embedding is larger than any other by `gain`. */
static tf_status loud_graph(tf_graph *graph, const char *approximations, const int32_t *ids, double gain, int id) {
    TF_TRY(tiny_graph(graph, approximations, TINY_TEXTS, ids, id));
    for (int i = 0; i < graph->nodes; i++) {
        float *data = (float *)graph->node[i].data;
        if (!data || !strstr(graph->node[i].name, "word_embeddings")) continue;
        for (size_t k = 0; k < tiny_config.hidden; k++) data[LOUD * tiny_config.hidden + k] *= (float)gain;
    }
    return TF_OK;
}

static tf_ranges calibrated(const char *approximations) {
    tf_ranges ranges = {.factor = 2};
    tf_ranges_watch watch = {.ranges = &ranges};
    tf_graph graph;
    tf_array out;
    cr_assert_eq(loud_graph(&graph, approximations, quiet_ids, 1, -1), TF_OK);
    cr_assert_eq(tf_graph_plain(&graph, &out, tf_ranges_watch_node, &watch), TF_OK);
    cr_assert_eq(watch.status, TF_OK);
    free(out.data);
    tf_graph_free(&graph);
    return ranges;
}

typedef struct guarded_run {
    const char *approximations;
    const int32_t *ids;
    const tf_ranges *ranges;
    double gain;
    view seen[TF_PARTIES];       /* but not of what is agreed upon */
    tf_status ended[TF_PARTIES]; /* the run; whoever fails does not tell */
    char error[512];             /* of the data owner */
    tf_session_stats stats[TF_PARTIES];
    double logits[TINY_TEXTS * TINY_LABELS];
} guarded_run;

static tf_status run(tf_link *link, int id, void *context) {
    guarded_run *g = context;
    tf_session session;
    tf_graph graph;
    const tf_compiled *compiled;
    double *output[] = {g->logits};
    TF_TRY(tf_session_open(&session, link));
    tf_status status = loud_graph(&graph, g->approximations, g->ids, g->gain, id);
    if (!status) tf_ranges_apply(g->ranges, &graph);
    if (!status) status = tf_session_compile(&session, &graph, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER, &compiled);
    tf_link_observe(link, view_observe, &g->seen[id]);
    if (!status)
        g->ended[id] =
            tf_session_execute(&session, compiled, &graph, &(tf_slots){.output = id == TINY_DATA_OWNER ? output : NULL},
                               &g->stats[id], NULL);
    if (g->ended[id] && id == TINY_DATA_OWNER) snprintf(g->error, sizeof g->error, "%s", tf_error());
    tf_link_observe(link, NULL, NULL);
    tf_graph_free(&graph);
    tf_session_close(&session);
    return status;
}

static void set_up(void) {
    cr_assert_eq(tf_ops_register(), TF_OK);
}

TestSuite(guard, .init = set_up);

/* The data owner alone fails; the others see a run like any other. */
static void check_found(const char *approximations, double gain, bool found) {
    tf_ranges ranges = calibrated(approximations);
    three_outcome outcome;
    guarded_run g = {.approximations = approximations, .ids = loud_ids, .ranges = &ranges, .gain = gain};
    cr_assert_eq(three_do(run, &g, &outcome), TF_OK, "%s", tf_error());
    for (int p = 0; p < TF_PARTIES; p++) {
        tf_status wanted = found && p == TINY_DATA_OWNER ? TF_RANGE : TF_OK;
        cr_assert_eq(g.ended[p], wanted, "%s, %g: party %d", approximations, gain, p);
        view_free(&g.seen[p]);
    }
    cr_assert_eq(found, strstr(g.error, "not to be trusted") != NULL, "%s", g.error);
    tf_ranges_free(&ranges);
}

Test(guard, tells_the_data_owner_of_a_text_beyond_the_calibration) {
    check_found("exact", 1, false);
    check_found("exact", 40, true);
    check_found("exact", 5000, true); /* the sum of squares that the LayerNorm takes has wrapped */
    check_found("paper", 1, false);
    check_found("paper", 40, true);
}

Test(guard, passes_what_was_calibrated_on_and_computes_the_same) {
    tf_ranges ranges = calibrated("exact");
    three_outcome outcome;
    guarded_run g = {.approximations = "exact", .ids = quiet_ids, .ranges = &ranges, .gain = 1};
    cr_assert_eq(three_do(run, &g, &outcome), TF_OK, "%s", tf_error());
    cr_assert_lt(tiny_error(g.logits, "exact", TINY_TEXTS, quiet_ids), 5e-3);
    for (int p = 0; p < TF_PARTIES; p++) view_free(&g.seen[p]);
    tf_ranges_free(&ranges);
}

/* What the others receive has the same lengths, and is uniform, whatever the bit is. */
Test(guard, shows_the_others_nothing) {
    tf_ranges ranges = calibrated("exact");
    three_outcome outcome;
    guarded_run in = {.approximations = "exact", .ids = loud_ids, .ranges = &ranges, .gain = 1},
                beyond = {.approximations = "exact", .ids = loud_ids, .ranges = &ranges, .gain = 40};
    cr_assert_eq(three_do(run, &in, &outcome), TF_OK, "%s", tf_error());
    cr_assert_eq(three_do(run, &beyond, &outcome), TF_OK, "%s", tf_error());
    cr_assert_eq(in.ended[TINY_DATA_OWNER], TF_OK);
    cr_assert_eq(beyond.ended[TINY_DATA_OWNER], TF_RANGE);
    for (int p = 0; p < TF_PARTIES; p++) {
        char why[160];
        cr_assert_eq(in.seen[p].messages, beyond.seen[p].messages);
        uint64_t bytes[2][TF_PARTIES] = {{0}};
        for (size_t i = 0; i < in.seen[p].messages; i++) {
            bytes[0][in.seen[p].message[i].peer] += in.seen[p].message[i].length;
            bytes[1][beyond.seen[p].message[i].peer] += beyond.seen[p].message[i].length;
        }
        for (int k = 0; k < TF_PARTIES; k++) cr_assert_eq(bytes[0][k], bytes[1][k], "party %d from %d", p, k);
        cr_assert_lt(view_overall(&beyond.seen[p]), view_limit);
        cr_assert_null(view_tells(&beyond.seen[p], why), "party %d: %s", p, why);
        view_free(&in.seen[p]);
        view_free(&beyond.seen[p]);
    }
    tf_ranges_free(&ranges);
}

/* Opened to the data owner: two parties send to it, one element and one tag. */
Test(guard, is_in_the_forecast_and_takes_no_round_more) {
    tf_ranges ranges = calibrated("exact");
    tf_program program[2];
    tf_graph graph[2];
    tf_plan plan[2];
    for (int k = 0; k < 2; k++) {
        ranges.unguarded = k == 0;
        cr_assert_eq(tiny_graph(&graph[k], "exact", TINY_TEXTS, NULL, 2), TF_OK);
        tf_ranges_apply(&ranges, &graph[k]);
        cr_assert_eq(tf_lower(&graph[k], 16, TINY_MODEL_OWNER, TINY_DATA_OWNER, &program[k], &plan[k]), TF_OK, "%s",
                     tf_error());
    }
    cr_assert_eq(program[0].guard, 0);
    cr_assert_eq(program[1].guard, 1);
    cr_assert_eq(plan[1].rounds, plan[0].rounds, "%d rounds, %d without", plan[1].rounds, plan[0].rounds);
    uint64_t guard = 0;
    for (int i = 0; i < program[1].nodes; i++)
        if (program[1].node[i].op < 0) guard += tf_plan_node_bytes(&plan[1], i);
    cr_assert_eq(guard, 126458, "%d B", (int)guard); /* squares, comparisons, bits, and 1 that is opened */
    /* bounds of rows narrow what a LayerNorm lifts, and widen what its inverse roots are made in */
    cr_assert_eq(plan[1].total_bytes - guard, plan[0].total_bytes + 12288, "%d",
                 (int)(plan[1].total_bytes - guard - plan[0].total_bytes));
    three_outcome outcome;
    guarded_run g = {.approximations = "exact", .ids = quiet_ids, .ranges = &ranges, .gain = 1};
    cr_assert_eq(three_do(run, &g, &outcome), TF_OK, "%s", tf_error());
    cr_assert_eq(g.stats[0].rounds, (uint64_t)plan[1].rounds);
    cr_assert_eq(g.stats[0].online.rounds, (uint64_t)plan[1].rounds);
    cr_assert_arr_eq(g.stats[0].bytes, plan[1].bytes, sizeof plan[1].bytes);
    for (int p = 0; p < TF_PARTIES; p++) view_free(&g.seen[p]);
    for (int k = 0; k < 2; k++) {
        tf_plan_free(&plan[k]);
        tf_program_free(&program[k]);
        tf_graph_free(&graph[k]);
    }
    tf_ranges_free(&ranges);
}

/* A sketch is what it is in floating point, whatever the length of rows. */
Test(guard, sketches_rows) {
    static const size_t row[] = {1, 3, 16, 24, 768, 5000};
    for (size_t c = 0; c < sizeof row / sizeof *row; c++) {
        size_t n = row[c], rows = 7;
        rig r = rig_open(16);
        int64_t *x = malloc(rows * n * sizeof *x);
        float *real = malloc(rows * n * sizeof *real);
        for (size_t i = 0; i < rows * n; i++) {
            x[i] = (int64_t)(rig_random() % 65536) - 32768;
            real[i] = (float)ldexp((double)x[i], -12);
        }
        int y = rig_take(&r, tf_sketch(&r.program, rig_put(&r, tf_dims(rows, n), x, 12, 32, 16)));
        rig_run(&r);
        size_t sums = n < TF_SKETCH ? n : TF_SKETCH;
        for (size_t i = 0; i < rows; i++) {
            double square = 0;
            for (size_t k = 0; k < sums; k++) square += pow(rig_real(&r, y, i * sums + k), 2);
            cr_assert_float_eq(square, tf_sketch_square(real + i * n, n), 1e-6 * square, "%zu columns", n);
        }
        free(x);
        free(real);
        rig_close(&r);
    }
}

/* Rows whose norm is in the bound pass, those of many times as much are found up to the largest that there is room
 * for. */
Test(guard, counts_rows_beyond_a_bound) {
    enum { ROWS = 400, WIDTH = 64 };
    int64_t *x = malloc(ROWS * WIDTH * sizeof *x);
    int64_t beyond = 0;
    rig r = rig_open(16);
    for (size_t i = 0; i < ROWS; i++) {
        float row[WIDTH];
        double size = exp2((double)(i % 17)); /* norms from 2.3 to 2^15 at most */
        for (size_t k = 0; k < WIDTH; k++) {
            x[i * WIDTH + k] = llrint(rig_uniform(-0.25, 0.25) * ldexp(size, 14));
            row[k] = (float)ldexp((double)x[i * WIDTH + k], -16);
        }
        double square = tf_sketch_square(row, WIDTH);
        if (square > 1000 && square < 1050) x[i * WIDTH] = 0; /* not so near the bound */
        beyond += square > 1024;
    }
    tf_value sum = tf_guard_rows(&r.program, rig_put(&r, tf_dims(ROWS, WIDTH), x, 16, 32, 4096), 1024, -1);
    int y = rig_take(&r, sum);
    rig_run(&r);
    cr_assert_eq(rig_result(&r, y)[0], beyond, "%d rows, not %d", (int)rig_result(&r, y)[0], (int)beyond);
    free(x);
    rig_close(&r);
}

Test(guard, refuses_bounds_that_it_has_no_room_for) {
    rig r = rig_open(16);
    int64_t x[16] = {0};
    tf_guard_rows(&r.program, rig_put(&r, tf_dims(1, 16), x, 16, 32, 4096), 0x1p31, -1);
    cr_assert_eq(tf_program_status(&r.program), TF_RANGE);
    cr_assert(strstr(tf_error(), "--no-guard"), "%s", tf_error());
    rig_close(&r);
}
