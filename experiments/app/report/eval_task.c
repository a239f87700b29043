#include "experiments/app/report/eval_task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/report/answers.h"

static eval_kind kind_of(const tf_config *config, const text_list *texts) {
    switch (config->head) {
    case TF_HEAD_TOKENS: return EVAL_WORDS;
    case TF_HEAD_SPAN: return EVAL_ANSWER;
    case TF_HEAD_CAUSAL: return texts->count && texts->item->question ? EVAL_CHOICE : EVAL_TEXT;
    default: break;
    }
    if (config->problem == TF_PROBLEM_MULTI) return EVAL_SET;
    return config->labels == 1 ? EVAL_VALUE : EVAL_LABEL;
}

/* ---- Rows ---- */

static tf_status expect_words(const eval_task *t) {
    char place[4200];
    for (size_t i = 0; i < t->texts->count; i++)
        if (!t->texts->item[i].word_end)
            return tf_fail(TF_FORMAT, "%s: the text is not a list of words (\"tokens\"), whose tags can be compared",
                           text_place(t->texts, i, place, sizeof place));
    return TF_OK;
}

static size_t rows_wanted(const eval_task *t, size_t i) {
    return t->kind == EVAL_WORDS ? t->texts->item[i].words : t->kind == EVAL_ANSWER ? t->batches->text[i].length : 1;
}

/* The first token of each word: a token belongs to the word in which it has its first character. */
static void find_tokens(const eval_task *t, size_t i, size_t *token) {
    const text_item *item = &t->texts->item[i];
    const encoded_text *text = &t->batches->text[i];
    size_t word = 0;
    for (size_t w = 0; w < item->words; w++) token[w] = SIZE_MAX;
    for (size_t k = 0; k < text->length; k++) {
        if (text->place[k].text != 0) continue;
        size_t start = text->place[k].start;
        while (start < item->first_length && item->first[start] == ' ') start++;
        while (word < item->words && item->word_end[word] <= start) word++;
        if (word < item->words && token[word] == SIZE_MAX) token[word] = k;
    }
}

static tf_status make_rows(eval_task *t) {
    size_t texts = t->texts->count;
    t->first = calloc(texts + 1, sizeof *t->first);
    if (!t->first) return tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < texts; i++) t->first[i + 1] = t->first[i] + rows_wanted(t, i);
    if (t->kind != EVAL_WORDS) return TF_OK;
    t->token = calloc(t->first[texts] + 1, sizeof *t->token);
    if (!t->token) return tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < texts; i++) find_tokens(t, i, t->token + t->first[i]);
    return TF_OK;
}

size_t eval_task_rows(const eval_task *t, size_t text) {
    return t->first[text + 1] - t->first[text];
}

tf_status eval_task_pick(const eval_task *t, const tf_batch *batch, const size_t *index, const float *values,
                         float **rows) {
    size_t count = 0, width = t->width, tokens = tf_model_output(t->config).per_token ? batch->length : 1;
    for (size_t i = 0; i < batch->texts; i++) count += eval_task_rows(t, index[i]);
    float *to = *rows = calloc(count * width + 1, sizeof *to);
    if (!to) return tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < batch->texts; i++)
        for (size_t row = 0; row < eval_task_rows(t, index[i]); row++, to += width) {
            size_t token = t->token ? t->token[t->first[index[i]] + row] : row;
            if (token != SIZE_MAX) memcpy(to, values + (i * tokens + token) * width, width * sizeof *to);
        }
    return TF_OK;
}

/* ---- Predictions ---- */

size_t eval_top(const float *values, size_t width) {
    size_t best = 0;
    for (size_t k = 1; k < width; k++)
        if (values[k] > values[best]) best = k;
    return best;
}

const char *eval_tag(const eval_task *t, size_t row, const float *values) {
    return t->token[row] == SIZE_MAX ? "O" : t->name[eval_top(values, t->width)];
}

tf_status eval_answer(const eval_task *t, size_t text, const float *values, char **out) {
    const text_item *item = &t->texts->item[text];
    answer best = {0};
    size_t count;
    double none;
    answers_find(item, &t->batches->text[text], values, 1, &best, &count, &none);
    if (!count || (t->may_be_silent && none > best.score)) best.start = best.end = 0;
    return text_duplicate(item->second + best.start, best.end - best.start, out);
}

static json_t *predicted_set(const eval_task *t, const float *values) {
    json_t *list = json_array();
    for (size_t k = 0; k < t->width; k++)
        if (values[k] > 0) json_array_append_new(list, json_string(t->name[k]));
    return list;
}

static json_t *predicted_tags(const eval_task *t, size_t text, const float *values) {
    json_t *list = json_array();
    for (size_t row = 0; row < eval_task_rows(t, text); row++)
        json_array_append_new(list, json_string(eval_tag(t, t->first[text] + row, values + row * t->width)));
    return list;
}

json_t *eval_prediction(const eval_task *t, size_t text, const float *values) {
    switch (t->kind) {
    case EVAL_LABEL: return json_string(t->name[eval_top(values, t->width)]);
    case EVAL_VALUE: return json_real((double)values[0]);
    case EVAL_SET: return predicted_set(t, values);
    case EVAL_WORDS: return predicted_tags(t, text, values);
    case EVAL_ANSWER: {
        char *found = NULL;
        json_t *text_found = eval_answer(t, text, values, &found) == TF_OK ? json_string(found) : NULL;
        free(found);
        return text_found;
    }
    case EVAL_CHOICE:
    case EVAL_TEXT: break;
    }
    return NULL;
}

/* ---- Labels ---- */

static tf_status refuse(const eval_task *t, size_t text, const char *why) {
    char place[4200];
    return tf_fail(TF_FORMAT, "%s: %s", text_place(t->texts, text, place, sizeof place), why);
}

static tf_status read_list(const eval_task *t, size_t text, const char *what, json_t **list) {
    *list = json_loads(t->texts->item[text].label, 0, NULL);
    if (json_is_array(*list)) return TF_OK;
    json_decref(*list);
    *list = NULL;
    return refuse(t, text, what);
}

/* A label of the model's, by name or number; the number of labels where there is none such. */
static size_t label_of(const eval_task *t, const json_t *value) {
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    if (json_is_string(value)) return tf_model_find_label(t->config, json_string_value(value));
    return number >= 0 && number < (json_int_t)t->config->labels ? (size_t)number : t->config->labels;
}

tf_status eval_true_tags(const eval_task *t, size_t text, const char **tag, json_t **held) {
    char why[128];
    size_t words = t->texts->item[text].words;
    TF_TRY(read_list(t, text, "the label is not a list of the words' tags", held));
    tf_status status = TF_OK;
    if (json_array_size(*held) != words) {
        snprintf(why, sizeof why, "%zu words, but %zu tags", words, json_array_size(*held));
        status = refuse(t, text, why);
    }
    for (size_t i = 0; i < words && status == TF_OK; i++) {
        const json_t *value = json_array_get(*held, i);
        size_t label = label_of(t, value);
        tag[i] = json_is_string(value) ? json_string_value(value) : NULL;
        if (!tag[i] && label < t->config->labels) tag[i] = t->name[label];
        if (!tag[i]) status = refuse(t, text, "a tag is neither a name nor the number of a label of the model's");
    }
    if (status == TF_OK) return TF_OK;
    json_decref(*held);
    *held = NULL;
    return status;
}

/* Whether a list says of each label whether it is there. */
static tf_status is_by_label(const eval_task *t, size_t text, const json_t *list, bool *by_label) {
    size_t labels = t->config->labels, numbers = 0, truths = 0, bits = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        double number = json_number_value(value);
        numbers += json_is_integer(value);
        truths += json_is_boolean(value) || (json_is_real(value) && (number == 0 || number == 1));
        bits += json_is_integer(value) && (number == 0 || number == 1);
    }
    bool whole = json_array_size(list) == labels;
    *by_label = whole && (truths == labels || (bits == labels && labels > 2));
    if (whole && bits == labels && labels == 2 && numbers == 2)
        return refuse(t, text, "two numbers 0 or 1 may be labels or truths of two labels: write true and false");
    return TF_OK;
}

static tf_status take_set(const eval_task *t, size_t text, const json_t *list, bool *set) {
    bool by_label;
    TF_TRY(is_by_label(t, text, list, &by_label));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        if (by_label) {
            set[i] = json_is_true(value) || json_number_value(value) == 1;
            continue;
        }
        size_t label = label_of(t, value);
        if (label == t->config->labels) return refuse(t, text, "a label is none of the model's");
        set[label] = true;
    }
    return TF_OK;
}

tf_status eval_true_set(const eval_task *t, size_t text, bool *set) {
    const char *label = t->texts->item[text].label;
    memset(set, 0, t->config->labels * sizeof *set);
    json_t *list = *label == '[' ? json_loads(label, 0, NULL) : json_pack("[s]", label);
    if (!list) return refuse(t, text, "the label is neither a label nor a list of them");
    tf_status status = take_set(t, text, list, set);
    json_decref(list);
    return status;
}

tf_status eval_true_answers(const eval_task *t, size_t text, size_t *count, const char **found, json_t **held) {
    TF_TRY(read_list(t, text, "the label is not a list of answers", held));
    size_t room = *count;
    *count = json_array_size(*held);
    for (size_t i = 0; i < *count; i++) {
        const json_t *value = json_array_get(*held, i);
        if (json_is_object(value)) value = json_object_get(value, "text");
        if (!json_is_string(value)) {
            json_decref(*held);
            *held = NULL;
            return refuse(t, text, "an answer is neither a text nor an object with \"text\"");
        }
        if (i < room) found[i] = json_string_value(value);
    }
    return TF_OK;
}

/* ---- The whole ---- */

static tf_status check_answers(eval_task *t) {
    for (size_t i = 0; i < t->texts->count; i++) {
        json_t *held;
        size_t count = 0;
        TF_TRY(eval_true_answers(t, i, &count, NULL, &held));
        json_decref(held);
        t->may_be_silent |= count == 0;
    }
    return TF_OK;
}

static tf_status check_tags(const eval_task *t) {
    for (size_t i = 0; i < t->texts->count; i++) {
        json_t *held = NULL;
        const char **tag = calloc(t->texts->item[i].words + 1, sizeof *tag);
        tf_status status =
            tag ? eval_true_tags(t, i, tag, &held) : tf_fail(TF_NOMEM, "out of memory for the tags of a text");
        json_decref(held);
        free(tag);
        TF_TRY(status);
    }
    return TF_OK;
}

static tf_status check_sets(const eval_task *t) {
    bool *set = calloc(t->config->labels, sizeof *set);
    tf_status status = set ? TF_OK : tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < t->texts->count && status == TF_OK; i++) status = eval_true_set(t, i, set);
    free(set);
    return status;
}

static tf_status make_names(eval_task *t) {
    char buffer[32];
    t->name = calloc(t->config->labels + 1, sizeof *t->name);
    if (!t->name) return tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < t->config->labels; i++) {
        const char *name = tf_model_label(t->config, i, buffer, sizeof buffer);
        TF_TRY(text_duplicate(name, strlen(name), &t->name[i]));
    }
    return TF_OK;
}

/* Questions stand alone, for models that say how likely a choice is, and have a right choice. */
static tf_status check_questions(const eval_task *t) {
    for (size_t i = 0; i < t->texts->count; i++) {
        const text_item *item = &t->texts->item[i];
        if (!item->question != (t->kind != EVAL_CHOICE))
            return refuse(t, i,
                          t->kind == EVAL_CHOICE ? "a text without choices, among questions"
                                                 : "choices, for a model that generates no text, or among texts");
        if (item->question && !item->label) return refuse(t, i, "the question has no \"label\"");
    }
    return TF_OK;
}

size_t eval_choice(const eval_task *t, size_t first, size_t choices, const float *values, bool mean) {
    size_t best = first;
    for (size_t i = first; i < first + choices; i++) {
        const float *x = values + i * t->width, *y = values + best * t->width;
        if (mean ? x[0] * y[1] < y[0] * x[1] : x[0] < y[0]) best = i;
    }
    return best - first;
}

tf_status eval_task_make(const tf_config *config, const text_list *texts, const text_batches *batches,
                         eval_task *task) {
    *task = (eval_task){.kind = kind_of(config, texts), .config = config, .texts = texts, .batches = batches};
    task->width = config->head == TF_HEAD_CAUSAL ? 2 : tf_model_width(config);
    TF_TRY(check_questions(task));
    if (task->kind == EVAL_WORDS) TF_TRY(expect_words(task));
    TF_TRY(make_names(task));
    TF_TRY(make_rows(task));
    if (task->kind == EVAL_WORDS) TF_TRY(check_tags(task));
    if (task->kind == EVAL_SET) TF_TRY(check_sets(task));
    return task->kind == EVAL_ANSWER ? check_answers(task) : TF_OK;
}

void eval_task_free(eval_task *task) {
    for (size_t i = 0; task->name && i < task->config->labels; i++) free(task->name[i]);
    free(task->name);
    free(task->first);
    free(task->token);
    *task = (eval_task){.name = NULL};
}
