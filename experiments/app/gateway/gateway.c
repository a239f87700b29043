#include "experiments/app/gateway/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/gateway/classify.h"
#include "experiments/app/gateway/complete.h"
#include "experiments/app/gateway/embed.h"
#include "experiments/app/gateway/metrics.h"
#include "experiments/app/gateway/page.h"
#include "experiments/app/gateway/tokens.h"

struct gateway {
    gateway_desk *desk;
    http_handler handler;
    http_server *server;
};

typedef tf_status ask_function(gateway_desk *desk, http_exchange *exchange, const json_t *body,
                               gateway_request *request, refusal *refusal);

/* A path, and what answers it: one of the functions, or a constant. */
typedef struct route {
    const char *method, *path;
    refusal_form form;
    bool open; /* also without the token */
    ask_function *ask;
    void (*tell)(gateway_desk *desk, http_exchange *exchange);
    const page_file *page;
} route;

static void list_models(gateway_desk *desk, http_exchange *e) {
    models_answer(desk, e, NULL);
}

/* What the model does with "inputs". */
static tf_status predict(gateway_desk *d, http_exchange *e, const json_t *body, gateway_request *request, refusal *r) {
    TF_TRY(ask_known(d, r));
    bool tokens = d->model.head == TF_HEAD_TOKENS || d->model.head == TF_HEAD_SPAN || d->model.head == TF_HEAD_MASKED;
    return (tokens ? tokens_ask : classify_tei)(d, e, body, request, r);
}

/* The same, or embeddings, or how similar texts are. */
static tf_status ask_root(gateway_desk *d, http_exchange *e, const json_t *body, gateway_request *request, refusal *r) {
    TF_TRY(ask_known(d, r));
    bool embeds = d->model.head == TF_HEAD_EMBEDDING, compares = json_is_object(body_member(body, "inputs"));
    return (!embeds ? predict : compares ? similarity_tei : embed_tei)(d, e, body, request, r);
}

static const route routes[] = {
    {"GET", "/", .open = true, .page = &page_html},
    {"GET", "/page.css", .open = true, .page = &page_css},
    {"GET", "/page.js", .open = true, .page = &page_js},
    {"GET", "/health", .open = true, .tell = health_answer},
    {"GET", "/metrics", .tell = metrics_answer},
    {"GET", "/info", .tell = info_answer},
    {"GET", "/v1/models", .tell = list_models},
    {"POST", "/v1/embeddings", .ask = embed_openai},
    {"POST", "/v1/completions", .ask = complete_prompt},
    {"POST", "/v1/chat/completions", .ask = complete_chat},
    {"POST", "/", REFUSAL_TEI, .ask = ask_root},
    {"POST", "/embed", REFUSAL_TEI, .ask = embed_tei},
    {"POST", "/similarity", REFUSAL_TEI, .ask = similarity_tei},
    {"POST", "/predict", REFUSAL_TEI, .ask = predict},
    {"POST", "/classify", REFUSAL_TEI, .ask = predict},
    {"POST", "/rerank", REFUSAL_TEI, .ask = rerank_tei},
};
enum { ROUTES = sizeof routes / sizeof *routes };

static const char one_model[] = "/v1/models/";

/* What is asked for its head alone is found like the whole; the server leaves the rest out. */
static const route *find_route(const char *method, const char *path) {
    if (!strcmp(method, "HEAD")) method = "GET";
    for (int i = 0; i < ROUTES; i++)
        if (!strcmp(routes[i].path, path) && !strcmp(routes[i].method, method)) return &routes[i];
    return NULL;
}

static int find(void *context, const char *method, const char *path, http_way *way) {
    static const char get[] = "GET, HEAD";
    const route *found = find_route(method, path);
    bool one = !strncmp(path, one_model, sizeof one_model - 1),
         gets = !strcmp(method, "GET") || !strcmp(method, "HEAD");
    way->others = "/v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models, /embed, /predict, /rerank, "
                  "/similarity, /info, /health and /metrics";
    if (found) {
        way->form = found->form;
        way->open = found->open;
    }
    if (found || (one && gets)) return HTTP_OK;
    if (one) strcpy(way->allow, get);
    for (int i = 0; i < ROUTES; i++) {
        if (strcmp(routes[i].path, path)) continue;
        way->form = routes[i].form;
        snprintf(way->allow + strlen(way->allow), sizeof way->allow - strlen(way->allow), "%s%s",
                 way->allow[0] ? ", " : "", strcmp(routes[i].method, "GET") ? routes[i].method : get);
    }
    return way->allow[0] ? HTTP_NOT_ALLOWED : HTTP_NOT_FOUND;
}

static void refused(void *context, int status) {
    desk_count(((gateway *)context)->desk, "", status, -1);
}

/* What bad input is for clients of text-embeddings-inference. */
static void settle_status(const http_exchange *e, refusal *r) {
    if (e->form == REFUSAL_TEI && r->status == HTTP_BAD_REQUEST) r->status = HTTP_UNPROCESSABLE;
}

static void tell_cost(http_exchange *e, const gateway_request *request) {
    json_t *cost = ask_cost(request);
    size_t length = cost ? json_dumpb(cost, e->run, sizeof e->run, JSON_COMPACT | JSON_REAL_PRECISION(6)) : 0;
    e->run[length < sizeof e->run ? length : 0] = '\0';
    json_decref(cost);
}

static void ask(gateway *g, const route *way, http_exchange *e) {
    refusal r = {0};
    json_t *body = NULL;
    gateway_request *request = request_new(way->path);
    if (!request) {
        (void)!refuse(&r, HTTP_FAILED, NULL, NULL, "out of memory");
        http_answer_refusal(e, &r);
        return;
    }
    request->connection = e->socket;
    tf_status status = body_parse(e, &body, &r);
    if (status == TF_OK) status = way->ask(g->desk, e, body, request, &r);
    settle_status(e, &r);
    if (status != TF_OK && r.status == HTTP_CLIENT_GONE)
        e->status = HTTP_CLIENT_GONE;
    else if (status != TF_OK)
        http_answer_refusal(e, &r);
    else if (!e->stream.more)
        tell_cost(e, request);
    json_decref(body);
    if (!e->stream.more) ask_conclude(g->desk, request, e->status);
}

static void answer(void *context, http_exchange *e) {
    gateway *g = context;
    const route *way = find_route(e->method, e->path);
    if (way && way->ask) {
        ask(g, way, e);
        return;
    }
    if (way && way->page) {
        e->status = HTTP_OK;
        e->type = way->page->type;
        e->constant = way->page->text;
        e->content_length = way->page->length;
    } else if (way) {
        way->tell(g->desk, e);
    } else {
        models_answer(g->desk, e, e->path + sizeof one_model - 1);
    }
    desk_count(g->desk, way ? way->path : one_model, e->status, -1);
}

tf_status gateway_open(const http_settings *settings, gateway_desk *desk, gateway **out) {
    gateway *g = calloc(1, sizeof *g);
    if (!g) return tf_fail(TF_NOMEM, "out of memory");
    *g = (gateway){.desk = desk, .handler = {find, answer, refused, g}};
    tf_status status = http_open(settings, &g->handler, &g->server);
    if (status != TF_OK)
        free(g);
    else
        *out = g;
    return status;
}

const char *gateway_url(const gateway *g) {
    return http_url(g->server);
}

void gateway_close(gateway *g) {
    if (!g) return;
    http_close(g->server);
    free(g);
}
