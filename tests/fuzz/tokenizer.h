/** The two forms of a tokenizer: the input is the file, and, after a zero byte, a text to cut into its tokens, which
 * are put together again. */
#ifndef TF_FUZZ_TOKENIZER_H
#define TF_FUZZ_TOKENIZER_H

#include <string.h>

#include "models/tokenize/tokenizer.h"
#include "models/tokenize/unicode.h"
#include "tests/fuzz/fuzz.h"

/* Decodes one id after the other: whole characters come out, and together they are what all ids give at once. */
static inline void fuzz_decode(const tf_tokenizer *tokenizer, const int32_t *ids, size_t count) {
    tf_decoder *decoder;
    char *whole;
    const char *part;
    size_t length, size, offset, at = 0;
    if (tf_tokenizer_decode(tokenizer, ids, count, false, &whole, &length)) return;
    if (tf_decoder_open(tokenizer, false, &decoder) == TF_OK) {
        for (size_t i = 0; i <= count; i++, at += size) {
            tf_status status =
                i < count ? tf_decoder_push(decoder, ids[i], &part, &size) : tf_decoder_finish(decoder, &part, &size);
            fuzz_require(status == TF_OK && size <= length - at && !memcmp(whole + at, part, size),
                         "a text that changes while it is streamed");
            fuzz_require(tf_utf8_valid(part, size, &offset), "a part of a character");
        }
        fuzz_require(at == length, "a text that is cut while it is streamed");
        tf_decoder_close(decoder);
    }
    free(whole);
}

static inline void fuzz_tokenizer(const char *name, const uint8_t *data, size_t size) {
    static const char usual[] = "It's h\xc3\xa9llo, W\xc3\x96RLD! \xe4\xb8\xad\xe6\x96\x87 ##ing [MASK]";
    static fuzz_file file;
    static const char *directory;
    tf_tokenizer *tokenizer;
    if (!directory) {
        file = fuzz_file_new();
        directory = fuzz_directory(&file, name);
    }
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    size_t length = end ? (size_t)(end - data) : size;
    const char *text = end ? (const char *)end + 1 : usual;
    size_t text_length = end ? size - length - 1 : sizeof usual - 1;
    fuzz_file_fill(&file, data, length);
    if (tf_tokenizer_open(directory, &tokenizer)) return;
    for (int pair = 0; pair < 2; pair++) {
        int32_t *ids, *types;
        size_t count;
        if (tf_tokenize(tokenizer, text, text_length, pair ? usual : NULL, pair ? sizeof usual - 1 : 0, 16, pair, &ids,
                        &types, &count))
            continue;
        fuzz_require(count <= 16, "more tokens than the limit");
        for (size_t i = 0; i < count; i++)
            fuzz_require(ids[i] >= 0 && (size_t)ids[i] < tf_tokenizer_vocabulary(tokenizer), "an id out of range");
        fuzz_decode(tokenizer, ids, count);
        free(ids);
        free(types);
    }
    tf_tokenizer_close(tokenizer);
}

#endif
