/** Choosing the next token from logits, in the clear: by the data owner with --reveal logits, or with --plain. */
#ifndef TF_APP_SAMPLER_H
#define TF_APP_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/app/report/generation_report.h"
#include "ops/sample.h"

/**
 * Repeated tokens are made less likely first; then it is as everywhere: see ops/sample.h.
 */
typedef struct sampler_settings {
    double repeat_penalty; /**< 1: none. Logits of tokens that are in the text are divided by it, negative ones
                                multiplied */
    tf_sampling sampling;  /**< of temperature 0: always the most likely token */
    bool seeded;           /**< otherwise from the system's random numbers */
    uint64_t seed;
} sampler_settings;

typedef struct sampler sampler;

/** Makes a sampler over a vocabulary. */
TF_CHECKED tf_status sampler_open(const sampler_settings *settings, size_t vocabulary, sampler **sampler);
void sampler_close(sampler *sampler);

/** Takes other settings from the next token on; the numbers that are drawn go on. */
void sampler_use(sampler *sampler, const sampler_settings *settings);

/** Chooses a token. `text`: the ids that are there already. Changes nothing in `logits`; fails where none
 *  is a number. */
TF_CHECKED tf_status sampler_choose(sampler *sampler, const double *logits, const int32_t *text, size_t length,
                                    int32_t *token);

/** The `count` most likely tokens, best first. */
void sampler_likeliest(sampler *sampler, const double *logits, size_t count, token_chance *out);

/** The log-probability of one token. */
double sampler_log_probability(const sampler *sampler, const double *logits, int32_t token);

#endif
