#include "experiments/app/service/party_infer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/data/model_files.h"
#include "experiments/app/log/log.h"
#include "experiments/app/log/progress.h"
#include "experiments/app/parties/links.h"
#include "experiments/app/service/likelihood.h"
#include "net/base/clock.h"
#include "net/base/secret.h"
#include "runtime/session/measure.h"

enum { OWNERS_TEXT = 80 };

tf_digest ranges_digest(const tf_ranges *ranges) {
    size_t count = ranges ? ranges->count : 0;
    tf_digest part[3] = {{{0}}};
    if (count) part[0] = tf_digest_of(ranges->entry, count * sizeof *ranges->entry);
    if (count) part[1] = tf_digest_of(&ranges->factor, sizeof ranges->factor);
    if (count) part[2] = tf_digest_of(&ranges->unguarded, sizeof ranges->unguarded);
    return tf_digest_of(part, sizeof part);
}

/** An owner in words: "outside", or the party. */
static const char *owner_text(int owner, char text[16]) {
    snprintf(text, 16, owner == TF_OUTSIDE ? "outside" : "party %d", owner);
    return text;
}

static tf_fact owners_fact(const run_settings *o, char text[OWNERS_TEXT]) {
    char model[16], data[16];
    snprintf(text, OWNERS_TEXT, "model %s, data %s%s", owner_text(o->model_owner, model),
             owner_text(o->data_owner, data), o->public_weights ? ", public weights" : "");
    return tf_fact_of("who owns what (--model-owner, --data-owner, --public-weights, or share files)", text);
}

tf_status party_agree_owners(tf_session *session, const run_settings *o) {
    char owners[OWNERS_TEXT];
    tf_fact fact = owners_fact(o, owners);
    return party_doing(tf_session_agree(session, &fact, 1), "comparing settings");
}

/**
 * The digest of the tokenizer: what the model owner tells (or each party's part of a shared model), but at a data owner
 * that holds to one of its own that digest, so that a difference ends all three. 32 B from the model owner to each.
 */
static tf_status tokenizer_fact(tf_session *session, const private_job *job, tf_fact *fact) {
    const run_settings *o = job->settings;
    const tf_digest none = {{0}};
    *fact = (tf_fact){.name = "the tokenizer (the data owner holds to its own: --tokenizer, --tokenizer-digest)"};
    bool offers = session->party.id == o->model_owner || o->model_owner == TF_OUTSIDE;
    if (offers) fact->digest = job->offered_tokenizer;
    if (offers && job->directory && tf_digest_equal(&fact->digest, &none))
        TF_TRY(tokenizer_directory_digest(job->directory, &fact->digest));
    if (o->model_owner != TF_OUTSIDE)
        TF_TRY(tf_session_publish(session, o->model_owner, &fact->digest, sizeof fact->digest));
    bool pinned = session->party.id == o->data_owner && !tf_digest_equal(&job->pinned_tokenizer, &none);
    if (pinned && !tf_digest_equal(&fact->digest, &none)) fact->digest = job->pinned_tokenizer;
    return TF_OK;
}

/** Where it was asked for, or nobody told and the parties are on several hosts. */
static tf_status measure_network(tf_session *session, const run_settings *o) {
    bool here = false;
    char text[TF_NETWORK_TEXT];
    session->network = (tf_network){0};
    if (!o->measures && o->round_bytes > 0) return TF_OK;
    if (!o->measures) TF_TRY(tf_session_on_one_host(session, &here));
    if (here) return TF_OK;
    TF_TRY(tf_session_measure(session));
    log_line(LOG_DEBUG, "the network is %s", tf_network_text(&session->network, text));
    return TF_OK;
}

run_network party_network(const tf_session *session, const run_settings *o) {
    if (session->network.rate > 0) return (run_network){NETWORK_MEASURED, session->network};
    return (run_network){o->network.rate > 0 ? NETWORK_TOLD : NETWORK_DEFAULT, o->network};
}

/** What must be the same before any weight or text is touched. */
tf_status party_agree(tf_session *session, const private_job *job) {
    const run_settings *o = job->settings;
    const party_shares *shares = job->shares ? &job->shares[session->party.id] : NULL;
    char approximations[TF_APPROX_TEXT], precision[64], network[64], owners[OWNERS_TEXT];
    tf_digest architecture, weights = {{0}}, texts = {{0}};
    TF_TRY(tf_architecture_digest(job->config, &architecture));
    if (shares && shares->weights) weights = shares->root;
    if (shares) texts = shares->texts.id;
    snprintf(precision, sizeof precision, "%d", o->fraction_bits);
    if (!o->measures && o->round_bytes > 0)
        snprintf(network, sizeof network, "%.17g B a round", o->round_bytes);
    else
        snprintf(network, sizeof network, o->measures ? "measured" : "not told");
    tf_fact tokenizer;
    TF_TRY(party_doing(tokenizer_fact(session, job, &tokenizer), "comparing settings"));
    tf_fact facts[] = {
        {.name = "the calibrated ranges (ranges.json, --no-guard)", .digest = ranges_digest(job->ranges)},
        tf_fact_of("their version of trefoil", TREFOIL_VERSION),
        {.name = "the model's architecture (config.json)", .digest = architecture},
        tf_fact_of("the approximations (--approx)", tf_approx_text(job->approx, approximations)),
        tf_fact_of("the precision (--frac-bits)", precision),
        tf_fact_of("the network that is planned for (--network)", network),
        owners_fact(o, owners),
        tokenizer,
        tf_fact_of("what is revealed of masked words (--reveal)", job->config->best_only ? "token" : "logits"),
        {.name = "the sharing of the model (--model-shares)", .digest = weights},
        {.name = "the sharing of the texts (--input-shares)", .digest = texts},
    };
    TF_TRY(party_doing(tf_session_agree(session, facts, sizeof facts / sizeof *facts), "comparing settings"));
    return party_doing(measure_network(session, o), "measuring the network");
}

/** The public facts of a batch, from the data owner to all. The caller frees *lengths. */
static tf_status publish_batch(tf_session *session, int data_owner, tf_batch *batch, size_t **lengths) {
    enum { MOST_TEXTS = 1 << 20 };
    uint64_t facts[5] = {batch->texts, batch->length, batch->pairs, batch->hidden, batch->picks};
    TF_TRY(tf_session_publish(session, data_owner, facts, sizeof facts));
    if (facts[0] < 1 || facts[0] > MOST_TEXTS || facts[1] < 1 || facts[1] > MOST_TEXTS || facts[2] > 1 ||
        facts[3] > 1 || facts[4] > facts[1])
        return tf_fail_public(TF_FORMAT, "party %d announced a batch that cannot be", data_owner);
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
                        .hidden = facts[3],
                        .picks = (size_t)facts[4],
                        .pick = batch->pick,
                        .lengths = *lengths,
                        .mask = batch->mask,
                        .weights = batch->weights,
                        .ids = batch->ids,
                        .types = batch->types};
    return status;
}

typedef struct progress {
    double setup, online;
    size_t texts;
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
static tf_status run_kept(tf_session *session, const run_settings *o, const tf_graph *graph, size_t width,
                          kept_results *kept, tf_session_stats *stats) {
    const tf_compiled *compiled;
    tf_view view = {.c = {kept->component[0] + kept->row * width, kept->component[1] + kept->row * width}};
    TF_TRY(tf_session_compile(session, graph, o->fraction_bits, o->model_owner, o->data_owner, &compiled));
    kept->type = *tf_compiled_output(compiled, 0);
    return tf_session_execute(session, compiled, graph, &(tf_slots){.kept = &view}, stats, NULL);
}

/** Where a batch is, for whoever looks at the terminal. */
typedef struct batch_place {
    progress_line *line;
    const tf_graph *graph;
    double work; /* of the whole batch */
} batch_place;

static void show_round(void *context, double part, int op) {
    const batch_place *at = context;
    progress_within(at->line, part * at->work, op >= 0 ? at->graph->node[op].name : NULL);
}

static tf_status run_batch(tf_session *session, const private_job *job, const tf_batch *batch, double *output,
                           kept_results *kept, progress_line *line, progress *sum) {
    const run_settings *o = job->settings;
    bool holds_weights = session->party.id == o->model_owner || o->public_weights;
    tf_graph graph;
    tf_session_stats stats;
    tf_batch taken = *batch;
    tf_decoding decoding = {.texts = 0};
    tf_graph_init(&graph);
    tf_status status = job->scores ? likelihood_batch(job->config, &taken, &decoding) : TF_OK;
    if (status == TF_OK)
        status = tf_model_build(job->config, job->approx, &taken, holds_weights ? job->weights : NULL,
                                o->public_weights, &graph);
    if (status == TF_OK && job->ranges) tf_ranges_apply(job->ranges, &graph);
    graph.check_copies = o->check_copies;
    graph.round_bytes = o->round_bytes;
    batch_place at = {line, &graph, (double)batch->texts * (double)batch->length};
    if (line) {
        progress_within(line, 0, "sharing weights");
        session->party.watch = show_round;
        session->party.watch_context = &at;
    }
    if (status == TF_OK && o->data_owner == TF_OUTSIDE)
        status = run_kept(session, o, &graph, tf_model_width(job->config), kept, &stats);
    else if (status == TF_OK)
        status = tf_session_run(session, &graph, o->fraction_bits, o->model_owner, o->data_owner, output, &stats, NULL);
    session->party.watch = NULL;
    tf_graph_free(&graph);
    tf_decoding_free(&decoding);
    tf_session_truncate(session, 0); /* a decoder's caches */
    if (status != TF_OK) return status;
    sum->texts += batch->texts;
    sum->setup += stats.setup_seconds;
    sum->online += stats.online.seconds;
    sum->rounds += stats.rounds;
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) sum->bytes[i][j] += stats.bytes[i][j];
    return TF_OK;
}

party_counters party_read_counters(const tf_link *link) {
    return (party_counters){tf_link_read_counters(link), tf_link_read_wire_counters(link)};
}

/** Every party tells what it sent in all, so that the data owner can report the whole. */
static tf_status report_run(tf_session *session, const progress *sum, double open_seconds, const party_counters *before,
                            run_report *report) {
    party_counters now = party_read_counters(session->party.link);
    uint64_t everything = 0, on_wire = 0, online = 0;
    for (int party = 0; party < TF_PARTIES; party++) {
        uint64_t sent[2][TF_PARTIES];
        for (int j = 0; j < TF_PARTIES; j++) {
            sent[0][j] = now.payload.bytes_sent[j] - before->payload.bytes_sent[j];
            sent[1][j] = now.wire.bytes_sent[j] - before->wire.bytes_sent[j];
        }
        TF_TRY(tf_session_publish(session, party, sent, sizeof sent));
        for (int j = 0; j < TF_PARTIES; j++) everything += sent[0][j], on_wire += sent[1][j];
    }
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) {
            report->links[i][j] = sum->bytes[i][j];
            online += sum->bytes[i][j];
        }
    report->rounds = report->forecast_rounds = sum->rounds; /* a difference would have ended the run */
    report->forecast_bytes = online;
    report->bytes_setup = everything - online;
    report->bytes_encryption = on_wire - everything;
    report->seconds_setup = open_seconds + sum->setup;
    report->seconds_online = sum->online;
    report->texts = sum->texts;
    return TF_OK;
}

/** What was added to a sum. */
static run_report added(const progress *sum, const progress *before) {
    run_report run = {.seconds_setup = sum->setup - before->setup,
                      .seconds_online = sum->online - before->online,
                      .rounds = sum->rounds - before->rounds};
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) run.links[i][j] = sum->bytes[i][j] - before->bytes[i][j];
    return run;
}

/** Hands a batch's results over, by the order of the texts and to the watch. */
static tf_status deliver(const private_job *job, size_t b, size_t row, const double *output, const run_report *run,
                         float *values) {
    size_t width = tf_model_width(job->config);
    const tf_batch *batch = &job->batches->batch[b];
    size_t tokens = tf_model_rows(job->config, batch);
    for (size_t i = 0; values && i < batch->texts * tokens; i++) {
        float *to = batches_row(job->batches, job->batches->order[row + i / tokens], i % tokens, width, values);
        for (size_t k = 0; to && k < width; k++) to[k] = (float)output[i * width + k];
    }
    return job->watch ? job->watch->end(job->watch->context, b, output, run) : TF_OK;
}

static tf_status infer_batch(tf_session *session, const private_job *job, size_t b, size_t row, float *values,
                             progress_line *line, progress *sum) {
    const run_settings *o = job->settings;
    bool owner = session->party.id == o->data_owner;
    tf_batch batch = owner ? job->batches->batch[b] : (tf_batch){0};
    size_t *lengths = NULL;
    progress before = *sum;
    if (owner && job->watch) TF_TRY(job->watch->begin(job->watch->context, b));
    tf_status status =
        party_doing(publish_batch(session, o->data_owner, &batch, &lengths), "telling the lengths of texts");
    size_t rows = batch.texts * tf_model_rows(job->config, &batch);
    double *output = status == TF_OK && owner ? calloc(rows, tf_model_width(job->config) * sizeof *output) : NULL;
    if (status == TF_OK && owner && !output) status = tf_fail(TF_NOMEM, "no memory for the results");
    if (status == TF_OK) status = run_batch(session, job, &batch, output, NULL, line, sum);
    run_report run = added(sum, &before);
    if (status == TF_OK && owner) status = deliver(job, b, row, output, &run, values);
    free(output);
    free(lengths);
    return status;
}

tf_status party_await_request(tf_session *session, int data_owner, bool may_rest, uint64_t *batches) {
    tf_link *link = session->party.link;
    double deadline = tf_link_deadline(link);
    if (may_rest && session->party.id != data_owner) tf_link_set_deadline(link, INFINITY);
    tf_status status = tf_session_publish(session, data_owner, batches, sizeof *batches);
    tf_link_set_deadline(link, deadline);
    if (status == TF_OK && *batches > 0) {
        log_next_request();
        links_request(true);
    }
    return party_doing(status, "waiting for a request");
}

tf_status party_answer(tf_session *session, const private_job *job, float *values, double open_seconds,
                       const party_counters *before, bool may_rest, run_report *report, bool *asked) {
    const run_settings *o = job->settings;
    bool owner = session->party.id == o->data_owner;
    size_t row = 0;
    progress_line own, *line = owner && job->line ? job->line : NULL;
    uint64_t batches = owner && job->batches ? job->batches->count : 0;
    progress sum = {0};
    TF_TRY(party_await_request(session, o->data_owner, may_rest, &batches));
    *asked = batches > 0;
    if (!*asked) return TF_OK;
    report->began = tf_clock();
    if (owner && !line) progress_begin(line = &own, "private model", job->batches->texts, batches_work(job->batches));
    tf_status status = TF_OK;
    for (uint64_t b = 0; b < batches && status == TF_OK; b++) {
        const tf_batch *batch = owner ? &job->batches->batch[b] : NULL;
        status = infer_batch(session, job, b, row, owner ? values : NULL, line, &sum);
        if (owner) row += batch->texts;
        if (line == &own) progress_step(line, batch->texts, (double)batch->texts * (double)batch->length);
    }
    if (line == &own) progress_end(line);
    if (status != TF_OK) return status;
    report->network = party_network(session, o);
    return party_doing(report_run(session, &sum, open_seconds, before, report), "adding up what was sent");
}

static tf_status run_shared(tf_session *session, const private_job *job, kept_results *kept, progress *sum) {
    const party_shares *shares = &job->shares[session->party.id];
    size_t width = tf_model_width(job->config);
    for (size_t b = 0; b < shares->texts.batches; b++) {
        TF_TRY(run_batch(session, job, &shares->texts.batch[b], NULL, kept, NULL, sum));
        kept->row += shares->texts.batch[b].texts;
    }
    tf_share_results results = {.texts = shares->texts.texts,
                                .listed = shares->texts.listed,
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
static tf_status infer_shared(tf_session *session, const private_job *job, progress *sum) {
    if (tf_model_output(job->config).per_token)
        return tf_fail_public(TF_INVALID, "results for each token are not kept as shares");
    size_t count = job->shares[session->party.id].texts.texts * tf_model_width(job->config);
    const size_t size = count * sizeof(uint64_t);
    kept_results kept = {.component = {tf_secret_alloc(size), tf_secret_alloc(size)}};
    tf_status status = kept.component[0] && kept.component[1] ? run_shared(session, job, &kept, sum)
                                                              : tf_fail(TF_NOMEM, "no memory for the results");
    for (int j = 0; j < 2; j++) tf_secret_free(kept.component[j], size);
    return status;
}

tf_status party_answer_shared(tf_session *session, const private_job *job, double open_seconds, run_report *report) {
    const party_counters none = {0};
    progress sum = {0};
    report->began = tf_clock();
    TF_TRY(infer_shared(session, job, &sum));
    report->network = party_network(session, job->settings);
    return party_doing(report_run(session, &sum, open_seconds, &none, report), "adding up what was sent");
}

tf_status party_open_session(tf_link *link, const private_job *job, tf_provider *provider, tf_session *session) {
    tf_status status = tf_session_open(session, link);
    if (status != TF_OK) return party_doing(status, "making keys");
    status = tf_party_set_threads(&session->party, job->settings->threads);
    if (job->range_check) tf_range_check_attach(job->range_check, &session->party);
    if (job->shares) party_shares_lend(&job->shares[session->party.id], job->settings->stream, provider, session);
    if (status != TF_OK) tf_session_close(session);
    return status;
}

tf_status party_infer(tf_link *link, const private_job *job, float *values, run_report *report) {
    const run_settings *o = job->settings;
    double start = tf_clock();
    bool asked;
    tf_session session;
    tf_provider provider;
    const party_counters none = {0};
    TF_TRY(party_open_session(link, job, &provider, &session));
    tf_status status = party_agree(&session, job);
    if (status == TF_OK && o->data_owner == TF_OUTSIDE)
        status = party_answer_shared(&session, job, tf_clock() - start, report);
    else if (status == TF_OK)
        status = party_answer(&session, job, values, tf_clock() - start, &none, false, report, &asked);
    tf_session_close(&session);
    return status;
}

static tf_status identify(tf_session *session, const private_job *job, model_digest *digest) {
    const run_settings *o = job->settings;
    tf_link *link = session->party.link;
    const int id = session->party.id;
    model_digest told = {0};
    tf_ticket ticket;
    TF_TRY(party_agree(session, job));
    if (id == o->model_owner) TF_TRY(tf_safetensors_digest(job->weights, told.byte));
    if (o->model_owner != o->data_owner && id == o->model_owner) {
        TF_TRY(tf_link_send(link, o->data_owner, &told, sizeof told, &ticket));
        TF_TRY(tf_link_wait(link, ticket));
    }
    if (o->model_owner != o->data_owner && id == o->data_owner) {
        TF_TRY(tf_link_receive(link, o->model_owner, &told, sizeof told, &ticket));
        TF_TRY(tf_link_wait(link, ticket));
    }
    if (id == o->data_owner) *digest = told; /* under --local the parties are threads: one writes */
    return TF_OK;
}

tf_status party_identify(tf_link *link, const private_job *job, model_digest *digest) {
    tf_session session;
    TF_TRY(tf_session_open(&session, link));
    tf_status status = identify(&session, job, digest);
    tf_session_close(&session);
    return status;
}
