/* GPT-2 and LLaMA between three parties: prefill and decoding over caches that stay shared. */
#include <math.h>

#include "runtime/session/session.h"
#include "tests/support/golden.h"
#include "tests/support/three.h"

enum { FRAC = 16, MODEL_OWNER = 0, DATA_OWNER = 1, STEPS = 4, CAPACITY = 64 };

typedef struct continuation {
    const golden *model;
    const int32_t *ids, *greedy;
    size_t length, steps;
    bool token; /* what is revealed: the token, or logits */
    /* of the data owner */
    double *logits;
    int32_t chosen[STEPS];
    tf_session_stats stats[STEPS];
} continuation;

static tf_status take_pass(tf_session *session, continuation *c, size_t rows, size_t length, size_t capacity,
                           const int32_t *ids, double *out, tf_session_stats *stats) {
    const golden *g = c->model;
    bool owner = session->party.id == DATA_OWNER;
    tf_decoding d;
    tf_graph graph;
    TF_TRY(tf_decoding_make(&g->config, 1, rows, capacity, &d));
    tf_decoding_set(&g->config, &d, &(size_t){0}, length);
    tf_batch batch = {.texts = 1, .length = rows, .ids = owner ? ids : NULL, .decoding = &d};
    const tf_safetensors *weights = session->party.id == MODEL_OWNER ? g->weights : NULL;
    tf_status status = tf_model_build(&g->config, &g->approx, &batch, weights, false, &graph);
    if (!status && c->token) {
        tf_id best = tf_graph_op(&graph, "argmax", "", "next", TF_IN(graph.output[0].id), TF_NO_ATTRS);
        graph.outputs = 0;
        status = tf_graph_finish(&graph, best);
    }
    if (!status)
        status = tf_session_run(session, &graph, FRAC, MODEL_OWNER, DATA_OWNER, owner ? out : NULL, stats, NULL);
    tf_graph_free(&graph);
    tf_decoding_free(&d);
    return status;
}

static tf_status play(tf_link *link, int id, void *context) {
    continuation *c = context;
    tf_session session;
    tf_session_stats other, *stats;
    double token;
    TF_TRY(tf_session_open(&session, link));
    tf_status status = TF_OK;
    size_t rows = c->length, length = 0;
    for (size_t step = 0; step < c->steps && !status; step++) {
        const int32_t *ids = step ? &c->greedy[step - 1] : c->ids;
        size_t vocabulary = c->model->config.vocabulary, capacity = step ? CAPACITY : c->length;
        stats = id == DATA_OWNER ? &c->stats[step] : &other;
        double *out = c->token ? &token : c->logits + step * vocabulary;
        status = take_pass(&session, c, rows, length, capacity, ids, out, stats);
        if (id == DATA_OWNER && c->token) c->chosen[step] = (int32_t)lrint(token);
        length += rows;
        rows = 1;
    }
    tf_session_close(&session);
    return status;
}

static void check(const golden *g, size_t number, bool token) {
    size_t steps, vocabulary = g->config.vocabulary;
    continuation c = {.model = g, .token = token, .steps = STEPS};
    int32_t *ids = golden_ids(g, number, "prompt_ids", &c.length),
            *greedy = golden_ids(g, number, "greedy_ids", &steps);
    c.ids = ids, c.greedy = greedy;
    c.logits = calloc(STEPS * vocabulary, sizeof *c.logits);
    three_outcome outcome;
    cr_assert_eq(three_do(play, &c, &outcome), TF_OK, "%s", tf_error());
    float *first = calloc(vocabulary, sizeof *first);
    for (size_t i = 0; i < vocabulary; i++) first[i] = (float)c.logits[i];
    double error = token ? 0 : golden_error(g, number, first), most = 0;
    for (size_t i = 0; i < vocabulary; i++) most = fmax(most, fabs((double)first[i]));
    double bound = strcmp(g->name, "stories15M") ? 0.01 * most : 0.08;
    cr_assert_leq(error, bound, "%s, case %zu: logits are off by %g of %g", g->name, number, error, bound);
    /* two logits that are each off by that much may change places */
    double clear = strcmp(g->name, "stories15M") ? 0.05 : 2 * bound;
    for (size_t step = 0; step < STEPS && golden_margin(g, number, step) >= clear; step++) {
        size_t best = 0;
        for (size_t i = 1; i < vocabulary; i++)
            if (c.logits[step * vocabulary + i] > c.logits[step * vocabulary + best]) best = i;
        int32_t chosen = token ? c.chosen[step] : (int32_t)best;
        cr_assert_eq(chosen, greedy[step], "%s, case %zu: token %zu is %d, not %d", g->name, number, step, chosen,
                     greedy[step]);
    }
    for (size_t step = 2; step < STEPS; step++) {
        cr_assert_arr_eq(c.stats[step].bytes, c.stats[1].bytes, sizeof c.stats[1].bytes);
        cr_assert_eq(c.stats[step].rounds, c.stats[1].rounds);
    }
    uint64_t bytes = 0;
    for (int i = 0; i < 9; i++) bytes += c.stats[1].bytes[i / 3][i % 3];
    cr_log_info("%s, case %zu: off by %g; a token takes %zu rounds, %zu bytes, %.3f s", g->name, number, error,
                (size_t)c.stats[1].rounds, (size_t)bytes, c.stats[1].online.seconds);
    free(first);
    free(c.logits);
    free(ids);
    free(greedy);
}

Test(decoders_private, logits_and_greedy_tokens, .timeout = 600) {
    int found = 0;
    golden g;
    for (int i = 0; i < GOLDEN_MODELS; i++) {
        if (!golden_open(&golden_models[i], &g)) continue;
        found++;
        check(&g, 0, false);
        check(&g, i == 2 ? 0 : 2, i == 2);
        golden_close(&g);
    }
    if (!found) cr_skip_test("no decoders to compare with (set TREFOIL_SHARED; experiments/setup.sh stories)");
}
