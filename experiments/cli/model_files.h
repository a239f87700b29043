/** What the sub-commands open of a model directory, each part only where it is needed. */
#ifndef TF_CLI_MODEL_FILES_H
#define TF_CLI_MODEL_FILES_H

#include "experiments/cli/options.h"
#include "experiments/cli/texts.h"
#include "models/model.h"
#include "net/clock.h"

typedef struct model_files {
    const char *directory;
    tf_config config;
    tf_approx approx;
    tf_tokenizer *tokenizer; /**< NULL until opened */
    tf_safetensors *weights; /**< NULL until opened */
} model_files;

/** Reads config.json of --model and settles the approximations: --approx, or what the model was trained for, or exact.
 */
TF_CHECKED tf_status model_open(const cli_options *options, model_files *model);
/** The same of another directory. */
TF_CHECKED tf_status model_open_at(const cli_options *options, const char *directory, model_files *model);
/** The same for --arch, with --layers; there is no directory then. */
TF_CHECKED tf_status model_open_named(const cli_options *options, model_files *model);
TF_CHECKED tf_status model_open_tokenizer(model_files *model);
TF_CHECKED tf_status model_open_weights(model_files *model);
void model_close(model_files *model);

/** Registers the built-in ops and those of every --plugin. */
TF_CHECKED tf_status register_ops(const cli_options *options);

/** Values a text: logits or the length of the embedding. */
size_t model_width(const tf_config *config);

/** A label's name: id2label, or "LABEL_3" as Hugging Face names the nameless. */
const char *model_label(const tf_config *config, size_t i, char *buffer, size_t size);

/**
 * Runs the model in floating point on batches; values (texts x width) are in the order of the texts, not of the rows.
 * Shows progress on stderr when that is a terminal.
 */
TF_CHECKED tf_status plain_run(const model_files *model, const cli_batches *batches, float *values);

/** Prints a line over the last one on stderr if that is a terminal; done == total ends it. */
void show_progress(const char *what, size_t done, size_t total);

#endif
