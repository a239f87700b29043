/** What the sub-commands open of a model directory, each part only where it is needed. */
#ifndef TF_APP_MODEL_FILES_H
#define TF_APP_MODEL_FILES_H

#include "experiments/app/commands/options.h"
#include "experiments/app/data/texts.h"
#include "models/ranges.h"
#include "net/base/clock.h"

typedef struct model_files {
    const char *directory;
    tf_config config;
    tf_approx approx;
    tf_tokenizer *tokenizer; /**< NULL until opened */
    tf_safetensors *weights; /**< NULL until opened */
    tf_ranges ranges;        /**< of ranges.json, if `calibrated` */
    bool calibrated;
} model_files;

/**
 * Reads config.json of --model and settles the approximations: --approx, or what the model was trained for, or exact.
 * For commands that know --no-ranges also ranges.json, if it is there, which must be of these approximations and (as
 * soon as they are opened) of these weights.
 */
TF_CHECKED tf_status model_open(const cli_options *options, model_files *model);
/** The same of another directory. */
TF_CHECKED tf_status model_open_at(const cli_options *options, const char *directory, model_files *model);
/** The same for --arch, with --layers; there is no directory then. */
TF_CHECKED tf_status model_open_named(const cli_options *options, model_files *model);
TF_CHECKED tf_status model_open_tokenizer(model_files *model);
TF_CHECKED tf_status model_open_weights(model_files *model);
void model_close(model_files *model);

/** The calibrated ranges, or NULL. */
const tf_ranges *model_ranges(const model_files *model);

/** Warns on stderr, in one line, of approximations that the weights were not trained for. One process of a job calls
 * it.
 */
void model_warn_untrained(const model_files *model);

/** Registers the built-in ops and those of every --plugin. */
TF_CHECKED tf_status register_ops(const cli_options *options);

/** Runs the model in floating point on one batch: texts x width, in the order of its rows. The caller frees out->data.
 *  The largest magnitude at each node is noted in `seen`, unless that is NULL. */
TF_CHECKED tf_status plain_batch(const model_files *model, const tf_batch *batch, tf_ranges *seen, tf_array *out);

/** The SHA-256 digest of the open weights, in hexadecimal digits. */
TF_CHECKED tf_status model_digest_text(const model_files *model, char text[65]);

/**
 * Runs the model in floating point on batches; values (texts x width) are in the order of the texts, not of the rows.
 * Shows progress on stderr when that is a terminal.
 */
TF_CHECKED tf_status plain_run(const model_files *model, const cli_batches *batches, tf_ranges *seen, float *values);

/** Prints a line over the last one on stderr if that is a terminal; done == total ends it. */
void show_progress(const char *what, size_t done, size_t total);

#endif
