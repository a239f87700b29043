#include "experiments/app/gateway/ask.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "experiments/app/log/log.h"
#include "net/base/clock.h"
#include "net/base/hex.h"

tf_status ask_submit(gateway_desk *d, gateway_request *request, refusal *r) {
    switch (desk_submit(d, request)) {
    case DESK_TAKEN: return TF_OK;
    case DESK_FULL:
        (void)!refuse(r, HTTP_TOO_MANY, "queue_full", NULL, "%zu requests are waiting: ask again later",
                      d->settings->queue);
        break;
    case DESK_AWAY:
        (void)!refuse(r, HTTP_UNAVAILABLE, "parties_away", NULL,
                      "The other parties are not connected: ask again later");
        break;
    case DESK_STOPS: (void)!refuse(r, HTTP_UNAVAILABLE, "stopping", NULL, "The gateway is being stopped"); break;
    }
    r->retry_after = desk_retry_after(d);
    return TF_INVALID;
}

tf_status ask_outcome(const gateway_request *request, refusal *r) {
    switch (request->end) {
    case END_ANSWERED: return TF_OK;
    case END_REFUSED: return refuse(r, HTTP_BAD_REQUEST, "invalid_input", NULL, "%s", request->error);
    case END_AWAY:
        (void)!refuse(r, HTTP_UNAVAILABLE, "parties_away", NULL, "The parties lost each other: ask again later");
        r->retry_after = 5;
        return TF_INVALID;
    case END_FAILED: break;
    }
    return refuse(r, HTTP_FAILED, NULL, NULL, "The parties could not answer; the gateway's log says why");
}

tf_status ask_wait(gateway_desk *d, gateway_request *request, refusal *r) {
    pthread_mutex_lock(&d->lock);
    while (request->state != REQUEST_IS_DONE && !request->dropped) desk_rest(d, request);
    tf_status status =
        request->dropped ? refuse(r, HTTP_CLIENT_GONE, NULL, NULL, "The client has gone") : ask_outcome(request, r);
    pthread_mutex_unlock(&d->lock);
    return status;
}

static tf_status add_string(gateway_request *request, const char *name, const json_t *item, refusal *r) {
    if (json_is_integer(item) || json_is_array(item))
        return refuse(r, HTTP_BAD_REQUEST, "tokens_not_supported", name,
                      "'%s' has ids of tokens, which are of another vocabulary: send strings", name);
    if (!json_is_string(item))
        return refuse(r, HTTP_BAD_REQUEST, "invalid_type", name, "'%s' must be a string or an array of strings", name);
    if (!json_string_length(item))
        return refuse(r, HTTP_BAD_REQUEST, "empty_string", name, "'%s' has an empty string", name);
    tf_status status = request_add_text(request, json_string_value(item), json_string_length(item), NULL, 0);
    return status == TF_OK ? TF_OK : refuse(r, HTTP_FAILED, NULL, NULL, "%s", tf_error());
}

tf_status ask_texts(const json_t *body, const char *name, gateway_request *request, refusal *r) {
    const json_t *texts = body_member(body, name);
    size_t count = json_array_size(texts);
    if (!texts) return refuse(r, HTTP_BAD_REQUEST, "missing_parameter", name, "'%s' is missing", name);
    if (!json_is_array(texts)) return add_string(request, name, texts, r);
    if (!count) return refuse(r, HTTP_BAD_REQUEST, "empty_array", name, "'%s' is an empty array", name);
    if (count > DESK_TEXTS)
        return refuse(r, HTTP_BAD_REQUEST, "array_too_long", name, "'%s' has more than %d strings", name, DESK_TEXTS);
    for (size_t i = 0; i < count; i++) TF_TRY(add_string(request, name, json_array_get(texts, i), r));
    return TF_OK;
}

tf_status ask_model(const gateway_desk *d, const json_t *body, refusal *r) {
    const char *name = d->settings->name;
    TF_TRY(body_word(body, "model", &name, r));
    if (!strcmp(name, d->settings->name)) return TF_OK;
    return refuse(r, HTTP_NOT_FOUND, "model_not_found", "model", "The model '%.80s' does not exist; there is '%s'",
                  name, d->settings->name);
}

tf_status ask_truncation(const json_t *body, gateway_request *request, refusal *r) {
    const char *direction = "Right";
    TF_TRY(body_flag(body, "truncate", &request->truncate, r));
    TF_TRY(body_word(body, "truncation_direction", &direction, r));
    if (!strcasecmp(direction, "right")) return TF_OK;
    return refuse(r, HTTP_BAD_REQUEST, "unsupported_parameter", "truncation_direction",
                  "Texts are cut on the right alone");
}

static const char *does(tf_head head) {
    switch (head) {
    case TF_HEAD_CLASSIFIER: return "classifies texts: ask /predict, or /rerank if it has one label";
    case TF_HEAD_EMBEDDING: return "embeds texts: ask /v1/embeddings";
    case TF_HEAD_CAUSAL: return "continues texts: ask /v1/completions or /v1/chat/completions";
    case TF_HEAD_TOKENS: return "finds entities in texts: ask /predict";
    case TF_HEAD_SPAN: return "finds answers in texts: ask /predict with {\"question\", \"context\"}";
    case TF_HEAD_MASKED: return "fills masks in texts: ask /predict";
    default: return "does something else";
    }
}

tf_status ask_known(gateway_desk *d, refusal *r) {
    if (desk_knows_model(d)) return TF_OK;
    (void)!refuse(r, HTTP_UNAVAILABLE, "parties_away", NULL, "The parties have not met yet: ask again later");
    r->retry_after = desk_retry_after(d);
    return TF_INVALID;
}

tf_status ask_head(gateway_desk *d, tf_head head, refusal *r) {
    TF_TRY(ask_known(d, r));
    if (d->model.head == head) return TF_OK;
    return refuse(r, HTTP_BAD_REQUEST, "wrong_model", "model", "This model %s", does(d->model.head));
}

void ask_conclude(gateway_desk *d, gateway_request *request, int status) {
    size_t texts = request->messages ? 1 : request->texts.count, generated = 0;
    double seconds = tf_clock() - request->made;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < request->answers; i++) generated += request->answer[i].tokens;
    size_t tokens = request->prompt_tokens;
    pthread_mutex_unlock(&d->lock);
    log_number number[] = {{"client_request", (double)request->number},
                           {"status", status},
                           {"texts", (double)texts},
                           {"prompt_tokens", (double)tokens},
                           {"generated_tokens", (double)generated},
                           {"seconds", seconds}};
    log_numbers(LOG_INFO, number, sizeof number / sizeof *number,
                "client %llu: POST %s, %zu text%s, %zu tokens, %zu generated: %d after %.2f s",
                (unsigned long long)request->number, request->endpoint, texts, texts == 1 ? "" : "s", tokens, generated,
                status, seconds);
    desk_count(d, request->endpoint, status, status == HTTP_OK ? seconds : -1);
    desk_leave(d, request);
}

json_t *ask_usage(const gateway_request *request) {
    size_t generated = 0, prompts = request->prompt_tokens;
    for (size_t i = 0; i < request->answers; i++) generated += request->answer[i].tokens;
    json_t *usage =
        json_pack("{s:I,s:I}", "prompt_tokens", (json_int_t)prompts, "total_tokens", (json_int_t)(prompts + generated));
    if (request->generates) json_object_set_new(usage, "completion_tokens", json_integer((json_int_t)generated));
    return usage;
}

json_t *ask_cost(const gateway_request *request) {
    const answer_cost *c = &request->cost;
    if (!c->requests) return NULL;
    json_t *sent = json_array(), *received = json_array();
    for (int i = 0; i < TF_PARTIES; i++) {
        json_array_append_new(sent, json_integer((json_int_t)c->sent[i]));
        json_array_append_new(received, json_integer((json_int_t)c->received[i]));
    }
    return json_pack("{s:I,s:I,s:I,s:I,s:{s:f,s:f,s:f},s:I,s:{s:I,s:I,s:I},s:o,s:o}", "request",
                     (json_int_t)request->number, "requests", (json_int_t)c->requests, "texts", (json_int_t)c->texts,
                     "prompt_tokens", (json_int_t)request->prompt_tokens, "seconds", "queue", c->seconds_queue, "setup",
                     c->seconds_setup, "online", c->seconds_online, "rounds", (json_int_t)c->rounds, "bytes", "online",
                     (json_int_t)c->bytes_online, "setup", (json_int_t)c->bytes_setup, "encryption",
                     (json_int_t)c->bytes_encryption, "sent", sent, "received", received);
}

void ask_name(const char *prefix, char name[48]) {
    unsigned char random[12];
    char hex[2 * sizeof random + 1];
    if (RAND_bytes(random, sizeof random) != 1) memset(random, 0, sizeof random);
    tf_hex_write(random, sizeof random, hex);
    snprintf(name, 48, "%s-%s", prefix, hex);
}
