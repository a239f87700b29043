/** Forecasts what a private run moves and needs. */
#ifndef TF_APP_COST_H
#define TF_APP_COST_H

#include "experiments/app/report/cost_report.h"
#include "experiments/app/service/passes.h"

/**
 * Forecasts exactly a batch of `texts` texts of `length` tokens, or with their lengths `hidden` in so many, and the
 * time of its messages on `network` unless that is NULL; runs nothing. `ranges` may be NULL. The caller frees
 * the report.
 */
TF_CHECKED tf_status cost_forecast(const run_settings *settings, const tf_config *config, const tf_approx *approx,
                                   const tf_ranges *ranges, size_t texts, size_t length, bool hidden,
                                   const tf_network *network, cost_report *report);

/** The same for the batches of an evaluation, whose job has no weights. */
TF_CHECKED tf_status cost_batches(const private_job *job, cost_report *report);

/** The same for generating `tokens` tokens after prompts of `prompt` tokens, read in pieces of `piece` (0: at once):
 * the passes of all of them together. With `proposed` tokens a pass all of them are taken to be right. */
TF_CHECKED tf_status cost_generation(const private_job *job, pass_reveal reveal, size_t texts, size_t prompt,
                                     size_t piece, size_t tokens, size_t proposed, const tf_network *network,
                                     cost_report *report);

/** The bytes that the party with most of them needs to run a program: its values, messages and shared weights. */
TF_CHECKED tf_status cost_memory(const tf_program *program, uint64_t *bytes);

#endif
