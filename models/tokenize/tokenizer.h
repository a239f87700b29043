/**
 * WordPiece tokenisation, equal to Hugging Face's.
 *
 * Their implementations differ in corners, and the reference here is tokenizers.js: unlike the Rust library it knows
 * the final sigma, puts no spaces around ideographs beyond U+FFFF, and follows the Unicode version of its platform
 * (here utf8proc's) where the Rust library keeps the categories of Unicode 8.0. All of them agree on ordinary text.
 */
#ifndef TF_TOKENIZER_H
#define TF_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

typedef struct tf_tokenizer tf_tokenizer;

/**
 * Opens DIR/tokenizer.json, or else DIR/vocab.txt with the options and special tokens of DIR/tokenizer_config.json, if
 * it is there. Settings for truncation and padding are ignored.
 */
TF_CHECKED tf_status tf_tokenizer_open(const char *directory, tf_tokenizer **tokenizer);
void tf_tokenizer_close(tf_tokenizer *tokenizer);

/** The number of ids: the largest one plus one. */
size_t tf_tokenizer_vocabulary(const tf_tokenizer *tokenizer);

/**
 * Tokenises a text (or a pair: second not NULL) into [CLS] first [SEP] (second [SEP]) with token types 0 and 1.
 * Both strings are UTF-8 with explicit lengths; invalid UTF-8 fails with TF_FORMAT and the byte offset.
 * The result has at most `limit` ids: longer is TF_INVALID with both numbers in the message, or is cut as Hugging Face
 * cuts (longest first) when `truncate`. limit 0 means none. The caller frees *ids and *types.
 */
TF_CHECKED tf_status tf_tokenize(const tf_tokenizer *tokenizer, const char *first, size_t first_length,
                                 const char *second, size_t second_length, size_t limit, bool truncate, int32_t **ids,
                                 int32_t **types, size_t *count);

#endif
