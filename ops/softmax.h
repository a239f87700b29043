/** The ways to turn scores into probabilities, shared by the ops softmax and attention. */
#ifndef TF_OPS_SOFTMAX_H
#define TF_OPS_SOFTMAX_H

#include "runtime/compose.h"
#include "runtime/graph.h"

/** A row of probabilities: weight(score) / (sum of the weights + eps), and 0 where masked or where that sum is 0. */
typedef struct tf_softmax {
    const char *variant;
    double eps;
    double scale; /**< what shared scores are multiplied by beforehand; a product before them does so at no cost */
    int frac;     /**< fractional bits of shared scores; 0: those of activations */
    /** The weights of a row; `mask` (or NULL) holds 1 for entries that count and 0 for others, whose weight is 0. */
    void (*weights)(const float *score, const float *mask, size_t n, double *weight);
    /** The same weights of shared, scaled scores, whose range is TF_SCORE_BOUND. `mask`: a constant leaf, read with the
     * shape `mask_shape`, or -1. Sets the least and the greatest value that the sum of a row's weights, plus eps, can
     * take. */
    tf_value (*lower)(tf_program *program, tf_value score, tf_value mask, tf_shape mask_shape, double *least,
                      double *most);
} tf_softmax;

/**
 * Every variant once: X(name, formula, source, eps, scale, frac, private error). The name is its variant and the end of
 * the name of its function in softmax.c.
 */
#define TF_SOFTMAX_VARIANTS(X)                                                                                         \
    X(exact, "exp(s_i - max s) / sum exp(s_j - max s)", "Vaswani et al. 2017, 3.2.1", 0, TF_POWER_SCALE, 12, 1e-3)     \
    X(relu, "ReLU(s_i) / (sum ReLU(s_j) + 0.001); for weights trained so", "Liu and Liu 2023 (arXiv:2305.18396)",      \
      1e-3, 1, 0, 1e-3)

/** Scores are taken to be within this, scaled: ten times what real models reach. Less than 512, so that differences of
 *  scores with 12 fractional bits fit 3 bytes. */
#define TF_SCORE_BOUND 511.0

/** Fractional bits of shared scores. */
int tf_softmax_frac(const tf_softmax *softmax, const tf_program *program);

/** The weights of scaled scores (..., n), and the inverses of their sums (...), with this many fractional bits. */
tf_value tf_softmax_lower(const tf_softmax *softmax, tf_program *program, tf_value score, tf_value mask,
                          tf_shape mask_shape, int inverse_frac, tf_value *inverse);

/** The softmax of this variant, which must be one of those above. */
const tf_softmax *tf_softmax_find(const char *variant);

/** Replaces a row of scores by probabilities. `weight` is room for n doubles. */
void tf_softmax_row(const tf_softmax *softmax, const float *score, const float *mask, size_t n, double *weight,
                    float *probability);

#endif
