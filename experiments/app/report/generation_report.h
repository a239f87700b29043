/** What generate prints: texts, and what they took. See experiments/JSON.md. */
#ifndef TF_APP_GENERATION_REPORT_H
#define TF_APP_GENERATION_REPORT_H

#include "experiments/app/report/form.h"

/** Why a text ended. */
typedef enum finish {
    FINISH_CUT,   /**< the run ended too early */
    FINISH_STOP,  /**< at a token that ends texts, or a stop string */
    FINISH_LENGTH /**< as many tokens as were asked for */
} finish;

/** A token with its log-probability under the model, whatever the settings of sampling. */
typedef struct token_chance {
    int32_t token;
    double log_probability;
} token_chance;

/** A prompt's continuation. */
typedef struct generated_text {
    size_t prompt_tokens, count; /**< of the prompt; generated */
    int32_t *token;              /**< those of the prompt and those that were generated */
    char *text;                  /**< what was generated, without the stop string; NULL: nothing */
    size_t length;               /**< bytes of it */
    finish finish;
    token_chance *chance; /**< count x (1 + logprobs): the chosen token, then the most likely ones; or NULL */
} generated_text;

/** What passes took; bytes and rounds are forecasts, from which no run differs. */
typedef struct pass_cost {
    size_t passes, tokens; /**< tokens: of each text, which is known to the data owner */
    double seconds;
    uint64_t bytes, rounds;
} pass_cost;

typedef struct generate_report {
    size_t texts;                           /**< prompts */
    double began;                           /**< by the clock: when the request had come to this party */
    double seconds_setup;                   /**< meeting, comparing settings, sharing weights */
    pass_cost prefill, decode;              /**< of the prompts; of the tokens after the first */
    uint64_t links[TF_PARTIES][TF_PARTIES]; /**< bytes of both from row to column */
    uint64_t bytes_setup, bytes_encryption;
    run_network network;
} generate_report;

typedef struct generation_report {
    const report_form *form;
    const generated_text *text;
    size_t texts, logprobs;
    size_t offset;          /**< the number of the first text */
    size_t proposed;        /**< tokens at once; 0: none */
    bool private, streamed; /**< streamed: generation_stream has printed the text already */
    const char *revealed;   /**< "token" or "logits" */
    double seconds_total;
    generate_report run;
} generation_report;

/** Prints more of a text to stdout at once; of the type of writer_settings.show. */
void generation_stream(void *context, size_t text, const char *more, size_t length);

/** Prints everything to stdout as one object with --json; otherwise the texts, and to stderr what the run took. */
TF_CHECKED tf_status generation_print(const generation_report *report);

#endif
