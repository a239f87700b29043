/** The files that a tokenizer is, and their digest, by which a data owner knows the tokenizer that it trusts. */
#ifndef TF_APP_TOKENIZER_FILES_H
#define TF_APP_TOKENIZER_FILES_H

#include "models/tokenize/tokenizer.h"

enum { TOKENIZER_FILES = 6 };

/** Their names in a model's directory, not all of which need be there. */
extern const char *const tokenizer_file[TOKENIZER_FILES];

/** What a data owner holds the tokenizer to, whatever the model owner offers. NULL where not given. */
typedef struct tokenizer_pin {
    const char *directory; /**< its own copy */
    const char *digest;    /**< in hexadecimal digits */
} tokenizer_pin;

static inline bool tokenizer_is_pinned(const tokenizer_pin *pin) {
    return pin->directory || pin->digest;
}

/**
 * Makes the digest of an open tokenizer and of the chat template beside it in its directory: of what they do to a text,
 * not of how their files are written. So a model that was saved again after fine-tuning keeps the digest of the one it
 * came from, and a copy from elsewhere has it too.
 */
TF_CHECKED tf_status tokenizer_digest(const tf_tokenizer *tokenizer, const char *directory, tf_digest *digest);

/** The same of a directory; all zero where there is no tokenizer. */
TF_CHECKED tf_status tokenizer_directory_digest(const char *directory, tf_digest *digest);

/** Compares a directory's digest with that of the pin, if it has one: TF_MISMATCH tells both. */
TF_CHECKED tf_status tokenizer_pin_check(const tokenizer_pin *pin, const char *directory, const tf_digest *digest);

#endif
