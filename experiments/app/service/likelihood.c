#include "experiments/app/service/likelihood.h"

#include <math.h>
#include <stdlib.h>

tf_status likelihood_batch(const tf_config *config, tf_batch *batch, tf_decoding *decoding) {
    *decoding = (tf_decoding){.texts = 0};
    if (config->head != TF_HEAD_CAUSAL) return TF_OK;
    size_t *none = calloc(batch->texts, sizeof *none);
    if (!none) return tf_fail(TF_NOMEM, "no memory for %zu texts", batch->texts);
    tf_status status = tf_decoding_make(config, batch->texts, batch->length, batch->length, decoding);
    if (status == TF_OK) {
        decoding->every_row = true;
        tf_decoding_set(config, decoding, none, 0);
        *batch = (tf_batch){.texts = batch->texts, .length = batch->length, .ids = batch->ids, .decoding = decoding};
    }
    free(none);
    return status;
}

static double log_total(const float *logits, size_t count) {
    double best = (double)logits[0], sum = 0;
    for (size_t i = 1; i < count; i++) best = fmax(best, (double)logits[i]);
    for (size_t i = 0; i < count; i++) sum += exp((double)logits[i] - best);
    return best + log(sum);
}

tf_status likelihood_of(const tf_batch *batch, size_t vocabulary, const size_t *first, const float *logits,
                        float *out) {
    for (size_t t = 0; t < batch->texts; t++) {
        const int32_t *ids = batch->ids + t * batch->length;
        size_t from = first && first[t] > 1 ? first[t] : 1;
        double sum = 0;
        for (size_t i = from; i < batch->lengths[t]; i++) {
            const float *row = logits + (t * batch->length + i - 1) * vocabulary;
            sum += log_total(row, vocabulary) - (double)row[ids[i]];
        }
        if (!isfinite(sum)) return tf_fail(TF_RANGE, "the logits of a text are not finite");
        out[2 * t] = (float)sum;
        out[2 * t + 1] = (float)(batch->lengths[t] - from);
    }
    return TF_OK;
}
