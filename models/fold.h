/**
 * Weights as a private run wants them: what a LayerNorm does besides dividing is folded into the linear layers around
 * it, by the owner of the weights, in the open. Mathematically nothing changes:
 *     W (gamma n + beta) + b = (W diag(gamma)) n + (W beta + b),
 *     y - mean(y) for y = W x + b is (W - its columns' means) x + (b - mean(b)).
 */
#ifndef TF_FOLD_H
#define TF_FOLD_H

#include "models/files/safetensors.h"

typedef struct tf_fold {
    size_t in, out;
    bool centred;               /**< the output's mean is taken */
    const float *weight, *bias; /**< the result, kept with the file: out x in, and out */
} tf_fold;

/**
 * Folds the LayerNorm whose tensors are named `norm`, "" for none, into the linear layer `name` that follows it, and
 * the mean of the next one if `centred`. Fails like tf_safetensors_floats.
 */
TF_CHECKED tf_status tf_fold_linear(const tf_safetensors *file, const char *name, const char *norm, double limit,
                                    tf_fold *fold);

/** A LayerNorm's shift less its mean. */
TF_CHECKED tf_status tf_fold_shift(const tf_safetensors *file, const char *norm, size_t width, double limit,
                                   const float **beta);

#endif
