/* What each party receives while a whole model runs: the weights' sharing, two private inferences of the same texts by
 * one compiled program, and a third in another session. */
#include "runtime/program/step.h"
#include "tests/support/tiny.h"
#include "tests/support/view.h"

typedef struct watched {
    const char *approximations;
    double round_bytes;
    const int32_t *ids;
    int runs;
    view *seen;        /* of every party */
    tf_digest *digest; /* agreed in the open before each run */
    double logits[TINY_TEXTS * TINY_LABELS];
} watched;

typedef struct eye {
    view *seen;
    const tf_digest *digest;
    size_t undefined; /* messages with uninitialised bytes, under valgrind */
} eye;

/* What the parties compare before a run is public and the same each time. */
static void look(void *context, int peer, const void *data, uint64_t length) {
    eye *e = context;
    bool agreement = false;
    e->undefined += VALGRIND_CHECK_MEM_IS_DEFINED(data, length) != 0;
    for (uint64_t at = 0; at + sizeof *e->digest <= length; at += sizeof *e->digest)
        agreement |= !memcmp((const uint8_t *)data + at, e->digest, sizeof *e->digest);
    if (!agreement) view_observe(e->seen, peer, data, length);
}

static tf_status run(tf_link *link, int id, void *context) {
    watched *w = context;
    eye own = {&w->seen[id], w->digest, 0};
    tf_session session;
    tf_graph graph;
    TF_TRY(tf_session_open(&session, link));
    tf_graph_init(&graph);
    tf_status status = tiny_graph(&graph, w->approximations, TINY_TEXTS, w->ids, id);
    graph.round_bytes = w->round_bytes;
    tf_link_observe(link, look, &own);
    for (int k = 0; k < w->runs && !status; k++)
        status = tf_session_run(&session, &graph, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER,
                                id == TINY_DATA_OWNER ? w->logits : NULL, NULL, NULL);
    tf_link_observe(link, NULL, NULL);
    tf_graph_free(&graph);
    tf_session_close(&session);
    return status || !own.undefined ? status
                                    : tf_fail(TF_INTERNAL, "%zu messages had uninitialised bytes", own.undefined);
}

static tf_digest digest_of(const char *approximations, double round_bytes) {
    tf_graph graph;
    tf_program program;
    tf_digest digest;
    cr_assert_eq(tiny_graph(&graph, approximations, TINY_TEXTS, NULL, 2), TF_OK, "%s", tf_error());
    graph.round_bytes = round_bytes;
    cr_assert_eq(tf_lower(&graph, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER, &program, NULL), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_program_digest(&program, &digest), TF_OK);
    tf_program_free(&program);
    tf_graph_free(&graph);
    return digest;
}

/* A round that is worth nothing: tensors are cut in thirds. Else P0 is the solo party of all, and is sent little. */
static void check_model(const char *approximations, double round_bytes) {
    const bool small = round_bytes > 1;
    static const int32_t other_ids[TINY_TEXTS * TINY_LENGTH] = {5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 0, 0, 0, 0, 0, 0};
    view seen[TF_PARTIES] = {{0}}, other[TF_PARTIES] = {{0}};
    tf_digest digest = digest_of(approximations, round_bytes);
    watched twice = {.approximations = approximations,
                     .round_bytes = round_bytes,
                     .ids = tiny_ids,
                     .runs = 2,
                     .seen = seen,
                     .digest = &digest};
    watched once = {.approximations = approximations,
                    .round_bytes = round_bytes,
                    .ids = other_ids,
                    .runs = 1,
                    .seen = other,
                    .digest = &digest};
    three_outcome outcome;
    cr_assert_eq(three_do(run, &twice, &outcome), TF_OK, "%s", tf_error());
    cr_assert_eq(three_do(run, &once, &outcome), TF_OK, "%s", tf_error());
    double worst = fmax(tiny_error(twice.logits, approximations, TINY_TEXTS, tiny_ids),
                        tiny_error(once.logits, approximations, TINY_TEXTS, other_ids));
    cr_assert_lt(worst, 0.02, "%g", worst);
    for (int p = 0; p < TF_PARTIES; p++) {
        char why[160];
        uint64_t bytes = 0;
        for (size_t i = 0; i < other[p].messages;
             i++) { /* lengths: the first session saw the same, and its second run after that */
            size_t peers = 0, number = 0;
            for (size_t k = 0; k < i; k++) number += other[p].message[k].peer == other[p].message[i].peer;
            for (size_t k = 0; k < seen[p].messages; k++)
                if (seen[p].message[k].peer == other[p].message[i].peer && peers++ == number)
                    cr_assert_eq(seen[p].message[k].length, other[p].message[i].length);
            cr_assert_gt(peers, number);
            bytes += other[p].message[i].length;
        }
        cr_assert_gt(bytes, small && p == 0 ? 1000 : 20000, "%zu", (size_t)bytes);
        for (size_t i = 0; i < other[p].messages; i++)
            view_observe(&seen[p], other[p].message[i].peer, other[p].message[i].data, other[p].message[i].length);
        cr_assert_lt(view_overall(&seen[p]), view_limit, "party %d: %g", p, view_overall(&seen[p]));
        cr_assert_not(view_repeats(&seen[p]), "party %d received a block of 16 bytes twice", p);
        cr_assert_null(view_tells(&seen[p], why), "party %d: %s", p, why);
        view_free(&seen[p]);
        view_free(&other[p]);
    }
}

/* Layers between whose rows thirds end: S makes its own ahead of the others ---------------------------------------- */

enum { ROWS = 41, WIDTH = 128, WIDER = 256 };

typedef struct layers {
    float x[ROWS * WIDTH], up[WIDER * WIDTH], down[WIDTH * WIDER];
    double y[ROWS * WIDTH];
    view seen[TF_PARTIES];
} layers;

/* down ReLU(up x) */
static tf_status run_layers(tf_link *link, int id, void *context) {
    layers *l = context;
    const bool owner = id == TINY_MODEL_OWNER;
    tf_node x = {.name = "x", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(ROWS, WIDTH), .data = owner ? l->x : NULL},
            up = {.name = "u", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(WIDER, WIDTH), .data = owner ? l->up : NULL},
            down = {
                .name = "d", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(WIDTH, WIDER), .data = owner ? l->down : NULL};
    tf_program p;
    tf_program_init(&p, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER);
    p.cut = (tf_cut){.rows = ROWS, .width = {WIDTH, WIDER}};
    tf_value in = tf_weight(&p, tf_program_leaf(&p, &x), 16, 32);
    tf_value higher = tf_linear(&p, in, tf_program_leaf(&p, &up), -1, (tf_result){16, 0, false});
    tf_value kept = tf_select(&p, 1, &(tf_term){tf_negative(&p, higher, 8), higher, true});
    tf_output(&p, tf_linear(&p, kept, tf_program_leaf(&p, &down), -1, (tf_result){16, 0, false}), TINY_DATA_OWNER, 0);
    tf_session session;
    tf_digest digest;
    eye own = {&l->seen[id], &digest, 0};
    double *y = l->y;
    tf_slots slots = {.output = id == TINY_DATA_OWNER ? &y : NULL};
    TF_TRY(tf_program_digest(&p, &digest));
    tf_status status = tf_session_open(&session, link);
    tf_link_observe(link, look, &own);
    for (int k = 0; k < 2 && !status; k++) status = tf_session_run_program(&session, &p, &slots, NULL, NULL);
    tf_link_observe(link, NULL, NULL);
    tf_session_close(&session);
    tf_program_free(&p);
    return status;
}

Test(view_model, layers_cut_between_rows) {
    layers *l = calloc(1, sizeof *l);
    three_outcome outcome;
    for (size_t i = 0; i < ROWS * WIDTH; i++) l->x[i] = (float)((double)(i * 37 % 101) / 50 - 1);
    for (size_t i = 0; i < WIDTH * WIDER; i++) {
        l->up[i] = (float)((double)(i * 53 % 211) / 1000 - 0.1);
        l->down[i] = (float)((double)(i * 29 % 223) / 1000 - 0.1);
    }
    cr_assert_eq(three_do(run_layers, l, &outcome), TF_OK, "%s", tf_error());
    for (size_t r = 0; r < ROWS; r++) {
        double higher[WIDER] = {0};
        for (size_t k = 0; k < WIDER; k++) {
            for (size_t i = 0; i < WIDTH; i++) higher[k] += (double)l->x[r * WIDTH + i] * l->up[k * WIDTH + i];
            higher[k] = fmax(higher[k], 0);
        }
        for (size_t i = 0; i < WIDTH; i++) {
            double sum = 0;
            for (size_t k = 0; k < WIDER; k++) sum += higher[k] * l->down[i * WIDER + k];
            cr_assert_float_eq(l->y[r * WIDTH + i], sum, 0.02, "row %zu: %g, not %g", r, l->y[r * WIDTH + i], sum);
        }
    }
    for (int p = 0; p < TF_PARTIES; p++) {
        char why[160];
        cr_assert_gt(l->seen[p].messages, 8);
        cr_assert_lt(view_overall(&l->seen[p]), view_limit, "party %d: %g", p, view_overall(&l->seen[p]));
        cr_assert_not(view_repeats(&l->seen[p]), "party %d received a block of 16 bytes twice", p);
        cr_assert_null(view_tells(&l->seen[p], why), "party %d: %s", p, why);
        view_free(&l->seen[p]);
    }
    free(l);
}

Test(view_model, exact) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    check_model("exact", 1);
    check_model("exact", TF_ROUND_BYTES);
}

Test(view_model, paper) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    check_model("paper", 1);
    check_model("paper", TF_ROUND_BYTES);
}
