/** The files that a tokenizer is, and their digest, by which a data owner knows the tokenizer that it trusts. */
#ifndef TF_APP_TOKENIZER_FILES_H
#define TF_APP_TOKENIZER_FILES_H

#include "net/base/digest.h"

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
 * Makes the digest of the tokenizer in a directory: of names, lengths and bytes of all of these files that are there,
 * as each of them may change ids or prompts. No file is understood for that: what a pin refuses is never parsed. All
 * zero where there is no tokenizer.
 */
TF_CHECKED tf_status tokenizer_files_digest(const char *directory, tf_digest *digest);

/** Compares a directory's digest with that of the pin, if it has one: TF_MISMATCH tells both. */
TF_CHECKED tf_status tokenizer_pin_check(const tokenizer_pin *pin, const char *directory, const tf_digest *digest);

#endif
