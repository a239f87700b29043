/** The model in floating point, with the same approximations. */
#ifndef TF_APP_PLAIN_H
#define TF_APP_PLAIN_H

#include <pthread.h>

#include "experiments/app/data/batches.h"
#include "experiments/app/data/model_files.h"

/** Runs the model in floating point on one batch: texts x width, or texts x length x width, in the order of its rows.
 * The caller frees out->data. The largest magnitude at each node is noted in `seen`, unless that is NULL. */
TF_CHECKED tf_status plain_batch(const model_files *model, const tf_batch *batch, tf_ranges *seen, tf_array *out);

/**
 * Runs the model in floating point on batches; values (see batches_allocate) are in the order of the texts, not of the
 * rows. Shows progress on stderr when that is a terminal.
 */
TF_CHECKED tf_status plain_run(const model_files *model, const text_batches *batches, tf_ranges *seen, float *values);

/** A batch on a thread of its own, beside a private one, so that the other parties need not wait for it. */
typedef struct plain_side {
    const model_files *model;
    const tf_batch *batch;
    tf_ranges *seen;
    tf_array out;
    tf_failure failure;
    bool running;
    pthread_t thread;
} plain_side;

/** Starts one batch; it, the model and `seen` (see plain_batch) must stay until it is finished. */
TF_CHECKED tf_status plain_side_start(plain_side *side, const model_files *model, const tf_batch *batch,
                                      tf_ranges *seen);

/** Waits for it; the caller frees *values (texts x width, in the order of the rows). */
TF_CHECKED tf_status plain_side_finish(plain_side *side, float **values);

/** Waits for what may be running and drops it. */
void plain_side_stop(plain_side *side);

#endif
