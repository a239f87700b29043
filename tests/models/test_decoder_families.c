/* Each kind of decoder against the float64 implementation of decoder_oracle.py, in the open and between three parties:
 * a prompt, and tokens one by one over its caches. */
#include <dirent.h>
#include <math.h>
#include <unistd.h>

#include "models/decoding.h"
#include "models/files/json.h"
#include "models/model.h"
#include "ops/ops.h"
#include "runtime/session/session.h"
#include "tests/support/scratch.h"
#include "tests/support/three.h"

#define PYTHON "/usr/bin/python3"

enum { MODEL_OWNER = 0, DATA_OWNER = 1, PROMPT = 9, MOST_TOKENS = 32, CAPACITY = 32 };

typedef struct decoder_case {
    char path[512];
    json_t *json;
    tf_config config;
    tf_approx approx;
    tf_safetensors *weights;
    bool public_weights;
    int32_t ids[MOST_TOKENS];
    size_t tokens;
    double *logits; /* tokens x vocabulary */
} decoder_case;

static void open_case(const char *directory, const char *name, decoder_case *c) {
    char path[600];
    snprintf(c->path, sizeof c->path, "%s/%s", directory, name);
    snprintf(path, sizeof path, "%s/case.json", c->path);
    works(tf_json_open(path, 1 << 24, &c->json));
    works(tf_config_read(c->path, &c->config));
    works(tf_approx_parse("exact", &c->approx));
    works(tf_safetensors_open(c->path, &c->weights));
    const json_t *ids = json_object_get(c->json, "ids");
    c->tokens = json_array_size(ids);
    cr_assert(c->tokens > PROMPT && c->tokens <= MOST_TOKENS);
    for (size_t i = 0; i < c->tokens; i++) c->ids[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    c->logits = calloc(c->tokens * c->config.vocabulary, sizeof *c->logits);
}

static void close_case(decoder_case *c) {
    tf_config_free(&c->config);
    tf_safetensors_close(c->weights);
    json_decref(c->json);
    free(c->logits);
}

/* The largest difference from the oracle's logits; `largest`: of their magnitudes. */
static double error_of(const decoder_case *c, double *largest) {
    const json_t *rows = json_object_get(c->json, "logits");
    double worst = 0;
    *largest = 0;
    for (size_t i = 0; i < c->tokens; i++)
        for (size_t k = 0; k < c->config.vocabulary; k++) {
            double wanted = json_number_value(json_array_get(json_array_get(rows, i), k));
            worst = fmax(worst, fabs(c->logits[i * c->config.vocabulary + k] - wanted));
            *largest = fmax(*largest, fabs(wanted));
        }
    return worst;
}

/* A pass over the rows that follow `length` others. */
static tf_status make_pass(const decoder_case *c, size_t length, size_t rows, bool ids, bool weights, tf_decoding *d,
                           tf_graph *graph) {
    TF_TRY(tf_decoding_make(&c->config, 1, rows, length ? CAPACITY : rows, d));
    d->every_row = true;
    tf_decoding_set(&c->config, d, &(size_t){0}, length);
    tf_batch batch = {.texts = 1, .length = rows, .ids = ids ? c->ids + length : NULL, .decoding = d};
    return tf_model_build(&c->config, &c->approx, &batch, weights ? c->weights : NULL, c->public_weights, graph);
}

static void run_plain(decoder_case *c) {
    tf_plain_state state = {0};
    for (size_t at = 0; at < c->tokens;) {
        size_t rows = at ? 1 : PROMPT;
        tf_decoding d;
        tf_graph graph;
        tf_array out;
        works(make_pass(c, at, rows, true, true, &d, &graph));
        works(tf_graph_plain_with(&graph, &state, &out, NULL, NULL));
        cr_assert_eq(tf_shape_count(out.shape), rows * c->config.vocabulary, "%s", c->path);
        for (size_t i = 0; i < tf_shape_count(out.shape); i++)
            c->logits[at * c->config.vocabulary + i] = (double)out.data[i];
        free(out.data);
        tf_graph_free(&graph);
        tf_decoding_free(&d);
        at += rows;
    }
    tf_plain_state_free(&state);
}

static tf_status run_party(tf_link *link, int id, void *context) {
    decoder_case *c = context;
    tf_session session;
    tf_status status = TF_OK;
    TF_TRY(tf_session_open(&session, link));
    for (size_t at = 0; at < c->tokens && status == TF_OK;) {
        size_t rows = at ? 1 : PROMPT;
        tf_decoding d;
        tf_graph graph;
        tf_session_stats stats;
        status = make_pass(c, at, rows, id == DATA_OWNER, id == MODEL_OWNER || c->public_weights, &d, &graph);
        double *out = id == DATA_OWNER ? c->logits + at * c->config.vocabulary : NULL;
        if (status == TF_OK) status = tf_session_run(&session, &graph, 16, MODEL_OWNER, DATA_OWNER, out, &stats, NULL);
        tf_graph_free(&graph);
        tf_decoding_free(&d);
        at += rows;
    }
    tf_session_close(&session);
    return status;
}

static double private_error(decoder_case *c, double *largest) {
    three_outcome outcome;
    memset(c->logits, 0, c->tokens * c->config.vocabulary * sizeof *c->logits);
    cr_assert_eq(three_do(run_party, c, &outcome), TF_OK, "%s: %s", c->path, tf_error());
    return error_of(c, largest);
}

static void check_case(const char *directory, const char *name) {
    decoder_case c = {.tokens = 0};
    double largest;
    open_case(directory, name, &c);
    run_plain(&c);
    double plain = error_of(&c, &largest), private = private_error(&c, &largest);
    c.public_weights = true;
    double public = private_error(&c, &largest);
    printf("%-16s plain %.1e, private %.1e, with public weights %.1e, of %.2f\n", name, plain, private, public,
           largest);
    cr_expect(plain < 1e-3, "%s in the open: %g", name, plain);
    cr_expect(private < 0.01 * largest, "%s between three parties: %g of %g", name, private, largest);
    cr_expect(public < 0.01 * largest, "%s with public weights: %g of %g", name, public, largest);
    close_case(&c);
}

Test(decoder_families, say_what_float64_says, .timeout = 600) {
    char command[1024];
    size_t cases = 0;
    if (system(PYTHON " -c 'import numpy' 2>/dev/null"))
        cr_skip_test(PYTHON " has no numpy (apt-get install python3-numpy)");
    scratch_make();
    works(tf_ops_register());
    snprintf(command, sizeof command, PYTHON " %s/tests/models/decoder_oracle.py %s", TREFOIL_SOURCE_DIR, scratch);
    cr_assert_eq(system(command), 0);
    DIR *list = opendir(scratch);
    cr_assert(list);
    for (const struct dirent *entry; (entry = readdir(list));) {
        if (*entry->d_name == '.') continue;
        check_case(scratch, entry->d_name);
        cases++;
    }
    closedir(list);
    cr_assert_eq(cases, 11);
    scratch_remove();
}
