#include "experiments/app/gateway/complete.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "experiments/app/gateway/stream.h"

enum { MOST_COPIES = 16, MOST_STOPS = 16, LONGEST_STOP = 256 };

static const double HIGHEST_TEMPERATURE = 2;

/* What both kinds understand. */
#define COMMON                                                                                                         \
    "model", "max_tokens", "temperature", "top_p", "n", "stream", "stream_options", "stop", "seed", "user",            \
        "frequency_penalty", "presence_penalty", "logit_bias"

static tf_status read_stops(const json_t *body, gateway_request *request, refusal *r) {
    const json_t *stop = body_member(body, "stop");
    size_t count = json_is_array(stop) ? json_array_size(stop) : stop ? 1 : 0;
    if (count > MOST_STOPS)
        return refuse(r, HTTP_BAD_REQUEST, "array_too_long", "stop", "'stop' has more than %d strings", MOST_STOPS);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(stop) ? json_array_get(stop, i) : stop;
        size_t length = json_string_length(item);
        if (!json_is_string(item) || !length || length > LONGEST_STOP)
            return refuse(r, HTTP_BAD_REQUEST, "invalid_type", "stop",
                          "'stop' must be a string of 1 to %d bytes, or an array of such", LONGEST_STOP);
        if (request_add_stop(request, json_string_value(item)) != TF_OK)
            return refuse(r, HTTP_FAILED, NULL, NULL, "%s", tf_error());
    }
    return TF_OK;
}

/* How tokens are drawn: without a temperature the likeliest, unless the gateway was started otherwise. */
static tf_status read_sampling(const gateway_desk *d, const json_t *body, gateway_request *request, refusal *r) {
    tf_sampling *s = &request->writing.sampler.sampling;
    const json_t *seed = body_member(body, "seed");
    request->writing.sampler.repeat_penalty = 1;
    *s = d->settings->sampling;
    TF_TRY(body_number(body, "temperature", 0, HIGHEST_TEMPERATURE, &s->temperature, r));
    TF_TRY(body_number(body, "top_p", 0, 1, &s->top_p, r));
    if (s->top_p <= 0) s->top_p = 1e-6; /* of the likeliest token alone */
    if (s->temperature > 0 && s->temperature < TF_LEAST_TEMPERATURE) s->temperature = 0;
    if (s->temperature == 0) *s = (tf_sampling){.top_p = 1};
    if (seed && s->temperature > 0)
        return refuse(r, HTTP_BAD_REQUEST, "unsupported_parameter", "seed",
                      "'seed' is not supported with a temperature: no party may know the numbers that tokens are drawn "
                      "by beforehand");
    if (seed && !json_is_integer(seed))
        return refuse(r, HTTP_BAD_REQUEST, "invalid_type", "seed", "'seed' must be a whole number");
    return TF_OK;
}

static tf_status read_stream(const json_t *body, gateway_request *request, bool *with_usage, refusal *r) {
    static const char *const known[] = {"include_usage", "include_obfuscation", NULL};
    const json_t *options = body_member(body, "stream_options");
    TF_TRY(body_flag(body, "stream", &request->streams, r));
    if (!options) return TF_OK;
    if (!json_is_object(options) || !request->streams)
        return refuse(r, HTTP_BAD_REQUEST, "invalid_value", "stream_options",
                      "'stream_options' must be an object, and goes with 'stream'");
    TF_TRY(body_known(options, known, r));
    TF_TRY(body_idle(options, "include_obfuscation", "events have the lengths of their texts", r));
    return body_flag(options, "include_usage", with_usage, r);
}

/* What clients may send, as long as it asks for nothing. */
static tf_status read_idle(const json_t *body, refusal *r) {
    static const struct {
        const char *name, *why;
    } idle[] = {{"frequency_penalty", "what was said is not counted inside"},
                {"presence_penalty", "what was said is not counted inside"},
                {"logit_bias", "logits stay shared"},
                {"logprobs", "logits stay shared"},
                {"top_logprobs", "logits stay shared"},
                {"echo", "the prompt is the client's already"},
                {"suffix", "texts are continued at their end"},
                {"audio", "answers are text"},
                {"web_search_options", "nothing is looked up"},
                {"moderation", "answers are the model's alone"},
                {"tools", "the model's template is given none"},
                {"functions", "the model's template is given none"}};
    for (size_t i = 0; i < sizeof idle / sizeof *idle; i++) TF_TRY(body_idle(body, idle[i].name, idle[i].why, r));
    return TF_OK;
}

static tf_status read_common(gateway_desk *d, const json_t *body, gateway_request *request, bool *with_usage,
                             refusal *r) {
    size_t tokens = 0, copies = 1;
    TF_TRY(ask_model(d, body, r));
    TF_TRY(ask_head(d, TF_HEAD_CAUSAL, r));
    request->generates = true;
    TF_TRY(body_whole(body, "max_tokens", 1, d->model.context, &tokens, r));
    TF_TRY(body_whole(body, "max_completion_tokens", 1, d->model.context, &tokens, r));
    TF_TRY(body_whole(body, "n", 1, MOST_COPIES, &copies, r));
    request->writing.max_tokens = tokens;
    request->copies = copies;
    TF_TRY(read_sampling(d, body, request, r));
    TF_TRY(read_stops(body, request, r));
    TF_TRY(read_stream(body, request, with_usage, r));
    return read_idle(body, r);
}

/* Answers ---------------------------------------------------------------------------------------------------------- */

static json_t *choice(const gateway_request *request, size_t i, bool chat) {
    const answer_text *a = &request->answer[i];
    json_t *object = json_pack("{s:I,s:n,s:s}", "index", (json_int_t)i, "logprobs", "finish_reason",
                               a->finish == FINISH_STOP ? "stop" : "length");
    json_t *text = json_stringn(a->text ? a->text : "", a->length);
    if (chat)
        json_object_set_new(object, "message",
                            json_pack("{s:s,s:o,s:n}", "role", "assistant", "content", text, "refusal"));
    else
        json_object_set_new(object, "text", text);
    return object;
}

static tf_status answer(gateway_desk *d, http_exchange *e, gateway_request *request, bool chat, bool with_usage,
                        refusal *r) {
    char name[48];
    time_t now = time(NULL);
    TF_TRY(ask_submit(d, request, r));
    if (request->streams) return stream_answer(d, e, request, chat, with_usage, r);
    TF_TRY(ask_wait(d, request, r));
    ask_name(chat ? "chatcmpl" : "cmpl", name);
    json_t *choices = json_array();
    for (size_t i = 0; i < request->answers; i++) json_array_append_new(choices, choice(request, i, chat));
    http_answer_json(e, HTTP_OK,
                     json_pack("{s:s,s:s,s:I,s:s,s:o,s:o}", "id", name, "object",
                               chat ? "chat.completion" : "text_completion", "created", (json_int_t)now, "model",
                               d->settings->name, "choices", choices, "usage", ask_usage(request)));
    return TF_OK;
}

tf_status complete_prompt(gateway_desk *d, http_exchange *e, const json_t *body, gateway_request *request, refusal *r) {
    static const char *const known[] = {COMMON, "prompt", "logprobs", "echo", "suffix", "best_of", NULL};
    bool with_usage = false;
    size_t best = 1;
    TF_TRY(body_known(body, known, r));
    TF_TRY(read_common(d, body, request, &with_usage, r));
    TF_TRY(body_whole(body, "best_of", 1, 1, &best, r));
    TF_TRY(ask_texts(body, "prompt", request, r));
    if (request->texts.count * request->copies > DESK_TEXTS)
        return refuse(r, HTTP_BAD_REQUEST, "invalid_value", "n",
                      "%zu prompts, each continued %zu times, are more than %d", request->texts.count, request->copies,
                      DESK_TEXTS);
    return answer(d, e, request, false, with_usage, r);
}

/* Conversations ---------------------------------------------------------------------------------------------------- */

/* Parts of a message, all of which must be text. */
static tf_status add_parts(gateway_request *request, const char *role, const json_t *parts, refusal *r) {
    size_t length = 0, used = 0;
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i), *text = json_object_get(part, "text");
        const char *type = json_string_value(json_object_get(part, "type"));
        if (!type || strcmp(type, "text") || !json_is_string(text))
            return refuse(r, HTTP_BAD_REQUEST, "unsupported_content", "messages",
                          "Parts of a message must be of the type 'text'");
        length += json_string_length(text);
    }
    char *all = calloc(1, length + 1);
    if (!all) return refuse(r, HTTP_FAILED, NULL, NULL, "out of memory");
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *text = json_object_get(json_array_get(parts, i), "text");
        memcpy(all + used, json_string_value(text), json_string_length(text));
        used += json_string_length(text);
    }
    tf_status status = request_add_message(request, role, all, length);
    explicit_bzero(all, length);
    free(all);
    return status == TF_OK ? TF_OK : refuse(r, HTTP_FAILED, NULL, NULL, "%s", tf_error());
}

static tf_status add_message(gateway_request *request, const json_t *message, refusal *r) {
    static const char *const roles[] = {"system", "developer", "user", "assistant", NULL};
    static const char *const known[] = {"role",          "content",    "name",        "refusal", "audio",
                                        "function_call", "tool_calls", "annotations", NULL};
    const char *role = json_string_value(json_object_get(message, "role"));
    const json_t *content = json_object_get(message, "content");
    size_t i = 0;
    TF_TRY(body_known(message, known, r));
    while (role && roles[i] && strcmp(roles[i], role)) i++;
    if (!role || !roles[i])
        return refuse(r, HTTP_BAD_REQUEST, "invalid_value", "messages",
                      "The role of a message must be 'system', 'developer', 'user' or 'assistant'");
    if (!strcmp(role, "developer")) role = "system";
    for (size_t k = 3; known[k]; k++)
        TF_TRY(body_idle(message, known[k], "the model's template is given none of it", r));
    if (json_is_array(content)) return add_parts(request, role, content, r);
    if (!json_is_string(content))
        return refuse(r, HTTP_BAD_REQUEST, "invalid_type", "messages",
                      "The content of a message must be a string, or an array of parts");
    tf_status status = request_add_message(request, role, json_string_value(content), json_string_length(content));
    return status == TF_OK ? TF_OK : refuse(r, HTTP_FAILED, NULL, NULL, "%s", tf_error());
}

static tf_status read_messages(const gateway_desk *d, const json_t *body, gateway_request *request, refusal *r) {
    const json_t *messages = body_member(body, "messages");
    size_t count = json_array_size(messages);
    if (!count || count > DESK_TEXTS)
        return refuse(r, HTTP_BAD_REQUEST, "invalid_type", "messages",
                      "'messages' must be an array of 1 to %d messages", DESK_TEXTS);
    if (!d->model.chats)
        return refuse(r, HTTP_BAD_REQUEST, "wrong_model", "model",
                      "This model has no template for conversations: ask /v1/completions");
    for (size_t i = 0; i < count; i++) TF_TRY(add_message(request, json_array_get(messages, i), r));
    return TF_OK;
}

/* A member that may only say what is done anyway: a word, an object of that type, or an array of the word alone. */
static tf_status read_only_choice(const json_t *body, const char *name, const char *choice, refusal *r) {
    const json_t *value = body_member(body, name);
    if (json_is_object(value)) value = json_object_get(value, "type");
    if (json_array_size(value) == 1) value = json_array_get(value, 0);
    if (!value || (json_is_string(value) && !strcmp(json_string_value(value), choice))) return TF_OK;
    return refuse(r, HTTP_BAD_REQUEST, "unsupported_parameter", name, "'%s' can only be '%s'", name, choice);
}

tf_status complete_chat(gateway_desk *d, http_exchange *e, const json_t *body, gateway_request *request, refusal *r) {
    static const char *const known[] = {COMMON, "messages", "max_completion_tokens", "logprobs", "top_logprobs",
                                        "tools", "tool_choice", "functions", "function_call", "parallel_tool_calls",
                                        "response_format", "modalities", "audio", "reasoning_effort", "verbosity",
                                        "web_search_options", "moderation", "store",
                                        /* what says how, or for whom, but not what is to be answered */
                                        "metadata", "prediction", "prompt_cache_key", "prompt_cache_options",
                                        "prompt_cache_retention", "safety_identifier", "service_tier", NULL};
    static const char *const only[][2] = {{"response_format", "text"},  {"tool_choice", "none"},
                                          {"function_call", "none"},    {"modalities", "text"},
                                          {"reasoning_effort", "none"}, {"verbosity", "medium"}};
    bool with_usage = false;
    TF_TRY(body_known(body, known, r));
    TF_TRY(read_common(d, body, request, &with_usage, r));
    for (size_t i = 0; i < sizeof only / sizeof *only; i++) TF_TRY(read_only_choice(body, only[i][0], only[i][1], r));
    TF_TRY(body_idle(body, "store", "nothing is kept", r));
    TF_TRY(read_messages(d, body, request, r));
    return answer(d, e, request, true, with_usage, r);
}
