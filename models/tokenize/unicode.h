/** Part of models/: characters and their properties, as far as tokenisation asks for them. By utf8proc. */
#ifndef TF_UNICODE_H
#define TF_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

enum { TF_MAX_DECOMPOSITION = 32 };

/** Reads one character of valid UTF-8 and returns its length in bytes. */
size_t tf_utf8_read(const char *text, size_t length, int32_t *code);

/** Reads the character that ends before byte `end` (not 0) and returns where it starts. */
size_t tf_utf8_before(const char *text, size_t end, int32_t *code);

/** Writes one character as UTF-8 (at most 4 bytes) and returns its length in bytes. */
size_t tf_utf8_write(int32_t code, char *text);

/** Whether the text is UTF-8; if not, *offset is the first byte that is not. */
bool tf_utf8_valid(const char *text, size_t length, size_t *offset);

/* The sets that the tokenizers library asks for, in its versions of Unicode. */
bool tf_is_space(int32_t code);       /**< White_Space */
bool tf_is_dropped(int32_t code);     /**< by BertNormalizer: U+FFFD, and Cc, Cf, Co but not tab, line feed, return */
bool tf_is_punctuation(int32_t code); /**< P*, and all that ASCII prints but letters and digits */
bool tf_is_mark(int32_t code);        /**< Mn */
bool tf_is_combining(int32_t code);   /**< M* */
bool tf_is_number(int32_t code);      /**< N* */
bool tf_is_ideograph(int32_t code);   /**< the blocks that BertNormalizer puts spaces around */
bool tf_is_word(int32_t code);        /**< what \w stands for in a regular expression */

/** The lower case of a character: one, or two for U+0130. Returns how many. Neighbours do not matter,
 *  not even sigma's. */
size_t tf_lowercase(int32_t code, int32_t out[2]);

/** The full canonical or compatible decomposition. Returns how many characters it has. */
size_t tf_decompose(int32_t code, bool compatible, int32_t out[TF_MAX_DECOMPOSITION]);

/** What a starter and a character make together in NFC; -1 when they stay apart. */
int32_t tf_compose(int32_t starter, int32_t code);

/** The canonical combining class. */
int tf_combining_class(int32_t code);

#endif
