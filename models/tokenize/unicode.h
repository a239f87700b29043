/** Part of models/: characters and their properties, as far as tokenisation asks for them. By utf8proc. */
#ifndef TF_UNICODE_H
#define TF_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

enum { TF_MAX_DECOMPOSITION = 8 };

/** Reads one character of valid UTF-8 and returns its length in bytes. */
size_t tf_utf8_read(const char *text, size_t length, int32_t *code);

/** Writes one character as UTF-8 (at most 4 bytes) and returns its length in bytes. */
size_t tf_utf8_write(int32_t code, char *text);

/** Whether the text is UTF-8; if not, *offset is the first byte that is not. */
bool tf_utf8_valid(const char *text, size_t length, size_t *offset);

bool tf_is_space(int32_t code);       /**< White_Space */
bool tf_is_control(int32_t code);     /**< Cc, Cf, Co, but not tab, line feed and carriage return */
bool tf_is_punctuation(int32_t code); /**< P*, and all that ASCII prints but letters and digits */
bool tf_is_mark(int32_t code);        /**< Mn */
bool tf_is_ideograph(int32_t code);   /**< the CJK blocks of the basic plane, which BERT puts spaces around */
bool tf_is_word(int32_t code);        /**< what \w stands for in a regular expression */

/**
 * The lower case of text[i]: one character, or two for U+0130. Returns how many. As Unicode defines it, a capital sigma
 * depends on its neighbours.
 */
size_t tf_lowercase(const int32_t *text, size_t count, size_t i, int32_t out[2]);

/** Full canonical decomposition. Returns how many characters it has. */
size_t tf_decompose(int32_t code, int32_t out[TF_MAX_DECOMPOSITION]);

/** The canonical combining class. */
int tf_combining_class(int32_t code);

#endif
