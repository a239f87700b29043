#include "experiments/app/service/plain_side.h"

#include <stdio.h>
#include <stdlib.h>

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
