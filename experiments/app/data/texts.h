/** Texts as people give them, their tokens, and batches of these. */
#ifndef TF_APP_TEXTS_H
#define TF_APP_TEXTS_H

#include "experiments/app/commands/options.h"
#include "models/model.h"

/** A text, or a pair of texts. Strings are owned; they may hold zero bytes. */
typedef struct cli_text {
    char *first, *second; /**< second NULL where there is no pair */
    size_t first_length, second_length;
    char *label; /**< NULL where none was given */
    size_t line; /**< in the file, for messages; 0 from the command line */
} cli_text;

typedef struct cli_texts {
    cli_text *item;
    size_t count;
    const char *file; /**< NULL from the command line */
} cli_texts;

/** Reads --text or --input, at most --limit of them. */
TF_CHECKED tf_status texts_read(const cli_options *options, cli_texts *out);

/** Reads --data, a table (whatever its ending) unless it ends in .jsonl, at most --limit texts of it; every one of them
 *  must have a label if `labelled`. */
TF_CHECKED tf_status texts_read_data(const cli_options *options, bool labelled, cli_texts *out);

void texts_free(cli_texts *texts);

/** Reads texts one by one, from a file of any of the forms, or lines from standard input (`path` NULL). */
typedef struct text_reader text_reader;
TF_CHECKED tf_status text_reader_open(const char *path, const char *columns, text_reader **reader);
/** Appends the next text, or sets *end. After a failure in one line the next call goes on with the next one. */
TF_CHECKED tf_status text_reader_next(text_reader *reader, cli_texts *out, bool *end);
void text_reader_close(text_reader *reader);

/** Names a text in a message: "FILE line 7" or "text 7". */
const char *text_place(const cli_texts *texts, size_t i, char *buffer, size_t size);

/** How many texts are computed together where --batch does not say. */
enum { TEXTS_A_BATCH = 32 };

/** Batches of texts, similar lengths together so that little is padded. */
typedef struct cli_batches {
    tf_batch *batch;
    size_t count, texts;
    size_t *order; /**< the text at each row of the batches, counted through */
    size_t *lengths;
    int32_t *ids, *types;
} cli_batches;

/**
 * Tokenises the texts and makes batches of at most `most` of them. An empty text, invalid UTF-8 and a text longer than
 * `positions` (unless `truncate`) fail with a message that names the place.
 */
TF_CHECKED tf_status batches_make(const cli_texts *texts, const tf_tokenizer *tokenizer, const tf_config *config,
                                  size_t most, bool truncate, cli_batches *out);

/**
 * Drops the rows of `finished` texts, and of the batches that remain all but every `groups`-th, from the `group`-th on:
 * the share of one of several groups of parties that divide the batches among themselves.
 */
void batches_keep(cli_batches *batches, const bool *finished, size_t group, size_t groups);

void batches_free(cli_batches *batches);

#endif
