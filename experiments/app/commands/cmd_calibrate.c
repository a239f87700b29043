#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/report/progress.h"
#include "experiments/app/report/results.h"

/* Runs all batches and notes the largest magnitude at each node. */
static tf_status watch(const model_files *model, const cli_batches *batches, tf_ranges *ranges) {
    cli_progress progress;
    double work = 0;
    for (size_t b = 0; b < batches->count; b++)
        work += (double)batches->batch[b].texts * (double)batches->batch[b].length;
    progress_begin(&progress, "calibrated", batches->texts, work);
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

static const tf_ranges_entry *largest(const tf_ranges *ranges) {
    const tf_ranges_entry *found = &ranges->entry[0];
    for (size_t i = 1; i < ranges->count; i++)
        if (ranges->entry[i].largest > found->largest) found = &ranges->entry[i];
    return found;
}

static tf_status report(const cli_options *o, const tf_ranges *ranges, double seconds) {
    const tf_ranges_entry *most = largest(ranges);
    if (o->json)
        return json_print(json_pack("{s:I,s:I,s:f,s:{s:s,s:f},s:{s:f}}", "texts", (json_int_t)ranges->texts, "nodes",
                                    (json_int_t)ranges->count, "factor", ranges->factor, "largest", "name", most->name,
                                    "magnitude", most->largest, "seconds", "total", seconds));
    printf("%s/ranges.json: %zu nodes over %zu texts in %.2f s; the largest magnitude is %.4g, at %s\n", o->model,
           ranges->count, ranges->texts, seconds, most->largest, most->name);
    return finish_output();
}

static tf_status calibrate(const cli_options *o, model_files *model, const cli_texts *texts, tf_ranges *ranges,
                           double start) {
    cli_batches batches;
    TF_TRY(model_open_tokenizer(model));
    TF_TRY(model_open_weights(model));
    ranges->factor = o->factor;
    ranges->texts = texts->count;
    tf_approx_text(&model->approx, ranges->approx);
    TF_TRY(model_digest_text(model, ranges->model));
    TF_TRY(batches_make(texts, model->tokenizer, &model->config, o->batch ? o->batch : TEXTS_A_BATCH, o->truncate,
                        &batches));
    tf_status status = watch(model, &batches, ranges);
    batches_free(&batches);
    if (status == TF_OK) status = tf_ranges_write(o->model, ranges);
    return status == TF_OK ? report(o, ranges, tf_clock() - start) : status;
}

static tf_status run(const cli_options *o) {
    double start = tf_clock();
    model_files model;
    cli_texts texts = {0};
    tf_ranges ranges = {0};
    TF_TRY(model_open(o, &model));
    tf_status status = texts_read_data(o, false, &texts);
    if (status == TF_OK) status = calibrate(o, &model, &texts, &ranges, start);
    tf_ranges_free(&ranges);
    texts_free(&texts);
    model_close(&model);
    return status;
}

const cli_command command_calibrate = {
    .name = "calibrate",
    .summary = "record the largest magnitudes that texts cause in a model",
    .description =
        "Runs the model in floating point over texts and writes the largest magnitude at each node beside the model, "
        "as "
        "ranges.json. Private runs of these weights then take every value to be within --factor times that, which "
        "makes "
        "them cheaper; the ranges become known to all three parties, and a text that exceeds them gets a wrong result.",
    .accepts = (const char[]){OPTION_MODEL, OPTION_DATA, OPTION_COLUMNS, OPTION_FACTOR, OPTION_LIMIT, OPTION_TRUNCATE,
                              OPTION_BATCH, OPTION_APPROX, OPTION_PLUGIN, 0},
    .requires = (const char[]){OPTION_MODEL, OPTION_DATA, 0},
    .run = run,
};
