/* Batches whose texts' lengths are the data owner's secret: results are those of each text by itself, and nothing that
 * the others see, not even the length or the number of messages, depends on how long a text is. */
#include "runtime/lower/lower.h"
#include "runtime/program/plan.h"
#include "tests/support/tiny.h"
#include "tests/support/view.h"

enum { MOST = 3 * TINY_LENGTH };

extern const struct tf_family tf_modernbert_family; /* models/family.h does not go with the runtime's own headers */

typedef struct hidden {
    tf_config config;
    const char *approximations;
    const size_t *lengths; /* the true ones */
    const int32_t *ids;
    int32_t mask[MOST], weights[MOST];
    double values[TINY_TEXTS * 16];
    view seen[TF_PARTIES];
    uint64_t rounds;
    tf_traffic_matrix bytes;
} hidden;

static const size_t whole[TINY_TEXTS] = {TINY_LENGTH, TINY_LENGTH, TINY_LENGTH}, shorter[TINY_TEXTS] = {2, 6, 4};

static tf_status build(const hidden *h, const tf_batch *batch, int id, tf_graph *graph) {
    tf_approx approx;
    TF_TRY(tf_approx_parse(h->approximations, &approx));
    TF_TRY(tf_model_build(&h->config, &approx, batch, NULL, false, graph));
    for (int i = 0; i < graph->nodes && (id == TINY_MODEL_OWNER || id < 0); i++)
        if (graph->node[i].leaf == TF_LEAF_WEIGHT)
            graph->node[i].data = tiny_weight(graph->node[i].name, tf_shape_count(graph->node[i].shape));
    return TF_OK;
}

static tf_status run(tf_link *link, int id, void *context) {
    hidden *h = context;
    bool owner = id == TINY_DATA_OWNER;
    tf_batch batch = {.texts = TINY_TEXTS,
                      .length = TINY_LENGTH,
                      .lengths = whole,
                      .hidden = true,
                      .ids = owner ? h->ids : NULL,
                      .mask = owner ? h->mask : NULL,
                      .weights = owner ? h->weights : NULL};
    tf_session session;
    tf_session_stats stats;
    tf_graph graph;
    TF_TRY(tf_session_open(&session, link));
    tf_graph_init(&graph);
    tf_link_observe(link, view_observe, &h->seen[id]);
    tf_status status = build(h, &batch, id, &graph);
    if (!status)
        status = tf_session_run(&session, &graph, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER, owner ? h->values : NULL,
                                &stats, NULL);
    tf_link_observe(link, NULL, NULL);
    if (!status && id == 2) {
        h->rounds = stats.rounds;
        memcpy(h->bytes, stats.bytes, sizeof h->bytes);
    }
    tf_graph_free(&graph);
    tf_session_close(&session);
    return status;
}

static void run_three(hidden *h) {
    three_outcome outcome;
    for (size_t i = 0; i < TINY_TEXTS; i++)
        for (size_t k = 0; k < TINY_LENGTH; k++) {
            bool token = k < h->lengths[i];
            h->mask[i * TINY_LENGTH + k] = token;
            h->weights[i * TINY_LENGTH + k] =
                token ? (int32_t)lrint(65536 * (double)tf_token_weight(h->config.pooling, k, h->lengths[i])) : 0;
        }
    cr_assert_eq(tf_ops_register(), TF_OK);
    cr_assert_eq(three_do(run, h, &outcome), TF_OK, "%s %s", h->approximations, tf_error());
}

/* The greatest difference from each text in floating point by itself, without any padding. */
static double error_of(const hidden *h) {
    size_t width = tf_model_width(&h->config);
    double worst = 0;
    for (size_t i = 0; i < TINY_TEXTS; i++) {
        tf_batch alone = {
            .texts = 1, .length = h->lengths[i], .lengths = &h->lengths[i], .ids = h->ids + i * TINY_LENGTH};
        tf_graph graph;
        tf_array plain;
        cr_assert_eq(build(h, &alone, -1, &graph), TF_OK, "%s", tf_error());
        cr_assert_eq(tf_graph_plain(&graph, &plain, NULL, NULL), TF_OK, "%s", tf_error());
        for (size_t k = 0; k < width; k++) worst = fmax(worst, fabs(h->values[i * width + k] - plain.data[k]));
        free(plain.data);
        tf_graph_free(&graph);
    }
    return worst;
}

static void free_views(hidden *h) {
    for (int p = 0; p < TF_PARTIES; p++) view_free(&h->seen[p]);
}

/* Every variant of softmax, with the bound that the visible mask has in test_view_model. */
Test(hidden_lengths, results_are_those_of_texts_by_themselves) {
    static const char *const approximations[] = {"exact", "paper", "exact,softmax=relu_n", "exact,softmax=2quad",
                                                 "exact,softmax=power"};
    for (size_t k = 0; k < sizeof approximations / sizeof *approximations; k++) {
        hidden h = {
            .config = tiny_config, .approximations = approximations[k], .lengths = tiny_lengths, .ids = tiny_ids};
        run_three(&h);
        double worst = error_of(&h);
        cr_assert_lt(worst, 0.02, "%s: %g", h.approximations, worst);
        free_views(&h);
    }
}

Test(hidden_lengths, so_are_embeddings_of_every_pooling) {
    static const tf_pooling pooling[] = {TF_POOL_MEAN, TF_POOL_FIRST,     TF_POOL_LAST,
                                         TF_POOL_MAX,  TF_POOL_MEAN_SQRT, TF_POOL_WEIGHTED_MEAN};
    for (size_t k = 0; k < sizeof pooling / sizeof *pooling; k++) {
        hidden h = {.config = tiny_config, .approximations = "exact", .lengths = shorter, .ids = tiny_ids};
        h.config.head = TF_HEAD_EMBEDDING;
        h.config.pooling = pooling[k];
        run_three(&h);
        double worst = error_of(&h);
        cr_assert_lt(worst, 0.02, "pooling %zu: %g", k, worst);
        free_views(&h);
    }
}

/* In layers that look at near tokens too, as long as all are near. */
Test(hidden_lengths, so_are_those_of_a_model_with_local_attention) {
    hidden h = {.config = tiny_config, .approximations = "exact", .lengths = tiny_lengths, .ids = tiny_ids};
    h.config.family = &tf_modernbert_family;
    h.config.window = 2 * (TINY_LENGTH - 1);
    h.config.global_every = 2;
    h.config.rope_theta = 160000;
    h.config.rope_local_theta = 10000;
    run_three(&h);
    double worst = error_of(&h);
    cr_assert_lt(worst, 0.02, "%g", worst);
    free_views(&h);
    tf_graph graph;
    tf_batch batch = {.texts = TINY_TEXTS, .length = TINY_LENGTH, .lengths = whole, .hidden = true};
    h.config.window -= 2;
    tf_graph_init(&graph);
    cr_assert_eq(build(&h, &batch, 2, &graph), TF_INVALID);
    cr_assert(strstr(tf_error(), "lengths can be hidden in 5 tokens at most"), "%s", tf_error());
    tf_graph_free(&graph);
}

Test(hidden_lengths, nothing_seen_depends_on_them) {
    static const size_t other[TINY_TEXTS] = {1, 2, 6};
    hidden h[2];
    for (int k = 0; k < 2; k++) {
        h[k] = (hidden){
            .config = tiny_config, .approximations = "exact", .lengths = k ? other : tiny_lengths, .ids = tiny_ids};
        run_three(&h[k]);
    }
    cr_assert_eq(h[0].rounds, h[1].rounds);
    cr_assert_arr_eq(h[0].bytes, h[1].bytes, sizeof h[0].bytes);
    for (int p = 0; p < TF_PARTIES; p++) {
        cr_assert_eq(h[0].seen[p].messages, h[1].seen[p].messages);
        uint64_t sum[2][TF_PARTIES] = {{0}};
        for (int k = 0; k < 2; k++)
            for (size_t i = 0; i < h[k].seen[p].messages; i++) /* of one peer they come in order */
                sum[k][h[k].seen[p].message[i].peer] =
                    sum[k][h[k].seen[p].message[i].peer] * 1000003 + h[k].seen[p].message[i].length;
        cr_assert_arr_eq(sum[0], sum[1], sizeof sum[0], "party %d saw messages of other lengths", p);
    }
    for (int k = 0; k < 2; k++) free_views(&h[k]);
}

/* What the mask costs of a model's bytes and rounds: what the threat model says. */
static void price(const char *approximations, bool is_hidden, uint64_t *bytes, int *rounds) {
    hidden h = {.config = tiny_config, .approximations = approximations};
    tf_batch batch = {.texts = TINY_TEXTS, .length = TINY_LENGTH, .lengths = is_hidden ? whole : tiny_lengths};
    batch.hidden = is_hidden;
    tf_graph graph;
    tf_program program;
    tf_plan plan;
    cr_assert_eq(build(&h, &batch, 2, &graph), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_lower(&graph, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER, &program, &plan), TF_OK, "%s", tf_error());
    *bytes = 0;
    *rounds = plan.rounds;
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) *bytes += plan.bytes[i][j];
    tf_plan_free(&plan);
    tf_program_free(&program);
    tf_graph_free(&graph);
}

Test(hidden_lengths, cost_what_their_variant_makes_them_cost) {
    static const struct {
        const char *approximations;
        uint64_t bytes; /* more, of 18 tokens of width 16 in 2 layers of 2 heads; tables of exact scores are twice as
                           long, which the last layer has of each text's first token alone */
        int rounds;
    } expected[] = {{"exact", 18 * 4 + (3 * 6 + 3) * 6 * 2 * 64 * 9, 0},
                    {"paper", 18 * 4, 0},
                    {"exact,softmax=2quad", 18 * 4 + 2 * 18 * 16 * 12, 1}}; /* a product of the keys in each,
                                                                            in one of them beside others */
    cr_assert_eq(tf_ops_register(), TF_OK);
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++) {
        uint64_t bytes[2];
        int rounds[2];
        for (int is_hidden = 0; is_hidden < 2; is_hidden++)
            price(expected[k].approximations, is_hidden, &bytes[is_hidden], &rounds[is_hidden]);
        cr_expect_eq(bytes[1] - bytes[0], expected[k].bytes, "%s: %zd", expected[k].approximations,
                     (ssize_t)(bytes[1] - bytes[0]));
        cr_expect_eq(rounds[1] - rounds[0], expected[k].rounds, "%s: %d", expected[k].approximations,
                     rounds[1] - rounds[0]);
    }
}
