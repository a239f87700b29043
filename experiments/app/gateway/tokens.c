#include "experiments/app/gateway/tokens.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_ANSWERS = 100 };

/* Inputs ----------------------------------------------------------------------------------------------------------- */

static tf_status wrong_inputs(bool pairs, refusal *r) {
    return refuse(r, HTTP_UNPROCESSABLE, "invalid_type", "inputs",
                  pairs ? "'inputs' must be {\"question\": string, \"context\": string}, or a list of such"
                        : "'inputs' must be a string, or a list of strings");
}

static tf_status add_input(const json_t *input, bool pairs, gateway_request *request, refusal *r) {
    static const char *const known[] = {"question", "context", NULL};
    if (pairs && !json_is_object(input)) return wrong_inputs(pairs, r);
    if (pairs) TF_TRY(body_known(input, known, r));
    const json_t *first = pairs ? json_object_get(input, "question") : input;
    const json_t *second = pairs ? json_object_get(input, "context") : NULL;
    if (!json_is_string(first) || (pairs && !json_is_string(second))) return wrong_inputs(pairs, r);
    if (!json_string_length(first) || (pairs && !json_string_length(second)))
        return refuse(r, HTTP_UNPROCESSABLE, "empty_string", "inputs", "'inputs' has an empty string");
    tf_status status = request_add_text(request, json_string_value(first), json_string_length(first),
                                        json_string_value(second), json_string_length(second));
    return status == TF_OK ? TF_OK : refuse(r, HTTP_FAILED, NULL, NULL, "%s", tf_error());
}

static tf_status read_inputs(const json_t *inputs, bool pairs, gateway_request *request, refusal *r) {
    size_t count = json_array_size(inputs);
    if (!inputs) return refuse(r, HTTP_UNPROCESSABLE, "missing_parameter", "inputs", "'inputs' is missing");
    if (!json_is_array(inputs)) return add_input(inputs, pairs, request, r);
    if (!count || count > DESK_TEXTS)
        return refuse(r, HTTP_UNPROCESSABLE, "invalid_type", "inputs", "'inputs' must have 1 to %d texts", DESK_TEXTS);
    for (size_t i = 0; i < count; i++) TF_TRY(add_input(json_array_get(inputs, i), pairs, request, r));
    return TF_OK;
}

/* "ignore_labels" may only name what is left out anyway. */
static tf_status read_ignored(const json_t *parameters, refusal *r) {
    const json_t *labels = body_member(parameters, "ignore_labels");
    const char *only = json_string_value(json_array_get(labels, 0));
    if (!labels || (json_array_size(labels) == 1 && only && !strcmp(only, "O"))) return TF_OK;
    return refuse(r, HTTP_UNPROCESSABLE, "unsupported_parameter", "ignore_labels",
                  "'ignore_labels' can only be [\"O\"]");
}

static tf_status read_parameters(const json_t *body, tf_head head, token_settings *settings, refusal *r) {
    static const char *const of_labels[] = {"aggregation_strategy", "ignore_labels", NULL}, *const others[] = {"top_k",
                                                                                                               NULL};
    const json_t *parameters = body_member(body, "parameters");
    const char *how = "simple";
    *settings = (token_settings){.how = AGGREGATE_SIMPLE};
    if (!parameters) return TF_OK;
    if (!json_is_object(parameters))
        return refuse(r, HTTP_UNPROCESSABLE, "invalid_type", "parameters", "'parameters' must be an object");
    TF_TRY(body_known(parameters, head == TF_HEAD_TOKENS ? of_labels : others, r));
    TF_TRY(body_whole(parameters, "top_k", 1, MOST_ANSWERS, &settings->top, r));
    TF_TRY(body_word(parameters, "aggregation_strategy", &how, r));
    TF_TRY(read_ignored(parameters, r));
    if (aggregation_find(how, &settings->how) == TF_OK) return TF_OK;
    return refuse(r, HTTP_UNPROCESSABLE, "invalid_value", "aggregation_strategy",
                  "'aggregation_strategy' must be 'none', 'simple', 'first', 'average' or 'max'");
}

/* Answers ---------------------------------------------------------------------------------------------------------- */

/* Where the n-th mask of a text begins, and its length; NULL: there are fewer. */
static const char *find_mask(const char *text, size_t n, size_t *length) {
    static const char *const words[] = {"[MASK]", "<mask>"};
    for (const char *at = text; *at; at++)
        for (int k = 0; k < 2; k++) {
            if (strncmp(at, words[k], strlen(words[k]))) continue;
            *length = strlen(words[k]);
            if (n-- == 0) return at;
        }
    return NULL;
}

/* A text with a word in place of its n-th mask. */
static json_t *filled(const text_item *text, size_t n, const char *word) {
    size_t length = 0;
    while (*word == ' ') word++;
    const char *mask = find_mask(text->first, n, &length);
    if (!mask) return json_stringn(text->first, text->first_length);
    return json_sprintf("%.*s%s%s", (int)(mask - text->first), text->first, word, mask + length);
}

/* Words for one mask, as the pipeline "fill-mask" has them. */
static json_t *words_of(const json_t *found, const text_item *text, size_t mask) {
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(found); i++) {
        const json_t *word = json_array_get(found, i);
        json_t *token = json_object_get(word, "token"), *string = json_object_get(word, "text"),
               *score = json_object_get(word, "score");
        json_array_append_new(list, json_pack("{s:O?,s:O,s:O,s:o}", "score", score, "token", token, "token_str", string,
                                              "sequence", filled(text, mask, json_string_value(string))));
    }
    return list;
}

/* Entities, of which those that were not put together bear their label by both names: the pipeline has "entity", but
 * Hugging Face's own client takes none without "entity_group". */
static json_t *entities_of(json_t *found) {
    for (size_t i = 0; i < json_array_size(found); i++) {
        json_t *one = json_array_get(found, i), *label = json_object_get(one, "entity");
        if (label) json_object_set(one, "entity_group", label);
    }
    return json_incref(found);
}

/* One text's result in the form of the pipeline of its kind. */
static json_t *shaped(tf_head head, const json_t *result, const text_item *text, bool alone) {
    json_t *masks = json_object_get(result, "masks"), *answers = json_object_get(result, "answers"), *all;
    if (head == TF_HEAD_TOKENS) return entities_of(json_object_get(result, "entities"));
    if (head == TF_HEAD_SPAN) return json_incref(alone ? json_array_get(answers, 0) : answers);
    if (json_array_size(masks) == 1) return words_of(json_array_get(masks, 0), text, 0);
    all = json_array();
    for (size_t i = 0; i < json_array_size(masks); i++)
        json_array_append_new(all, words_of(json_array_get(masks, i), text, i));
    return all;
}

tf_status tokens_ask(gateway_desk *d, http_exchange *e, const json_t *body, gateway_request *request, refusal *r) {
    static const char *const known[] = {"inputs", "parameters", "options", "truncate", "truncation_direction", NULL};
    tf_head head = d->model.head;
    const json_t *inputs = body_member(body, "inputs");
    TF_TRY(body_known(body, known, r));
    TF_TRY(read_inputs(inputs, head == TF_HEAD_SPAN, request, r));
    TF_TRY(read_parameters(body, head, &request->tokens, r));
    if (head == TF_HEAD_MASKED && d->model.width == 1 && request->tokens.top > 1)
        return refuse(r, HTTP_UNPROCESSABLE, "unsupported_parameter", "top_k",
                      "'top_k' can only be 1: the likeliest word alone is revealed");
    TF_TRY(ask_truncation(body, request, r));
    TF_TRY(ask_submit(d, request, r));
    TF_TRY(ask_wait(d, request, r));
    for (size_t i = 0; head == TF_HEAD_MASKED && i < request->texts.count; i++)
        if (!json_array_size(json_object_get(json_array_get(request->results, i), "masks")))
            return refuse(r, HTTP_UNPROCESSABLE, "no_mask", "inputs", "Input %zu has no mask that could be filled", i);
    bool single = !json_is_array(inputs), one_answer = request->tokens.top <= 1;
    json_t *all = json_array();
    for (size_t i = 0; i < request->texts.count; i++)
        json_array_append_new(all,
                              shaped(head, json_array_get(request->results, i), &request->texts.item[i], one_answer));
    json_t *first = single ? json_incref(json_array_get(all, 0)) : NULL;
    if (single) json_decref(all);
    http_answer_json(e, HTTP_OK, single ? first : all);
    return TF_OK;
}
