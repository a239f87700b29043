#include "experiments/app/gateway/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How much of an answer was sent. */
typedef struct sent_text {
    size_t length;
    bool begun, ended;
} sent_text;

typedef struct stream {
    gateway_desk *desk;
    gateway_request *request;
    bool chat, with_usage, complete, failed;
    int status; /* of the whole, for counts: that of HTTP was sent before */
    char name[48];
    time_t created;
    sent_text *sent;
    char *event; /* that waits to be handed out */
    size_t length, at;
} stream;

/* Events ----------------------------------------------------------------------------------------------------------- */

static void put(stream *s, const char *text, size_t length) {
    char *grown = realloc(s->event, s->length + length);
    if (!grown) {
        s->failed = true;
        return;
    }
    memcpy(grown + s->length, text, length);
    s->event = grown;
    s->length += length;
}

static void put_json(stream *s, json_t *json) {
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (!text) {
        s->failed = true;
        return;
    }
    put(s, "data: ", 6);
    put(s, text, strlen(text));
    put(s, "\n\n", 2);
    explicit_bzero(text, strlen(text));
    free(text);
}

static json_t *chunk(const stream *s, json_t *choices) {
    return json_pack("{s:s,s:s,s:I,s:s,s:o}", "id", s->name, "object",
                     s->chat ? "chat.completion.chunk" : "text_completion", "created", (json_int_t)s->created, "model",
                     s->desk->settings->name, "choices", choices);
}

/* A chunk of one answer; `reason` NULL: more is to come. */
static void put_piece(stream *s, size_t i, json_t *delta, const char *text, size_t length, const char *reason) {
    json_t *choice = json_pack("{s:I,s:n,s:s?}", "index", (json_int_t)i, "logprobs", "finish_reason", reason);
    if (s->chat) {
        json_t *object = delta ? delta : json_object();
        if (text) json_object_set_new(object, "content", json_stringn(text, length));
        json_object_set_new(choice, "delta", object);
    } else {
        json_object_set_new(choice, "text", json_stringn(text ? text : "", length));
    }
    json_t *object = chunk(s, json_pack("[o]", choice));
    if (s->with_usage && object) json_object_set_new(object, "usage", json_null());
    put_json(s, object);
}

/* What is new of each answer. The lock is held. */
static void put_news(stream *s) {
    const gateway_request *r = s->request;
    for (size_t i = 0; i < r->answers; i++) {
        const answer_text *a = &r->answer[i];
        sent_text *sent = &s->sent[i];
        if (s->chat && !sent->begun && (a->length || a->done))
            put_piece(s, i, json_pack("{s:s}", "role", "assistant"), "", 0, NULL);
        sent->begun |= a->length || a->done;
        if (a->length > sent->length) put_piece(s, i, NULL, a->text + sent->length, a->length - sent->length, NULL);
        sent->length = a->length;
        if (a->done && !sent->ended) put_piece(s, i, NULL, NULL, 0, a->finish == FINISH_STOP ? "stop" : "length");
        sent->ended |= a->done;
    }
}

static void put_end(stream *s) {
    refusal r = {0};
    s->complete = true;
    s->status = HTTP_OK;
    if (ask_outcome(s->request, &r) != TF_OK) {
        s->status = r.status;
        put_json(s, refusal_json(&r, REFUSAL_OPENAI));
        return;
    }
    if (s->with_usage) {
        json_t *last = chunk(s, json_array()), *cost = ask_cost(s->request);
        json_object_set_new(last, "usage", ask_usage(s->request));
        if (cost) json_object_set_new(last, "trefoil", cost);
        put_json(s, last);
    }
    put(s, "data: [DONE]\n\n", 14);
}

/* Waits until there is something to send, or nobody to send it to. */
static void await(stream *s) {
    gateway_request *r = s->request;
    pthread_mutex_lock(&s->desk->lock);
    for (;;) {
        bool done = r->state == REQUEST_IS_DONE;
        if (r->answers && !s->sent) s->sent = calloc(r->answers, sizeof *s->sent);
        if (s->sent) put_news(s);
        if (done) put_end(s);
        if (s->length || s->failed || r->dropped) break;
        desk_rest(s->desk, r);
    }
    pthread_mutex_unlock(&s->desk->lock);
}

/* The stream of HTTP ----------------------------------------------------------------------------------------------- */

static ssize_t more(void *context, char *buffer, size_t room) {
    stream *s = context;
    if (s->at == s->length) {
        if (s->event) explicit_bzero(s->event, s->length);
        s->at = s->length = 0;
        if (s->complete) return 0;
        await(s);
    }
    if (s->failed || (!s->length && s->request->dropped)) return -1;
    size_t count = s->length - s->at < room ? s->length - s->at : room;
    memcpy(buffer, s->event + s->at, count);
    s->at += count;
    return (ssize_t)count;
}

static void close_stream(void *context) {
    stream *s = context;
    if (s->event) explicit_bzero(s->event, s->length);
    free(s->event);
    free(s->sent);
    ask_conclude(s->desk, s->request, s->complete ? s->status : HTTP_CLIENT_GONE);
    free(s);
}

tf_status stream_answer(gateway_desk *d, http_exchange *e, gateway_request *request, bool chat, bool with_usage,
                        refusal *r) {
    stream *s = calloc(1, sizeof *s);
    if (!s) return refuse(r, HTTP_FAILED, NULL, NULL, "out of memory");
    *s = (stream){.desk = d, .request = request, .chat = chat, .with_usage = with_usage, .created = time(NULL)};
    ask_name(chat ? "chatcmpl" : "cmpl", s->name);
    pthread_mutex_lock(&d->lock);
    while (request->state != REQUEST_IS_DONE && !request->dropped && !request_has_news(request)) desk_rest(d, request);
    bool refused = request->state == REQUEST_IS_DONE && request->end != END_ANSWERED && !request_has_news(request);
    bool gone = request->dropped;
    pthread_mutex_unlock(&d->lock);
    if (refused || gone) {
        tf_status status = refused ? ask_outcome(request, r) : refuse(r, HTTP_CLIENT_GONE, NULL, NULL, "gone");
        free(s);
        return status;
    }
    e->status = HTTP_OK;
    e->type = "text/event-stream";
    e->stream = (http_stream){more, close_stream, s};
    return TF_OK;
}
