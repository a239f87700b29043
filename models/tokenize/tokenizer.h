/**
 * From a text to token ids and back, equal to Hugging Face's tokenizers library (0.22), for tokenizer.json with
 * WordPiece, byte-pair encoding or Unigram, and for BERT's vocab.txt. What a file asks for beyond that is refused when
 * it is opened. A tokenizer is not changed by use: threads may share one.
 */
#ifndef TF_TOKENIZER_H
#define TF_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/base/digest.h"
#include "net/base/status.h"

typedef struct tf_tokenizer tf_tokenizer;

/**
 * Opens DIR/tokenizer.json, or else DIR/vocab.txt, with the settings and special tokens of DIR/tokenizer_config.json,
 * if it is there, merged as Hugging Face's fast tokenizers do. Settings for truncation and padding are ignored.
 */
TF_CHECKED tf_status tf_tokenizer_open(const char *directory, tf_tokenizer **tokenizer);
void tf_tokenizer_close(tf_tokenizer *tokenizer);

/**
 * The SHA-256 of all that decides which ids a text gets: steps, vocabulary, merges or scores, added and special tokens.
 * Files that say the same in other words (an order of keys, vocab.txt for tokenizer.json) have one digest; what
 * concerns decoding and offsets alone is not in it. Parties compare it, so that ids mean the same to the model's owner
 * and the data's. TF_NOMEM when OpenSSL fails.
 */
TF_CHECKED tf_status tf_tokenizer_digest(const tf_tokenizer *tokenizer, tf_digest *digest);

/** The number of ids: the largest one plus one. */
size_t tf_tokenizer_vocabulary(const tf_tokenizer *tokenizer);

/** The most tokens that tokenizer_config.json allows a text (model_max_length); 0 when it sets no bound. */
size_t tf_tokenizer_longest(const tf_tokenizer *tokenizer);

/** The text of an id as the vocabulary has it ("##ing", "Ġthe"), with its length; NULL when no token has this id. */
const char *tf_tokenizer_token(const tf_tokenizer *tokenizer, int32_t id, size_t *length);

/** The id of a token that is written so; -1 when there is none. */
int32_t tf_tokenizer_find(const tf_tokenizer *tokenizer, const char *token);

/** Whether tokens that continue a word are marked as such (## of WordPiece), so that they are longer than what they
 * stand for. */
bool tf_tokenizer_marks_pieces(const tf_tokenizer *tokenizer);

/** A text, or a pair of them (second not NULL), in UTF-8 with explicit lengths. */
typedef struct tf_encode_request {
    const char *first, *second;
    size_t first_length, second_length;
    size_t limit;  /**< the most ids, special ones included; 0: no limit */
    bool truncate; /**< cuts what is too long as Hugging Face does, the longer text first, instead of failing */
    bool bare;     /**< without the special tokens around the texts; those within them are found all the same */
    /** For each byte of the first text, whether special tokens are not found there: one that is written in such bytes,
     * even in part, is ordinary text. NULL: they are found everywhere. */
    const unsigned char *literal;
} tf_encode_request;

/** Where a token comes from: bytes start..end-1 of text 0 or 1; text -1 for a token that was put around them. */
typedef struct tf_token_place {
    size_t start, end;
    int text;
} tf_token_place;

typedef struct tf_encoding {
    size_t count;
    int32_t *ids, *types;
    tf_token_place *place;
} tf_encoding;

/**
 * Tokenises a text or a pair. Invalid UTF-8 fails with TF_FORMAT and the byte offset; more ids than the limit with
 * TF_INVALID and both numbers, unless `truncate`. The caller frees the encoding, which is empty on an error.
 */
TF_CHECKED tf_status tf_tokenizer_encode(const tf_tokenizer *tokenizer, const tf_encode_request *request,
                                         tf_encoding *encoding);
void tf_encoding_free(tf_encoding *encoding);

/** tf_tokenizer_encode with special tokens, for those who want ids and types alone. The caller frees
 *  *ids and *types. */
TF_CHECKED tf_status tf_tokenize(const tf_tokenizer *tokenizer, const char *first, size_t first_length,
                                 const char *second, size_t second_length, size_t limit, bool truncate, int32_t **ids,
                                 int32_t **types, size_t *count);

/**
 * Turns ids into text one by one. What tf_decoder_push gives out never ends within a character and never changes later:
 * all of it together is what the library's `decode` makes of all the ids at once.
 */
typedef struct tf_decoder tf_decoder;

/** Begins a text; with `skip_special` special tokens leave nothing. The tokenizer must outlive the decoder. */
TF_CHECKED tf_status tf_decoder_open(const tf_tokenizer *tokenizer, bool skip_special, tf_decoder **decoder);
/**
 * Takes in one id and gives out the text that has become certain, maybe none. An id that is no token's (a model's
 * vocabulary may be padded) leaves nothing. *text is valid until the next call.
 */
TF_CHECKED tf_status tf_decoder_push(tf_decoder *decoder, int32_t id, const char **text, size_t *length);
/** Ends the text and gives out the rest of it. */
TF_CHECKED tf_status tf_decoder_finish(tf_decoder *decoder, const char **text, size_t *length);
/** Frees the decoder. NULL is allowed. */
void tf_decoder_close(tf_decoder *decoder);

/** Decodes all ids at once. A zero byte follows the text; the caller frees it. */
TF_CHECKED tf_status tf_tokenizer_decode(const tf_tokenizer *tokenizer, const int32_t *ids, size_t count,
                                         bool skip_special, char **text, size_t *length);

#endif
