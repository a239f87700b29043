/** Fitting a linear classifier on frozen embeddings. */
#ifndef TF_FIT_HEAD_H
#define TF_FIT_HEAD_H

#include <stddef.h>

#include "net/base/status.h"

/**
 * Multinomial logistic regression: minimises the mean cross-entropy plus l2 / 2 times the squared norm of the weights
 * (not of the biases). The minimum is unique for l2 > 0 and is found deterministically, in double, by L-BFGS.
 *
 * @param x       n x dim, one embedding a row; must be finite
 * @param label   n labels in 0..labels-1; at least 2 labels
 * @param l2      at least 0; 1e-5 suits normalised sentence embeddings
 * @param weight  labels x dim, written
 * @param bias    labels, written
 * @param train_accuracy  the fraction of the samples that the result classifies as labelled; may be NULL
 */
TF_CHECKED tf_status tf_fit_logistic(const float *x, const int *label, size_t n, size_t dim, size_t labels, double l2,
                                     float *weight, float *bias, double *train_accuracy);

#endif
