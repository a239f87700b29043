/**
 * What a model family is: the one place where the rest of the house meets BERT, RoBERTa, GPT-2 or LLaMA. To add one,
 * write its file over blocks.h and put its tf_family into the table of family.c.
 */
#ifndef TF_FAMILY_H
#define TF_FAMILY_H

#include "models/blocks.h"
#include "models/files/json.h"
#include "models/tensors.h"

typedef struct tf_family {
    const char *name;               /**< such as "bert"; part of the architecture's digest */
    const char *const *model_types; /**< config.json's "model_type", one or several; ends with NULL */
    const char *const *prefixes;    /**< what a tensor's name may have in front, such as "bert."; ends with NULL */

    bool untyped_pairs; /**< one token type serves for both texts of a pair */

    /** Fills the family's fields of `config` from config.json and refuses what it cannot be, by file and key; `only`
     *  has been checked. The head, labels and trefoil's own keys have been read by then. */
    tf_status (*read)(const tf_json_source *from, tf_config *config);

    const tf_json_only *only; /**< keys that would make another network of it, with the value that each may have; ends
                                   with a NULL key. NULL: none */
    const char *tried;        /**< with what it has been compared, for people */

    /** The heads that "architectures" may name; ends with a NULL name. */
    const struct tf_family_head {
        const char *architecture;
        tf_head head;
    } * heads;

    /** Says where in the file the data of the leaf lie; `place` comes filled with the leaf's own name. NULL: there. */
    void (*place)(const tf_config *config, const char *leaf, tf_tensor_place *place);

    /** Builds all of the graph for builder->batch and returns its output. */
    tf_id (*build)(tf_builder *builder);

    const char *activation_key;     /**< config.json's name of the activation; NULL: "hidden_act" */
    const char *const *activations; /**< its values that can be, the default first; ends with NULL. NULL: all that
                                         models/activation.c knows */
} tf_family;

/** The i-th family; NULL past the end. */
const tf_family *tf_family_at(size_t i);

/** The family of a "model_type", or NULL. */
const tf_family *tf_family_find(const char *model_type);

/** The family of a model. */
const tf_family *tf_family_of(const tf_config *config);

extern const tf_family tf_bert_family, tf_roberta_family, tf_distilbert_family, tf_electra_family, tf_albert_family,
    tf_mpnet_family, tf_modernbert_family, tf_gpt2_family, tf_llama_family, tf_mistral_family, tf_qwen2_family,
    tf_qwen3_family;

#endif
