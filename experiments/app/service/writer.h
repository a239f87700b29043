/** The texts that grow while tokens are generated: the data owner's side of generation, in the clear. */
#ifndef TF_APP_WRITER_H
#define TF_APP_WRITER_H

#include "experiments/app/service/prompts.h"
#include "experiments/app/service/sampler.h"
#include "models/tokenize/tokenizer.h"

/** A text while it grows. */
typedef struct growing_text {
    tf_decoder *decoder;
    size_t shown;       /**< bytes that were handed out */
    bool done, stopped; /**< stopped: at a stop string */
    bool finished;      /**< what was held back is handed out */
} growing_text;

typedef struct writer_settings {
    size_t max_tokens;
    bool ignore_end;          /**< goes on after tokens that end texts */
    const char *const *stop;  /**< strings that end a text */
    size_t stops, logprobs;   /**< logprobs: how many of the most likely tokens are noted */
    sampler_settings sampler; /**< where logits are revealed */
    /** Told of more text; never within a character. NULL: nobody is. */
    void (*show)(void *context, size_t text, const char *more, size_t length);
    void *context;
} writer_settings;

typedef struct writer {
    const writer_settings *settings;
    bool each; /**< settings are of each text, in the order in which prompts were given; otherwise of all */
    const tf_config *config;
    sampler *sampler; /**< NULL where tokens are revealed */
    const prompt_list *prompts;
    const prompt_batch *batch; /**< at present */
    size_t texts;
    generated_text *text; /**< in the order in which prompts were given */
    growing_text *growing;
} writer;

/** Begins the texts that continue the prompts, which must outlive the writer, and so must the settings: one for all
 *  texts, or one for `each`. */
TF_CHECKED tf_status writer_open(const writer_settings *settings, bool each, const tf_config *config,
                                 const tf_tokenizer *tokenizer, pass_reveal reveal, const prompt_list *prompts,
                                 writer *writer);
void writer_close(writer *writer);

/** The watch that writes. */
generate_watch writer_watch(writer *writer);

/** Whether any token has been generated. */
bool writer_begun(const writer *writer);

/** Hands out what was held back of texts that have no end yet, after the run or its failure. */
void writer_finish(writer *writer);

#endif
