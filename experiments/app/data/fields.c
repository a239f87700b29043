#include "experiments/app/data/fields.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* The names of two texts that belong together, among them GLUE's and the Microsoft paraphrase corpus's. */
static const char *const pairs[][2] = {
    {"text", "text_pair"},      {"text", "text_b"},           {"text_a", "text_b"},       {"text1", "text2"},
    {"sentence1", "sentence2"}, {"sentence_A", "sentence_B"}, {"#1 String", "#2 String"}, {"question1", "question2"},
    {"question", "sentence"},   {"question", "context"},      {"question", "passage"},    {"premise", "hypothesis"},
    {"query", "document"},      {"query", "passage"},         {"query", "text"},
};
static const char *const singles[] = {"text", "sentence"};
static const char *const labels[] = {"label",  "Quality",  "gold_label", "is_duplicate", "score",
                                     "labels", "ner_tags", "tags",       "answers"};
static const char *const options[FIELD_ROLES] = {"text", "text_b", "label"};
static const char *const second_endings[] = {"2", "_b", "_B", "_pair"};

/* The place of a name, or -1. */
static int place_of(const field_names *names, const char *name) {
    for (size_t i = 0; i < names->count; i++)
        if (!strcmp(names->name[i], name)) return (int)i;
    return -1;
}

bool field_is_known(const char *name, bool label) {
    for (size_t i = 0; i < LENGTH(labels) && label; i++)
        if (!strcmp(name, labels[i])) return true;
    for (size_t i = 0; i < LENGTH(singles) && !label; i++)
        if (!strcmp(name, singles[i])) return true;
    for (size_t i = 0; i < LENGTH(pairs) && !label; i++)
        if (!strcmp(name, pairs[i][0]) || !strcmp(name, pairs[i][1])) return true;
    return false;
}

static bool looks_second(const char *name) {
    size_t length = strlen(name);
    if (!strncmp(name, "label", 5)) return false;
    for (size_t i = 0; i < LENGTH(second_endings); i++) {
        size_t ending = strlen(second_endings[i]);
        if (length > ending && !strcmp(name + length - ending, second_endings[i])) return true;
    }
    return false;
}

static tf_status refuse_more(const field_names *names, const char *a, const char *b) {
    return tf_fail(TF_FORMAT, "%s: \"%s\" and %s%s%s may both be meant as texts; --columns tells which to take",
                   names->where, a, b ? "\"" : "", b ? b : "another name", b ? "\"" : "");
}

/* The one pair of known names. */
static tf_status find_pair(const field_names *names, int place[FIELD_ROLES]) {
    int found = -1;
    for (size_t i = 0; i < LENGTH(pairs); i++) {
        int first = place_of(names, pairs[i][0]), second = place_of(names, pairs[i][1]);
        if (first < 0 || second < 0) continue;
        if (found >= 0) return refuse_more(names, pairs[found][1], pairs[i][strcmp(pairs[i][1], pairs[found][1]) != 0]);
        found = (int)i;
        place[FIELD_FIRST] = first;
        place[FIELD_SECOND] = second;
    }
    return TF_OK;
}

/* The one known name of a text. */
static tf_status find_single(const field_names *names, int place[FIELD_ROLES]) {
    for (size_t i = 0; i < names->count; i++) {
        if (!field_is_known(names->name[i], false)) continue;
        int before = place[FIELD_FIRST];
        if (before >= 0 && strcmp(names->name[before], names->name[i]) != 0)
            return refuse_more(names, names->name[before], names->name[i]);
        if (before < 0) place[FIELD_FIRST] = (int)i;
    }
    for (size_t i = 0; i < names->count && place[FIELD_FIRST] >= 0; i++)
        if ((int)i != place[FIELD_FIRST] && looks_second(names->name[i]))
            return refuse_more(names, names->name[place[FIELD_FIRST]], NULL);
    return TF_OK;
}

static tf_status recognise(const field_names *names, int place[FIELD_ROLES]) {
    TF_TRY(find_pair(names, place));
    if (place[FIELD_FIRST] < 0) TF_TRY(find_single(names, place));
    for (size_t i = 0; i < LENGTH(labels) && place[FIELD_LABEL] < 0; i++)
        place[FIELD_LABEL] = place_of(names, labels[i]);
    if (place[FIELD_FIRST] >= 0) return TF_OK;
    return tf_fail(TF_FORMAT, "%s: %s \"text\" or \"sentence\"; --columns tells which one to take", names->where,
                   names->what);
}

static bool all_digits(const char *text) {
    if (!*text) return false;
    for (; *text; text++)
        if (!isdigit((unsigned char)*text)) return false;
    return true;
}

/* One ROLE=COLUMN of --columns; it is cut in two. */
static tf_status read_choice(char *item, field_role *role, const char **column) {
    char *value = strchr(item, '=');
    if (value) *value++ = 0;
    for (int i = 0; value && i < FIELD_ROLES; i++)
        if (!strcmp(item, options[i])) {
            *role = (field_role)i;
            *column = value;
            return TF_OK;
        }
    return tf_fail(TF_INVALID, "--columns: '%s' is not text=COLUMN, text_b=COLUMN or label=COLUMN", item);
}

/* Reads the list: places by number, or (with names) by name. */
static tf_status read_choices(char *list, const field_names *names, bool *by_number, int place[FIELD_ROLES]) {
    bool numbers = false, words = false;
    for (char *item; (item = strsep(&list, ","));) {
        field_role role = FIELD_FIRST;
        const char *column = "";
        TF_TRY(read_choice(item, &role, &column));
        *(all_digits(column) ? &numbers : &words) = true;
        if (numbers && words)
            return tf_fail(TF_INVALID, "--columns: give either names (of the header) or numbers (there is no header)");
        if (numbers && (strlen(column) > 4 || !atoi(column)))
            return tf_fail(TF_INVALID, "--columns: columns count from 1 to 9999");
        place[role] = numbers ? atoi(column) - 1 : names ? place_of(names, column) : 0;
        if (place[role] < 0) return tf_fail(TF_INVALID, "%s: %s \"%s\"", names->where, names->what, column);
    }
    if (place[FIELD_FIRST] < 0) return tf_fail(TF_INVALID, "--columns does not say which column is the text");
    *by_number = numbers;
    return TF_OK;
}

static tf_status choose(const char *columns, const field_names *names, bool *by_number, int place[FIELD_ROLES]) {
    char *copy = strdup(columns);
    if (!copy) return tf_fail(TF_NOMEM, "out of memory");
    for (int role = 0; role < FIELD_ROLES; role++) place[role] = -1;
    tf_status status = read_choices(copy, names, by_number, place);
    free(copy);
    return status;
}

tf_status fields_find(const char *columns, const field_names *names, int place[FIELD_ROLES]) {
    bool by_number = false;
    for (int role = 0; role < FIELD_ROLES; role++) place[role] = -1;
    if (!columns) return recognise(names, place);
    TF_TRY(choose(columns, names, &by_number, place));
    return by_number ? tf_fail(TF_INVALID, "--columns: the columns of %s have names: give those", names->where) : TF_OK;
}

tf_status fields_by_number(const char *columns, bool *by_number, int place[FIELD_ROLES]) {
    return choose(columns, NULL, by_number, place);
}
