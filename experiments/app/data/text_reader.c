#include "experiments/app/data/text_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "experiments/app/data/choices.h"
#include "experiments/app/data/table.h"
#include "experiments/app/data/text_json.h"

enum { PLACE = 4200, LONGEST_RECORD = 64 << 20, LARGEST_ARRAY = 1 << 30 };

typedef enum file_form { FORM_LINES, FORM_JSON_LINES, FORM_JSON, FORM_CSV, FORM_TSV, FORMS } file_form;

static const char *const form_names[FORMS] = {"lines", "jsonl", "json", "csv", "tsv"};

struct text_reader {
    const char *path; /* as messages name it */
    const char *columns;
    FILE *file;
    file_form form;
    table_form table;
    char *line, *content;    /* content: of a JSON file */
    size_t capacity, number; /* of the line; of the item, in an array */
    json_t *array;           /* of a JSON file that is one */
};

static tf_status find_form(const text_source *source, file_form *form) {
    const char *ending = source->path ? strrchr(source->path, '.') : NULL;
    *form = FORM_LINES;
    for (int f = FORM_LINES; source->format && f < FORMS; f++)
        if (!strcmp(source->format, form_names[f])) return *form = (file_form)f, TF_OK;
    if (source->format)
        return tf_fail(TF_INVALID, "--format '%s' is none of lines, jsonl, json, csv and tsv", source->format);
    for (int f = FORM_JSON_LINES; ending && f < FORMS; f++)
        if (!strcasecmp(ending + 1, form_names[f])) *form = (file_form)f;
    if (ending && !strcasecmp(ending, ".ndjson")) *form = FORM_JSON_LINES;
    return TF_OK;
}

static tf_status check_content(const text_reader *reader) {
    if (ferror(reader->file)) return tf_fail(TF_IO, "%s: %s", reader->path, strerror(errno));
    if (reader->content && strlen(reader->content) > LARGEST_ARRAY)
        return tf_fail(TF_FORMAT, "%s is larger than 1 GiB; lines of JSON (.jsonl) may be", reader->path);
    return TF_OK;
}

/* What a .json file holds: an array of texts, or lines of JSON, which are read as such. */
static tf_status read_json(text_reader *reader) {
    static const char mark[] = "\xef\xbb\xbf";
    size_t capacity = 0;
    json_error_t error, of_line;
    if (getdelim(&reader->content, &capacity, 0, reader->file) < 0) return check_content(reader);
    TF_TRY(check_content(reader));
    const char *text = reader->content + (strncmp(reader->content, mark, 3) ? 0 : 3);
    reader->array = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (reader->array && !json_is_array(reader->array)) reader->array = json_pack("[o]", reader->array);
    if (reader->array) return TF_OK;
    json_t *first = json_loads(text, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &of_line);
    bool lines = first && text[of_line.position];
    json_decref(first);
    if (!lines) return tf_fail(TF_FORMAT, "%s line %d is not JSON: %s", reader->path, error.line, error.text);
    if (reader->file != stdin) fclose(reader->file);
    reader->form = FORM_JSON_LINES;
    reader->file = fmemopen(reader->content, strlen(reader->content), "rb");
    return reader->file ? TF_OK : tf_fail(TF_NOMEM, "out of memory");
}

tf_status text_reader_open(const text_source *source, text_reader **out) {
    const char *path = source->path && strcmp(source->path, "-") != 0 ? source->path : NULL;
    file_form form;
    TF_TRY(find_form(source, &form));
    if (form == FORM_LINES && source->columns)
        return tf_fail(TF_INVALID, "--columns: %s is read as a text a line; see --format", path ? path : "this");
    text_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return tf_fail(TF_NOMEM, "out of memory");
    *reader = (text_reader){.path = path ? path : "standard input",
                            .columns = source->columns,
                            .file = path ? fopen(path, "rb") : stdin,
                            .form = form};
    tf_status status = reader->file ? TF_OK : tf_fail(TF_IO, "%s: %s", path, strerror(errno));
    if (status == TF_OK && form == FORM_JSON) status = read_json(reader);
    if (status != TF_OK) {
        text_reader_close(reader);
        return status;
    }
    *out = reader;
    return TF_OK;
}

void text_reader_close(text_reader *reader) {
    if (!reader) return;
    if (reader->file && reader->file != stdin) fclose(reader->file);
    json_decref(reader->array);
    free(reader->line);
    free(reader->content);
    free(reader);
}

static tf_status add_value(text_reader *reader, const json_t *value, text_list *out) {
    char place[PLACE];
    text_item *added = NULL;
    if (is_question(value)) return question_read(value, reader->number, out);
    TF_TRY(texts_add(out, reader->number, &added));
    return text_from_json(value, reader->columns, text_place(out, out->count - 1, place, sizeof place), added);
}

static tf_status add_json_line(text_reader *reader, size_t length, text_list *out) {
    json_error_t error;
    json_t *value = json_loadb(reader->line, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!value) return tf_fail(TF_FORMAT, "%s line %zu is not JSON: %s", reader->path, reader->number, error.text);
    tf_status status = add_value(reader, value, out);
    json_decref(value);
    return status;
}

static tf_status add_text_line(text_reader *reader, size_t length, text_list *out) {
    text_item *added = NULL;
    TF_TRY(texts_add(out, reader->number, &added));
    added->first_length = length;
    return text_duplicate(reader->line, length, &added->first);
}

static tf_status add_row(text_reader *reader, size_t number, text_list *out) {
    char place[PLACE], *field[FIELD_ROLES];
    text_item *added = NULL;
    snprintf(place, sizeof place, "%s line %zu", reader->path, number);
    TF_TRY(table_split(reader->line, place, &reader->table, field));
    TF_TRY(texts_add(out, number, &added));
    const char *first = field[FIELD_FIRST], *second = field[FIELD_SECOND], *label = field[FIELD_LABEL];
    added->first_length = strlen(first);
    TF_TRY(text_duplicate(first, added->first_length, &added->first));
    if (second) {
        added->second_length = strlen(second);
        TF_TRY(text_duplicate(second, added->second_length, &added->second));
    }
    return label ? text_duplicate(label, strlen(label), &added->label) : TF_OK;
}

/* Reads a line into reader->line, without its end; *length is -1 at the end of the file. */
static tf_status read_line(text_reader *reader, ssize_t *length) {
    static const char mark[] = "\xef\xbb\xbf"; /* UTF-8's byte order mark, which some editors put first */
    ssize_t got = getline(&reader->line, &reader->capacity, reader->file);
    *length = got;
    if (got < 0) return ferror(reader->file) ? tf_fail(TF_IO, "%s: %s", reader->path, strerror(errno)) : TF_OK;
    char *line = reader->line;
    if (got && line[got - 1] == '\n') got--;
    if (got && line[got - 1] == '\r') got--;
    line[got] = 0;
    if (++reader->number == 1 && !strncmp(line, mark, strlen(mark))) {
        got -= (ssize_t)strlen(mark);
        memmove(line, line + strlen(mark), (size_t)got + 1);
    }
    *length = got;
    return TF_OK;
}

/* Reads on while a quote of CSV is open: texts may have several lines. */
static tf_status read_record(text_reader *reader, ssize_t *length) {
    size_t first = reader->number, used = (size_t)*length;
    char separator = first == 1 ? table_separator(reader->line) : reader->table.separator;
    bool open = table_quote_open(reader->line, 0, used, separator, false);
    if (!open) return TF_OK;
    char *record = reader->line;
    reader->line = NULL;
    reader->capacity = 0;
    tf_status status = TF_OK;
    while (open && status == TF_OK) {
        ssize_t more = -1;
        char *grown = NULL;
        status = read_line(reader, &more);
        if (status == TF_OK && (more < 0 || used + (size_t)more > LONGEST_RECORD))
            status = tf_fail(TF_FORMAT, "%s line %zu: a quote is opened that is not closed", reader->path, first);
        if (status == TF_OK) grown = realloc(record, used + (size_t)more + 2);
        if (status == TF_OK && !grown) status = tf_fail(TF_NOMEM, "out of memory");
        if (!grown) continue;
        record = grown;
        record[used] = '\n';
        memcpy(record + used + 1, reader->line, (size_t)more + 1);
        open = table_quote_open(record, used, used + 1 + (size_t)more, separator, true);
        used += 1 + (size_t)more;
    }
    free(reader->line);
    reader->line = record;
    reader->capacity = used + 1;
    *length = (ssize_t)used;
    return status;
}

static tf_status next_row(text_reader *reader, ssize_t length, text_list *out, bool *added) {
    size_t number = reader->number;
    *added = false;
    if (reader->form == FORM_CSV) TF_TRY(read_record(reader, &length));
    if (strlen(reader->line) != (size_t)length)
        return tf_fail(TF_FORMAT, "%s line %zu holds a zero byte", reader->path, number);
    if (number == 1) {
        TF_TRY(table_form_find(reader->path, reader->columns, reader->form == FORM_CSV, reader->line, &reader->table));
        if (reader->table.header) return TF_OK;
    }
    if (reader->form == FORM_CSV && !length && reader->table.columns != 1) return TF_OK; /* a blank line is no row */
    *added = true;
    return add_row(reader, number, out);
}

static tf_status next_item(text_reader *reader, text_list *out, bool *end) {
    out->in_array = true;
    *end = reader->number == json_array_size(reader->array);
    if (*end) return TF_OK;
    reader->number++;
    return add_value(reader, json_array_get(reader->array, reader->number - 1), out);
}

tf_status text_reader_next(text_reader *reader, text_list *out, bool *end) {
    out->file = reader->path;
    *end = false;
    if (reader->array) return next_item(reader, out, end);
    for (bool added = false; !added;) {
        ssize_t length;
        TF_TRY(read_line(reader, &length));
        *end = length < 0;
        if (*end) return TF_OK;
        if (reader->form == FORM_LINES) return add_text_line(reader, (size_t)length, out);
        if (reader->form == FORM_JSON_LINES && strspn(reader->line, " \t") == (size_t)length) continue;
        if (reader->form == FORM_JSON_LINES) return add_json_line(reader, (size_t)length, out);
        TF_TRY(next_row(reader, length, out, &added));
    }
    return TF_OK;
}
