/** What the sub-commands open of a model directory, each part only where it is needed. */
#ifndef TF_APP_MODEL_FILES_H
#define TF_APP_MODEL_FILES_H

#include <stdbool.h>

#include "experiments/app/data/tokenizer_files.h"
#include "models/chat/chat.h"
#include "models/model.h"
#include "models/ranges.h"

typedef struct model_files {
    const char *directory;
    tf_config config;
    tf_approx approx;
    tf_tokenizer *tokenizer; /**< NULL until opened */
    tf_chat *chat;           /**< the template of conversations, opened with the tokenizer if that is asked for */
    bool chats, may_chat;    /**< whether it is, or where there is one */
    tokenizer_pin pin;       /**< what it is held to */
    tf_digest told;          /**< the digest of the tokenizer that was opened */
    tf_safetensors *weights; /**< NULL until opened */
    tf_ranges ranges;        /**< of ranges.json, if `calibrated` */
    bool calibrated;
    bool scores; /**< a decoder gives the logits after each token of a text */
} model_files;

/** Which model, and how it is to be taken. */
typedef struct model_settings {
    const char *directory;     /**< NULL where there is none */
    const char *architecture;  /**< a name such as "bert-tiny", in place of a directory; NULL otherwise */
    size_t layers;             /**< only so many of the architecture; 0: all */
    const char *approx;        /**< approximations; NULL: those that the model was trained for, or exact */
    const char *const *plugin; /**< shared objects with more ops */
    size_t plugins;
    tokenizer_pin pin; /**< the data owner's */
    bool chat;         /**< texts are what a user says in a conversation */
    bool may_chat;     /**< they may be, where the model has a template for that */
    bool ranges;       /**< take ranges.json, where it is there */
    bool scores;       /**< of model_files */
    bool unguarded;    /**< whatever exceeds them is not looked for */
    bool best_only;    /**< of masked words the likeliest comes out alone */
    bool fills_masks;  /**< a model that guesses masked words does; otherwise it is taken as the encoder it has */
} model_settings;

/**
 * Reads config.json of the directory, or makes the configuration of the architecture, and settles the approximations.
 * With `ranges` also reads ranges.json, if it is there, which must be of these approximations and (as soon as they are
 * opened) of these weights.
 */
TF_CHECKED tf_status model_open(const model_settings *settings, model_files *model);
/** The same of another directory. */
TF_CHECKED tf_status model_open_at(const model_settings *settings, const char *directory, model_files *model);
/** Opens the tokenizer of the directory, or of the pin's; TF_MISMATCH when it is not the one of the pin. */
TF_CHECKED tf_status model_open_tokenizer(model_files *model);
/** The digest of the tokenizer that the data owner holds to; zero where it takes whichever the model owner has. */
tf_digest model_pinned_tokenizer(const model_files *model);
/** The digest of the tokenizer in the model's directory, which its owner tells: made while other parties read what is
 * their own. Zero where there is none or it cannot be read, which is found again when it is told. */
tf_digest model_offered_tokenizer(const model_files *model);
TF_CHECKED tf_status model_open_weights(model_files *model);
void model_close(model_files *model);

/** The calibrated ranges, or NULL. */
const tf_ranges *model_ranges(const model_files *model);

/** Warns on stderr, in one line, of approximations that the weights were not trained for. One process of a job calls
 * it.
 */
void model_warn(const model_files *model);

/** Registers the built-in ops and those of every plugin. */
TF_CHECKED tf_status register_ops(const model_settings *settings);

/** The SHA-256 digest of the open weights, in hexadecimal digits. */
TF_CHECKED tf_status model_digest_text(const model_files *model, char text[65]);

#endif
