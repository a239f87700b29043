/**
 * The ways to turn scores into probabilities, shared by the ops softmax and attention. A variant is a tf_softmax: what
 * it makes of the scores of a row that count, in floating point and of shares. TF_SOFTMAX_OPS makes both ops of it.
 */
#ifndef TF_OPS_SOFTMAX_H
#define TF_OPS_SOFTMAX_H

#include "runtime/graph/example.h"
#include "runtime/lower/compose.h"

TF_PUBLIC_BEGIN

/** What a variant makes of shared scores. */
typedef struct tf_weights {
    tf_value value;     /**< the weights, in the variant's unit */
    double least, most; /**< what the sum of a row, plus eps, can be, in that unit */
    double eps;         /**< in that unit */
    int most_frac;      /**< fractional bits that weights have in any program of the model; 0: as many as here */
    bool masked_stray;  /**< those that a mask leaves out may be anything until they are made zero */
    bool widens;        /**< they can come in the ring of the product that averages by them, without a lift */
    int guard;          /**< fractional bits that sums of weighted values keep more until they are divided, for a row's
                             sum may be so small that their rounding would show */
} tf_weights;

/** Which scores count: a public leaf of ones and zeros, read with a shape that broadcasts to that of the scores. */
typedef struct tf_mask {
    tf_value leaf; /**< -1: all count */
    tf_shape shape;
    bool hidden; /**< a secret mask, which counts the first key of each text, has lowered the others by the padding */
} tf_mask;

/** Weights of -1: what `lower` returns where building has failed. */
extern const tf_weights tf_no_weights;

/** A row of probabilities: weight(score) / (sum of the weights + eps), and 0 where masked or where that sum is 0. */
typedef struct tf_softmax {
    double eps;
    double limit;    /**< shared scores are taken to be within this, in their unit */
    int frac;        /**< fractional bits of shared scores; 0: those of activations */
    int query;       /**< to as many fractional bits are scaled queries rounded, if they have more; 0: not at all. Every
                          bit that they lose saves queries, keys and scores a bit in the ring of their product */
    bool mean;       /**< weights are divided by the number of entries that count, not by their sum */
    double padding;  /**< so much lower are scores of keys that a secret mask leaves out, and then count for nothing */
    bool masks_keys; /**< for which those keys are multiplied by zero before; with neither it takes no secret mask */
    /** Fails where an attribute of the node makes no sense; may be NULL. */
    tf_status (*check)(const tf_node *node);
    /** The weights of the n scores of a row that count; n is at least 1. */
    void (*weights)(const tf_node *node, const float *score, size_t n, double *weight);
    /** The same of shared, scaled scores (..., n). Those that do not count are multiplied by zero afterwards. */
    tf_weights (*lower)(tf_program *program, const tf_node *node, tf_value score);
    /** In its place, where it is not NULL: of scores in units of 1/2 to 1. Queries are then divided by the power of two
     *  above the root of the depth, which takes no product; the rest is the unit. */
    tf_weights (*lower_unit)(tf_program *program, const tf_node *node, tf_value score, double unit, tf_mask mask);
} tf_softmax;

/** Fractional bits that the inverses of attention have beyond activations'. */
enum { TF_INVERSE_MORE = 6 };

/** What scores are taken to be within, in their unit. */
#define TF_SCORE_BOUND 500.0
/** By so much are those lowered that a secret mask leaves out: real ones are then taken to be within as much. */
#define TF_SCORE_PADDING 256.0

/** x * factor for the x behind the scores (queries, or scores themselves), and divided by the number of entries that
 *  count if the variant wants it so; x is read with the shape `column`, an entry for each row of the mask of n. */
tf_value tf_softmax_scaled(const tf_softmax *softmax, tf_program *program, tf_value x, double factor, int precision,
                           tf_mask mask, size_t n, tf_shape column);

/** The largest factor by which that division scales scores: 1 if there is none. */
double tf_softmax_largest(const tf_softmax *softmax, const tf_program *program, tf_mask mask, size_t n);

/** The fractional bits of scores. */
int tf_softmax_frac(const tf_softmax *softmax, const tf_program *program);

/** The weights of scaled scores (..., n), zero where masked, and the inverses of their sums (...), with this many
 *  fractional bits, for a product that wants this ring and the guard's bits (0: any); -1 where nothing is left to
 * divide by. */
tf_weights tf_softmax_weights(const tf_softmax *softmax, tf_program *program, const tf_node *node, tf_value score,
                              double unit, tf_mask mask, int inverse_frac, unsigned inverse_ring, tf_value *inverse);

/** Scores of which those that do not count have become the least there can be. */
tf_value tf_softmax_lowest(tf_program *program, tf_value score, tf_mask mask, double limit);

/** The variant that the node's op is of. */
const tf_softmax *tf_softmax_of(const tf_node *node);

/** Fails where the variant does not take the node's attributes. */
TF_CHECKED tf_status tf_softmax_check(const tf_node *node);

/** Replaces a row of scores by probabilities; `probability` may be `score`. `mask` (or NULL) holds 1 for entries that
 *  count and 0 for others. `weight` is room for n doubles. */
void tf_softmax_row(const tf_node *node, const float *score, const float *mask, size_t n, double *weight,
                    float *probability);

/** @name What the two ops of all variants share @{ */
tf_status tf_softmax_infer(const tf_node *node, const tf_shape *shape, tf_shape *out);
tf_status tf_softmax_plain(const tf_node *node, const tf_array *in, tf_array *out);
tf_value tf_softmax_lower(tf_program *program, const tf_node *node, const tf_value *in);
tf_status tf_attention_infer(const tf_node *node, const tf_shape *shape, tf_shape *out);
tf_status tf_attention_plain(const tf_node *node, const tf_array *in, tf_array *out);
tf_value tf_attention_lower(tf_program *program, const tf_node *node, const tf_value *in);
extern const tf_example tf_softmax_example, tf_attention_example;
/** @} */

/**
 * The ops softmax and attention of a variant `of` (a pointer to a static tf_softmax), for an array of ops: scores are
 * within `range`, `error` and `attention_error` are their private errors. More fields of both may follow: .source must.
 */
#define TF_SOFTMAX_OPS(name, of, formula, range, error, attention_error, ...)                                          \
    {.kind = "softmax",                                                                                                \
     .variant = name,                                                                                                  \
     .summary = formula " over the last dimension",                                                                    \
     .min_inputs = 1,                                                                                                  \
     .max_inputs = 2,                                                                                                  \
     .infer = tf_softmax_infer,                                                                                        \
     .plain = tf_softmax_plain,                                                                                        \
     .lower = tf_softmax_lower,                                                                                        \
     .places = 1,                                                                                                      \
     .low = -(range),                                                                                                  \
     .high = range,                                                                                                    \
     .private_error = error,                                                                                           \
     .example = &tf_softmax_example,                                                                                   \
     .detail = of,                                                                                                     \
     __VA_ARGS__},                                                                                                     \
    {                                                                                                                  \
        .kind = "attention", .variant = name,                                                                          \
        .summary = "per head p v with p_i = " formula ", s = q k^T / sqrt(depth)", .min_inputs = 3, .max_inputs = 5,   \
        .infer = tf_attention_infer, .plain = tf_attention_plain, .lower = tf_attention_lower, .low = -4, .high = 4,   \
        .private_error = attention_error, .example = &tf_attention_example, .detail = of, __VA_ARGS__                  \
    }

TF_PUBLIC_END

#endif
