/** Texts one by one, from a file of any of the forms. */
#ifndef TF_APP_TEXT_READER_H
#define TF_APP_TEXT_READER_H

#include "experiments/app/data/text_list.h"

/** Where texts come from. */
typedef struct text_source {
    const char *path;        /**< a file, "-" or (to a reader) NULL for standard input; or NULL: those of `text` */
    const char *format;      /**< lines, jsonl, json, csv or tsv; NULL: by the file's ending */
    const char *columns;     /**< of a table, or keys of objects, as --columns names them; NULL: by known names */
    const char *const *text; /**< given directly */
    size_t texts;
    size_t limit; /**< at most so many are read; 0: all */
} text_source;

typedef struct text_reader text_reader;
TF_CHECKED tf_status text_reader_open(const text_source *source, text_reader **reader);
/** Appends the next text, or sets *end. After a failure in one line the next call goes on with the next one. */
TF_CHECKED tf_status text_reader_next(text_reader *reader, text_list *out, bool *end);
void text_reader_close(text_reader *reader);

#endif
