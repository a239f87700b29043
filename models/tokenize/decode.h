/**
 * Part of models/tokenize: the decoders of the tokenizers library (tokenizers/src/decoders) as a chain of stages that
 * tokens run through one by one.
 */
#ifndef TF_TOKENIZE_DECODE_H
#define TF_TOKENIZE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

enum { TF_MAX_DECODE_STEPS = 48, TF_MAX_DECODE_PATTERN = 64 };

typedef enum tf_decode_kind {
    TF_DECODE_REPLACE,       /**< `text` by `content` */
    TF_DECODE_BYTE_FALLBACK, /**< <0xE2> is a byte; a run of bytes that is not UTF-8 becomes one U+FFFD for each */
    TF_DECODE_FUSE,          /**< all tokens become one */
    TF_DECODE_STRIP,         /**< at most `start` and `stop` characters `text` at the ends of a token */
    TF_DECODE_METASPACE,     /**< `text` is a space, and in the first token nothing when `prefixed` */
    TF_DECODE_WORDPIECE,     /**< a space before a token without the prefix `text` */
    TF_DECODE_BYTE_LEVEL,    /**< characters become bytes again */
    TF_DECODE_SUFFIX,        /**< `text` is a space, and nothing in the last token */
    TF_DECODE_JOIN           /**< a space between tokens: what happens without any decoder */
} tf_decode_kind;

typedef struct tf_decode_step {
    tf_decode_kind kind;
    char *text, *content; /**< owned */
    size_t start, stop;
    bool prefixed;
} tf_decode_step;

typedef struct tf_decode_steps {
    tf_decode_step step[TF_MAX_DECODE_STEPS];
    size_t count;
} tf_decode_steps;

/** Appends a step with copies of the two strings; TF_FORMAT when there are too many or a string is too long. */
TF_CHECKED tf_status tf_decode_add(tf_decode_steps *steps, tf_decode_step step, const char *text, const char *content);
/** Appends what cleans up before punctuation and English contractions, with or without "do not". */
TF_CHECKED tf_status tf_decode_add_cleanup(tf_decode_steps *steps, bool do_not);
void tf_decode_steps_free(tf_decode_steps *steps);

#endif
