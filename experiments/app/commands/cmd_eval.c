#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/log/progress.h"
#include "experiments/app/report/eval_report.h"
#include "experiments/app/report/range_report.h"
#include "experiments/app/service/cost.h"
#include "experiments/app/service/infer.h"
#include "experiments/app/service/likelihood.h"
#include "experiments/app/service/party_infer.h"
#include "experiments/app/service/plain.h"
#include "net/base/clock.h"
#include "net/base/hex.h"

/* What this process holds. Without the data owner's role, the model alone. */
typedef struct evaluation {
    const command_line *options;
    model_files model;
    text_list texts;
    text_batches batches;
    eval_task task;
    eval_store store;
    plain_side plain; /* runs beside the private batch, with --check or --check-ranges */
    tf_ranges seen;   /* in floating point, with --check-ranges */
    tf_range_check *range_check;
    progress_line progress;
    size_t row;   /* of the batches, how many are finished */
    double since; /* when the last of them was, or when this run began */
    float *values;
    tf_digest *digest; /* of the examples */
} evaluation;

static void release(evaluation *e) {
    plain_side_stop(&e->plain);
    if (e->store.header) eval_store_close(&e->store);
    if (e->task.config) eval_task_free(&e->task);
    free(e->values);
    free(e->digest);
    tf_ranges_free(&e->seen);
    tf_range_check_free(e->range_check);
    batches_free(&e->batches);
    texts_free(&e->texts);
    model_close(&e->model);
}

/* What is wrong with the data or the metrics is found before anything is computed. One group `shows` warnings. */
static tf_status open_data(evaluation *e, int groups, bool shows, eval_metrics *metrics) {
    const command_line *o = e->options;
    tf_head head = e->model.config.head;
    if (head == TF_HEAD_EMBEDDING || head == TF_HEAD_MASKED)
        return tf_fail(TF_INVALID, "%s has nothing to evaluate: it gives %s", e->model.directory,
                       head == TF_HEAD_MASKED ? "words for masks" : "embeddings");
    if (shows) model_warn(&e->model);
    TF_TRY(model_open_tokenizer(&e->model));
    text_source source = settings_of_data(o);
    TF_TRY(texts_read_data(&source, head != TF_HEAD_CAUSAL, &e->texts));
    size_t share = (e->texts.count + (size_t)groups - 1) / (size_t)groups;
    batch_settings cut = settings_of_batches(o, EMPTY_LEFT_OUT);
    if (o->pad_to && e->model.config.head == TF_HEAD_CAUSAL)
        return tf_fail(TF_INVALID,
                       "--pad-to is for models that read texts: of one that continues them lengths are public");
    if (!o->batch && share < TEXTS_A_BATCH) cut.most = share;
    if (!o->batch && head == TF_HEAD_CAUSAL) cut.most = 1; /* logits after each token are many */
    TF_TRY(batches_make(&e->texts, e->model.tokenizer, &e->model.config, &cut, &e->batches));
    TF_TRY(eval_task_make(&e->model.config, &e->texts, &e->batches, &e->task));
    return eval_metrics_find(o->metric, &e->task, metrics);
}

/* Digests of tokens and labels, whatever the batches are. */
static tf_status digest_rows(evaluation *e) {
    size_t row = 0;
    tf_digest *digest = e->digest = calloc(EVAL_ROW * e->texts.count, sizeof *digest);
    if (!digest) return tf_fail(TF_NOMEM, "out of memory");
    for (size_t b = 0; b < e->batches.count; b++) {
        const tf_batch *batch = &e->batches.batch[b];
        for (size_t i = 0; i < batch->texts; i++, row++) {
            size_t index = e->batches.order[row], at = i * batch->length, bytes = batch->lengths[i] * sizeof(int32_t);
            const text_item *item = &e->texts.item[index];
            const char *label = item->label ? item->label : "";
            digest[EVAL_ROW * index] = tf_digest_of(batch->ids + at, bytes);
            digest[EVAL_ROW * index + 1] = tf_digest_of(batch->types + at, bytes);
            digest[EVAL_ROW * index + 2] = tf_digest_of(label, strlen(label));
            if (!item->question) continue;
            uint64_t cut[] = {item->given, item->question};
            tf_digest both[] = {digest[EVAL_ROW * index + 2], tf_digest_of(cut, sizeof cut)};
            digest[EVAL_ROW * index + 2] = tf_digest_of(both, sizeof both);
        }
    }
    return TF_OK;
}

/* What must be the same for a file of results to be continued. */
static tf_status make_store(evaluation *e, const model_digest *digest) {
    const command_line *o = e->options;
    char model[TF_DIGEST_TEXT], data[TF_DIGEST_TEXT], ranges[TF_DIGEST_TEXT], approx[TF_APPROX_TEXT];
    TF_TRY(digest_rows(e));
    tf_digest of_data = tf_digest_of(e->digest, EVAL_ROW * e->texts.count * sizeof *e->digest);
    tf_digest of_ranges = ranges_digest(&e->model.ranges);
    eval_facts facts = {.plain = o->plain,
                        .model = tf_hex_write(digest->byte, sizeof digest->byte, model),
                        .data = tf_digest_text(&of_data, data),
                        .approx = tf_approx_text(&e->model.approx, approx),
                        .fraction_bits = o->fraction_bits,
                        .ranges = e->model.calibrated ? tf_digest_text(&of_ranges, ranges) : NULL,
                        .check = o->check,
                        .row = e->digest};
    return eval_store_make(&e->store, o->out, &facts, &e->task);
}

static void start_progress(evaluation *e) {
    progress_begin(&e->progress, "evaluated", e->batches.texts, batches_work(&e->batches));
}

static tf_status begin_batch(void *context, size_t b) {
    evaluation *e = context;
    const command_line *o = e->options;
    if (!o->check && !o->check_ranges) return TF_OK;
    return plain_side_start(&e->plain, &e->model, &e->batches.batch[b], o->check_ranges ? &e->seen : NULL);
}

/* The first token of each text of a batch that reaches beyond the prompt, where texts are choices. */
static tf_status first_tokens(const evaluation *e, const tf_batch *batch, const size_t *index, size_t **first) {
    *first = calloc(batch->texts, sizeof **first);
    if (!*first) return tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < batch->texts; i++) {
        const encoded_text *text = &e->batches.text[index[i]];
        size_t given = e->texts.item[index[i]].given;
        while (given && (*first)[i] + 1 < batch->lengths[i] && text->place[(*first)[i]].end <= given) (*first)[i]++;
    }
    return TF_OK;
}

/* Brings a batch's values into the form of the store: of a decoder's logits the likelihoods are kept, of those of all
 * tokens the task's. The caller frees *rows. */
static tf_status reduce(const evaluation *e, size_t b, float *values, float **rows) {
    const tf_config *config = &e->model.config;
    const tf_batch *batch = &e->batches.batch[b];
    *rows = NULL;
    if (!values) return TF_OK;
    if (config->head != TF_HEAD_CAUSAL) return eval_task_pick(&e->task, batch, e->batches.order + e->row, values, rows);
    *rows = calloc(batch->texts, 2 * sizeof **rows);
    if (!*rows) return tf_fail(TF_NOMEM, "out of memory");
    size_t *first;
    TF_TRY(first_tokens(e, batch, e->batches.order + e->row, &first));
    tf_status status = likelihood_of(batch, config->vocabulary, first, values, *rows);
    free(first);
    return status;
}

/* A batch's seconds are those since the one before; what is not computing among the parties counts as set-up. */
static tf_status finish_batch(evaluation *e, size_t b, float *values, float *plain, run_report run) {
    const tf_batch *batch = &e->batches.batch[b];
    double now = tf_clock();
    run.seconds_setup = now - e->since - run.seconds_online;
    e->since = now;
    float *rows, *plain_rows = NULL;
    tf_status status = reduce(e, b, values, &rows);
    if (status == TF_OK) status = reduce(e, b, plain, &plain_rows);
    if (status == TF_OK)
        status = eval_store_append(&e->store, batch->texts, e->batches.order + e->row, rows, plain_rows, &run);
    free(rows);
    free(plain_rows);
    e->row += batch->texts;
    progress_step(&e->progress, batch->texts, (double)batch->texts * (double)batch->length);
    return status;
}

static tf_status end_batch(void *context, size_t b, const double *values, const run_report *run) {
    evaluation *e = context;
    const tf_batch *batch = &e->batches.batch[b];
    tf_output_form form = tf_model_output(&e->model.config);
    size_t count = batch->texts * (form.per_token ? batch->length : 1) * form.width;
    float *grown = realloc(e->values, count * sizeof *grown), *plain = NULL;
    if (!grown) return tf_fail(TF_NOMEM, "out of memory");
    e->values = grown;
    for (size_t i = 0; i < count; i++) grown[i] = (float)values[i];
    if (e->plain.running) TF_TRY(plain_side_finish(&e->plain, &plain));
    tf_status status = finish_batch(e, b, grown, e->options->check ? plain : NULL, *run);
    free(plain);
    return status;
}

/* Opens the store of this process's group and leaves its share of what is to be done in the batches. */
static tf_status open_store(evaluation *e, private_session *session, const model_digest *digest) {
    int group = 0, groups = 1;
    if (session) private_group(session, &group, &groups);
    TF_TRY(make_store(e, digest));
    if (group == 0) TF_TRY(eval_store_open(&e->store));
    if (session) TF_TRY(private_share(session, e->store.finished, e->texts.count * sizeof *e->store.finished));
    if (group > 0) TF_TRY(eval_store_open_part(&e->store, group));
    batches_keep(&e->batches, e->store.finished, (size_t)group, (size_t)groups);
    start_progress(e);
    e->progress.quiet |= group > 0; /* all shares are alike: one line tells */
    return TF_OK;
}

static tf_status evaluate_private(evaluation *e, private_session *session) {
    const command_line *o = e->options;
    run_settings settings = settings_of_run(o);
    report_form form = settings_of_report(o);
    bool model_owner = private_plays(session, o->model_owner), data_owner = private_plays(session, o->data_owner);
    int group, groups;
    eval_report report = {.private = true};
    model_digest digest;
    private_group(session, &group, &groups);
    report.groups = groups;
    model_settings opened = settings_of_model(o);
    opened.scores = true;
    TF_TRY(model_open(&opened, &e->model));
    if (model_owner || o->public_weights || (data_owner && o->check)) TF_TRY(model_open_weights(&e->model));
    if (data_owner) TF_TRY(open_data(e, groups, group == 0, &report.metrics));
    if (o->check_ranges) TF_TRY(tf_range_check_make(&e->range_check));
    private_job job = {
        .settings = &settings,
        .config = &e->model.config,
        .approx = &e->model.approx,
        .weights = model_owner || o->public_weights ? e->model.weights : NULL,
        .batches = data_owner ? &e->batches : NULL,
        .ranges = model_ranges(&e->model),
        .range_check = e->range_check,
        .scores = true,
        .directory = e->model.directory,
        .pinned_tokenizer = model_pinned_tokenizer(&e->model),
        .line = &e->progress,
        .watch = data_owner ? &(batch_watch){begin_batch, end_batch, e} : NULL,
    };
    TF_TRY(private_identify(session, &job, &digest));
    if (data_owner) TF_TRY(open_store(e, session, &digest));
    TF_TRY(private_infer(session, &job, NULL, &report.run));
    if (!data_owner) return TF_OK;
    progress_end(&e->progress);
    TF_TRY(private_meet(session));
    if (group > 0) return TF_OK;
    report.computed = e->row;
    TF_TRY(eval_store_gather(&e->store));
    TF_TRY(eval_report_print(&form, &e->store, &report));
    return o->check_ranges ? range_report(&form, o->report, e->range_check, &e->seen) : TF_OK;
}

static tf_status evaluate_plain(evaluation *e) {
    const command_line *o = e->options;
    report_form form = settings_of_report(o);
    eval_report report = {.groups = 1};
    model_digest digest;
    model_settings opened = settings_of_model(o);
    opened.scores = true;
    TF_TRY(model_open(&opened, &e->model));
    TF_TRY(model_open_weights(&e->model));
    TF_TRY(open_data(e, 1, true, &report.metrics));
    TF_TRY(tf_safetensors_digest(e->model.weights, digest.byte));
    TF_TRY(open_store(e, NULL, &digest));
    for (size_t b = 0; b < e->batches.count; b++) {
        tf_array out;
        double begun = tf_clock();
        TF_TRY(plain_batch(&e->model, &e->batches.batch[b], NULL, &out));
        run_report run = {.seconds_online = tf_clock() - begun};
        tf_status status = finish_batch(e, b, out.data, NULL, run);
        free(out.data);
        TF_TRY(status);
    }
    progress_end(&e->progress);
    report.computed = e->row;
    TF_TRY(eval_store_gather(&e->store));
    return eval_report_print(&form, &e->store, &report);
}

/* Opens all that an evaluation needs but the weights, and tells what it would take. */
static tf_status evaluate_nothing(evaluation *e) {
    const command_line *o = e->options;
    run_settings settings = settings_of_run(o);
    report_form form = settings_of_report(o);
    eval_plan plan = {.examples = 0};
    model_settings opened = settings_of_model(o);
    opened.scores = true;
    TF_TRY(model_open(&opened, &e->model));
    TF_TRY(open_data(e, 1, true, &plan.metrics));
    private_job job = {.settings = &settings,
                       .config = &e->model.config,
                       .approx = &e->model.approx,
                       .batches = &e->batches,
                       .ranges = model_ranges(&e->model),
                       .scores = true};
    tf_status status = o->plain ? TF_OK : cost_batches(&job, &plan.cost);
    plan.examples = e->texts.count;
    plan.batches = e->batches.count;
    plan.longest = e->batches.batch[e->batches.count - 1].length;
    if (status == TF_OK) status = eval_plan_print(&form, &plan);
    cost_report_free(&plan.cost);
    return status;
}

static tf_status run(const command_line *o) {
    evaluation e = {.options = o, .since = tf_clock()};
    tf_status status;
    if (o->dry_run) {
        status = evaluate_nothing(&e);
    } else if (o->plain) {
        status = evaluate_plain(&e);
    } else {
        private_session *session;
        TF_TRY(private_open_groups(&o->links, &session));
        status = evaluate_private(&e, session);
        private_close(session, status);
    }
    if (e.progress.what) progress_end(&e.progress);
    release(&e);
    return status;
}

static tf_status check(const command_line *o) {
    if (!o->out && !o->dry_run) return tf_fail(TF_INVALID, "eval needs --out (see --help)");
    if (o->plain && (o->check || o->links.local))
        return tf_fail(TF_INVALID, "eval takes either --plain, or --local and --check (see --help)");
    return TF_OK;
}

const trefoil_command command_eval = {
    .name = "eval",
    .summary = "evaluate a model privately on labelled texts, resumable",
    .description =
        "Evaluates a model on labelled texts: privately under mpirun -n 3 (or -n 3k: k groups of three divide the "
        "texts), with --local in one process, or with --plain in floating point. Finished examples are appended to the "
        "file of --out, and what is in it already is not computed again. Roles are those of infer. The labels of a "
        "model that tags words are the tags of a list of words (keys tokens and ner_tags), those of one that answers "
        "questions the true answers (SQuAD's keys), those of a multi-label classifier a list. Of a model that "
        "generates text it is the perplexity of texts, which need no labels, or of questions (lines of JSON with a "
        "prompt, "
        "choices and a label) the part whose right choice it finds likeliest; the data owner then gets the logits "
        "after "
        "each of its tokens.",
    .example = {"trefoil eval --model DIR --data dev.tsv --out results.jsonl --local --check",
                "mpirun -n 6 trefoil eval --model DIR --data dev.tsv --out results.jsonl"},
    .accepts =
        (const char[]){
            OPTION_QUIET,        OPTION_MODEL,          OPTION_PAD_TO,        OPTION_DATA,
            OPTION_COLUMNS,      OPTION_METRIC,         OPTION_OUT,           OPTION_LIMIT,
            OPTION_TRUNCATE,     OPTION_MAX_LENGTH,     OPTION_FORMAT,        OPTION_STRICT,
            OPTION_BATCH,        OPTION_APPROX,         OPTION_FRACTION_BITS, OPTION_MODEL_OWNER,
            OPTION_DATA_OWNER,   OPTION_PUBLIC_WEIGHTS, OPTION_PLAIN,         OPTION_CHECK,
            OPTION_CHECK_RANGES, OPTION_REPORT,         OPTION_NO_RANGES,     OPTION_NO_GUARD,
            OPTION_CHECK_COPIES, OPTION_NETWORK,        OPTION_TOKENIZER,     OPTION_TOKENIZER_DIGEST,
            OPTION_PLUGIN,       OPTION_DRY_RUN,        LINK_OPTIONS,         0,
        },
    .requires = (const char[]){OPTION_MODEL, OPTION_DATA, 0},
    .secrets = true,
    .check = check,
    .run = run,
};
