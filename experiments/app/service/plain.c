#include "experiments/app/service/plain.h"

#include <stdlib.h>
#include <string.h>

#include "experiments/app/log/progress.h"
#include "experiments/app/parties/threads.h"
#include "experiments/app/service/likelihood.h"
#include "net/link_mpi.h"

enum { MOST_THREADS = 16 };

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
    /* With the weights as the file has them, for folding normalisations into them takes as long as some dozen texts do;
       ranges are those of the nodes that the parties' graph has. */
    if (status == TF_OK) status = tf_model_build(&model->config, &model->approx, &taken, model->weights, !seen, &graph);
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
    tf_failure_keep(plain_batch(side->model, side->batch, side->seen, &side->out), &side->failure);
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
    if (side->failure.status != TF_OK) return tf_failure_raise(&side->failure);
    *values = side->out.data;
    side->out.data = NULL;
    return TF_OK;
}

void plain_side_stop(plain_side *side) {
    if (!side->running) return;
    pthread_join(side->thread, NULL);
    side->running = false;
    if (side->failure.status == TF_OK) free(side->out.data);
}

/** Batches that are taken by threads as they come, the longest first, so that none is left alone at the end. */
typedef struct batch_queue {
    const model_files *model;
    const text_batches *batches;
    tf_ranges *seen;
    float *values;
    pthread_mutex_t lock; /* over what follows, and the values */
    size_t left, row;     /* batches that nobody has taken, and the rows of these */
    progress_line line;
    tf_failure failure; /* the first */
} batch_queue;

static void take_rows(const batch_queue *q, const tf_batch *batch, size_t row, const tf_array *out) {
    const size_t width = tf_model_width(&q->model->config);
    const size_t tokens = tf_shape_count(out->shape) / (batch->texts * width);
    for (size_t i = 0; i < batch->texts * tokens; i++) {
        float *to = batches_row(q->batches, q->batches->order[row + i / tokens], i % tokens, width, q->values);
        if (to) memcpy(to, out->data + i * width, width * sizeof *to);
    }
}

static void *work_on(void *argument) {
    batch_queue *q = argument;
    pthread_mutex_lock(&q->lock);
    while (q->left && q->failure.status == TF_OK) {
        const tf_batch *batch = &q->batches->batch[--q->left];
        const size_t row = q->row -= batch->texts;
        tf_array out;
        pthread_mutex_unlock(&q->lock);
        const tf_status status = plain_batch(q->model, batch, q->seen, &out);
        pthread_mutex_lock(&q->lock);
        if (status == TF_OK) {
            take_rows(q, batch, row, &out);
            free(out.data);
            progress_step(&q->line, batch->texts, (double)batch->texts * (double)batch->length);
            tf_mpi_busy(); /* with --check, when the others are done */
        } else if (q->failure.status == TF_OK) {
            tf_failure_keep(status, &q->failure);
        }
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

/** How many threads compute: one where ranges are recorded, which are one record. */
static size_t threads_of(const batch_queue *q) {
    const link_settings alone = {.id = 0};
    const size_t threads = (size_t)party_threads(&alone), most = q->left < MOST_THREADS ? q->left : MOST_THREADS;
    return q->seen ? 1 : threads < most ? threads : most;
}

tf_status plain_run(const model_files *model, const text_batches *batches, tf_ranges *seen, float *values) {
    batch_queue q = {.model = model,
                     .batches = batches,
                     .seen = seen,
                     .values = values,
                     .lock = PTHREAD_MUTEX_INITIALIZER,
                     .left = batches->count,
                     .row = batches->texts};
    const size_t threads = threads_of(&q);
    pthread_t helper[MOST_THREADS];
    size_t helpers = 0;
    progress_begin(&q.line, "plain model", batches->texts, batches_work(batches));
    while (helpers + 1 < threads && !pthread_create(&helper[helpers], NULL, work_on, &q)) helpers++;
    work_on(&q);
    while (helpers) pthread_join(helper[--helpers], NULL);
    progress_end(&q.line);
    return q.failure.status == TF_OK ? TF_OK : tf_failure_raise(&q.failure);
}
