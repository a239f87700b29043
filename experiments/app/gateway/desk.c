#include "experiments/app/gateway/desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/base/clock.h"

const double desk_bucket[DESK_BUCKETS] = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};

static const double PATIENCE = 5; /* seconds for which waiting requests outlast a lost connection */
static const double REST = 0.2;   /* seconds between two looks at clients and peers */

enum { RETRY_SECONDS = 5, FULL_RETRY_SECONDS = 1 };

tf_status desk_open(const desk_settings *settings, gateway_desk *d) {
    *d = (gateway_desk){.settings = settings, .started = tf_clock()};
    pthread_condattr_t monotonic;
    d->waiting = calloc(2 * settings->queue + 1, sizeof *d->waiting); /* as many again are put back at most */
    if (!d->waiting) return tf_fail(TF_NOMEM, "no memory for a queue of %zu requests", settings->queue);
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&d->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return TF_OK;
}

static void forget_model(desk_model *model) {
    for (size_t i = 0; model->label && i < model->labels; i++) free(model->label[i]);
    free(model->label);
    *model = (desk_model){.label = NULL};
}

void desk_close(gateway_desk *d) {
    if (!d->waiting) return;
    while (d->waits) request_release(desk_take(d, 0));
    forget_model(&d->model);
    free(d->waiting);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
}

bool desk_stops(gateway_desk *d) {
    if (*d->settings->stop) d->stopping = true;
    return d->stopping;
}

/* The queue -------------------------------------------------------------------------------------------------------- */

desk_reply desk_submit(gateway_desk *d, gateway_request *r) {
    pthread_mutex_lock(&d->lock);
    desk_reply reply = desk_stops(d)                    ? DESK_STOPS
                       : !d->ready                      ? DESK_AWAY
                       : d->waits >= d->settings->queue ? DESK_FULL
                                                        : DESK_TAKEN;
    if (reply == DESK_TAKEN) {
        r->number = ++d->numbers;
        r->arrived = tf_clock();
        r->holders++;
        d->waiting[d->waits++] = r;
        pthread_cond_broadcast(&d->changed);
    }
    pthread_mutex_unlock(&d->lock);
    return reply;
}

gateway_request *desk_take(gateway_desk *d, size_t i) {
    gateway_request *r = d->waiting[i];
    memmove(d->waiting + i, d->waiting + i + 1, (--d->waits - i) * sizeof(gateway_request *));
    return r;
}

void desk_put_back(gateway_desk *d, gateway_request *r) {
    r->state = REQUEST_WAITS;
    memmove(d->waiting + 1, d->waiting, d->waits++ * sizeof(gateway_request *));
    d->waiting[0] = r;
}

void desk_end(gateway_desk *d, gateway_request *r, request_end end, const char *reason) {
    r->state = REQUEST_IS_DONE;
    r->end = end;
    snprintf(r->error, sizeof r->error, "%s", reason ? reason : "");
    pthread_cond_broadcast(&d->changed);
}

/* Takes a request that waits out of the queue. */
static void withdraw(gateway_desk *d, gateway_request *r) {
    for (size_t i = 0; i < d->waits; i++) {
        if (d->waiting[i] != r) continue;
        request_release(desk_take(d, i));
        return;
    }
}

void desk_nap(gateway_desk *d, double seconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    double end = (double)until.tv_sec + 1e-9 * (double)until.tv_nsec + seconds;
    until.tv_sec = (time_t)end;
    until.tv_nsec = (long)(1e9 * (end - (double)until.tv_sec));
    pthread_cond_timedwait(&d->changed, &d->lock, &until);
}

void desk_rest(gateway_desk *d, gateway_request *r) {
    desk_nap(d, REST);
    if (!r || r->state == REQUEST_IS_DONE) return;
    if (request_client_gone(r)) {
        r->dropped = true;
        return;
    }
    bool apart = !d->ready && tf_clock() - d->lost_at > PATIENCE;
    if (r->state == REQUEST_WAITS && (apart || desk_stops(d))) {
        withdraw(d, r);
        desk_end(d, r, END_AWAY, d->stopping ? "the gateway is being stopped" : "the parties are not connected");
    }
}

void desk_leave(gateway_desk *d, gateway_request *r) {
    pthread_mutex_lock(&d->lock);
    bool unanswered = r->number && r->state != REQUEST_IS_DONE;
    r->dropped = true;
    r->connection = -1;
    if (unanswered) d->counts.dropped++;
    if (unanswered && r->state == REQUEST_WAITS) withdraw(d, r);
    request_release(r);
    pthread_mutex_unlock(&d->lock);
}

/* What the party tells --------------------------------------------------------------------------------------------- */

static tf_status copy_labels(const tf_config *config, desk_model *model) {
    model->labels = config->labels;
    if (!config->label) return TF_OK;
    model->label = calloc(config->labels, sizeof *model->label);
    for (size_t i = 0; model->label && i < config->labels; i++)
        if (!(model->label[i] = strdup(config->label[i]))) return tf_fail(TF_NOMEM, "out of memory");
    return model->label ? TF_OK : tf_fail(TF_NOMEM, "out of memory");
}

bool desk_knows_model(gateway_desk *d) {
    pthread_mutex_lock(&d->lock);
    bool knows = d->was_ready;
    pthread_mutex_unlock(&d->lock);
    return knows;
}

/* Once, as threads of connections look at it without the lock. */
static tf_status learn_model(gateway_desk *d, const model_files *model, size_t context, bool logits) {
    const tf_config *config = &model->config;
    size_t width = tf_model_width(config);
    if (d->was_ready && (d->model.head != config->head || d->model.width != width || d->model.context != context))
        return tf_fail(TF_MISMATCH, "the model owner has another model than before: start the gateway anew");
    if (d->was_ready) return TF_OK;
    forget_model(&d->model);
    d->model = (desk_model){.head = config->head,
                            .problem = config->problem,
                            .width = width,
                            .context = context,
                            .chats = model->chat != NULL,
                            .sentences = !config->unnormalised,
                            .logits = logits};
    return copy_labels(config, &d->model);
}

tf_status desk_met(gateway_desk *d, const model_files *model, size_t context, bool logits) {
    pthread_mutex_lock(&d->lock);
    tf_status status = learn_model(d, model, context, logits);
    if (status == TF_OK) d->ready = d->was_ready = true;
    d->counts.connections++;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    return status;
}

void desk_lost(gateway_desk *d) {
    pthread_mutex_lock(&d->lock);
    if (d->ready) {
        d->lost_at = tf_clock();
        d->counts.losses++;
    }
    d->ready = false;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

/* Counts ----------------------------------------------------------------------------------------------------------- */

void desk_count(gateway_desk *d, const char *endpoint, int status, double seconds) {
    pthread_mutex_lock(&d->lock);
    desk_counts *c = &d->counts;
    size_t i = 0;
    while (i < c->outcomes && (strcmp(c->outcome[i].endpoint, endpoint) || c->outcome[i].status != status)) i++;
    if (i == c->outcomes && i < DESK_OUTCOMES) {
        c->outcome[i].endpoint = endpoint;
        c->outcome[i].status = status;
        c->outcomes++;
    }
    if (i < DESK_OUTCOMES) c->outcome[i].count++;
    if (seconds >= 0) {
        size_t bucket = 0;
        while (bucket < DESK_BUCKETS && seconds > desk_bucket[bucket]) bucket++;
        c->bucket[bucket]++;
        c->answers++;
        c->seconds += seconds;
    }
    pthread_mutex_unlock(&d->lock);
}

unsigned desk_retry_after(const gateway_desk *d) {
    return d->ready ? FULL_RETRY_SECONDS : RETRY_SECONDS;
}
