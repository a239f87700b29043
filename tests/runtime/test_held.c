/* Compiled programs of a session, and state that stays shared between their runs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/session/session.h"
#include "tests/support/decoder.h"
#include "tests/support/three.h"

static void setup(void) {
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
}

TestSuite(held, .init = setup);

enum { MODEL_OWNER = 0, DATA_OWNER = 1, RUNS = 3, LARGE = 9 };

/* Three runs: two of one capacity, and one of the next bucket. Each party's graph has its own leaves only. */
typedef struct generation {
    tf_session session[TF_PARTIES];
    int runs;        /* to do now */
    int differs;     /* a party with another mask, 1 + its number; 0: none */
    size_t truncate; /* to so many rows before the runs; 0: not at all */
    double y[RUNS][TF_PARTIES][BATCH * LARGE * 2], x[RUNS][TF_PARTIES][BATCH * NEW * 2];
    uint64_t beyond[RUNS][TF_PARTIES]; /* bytes that a party sent beyond the run's forecast */
    size_t length[TF_PARTIES];         /* of the cache at the end */
} generation;

static uint64_t sent(const tf_link *link) {
    tf_link_counters c = tf_link_read_counters(link);
    return c.bytes_sent[0] + c.bytes_sent[1] + c.bytes_sent[2];
}

static tf_status generate_once(tf_session *session, int k, generation *g) {
    static const float other[LARGE] = {0.5f}, large[LARGE] = {1, 0, 0, 1, 0, 0, 1};
    int id = session->party.id;
    decoder d = decoder_make(NEW, k < 2 ? CAPACITY : LARGE);
    const float *mask = g->differs == id + 1 ? other : k < 2 ? decoder_shift[k] : large;
    if (id != MODEL_OWNER) tf_graph_bind(&d.graph, d.table, NULL);
    if (id != MODEL_OWNER) tf_graph_bind(&d.graph, d.weight, NULL);
    tf_graph_bind(&d.graph, d.tokens, id == DATA_OWNER ? decoder_tokens[k] : NULL);
    tf_graph_bind(&d.graph, d.mask, mask);
    double *out[] = {id == DATA_OWNER ? g->y[k][id] : NULL, g->x[k][id]};
    uint64_t before = sent(session->party.link);
    const tf_compiled *compiled;
    tf_session_stats stats = {.rounds = 0};
    tf_status status = tf_session_compile(session, &d.graph, 16, MODEL_OWNER, DATA_OWNER, &compiled);
    if (!status) status = tf_session_execute(session, compiled, &d.graph, &(tf_slots){.output = out}, &stats, NULL);
    g->beyond[k][id] = sent(session->party.link) - before;
    for (int p = 0; p < TF_PARTIES; p++) g->beyond[k][id] -= stats.bytes[id][p];
    tf_graph_free(&d.graph);
    return status;
}

static tf_status generate(tf_link *link, int id, void *context) {
    generation *g = context;
    tf_session *session = &g->session[id];
    TF_TRY(tf_session_resume(session, link));
    if (g->truncate) tf_session_truncate(session, g->truncate);
    tf_status status = TF_OK;
    for (int k = 0; k < g->runs && !status; k++) status = generate_once(session, k, g);
    g->length[id] = tf_session_length(session, "cache");
    return status;
}

static tf_status run(generation *g, int runs) {
    three_outcome outcome;
    g->runs = runs;
    return three_do(generate, g, &outcome);
}

static void close_all(generation *g) {
    for (int p = 0; p < TF_PARTIES; p++) tf_session_close(&g->session[p]);
}

/* Run k continues after `rows` rows, those of the runs before it. */
static void check_run(const generation *g, int k) {
    size_t capacity = k < 2 ? CAPACITY : LARGE;
    for (size_t i = 0; i < BATCH * capacity * 2; i++) {
        size_t row = i / 2 % capacity;
        double wanted = k < 2 ? decoder_expected(k, i / capacity / 2, row, i % 2) : row % 3 == 0 && row < LARGE - 2;
        if (k == 2 && row < 3 * NEW) {
            const float *x = decoder_table[decoder_tokens[row / NEW][i / capacity / 2 * NEW + row % NEW]];
            wanted += (double)x[0] * (double)decoder_weight[i % 2][0] + (double)x[1] * (double)decoder_weight[i % 2][1];
        }
        cr_assert_float_eq(g->y[k][DATA_OWNER][i], wanted, 1e-3, "run %d, element %zu: %g, not %g", k, i,
                           g->y[k][DATA_OWNER][i], wanted);
    }
    for (int p = 0; p < TF_PARTIES; p++)
        for (size_t i = 0; i < BATCH * NEW * 2; i++)
            cr_assert_float_eq(g->x[k][p][i], (double)decoder_table[decoder_tokens[k][i / 2]][i % 2], 1e-4);
}

Test(held, state_is_what_all_runs_appended_and_outputs_reach_their_readers) {
    static generation g;
    cr_assert_eq(run(&g, RUNS), TF_OK, "%s", tf_error());
    for (int k = 0; k < RUNS; k++) check_run(&g, k);
    for (int p = 0; p < TF_PARTIES; p++) {
        cr_assert_eq(g.length[p], RUNS * NEW);
        cr_assert_eq(g.session[p].programs.count, 2, "a program for each capacity");
        cr_assert_gt(g.beyond[0][p], 0);
        cr_assert_eq(g.beyond[1][p], 0, "other data of the same shape: nothing but the run");
        cr_assert_gt(g.beyond[2][p], 0, "another capacity is another program");
        for (int k = 0; k < RUNS && p != DATA_OWNER; k++)
            for (size_t i = 0; i < BATCH * LARGE * 2; i++) cr_assert_eq(g.y[k][p][i], 0, "party %d got an output", p);
    }
    close_all(&g);
}

Test(held, rows_that_are_taken_back_are_written_again) {
    static generation g;
    cr_assert_eq(run(&g, 2), TF_OK, "%s", tf_error());
    g.truncate = 1; /* of the first run's rows one stays, and the next two follow it */
    cr_assert_eq(run(&g, 2), TF_OK, "%s", tf_error());
    for (int p = 0; p < TF_PARTIES; p++) cr_assert_eq(g.length[p], 1 + 2 * NEW);
    const float *second = decoder_table[decoder_tokens[0][0]]; /* the first run's row, now again */
    double y = g.y[0][DATA_OWNER][1 * 2] - (double)decoder_shift[0][1];
    cr_assert_float_eq(y, (double)second[0] + 2 * (double)second[1], 1e-3, "%g", y);
    close_all(&g);
}

Test(held, state_outlives_a_link_if_all_parties_still_have_it) {
    static generation g;
    cr_assert_eq(run(&g, 1), TF_OK, "%s", tf_error());
    cr_assert_eq(run(&g, 0), TF_OK, "%s", tf_error());
    for (int p = 0; p < TF_PARTIES; p++) cr_assert_eq(g.length[p], NEW);
    cr_assert_eq(run(&g, 1), TF_OK, "%s", tf_error());
    for (int p = 0; p < TF_PARTIES; p++) {
        cr_assert_eq(g.length[p], 2 * NEW);
        cr_assert_eq(g.beyond[0][p], 0, "weights and programs are there as well");
    }
    tf_session_close(&g.session[2]);
    g.session[2] = (tf_session){0}; /* it has started anew */
    cr_assert_eq(run(&g, 0), TF_OK, "%s", tf_error());
    for (int p = 0; p < TF_PARTIES; p++) {
        cr_assert_eq(g.length[p], 0, "party %d goes on with state that another has lost", p);
        cr_assert_eq(g.session[p].programs.count, 0);
    }
    cr_assert_eq(run(&g, 2), TF_OK, "%s", tf_error());
    for (int k = 0; k < 2; k++) check_run(&g, k);
    close_all(&g);
}

Test(held, a_run_that_fails_appends_nothing) {
    static generation g;
    cr_assert_eq(run(&g, 1), TF_OK, "%s", tf_error());
    g.differs = 1 + 2;
    cr_assert_eq(run(&g, 1), TF_MISMATCH);
    cr_assert(strstr(tf_error(), "the parties differ in the public inputs of this run") != NULL, "%s", tf_error());
    for (int p = 0; p < TF_PARTIES; p++) cr_assert_eq(g.length[p], NEW);
    g.differs = 0;
    cr_assert_eq(run(&g, 0), TF_OK, "%s", tf_error());
    for (int p = 0; p < TF_PARTIES; p++) cr_assert_eq(g.length[p], NEW, "all have what they had before it");
    close_all(&g);
}

Test(held, more_than_the_capacity_is_refused_before_anything_is_sent) {
    static generation g;
    cr_assert_eq(run(&g, 2), TF_OK, "%s", tf_error());
    cr_assert_eq(run(&g, 1), TF_INVALID);
    cr_assert(strstr(tf_error(), "cache: 4 rows and 2 more do not fit into a capacity of 5") != NULL, "%s", tf_error());
    close_all(&g);
}

/* The programs that are kept --------------------------------------------------------------------------------------- */

typedef struct shapes {
    uint64_t beyond[6][TF_PARTIES];
} shapes;

/* y = 2 x of several lengths. */
static tf_status run_shapes(tf_link *link, int id, void *context) {
    static const size_t length[6] = {3, 4, 3, 5, 3, 4};
    static const float x[5] = {1, 2, 3, 4, 5};
    shapes *s = context;
    tf_session session;
    TF_TRY(tf_session_open(&session, link));
    session.programs.most = 2;
    tf_status status = TF_OK;
    for (int k = 0; k < 6 && !status; k++) {
        double y[5];
        tf_graph graph;
        tf_session_stats stats = {.rounds = 0};
        tf_graph_init(&graph);
        uint64_t before = sent(link);
        tf_id tokens = tf_graph_leaf(&graph, TF_LEAF_TOKENS, "tokens", tf_dims(length[k]),
                                     id == DATA_OWNER ? (int32_t[5]){1, 0, 1, 0, 1} : NULL);
        tf_id table = tf_graph_leaf(&graph, TF_LEAF_WEIGHT, "table", tf_dims(5, 1), id == MODEL_OWNER ? x : NULL);
        tf_id y_id = tf_graph_op(&graph, "embedding", "", "y", TF_IN(tokens, table), TF_NO_ATTRS);
        status = tf_graph_finish(&graph, y_id);
        if (!status) status = tf_session_run(&session, &graph, 16, MODEL_OWNER, DATA_OWNER, y, &stats, NULL);
        s->beyond[k][id] = sent(link) - before - stats.bytes[id][0] - stats.bytes[id][1] - stats.bytes[id][2];
        tf_graph_free(&graph);
        if (!status && session.programs.count > 2) status = tf_fail(TF_INTERNAL, "too many programs are kept");
        if (!status && id == DATA_OWNER && fabs(y[1] - 1) + fabs(y[2] - 2) > 1e-3)
            status = tf_fail(TF_INTERNAL, "run %d: %g and %g", k, y[1], y[2]);
    }
    tf_session_close(&session);
    return status;
}

Test(held, the_program_that_was_not_used_for_longest_goes) {
    static shapes s;
    three_outcome outcome;
    cr_assert_eq(three_do(run_shapes, &s, &outcome), TF_OK, "%s", tf_error());
    for (int p = 0; p < TF_PARTIES; p++) { /* lengths 3, 4, 3 again, 5 (4 goes), 3 again, 4 anew */
        const bool kept[6] = {false, false, true, false, true, false};
        for (int k = 0; k < 6; k++) cr_assert_eq(s.beyond[k][p] == 0, kept[k], "run %d", k);
    }
}

Test(held, a_program_fits_graphs_of_its_shape_alone) {
    tf_compiled *compiled;
    decoder d = decoder_make(NEW, CAPACITY), other = decoder_make(NEW, LARGE);
    cr_assert_eq(tf_compiled_make(&d.graph, 16, 0, 1, &compiled), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_compiled_fits(compiled, &d.graph), TF_OK);
    cr_assert_eq(tf_compiled_fits(compiled, &other.graph), TF_INVALID);
    tf_digest key, same, precision, shape, range;
    cr_assert_eq(tf_compiled_key(&d.graph, 16, 0, 1, &key), TF_OK);
    tf_graph_bind(&d.graph, d.tokens, decoder_tokens[0]);
    cr_assert_eq(tf_compiled_key(&d.graph, 16, 0, 1, &same), TF_OK);
    cr_assert_eq(tf_compiled_key(&d.graph, 15, 0, 1, &precision), TF_OK);
    cr_assert_eq(tf_compiled_key(&other.graph, 16, 0, 1, &shape), TF_OK);
    d.graph.node[d.mask].range = 2;
    cr_assert_eq(tf_compiled_key(&d.graph, 16, 0, 1, &range), TF_OK);
    cr_assert_arr_eq(&key, &same, sizeof key);
    cr_assert_neq(memcmp(&key, &precision, sizeof key), 0);
    cr_assert_neq(memcmp(&key, &shape, sizeof key), 0);
    cr_assert_neq(memcmp(&key, &range, sizeof key), 0);
    tf_compiled_free(compiled);
    tf_graph_free(&d.graph);
    tf_graph_free(&other.graph);
}

/* Weights in several forms ----------------------------------------------------------------------------------------- */

enum { ROWS = 70, COLUMNS = 6 };

typedef struct tied {
    double y[2][4 * ROWS];
    uint64_t beyond[2][TF_PARTIES];
} tied;

/* Logits over a vocabulary by the table that embeds it, then the same by another program. */
static tf_status run_tied(tf_link *link, int id, void *context) {
    static float table[ROWS * COLUMNS];
    static const int32_t ids[4] = {0, 69, 3, 3};
    tied *t = context;
    tf_session session;
    TF_TRY(tf_session_open(&session, link));
    if (id == MODEL_OWNER)
        for (int i = 0; i < ROWS * COLUMNS; i++) table[i] = (float)(i % 17) / 16 - 0.5f;
    tf_status status = TF_OK;
    for (int k = 0; k < 2 && !status; k++) {
        tf_graph graph;
        tf_session_stats stats = {.rounds = 0};
        uint64_t before = sent(link);
        tf_graph_init(&graph);
        tf_id tokens = tf_graph_leaf(&graph, TF_LEAF_TOKENS, "tokens", tf_dims(4 - k), id == DATA_OWNER ? ids : NULL);
        tf_id words =
            tf_graph_leaf(&graph, TF_LEAF_WEIGHT, "words", tf_dims(ROWS, COLUMNS), id == MODEL_OWNER ? table : NULL);
        tf_id x = tf_graph_op(&graph, "embedding", "", "x", TF_IN(tokens, words), TF_NO_ATTRS);
        tf_id first = tf_graph_op(&graph, "rows", "", "first", TF_IN(words), TF_ATTRS({"count", 1}));
        tf_id sum = k ? tf_graph_op(&graph, "add", "", "sum", TF_IN(x, first), TF_NO_ATTRS) : x;
        tf_id y = tf_graph_op(&graph, "linear", "", "y", TF_IN(sum, words), TF_NO_ATTRS);
        status = tf_graph_finish(&graph, y);
        if (!status) status = tf_session_run(&session, &graph, 16, MODEL_OWNER, DATA_OWNER, t->y[k], &stats, NULL);
        t->beyond[k][id] = sent(link) - before - stats.bytes[id][0] - stats.bytes[id][1] - stats.bytes[id][2];
        tf_graph_free(&graph);
    }
    tf_session_close(&session);
    return status;
}

Test(held, a_weight_in_several_forms_is_shared_once_in_the_widest_ring) {
    static tied t;
    three_outcome outcome;
    cr_assert_eq(three_do(run_tied, &t, &outcome), TF_OK, "%s", tf_error());
    uint64_t agreement = t.beyond[0][DATA_OWNER];
    for (int p = 0; p < TF_PARTIES; p++) {
        cr_assert_eq(t.beyond[0][p] - agreement, p == MODEL_OWNER ? ROWS * COLUMNS * 48 / 8 : 0, "party %d", p);
        cr_assert_eq(t.beyond[1][p], agreement, "all forms are made of what is there");
    }
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < (4 - k) * ROWS; i++) {
            double wanted = 0;
            for (int c = 0; c < COLUMNS; c++) {
                int token = (int[]){0, 69, 3, 3}[i / ROWS];
                double x = (double)((token * COLUMNS + c) % 17) / 16 - 0.5;
                if (k) x += (double)(c % 17) / 16 - 0.5;
                wanted += x * ((double)((i % ROWS * COLUMNS + c) % 17) / 16 - 0.5);
            }
            cr_assert_float_eq(t.y[k][i], wanted, 1e-3, "run %d, element %d: %g, not %g", k, i, t.y[k][i], wanted);
        }
}
