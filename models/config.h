/**
 * What config.json says about a model: one structure for all families, of which each reads what is its own.
 *
 * The fields stand in one list, from which the structure and its digest are made: a field that is added there is
 * compared between the parties without more.
 */
#ifndef TF_CONFIG_H
#define TF_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/lower/lower.h"

struct tf_family;

/** What comes out of a model; see tf_model_output. */
typedef enum tf_head {
    TF_HEAD_CLASSIFIER, /**< logits of a text: the family's own classifier, or `sentence_head` */
    TF_HEAD_EMBEDDING,  /**< a text's pooled embedding */
    TF_HEAD_TOKENS,     /**< logits of each token (token classification) */
    TF_HEAD_SPAN,       /**< two logits of each token: of an answer's start and end (question answering) */
    TF_HEAD_MASKED,     /**< logits over the vocabulary for each token (masked language modelling) */
    TF_HEAD_CAUSAL      /**< logits over the vocabulary for the token that follows (decoders) */
} tf_head;

/** What a classifier's logits are (config.json's "problem_type"). */
typedef enum tf_problem {
    TF_PROBLEM_SINGLE,     /**< one of several labels: softmax */
    TF_PROBLEM_REGRESSION, /**< values as they are; what one label means */
    TF_PROBLEM_MULTI       /**< each label by itself: sigmoid */
} tf_problem;

/** How a text's embedding comes of its tokens (sentence-transformers' pooling modes). */
typedef enum tf_pooling {
    TF_POOL_MEAN,
    TF_POOL_FIRST, /**< "cls" */
    TF_POOL_LAST,
    TF_POOL_MAX,
    TF_POOL_MEAN_SQRT,    /**< the sum over the root of the length */
    TF_POOL_WEIGHTED_MEAN /**< the i-th token with weight i, from 1 */
} tf_pooling;

enum { TF_CONFIG_NAME = 32 };

/* clang-format off */
/** The fields that a graph depends on: sizes, real numbers, flags, integers of a type, names. Zero, false or "" where a
 *  family has no such thing. */
#define TF_CONFIG_FIELDS(SIZE, REAL, FLAG, INTEGER, NAME)                                                              \
    SIZE(hidden) SIZE(layers) SIZE(heads) SIZE(intermediate) SIZE(vocabulary)                                          \
    SIZE(positions)        /* the longest text in tokens, special ones included */                                     \
    SIZE(types)            /* type_vocab_size; 0: the family has no token types */                                     \
    SIZE(embedding)        /* width of the embeddings, where a layer widens them; 0: hidden */                         \
    SIZE(groups)           /* of layers that share their weights; 0: each has its own */                               \
    SIZE(buckets)          /* of relative positions; 0: none */                                                        \
    SIZE(kv_heads)         /* key and value heads that query heads share in groups; 0: as many as heads */             \
    SIZE(head_dim)         /* 0: hidden / heads */                                                                     \
    SIZE(window)           /* of sliding or local attention, in tokens; 0: none */                                     \
    SIZE(labels)           /* of classifiers; 0 otherwise */                                                           \
    REAL(layer_norm_eps)   /* or of RMSNorm */                                                                         \
    REAL(rope_theta)       /* base of rotary positions */                                                              \
    REAL(rope_local_theta) /* of layers with local attention */                                                        \
    SIZE(global_every)     /* one layer in so many has attention over all tokens, the first one among them */          \
    FLAG(classifier_bias)  /* of a classifier's first layer, where it may have none */                                 \
    FLAG(classifier_mean)  /* a classifier looks at the mean of the tokens, not at the first one */                    \
    NAME(rope_scaling)     /* rope_type: "linear", "llama3", ... or "" */                                              \
    REAL(rope_factor) REAL(rope_low_freq_factor) REAL(rope_high_freq_factor)                                           \
    REAL(rope_beta_fast) REAL(rope_beta_slow) REAL(rope_attention_factor) /* of "yarn" */                              \
    SIZE(rope_original_positions)                                                                                      \
    NAME(activation)       /* hidden_act; "" stands for "gelu" */                                                      \
    FLAG(tie_word_embeddings)                                                                                          \
    FLAG(attention_bias)                                                                                               \
    FLAG(mlp_bias)                                                                                                     \
    INTEGER(int32_t, pad_token)                                                                                        \
    INTEGER(tf_head, head)                                                                                             \
    INTEGER(tf_problem, problem)                                                                                       \
    INTEGER(tf_pooling, pooling)                                                                                       \
    FLAG(unnormalised)     /* sentence embeddings keep their length */                                                 \
    SIZE(sentence_width)   /* of the dense layer after pooling; 0: there is none */                                    \
    FLAG(sentence_no_bias) FLAG(sentence_tanh) /* that layer's bias and activation */                                  \
    FLAG(sentence_head)    /* a classifier on normalised sentence embeddings, in place of the family's own: what       \
                              `trefoil fit-head` writes, as "trefoil_head": "sentence_linear" */
/* clang-format on */

/** generation_config.json, or the same keys of config.json: how a decoder chooses tokens. No graph depends on it. */
typedef struct tf_generation {
    int32_t begin, end[8]; /**< bos_token_id, -1 where there is none; eos_token_id, one or several */
    size_t ends, top_k, max_new_tokens;
    bool sample;
    double temperature, top_p, repetition_penalty;
} tf_generation;

#define TF_CONFIG_SIZE(name)          size_t name;
#define TF_CONFIG_REAL(name)          double name;
#define TF_CONFIG_FLAG(name)          bool name;
#define TF_CONFIG_INTEGER(type, name) type name;
#define TF_CONFIG_TEXT(name)          char name[TF_CONFIG_NAME];

typedef struct tf_config {
    const struct tf_family *family; /**< NULL stands for BERT */
    TF_CONFIG_FIELDS(TF_CONFIG_SIZE, TF_CONFIG_REAL, TF_CONFIG_FLAG, TF_CONFIG_INTEGER, TF_CONFIG_TEXT)
    char **label;        /**< id2label, `labels` entries, or NULL */
    bool best_only;      /**< of a head that guesses words the likeliest ones come out, not all logits */
    size_t longest_text; /**< in tokens, where longer ones are to be cut (max_seq_length); 0: positions */
    bool head_guessed;   /**< config.json names no architecture, so that the head is the encoder's embedding */
    char unknown[512];   /**< keys of config.json that are taken not to matter, for people; "" if there are none */
    char approx[4096]; /**< "trefoil_approx": approximations the weights were trained for, such as "gelu=relu"; or "" */
    tf_generation generation;
} tf_config;

/** Reads DIR/config.json. Missing or wrong keys that matter are errors that name the key, and so are those that would
 *  make another network of it than the one that is built; see config_keys.h for keys that are not known. */
TF_CHECKED tf_status tf_config_read(const char *directory, tf_config *config);
void tf_config_free(tf_config *config);

/** The named architecture: bert-tiny, -mini, -small, -medium, -base, -large (embedding head by default). */
TF_CHECKED tf_status tf_config_named(const char *name, tf_config *config);

/** The digest of the family and of all fields that a graph depends on, in a canonical text. */
TF_CHECKED tf_status tf_architecture_digest(const tf_config *config, tf_digest *digest);

#endif
