/**
 * Part of models/tokenize: what happens to a text before the model sees it. The normalisers and pre-tokenisers of the
 * tokenizers library (tokenizers/src/normalizers, pre_tokenizers) come down to these few steps; a Sequence is an array.
 */
#ifndef TF_TOKENIZE_STEP_H
#define TF_TOKENIZE_STEP_H

#include <stdbool.h>

#include "models/tokenize/expression.h"
#include "models/tokenize/text.h"
#include "models/tokenize/unicode.h"

/** What is looked for in a text. */
typedef struct tf_matcher {
    enum { TF_MATCH_CHARACTER, TF_MATCH_STRING, TF_MATCH_EXPRESSION } kind;
    bool (*character)(int32_t code); /**< NULL: `code` alone */
    int32_t code;
    char *string;
    size_t length;
    tf_expression *expression;
} tf_matcher;

typedef enum tf_behaviour {
    TF_ISOLATED,
    TF_REMOVED,
    TF_MERGED_WITH_PREVIOUS,
    TF_MERGED_WITH_NEXT,
    TF_CONTIGUOUS
} tf_behaviour;

typedef enum tf_step_kind {
    TF_STEP_NFC,
    TF_STEP_NFD,
    TF_STEP_NFKC,
    TF_STEP_NFKD,
    TF_STEP_LOWERCASE,
    TF_STEP_FILTER,     /**< drops the characters of `drop` */
    TF_STEP_SPACES,     /**< makes the characters of `drop` spaces */
    TF_STEP_IDEOGRAPHS, /**< puts spaces around ideographs */
    TF_STEP_STRIP,      /**< white space at the ends */
    TF_STEP_REPLACE,    /**< what matches, by `text` */
    TF_STEP_PREFIX,     /**< puts `text` in front */
    TF_STEP_BYTES,      /**< each byte becomes a printable character, as GPT-2 has it */
    TF_STEP_CHARSMAP,   /**< the precompiled table of SentencePiece */
    TF_STEP_SPLIT       /**< the only one that makes pieces of a piece */
} tf_step_kind;

typedef enum tf_prefix_scheme { TF_PREFIX_ALWAYS, TF_PREFIX_UNLESS_THERE, TF_PREFIX_FIRST } tf_prefix_scheme;

typedef struct tf_text_step {
    tf_step_kind kind;
    bool (*drop)(int32_t code);
    bool left, right;
    tf_matcher match;
    tf_behaviour behaviour;
    bool invert;
    char *text; /**< owned */
    size_t length;
    tf_prefix_scheme scheme;
    struct tf_charsmap *charsmap; /**< owned */
} tf_text_step;

typedef struct tf_text_steps {
    tf_text_step *step;
    size_t count, capacity;
} tf_text_steps;

void tf_steps_free(tf_text_steps *steps);

/** Appends to `out` what a step other than SPLIT makes of a slice of `in`. Both texts must be different ones. */
TF_CHECKED tf_status tf_step_rewrite(const tf_text_step *step, const tf_aligned *in, size_t start, size_t length,
                                     tf_aligned *out);

/** The four normal forms of Unicode Standard Annex 15, with alignments; part of tf_step_rewrite. */
TF_CHECKED tf_status tf_normal_form(tf_step_kind form, const tf_aligned *in, size_t start, size_t length,
                                    tf_aligned *out);

/** Replaces what matches in a slice. */
TF_CHECKED tf_status tf_replace(const tf_matcher *match, const char *text, size_t text_length, const tf_aligned *in,
                                size_t start, size_t length, tf_aligned *out);

/** Runs the steps over every piece that is not an added token. */
TF_CHECKED tf_status tf_steps_run(const tf_text_steps *steps, tf_text_pieces *pieces);

/** The printable character of a byte (GPT-2's bytes_to_unicode), and the byte of a character, or -1. */
int32_t tf_byte_character(uint8_t byte);
int tf_character_byte(int32_t code);

/** A stretch of a text that matches, or that lies between matches. */
typedef struct tf_match {
    size_t start, end;
    bool found;
} tf_match;

typedef struct tf_matches {
    tf_match *match;
    size_t count, capacity;
} tf_matches;

/** Cuts a text into stretches, without a gap; the caller frees out->match. */
TF_CHECKED tf_status tf_find_matches(const tf_matcher *match, const char *text, size_t length, tf_matches *out);

#endif
