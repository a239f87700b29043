#include "experiments/app/service/plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/log/progress.h"
#include "experiments/app/parties/threads.h"
#include "experiments/app/service/likelihood.h"

enum { MOST_SIDES = 16 };

static tf_shape output_shape(const tf_config *config, const tf_batch *batch) {
    tf_output_form form = tf_model_output(config);
    size_t rows = tf_model_rows(config, batch);
    if (config->best_only) return tf_dims(batch->texts, rows); /* a word for each */
    return form.per_token ? tf_dims(batch->texts, rows, form.width) : tf_dims(batch->texts, form.width);
}

tf_status plain_batch(const model_files *model, const tf_batch *batch, tf_ranges *seen, tf_array *out) {
    tf_ranges_watch watch = {.ranges = seen};
    tf_graph graph;
    tf_batch taken = *batch;
    tf_decoding decoding = {.texts = 0};
    tf_graph_init(&graph);
    tf_status status = model->scores ? likelihood_batch(&model->config, &taken, &decoding) : TF_OK;
    if (status == TF_OK) status = tf_model_build(&model->config, &model->approx, &taken, model->weights, false, &graph);
    if (status == TF_OK) status = tf_graph_plain(&graph, out, seen ? tf_ranges_watch_node : NULL, &watch);
    tf_graph_free(&graph);
    tf_decoding_free(&decoding);
    if (status == TF_OK && watch.status != TF_OK) {
        free(out->data);
        status = watch.status;
    }
    if (status == TF_OK && !tf_shape_equal(out->shape, output_shape(&model->config, batch))) {
        char shape[96];
        free(out->data);
        status = tf_fail(TF_INTERNAL, "the model's output has the shape %s", tf_shape_text(out->shape, shape));
    }
    return status;
}

static void *compute(void *argument) {
    plain_side *side = argument;
    side->status = plain_batch(side->model, side->batch, side->seen, &side->out);
    snprintf(side->error, sizeof side->error, "%s", side->status == TF_OK ? "" : tf_error());
    return NULL;
}

tf_status plain_side_start(plain_side *side, const model_files *model, const tf_batch *batch, tf_ranges *seen) {
    *side = (plain_side){.model = model, .batch = batch, .seen = seen};
    if (pthread_create(&side->thread, NULL, compute, side))
        return tf_fail(TF_NOMEM, "a thread for the plain model could not be started");
    side->running = true;
    return TF_OK;
}

tf_status plain_side_finish(plain_side *side, float **values) {
    pthread_join(side->thread, NULL);
    side->running = false;
    if (side->status != TF_OK) return tf_fail(side->status, "%s", side->error);
    *values = side->out.data;
    side->out.data = NULL;
    return TF_OK;
}

void plain_side_stop(plain_side *side) {
    if (!side->running) return;
    pthread_join(side->thread, NULL);
    side->running = false;
    if (side->status == TF_OK) free(side->out.data);
}

/** How many batches are computed at the same time: one where ranges are recorded, which are one record. */
static size_t sides_of(const tf_ranges *seen) {
    const link_settings alone = {.id = 0};
    const size_t threads = (size_t)party_threads(&alone);
    return seen ? 1 : threads < MOST_SIDES ? threads : MOST_SIDES;
}

static void take_rows(const text_batches *batches, const tf_batch *batch, size_t row, size_t width,
                      const plain_side *side, const float *computed, float *values) {
    size_t tokens = tf_shape_count(side->out.shape) / (batch->texts * width);
    for (size_t i = 0; i < batch->texts * tokens; i++) {
        float *to = batches_row(batches, batches->order[row + i / tokens], i % tokens, width, values);
        if (to) memcpy(to, computed + i * width, width * sizeof *values);
    }
}

tf_status plain_run(const model_files *model, const text_batches *batches, tf_ranges *seen, float *values) {
    const size_t width = tf_model_width(&model->config), sides = sides_of(seen);
    plain_side side[MOST_SIDES] = {{0}};
    size_t row = 0, begun = 0;
    tf_status status = TF_OK;
    progress_line line;
    progress_begin(&line, "plain model", batches->texts, batches_work(batches));
    for (size_t b = 0; b < batches->count && status == TF_OK; b++) {
        const tf_batch *batch = &batches->batch[b];
        float *computed = NULL;
        for (; begun < batches->count && begun < b + sides && status == TF_OK; begun++)
            status = plain_side_start(&side[begun % sides], model, &batches->batch[begun], seen);
        if (status == TF_OK) status = plain_side_finish(&side[b % sides], &computed);
        if (status != TF_OK) break;
        take_rows(batches, batch, row, width, &side[b % sides], computed, values);
        free(computed);
        row += batch->texts;
        progress_step(&line, batch->texts, (double)batch->texts * (double)batch->length);
    }
    for (size_t k = 0; k < sides; k++) plain_side_stop(&side[k]);
    progress_end(&line);
    return status;
}
