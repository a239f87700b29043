#include "models/library/trefoil.h"

#include <stdlib.h>
#include <string.h>

#include "models/model.h"
#include "ops/ops.h"
#include "runtime/session/session.h"

struct trefoil_session {
    trefoil_settings settings;
    tf_session session;
};

struct trefoil_model {
    tf_config config;
    tf_approx approx;
    tf_safetensors *weights;
    tf_tokenizer *tokenizer;
};

trefoil_settings trefoil_default_settings(void) {
    return (trefoil_settings){.frac_bits = 16, .model_owner = 0, .data_owner = 1, .threads = 1};
}

const char *trefoil_library_version(void) {
    return TREFOIL_VERSION;
}

static tf_status check_settings(const trefoil_settings *s) {
    if (s->frac_bits < 8 || s->frac_bits > 24)
        return tf_fail_public(TF_INVALID, "%d fractional bits; 8 to 24 are possible", s->frac_bits);
    if (s->model_owner < 0 || s->model_owner >= TF_PARTIES || s->data_owner < 0 || s->data_owner >= TF_PARTIES)
        return tf_fail_public(TF_INVALID, "owners are parties 0 to 2, not %d and %d", s->model_owner, s->data_owner);
    if (s->threads < 1) return tf_fail_public(TF_INVALID, "%d threads; 1 is the least", s->threads);
    return TF_OK;
}

tf_status trefoil_session_open(tf_link *link, const trefoil_settings *settings, trefoil_session **session) {
    *session = NULL;
    TF_TRY(check_settings(settings));
    TF_TRY(tf_ops_register());
    trefoil_session *self = calloc(1, sizeof *self);
    if (!self) return tf_fail(TF_NOMEM, "no memory for a session");
    self->settings = *settings;
    tf_status status = tf_session_open(&self->session, link);
    int agreed[] = {settings->frac_bits, settings->model_owner, settings->data_owner};
    tf_fact fact = {.name = "their settings (fractional bits, owners)", .digest = tf_digest_of(agreed, sizeof agreed)};
    if (!status) status = tf_session_agree(&self->session, &fact, 1);
    if (!status) status = tf_party_set_threads(&self->session.party, settings->threads);
    if (status) {
        trefoil_session_close(self);
        return status;
    }
    *session = self;
    return TF_OK;
}

void trefoil_session_close(trefoil_session *session) {
    if (session) tf_session_close(&session->session);
    free(session);
}

static void fill_cost(const tf_session_stats *stats, trefoil_cost *cost) {
    if (!cost) return;
    *cost = (trefoil_cost){.rounds = stats->rounds,
                           .memory = stats->memory,
                           .seconds = stats->online.seconds,
                           .setup_seconds = stats->setup_seconds};
    memcpy(cost->bytes, stats->bytes, sizeof cost->bytes);
}

tf_status trefoil_session_run(trefoil_session *session, const tf_graph *graph, double *const *output,
                              trefoil_cost *cost) {
    const trefoil_settings *s = &session->settings;
    const tf_compiled *compiled;
    tf_session_stats stats;
    double *receiver[TF_MAX_OUTPUTS];
    for (int i = 0; i < graph->outputs; i++) {
        if (graph->output[i].to == TF_KEPT)
            return tf_fail_public(TF_INVALID, "output %d stays shared, for which a session has no room", i);
        receiver[i] = output ? output[i] : NULL;
    }
    TF_TRY(tf_session_compile(&session->session, graph, s->frac_bits, s->model_owner, s->data_owner, &compiled));
    TF_TRY(tf_session_execute(&session->session, compiled, graph, &(tf_slots){.output = receiver}, &stats, NULL));
    fill_cost(&stats, cost);
    return TF_OK;
}

tf_status trefoil_model_open(const char *directory, const char *approx, unsigned parts, trefoil_model **model) {
    *model = NULL;
    TF_TRY(tf_ops_register());
    trefoil_model *self = calloc(1, sizeof *self);
    if (!self) return tf_fail(TF_NOMEM, "no memory for a model");
    tf_status status = tf_config_read(directory, &self->config);
    if (!status)
        status = tf_approx_parse(approx ? approx : *self->config.approx ? self->config.approx : "exact", &self->approx);
    if (!status && parts & TREFOIL_WEIGHTS) status = tf_safetensors_open(directory, &self->weights);
    if (!status && parts & TREFOIL_TOKENIZER) status = tf_tokenizer_open(directory, &self->tokenizer);
    if (status) {
        tf_failure kept;
        tf_failure_keep(status, &kept);
        trefoil_model_close(self);
        return tf_failure_raise(&kept);
    }
    *model = self;
    return TF_OK;
}

void trefoil_model_close(trefoil_model *model) {
    if (!model) return;
    tf_tokenizer_close(model->tokenizer);
    tf_safetensors_close(model->weights);
    tf_config_free(&model->config);
    free(model);
}

size_t trefoil_model_width(const trefoil_model *model) {
    return tf_model_width(&model->config);
}

const char *trefoil_model_label(const trefoil_model *model, size_t i, char *buffer, size_t size) {
    return tf_model_label(&model->config, i, buffer, size);
}

/* Inference -------------------------------------------------------------------------------------------------------- */

enum { MOST_TEXTS = 1 << 16 };

/** Compares what decides on the graph besides the settings. */
static tf_status agree_on_model(trefoil_session *session, const trefoil_model *model) {
    char list[TF_APPROX_TEXT];
    tf_approx_text(&model->approx, list);
    tf_fact fact[] = {{.name = "the model's architecture (config.json)"}, tf_fact_of("the approximations", list)};
    TF_TRY(tf_architecture_digest(&model->config, &fact[0].digest));
    return tf_session_agree(&session->session, fact, sizeof fact / sizeof *fact);
}

/** Texts as ids, each in an array of its own; free_ids frees them. */
typedef struct id_list {
    int32_t **ids;
    uint64_t *count;
} id_list;

static void free_ids(id_list *list, size_t texts) {
    for (size_t i = 0; list->ids && i < texts; i++) free(list->ids[i]);
    free(list->ids);
    free(list->count);
}

static tf_status read_texts(const trefoil_model *model, const char *const *texts, size_t count, id_list *list) {
    size_t longest = tf_model_longest(&model->config);
    if (!model->tokenizer) return tf_fail(TF_INVALID, "the data owner's model was opened without its tokenizer");
    if (!count || count > MOST_TEXTS) return tf_fail(TF_INVALID, "%zu texts; 1 to %d are possible", count, MOST_TEXTS);
    list->ids = calloc(count, sizeof *list->ids);
    list->count = calloc(count, sizeof *list->count);
    if (!list->ids || !list->count) return tf_fail(TF_NOMEM, "no memory for %zu texts", count);
    for (size_t i = 0; i < count; i++) {
        int32_t *types;
        size_t length;
        TF_TRY(tf_tokenize(model->tokenizer, texts[i], strlen(texts[i]), NULL, 0, longest, false, &list->ids[i], &types,
                           &length));
        free(types);
        list->count[i] = length;
    }
    return TF_OK;
}

/** The batch that all parties build alike: lengths are told by the data owner, whose ids stay where they are. */
static tf_status publish_batch(trefoil_session *session, const trefoil_model *model, id_list *own, size_t count,
                               tf_batch *batch, size_t **lengths, int32_t **ids) {
    int owner = session->settings.data_owner;
    uint64_t texts = count;
    TF_TRY(tf_session_publish(&session->session, owner, &texts, sizeof texts));
    if (!texts || texts > MOST_TEXTS)
        return tf_fail_public(TF_FORMAT, "party %d announced a batch that cannot be", owner);
    uint64_t *told = calloc(texts, sizeof *told);
    *lengths = calloc(texts, sizeof **lengths);
    tf_status status = told && *lengths ? TF_OK : tf_fail(TF_NOMEM, "no memory for %zu texts", (size_t)texts);
    if (!status && own->count) memcpy(told, own->count, texts * sizeof *told);
    if (!status) status = tf_session_publish(&session->session, owner, told, texts * sizeof *told);
    *batch = (tf_batch){.texts = (size_t)texts, .lengths = *lengths};
    for (size_t i = 0; i < texts && !status; i++) {
        (*lengths)[i] = (size_t)told[i];
        if (!told[i] || told[i] > tf_model_longest(&model->config))
            status = tf_fail_public(TF_FORMAT, "party %d announced a text of a length that cannot be", owner);
        if ((*lengths)[i] > batch->length) batch->length = (*lengths)[i];
    }
    free(told);
    if (status || !own->ids) return status;
    batch->ids = *ids = calloc(texts * batch->length, sizeof **ids);
    if (!*ids) return tf_fail(TF_NOMEM, "no memory for a batch");
    for (size_t i = 0; i < texts; i++)
        for (size_t k = 0; k < batch->length; k++)
            (*ids)[i * batch->length + k] = k < (*lengths)[i] ? own->ids[i][k] : model->config.pad_token;
    return TF_OK;
}

tf_status trefoil_model_infer(trefoil_session *session, const trefoil_model *model, const char *const *texts,
                              size_t count, double *values, trefoil_cost *cost) {
    int party = session->session.party.id;
    bool owner = party == session->settings.data_owner, lends = party == session->settings.model_owner;
    if (tf_model_output(&model->config).per_token)
        return tf_fail_public(TF_INVALID, "the model's output is one per token: run its graph instead");
    if (lends && !model->weights) return tf_fail(TF_INVALID, "the model owner's model was opened without its weights");
    id_list own = {0};
    size_t *lengths = NULL;
    int32_t *ids = NULL;
    tf_batch batch;
    tf_graph graph;
    tf_graph_init(&graph);
    tf_status status = owner ? read_texts(model, texts, count, &own) : TF_OK;
    if (!status) status = agree_on_model(session, model);
    if (!status) status = publish_batch(session, model, &own, owner ? count : 0, &batch, &lengths, &ids);
    if (!status)
        status = tf_model_build(&model->config, &model->approx, &batch, lends ? model->weights : NULL, false, &graph);
    if (!status) status = trefoil_session_run(session, &graph, &values, cost);
    tf_graph_free(&graph);
    free_ids(&own, count);
    free(lengths);
    free(ids);
    return status;
}
