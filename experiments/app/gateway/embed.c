#include "experiments/app/gateway/embed.h"

#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/service/embeddings.h"

static json_t *numbers(const float *values, size_t width) {
    json_t *array = json_array();
    for (size_t k = 0; k < width; k++) json_array_append_new(array, json_real((double)values[k]));
    return array;
}

/* Little-endian float32, as OpenAI has it. */
static json_t *base64(const float *values, size_t width) {
    size_t size = width * sizeof *values;
    char *text = malloc(4 * ((size + 2) / 3) + 1);
    if (!text) return NULL;
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)values, (int)size);
    json_t *string = json_string(text);
    explicit_bzero(text, strlen(text));
    free(text);
    return string;
}

/* Gives the first `width` values the length 1. */
static void scale(float *values, size_t width) {
    double sum = 0;
    for (size_t k = 0; k < width; k++) sum += (double)values[k] * (double)values[k];
    for (size_t k = 0; sum > 0 && k < width; k++) values[k] = (float)((double)values[k] / sqrt(sum));
}

/* Puts the question and waits. With `dimensions` only the first ones are taken, and scaled like the whole ones. */
static tf_status ask(gateway_desk *d, gateway_request *request, size_t *dimensions, bool scaled, refusal *r) {
    if (*dimensions > d->model.width)
        return refuse(r, HTTP_BAD_REQUEST, "invalid_value", "dimensions",
                      "Embeddings of this model have %zu dimensions", d->model.width);
    TF_TRY(ask_submit(d, request, r));
    TF_TRY(ask_wait(d, request, r));
    bool cut = *dimensions && *dimensions < request->width && d->model.sentences;
    if (!*dimensions) *dimensions = request->width;
    for (size_t i = 0; (scaled || cut) && i < request->texts.count; i++)
        scale(request->values + i * request->width, *dimensions);
    return TF_OK;
}

static tf_status read_openai(gateway_desk *d, const json_t *body, gateway_request *request, size_t *dimensions,
                             bool *encoded, refusal *r) {
    static const char *const known[] = {"input", "model", "encoding_format", "dimensions", "user", NULL};
    const char *format = "float";
    TF_TRY(body_known(body, known, r));
    TF_TRY(ask_model(d, body, r));
    TF_TRY(ask_head(d, TF_HEAD_EMBEDDING, r));
    TF_TRY(ask_texts(body, "input", request, r));
    TF_TRY(body_whole(body, "dimensions", 1, d->model.width, dimensions, r));
    TF_TRY(body_word(body, "encoding_format", &format, r));
    *encoded = !strcmp(format, "base64");
    if (*encoded || !strcmp(format, "float")) return TF_OK;
    return refuse(r, HTTP_BAD_REQUEST, "invalid_value", "encoding_format",
                  "'encoding_format' must be 'float' or 'base64'");
}

tf_status embed_openai(gateway_desk *d, http_exchange *e, const json_t *body, gateway_request *request, refusal *r) {
    size_t dimensions = 0;
    bool encoded = false;
    TF_TRY(read_openai(d, body, request, &dimensions, &encoded, r));
    TF_TRY(ask(d, request, &dimensions, false, r));
    json_t *data = json_array();
    for (size_t i = 0; i < request->texts.count; i++) {
        const float *values = request->values + i * request->width;
        json_array_append_new(data,
                              json_pack("{s:s,s:I,s:o}", "object", "embedding", "index", (json_int_t)i, "embedding",
                                        encoded ? base64(values, dimensions) : numbers(values, dimensions)));
    }
    http_answer_json(e, HTTP_OK,
                     json_pack("{s:s,s:o,s:s,s:o}", "object", "list", "data", data, "model", d->settings->name, "usage",
                               ask_usage(request)));
    return TF_OK;
}

tf_status embed_tei(gateway_desk *d, http_exchange *e, const json_t *body, gateway_request *request, refusal *r) {
    static const char *const known[] = {"inputs",     "truncate", "truncation_direction", "normalize", "prompt_name",
                                        "dimensions", NULL};
    size_t dimensions = 0;
    bool normalize = true;
    TF_TRY(body_known(body, known, r));
    TF_TRY(ask_head(d, TF_HEAD_EMBEDDING, r));
    TF_TRY(ask_texts(body, "inputs", request, r));
    TF_TRY(ask_truncation(body, request, r));
    TF_TRY(body_idle(body, "prompt_name", "the gateway knows no prompts by name", r));
    TF_TRY(body_flag(body, "normalize", &normalize, r));
    TF_TRY(body_whole(body, "dimensions", 1, d->model.width, &dimensions, r));
    TF_TRY(ask(d, request, &dimensions, normalize, r));
    json_t *all = json_array();
    for (size_t i = 0; i < request->texts.count; i++)
        json_array_append_new(all, numbers(request->values + i * request->width, dimensions));
    http_answer_json(e, HTTP_OK, all);
    return TF_OK;
}

/* The source first, then the sentences. */
static tf_status read_sentences(const json_t *body, gateway_request *request, refusal *r) {
    static const char *const known[] = {"source_sentence", "sentences", NULL};
    const json_t *inputs = body_member(body, "inputs");
    if (!json_is_object(inputs))
        return refuse(r, HTTP_UNPROCESSABLE, "invalid_type", "inputs",
                      "'inputs' must be {\"source_sentence\": string, \"sentences\": [string, ...]}");
    TF_TRY(body_known(inputs, known, r));
    TF_TRY(ask_texts(inputs, "source_sentence", request, r));
    if (request->texts.count != 1)
        return refuse(r, HTTP_UNPROCESSABLE, "invalid_type", "source_sentence", "'source_sentence' must be a string");
    return ask_texts(inputs, "sentences", request, r);
}

tf_status similarity_tei(gateway_desk *d, http_exchange *e, const json_t *body, gateway_request *request, refusal *r) {
    static const char *const known[] = {"inputs", "parameters", NULL}, *const parameter[] = {
                                                                           "truncate", "truncation_direction", NULL};
    const json_t *parameters = body_member(body, "parameters");
    TF_TRY(body_known(body, known, r));
    TF_TRY(ask_head(d, TF_HEAD_EMBEDDING, r));
    TF_TRY(read_sentences(body, request, r));
    if (parameters && !json_is_object(parameters))
        return refuse(r, HTTP_UNPROCESSABLE, "invalid_type", "parameters", "'parameters' must be an object");
    if (parameters) TF_TRY(body_known(parameters, parameter, r));
    if (parameters) TF_TRY(ask_truncation(parameters, request, r));
    TF_TRY(ask_submit(d, request, r));
    TF_TRY(ask_wait(d, request, r));
    json_t *all = json_array();
    for (size_t i = 1; i < request->texts.count; i++)
        json_array_append_new(
            all, json_real(embeddings_cosine(request->values, request->values + i * request->width, request->width)));
    http_answer_json(e, HTTP_OK, all);
    return TF_OK;
}
