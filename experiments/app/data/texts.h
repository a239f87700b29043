/** Texts as people give them, their tokens, and batches of these. */
#ifndef TF_APP_TEXTS_H
#define TF_APP_TEXTS_H

#include <stdbool.h>
#include <stddef.h>

#include "net/base/status.h"

/** A text, or a pair of texts. Strings are owned; they may hold zero bytes. */
typedef struct text_item {
    char *first, *second; /**< second NULL where there is no pair */
    size_t first_length, second_length;
    char *label; /**< NULL where none was given */
    size_t line; /**< in the file, for messages; 0 from the command line */
} text_item;

typedef struct text_list {
    text_item *item;
    size_t count;
    const char *file; /**< NULL from the command line */
} text_list;

/** Where texts come from. */
typedef struct text_source {
    const char *path;        /**< a file, "-" for lines of standard input, or NULL: those of `text` */
    const char *columns;     /**< of a table, as --columns names them; NULL: by its header */
    const char *const *text; /**< given directly */
    size_t texts;
    size_t limit; /**< at most so many are read; 0: all */
} text_source;

/** Reads texts from a file of any of the forms, or takes those that are given directly. */
TF_CHECKED tf_status texts_read(const text_source *source, text_list *out);

/** Reads a file of labelled texts: a table, whatever its ending, unless that is .jsonl. Every text must have a label if
 *  `labelled`. */
TF_CHECKED tf_status texts_read_data(const text_source *source, bool labelled, text_list *out);

void texts_free(text_list *texts);

/** Reads texts one by one, from a file of any of the forms, or lines from standard input (`path` NULL or "-"). */
typedef struct text_reader text_reader;
TF_CHECKED tf_status text_reader_open(const char *path, const char *columns, text_reader **reader);
/** Appends the next text, or sets *end. After a failure in one line the next call goes on with the next one. */
TF_CHECKED tf_status text_reader_next(text_reader *reader, text_list *out, bool *end);
void text_reader_close(text_reader *reader);

/** Names a text in a message: "FILE line 7" or "text 7". */
const char *text_place(const text_list *texts, size_t i, char *buffer, size_t size);

#endif
