/** Part of models/tokenize: a text on its way from what was given to pieces, with the place that each
 *  byte comes from. */
#ifndef TF_TOKENIZE_TEXT_H
#define TF_TOKENIZE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

/** Bytes start..end-1 of the text as it was given. */
typedef struct tf_origin {
    uint32_t start, end;
} tf_origin;

/** UTF-8, and for each of its bytes the character of the given text that it comes from. */
typedef struct tf_aligned {
    char *bytes;
    tf_origin *from;
    size_t length, capacity;
} tf_aligned;

/** A part of a text that is tokenised by itself, or an added token that was found in it. */
typedef struct tf_text_piece {
    size_t start, length; /**< in the text's bytes; never empty */
    int32_t id;           /**< of an added token; -1 for text */
} tf_text_piece;

typedef struct tf_text_pieces {
    tf_aligned text;
    tf_text_piece *piece;
    size_t count, capacity;
} tf_text_pieces;

/** What to return when there is no memory for a text. */
tf_status tf_text_no_memory(void);

/** Appends bytes that all come from one place. */
TF_CHECKED tf_status tf_aligned_add(tf_aligned *out, const char *bytes, size_t length, tf_origin from);
/** Appends a slice of another text. */
TF_CHECKED tf_status tf_aligned_copy(tf_aligned *out, const tf_aligned *in, size_t start, size_t length);
void tf_aligned_free(tf_aligned *text);

/** One piece, the whole text; none when it is empty. At most 2^31 - 1 bytes. */
TF_CHECKED tf_status tf_pieces_of(const char *text, size_t length, tf_text_pieces *out);
/** Appends a piece of out->text; an empty one is left out, as the tokenizers library does. */
TF_CHECKED tf_status tf_pieces_add(tf_text_pieces *out, size_t start, size_t length, int32_t id);
void tf_pieces_free(tf_text_pieces *pieces);

/**
 * Replaces characters of a slice one by one, as NormalizedString::transform of the tokenizers library: its arithmetic
 * decides which place of the given text a new character comes from.
 */
typedef struct tf_rewriter {
    const tf_aligned *in;
    size_t start, length; /**< the slice */
    size_t at;            /**< bytes of the slice that are done with */
    tf_aligned *out;
} tf_rewriter;

/**
 * Appends a character. change 0: in place of the next old one; 1: beside the last one; -n: in place of the next one and
 * n more.
 */
TF_CHECKED tf_status tf_rewrite(tf_rewriter *rewriter, int32_t code, int change);
/** Drops old characters at the start. */
void tf_rewrite_skip(tf_rewriter *rewriter, size_t characters);

#endif
