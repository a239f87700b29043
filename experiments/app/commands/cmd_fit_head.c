#include <stdlib.h>
#include <string.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/data/head_directory.h"
#include "experiments/app/report/outcomes.h"
#include "experiments/app/service/plain.h"
#include "models/fit_head.h"
#include "net/base/clock.h"

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

static tf_status make_labelling(const text_list *texts, labelling *out) {
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
static tf_status embed(const command_line *o, model_files *model, text_list *texts, float **embeddings) {
    model->config.head = TF_HEAD_EMBEDDING; /* whatever head the model has */
    model->config.sentence_head = false;
    text_batches batches;
    TF_TRY(model_open_tokenizer(model));
    TF_TRY(model_open_weights(model));
    batch_settings cut = settings_of_batches(o, EMPTY_LEFT_OUT);
    TF_TRY(batches_make(texts, model->tokenizer, &model->config, &cut, &batches));
    tf_status status = batches_allocate(&batches, &model->config, embeddings);
    if (status == TF_OK) status = plain_run(model, &batches, NULL, *embeddings);
    batches_free(&batches);
    return status;
}

static tf_status fit(const command_line *o, model_files *model, const text_list *texts, const labelling *labels,
                     const float *embeddings, double start) {
    double embedded = tf_clock(), accuracy;
    report_form form = settings_of_report(o);
    size_t hidden = tf_model_width(&model->config);
    float *weight = calloc(labels->count, hidden * sizeof *weight), *bias = calloc(labels->count, sizeof *bias);
    tf_status status = weight && bias ? TF_OK : tf_fail(TF_NOMEM, "out of memory");
    if (status == TF_OK)
        status = tf_fit_logistic(embeddings, labels->of_text, texts->count, hidden, labels->count, l2, weight, bias,
                                 &accuracy);
    double fitted = tf_clock();
    linear_head head = {labels->count, hidden, labels->name, weight, bias};
    if (status == TF_OK) status = head_directory_write(o->out, model, &head, o->approx);
    if (status == TF_OK)
        status = head_print(
            &form, &(head_outcome){o->out, texts->count, labels->count, accuracy, embedded - start, fitted - embedded});
    free(weight);
    free(bias);
    return status;
}

static tf_status run(const command_line *o) {
    double start = tf_clock();
    model_files model;
    text_list texts = {0};
    labelling labels = {0};
    float *embeddings = NULL;
    model_settings settings = settings_of_model(o);
    text_source source = settings_of_data(o);
    TF_TRY(model_open(&settings, &model));
    tf_status status = texts_read_data(&source, true, &texts);
    if (status == TF_OK) status = embed(o, &model, &texts, &embeddings);
    if (status == TF_OK) status = make_labelling(&texts, &labels);
    if (status == TF_OK) status = fit(o, &model, &texts, &labels, embeddings, start);
    free(embeddings);
    free(labels.name);
    free(labels.of_text);
    texts_free(&texts);
    model_close(&model);
    return status;
}

const trefoil_command command_fit_head = {
    .name = "fit-head",
    .summary = "fit a classifier on a model's frozen sentence embeddings",
    .description =
        "Fits multinomial logistic regression on the frozen sentence embeddings of labelled texts, in floating "
        "point, by the model owner, and writes an ordinary model directory with the classifier.",
    .example = {"trefoil fit-head --model DIR --data train.tsv --out CLASSIFIER",
                "trefoil fit-head --model DIR --data train.jsonl --out CLASSIFIER --approx paper"},
    .accepts =
        (const char[]){
            OPTION_QUIET,
            OPTION_MODEL,
            OPTION_DATA,
            OPTION_COLUMNS,
            OPTION_OUT,
            OPTION_LIMIT,
            OPTION_TRUNCATE,
            OPTION_MAX_LENGTH,
            OPTION_FORMAT,
            OPTION_STRICT,
            OPTION_BATCH,
            OPTION_APPROX,
            OPTION_PLUGIN,
            0,
        },
    .requires = (const char[]){OPTION_MODEL, OPTION_DATA, OPTION_OUT, 0},
    .run = run,
};
