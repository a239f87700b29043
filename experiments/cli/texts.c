#include "experiments/cli/texts.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tf_status duplicate(const char *bytes, size_t length, char **copy) {
    *copy = malloc(length + 1);
    if (!*copy) return tf_fail(TF_NOMEM, "out of memory");
    memcpy(*copy, bytes, length);
    (*copy)[length] = 0;
    return TF_OK;
}

/* Appends an empty text and returns it in *added. */
static tf_status add(cli_texts *texts, size_t line, cli_text **added) {
    if ((texts->count & (texts->count - 1)) == 0) { /* grow at powers of two */
        cli_text *grown = reallocarray(texts->item, texts->count ? 2 * texts->count : 1, sizeof *grown);
        if (!grown) return tf_fail(TF_NOMEM, "out of memory");
        texts->item = grown;
    }
    *added = &texts->item[texts->count++];
    **added = (cli_text){.line = line};
    return TF_OK;
}

static tf_status add_line(cli_texts *texts, size_t line, const char *bytes, size_t length) {
    cli_text *added = NULL;
    TF_TRY(add(texts, line, &added));
    added->first_length = length;
    return duplicate(bytes, length, &added->first);
}

/* A string, a pair of strings, or an object with "text" (either of the two) and maybe "label" (string or integer). */
static tf_status add_json_value(cli_text *added, const json_t *value) {
    if (json_is_object(value)) {
        const json_t *label = json_object_get(value, "label");
        char number[24];
        if (json_is_integer(label)) {
            int length = snprintf(number, sizeof number, "%lld", (long long)json_integer_value(label));
            TF_TRY(duplicate(number, (size_t)length, &added->label));
        } else if (json_is_string(label)) {
            TF_TRY(duplicate(json_string_value(label), json_string_length(label), &added->label));
        }
        value = json_object_get(value, "text");
    }
    const json_t *first = value;
    if (json_is_array(value) && json_array_size(value) == 2) {
        const json_t *second = json_array_get(value, 1);
        first = json_array_get(value, 0);
        if (!json_is_string(second)) return tf_fail(TF_FORMAT, "the second of a pair is not a string");
        added->second_length = json_string_length(second);
        TF_TRY(duplicate(json_string_value(second), added->second_length, &added->second));
    }
    if (!json_is_string(first))
        return tf_fail(TF_FORMAT, "neither a string, nor a pair of strings, nor an object with such a \"text\"");
    added->first_length = json_string_length(first);
    return duplicate(json_string_value(first), added->first_length, &added->first);
}

static tf_status add_json(cli_texts *texts, size_t line, const char *bytes, size_t length) {
    json_error_t error;
    json_t *value = json_loadb(bytes, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!value) return tf_fail(TF_FORMAT, "%s line %zu is not JSON: %s", texts->file, line, error.text);
    cli_text *added = NULL;
    tf_status status = add(texts, line, &added);
    if (status == TF_OK) status = add_json_value(added, value);
    json_decref(value);
    return status == TF_OK ? TF_OK : tf_fail_in(status, "%s line %zu", texts->file, line);
}

/* Which fields of a table are the text and the label; -1 where there is none. */
typedef struct table_columns {
    int text, label;
} table_columns;

static tf_status read_header(const char *path, char *line, table_columns *columns) {
    columns->text = columns->label = -1;
    int i = 0;
    for (char *field; (field = strsep(&line, "\t")); i++) {
        if (!strcmp(field, "text") || !strcmp(field, "sentence")) columns->text = i;
        if (!strcmp(field, "label")) columns->label = i;
    }
    if (columns->text < 0) return tf_fail(TF_FORMAT, "%s: its header names no column \"text\" or \"sentence\"", path);
    return TF_OK;
}

static tf_status add_row(cli_texts *texts, size_t line, table_columns columns, char *row) {
    char *first = NULL, *label = NULL;
    int i = 0;
    for (char *field; (field = strsep(&row, "\t")); i++) {
        if (i == columns.text) first = field;
        if (i == columns.label) label = field;
    }
    if (!first || (columns.label >= 0 && !label))
        return tf_fail(TF_FORMAT, "%s line %zu has fewer columns than the header", texts->file, line);
    cli_text *added = NULL;
    TF_TRY(add(texts, line, &added));
    added->first_length = strlen(first);
    TF_TRY(duplicate(first, added->first_length, &added->first));
    return label ? duplicate(label, strlen(label), &added->label) : TF_OK;
}

typedef enum file_form { FORM_LINES, FORM_JSON, FORM_TABLE } file_form;

static file_form form_of(const char *path) {
    const char *ending = strrchr(path, '.');
    if (ending && !strcmp(ending, ".jsonl")) return FORM_JSON;
    if (ending && !strcmp(ending, ".tsv")) return FORM_TABLE;
    return FORM_LINES;
}

struct text_reader {
    const char *path; /* as messages name it */
    FILE *file;
    file_form form;
    table_columns columns;
    char *line;
    size_t capacity, number; /* of the line */
};

tf_status text_reader_open(const char *path, text_reader **out) {
    text_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return tf_fail(TF_NOMEM, "out of memory");
    *reader = (text_reader){.path = path ? path : "standard input",
                            .file = path ? fopen(path, "rb") : stdin,
                            .form = path ? form_of(path) : FORM_LINES};
    if (!reader->file) {
        free(reader);
        return tf_fail(TF_IO, "%s: %s", path, strerror(errno));
    }
    *out = reader;
    return TF_OK;
}

void text_reader_close(text_reader *reader) {
    if (!reader) return;
    if (reader->file != stdin) fclose(reader->file);
    free(reader->line);
    free(reader);
}

tf_status text_reader_next(text_reader *reader, cli_texts *out, bool *end) {
    out->file = reader->path;
    *end = false;
    for (;;) {
        ssize_t got = getline(&reader->line, &reader->capacity, reader->file);
        if (got < 0) break;
        char *line = reader->line;
        size_t length = (size_t)got;
        if (length && line[length - 1] == '\n') length--;
        if (length && line[length - 1] == '\r') length--;
        line[length] = 0;
        size_t number = ++reader->number;
        if (reader->form == FORM_LINES) return add_line(out, number, line, length);
        if (reader->form == FORM_JSON) return add_json(out, number, line, length);
        if (strlen(line) != length) return tf_fail(TF_FORMAT, "%s line %zu holds a zero byte", reader->path, number);
        if (number > 1) return add_row(out, number, reader->columns, line);
        TF_TRY(read_header(reader->path, line, &reader->columns));
    }
    *end = true;
    return ferror(reader->file) ? tf_fail(TF_IO, "%s: %s", reader->path, strerror(errno)) : TF_OK;
}

static tf_status read_file(const char *path, file_form form, size_t limit, cli_texts *out) {
    *out = (cli_texts){.file = path};
    text_reader *reader;
    TF_TRY(text_reader_open(path, &reader));
    reader->form = form;
    tf_status status = TF_OK;
    for (bool end = false; status == TF_OK && !end && (limit == 0 || out->count < limit);)
        status = text_reader_next(reader, out, &end);
    text_reader_close(reader);
    if (status == TF_OK && !out->count) status = tf_fail(TF_FORMAT, "%s holds no text", path);
    if (status != TF_OK) texts_free(out);
    return status;
}

tf_status texts_read(const cli_options *o, cli_texts *out) {
    if (o->input) return read_file(o->input, form_of(o->input), o->limit, out);
    *out = (cli_texts){0};
    for (size_t i = 0; i < o->texts && (o->limit == 0 || i < o->limit); i++) {
        tf_status status = add_line(out, 0, o->text[i], strlen(o->text[i]));
        if (status != TF_OK) {
            texts_free(out);
            return status;
        }
    }
    return TF_OK;
}

tf_status texts_read_labelled(const char *path, size_t limit, cli_texts *out) {
    TF_TRY(read_file(path, form_of(path) == FORM_JSON ? FORM_JSON : FORM_TABLE, limit, out));
    for (size_t i = 0; i < out->count; i++)
        if (!out->item[i].label || !out->item[i].label[0]) {
            tf_status status = tf_fail(TF_FORMAT, "%s line %zu has no label", path, out->item[i].line);
            texts_free(out);
            return status;
        }
    return TF_OK;
}

void texts_free(cli_texts *texts) {
    for (size_t i = 0; i < texts->count; i++) {
        free(texts->item[i].first);
        free(texts->item[i].second);
        free(texts->item[i].label);
    }
    free(texts->item);
    texts->item = NULL;
    texts->count = 0;
}

const char *text_place(const cli_texts *texts, size_t i, char *buffer, size_t size) {
    if (texts->file)
        snprintf(buffer, size, "%s line %zu", texts->file, texts->item[i].line);
    else
        snprintf(buffer, size, "text %zu", i);
    return buffer;
}
