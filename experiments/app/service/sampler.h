/** Choosing the next token from logits, in the clear: by the data owner with --reveal logits, or with --plain. */
#ifndef TF_APP_SAMPLER_H
#define TF_APP_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/app/report/generation_report.h"

/**
 * In the order in which they act, as in llama.cpp: repeated tokens are made less likely, then the most likely ones are
 * kept (of them the first so many, those that make up so much, those not far below the first), then the temperature.
 */
typedef struct sampler_settings {
    double repeat_penalty; /**< 1: none. Logits of tokens that are in the text are divided by it, negative ones
                                multiplied */
    size_t top_k;          /**< 0: all */
    double top_p, min_p;   /**< 1 and 0: all */
    double temperature;    /**< 0: always the most likely token */
    bool seeded;           /**< otherwise from the system's random numbers */
    uint64_t seed;
} sampler_settings;

typedef struct sampler sampler;

/** Makes a sampler over a vocabulary. */
TF_CHECKED tf_status sampler_open(const sampler_settings *settings, size_t vocabulary, sampler **sampler);
void sampler_close(sampler *sampler);

/** Chooses a token. `text`: the ids that are there already. Changes nothing in `logits`; fails where none is a number.
 */
TF_CHECKED tf_status sampler_choose(sampler *sampler, const double *logits, const int32_t *text, size_t length,
                                    int32_t *token);

/** The `count` most likely tokens, best first. */
void sampler_likeliest(sampler *sampler, const double *logits, size_t count, token_chance *out);

/** The log-probability of one token. */
double sampler_log_probability(const sampler *sampler, const double *logits, int32_t token);

#endif
