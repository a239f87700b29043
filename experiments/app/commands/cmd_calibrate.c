#include <stdlib.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/log/progress.h"
#include "experiments/app/report/outcomes.h"
#include "experiments/app/service/plain.h"
#include "net/base/clock.h"
#include "ops/ops.h"

/* Runs all batches and notes the largest magnitude at each node. */
static tf_status watch(const model_files *model, const text_batches *batches, tf_ranges *ranges) {
    progress_line progress;
    progress_begin(&progress, "calibrated", batches->texts, batches_work(batches));
    tf_status status = TF_OK;
    for (size_t b = 0; b < batches->count && status == TF_OK; b++) {
        const tf_batch *batch = &batches->batch[b];
        tf_array out;
        status = plain_batch(model, batch, ranges, &out);
        if (status != TF_OK) break;
        free(out.data);
        progress_step(&progress, batch->texts, (double)batch->texts * (double)batch->length);
    }
    progress_end(&progress);
    return status;
}

static tf_status calibrate(const command_line *o, model_files *model, text_list *texts, tf_ranges *ranges,
                           double start) {
    text_batches batches;
    report_form form = settings_of_report(o);
    TF_TRY(model_open_tokenizer(model));
    TF_TRY(model_open_weights(model));
    ranges->factor = o->factor;
    tf_approx_text(&model->approx, ranges->approx);
    TF_TRY(model_digest_text(model, ranges->model));
    batch_settings cut = settings_of_batches(o, EMPTY_LEFT_OUT);
    TF_TRY(batches_make(texts, model->tokenizer, &model->config, &cut, &batches));
    ranges->texts = texts->count;
    tf_status status = watch(model, &batches, ranges);
    batches_free(&batches);
    if (status == TF_OK) status = tf_ranges_check_rows(ranges, tf_norm_resolves);
    if (status == TF_OK) status = tf_ranges_write(o->model, ranges);
    return status == TF_OK ? calibration_print(&form, o->model, ranges, tf_clock() - start) : status;
}

static tf_status run(const command_line *o) {
    double start = tf_clock();
    model_files model;
    text_list texts = {0};
    tf_ranges ranges = {0};
    model_settings settings = settings_of_model(o);
    settings.best_only = false; /* logits have ranges too */
    text_source source = settings_of_data(o);
    TF_TRY(model_open(&settings, &model));
    tf_status status = texts_read_data(&source, false, &texts);
    if (status == TF_OK) status = calibrate(o, &model, &texts, &ranges, start);
    tf_ranges_free(&ranges);
    texts_free(&texts);
    model_close(&model);
    return status;
}

const trefoil_command command_calibrate = {
    .name = "calibrate",
    .summary = "record the largest magnitudes that texts cause in a model",
    .description =
        "Runs the model in floating point over texts and writes the largest magnitude at each node beside the model, "
        "as "
        "ranges.json, which keeps one calibration for each approximation. Private runs of these weights with this "
        "--approx then take every value to be within --factor times that, which makes "
        "them cheaper; the ranges become known to all three parties. A text that exceeds them gets a wrong result, "
        "which "
        "the data owner is told of.",
    .example = {"trefoil calibrate --model DIR --data train.tsv --limit 5000",
                "trefoil calibrate --model DIR --data train.jsonl --factor 3"},
    .accepts =
        (const char[]){
            OPTION_QUIET,
            OPTION_FILL_MASK,
            OPTION_MODEL,
            OPTION_DATA,
            OPTION_COLUMNS,
            OPTION_FACTOR,
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
    .requires = (const char[]){OPTION_MODEL, OPTION_DATA, 0},
    .run = run,
};
