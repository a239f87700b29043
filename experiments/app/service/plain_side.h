/** The plain model on a thread of its own, beside a private batch, so that the other parties need not wait for it. */
#ifndef TF_APP_PLAIN_SIDE_H
#define TF_APP_PLAIN_SIDE_H

#include <pthread.h>

#include "experiments/app/data/model_files.h"

typedef struct plain_side {
    const model_files *model;
    const tf_batch *batch;
    tf_ranges *seen;
    tf_array out;
    tf_status status;
    char error[1024];
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
