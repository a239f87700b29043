/**
 * A Hugging Face model directory: config.json, model.safetensors, vocab.txt or tokenizer.json; and the graph that the
 * model is, whatever its family. Files are hostile: every length, offset and number is checked before use.
 */
#ifndef TF_MODEL_H
#define TF_MODEL_H

#include "models/approx.h"
#include "models/batch.h"
#include "models/config.h"
#include "models/files/safetensors.h"
#include "models/tokenize/tokenizer.h"

/**
 * Builds the graph of a model for a batch. `weights` NULL where this party does not hold them (leaves then have no
 * data). With `public_weights` linear layers' weights are public leaves. Same graph on all parties.
 *
 * Leaves have the names that the model's family gives them: for BERT those of the Hugging Face tensors, without prefix.
 */
TF_CHECKED tf_status tf_model_build(const tf_config *config, const tf_approx *approx, const tf_batch *batch,
                                    const tf_safetensors *weights, bool public_weights, tf_graph *graph);

/** The longest text in tokens, special ones included: what the model has positions for, or its makers set. */
size_t tf_model_longest(const tf_config *config);

/** The name in "architectures" of the model's family with this head, or NULL. */
const char *tf_model_architecture(const tf_config *config, tf_head head);

/** Whether texts may be pairs. */
bool tf_model_takes_pairs(const tf_config *config);

/** What comes out of a model: the graph's output is texts x width, or texts x tokens x width per token. */
typedef struct tf_output_form {
    bool per_token;
    bool labelled; /**< the values are logits (or, in regression, values) of the labels that tf_model_label names */
    size_t width;
} tf_output_form;

tf_output_form tf_model_output(const tf_config *config);

/** How many rows come out for each text of a batch: 1, its tokens, or those that it picks. */
size_t tf_model_rows(const tf_config *config, const tf_batch *batch);

/** Its width: the number of values a text, or a token. */
size_t tf_model_width(const tf_config *config);

/** A label's name: id2label, or "LABEL_3" as Hugging Face names the nameless. */
const char *tf_model_label(const tf_config *config, size_t i, char *buffer, size_t size);

/** The label that a name, or a number from 0, stands for; the number of labels where there is none such. */
size_t tf_model_find_label(const tf_config *config, const char *given);

#endif
