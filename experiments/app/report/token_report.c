#include "experiments/app/report/token_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/report/answers.h"

enum { ANSWERS = 1, WORDS = 5, INDENT = 6, NUMBERS = 34, NARROWEST_WORD = 12, WIDEST_WORD = 48, MASK_COLUMNS = 8 };

/* A part of a text, of whole characters, and its place in characters. */
typedef struct excerpt {
    const char *bytes;
    size_t length, start, end;
} excerpt;

static bool inside(char c) {
    return ((unsigned char)c & 0xc0) == 0x80;
}

static excerpt excerpt_of(const text_item *text, int which, size_t start, size_t end) {
    const char *bytes = which ? text->second : text->first;
    size_t length = which ? text->second_length : text->first_length;
    excerpt e = {0};
    while (start > 0 && inside(bytes[start])) start--;
    while (end < length && inside(bytes[end])) end++;
    for (size_t i = 0; i < end; i++)
        if (!inside(bytes[i])) {
            e.start += i < start;
            e.end++;
        }
    e.bytes = bytes + start;
    e.length = end - start;
    return e;
}

/* The best answers of a text, or words for one of its masks; the caller frees *out. */
static tf_status find_best(const token_result *r, size_t mask, answer **out, size_t *count, double *none) {
    if (r->config->best_only) { /* nothing but the word */
        *out = calloc(1, sizeof **out);
        if (!*out) return tf_fail(TF_NOMEM, "out of memory");
        **out = (answer){.token = (size_t)r->values[mask], .score = NAN};
        *count = 1;
        return TF_OK;
    }
    bool spans = r->config->head == TF_HEAD_SPAN;
    size_t most = spans ? r->tokens->length * r->tokens->length : r->config->vocabulary;
    size_t top = r->settings->top ? r->settings->top : spans ? ANSWERS : WORDS;
    if (top > most) top = most;
    *out = calloc(top + 1, sizeof **out);
    if (!*out) return tf_fail(TF_NOMEM, "out of memory");
    if (spans)
        answers_find(r->text, r->tokens, r->values, top, *out, count, none);
    else
        tokens_find(r->values + mask * r->config->vocabulary, r->config->vocabulary, top, *out, count);
    return TF_OK;
}

static tf_status word_of(const token_result *r, size_t token, char **text, size_t *length) {
    return tf_tokenizer_decode(r->tokenizer, &(int32_t){(int32_t)token}, 1, false, text, length);
}

static json_t *json_excerpt(const excerpt *e, const char *name, double score) {
    return json_pack("{s:s%,s:I,s:I,s:f}", name, e->bytes, e->length, "start", (json_int_t)e->start, "end",
                     (json_int_t)e->end, "score", score);
}

static json_t *json_entity(const token_result *r, const entity *found) {
    char buffer[32];
    const char *label = tf_model_label(r->config, found->label, buffer, sizeof buffer);
    bool token = r->settings->how == AGGREGATE_NONE;
    excerpt e = excerpt_of(r->text, found->text, found->start, found->end);
    json_t *object = json_excerpt(&e, "word", found->score);
    json_object_set_new(object, token ? "entity" : "entity_group", json_string(token ? label : entity_group(label)));
    if (token) json_object_set_new(object, "index", json_integer((json_int_t)found->token));
    if (found->text) json_object_set_new(object, "text", json_integer(found->text));
    return object;
}

static tf_status json_entities(const token_result *r, json_t *object) {
    entity *found;
    size_t count;
    TF_TRY(entities_find(r->config, r->tokenizer, r->text, r->tokens, r->values, r->settings->how, &found, &count));
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(list, json_entity(r, &found[i]));
    json_object_set_new(object, "entities", list);
    free(found);
    return TF_OK;
}

static tf_status json_answers(const token_result *r, json_t *object) {
    answer *best;
    size_t count;
    double none;
    TF_TRY(find_best(r, 0, &best, &count, &none));
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        excerpt e = excerpt_of(r->text, 1, best[i].start, best[i].end);
        json_array_append_new(list, json_excerpt(&e, "answer", best[i].score));
    }
    json_object_set_new(object, "answers", list);
    json_object_set_new(object, "no_answer", json_real(none));
    free(best);
    return TF_OK;
}

static tf_status json_words(const token_result *r, size_t mask, json_t *list) {
    answer *best;
    size_t count;
    double none;
    TF_TRY(find_best(r, mask, &best, &count, &none));
    tf_status status = TF_OK;
    for (size_t i = 0; i < count && status == TF_OK; i++) {
        char *text = NULL;
        size_t length = 0;
        status = word_of(r, best[i].token, &text, &length);
        json_t *word = json_pack("{s:I,s:s%}", "token", (json_int_t)best[i].token, "text", text ? text : "", length);
        if (!isnan(best[i].score)) json_object_set_new(word, "score", json_real(best[i].score));
        json_array_append_new(list, word);
        free(text);
    }
    free(best);
    return status;
}

static tf_status json_masks(const token_result *r, json_t *object) {
    json_t *masks = json_array();
    json_object_set_new(object, "masks", masks);
    for (size_t i = 0; i < r->tokens->rows; i++) {
        json_t *list = json_array();
        json_array_append_new(masks, list);
        TF_TRY(json_words(r, i, list));
    }
    return TF_OK;
}

tf_status token_result_json(const token_result *r, json_t *object) {
    if (r->config->head == TF_HEAD_TOKENS) return json_entities(r, object);
    if (r->config->head == TF_HEAD_SPAN) return json_answers(r, object);
    return json_masks(r, object);
}

static void print_excerpt(const excerpt *e, double score) {
    printf("%*s", INDENT, "");
    print_cell(e->bytes, e->length, columns_left(INDENT + NUMBERS, NARROWEST_WORD, WIDEST_WORD));
    printf("  %5.3f  %zu-%zu", score, e->start, e->end);
}

static tf_status print_entities(const token_result *r) {
    entity *found;
    size_t count;
    char buffer[32];
    TF_TRY(entities_find(r->config, r->tokenizer, r->text, r->tokens, r->values, r->settings->how, &found, &count));
    for (size_t i = 0; i < count; i++) {
        const char *label = tf_model_label(r->config, found[i].label, buffer, sizeof buffer);
        excerpt e = excerpt_of(r->text, found[i].text, found[i].start, found[i].end);
        print_excerpt(&e, found[i].score);
        printf("  %s\n", r->settings->how == AGGREGATE_NONE ? label : entity_group(label));
    }
    free(found);
    return TF_OK;
}

static tf_status print_best(const token_result *r, size_t mask) {
    answer *best;
    size_t count;
    double none;
    TF_TRY(find_best(r, mask, &best, &count, &none));
    tf_status status = TF_OK;
    for (size_t i = 0; i < count && status == TF_OK; i++) {
        if (r->config->head == TF_HEAD_SPAN) {
            excerpt e = excerpt_of(r->text, 1, best[i].start, best[i].end);
            print_excerpt(&e, best[i].score);
            putchar('\n');
            continue;
        }
        char *text = NULL;
        size_t length = 0;
        status = word_of(r, best[i].token, &text, &length);
        if (status != TF_OK) continue;
        printf("%*smask %zu  ", INDENT, "", mask + 1);
        print_cell(text, length, columns_left(INDENT + NUMBERS, NARROWEST_WORD, WIDEST_WORD) - MASK_COLUMNS);
        isnan(best[i].score) ? putchar('\n') : printf("  %5.3f\n", best[i].score);
        free(text);
    }
    free(best);
    return status;
}

tf_status token_result_print(const token_result *r) {
    if (r->config->head == TF_HEAD_TOKENS) return print_entities(r);
    if (r->config->head == TF_HEAD_SPAN) return print_best(r, 0);
    for (size_t i = 0; i < r->tokens->rows; i++) TF_TRY(print_best(r, i));
    return TF_OK;
}
