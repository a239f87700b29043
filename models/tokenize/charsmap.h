/** Part of models/tokenize: the precompiled normalisation table that SentencePiece puts into its models. */
#ifndef TF_TOKENIZE_CHARSMAP_H
#define TF_TOKENIZE_CHARSMAP_H

#include "models/tokenize/text.h"

typedef struct tf_charsmap tf_charsmap;

/**
 * Reads "precompiled_charsmap": in Base64, the size of a double array (32 bits), the array, and the replacements, each
 * with a zero byte behind it (sentencepiece/src/normalizer.cc; darts-clone for the array).
 */
TF_CHECKED tf_status tf_charsmap_read(const char *base64, tf_charsmap **charsmap);
void tf_charsmap_free(tf_charsmap *charsmap);
/** The array and the replacements behind it. */
const void *tf_charsmap_bytes(const tf_charsmap *charsmap, size_t *length);

/** Rewrites a slice as normalizers/precompiled.rs of the tokenizers library: by grapheme, then by character. */
TF_CHECKED tf_status tf_charsmap_rewrite(const tf_charsmap *charsmap, tf_rewriter *rewriter);

#endif
