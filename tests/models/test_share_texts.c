/* Texts of an owner who is no party: the right rows are looked up, and one party's file and messages tell nothing. */
#include <unistd.h>

#include "models/shares/share_texts.h"
#include "models/shares/share_weights.h"
#include "runtime/program/step.h"
#include "tests/support/scratch.h"
#include "tests/support/tiny.h"
#include "tests/support/view.h"

static void setup(void) {
    scratch_make();
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
}

TestSuite(share_texts, .init = setup, .fini = scratch_remove);

static const int32_t types[TINY_TEXTS * TINY_LENGTH] = {0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0};

/* The third text comes first in the rows. */
static const size_t order[TINY_TEXTS] = {2, 0, 1};

static const char *part(const char *name, int party) {
    char full[64];
    snprintf(full, sizeof full, "%s%d", name, party);
    return scratch_path(full);
}

static tf_batch tiny_batch(bool pairs) {
    return (tf_batch){.texts = TINY_TEXTS,
                      .length = TINY_LENGTH,
                      .lengths = tiny_lengths,
                      .ids = tiny_ids,
                      .types = types,
                      .pairs = pairs};
}

static void share_batches(const char *name, const tf_batch *batch, size_t batches, const size_t *rows) {
    const char *path[TF_PARTIES];
    size_t texts = 0;
    for (int p = 0; p < TF_PARTIES; p++) path[p] = part(name, p);
    for (size_t b = 0; b < batches; b++) texts += batch[b].texts;
    works(tf_share_texts_write(path, &tiny_config, batch, batches, rows, texts));
}

/** The graph with everything, or with this batch as a party has it. */
static tf_status graph_of(tf_graph *graph, const tf_batch *batch, bool weights) {
    tf_approx approx;
    TF_TRY(tf_approx_parse("exact", &approx));
    TF_TRY(tf_model_build(&tiny_config, &approx, batch, NULL, false, graph));
    for (int i = 0; i < graph->nodes && weights; i++)
        if (graph->node[i].leaf == TF_LEAF_WEIGHT)
            graph->node[i].data = tiny_weight(graph->node[i].name, tf_shape_count(graph->node[i].shape));
    return TF_OK;
}

static void share_model(const tf_batch *batch) {
    const char *path[TF_PARTIES];
    tf_graph graph;
    tf_program program;
    tf_digest digest;
    for (int p = 0; p < TF_PARTIES; p++) path[p] = part("model", p);
    works(tf_architecture_digest(&tiny_config, &digest));
    works(graph_of(&graph, batch, true));
    works(tf_lower(&graph, 16, TF_OUTSIDE, TF_OUTSIDE, &program, NULL));
    works(tf_share_weights_write(path, &program, &digest, false, NULL));
    tf_program_free(&program);
    tf_graph_free(&graph);
}

/* Running ---------------------------------------------------------------------------------------------------------- */

typedef struct job {
    int runs;
    char model[TF_PARTIES][128], texts[TF_PARTIES][128], results[TF_PARTIES][128];
    view *seen;
} job;

typedef struct eye {
    view *seen;
    tf_digest digest;
} eye;

/* What the parties compare before a run is public and the same each time. */
static void look(void *context, int peer, const void *data, uint64_t length) {
    eye *e = context;
    for (uint64_t at = 0; at + sizeof e->digest <= length; at += sizeof e->digest)
        if (!memcmp((const uint8_t *)data + at, &e->digest, sizeof e->digest)) return;
    view_observe(e->seen, peer, data, length);
}

static tf_status run_batch(tf_session *session, job *j, const tf_share_texts *texts) {
    int id = session->party.id;
    enum { VALUES = TINY_TEXTS * TINY_LABELS };
    uint64_t component[2][VALUES];
    tf_view kept = {.c = {component[0], component[1]}};
    tf_slots slots = {.kept = &kept};
    eye own = {.seen = &j->seen[id]};
    tf_graph graph;
    tf_program program;
    TF_TRY(graph_of(&graph, &texts->batch[0], false));
    TF_TRY(tf_lower(&graph, 16, TF_OUTSIDE, TF_OUTSIDE, &program, NULL));
    TF_TRY(tf_program_digest(&program, &own.digest));
    if (j->seen) tf_link_observe(session->party.link, look, &own);
    tf_status status = TF_OK;
    for (int k = 0; k < j->runs && !status; k++) status = tf_session_run_program(session, &program, &slots, NULL, NULL);
    tf_link_observe(session->party.link, NULL, NULL);
    const tf_type *type = &program.node[program.nodes - 1].type;
    tf_share_results results = {.id = {{3}},
                                .texts = TINY_TEXTS,
                                .listed = texts->listed,
                                .width = TINY_LABELS,
                                .order = texts->order,
                                .frac = type->frac,
                                .bits = type->bits,
                                .component = {component[0], component[1]}};
    if (!status) status = tf_share_results_write(j->results[id], id, &results);
    tf_program_free(&program);
    tf_graph_free(&graph);
    return status;
}

static tf_status play(tf_link *link, int id, void *context) {
    job *j = context;
    tf_digest digest;
    tf_share_file *file;
    tf_share_texts texts;
    tf_session session;
    TF_TRY(tf_architecture_digest(&tiny_config, &digest));
    TF_TRY(tf_share_weights_open(j->model[id], id, &digest, 16, &file));
    tf_provider provider = tf_share_weights_provider(file);
    TF_TRY(tf_share_texts_open(j->texts[id], id, &tiny_config, &texts));
    TF_TRY(tf_session_open(&session, link));
    session.store.provider = &provider;
    tf_status status = run_batch(&session, j, &texts);
    tf_session_close(&session);
    tf_share_texts_close(&texts);
    tf_share_close(file);
    return status;
}

static void run_job(job *j) {
    three_outcome outcome;
    for (int p = 0; p < TF_PARTIES; p++) {
        strcpy(j->model[p], part("model", p));
        strcpy(j->texts[p], part("texts", p));
        strcpy(j->results[p], part("results", p));
        remove(j->results[p]);
    }
    works(three_do(play, j, &outcome));
}

static tf_status reveal(int a, int b, size_t *texts, size_t *width, float **values) {
    return tf_share_results_reveal((const char *[]){part("results", a), part("results", b)}, texts, width, values);
}

static void check_results(const tf_batch *batch) {
    tf_graph graph;
    tf_array plain = {.data = NULL};
    works(graph_of(&graph, batch, true));
    works(tf_graph_plain(&graph, &plain, NULL, NULL));
    for (int a = 0; a < TF_PARTIES; a++)
        for (int b = 0; b < TF_PARTIES; b++) {
            size_t texts, width;
            float *values;
            if (a == b) {
                fails(reveal(a, b, &texts, &width, &values), TF_MISMATCH, "those of two parties are needed");
                continue;
            }
            works(reveal(a, b, &texts, &width, &values));
            cr_assert(texts == TINY_TEXTS && width == TINY_LABELS);
            for (size_t i = 0; i < TINY_TEXTS; i++)
                for (size_t k = 0; k < TINY_LABELS; k++) {
                    double error = fabs(values[order[i] * width + k] - plain.data[i * width + k]);
                    cr_assert_lt(error, 0.02, "text %zu of parties %d and %d: %g", i, a, b, error);
                }
            free(values);
        }
    free(plain.data);
    tf_graph_free(&graph);
}

Test(share_texts, give_the_plain_results) {
    for (int pairs = 0; pairs < 2; pairs++) {
        tf_batch batch = tiny_batch(pairs);
        job j = {.runs = 1};
        share_model(&batch);
        share_batches("texts", &batch, 1, order);
        run_job(&j);
        check_results(&batch);
        for (int p = 0; p < TF_PARTIES; p++) {
            remove(part("model", p));
            remove(part("texts", p));
        }
    }
}

/* Weights, texts and results all belong to others: a party receives nothing that is not uniform and fresh. */
Test(share_texts, tell_a_party_nothing_while_they_are_used) {
    view seen[TF_PARTIES] = {{0}};
    tf_batch batch = tiny_batch(true);
    job j = {.runs = 9, .seen = seen};
    share_model(&batch);
    share_batches("texts", &batch, 1, order);
    run_job(&j);
    check_results(&batch);
    for (int p = 0; p < TF_PARTIES; p++) {
        char why[160];
        uint64_t bytes = 0;
        for (size_t i = 0; i < seen[p].messages; i++) bytes += seen[p].message[i].length;
        cr_assert_gt(bytes, 60000);
        cr_assert_lt(view_overall(&seen[p]), view_limit, "party %d: %g", p, view_overall(&seen[p]));
        cr_assert_not(view_repeats(&seen[p]), "party %d received a block of 16 bytes twice", p);
        cr_assert_null(view_tells(&seen[p], why), "party %d: %s", p, why);
        view_free(&seen[p]);
    }
}

/* Over many sharings of one text, each bit that a party holds is set half of the time, and so is each combination of
 * its two bits at the token; signs are uniform. */
Test(share_texts, tell_a_party_nothing_by_themselves) {
    enum { ROUNDS = 400, T = 5 };
    int32_t id = T;
    size_t one = 1, row = 0, at_token[TF_PARTIES][4] = {{0}}, beside[TF_PARTIES][4] = {{0}};
    uint64_t top[TF_PARTIES][2] = {{0}};
    tf_batch batch = {.texts = 1, .length = 1, .lengths = &one, .ids = &id};
    for (int k = 0; k < ROUNDS; k++) {
        share_batches("texts", &batch, 1, &row);
        for (int p = 0; p < TF_PARTIES; p++) {
            tf_share_texts texts;
            works(tf_share_texts_open(part("texts", p), p, &tiny_config, &texts));
            const tf_selection *s = texts.batch[0].shared_ids;
            cr_assert(s->tokens == 1 && s->rows == tiny_config.vocabulary);
            at_token[p][(s->vector[0][0] >> T & 1) * 2 + (s->vector[1][0] >> T & 1)]++;
            beside[p][(s->vector[0][1] >> 1 & 1) * 2 + (s->vector[1][1] >> 1 & 1)]++;
            for (int j = 0; j < 2; j++) top[p][j] += s->sign[j][0] >> 63;
            tf_share_texts_close(&texts);
            remove(part("texts", p));
        }
    }
    double deviation = 6 * sqrt(ROUNDS * 3.0 / 16);
    for (int p = 0; p < TF_PARTIES; p++)
        for (int k = 0; k < 4; k++) {
            cr_assert_lt(fabs((double)at_token[p][k] - ROUNDS / 4.0), deviation, "party %d: %zu", p, at_token[p][k]);
            cr_assert_lt(fabs((double)beside[p][k] - ROUNDS / 4.0), deviation, "party %d: %zu", p, beside[p][k]);
            cr_assert_lt(fabs((double)top[p][k % 2] - ROUNDS / 2.0), 6 * sqrt(ROUNDS / 4.0));
        }
}

/* Refusals --------------------------------------------------------------------------------------------------------- */

Test(share_texts, keep_their_batches_and_order) {
    tf_batch batch[2] = {tiny_batch(true), tiny_batch(false)};
    const size_t rows[2 * TINY_TEXTS] = {5, 4, 3, 2, 1, 0};
    tf_share_texts texts;
    share_batches("texts", batch, 2, rows);
    for (int p = 0; p < TF_PARTIES; p++) {
        works(tf_share_texts_open(part("texts", p), p, &tiny_config, &texts));
        cr_assert(texts.batches == 2 && texts.texts == 2 * TINY_TEXTS);
        cr_assert_arr_eq(texts.order, rows, sizeof rows);
        for (int b = 0; b < 2; b++) {
            cr_assert_arr_eq(texts.batch[b].lengths, tiny_lengths, sizeof tiny_lengths);
            cr_assert_eq(texts.batch[b].length, TINY_LENGTH);
            cr_assert_eq(texts.batch[b].pairs, b == 0);
            cr_assert(!texts.batch[b].ids && texts.batch[b].shared_ids && !texts.batch[b].shared_types == (b == 1));
        }
        tf_share_texts_close(&texts);
    }
}

Test(share_texts, refuses_what_does_not_belong_here) {
    tf_batch batch = tiny_batch(false);
    tf_share_texts texts;
    tf_config other = tiny_config;
    other.vocabulary++;
    share_batches("texts", &batch, 1, order);
    share_model(&batch);
    fails(tf_share_texts_open(part("texts", 0), 1, &tiny_config, &texts), TF_MISMATCH, "the shares of party 0");
    fails(tf_share_texts_open(part("texts", 0), 0, &other, &texts), TF_MISMATCH, "shared for another model");
    fails(tf_share_texts_open(part("model", 0), 0, &tiny_config, &texts), TF_MISMATCH, "a share file of weights");
    int32_t bad[TINY_TEXTS * TINY_LENGTH] = {0};
    bad[4] = (int32_t)tiny_config.vocabulary;
    batch.ids = bad;
    const char *path[TF_PARTIES] = {part("bad", 0), part("bad", 1), part("bad", 2)};
    fails(tf_share_texts_write(path, &tiny_config, &batch, 1, order, TINY_TEXTS), TF_INVALID, "is not below 70");
    for (int p = 0; p < TF_PARTIES; p++) cr_assert(access(path[p], F_OK), "nothing is left behind");
}

/* Indices that are well formed but say what cannot be. */
Test(share_texts, refuses_lengths_and_orders_that_cannot_be) {
    const struct {
        const char *batches, *order, *part;
    } bad[] = {{"[]", "[]", "no texts"},
               {"[{\"length\": 3, \"lengths\": []}]", "[]", "a batch"},
               {"[{\"length\": 0, \"lengths\": [1]}]", "[0]", "a length"},
               {"[{\"length\": 10, \"lengths\": [1]}]", "[0]", "a length"},
               {"[{\"length\": 3, \"lengths\": [4]}]", "[0]", "a length"},
               {"[{\"length\": 3, \"lengths\": [0]}]", "[0]", "a length"},
               {"[{\"length\": 3, \"lengths\": [1.5]}]", "[0]", "a length"},
               {"[{\"length\": 3, \"lengths\": [1]}]", "[0]", "no tensor is named \"batch 0 tokens vectors\""},
               {"[7]", "[0]", "a batch"}};
    char architecture[TF_DIGEST_TEXT];
    tf_digest digest, id = {{1}};
    unsigned char key[TF_KEY_BYTES] = {0};
    const unsigned char *const seed[3] = {NULL, key, NULL};
    works(tf_architecture_digest(&tiny_config, &digest));
    tf_digest_text(&digest, architecture);
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        const char *path = scratch_path("bad");
        tf_share_writer *w;
        tf_share_texts texts;
        works(tf_share_create(path, "texts", 0, &id, seed, &w));
        works(tf_share_fact(w, "architecture", json_string(architecture)));
        works(tf_share_fact(w, "batches", json_loads(bad[k].batches, 0, NULL)));
        works(tf_share_fact(w, "order", json_loads(bad[k].order, 0, NULL)));
        works(tf_share_fact(w, "listed", json_integer(1)));
        works(tf_share_finish(w));
        tf_share_abandon(w);
        fails(tf_share_texts_open(path, 0, &tiny_config, &texts), TF_FORMAT, bad[k].part);
        remove(path);
    }
}

static void write_results(const char *path, int party, tf_digest id, size_t texts, const uint64_t *a,
                          const uint64_t *b) {
    const size_t rows[] = {0, 1, 2};
    tf_share_results r = {.id = id,
                          .texts = texts,
                          .listed = texts,
                          .width = 2,
                          .order = rows,
                          .frac = 4,
                          .bits = 20,
                          .component = {a, b}};
    remove(path);
    works(tf_share_results_write(path, party, &r));
}

Test(share_texts, reveals_only_what_belongs_together) {
    const uint64_t c[3][6] = {{1, 2, 3, 4, 5, 6}, {16, 16, 16, 16, 16, 16}, {15, 14, 13, 12, 11, 0xfffff - 37}};
    const uint64_t changed[6] = {16, 16, 16, 16, 17, 16};
    tf_digest id = {{1}}, other = {{2}};
    size_t texts, width;
    float *values;
    for (int p = 0; p < TF_PARTIES; p++) write_results(part("results", p), p, id, 3, c[p], c[tf_next(p)]);
    works(reveal(0, 1, &texts, &width, &values));
    for (int i = 0; i < 5; i++) cr_assert_eq(values[i], 2);
    cr_assert_eq(values[5], -1, "negative numbers too: %g", values[5]);
    free(values);
    write_results(part("results", 1), 1, other, 3, c[1], c[2]);
    fails(reveal(0, 1, &texts, &width, &values), TF_MISMATCH, "different runs");
    write_results(part("results", 1), 1, id, 2, c[1], c[2]);
    fails(reveal(1, 0, &texts, &width, &values), TF_MISMATCH, "different runs");
    write_results(part("results", 1), 1, id, 3, changed, c[2]);
    fails(reveal(0, 1, &texts, &width, &values), TF_MISMATCH, "the run is void");
    works(reveal(2, 1, &texts, &width, &values));
    free(values);
}

/* Texts that no row is of were empty: their places are kept, and a list that does not hold all rows is refused. */
Test(share_texts, keep_the_places_of_empty_texts) {
    static const size_t lengths[] = {2, 1}, rows[] = {3, 1};
    static const int32_t ids[] = {5, 6, 7, 0};
    const tf_batch batch = {.texts = 2, .length = 2, .lengths = lengths, .ids = ids};
    const uint64_t c[3][4] = {{1, 2, 3, 4}, {16, 16, 16, 16}, {15, 14, 13, 12}};
    const char *path[TF_PARTIES];
    tf_share_texts texts;
    size_t count, width;
    float *values;
    for (int p = 0; p < TF_PARTIES; p++) path[p] = part("gaps", p);
    works(tf_share_texts_write(path, &tiny_config, &batch, 1, rows, 5));
    works(tf_share_texts_open(path[0], 0, &tiny_config, &texts));
    cr_assert(texts.texts == 2 && texts.listed == 5 && texts.order[0] == 3);
    tf_share_texts_close(&texts);
    for (int p = 0; p < TF_PARTIES; p++)
        works(tf_share_results_write(part("results", p), p,
                                     &(tf_share_results){.id = {{1}},
                                                         .texts = 2,
                                                         .listed = 5,
                                                         .width = 2,
                                                         .order = rows,
                                                         .frac = 4,
                                                         .bits = 20,
                                                         .component = {c[p], c[tf_next(p)]}}));
    works(reveal(0, 1, &count, &width, &values));
    cr_assert(count == 5 && width == 2);
    for (size_t i = 0; i < 10; i++)
        cr_assert(i / 2 == 1 || i / 2 == 3 ? values[i] == 2 : isnan(values[i]), "%zu: %g", i, (double)values[i]);
    free(values);
    remove(path[0]);
    works(tf_share_texts_write(path, &tiny_config, &batch, 1, rows, 3));
    fails(tf_share_texts_open(path[0], 0, &tiny_config, &texts), TF_FORMAT, "a length");
}
