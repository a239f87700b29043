#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/cli/party_run.h"
#include "runtime/session.h"

static tf_digest text_digest(const char *text) {
    return tf_digest_of(text, strlen(text));
}

/** What must be the same before any weight or text is touched. */
static tf_status agree_on_settings(tf_session *session, const cli_options *o, const private_job *job) {
    const party_shares *shares = job->shares ? &job->shares[session->party.id] : NULL;
    char approximations[2048], precision[64], owners[64];
    tf_digest architecture, weights = {{0}}, texts = {{0}};
    TF_TRY(tf_architecture_digest(job->config, &architecture));
    if (shares && shares->weights) weights = shares->weights->id;
    if (shares) texts = shares->texts.id;
    int used = snprintf(approximations, sizeof approximations, "%s %s %s", job->approx->gelu, job->approx->softmax,
                        job->approx->layernorm);
    for (int i = 0; i < job->approx->exceptions && used > 0 && (size_t)used < sizeof approximations; i++)
        used += snprintf(approximations + used, sizeof approximations - (size_t)used, " %d %s %s",
                         job->approx->exception[i].layer, job->approx->exception[i].kind,
                         job->approx->exception[i].variant);
    snprintf(precision, sizeof precision, "%d", o->fraction_bits);
    snprintf(owners, sizeof owners, "%d %d %d", o->model_owner, o->data_owner, (int)o->public_weights);
    tf_fact facts[] = {
        {"their version of trefoil", text_digest(TREFOIL_VERSION)},
        {"the model's architecture (config.json)", architecture},
        {"the approximations (--approx)", text_digest(approximations)},
        {"the precision (--frac-bits)", text_digest(precision)},
        {"who owns what (--model-owner, --data-owner, --public-weights)", text_digest(owners)},
        {"the sharing of the model (--model-shares)", weights},
        {"the sharing of the texts (--input-shares)", texts},
    };
    return tf_session_agree(session, facts, sizeof facts / sizeof *facts);
}

/** The public facts of a batch, from the data owner to all. The caller frees *lengths. */
static tf_status publish_batch(tf_session *session, int data_owner, tf_batch *batch, size_t **lengths) {
    enum { MOST_TEXTS = 1 << 20 };
    uint64_t facts[3] = {batch->texts, batch->length, batch->pairs};
    TF_TRY(tf_session_publish(session, data_owner, facts, sizeof facts));
    if (facts[0] < 1 || facts[0] > MOST_TEXTS || facts[1] < 1 || facts[1] > MOST_TEXTS || facts[2] > 1)
        return tf_fail(TF_FORMAT, "party %d announced a batch that cannot be", data_owner);
    uint64_t *all = malloc(facts[0] * sizeof *all);
    *lengths = malloc(facts[0] * sizeof **lengths);
    if (!all || !*lengths) {
        free(all);
        return tf_fail(TF_NOMEM, "no memory for a batch of %zu texts", (size_t)facts[0]);
    }
    for (size_t i = 0; i < facts[0]; i++) all[i] = batch->lengths ? batch->lengths[i] : 0;
    tf_status status = tf_session_publish(session, data_owner, all, facts[0] * sizeof *all);
    for (size_t i = 0; i < facts[0]; i++) (*lengths)[i] = (size_t)all[i]; /* checked when the graph is built */
    free(all);
    *batch = (tf_batch){.texts = (size_t)facts[0],
                        .length = (size_t)facts[1],
                        .pairs = facts[2],
                        .lengths = *lengths,
                        .ids = batch->ids,
                        .types = batch->types};
    return status;
}

typedef struct progress {
    double setup, online;
    tf_traffic_matrix bytes;
    uint64_t rounds;
} progress;

/** The results that stay shared, by the rows of all batches. */
typedef struct kept_results {
    uint64_t *component[2];
    tf_type type;
    size_t row;
} kept_results;

/** Runs a batch whose owner is outside: its results are added to `kept`. */
static tf_status run_kept(tf_session *session, const cli_options *o, const tf_graph *graph, size_t width,
                          kept_results *kept, tf_session_stats *stats) {
    tf_program program;
    tf_view view = {.c = {kept->component[0] + kept->row * width, kept->component[1] + kept->row * width}};
    tf_slots slots = {.kept = &view};
    TF_TRY(tf_lower(graph, o->fraction_bits, o->model_owner, o->data_owner, &program));
    kept->type = program.node[program.nodes - 1].type;
    tf_status status = tf_session_run_program(session, &program, &slots, stats, NULL);
    tf_program_free(&program);
    return status;
}

static tf_status run_batch(tf_session *session, const cli_options *o, const private_job *job, const tf_batch *batch,
                           double *output, kept_results *kept, progress *sum) {
    bool holds_weights = session->party.id == o->model_owner || o->public_weights;
    tf_graph graph;
    tf_session_stats stats;
    tf_graph_init(&graph);
    tf_status status =
        tf_bert_build(job->config, job->approx, batch, holds_weights ? job->weights : NULL, o->public_weights, &graph);
    if (status == TF_OK && o->data_owner == TF_OUTSIDE)
        status = run_kept(session, o, &graph, model_width(job->config), kept, &stats);
    else if (status == TF_OK)
        status = tf_session_run(session, &graph, o->fraction_bits, o->model_owner, o->data_owner, output, &stats, NULL);
    tf_graph_free(&graph);
    if (status != TF_OK) return status;
    sum->setup += stats.setup_seconds;
    sum->online += stats.online.seconds;
    sum->rounds += stats.rounds;
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) sum->bytes[i][j] += stats.bytes[i][j];
    return TF_OK;
}

/** Every party tells what it sent in all, so that the data owner can report the whole. */
static tf_status report_run(tf_session *session, const progress *sum, double open_seconds, run_report *report,
                            bool reports) {
    tf_link_counters counters = tf_link_read_counters(session->party.link);
    uint64_t everything = 0, online = 0;
    for (int party = 0; party < TF_PARTIES; party++) {
        uint64_t sent[TF_PARTIES];
        memcpy(sent, counters.bytes_sent, sizeof sent);
        TF_TRY(tf_session_publish(session, party, sent, sizeof sent));
        for (int j = 0; j < TF_PARTIES; j++) everything += sent[j];
    }
    if (!reports) return TF_OK;
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) {
            report->links[i][j] = sum->bytes[i][j];
            online += sum->bytes[i][j];
        }
    report->rounds = report->forecast_rounds = sum->rounds; /* a difference would have ended the run */
    report->forecast_bytes = online;
    report->bytes_setup = everything - online;
    report->seconds_setup = open_seconds + sum->setup;
    report->seconds_online = sum->online;
    return TF_OK;
}

/** Batches of the data owner, one of the parties, who gets the results. */
static tf_status infer_owned(tf_session *session, const cli_options *o, const private_job *job, float *values,
                             progress *sum) {
    bool owner = session->party.id == o->data_owner;
    size_t width = model_width(job->config), row = 0;
    uint64_t batches = owner ? job->batches->count : 0;
    TF_TRY(tf_session_publish(session, o->data_owner, &batches, sizeof batches));
    for (uint64_t b = 0; b < batches; b++) {
        tf_batch batch = owner ? job->batches->batch[b] : (tf_batch){0};
        size_t *lengths = NULL;
        tf_status status = publish_batch(session, o->data_owner, &batch, &lengths);
        double *output = status == TF_OK && owner ? malloc(batch.texts * width * sizeof *output) : NULL;
        if (status == TF_OK && owner && !output) status = tf_fail(TF_NOMEM, "no memory for the results");
        if (status == TF_OK && owner) show_progress("private model: text", row, job->batches->texts);
        if (status == TF_OK) status = run_batch(session, o, job, &batch, output, NULL, sum);
        for (size_t i = 0; status == TF_OK && owner && i < batch.texts; i++, row++)
            for (size_t k = 0; k < width; k++)
                values[job->batches->order[row] * width + k] = (float)output[i * width + k];
        free(output);
        free(lengths);
        TF_TRY(status);
    }
    if (owner) show_progress("private model: text", row, job->batches->texts);
    return TF_OK;
}

static tf_status run_shared(tf_session *session, const cli_options *o, const private_job *job, kept_results *kept,
                            progress *sum) {
    const party_shares *shares = &job->shares[session->party.id];
    size_t width = model_width(job->config);
    for (size_t b = 0; b < shares->texts.batches; b++) {
        TF_TRY(run_batch(session, o, job, &shares->texts.batch[b], NULL, kept, sum));
        kept->row += shares->texts.batch[b].texts;
    }
    tf_share_results results = {.texts = shares->texts.texts,
                                .width = width,
                                .order = shares->texts.order,
                                .frac = kept->type.frac,
                                .bits = kept->type.bits,
                                .component = {kept->component[0], kept->component[1]}};
    if (session->party.id == 0) TF_TRY(tf_digest_random(&results.id));
    TF_TRY(tf_session_publish(session, 0, &results.id, sizeof results.id));
    return tf_share_results_write(shares->results, session->party.id, &results);
}

/** Batches whose owner is outside: the results stay shared. */
static tf_status infer_shared(tf_session *session, const cli_options *o, const private_job *job, progress *sum) {
    size_t count = job->shares[session->party.id].texts.texts * model_width(job->config);
    kept_results kept = {.component = {calloc(count, sizeof(uint64_t)), calloc(count, sizeof(uint64_t))}};
    tf_status status = kept.component[0] && kept.component[1] ? run_shared(session, o, job, &kept, sum)
                                                              : tf_fail(TF_NOMEM, "no memory for the results");
    free(kept.component[0]);
    free(kept.component[1]);
    return status;
}

static tf_status infer(tf_session *session, const cli_options *o, const private_job *job, float *values,
                       double open_seconds, run_report *report) {
    progress sum = {0};
    bool outside = o->data_owner == TF_OUTSIDE;
    TF_TRY(agree_on_settings(session, o, job));
    if (outside)
        TF_TRY(infer_shared(session, o, job, &sum));
    else
        TF_TRY(infer_owned(session, o, job, values, &sum));
    return report_run(session, &sum, open_seconds, report, session->party.id == (outside ? 0 : o->data_owner));
}

tf_status party_infer(tf_link *link, const cli_options *o, const private_job *job, float *values, run_report *report) {
    double start = tf_clock();
    tf_session session;
    tf_provider provider;
    TF_TRY(tf_session_open(&session, link));
    if (o->model_shares) {
        provider = tf_share_weights_provider(job->shares[session.party.id].weights);
        session.store.provider = &provider;
        session.store.stream = o->stream;
    }
    tf_status status = infer(&session, o, job, values, tf_clock() - start, report);
    tf_session_close(&session);
    return status;
}
