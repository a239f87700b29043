/** The ways to turn scores into probabilities, shared by the ops softmax and attention. */
#ifndef TF_OPS_SOFTMAX_H
#define TF_OPS_SOFTMAX_H

#include "runtime/graph/graph.h"
#include "runtime/lower/compose.h"

/** What a variant makes of shared scores. */
typedef struct tf_weights {
    tf_value value;     /**< the weights, in the variant's unit; 0 where masked */
    double least, most; /**< what the sum of a row, plus eps, can be, in that unit */
    double eps;         /**< in that unit */
} tf_weights;

/** A row of probabilities: weight(score) / (sum of the weights + eps), and 0 where masked or where that sum is 0. */
typedef struct tf_softmax {
    const char *variant;
    double eps;
    double scale; /**< what shared scores are multiplied by beforehand; a product before them does so at no cost */
    double limit; /**< scaled scores are taken to be within this */
    int frac;     /**< fractional bits of shared scores; 0: those of activations */
    int query;    /**< to as many fractional bits are scaled queries rounded; 0: not at all. Queries are few beside
                       scores, and every bit that they lose saves each score a bit in its product's ring */
    bool mean;    /**< weights are divided by the number of entries that count, not by their sum */
    /** The weights of a row; `mask` (or NULL) holds 1 for entries that count and 0 for others, whose weight is 0. */
    void (*weights)(const tf_node *node, const float *score, const float *mask, size_t n, double *weight);
    /** The same of shared, scaled scores. `mask`: a constant leaf, read with the shape `mask_shape`, or -1. */
    tf_weights (*lower)(tf_program *program, const tf_node *node, tf_value score, tf_value mask, tf_shape mask_shape);
} tf_softmax;

/** Every variant once: X(name, formula, source, trained, range, private error of softmax and of attention,
 *  parameter). The name is its variant and
 *  the end of the names of its functions in softmax.c. Where all scores of a row are within a unit of zero, that unit
 * is weighed against the 0.001 that is added to the sum: hence the error of relu's attention. */
#define TF_SOFTMAX_VARIANTS(X)                                                                                         \
    X(exact, "exp(s_i - max s) / sum exp(s_j - max s)", "Vaswani et al. 2017, 3.2.1", false, 48, 1e-3, 8e-3, NULL)     \
    X(relu, "ReLU(s_i) / (sum ReLU(s_j) + 0.001); for weights trained so", "Liu and Liu 2023 (arXiv:2305.18396)",      \
      true, 48, 1e-3, 7e-2, NULL)                                                                                      \
    X(relu_n, "ReLU(s_i) / n, n the entries that count; for weights trained so",                                       \
      "Akimoto et al. 2023 (PrivFormer); Zeng et al. 2023 (MPCViT)", true, 48, 1e-3, 8e-3, NULL)                       \
    X(2quad, "(s_i + 5)^2 / (sum (s_j + 5)^2 + 0.001); for weights trained so", "Li et al. 2023 (MPCFormer)", true,    \
      24, 8e-3, 5e-3, NULL)                                                                                            \
    X(power, "s_i^p / (sum s_j^p + 0.001), p = 2, 4, 6 or 8, here 2; for weights trained so",                          \
      "Zimerman et al. 2024 (Power-Softmax)", true, 24, 8e-3, 2e-2, "p")

/** Exact scores are taken to be within this, scaled: ten times what real models reach. Less than 512, so that
 *  differences of scores with 12 fractional bits fit 3 bytes. */
#define TF_SCORE_BOUND 511.0

/** Fails where an attribute of the node makes no sense. */
TF_CHECKED tf_status tf_softmax_check(const tf_node *node);

/** x * factor for the x behind the scores (queries, or scores themselves), and divided by the number of entries that
 *  count if the variant wants it so; `mask` (or -1) has `rows` rows, x is read with the shape `column`, an entry a row.
 */
tf_value tf_softmax_scaled(const tf_softmax *softmax, tf_program *program, tf_value x, double factor, int precision,
                           tf_value mask, size_t n, tf_shape column);

/** The largest factor by which that division scales scores: 1 if there is none. */
double tf_softmax_largest(const tf_softmax *softmax, const tf_program *program, tf_value mask, size_t n);

/** Fractional bits of shared scores. */
int tf_softmax_frac(const tf_softmax *softmax, const tf_program *program);

/** The weights of scaled scores (..., n), and the inverses of their sums (...), with this many fractional bits; -1
 *  where nothing is left to divide by. */
tf_value tf_softmax_lower(const tf_softmax *softmax, tf_program *program, const tf_node *node, tf_value score,
                          tf_value mask, tf_shape mask_shape, int inverse_frac, tf_value *inverse);

/** The softmax of this variant, which must be one of those above. */
const tf_softmax *tf_softmax_find(const char *variant);

/** Replaces a row of scores by probabilities. `weight` is room for n doubles. */
void tf_softmax_row(const tf_softmax *softmax, const tf_node *node, const float *score, const float *mask, size_t n,
                    double *weight, float *probability);

#endif
