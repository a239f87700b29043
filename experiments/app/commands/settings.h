/** What the command line says, in the terms of the rooms below, which know nothing of options. */
#ifndef TF_APP_SETTINGS_H
#define TF_APP_SETTINGS_H

#include "experiments/app/commands/options.h"
#include "experiments/app/data/decoys.h"
#include "experiments/app/data/model_files.h"
#include "experiments/app/data/texts.h"
#include "experiments/app/log/log.h"
#include "experiments/app/report/form.h"
#include "experiments/app/report/token_report.h"
#include "experiments/app/service/generation.h"
#include "experiments/app/service/resident.h"

/** Of --log-level, --log-json, --quiet and --verbose; a party with --serve is a service. */
log_settings settings_of_log(const command_line *line);

model_settings settings_of_model(const command_line *line);

/** Of --text or --input. */
text_source settings_of_texts(const command_line *line);
/** Of --data. */
text_source settings_of_data(const command_line *line);

share_settings settings_of_shares(const command_line *line);
run_settings settings_of_run(const command_line *line);
report_form settings_of_report(const command_line *line);

/** Of --batch, --truncate, --max-length, --pad-to and --strict; without this an empty text is `empty`. */
batch_settings settings_of_batches(const command_line *line, empty_texts empty);

/** Mixes the decoys of --decoys, --certified and --tolerance among the texts; without --decoys, none. */
TF_CHECKED tf_status settings_mix_decoys(const command_line *line, const model_files *model, text_list *texts,
                                         decoys *out);

/** Of --aggregation and --top. */
TF_CHECKED tf_status settings_of_tokens(const command_line *line, token_settings *tokens);

/** How texts are continued; `form` must outlive it. */
/** How many tokens are proposed at once; 0: none. */
size_t settings_proposed(const generate_line *line);

/** Checks what is said of proposals: they save rounds, and with logits every row's would be opened. */
TF_CHECKED tf_status settings_check_draft(const command_line *line);

generation_settings settings_of_generation(const command_line *line, const report_form *form);

/** How a party stays and answers; `prompts` must outlive it. */
resident_settings settings_of_resident(const command_line *line, int party, const generation_settings *prompts);

/** Checks what options of share files go together. */
TF_CHECKED tf_status settings_check_shares(const command_line *line);

/** Checks what goes together with decoys. */
TF_CHECKED tf_status settings_check_decoys(const command_line *line);

/** Checks what options of generation go together. */
TF_CHECKED tf_status settings_check_generation(const command_line *line);

/** Fails where what is asked of masked words does not go together. */
TF_CHECKED tf_status settings_check_masks(const command_line *options);

#endif
