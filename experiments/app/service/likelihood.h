/** How likely a decoder finds texts: the sum of its tokens' negative log-likelihoods, each given those before it. */
#ifndef TF_APP_LIKELIHOOD_H
#define TF_APP_LIKELIHOOD_H

#include "models/decoding.h"
#include "models/model.h"

/**
 * Makes a decoder's batch of texts that are padded behind: one pass whose logits come from every row. Fills `decoding`
 * (tf_decoding_free, also after a failure) and `batch`, which refers to it. Other models' batches stay as they are.
 */
TF_CHECKED tf_status likelihood_batch(const tf_config *config, tf_batch *batch, tf_decoding *decoding);

/**
 * From a batch's logits, texts x length x vocabulary, to texts x 2 (`out` may be `logits`): the sum, natural
 * logarithms, and how many tokens it is of: those from first[text] on (NULL: all), but never the first token of a text,
 * which has nothing before it.
 */
TF_CHECKED tf_status likelihood_of(const tf_batch *batch, size_t vocabulary, const size_t *first, const float *logits,
                                   float *out);

#endif
