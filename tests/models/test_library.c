/* The library as its users meet it: a model on texts between three parties, and what is refused. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/library/trefoil.h"
#include "models/model.h"
#include "net/local.h"

enum { MODEL_OWNER = 0, DATA_OWNER = 1, TEXTS = 2, WIDTH = 384 };
static const char *const texts[TEXTS] = {"hello world", "the quick brown fox"};

typedef struct inference {
    const char *directory;
    unsigned parts[TF_PARTIES];
    const char *approx[TF_PARTIES];
    double values[TEXTS * WIDTH];
    trefoil_cost cost[TF_PARTIES];
} inference;

static tf_status infer(tf_link *link, int id, void *context) {
    inference *i = context;
    trefoil_settings settings = trefoil_default_settings();
    trefoil_session *session = NULL;
    trefoil_model *model = NULL;
    bool owner = id == DATA_OWNER;
    tf_status status = trefoil_model_open(i->directory, i->approx[id], i->parts[id], &model);
    if (!status) status = trefoil_session_open(link, &settings, &session);
    for (int k = 0; k < 2 && !status; k++)
        status = trefoil_model_infer(session, model, owner ? texts : NULL, owner ? TEXTS : 0, owner ? i->values : NULL,
                                     &i->cost[id]);
    trefoil_session_close(session);
    trefoil_model_close(model);
    return status;
}

static inference minilm(void) {
    const char *given = getenv("TREFOIL_MINILM");
    inference i = {.directory = given ? given : TREFOIL_SOURCE_DIR "/.cache/minilm",
                   .parts = {TREFOIL_WEIGHTS, TREFOIL_TOKENIZER, TREFOIL_CONFIG_ONLY},
                   .approx = {"exact", "exact", "exact"}};
    if (access(i.directory, R_OK)) cr_skip_test("MiniLM is not there (experiments/setup.sh model fetches it)");
    return i;
}

Test(library, infers_as_floating_point_does) {
    inference i = minilm();
    cr_assert_eq(tf_run_local(infer, &i, NULL), TF_OK, "%s", tf_error());
    for (int t = 0; t < TEXTS; t++) {
        double length = 0;
        for (int k = 0; k < WIDTH; k++) length += i.values[t * WIDTH + k] * i.values[t * WIDTH + k];
        cr_expect_float_eq(sqrt(length), 1, 0.01, "text %d: an embedding of length %g", t, sqrt(length));
    }
    for (int p = 1; p < TF_PARTIES; p++) {
        cr_expect_eq(i.cost[p].rounds, i.cost[0].rounds);
        cr_expect_eq(memcmp(i.cost[p].bytes, i.cost[0].bytes, sizeof i.cost[0].bytes), 0);
    }

    /* the same in floating point */
    tf_config config;
    tf_approx approx;
    tf_safetensors *weights;
    tf_tokenizer *tokenizer;
    tf_graph graph;
    tf_array plain;
    cr_assert_eq(tf_config_read(i.directory, &config), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_approx_parse("exact", &approx), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_safetensors_open(i.directory, &weights), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_tokenizer_open(i.directory, &tokenizer), TF_OK, "%s", tf_error());
    for (int t = 0; t < TEXTS; t++) {
        int32_t *ids, *types;
        size_t count;
        cr_assert_eq(tf_tokenize(tokenizer, texts[t], strlen(texts[t]), NULL, 0, 64, false, &ids, &types, &count),
                     TF_OK);
        tf_batch batch = {.texts = 1, .length = count, .lengths = &count, .ids = ids, .types = types};
        tf_graph_init(&graph);
        cr_assert_eq(tf_model_build(&config, &approx, &batch, weights, false, &graph), TF_OK, "%s", tf_error());
        cr_assert_eq(tf_graph_plain(&graph, &plain, NULL, NULL), TF_OK, "%s", tf_error());
        for (int k = 0; k < WIDTH; k++)
            cr_expect_float_eq(i.values[t * WIDTH + k], plain.data[k], 0.01, "text %d, value %d", t, k);
        free(plain.data);
        tf_graph_free(&graph);
        free(ids);
        free(types);
    }
    tf_tokenizer_close(tokenizer);
    tf_safetensors_close(weights);
    tf_config_free(&config);
}

/* What is refused, with words that say why. */
static void refused(const inference *given, const char *reason) {
    inference i = *given;
    tf_outcome outcome;
    cr_assert_neq(tf_run_local(infer, &i, &outcome), TF_OK);
    cr_expect(strstr(tf_error(), reason), "'%s' does not say '%s'", tf_error(), reason);
}

Test(library, says_what_is_missing_or_differs) {
    inference i = minilm();
    inference other = i;
    other.approx[2] = "paper";
    refused(&other, "differ in the approximations");
    other = i;
    other.parts[MODEL_OWNER] = TREFOIL_CONFIG_ONLY;
    refused(&other, "without its weights");
    other = i;
    other.parts[DATA_OWNER] = TREFOIL_CONFIG_ONLY;
    refused(&other, "without its tokenizer");
    other = i;
    other.approx[0] = other.approx[1] = other.approx[2] = "gelu=rilu";
    refused(&other, "unknown variant 'rilu'");
    other = i;
    other.directory = "/nowhere";
    refused(&other, "/nowhere");
}
