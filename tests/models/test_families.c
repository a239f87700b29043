/* Each family and head against the float64 implementation of family_oracle.py, in the open and
 * between three parties. */
#include <dirent.h>
#include <math.h>
#include <unistd.h>

#include "models/files/json.h"
#include "models/model.h"
#include "ops/ops.h"
#include "runtime/program/plan.h"
#include "runtime/session/session.h"
#include "runtime/session/store.h"
#include "tests/support/scratch.h"
#include "tests/support/three.h"

#define PYTHON "/usr/bin/python3"

enum { MODEL_OWNER = 0, DATA_OWNER = 1, MOST_TEXTS = 8 };

/* A case of the oracle's. */
typedef struct family_case {
    char path[512];
    json_t *json;
    tf_config config;
    tf_approx approx;
    tf_safetensors *weights;
    size_t length[MOST_TEXTS];
    int32_t *ids, *types;
    tf_batch batch;
    size_t outputs;
    double *output;
    tf_session_stats stats; /* of the data owner's run */
} family_case;

static int32_t *integers(const json_t *list) {
    int32_t *out = calloc(json_array_size(list), sizeof *out);
    for (size_t i = 0; i < json_array_size(list); i++) out[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return out;
}

static void open_case(const char *directory, const char *name, family_case *c) {
    char path[600];
    snprintf(c->path, sizeof c->path, "%s/%s", directory, name);
    snprintf(path, sizeof path, "%s/case.json", c->path);
    works(tf_json_open(path, 1 << 24, &c->json));
    works(tf_config_read(c->path, &c->config));
    works(tf_approx_parse("exact", &c->approx));
    works(tf_safetensors_open(c->path, &c->weights));
    const json_t *lengths = json_object_get(c->json, "lengths");
    size_t texts = json_array_size(lengths), longest = (size_t)json_integer_value(json_object_get(c->json, "length"));
    for (size_t i = 0; i < texts; i++) c->length[i] = (size_t)json_integer_value(json_array_get(lengths, i));
    c->ids = integers(json_object_get(c->json, "ids"));
    c->types = integers(json_object_get(c->json, "types"));
    c->batch = (tf_batch){texts, longest, c->length, c->ids, c->types, .pairs = true};
    tf_output_form form = tf_model_output(&c->config);
    c->outputs = texts * (form.per_token ? longest : 1) * form.width;
    c->output = calloc(c->outputs, sizeof *c->output);
}

static void close_case(family_case *c) {
    tf_config_free(&c->config);
    tf_safetensors_close(c->weights);
    json_decref(c->json);
    free(c->ids), free(c->types), free(c->output);
}

/* The largest difference from the oracle's values, which leave padding out. */
static double error_of(const family_case *c, const double *output) {
    tf_output_form form = tf_model_output(&c->config);
    const json_t *values = json_object_get(c->json, "values");
    double worst = 0;
    size_t seen = 0;
    for (size_t text = 0; text < c->batch.texts; text++) {
        const json_t *rows = json_array_get(values, text);
        size_t count = form.per_token ? c->length[text] : 1;
        for (size_t row = 0; row < count; row++) {
            const json_t *row_values = form.per_token ? json_array_get(rows, row) : rows;
            cr_assert_eq(json_array_size(row_values), form.width, "%s", c->path);
            size_t at = (text * (form.per_token ? c->batch.length : 1) + row) * form.width;
            for (size_t i = 0; i < form.width; i++, seen++)
                worst = fmax(worst, fabs(output[at + i] - json_number_value(json_array_get(row_values, i))));
        }
    }
    return seen ? worst : INFINITY;
}

static double plain_error(family_case *c, bool public_weights) {
    tf_graph graph;
    tf_array out;
    works(tf_model_build(&c->config, &c->approx, &c->batch, c->weights, public_weights, &graph));
    works(tf_graph_plain(&graph, &out, NULL, NULL));
    cr_assert_eq(tf_shape_count(out.shape), c->outputs, "%s", c->path);
    for (size_t i = 0; i < c->outputs; i++) c->output[i] = (double)out.data[i];
    free(out.data);
    tf_graph_free(&graph);
    return c->batch.picks ? 0 : error_of(c, c->output);
}

static tf_status run_party(tf_link *link, int id, void *context) {
    family_case *c = context;
    tf_batch batch = c->batch;
    tf_session session;
    tf_graph graph;
    if (id != DATA_OWNER) batch.ids = batch.types = batch.pick = NULL;
    TF_TRY(tf_session_open(&session, link));
    tf_status status =
        tf_model_build(&c->config, &c->approx, &batch, id == MODEL_OWNER ? c->weights : NULL, false, &graph);
    if (status == TF_OK) {
        tf_session_stats stats;
        status = tf_session_run(&session, &graph, 16, MODEL_OWNER, DATA_OWNER, id == DATA_OWNER ? c->output : NULL,
                                &stats, NULL);
        if (id == DATA_OWNER) c->stats = stats;
        tf_graph_free(&graph);
    }
    tf_session_close(&session);
    return status;
}

static double private_error(family_case *c) {
    three_outcome outcome;
    memset(c->output, 0, c->outputs * sizeof *c->output);
    cr_assert_eq(three_do(run_party, c, &outcome), TF_OK, "%s: %s", c->path, tf_error());
    return c->batch.picks ? 0 : error_of(c, c->output);
}

/* Plans the case as cost forecasts do, without data: its rounds and bytes, and the bytes of shared weights. */
static uint64_t plan_case(const family_case *c, uint64_t *rounds, uint64_t *weights) {
    tf_batch batch = c->batch;
    tf_graph graph;
    tf_program program;
    tf_plan plan;
    uint64_t bytes = 0;
    batch.ids = batch.types = batch.pick = NULL;
    works(tf_model_build(&c->config, &c->approx, &batch, NULL, false, &graph));
    works(tf_lower(&graph, 16, MODEL_OWNER, DATA_OWNER, &program, &plan));
    *rounds = (uint64_t)plan.rounds;
    *weights = 0;
    for (int i = 0; i < program.params; i++) *weights += tf_store_bytes(&program, &program.param[i]);
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) bytes += plan.bytes[i][j];
    tf_plan_free(&plan);
    tf_program_free(&program);
    tf_graph_free(&graph);
    return bytes;
}

/* What was forecast is what the run took; the execution compares the forecast with each party's links. */
static void check_forecast(const family_case *c) {
    uint64_t rounds, weights, bytes = plan_case(c, &rounds, &weights), taken = 0;
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) taken += c->stats.bytes[i][j];
    cr_expect(bytes == taken && rounds == c->stats.rounds && bytes > 0 && weights > 0,
              "%s: %zu of %zu bytes, %zu of %zu", c->path, (size_t)taken, (size_t)bytes, (size_t)c->stats.rounds,
              (size_t)rounds);
}

enum { PICKS = 2 };

/* The oracle's logit of a word at the token that a text's pick means: its second, or its last. */
static double picked_value(const family_case *c, size_t text, size_t pick, size_t word) {
    const json_t *rows = json_array_get(json_object_get(c->json, "values"), text);
    return json_number_value(json_array_get(json_array_get(rows, pick ? c->length[text] - 1 : 1), word));
}

/* Of best words: by how much the likeliest one is likelier, as two may be nearly so. */
static double picked_error(const family_case *c, bool best) {
    size_t words = c->config.vocabulary;
    double worst = 0;
    for (size_t row = 0; row < c->batch.texts * PICKS; row++) {
        size_t text = row / PICKS, pick = row % PICKS;
        double word = best ? picked_value(c, text, pick, (size_t)c->output[row]) : 0;
        for (size_t i = 0; i < words; i++) {
            double value = picked_value(c, text, pick, i);
            worst = fmax(worst, best ? value - word : fabs(c->output[row * words + i] - value));
        }
    }
    return worst;
}

/* A head that guesses words looks at the tokens that the data owner means, and may tell the likeliest words alone. */
static void check_picks(family_case *c) {
    if (c->config.head != TF_HEAD_MASKED) return;
    uint64_t rounds, weights, all = plan_case(c, &rounds, &weights);
    size_t length = c->batch.length;
    int32_t *pick = calloc(c->batch.texts * PICKS * length, sizeof *pick);
    for (size_t text = 0; text < c->batch.texts; text++) {
        pick[text * PICKS * length + 1] = 1;
        pick[(text * PICKS + 1) * length + c->length[text] - 1] = 1;
    }
    c->batch.picks = PICKS;
    c->batch.pick = pick;
    for (int best = 0; best < 2; best++) {
        c->config.best_only = best;
        c->outputs = c->batch.texts * PICKS * (best ? 1 : c->config.vocabulary);
        plain_error(c, false);
        cr_expect(picked_error(c, best) < 1e-4, "%s, picked in the open", c->path);
        private_error(c);
        cr_expect(picked_error(c, best) < 0.02, "%s, picked between three parties: %g", c->path, picked_error(c, best));
        check_forecast(c);
    }
    c->config.best_only = false;
    cr_expect(plan_case(c, &rounds, &weights) < all);
    free(pick);
    c->batch.pick = NULL;
    c->batch.picks = length + 1;
    tf_graph graph;
    fails(tf_model_build(&c->config, &c->approx, &c->batch, c->weights, false, &graph), TF_INVALID,
          "tokens to look at");
}

static void check_case(const char *directory, const char *name) {
    family_case c = {.outputs = 0};
    open_case(directory, name, &c);
    double folded = plain_error(&c, false), as_stored = plain_error(&c, true), private = private_error(&c);
    printf("%-32s plain %.1e, as stored %.1e, private %.1e\n", name, folded, as_stored, private);
    cr_expect(folded < 1e-4, "%s in the open: %g", name, folded);
    cr_expect(as_stored < 1e-4, "%s in the open, as stored: %g", name, as_stored);
    cr_expect(private < 0.02, "%s between three parties: %g", name, private);
    check_forecast(&c);
    check_picks(&c);
    close_case(&c);
}

/* All cases whose names begin so. */
static void check_family(const char *family) {
    char command[1024];
    if (system(PYTHON " -c 'import numpy' 2>/dev/null"))
        cr_skip_test(PYTHON " has no numpy (apt-get install python3-numpy)");
    scratch_make();
    works(tf_ops_register());
    snprintf(command, sizeof command, PYTHON " %s/tests/models/family_oracle.py %s %s", TREFOIL_SOURCE_DIR, scratch,
             family);
    cr_assert_eq(system(command), 0);
    DIR *list = opendir(scratch);
    size_t cases = 0;
    cr_assert(list);
    for (const struct dirent *entry; (entry = readdir(list)); cases++)
        if (*entry->d_name != '.') check_case(scratch, entry->d_name);
    closedir(list);
    cr_assert_gt(cases, 2);
    scratch_remove();
}

Test(families, bert) {
    check_family("bert");
}
Test(families, roberta) {
    check_family("roberta");
}
Test(families, distilbert) {
    check_family("distilbert");
}
Test(families, electra) {
    check_family("electra");
}
Test(families, albert) {
    check_family("albert");
}
extern const struct tf_family tf_albert_family;

static uint64_t albert_weights(size_t layers, size_t groups) {
    family_case c = {.config = {.family = &tf_albert_family,
                                .hidden = 16,
                                .layers = layers,
                                .heads = 2,
                                .intermediate = 24,
                                .vocabulary = 40,
                                .positions = 9,
                                .types = 2,
                                .embedding = 12,
                                .groups = groups,
                                .layer_norm_eps = 1e-5,
                                .head = TF_HEAD_EMBEDDING},
                     .batch = {.texts = 1, .length = 6, .lengths = (const size_t[]){6}}};
    uint64_t rounds, weights;
    works(tf_approx_parse("exact", &c.approx));
    plan_case(&c, &rounds, &weights);
    return weights;
}

/* Layers that share their weights are shared with the parties once, however many they are. Only queries, keys and
 * values of a group's first layer are weights of their own: another normalisation, or none, is folded into them. */
Test(families, albert_shares_its_layers_once) {
    works(tf_ops_register());
    uint64_t two = albert_weights(2, 1), of_groups = albert_weights(4, 2);
    cr_assert_eq(albert_weights(12, 1), two);
    cr_assert_eq(albert_weights(24, 2), of_groups);
    cr_assert(of_groups > two && of_groups < 2 * two, "%zu and %zu bytes", (size_t)two, (size_t)of_groups);
}

Test(families, mpnet) {
    check_family("mpnet");
}
Test(families, modernbert) {
    check_family("modernbert");
}
