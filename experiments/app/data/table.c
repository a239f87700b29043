#include "experiments/app/data/table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST, SECOND, LABEL, ROLES, MOST_NAMES = 8 };

/* The names of columns in public data sets, among them GLUE's and the Microsoft paraphrase corpus's. */
static const struct {
    const char *option, *name[MOST_NAMES];
} roles[ROLES] = {
    [FIRST] = {"text", {"text", "sentence", "text_a", "sentence1", "question1", "question", "premise", "#1 String"}},
    [SECOND] = {"text_b", {"text_b", "sentence2", "question2", "hypothesis", "#2 String"}},
    [LABEL] = {"label", {"label", "Quality", "gold_label", "is_duplicate", "score"}},
};

static bool is_name_of(int role, const char *field) {
    for (int k = 0; k < MOST_NAMES && roles[role].name[k]; k++)
        if (!strcmp(field, roles[role].name[k])) return true;
    return false;
}

/* source, 0 or 1, an asterisk or nothing, sentence */
static bool looks_like_cola(const char *line) {
    int fields = 1;
    for (const char *at = line; (at = strchr(at, '\t')); at++) fields++;
    const char *label = strchr(line, '\t');
    if (fields != 4 || (label[1] != '0' && label[1] != '1') || label[2] != '\t') return false;
    return label[3] == '\t' || (label[3] == '*' && label[4] == '\t');
}

static tf_status recognise(const char *path, char *line, int column[ROLES], bool *header) {
    *header = !looks_like_cola(line);
    if (!*header) {
        column[FIRST] = 3;
        column[LABEL] = 1;
        return TF_OK;
    }
    int i = 0;
    for (char *field; (field = strsep(&line, "\t")); i++)
        for (int role = 0; role < ROLES; role++)
            if (column[role] < 0 && is_name_of(role, field)) column[role] = i;
    if (column[FIRST] >= 0) return TF_OK;
    return tf_fail(TF_FORMAT,
                   "%s: its header names no column \"text\" or \"sentence\"; --columns tells which one to take", path);
}

/* The column with this name in the header, or -1. */
static int find_column(const char *header, const char *name) {
    size_t length = strlen(name);
    for (int i = 0;; i++) {
        size_t field = strcspn(header, "\t");
        if (field == length && !memcmp(header, name, length)) return i;
        if (!header[field]) return -1;
        header += field + 1;
    }
}

static bool all_digits(const char *text) {
    if (!*text) return false;
    for (; *text; text++)
        if (!isdigit((unsigned char)*text)) return false;
    return true;
}

/* One ROLE=COLUMN of --columns. */
static tf_status read_choice(const char *path, const char *header, char *item, int column[ROLES], int *by_number) {
    char *value = strchr(item, '=');
    int role = ROLES;
    if (value) *value++ = 0;
    for (int i = 0; value && i < ROLES; i++)
        if (!strcmp(item, roles[i].option)) role = i;
    if (role == ROLES)
        return tf_fail(TF_INVALID, "--columns: '%s' is not text=COLUMN, text_b=COLUMN or label=COLUMN", item);
    int number = all_digits(value);
    if (*by_number >= 0 && *by_number != number)
        return tf_fail(TF_INVALID, "--columns: give either names (of the header) or numbers (there is no header)");
    *by_number = number;
    if (!number) {
        column[role] = find_column(header, value);
        if (column[role] < 0) return tf_fail(TF_INVALID, "%s: its header names no column \"%s\"", path, value);
        return TF_OK;
    }
    if (strlen(value) > 4 || !atoi(value)) return tf_fail(TF_INVALID, "--columns: columns count from 1 to 9999");
    column[role] = atoi(value) - 1;
    return TF_OK;
}

static tf_status read_choices(const char *path, const char *header, char *list, int column[ROLES], bool *has_header) {
    int by_number = -1;
    for (char *item; (item = strsep(&list, ","));) TF_TRY(read_choice(path, header, item, column, &by_number));
    if (column[FIRST] < 0) return tf_fail(TF_INVALID, "--columns does not say which column is the text");
    *has_header = by_number == 0;
    return TF_OK;
}

tf_status table_form_find(const char *path, const char *columns, const char *first_line, table_form *form) {
    int column[ROLES] = {-1, -1, -1};
    char *copy = strdup(columns ? columns : first_line);
    if (!copy) return tf_fail(TF_NOMEM, "out of memory");
    tf_status status = columns ? read_choices(path, first_line, copy, column, &form->header)
                               : recognise(path, copy, column, &form->header);
    free(copy);
    form->first = column[FIRST];
    form->second = column[SECOND];
    form->label = column[LABEL];
    return status;
}

void table_split(char *line, const table_form *form, char **first, char **second, char **label) {
    *first = *second = *label = NULL;
    int i = 0;
    for (char *field; (field = strsep(&line, "\t")); i++) {
        if (i == form->first) *first = field;
        if (i == form->second) *second = field;
        if (i == form->label) *label = field;
    }
}
