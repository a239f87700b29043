/**
 * A Hugging Face model directory: config.json, model.safetensors, vocab.txt or tokenizer.json.
 * Files are hostile: every length, offset and number is checked before use.
 */
#ifndef TF_MODEL_H
#define TF_MODEL_H

#include "models/files/safetensors.h"
#include "models/tokenize/tokenizer.h"
#include "runtime/graph/graph.h"

typedef enum tf_head {
    TF_HEAD_CLASSIFIER, /**< BertForSequenceClassification: pooler (dense, tanh), classifier; output B x labels */
    TF_HEAD_EMBEDDING   /**< mean over the tokens, then L2 normalisation; output B x hidden */
} tf_head;

/** config.json. Unknown keys are ignored; missing or wrong ones that matter are errors that name the key. */
typedef struct tf_config {
    size_t hidden, layers, heads, intermediate, vocabulary, positions, types; /**< types: type_vocab_size */
    double layer_norm_eps;
    int32_t pad_token;
    tf_head head;
    size_t labels; /**< classifier only; 0 otherwise */
    char **label;  /**< id2label, `labels` entries, or NULL */
    /** Classifier on mean-pooled, normalised sentence embeddings (no pooler): what `trefoil fit-head` writes, as
     *  "trefoil_head": "sentence_linear" in config.json. */
    bool sentence_head;
    /** "trefoil_approx": approximations the weights were trained for, such as "gelu=relu"; or "". */
    char approx[4096];
} tf_config;

/** Reads DIR/config.json. */
TF_CHECKED tf_status tf_config_read(const char *directory, tf_config *config);
void tf_config_free(tf_config *config);

/** The named architecture: bert-tiny, -mini, -small, -medium, -base, -large (embedding head by default). */
TF_CHECKED tf_status tf_config_named(const char *name, tf_config *config);

/** One item of a list of approximations. */
typedef struct tf_approx_rule {
    char kind[16]; /**< "gelu", "softmax", "layernorm" (all of them), "layernorm1" (after attention), "layernorm2" */
    int layer;     /**< from 0; -1: the embedding's LayerNorm; TF_EVERY_LAYER */
    char variant[24];
    double parameter; /**< of the variant, such as the exponent of "power:4"; 0: its default */
} tf_approx_rule;

enum { TF_EVERY_LAYER = -2, TF_APPROX_TEXT = 4096 };

/** Which variant each kind of op uses in each layer. Of the rules that fit, those with a layer go before those without,
 *  and later ones before earlier ones. */
typedef struct tf_approx {
    tf_approx_rule rule[128];
    int rules;
} tf_approx;

/**
 * Reads a list such as "paper,gelu=puma,softmax=power:4,layernorm@11=exact,layernorm1@3=exact". A preset (exact, paper,
 * puma, mpcformer) may come first in the list; without one it is exact. Fails with TF_INVALID on an unknown preset,
 * kind or variant, listing the known ones.
 */
TF_CHECKED tf_status tf_approx_parse(const char *text, tf_approx *approx);

/** The list again, rule by rule; what was the same list is the same text. `text` has room for TF_APPROX_TEXT bytes. */
char *tf_approx_text(const tf_approx *approx, char *text);

/** The rule that holds for `kind` ("gelu", "softmax", "layernorm1", "layernorm2"; "layernorm" with layer -1: the
 *  embedding's LayerNorm) in `layer`. */
const tf_approx_rule *tf_approx_find(const tf_approx *approx, const char *kind, int layer);

/** Its variant. */
const char *tf_approx_variant(const tf_approx *approx, const char *kind, int layer);

/**
 * What of `used` is another function than what the weights were trained for, `trained`, in a model of that many layers:
 * a list such as "gelu=quad, layernorm1@3=center" in `text`, which has room for TF_APPROX_TEXT bytes. Variants that
 * approximate the true function without training may stand for each other. False if there is nothing.
 */
bool tf_approx_untrained(const tf_approx *used, const tf_approx *trained, size_t layers, char *text);

/** A batch: texts padded to one length. Lengths are public, ids belong to the data owner (NULL elsewhere). */
typedef struct tf_batch {
    size_t texts, length;
    const size_t *lengths; /**< texts entries, each 1..length */
    const int32_t *ids;    /**< texts x length, padded with pad_token, or NULL */
    const int32_t *types;  /**< texts x length token types, or NULL where not held */
    bool pairs;            /**< public: whether the texts are pairs; if not, all types are 0 and need no lookup */
    const tf_selection *shared_ids, *shared_types; /**< this party's shares, where an owner outside shared them */
} tf_batch;

/**
 * Builds the graph of a BERT-family model for a batch. `weights` NULL where this party does not hold them (leaves then
 * have no data). With `public_weights` linear layers' weights are public leaves. Same graph on all parties.
 *
 * Leaf names are the names of the Hugging Face tensors without the "bert." prefix.
 */
TF_CHECKED tf_status tf_bert_build(const tf_config *config, const tf_approx *approx, const tf_batch *batch,
                                   const tf_safetensors *weights, bool public_weights, tf_graph *graph);

#endif
