/** How long batches are where the lengths of their texts are hidden. */
#ifndef TF_APP_PADDING_H
#define TF_APP_PADDING_H

#include "models/model.h"

typedef struct padding {
    bool hidden;
    size_t fixed;   /**< all batches have this length; 0: a bucket's */
    size_t longest; /**< text that may be */
} padding;

/**
 * Reads a number of tokens, or "bucket"; NULL: lengths are not hidden. TF_INVALID for anything else, and for more
 * tokens than `longest`.
 */
TF_CHECKED tf_status padding_read(const char *pad_to, size_t longest, padding *padding);

/** The length of a batch whose longest text has so many tokens; a bucket is 16, 32, 64, 96, 128, 192, 256, 384, 512 and
 *  so on, or the longest there may be. */
size_t padded_length(const padding *padding, size_t length);

/** Writes what the data owner puts in, in place of a text's number of tokens: `length` entries of both. */
void padding_hide(const tf_config *config, size_t tokens, size_t length, int32_t *mask, int32_t *weight);

#endif
