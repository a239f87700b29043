/**
 * What sampling is: of the logits divided by the temperature the top_k largest are kept; of these those before which,
 * from the largest down, less than top_p of their probability lies; of these those whose probability is at least min_p
 * of the largest one. One of what is left is drawn with the probability that softmax gives it. The order is that of
 * Hugging Face's transformers: temperature, top-k, top-p, min-p.
 */
#ifndef TF_OPS_SAMPLE_H
#define TF_OPS_SAMPLE_H

#include <stddef.h>

#include "net/base/status.h"

/** The attributes of the op sample, by these names. */
typedef struct tf_sampling {
    double temperature; /**< above 0 */
    size_t top_k;       /**< 0: all */
    double top_p;       /**< above 0; from 1 on: all */
    double min_p;       /**< below 1; 0: all */
} tf_sampling;

/** The lowest temperature: divided by it, logits still fit a ring. */
#define TF_LEAST_TEMPERATURE 0.01

/** The most that top_k can be privately: so many logits are sorted. Of longer rows top_p without top_k is found by a
 *  threshold (ops/nucleus.h). */
enum { TF_MOST_CANDIDATES = 256 };

/** How many logits of a row of n can be left, each of which takes one entry of the noise: top_k, or n. */
size_t tf_sampling_candidates(const tf_sampling *sampling, size_t n);

/** Whether logits are ranked at all: then the i-th entry of the noise is the i-th largest logit's, else logit i's. */
int tf_sampling_ranks(const tf_sampling *sampling, size_t n);

/** How many are kept of `count` candidates, divided by the temperature and sorted, largest first; at least 1. */
size_t tf_sampling_kept(const tf_sampling *sampling, const double *sorted, size_t count);

/** Fails where a number is out of range. */
TF_CHECKED tf_status tf_sampling_check(const tf_sampling *sampling);

#endif
