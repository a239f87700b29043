#include "experiments/app/gateway/classify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/service/embeddings.h"

/* A score and what it is of, to be sorted. */
typedef struct ranked {
    double score;
    size_t index;
} ranked;

static int better(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* Scores of logits: what the model was trained for, unless they are wanted as they are. */
static void score(const desk_model *model, const float *logits, bool raw, ranked *out) {
    double largest = -INFINITY, sum = 0;
    size_t labels = model->width;
    bool as_is = raw || (model->problem == TF_PROBLEM_REGRESSION && labels > 1);
    bool each = model->problem == TF_PROBLEM_MULTI || labels == 1;
    for (size_t k = 0; k < labels; k++) largest = fmax(largest, (double)logits[k]);
    for (size_t k = 0; k < labels; k++) sum += exp((double)logits[k] - largest);
    for (size_t k = 0; k < labels; k++) {
        double x = (double)logits[k];
        out[k] = (ranked){as_is ? x : each ? sigmoid(x) : exp(x - largest) / sum, k};
    }
}

static json_t *predictions(const desk_model *model, const float *logits, bool raw, size_t most) {
    ranked *row = calloc(model->width, sizeof *row);
    json_t *array = json_array();
    if (!row) return array;
    score(model, logits, raw, row);
    qsort(row, model->width, sizeof *row, better);
    for (size_t k = 0; k < model->width && k < most; k++) {
        char number[32];
        snprintf(number, sizeof number, "LABEL_%zu", row[k].index);
        json_array_append_new(array, json_pack("{s:f,s:s}", "score", row[k].score, "label",
                                               model->label ? model->label[row[k].index] : number));
    }
    explicit_bzero(row, model->width * sizeof *row);
    free(row);
    return array;
}

/* Inputs ----------------------------------------------------------------------------------------------------------- */

static tf_status wrong_inputs(refusal *r) {
    return refuse(r, HTTP_UNPROCESSABLE, "invalid_type", "inputs",
                  "'inputs' must be a string, a pair [string, string], or a list of [string] and [string, string]");
}

/* A text, or a pair where there is a second one. */
static tf_status add(gateway_request *request, const json_t *first, const json_t *second, refusal *r) {
    if (!json_is_string(first) || (second && !json_is_string(second))) return wrong_inputs(r);
    if (!json_string_length(first))
        return refuse(r, HTTP_UNPROCESSABLE, "empty_string", NULL, "An input is an empty string");
    tf_status status =
        request_add_text(request, json_string_value(first), json_string_length(first),
                         second ? json_string_value(second) : NULL, second ? json_string_length(second) : 0);
    return status == TF_OK ? TF_OK : refuse(r, HTTP_FAILED, NULL, NULL, "%s", tf_error());
}

static tf_status add_list(gateway_request *request, const json_t *inputs, refusal *r) {
    size_t count = json_array_size(inputs);
    if (count > DESK_TEXTS)
        return refuse(r, HTTP_UNPROCESSABLE, "array_too_long", "inputs", "There are more than %d inputs", DESK_TEXTS);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(inputs, i);
        size_t texts = json_array_size(item);
        if (texts < 1 || texts > 2) return wrong_inputs(r);
        TF_TRY(add(request, json_array_get(item, 0), json_array_get(item, 1), r));
    }
    return TF_OK;
}

/* *single: one text or pair was given, not a list. */
static tf_status read_inputs(const json_t *body, gateway_request *request, bool *single, refusal *r) {
    const json_t *inputs = body_member(body, "inputs");
    size_t count = json_array_size(inputs);
    *single = !json_is_array(inputs) || json_is_string(json_array_get(inputs, 0));
    if (!inputs) return refuse(r, HTTP_UNPROCESSABLE, "missing_parameter", "inputs", "'inputs' is missing");
    if (!json_is_array(inputs)) return add(request, inputs, NULL, r);
    if (!count || (*single && count > 2)) return wrong_inputs(r);
    return *single ? add(request, json_array_get(inputs, 0), json_array_get(inputs, 1), r)
                   : add_list(request, inputs, r);
}

/* "parameters", as Hugging Face's endpoints have them. */
static tf_status read_parameters(const desk_model *model, const json_t *body, bool *raw, size_t *most, refusal *r) {
    static const char *const known[] = {"top_k", "function_to_apply", NULL};
    const json_t *parameters = body_member(body, "parameters");
    const char *apply = NULL,
               *trained = model->problem == TF_PROBLEM_MULTI || model->width == 1 ? "sigmoid" : "softmax";
    if (!parameters) return TF_OK;
    if (!json_is_object(parameters))
        return refuse(r, HTTP_UNPROCESSABLE, "invalid_type", "parameters", "'parameters' must be an object");
    TF_TRY(body_known(parameters, known, r));
    TF_TRY(body_whole(parameters, "top_k", 1, model->width, most, r));
    TF_TRY(body_word(parameters, "function_to_apply", &apply, r));
    *raw |= apply && !strcmp(apply, "none");
    if (!apply || *raw || !strcmp(apply, trained)) return TF_OK;
    return refuse(r, HTTP_UNPROCESSABLE, "invalid_value", "function_to_apply",
                  "'function_to_apply' can be 'none', or '%s', which this model was trained for", trained);
}

tf_status classify_tei(gateway_desk *d, http_exchange *e, const json_t *body, gateway_request *request, refusal *r) {
    static const char *const known[] = {"inputs",  "truncate", "truncation_direction", "raw_scores", "parameters",
                                        "options", NULL};
    bool raw = false, single = false;
    size_t most = d->model.width;
    TF_TRY(body_known(body, known, r));
    TF_TRY(ask_head(d, TF_HEAD_CLASSIFIER, r));
    TF_TRY(read_inputs(body, request, &single, r));
    TF_TRY(ask_truncation(body, request, r));
    TF_TRY(body_flag(body, "raw_scores", &raw, r));
    TF_TRY(read_parameters(&d->model, body, &raw, &most, r));
    TF_TRY(ask_submit(d, request, r));
    TF_TRY(ask_wait(d, request, r));
    json_t *all = json_array();
    for (size_t i = 0; i < request->texts.count; i++)
        json_array_append_new(all, predictions(&d->model, request->values + i * request->width, raw, most));
    single &= strcmp(e->path, "/") != 0; /* there Hugging Face's clients expect a list of results also of one text */
    json_t *first = single ? json_incref(json_array_get(all, 0)) : NULL;
    if (single) json_decref(all);
    http_answer_json(e, HTTP_OK, single ? first : all);
    return TF_OK;
}

/* Ranking ---------------------------------------------------------------------------------------------------------- */

/* A cross-encoder reads pairs; embeddings are of the query, which comes first, and of each text. */
static tf_status read_ranking(gateway_desk *d, const json_t *body, gateway_request *request, bool pairs, refusal *r) {
    const json_t *query = body_member(body, "query"), *texts = body_member(body, "texts");
    size_t count = json_array_size(texts);
    if (!json_is_string(query) || !json_string_length(query))
        return refuse(r, HTTP_UNPROCESSABLE, "invalid_type", "query", "'query' must be a string");
    if (!count || count > DESK_TEXTS)
        return refuse(r, HTTP_UNPROCESSABLE, "invalid_type", "texts", "'texts' must be an array of 1 to %d strings",
                      DESK_TEXTS);
    if (!pairs) TF_TRY(add(request, query, NULL, r));
    for (size_t i = 0; i < count; i++) {
        const json_t *text = json_array_get(texts, i);
        if (!json_is_string(text))
            return refuse(r, HTTP_UNPROCESSABLE, "invalid_type", "texts", "'texts' must be an array of strings");
        TF_TRY(pairs ? add(request, query, text, r) : add(request, text, NULL, r));
    }
    return TF_OK;
}

static json_t *ranks(const gateway_request *request, const json_t *texts, bool pairs, bool raw, bool with_text) {
    size_t count = json_array_size(texts), width = request->width;
    ranked *row = calloc(count, sizeof *row);
    json_t *array = json_array();
    for (size_t i = 0; row && i < count; i++) {
        double x = pairs ? (double)request->values[i]
                         : embeddings_cosine(request->values, request->values + (i + 1) * width, width);
        row[i] = (ranked){pairs && !raw ? sigmoid(x) : x, i};
    }
    if (row) qsort(row, count, sizeof *row, better);
    for (size_t i = 0; row && i < count; i++) {
        json_t *rank = json_pack("{s:I,s:f}", "index", (json_int_t)row[i].index, "score", row[i].score);
        if (with_text) json_object_set(rank, "text", json_array_get(texts, row[i].index));
        json_array_append_new(array, rank);
    }
    free(row);
    return array;
}

tf_status rerank_tei(gateway_desk *d, http_exchange *e, const json_t *body, gateway_request *request, refusal *r) {
    static const char *const known[] = {"query",      "texts",       "truncate", "truncation_direction",
                                        "raw_scores", "return_text", NULL};
    bool raw = false, with_text = false, pairs = d->model.head == TF_HEAD_CLASSIFIER;
    TF_TRY(body_known(body, known, r));
    TF_TRY(ask_head(d, pairs ? TF_HEAD_CLASSIFIER : TF_HEAD_EMBEDDING, r));
    if (pairs && d->model.width != 1)
        return refuse(r, HTTP_UNPROCESSABLE, "wrong_model", "model",
                      "This model tells %zu labels apart; a text is ranked by a model of one label, or by embeddings",
                      d->model.width);
    TF_TRY(read_ranking(d, body, request, pairs, r));
    TF_TRY(ask_truncation(body, request, r));
    TF_TRY(body_flag(body, "raw_scores", &raw, r));
    TF_TRY(body_flag(body, "return_text", &with_text, r));
    TF_TRY(ask_submit(d, request, r));
    TF_TRY(ask_wait(d, request, r));
    http_answer_json(e, HTTP_OK, ranks(request, body_member(body, "texts"), pairs, raw, with_text));
    return TF_OK;
}
