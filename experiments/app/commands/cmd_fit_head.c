#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/data/head_directory.h"
#include "experiments/app/report/results.h"
#include "models/fit_head.h"

static const double l2 = 1e-4; /* suits normalised embeddings; see models/fit_head.h */

/* The distinct labels in alphabetical order, and each text's. */
typedef struct labelling {
    char **name; /* strings belong to the texts */
    size_t count;
    int *of_text;
} labelling;

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static tf_status make_labelling(const cli_texts *texts, labelling *out) {
    *out = (labelling){calloc(texts->count, sizeof *out->name), 0, calloc(texts->count, sizeof *out->of_text)};
    if (!out->name || !out->of_text) return tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < texts->count; i++) out->name[i] = texts->item[i].label;
    qsort(out->name, texts->count, sizeof *out->name, by_name);
    for (size_t i = 0; i < texts->count; i++)
        if (i == 0 || strcmp(out->name[i], out->name[out->count - 1]) != 0) out->name[out->count++] = out->name[i];
    for (size_t i = 0; i < texts->count; i++) {
        char **found = bsearch(&texts->item[i].label, out->name, out->count, sizeof *out->name, by_name);
        out->of_text[i] = (int)(found - out->name);
    }
    return out->count >= 2 ? TF_OK : tf_fail(TF_INVALID, "%s names one label only; two are needed", texts->file);
}

/* The texts' frozen sentence embeddings, texts x hidden. */
static tf_status embed(const cli_options *o, model_files *model, const cli_texts *texts, float **embeddings) {
    model->config.head = TF_HEAD_EMBEDDING; /* whatever head the model has */
    model->config.sentence_head = false;
    cli_batches batches;
    TF_TRY(model_open_tokenizer(model));
    TF_TRY(model_open_weights(model));
    TF_TRY(batches_make(texts, model->tokenizer, &model->config, o->batch ? o->batch : TEXTS_A_BATCH, o->truncate,
                        &batches));
    *embeddings = calloc(texts->count, model->config.hidden * sizeof **embeddings);
    tf_status status = *embeddings ? plain_run(model, &batches, NULL, *embeddings) : tf_fail(TF_NOMEM, "out of memory");
    batches_free(&batches);
    return status;
}

static tf_status report(const cli_options *o, const linear_head *head, size_t texts, double accuracy,
                        double embed_seconds, double fit_seconds) {
    if (o->json)
        return json_print(json_pack("{s:s,s:I,s:I,s:f,s:{s:f,s:f,s:f}}", "out", o->out, "texts", (json_int_t)texts,
                                    "labels", (json_int_t)head->labels, "train_accuracy", accuracy, "seconds", "total",
                                    embed_seconds + fit_seconds, "embed", embed_seconds, "fit", fit_seconds));
    printf("%s: %zu labels fitted on %zu texts, training accuracy %.1f%% (embeddings %.1f s, fit %.1f s)\n", o->out,
           head->labels, texts, 100 * accuracy, embed_seconds, fit_seconds);
    return finish_output();
}

static tf_status fit(const cli_options *o, model_files *model, const cli_texts *texts, const labelling *labels,
                     const float *embeddings, double start) {
    double embedded = tf_clock(), accuracy;
    size_t hidden = model->config.hidden;
    float *weight = calloc(labels->count, hidden * sizeof *weight), *bias = calloc(labels->count, sizeof *bias);
    tf_status status = weight && bias ? TF_OK : tf_fail(TF_NOMEM, "out of memory");
    if (status == TF_OK)
        status = tf_fit_logistic(embeddings, labels->of_text, texts->count, hidden, labels->count, l2, weight, bias,
                                 &accuracy);
    double fitted = tf_clock();
    linear_head head = {labels->count, hidden, labels->name, weight, bias};
    if (status == TF_OK) status = head_directory_write(o->out, model, &head, o->approx);
    if (status == TF_OK) status = report(o, &head, texts->count, accuracy, embedded - start, fitted - embedded);
    free(weight);
    free(bias);
    return status;
}

static tf_status run(const cli_options *o) {
    double start = tf_clock();
    model_files model;
    cli_texts texts = {0};
    labelling labels = {0};
    float *embeddings = NULL;
    TF_TRY(model_open(o, &model));
    tf_status status = texts_read_data(o, true, &texts);
    if (status == TF_OK) status = make_labelling(&texts, &labels);
    if (status == TF_OK) status = embed(o, &model, &texts, &embeddings);
    if (status == TF_OK) status = fit(o, &model, &texts, &labels, embeddings, start);
    free(embeddings);
    free(labels.name);
    free(labels.of_text);
    texts_free(&texts);
    model_close(&model);
    return status;
}

const cli_command command_fit_head = {
    .name = "fit-head",
    .summary = "fit a classifier on a model's frozen sentence embeddings",
    .description =
        "Fits multinomial logistic regression on the frozen sentence embeddings of labelled texts, in floating "
        "point, by the model owner, and writes an ordinary model directory with the classifier.",
    .accepts = (const char[]){OPTION_MODEL, OPTION_DATA, OPTION_COLUMNS, OPTION_OUT, OPTION_LIMIT, OPTION_TRUNCATE,
                              OPTION_BATCH, OPTION_APPROX, OPTION_PLUGIN, 0},
    .requires = (const char[]){OPTION_MODEL, OPTION_DATA, OPTION_OUT, 0},
    .run = run,
};
