/**
 * Weights as a private run wants them: what a normalisation does besides dividing is folded into the linear layers
 * around it, by the owner of the weights, in the open. Mathematically nothing changes:
 *     W (gamma n + beta) + b = (W diag(gamma)) n + (W beta + b),
 *     y - mean(y) for y = W x + b is (W - its columns' means) x + (b - mean(b)),
 *     e - mean(e) for a sum e of rows of tables is the sum of these rows less their means.
 */
#ifndef TF_FOLD_H
#define TF_FOLD_H

#include "models/tensors.h"

typedef struct tf_fold {
    const char *name; /**< of the linear layer */
    const char *norm; /**< of the normalisation before it, "" for none */
    size_t in, out;
    bool biased;                /**< the linear layer has a bias */
    bool shifted;               /**< the normalisation has one, beta */
    bool centred;               /**< the output's mean is taken */
    const float *weight, *bias; /**< the result, kept with the file: out x in, and out; the bias only if one of the two
                                     has one */
} tf_fold;

/** Folds. Fails like tf_tensors_floats. */
TF_CHECKED tf_status tf_fold_linear(const tf_tensors *tensors, double limit, tf_fold *fold);

/** A table of `shape`, rows x width, each row less its mean. */
TF_CHECKED tf_status tf_fold_rows(const tf_tensors *tensors, const char *name, tf_shape shape, double limit,
                                  const float **data);

/** A LayerNorm's shift less its mean. */
TF_CHECKED tf_status tf_fold_shift(const tf_tensors *tensors, const char *norm, size_t width, double limit,
                                   const float **beta);

#endif
