/** Writing a model directory: an existing model with a linear classifier on its sentence embeddings. */
#ifndef TF_APP_HEAD_DIRECTORY_H
#define TF_APP_HEAD_DIRECTORY_H

#include "experiments/app/data/model_files.h"

typedef struct linear_head {
    size_t labels, hidden;
    char *const *label;
    const float *weight; /**< labels x hidden */
    const float *bias;   /**< labels */
} linear_head;

/**
 * Writes `directory`: config.json with the labels and "trefoil_head": "sentence_linear", all weights of the model, in
 * the types that they have there, and the head's (F32) in model.safetensors, and the tokenizer's files. What stands
 * there is replaced; config.json, without which it is no model, is removed first and written last. `approx` NULL: not
 * named in config.json.
 */
TF_CHECKED tf_status head_directory_write(const char *directory, const model_files *model, const linear_head *head,
                                          const char *approx);

/** The public files of a shared model, to one party's directory: config.json with the approximations that the weights
 *  were shared for (`approx` NULL: those that the model names, or exact), calibrated ranges, and the tokenizer. */
TF_CHECKED tf_status model_copy_public(const model_files *model, const char *approx, const char *directory);

#endif
