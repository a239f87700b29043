#include <stdlib.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/report/certificate.h"
#include "experiments/app/report/results.h"
#include "experiments/app/service/plain.h"
#include "net/base/clock.h"

static tf_status compute(const command_line *o, model_files *model, text_list *texts, double start) {
    TF_TRY(model_open_tokenizer(model));
    TF_TRY(model_open_weights(model));
    text_batches batches;
    token_settings tokens;
    TF_TRY(settings_of_tokens(o, &tokens));
    report_form form = settings_of_report(o);
    batch_settings cut = settings_of_batches(o, o->out ? EMPTY_FAILS : EMPTY_MARKED);
    if (o->out && tf_model_output(&model->config).per_token)
        return tf_fail(TF_INVALID, "certify is for models that give one result for a text");
    TF_TRY(batches_make(texts, model->tokenizer, &model->config, &cut, &batches));
    float *values = NULL;
    tf_status status = batches_allocate(&batches, &model->config, &values);
    double ready = tf_clock();
    if (status == TF_OK) status = plain_run(model, &batches, NULL, values);
    double end = tf_clock();
    if (status == TF_OK && o->out)
        status = certificate_write(&form, o->out, model, texts, &batches, values);
    else if (status == TF_OK)
        status =
            results_print(&(result_report){.form = &form,
                                           .model = model,
                                           .texts = texts,
                                           .batches = &batches,
                                           .tokens = &tokens,
                                           .values = values,
                                           .seconds_total = end - start,
                                           .run = {.seconds_setup = ready - start, .seconds_online = end - ready}});
    free(values);
    batches_free(&batches);
    return status;
}

static tf_status run(const command_line *o) {
    double start = tf_clock();
    model_files model;
    text_list texts;
    model_settings settings = settings_of_model(o);
    settings.best_only = false; /* everything is known here */
    text_source source = settings_of_texts(o);
    TF_TRY(model_open(&settings, &model));
    model_warn(&model);
    tf_status status = texts_read(&source, &texts);
    if (status == TF_OK) {
        status = compute(o, &model, &texts, start);
        texts_free(&texts);
    }
    model_close(&model);
    return status;
}

const trefoil_command command_plain = {
    .name = "plain",
    .summary = "run a model in floating point, with the same approximations",
    .description = "Runs the model in floating point in one process: what infer computes privately, with the same "
                   "approximations and the same form of output.",
    .example = {"trefoil plain --model DIR --input texts.txt",
                "trefoil plain --model DIR --text \"a good film\" --approx paper --json"},
    .accepts =
        (const char[]){
            OPTION_QUIET,    OPTION_FILL_MASK,  OPTION_AGGREGATION, OPTION_TOP,
            OPTION_MODEL,    OPTION_TEXT,       OPTION_INPUT,       OPTION_LIMIT,
            OPTION_TRUNCATE, OPTION_MAX_LENGTH, OPTION_FORMAT,      OPTION_STRICT,
            OPTION_COLUMNS,  OPTION_BATCH,      OPTION_TOKENIZER,   OPTION_TOKENIZER_DIGEST,
            OPTION_PAD_TO,   OPTION_APPROX,     OPTION_PLUGIN,      0,
        },
    .requires = (const char[]){OPTION_MODEL, 0},
    .run = run,
};

const trefoil_command command_certify = {
    .name = "certify",
    .summary = "certify a model's results on texts, for decoys",
    .description =
        "Runs the model over texts in floating point and writes texts and results to a file, for data owners "
        "who mix some of them among their own: infer and party with --decoys. The model's owner publishes "
        "the file and its digest. The texts should be like those that are asked about, and hundreds.",
    .example = {"trefoil certify --model DIR --input public.txt --out certified.json",
                "trefoil certify --model DIR --input reviews.tsv --limit 400 --approx paper --out certified.json"},
    .accepts =
        (const char[]){
            OPTION_MODEL,
            OPTION_OUT,
            OPTION_INPUT,
            OPTION_LIMIT,
            OPTION_FORMAT,
            OPTION_COLUMNS,
            OPTION_BATCH,
            OPTION_APPROX,
            OPTION_PLUGIN,
            0,
        },
    .requires = (const char[]){OPTION_MODEL, OPTION_INPUT, OPTION_OUT, 0},
    .run = run,
};
