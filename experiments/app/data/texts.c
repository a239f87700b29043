#include "experiments/app/data/texts.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/data/table.h"

static tf_status duplicate(const char *bytes, size_t length, char **copy) {
    *copy = malloc(length + 1);
    if (!*copy) return tf_fail(TF_NOMEM, "out of memory");
    memcpy(*copy, bytes, length);
    (*copy)[length] = 0;
    return TF_OK;
}

/* Appends an empty text and returns it in *added. */
static tf_status add(text_list *texts, size_t line, text_item **added) {
    if ((texts->count & (texts->count - 1)) == 0) { /* grow at powers of two */
        text_item *grown = reallocarray(texts->item, texts->count ? 2 * texts->count : 1, sizeof *grown);
        if (!grown) return tf_fail(TF_NOMEM, "out of memory");
        texts->item = grown;
    }
    *added = &texts->item[texts->count++];
    **added = (text_item){.line = line};
    return TF_OK;
}

static tf_status add_line(text_list *texts, size_t line, const char *bytes, size_t length) {
    text_item *added = NULL;
    TF_TRY(add(texts, line, &added));
    added->first_length = length;
    return duplicate(bytes, length, &added->first);
}

static tf_status take_string(const json_t *value, char **text, size_t *length) {
    *length = json_string_length(value);
    return duplicate(json_string_value(value), *length, text);
}

/* The label of an object, if it has one: a string or a number. */
static tf_status take_label(const json_t *object, char **label) {
    const json_t *value = json_object_get(object, "label");
    char number[40];
    size_t length;
    if (json_is_string(value)) return take_string(value, label, &length);
    if (!json_is_number(value)) return TF_OK;
    if (json_is_integer(value))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    else
        snprintf(number, sizeof number, "%.17g", json_real_value(value));
    return duplicate(number, strlen(number), label);
}

/* A string, a pair of strings, or an object with "text" (either of the two) or "text_a" and "text_b", and maybe
 * "label". */
static tf_status add_json_value(text_item *added, const json_t *value) {
    const json_t *first = value, *second = NULL;
    if (json_is_object(value)) {
        TF_TRY(take_label(value, &added->label));
        first = json_object_get(value, "text");
        if (!first) {
            first = json_object_get(value, "text_a");
            second = json_object_get(value, "text_b");
        }
    }
    if (json_is_array(first) && json_array_size(first) == 2) {
        second = json_array_get(first, 1);
        first = json_array_get(first, 0);
    }
    if (second && !json_is_string(second)) return tf_fail(TF_FORMAT, "the second of a pair is not a string");
    if (!json_is_string(first))
        return tf_fail(TF_FORMAT, "neither a string, nor a pair of strings, nor an object with such a \"text\"");
    if (second) TF_TRY(take_string(second, &added->second, &added->second_length));
    return take_string(first, &added->first, &added->first_length);
}

static tf_status add_json(text_list *texts, size_t line, const char *bytes, size_t length) {
    json_error_t error;
    json_t *value = json_loadb(bytes, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!value) return tf_fail(TF_FORMAT, "%s line %zu is not JSON: %s", texts->file, line, error.text);
    text_item *added = NULL;
    tf_status status = add(texts, line, &added);
    if (status == TF_OK) status = add_json_value(added, value);
    json_decref(value);
    return status == TF_OK ? TF_OK : tf_fail_in(status, "%s line %zu", texts->file, line);
}

static tf_status add_row(text_list *texts, size_t line, const table_form *form, char *row) {
    char *first, *second, *label;
    table_split(row, form, &first, &second, &label);
    if (!first || (form->label >= 0 && !label) || (form->second >= 0 && !second))
        return tf_fail(TF_FORMAT, "%s line %zu has fewer columns than %s", texts->file, line,
                       form->header ? "the header" : "it should");
    text_item *added = NULL;
    TF_TRY(add(texts, line, &added));
    added->first_length = strlen(first);
    TF_TRY(duplicate(first, added->first_length, &added->first));
    if (second) {
        added->second_length = strlen(second);
        TF_TRY(duplicate(second, added->second_length, &added->second));
    }
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
    const char *columns;
    FILE *file;
    file_form form;
    table_form table;
    char *line;
    size_t capacity, number; /* of the line */
};

tf_status text_reader_open(const char *path, const char *columns, text_reader **out) {
    text_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return tf_fail(TF_NOMEM, "out of memory");
    if (path && !strcmp(path, "-")) path = NULL;
    *reader = (text_reader){.path = path ? path : "standard input",
                            .columns = columns,
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

tf_status text_reader_next(text_reader *reader, text_list *out, bool *end) {
    static const char mark[] = "\xef\xbb\xbf"; /* UTF-8's byte order mark, which some editors put first */
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
        if (number == 1 && !strncmp(line, mark, strlen(mark))) {
            length -= strlen(mark);
            memmove(line, line + strlen(mark), length + 1);
        }
        if (reader->form == FORM_LINES) return add_line(out, number, line, length);
        if (reader->form == FORM_JSON) return add_json(out, number, line, length);
        if (strlen(line) != length) return tf_fail(TF_FORMAT, "%s line %zu holds a zero byte", reader->path, number);
        if (number == 1) {
            TF_TRY(table_form_find(reader->path, reader->columns, line, &reader->table));
            if (reader->table.header) continue;
        }
        return add_row(out, number, &reader->table, line);
    }
    *end = true;
    return ferror(reader->file) ? tf_fail(TF_IO, "%s: %s", reader->path, strerror(errno)) : TF_OK;
}

static tf_status read_file(const text_source *source, file_form form, text_list *out) {
    *out = (text_list){.file = source->path};
    text_reader *reader;
    TF_TRY(text_reader_open(source->path, source->columns, &reader));
    reader->form = form;
    tf_status status = TF_OK;
    for (bool end = false; status == TF_OK && !end && (source->limit == 0 || out->count < source->limit);)
        status = text_reader_next(reader, out, &end);
    text_reader_close(reader);
    if (status == TF_OK && !out->count) status = tf_fail(TF_FORMAT, "%s holds no text", source->path);
    if (status != TF_OK) texts_free(out);
    return status;
}

tf_status texts_read(const text_source *source, text_list *out) {
    if (source->path) return read_file(source, form_of(source->path), out);
    *out = (text_list){0};
    for (size_t i = 0; i < source->texts && (source->limit == 0 || i < source->limit); i++) {
        tf_status status = add_line(out, 0, source->text[i], strlen(source->text[i]));
        if (status != TF_OK) {
            texts_free(out);
            return status;
        }
    }
    return TF_OK;
}

tf_status texts_read_data(const text_source *source, bool labelled, text_list *out) {
    TF_TRY(read_file(source, form_of(source->path) == FORM_JSON ? FORM_JSON : FORM_TABLE, out));
    for (size_t i = 0; labelled && i < out->count; i++)
        if (!out->item[i].label || !out->item[i].label[0]) {
            tf_status status = tf_fail(TF_FORMAT, "%s line %zu has no label", source->path, out->item[i].line);
            texts_free(out);
            return status;
        }
    return TF_OK;
}

void texts_free(text_list *texts) {
    for (size_t i = 0; i < texts->count; i++) {
        free(texts->item[i].first);
        free(texts->item[i].second);
        free(texts->item[i].label);
    }
    free(texts->item);
    texts->item = NULL;
    texts->count = 0;
}

const char *text_place(const text_list *texts, size_t i, char *buffer, size_t size) {
    if (texts->file)
        snprintf(buffer, size, "%s line %zu", texts->file, texts->item[i].line);
    else
        snprintf(buffer, size, "text %zu", i);
    return buffer;
}
