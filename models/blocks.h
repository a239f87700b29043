/**
 * What models are built of, whatever their family: weights from a file, linear layers, normalisations that are folded
 * into the layers around them, attention, feed-forward blocks, embeddings, pooling. Builders return a node's id and go
 * inert after the first failure, as those of the graph do.
 */
#ifndef TF_BLOCKS_H
#define TF_BLOCKS_H

#include "models/approx.h"
#include "models/batch.h"
#include "models/tensors.h"

enum { TF_WEIGHT_LIMIT = 1 << 14 }; /**< larger weights would leave too little of the ring for products */

typedef struct tf_builder {
    const tf_config *config;
    const tf_approx *approx;
    const tf_batch *batch;
    tf_tensors tensors;
    bool public_weights;
    bool fold; /**< normalisations' scales and shifts into the layers that follow, means into those before */
    tf_graph *graph;
    char shared[132]; /**< where layers share their weights: the scope of their leaves, each of which exists once */
    tf_id key_mask;   /**< texts x length, 1 for tokens and 0 for padding; -1 where there is no padding. A leaf, but
                           where lengths are hidden: shares of what the data owner put in */
} tf_builder;

/** A leaf of the model owner's: the data of the tensor of this name, below the graph's scope. */
tf_id tf_block_weight(tf_builder *b, const char *name, tf_shape shape);

/** The same of a table, rows x width, whose rows may be wanted less their means. */
tf_id tf_block_table(tf_builder *b, const char *name, tf_shape shape, bool centred);

/** A node that the graph has, by its full name. */
tf_id tf_block_find(tf_builder *b, const char *name);

/**
 * Activations as a normalisation leaves them: n, to be scaled by gamma and shifted by beta, the weight and bias of the
 * tensors named `norm`; or the values themselves, where `norm` is empty.
 */
typedef struct tf_activations {
    tf_id n;
    char norm[128];
    char node[128]; /**< the normalisation's own name: another one where layers share their weights */
    size_t width;
    bool shifted; /**< whether there is a beta */
} tf_activations;

tf_activations tf_block_values(tf_id x);

/** gamma n + beta; with `centred` less its mean, which the LayerNorm after a residual would take. */
tf_id tf_block_value_of(tf_builder *b, tf_activations x, bool centred);

/** A linear layer. */
typedef struct tf_dense {
    const char *name; /**< its tensors are NAME.weight, out x in, and NAME.bias */
    size_t in, out;
    bool centred; /**< less the output's mean, which the LayerNorm that follows would take */
    bool no_bias;
} tf_dense;

tf_id tf_block_dense(tf_builder *b, tf_activations x, tf_dense dense);

/** The sum, so named, of a linear layer of `in` and the values of x; with dense.centred both less their means. */
tf_id tf_block_residual(tf_builder *b, tf_activations in, tf_dense dense, const char *sum, tf_activations x);

/** A normalisation. */
typedef struct tf_norm {
    const char *name;  /**< its tensors are NAME.weight and NAME.bias */
    size_t width;      /**< 0: the hidden size */
    const char *place; /**< for --approx: "layernorm1" (with attention), "layernorm2", "layernorm" (others) */
    int layer;         /**< -1: none of the layers */
    bool centred;      /**< the input's mean is zero already */
    bool coarser;      /**< the input is never large, so that its readers' weights may have bits of its range */
    bool no_bias;
} tf_norm;

/** LayerNorm over the last dimension, with config's eps. */
tf_activations tf_block_norm(tf_builder *b, tf_id x, tf_norm norm);

/** An op whose variant the approximations tell for `place` in `layer`, with attributes of its own. */
tf_id tf_block_approximated(tf_builder *b, const char *kind, const char *place, int layer, const char *name, int inputs,
                            const tf_id *input, int attrs, const tf_attr *own);

tf_id tf_block_add(tf_builder *b, const char *name, tf_id x, tf_id y);

/** The model's hidden_act, or what stands in for it. */
tf_id tf_block_activation(tf_builder *b, const char *name, tf_id x, int layer);

/** Attention of all heads with the batch's mask of keys, and the model's biases by distance; q, k, v: texts x length x
 *  width. */
tf_id tf_block_attention(tf_builder *b, const char *name, tf_id q, tf_id k, tf_id v, int layer);

/** The batch's tokens or, with `types`, token types: as this party holds them, as shares, or not at all. */
tf_id tf_block_ids(tf_builder *b, const char *name, bool types);

/** texts x length: 1 at tokens and 0 at padding, a public constant unless the batch's lengths are hidden. */
tf_id tf_block_key_mask(tf_builder *b, const char *name);

/** texts x width: the mean of each text's tokens. */
tf_id tf_block_mean(tf_builder *b, tf_id x);

/** texts x hidden: a text's embedding from its tokens, as the config says. */
tf_id tf_block_sentence(tf_builder *b, tf_activations x);

/** texts x picks x width: the tokens that the data owner means; all of them where the batch picks none. */
tf_id tf_block_picked(tf_builder *b, tf_id x);

/** What comes out of logits over a vocabulary: they, or with config's best_only the likeliest word of each row. */
tf_id tf_block_words(tf_builder *b, tf_id logits);

bool tf_batch_is_padded(const tf_batch *batch);

#endif
