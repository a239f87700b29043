#include <stdlib.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/report/results.h"

static tf_status compute(const cli_options *o, model_files *model, const cli_texts *texts, double start) {
    TF_TRY(model_open_tokenizer(model));
    TF_TRY(model_open_weights(model));
    cli_batches batches;
    TF_TRY(batches_make(texts, model->tokenizer, &model->config, o->batch ? o->batch : TEXTS_A_BATCH, o->truncate,
                        &batches));
    float *values = calloc(texts->count, tf_model_width(&model->config) * sizeof *values);
    tf_status status = values ? TF_OK : tf_fail(TF_NOMEM, "out of memory for the results of %zu texts", texts->count);
    double ready = tf_clock();
    if (status == TF_OK) status = plain_run(model, &batches, NULL, values);
    double end = tf_clock();
    if (status == TF_OK)
        status = results_print(&(cli_results){.options = o,
                                              .model = model,
                                              .texts = texts,
                                              .values = values,
                                              .seconds_total = end - start,
                                              .run = {.seconds_setup = ready - start, .seconds_online = end - ready}});
    free(values);
    batches_free(&batches);
    return status;
}

static tf_status run(const cli_options *o) {
    double start = tf_clock();
    model_files model;
    cli_texts texts;
    TF_TRY(model_open(o, &model));
    model_warn_untrained(&model);
    tf_status status = texts_read(o, &texts);
    if (status == TF_OK) {
        status = compute(o, &model, &texts, start);
        texts_free(&texts);
    }
    model_close(&model);
    return status;
}

const cli_command command_plain = {
    .name = "plain",
    .summary = "run a model in floating point, with the same approximations",
    .description = "Runs the model in floating point in one process: what infer computes privately, with the same "
                   "approximations and the same form of output.",
    .accepts = (const char[]){OPTION_MODEL, OPTION_TEXT, OPTION_INPUT, OPTION_LIMIT, OPTION_TRUNCATE, OPTION_BATCH,
                              OPTION_APPROX, OPTION_PLUGIN, 0},
    .requires = (const char[]){OPTION_MODEL, 0},
    .run = run,
};
