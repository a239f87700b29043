#include "experiments/app/data/choices.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool is_question(const json_t *value) {
    return json_is_string(json_object_get(value, "prompt")) && json_is_array(json_object_get(value, "choices"));
}

static tf_status refuse(const text_list *texts, size_t line, const char *why) {
    return tf_fail(TF_FORMAT, "%s %s %zu: %s", texts->file ? texts->file : "the text",
                   texts->in_array ? "item" : "line", line, why);
}

/* The number of the right choice, as text; NULL where none is told. */
static tf_status read_label(const json_t *value, const text_list *texts, size_t line, char number[24]) {
    const json_t *label = json_object_get(value, "label"), *choices = json_object_get(value, "choices");
    size_t right = 0, count = json_array_size(choices);
    *number = 0;
    if (!label) return TF_OK;
    if (json_is_integer(label))
        right = json_integer_value(label) < 0 ? count : (size_t)json_integer_value(label);
    else
        while (right < count && !json_equal(json_array_get(choices, right), label)) right++;
    if (right >= count) return refuse(texts, line, "\"label\" is neither the number of a choice, from 0, nor its text");
    snprintf(number, 24, "%zu", right);
    return TF_OK;
}

static tf_status add_choice(const json_t *prompt, const json_t *choice, size_t line, size_t question, const char *label,
                            text_list *texts) {
    const char *before = json_string_value(prompt), *after = json_string_value(choice);
    size_t given = json_string_length(prompt), length = json_string_length(choice);
    bool apart = !given || isspace((unsigned char)before[given - 1]) || isspace((unsigned char)*after);
    text_item *item = NULL;
    TF_TRY(texts_add(texts, line, &item));
    item->first = malloc(given + length + 2);
    if (!item->first) return tf_fail(TF_NOMEM, "out of memory");
    memcpy(item->first, before, given);
    if (!apart) item->first[given] = ' ';
    memcpy(item->first + given + !apart, after, length + 1);
    item->first_length = given + !apart + length;
    item->given = given;
    item->question = question;
    return *label ? text_duplicate(label, strlen(label), &item->label) : TF_OK;
}

tf_status question_read(const json_t *value, size_t line, text_list *texts) {
    const json_t *prompt = json_object_get(value, "prompt"), *choices = json_object_get(value, "choices");
    size_t question = texts->count ? texts->item[texts->count - 1].question + 1 : 1;
    char label[24];
    if (json_array_size(choices) < 2) return refuse(texts, line, "a question needs at least two \"choices\"");
    TF_TRY(read_label(value, texts, line, label));
    for (size_t i = 0; i < json_array_size(choices); i++) {
        const json_t *choice = json_array_get(choices, i);
        if (!json_string_length(choice)) return refuse(texts, line, "a choice is no text, or empty");
        TF_TRY(add_choice(prompt, choice, line, question, label, texts));
    }
    return TF_OK;
}

size_t question_choices(const text_list *texts, size_t first) {
    size_t count = 1;
    while (first + count < texts->count && texts->item[first + count].question == texts->item[first].question) count++;
    return count;
}
