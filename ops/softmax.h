/** The ways to turn scores into probabilities, shared by the ops softmax and attention. */
#ifndef TF_OPS_SOFTMAX_H
#define TF_OPS_SOFTMAX_H

#include "runtime/graph.h"

/** A row of probabilities: weight(score) / (sum of the weights + eps), and 0 where masked or where that sum is 0. */
typedef struct tf_softmax {
    const char *variant;
    double eps;
    /** The weights of a row; `mask` (or NULL) holds 1 for entries that count and 0 for others, whose weight is 0. */
    void (*weights)(const float *score, const float *mask, size_t n, double *weight);
} tf_softmax;

/**
 * Every variant once: X(name, formula, source, eps, private error). The name is its variant and the end of the name of
 * its function in softmax.c.
 */
#define TF_SOFTMAX_VARIANTS(X)                                                                                         \
    X(exact, "exp(s_i - max s) / sum exp(s_j - max s)", "Vaswani et al. 2017, 3.2.1", 0, 1e-3)                         \
    X(relu, "ReLU(s_i) / (sum ReLU(s_j) + 0.001); for weights trained so", "Liu and Liu 2023 (arXiv:2305.18396)",      \
      1e-3, 1e-3)

/** The softmax of this variant, which must be one of those above. */
const tf_softmax *tf_softmax_find(const char *variant);

/** Replaces a row of scores by probabilities. `weight` is room for n doubles. */
void tf_softmax_row(const tf_softmax *softmax, const float *score, const float *mask, size_t n, double *weight,
                    float *probability);

#endif
