#include "experiments/app/gateway/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/base/clock.h"

/* A counter or gauge with its head. */
static void put(FILE *out, const char *name, const char *type, const char *help, double value) {
    fprintf(out, "# HELP trefoil_%s %s\n# TYPE trefoil_%s %s\ntrefoil_%s %.15g\n", name, help, name, type, name, value);
}

static void head(FILE *out, const char *name, const char *type, const char *help) {
    fprintf(out, "# HELP trefoil_%s %s\n# TYPE trefoil_%s %s\n", name, help, name, type);
}

static void put_seconds(FILE *out, const desk_counts *c) {
    uint64_t sum = 0;
    head(out, "request_seconds", "histogram", "Seconds from a request to its answer.");
    for (size_t i = 0; i < DESK_BUCKETS; i++)
        fprintf(out, "trefoil_request_seconds_bucket{le=\"%g\"} %llu\n", desk_bucket[i],
                (unsigned long long)(sum += c->bucket[i]));
    fprintf(out, "trefoil_request_seconds_bucket{le=\"+Inf\"} %llu\n", (unsigned long long)c->answers);
    fprintf(out, "trefoil_request_seconds_sum %.9g\ntrefoil_request_seconds_count %llu\n", c->seconds,
            (unsigned long long)c->answers);
    head(out, "seconds_total", "counter", "Seconds by phase: requests waiting, setting up, computing.");
    fprintf(out, "trefoil_seconds_total{phase=\"queue\"} %.9g\n", c->seconds_queue);
    fprintf(out, "trefoil_seconds_total{phase=\"setup\"} %.9g\n", c->seconds_setup);
    fprintf(out, "trefoil_seconds_total{phase=\"online\"} %.9g\n", c->seconds_online);
}

static void put_all(FILE *out, const gateway_desk *d) {
    const desk_counts *c = &d->counts;
    head(out, "requests_total", "counter", "Requests of HTTP by path and status.");
    for (size_t i = 0; i < c->outcomes; i++)
        fprintf(out, "trefoil_requests_total{path=\"%s\",status=\"%d\"} %llu\n", c->outcome[i].endpoint,
                c->outcome[i].status, (unsigned long long)c->outcome[i].count);
    put_seconds(out, c);
    head(out, "bytes_total", "counter", "Bytes between the parties, all links together, by phase.");
    fprintf(out, "trefoil_bytes_total{phase=\"online\"} %llu\n", (unsigned long long)c->bytes_online);
    fprintf(out, "trefoil_bytes_total{phase=\"setup\"} %llu\n", (unsigned long long)c->bytes_setup);
    fprintf(out, "trefoil_bytes_total{phase=\"encryption\"} %llu\n", (unsigned long long)c->bytes_encryption);
    put(out, "rounds_total", "counter", "Rounds between the parties.", (double)c->rounds);
    put(out, "runs_total", "counter", "Runs of the model, each for one request or several.", (double)c->runs);
    put(out, "texts_total", "counter", "Texts read and prompts continued.", (double)c->texts);
    head(out, "tokens_total", "counter", "Tokens of texts and prompts, and generated ones.");
    fprintf(out, "trefoil_tokens_total{kind=\"prompt\"} %llu\n", (unsigned long long)c->prompt_tokens);
    fprintf(out, "trefoil_tokens_total{kind=\"generated\"} %llu\n", (unsigned long long)c->generated_tokens);
    put(out, "dropped_total", "counter", "Requests whose client went before the answer.", (double)c->dropped);
    put(out, "connections_total", "counter", "How often the three parties have met.", (double)c->connections);
    put(out, "losses_total", "counter", "How often they lost each other.", (double)c->losses);
    put(out, "queue", "gauge", "Requests that wait.", (double)d->waits);
    put(out, "running", "gauge", "Requests in the run at hand.", (double)d->runs);
    put(out, "ready", "gauge", "1 while the three parties are connected.", d->ready);
    put(out, "up_seconds", "gauge", "Seconds since the gateway was started.", tf_clock() - d->started);
}

void metrics_answer(gateway_desk *d, http_exchange *e) {
    FILE *out = open_memstream(&e->content, &e->content_length);
    e->status = HTTP_FAILED;
    e->type = "text/plain; version=0.0.4";
    if (!out) {
        e->constant = "";
        return;
    }
    pthread_mutex_lock(&d->lock);
    put_all(out, d);
    pthread_mutex_unlock(&d->lock);
    if (fclose(out) == 0) e->status = HTTP_OK;
}

void health_answer(gateway_desk *d, http_exchange *e) {
    pthread_mutex_lock(&d->lock);
    const char *state = d->stopping ? "stopping" : d->ready ? "ready" : "waiting for the other parties";
    bool well = d->ready && !d->stopping;
    unsigned again = desk_retry_after(d);
    pthread_mutex_unlock(&d->lock);
    http_answer_json(e, well ? HTTP_OK : HTTP_UNAVAILABLE, json_pack("{s:s}", "status", state));
    if (!well) e->retry_after = again;
}

static json_t *model_json(const gateway_desk *d) {
    return json_pack("{s:s,s:s,s:I,s:s}", "id", d->settings->name, "object", "model", "created",
                     (json_int_t)d->settings->created, "owned_by", "trefoil");
}

void models_answer(gateway_desk *d, http_exchange *e, const char *name) {
    refusal r;
    if (!name) {
        http_answer_json(e, HTTP_OK, json_pack("{s:s,s:[o]}", "object", "list", "data", model_json(d)));
    } else if (!strcmp(name, d->settings->name)) {
        http_answer_json(e, HTTP_OK, model_json(d));
    } else {
        (void)!refuse(&r, HTTP_NOT_FOUND, "model_not_found", "model", "The model '%.80s' does not exist", name);
        http_answer_refusal(e, &r);
    }
}

static const char *kind_of(tf_head head) {
    switch (head) {
    case TF_HEAD_CLASSIFIER: return "classifier";
    case TF_HEAD_EMBEDDING: return "embedding";
    case TF_HEAD_CAUSAL: return "text-generation";
    case TF_HEAD_TOKENS: return "token-classification";
    case TF_HEAD_SPAN: return "question-answering";
    case TF_HEAD_MASKED: return "fill-mask";
    default: return "unsupported";
    }
}

void info_answer(gateway_desk *d, http_exchange *e) {
    bool known = desk_knows_model(d);
    json_t *labels = json_array();
    for (size_t i = 0; known && d->model.label && i < d->model.labels; i++)
        json_array_append_new(labels, json_string(d->model.label[i]));
    http_answer_json(e, HTTP_OK,
                     json_pack("{s:s,s:s?,s:b,s:I,s:I,s:o,s:i,s:i,s:I,s:I}", "model_id", d->settings->name,
                               "model_type", known ? kind_of(d->model.head) : NULL, "chat", known && d->model.chats,
                               "max_input_length", (json_int_t)(known ? d->model.context : 0), "width",
                               (json_int_t)(known ? d->model.width : 0), "labels", labels, "model_owner",
                               d->settings->model_owner, "data_owner", d->settings->data_owner,
                               "max_concurrent_requests", (json_int_t)d->settings->queue, "max_client_batch_size",
                               (json_int_t)DESK_TEXTS));
}
