#include "experiments/app/data/table.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_COLUMNS = 10000 };

/* A quote opens only where a field begins; within quotes two of them stand for one. */
bool table_quote_open(const char *line, size_t from, size_t to, char separator, bool open) {
    bool begins = from == 0;
    for (size_t i = from; i < to; i++) {
        if (line[i] == '"' && (open || begins))
            open = !open;
        else if (line[i] == '"' && i > 0 && line[i - 1] == '"') /* the second of two within quotes */
            open = true;
        begins = !open && line[i] == separator;
    }
    return open;
}

char table_separator(const char *line) {
    static const char separators[] = ",;\t|";
    char found = ',';
    size_t most = 0;
    for (const char *s = separators; *s; s++) {
        size_t count = 0;
        bool open = false;
        for (size_t i = 0; line[i]; i++) {
            if (line[i] == '"') open = !open;
            count += !open && line[i] == *s;
        }
        if (count > most) {
            most = count;
            found = *s;
        }
    }
    return found;
}

/* Takes the field that begins at *rest out of the line, without its quotes; *rest is NULL after the last. */
static char *take_quoted(char **rest, char separator) {
    char *from = *rest, *to = from, *field = from;
    bool open = *from == '"';
    if (open) from++;
    for (; *from && (open || *from != separator); from++) {
        if (open && *from == '"' && from[1] != '"') {
            open = false;
            continue;
        }
        if (open && *from == '"') from++;
        *to++ = *from;
    }
    *rest = *from ? from + 1 : NULL;
    *to = 0;
    return field;
}

static char *take_field(char **rest, const table_form *form) {
    const char separator[2] = {form->separator};
    return form->quoted ? take_quoted(rest, form->separator) : strsep(rest, separator);
}

/* source, 0 or 1, an asterisk or nothing, sentence */
static bool looks_like_cola(const char *line) {
    int fields = 1;
    for (const char *at = line; (at = strchr(at, '\t')); at++) fields++;
    const char *label = strchr(line, '\t');
    if (fields != 4 || (label[1] != '0' && label[1] != '1') || label[2] != '\t') return false;
    return label[3] == '\t' || (label[3] == '*' && label[4] == '\t');
}

/* Finds the columns by the names in the header. */
static tf_status read_header(const char *path, const char *columns, char *header, table_form *form) {
    const char **name = calloc(MOST_COLUMNS, sizeof *name);
    if (!name) return tf_fail(TF_NOMEM, "out of memory");
    field_names names = {.where = path, .what = "its header names no column", .name = name};
    for (char *rest = header; rest && names.count < MOST_COLUMNS;) name[names.count++] = take_field(&rest, form);
    form->columns = names.count;
    tf_status status = fields_find(columns, &names, form->place);
    free(name);
    return status;
}

tf_status table_form_find(const char *path, const char *columns, bool quoted, const char *first_line,
                          table_form *form) {
    bool by_number = false;
    *form = (table_form){.separator = quoted ? table_separator(first_line) : '\t', .quoted = quoted};
    if (columns) TF_TRY(fields_by_number(columns, &by_number, form->place));
    if (by_number) return TF_OK;
    if (!columns && !quoted && looks_like_cola(first_line)) {
        form->place[FIELD_FIRST] = 3;
        form->place[FIELD_SECOND] = -1;
        form->place[FIELD_LABEL] = 1;
        return TF_OK;
    }
    char *copy = strdup(first_line);
    if (!copy) return tf_fail(TF_NOMEM, "out of memory");
    form->header = true;
    tf_status status = read_header(path, columns, copy, form);
    free(copy);
    return status;
}

tf_status table_split(char *line, const char *place, table_form *form, char *field[FIELD_ROLES]) {
    size_t count = 0;
    for (int role = 0; role < FIELD_ROLES; role++) field[role] = NULL;
    for (char *rest = line; rest; count++) {
        char *taken = take_field(&rest, form);
        for (int role = 0; role < FIELD_ROLES; role++)
            if (form->place[role] == (int)count) field[role] = taken;
    }
    for (int role = 0; role < FIELD_ROLES; role++)
        if (form->place[role] >= (int)count)
            return tf_fail(TF_FORMAT, "%s has fewer columns than %s", place, form->header ? "the header" : "it should");
    if (!form->quoted) return TF_OK;
    if (!form->columns) form->columns = count;
    if (count != form->columns)
        return tf_fail(TF_FORMAT, "%s has %zu columns, not %zu: a text with separators stands in quotes", place, count,
                       form->columns);
    return TF_OK;
}
