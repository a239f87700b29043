#include "experiments/app/gateway/callers.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>

/* Those that wait for an answer, and in their order those that have yet to ask. */
struct caller {
    TAILQ_ENTRY(caller) next;
    int socket;
    bool asks, cut;
};
TAILQ_HEAD(caller_list, caller);

struct callers {
    pthread_mutex_t lock;
    struct caller_list silent, asking;
    size_t most, count; /* count: without those that were cut */
};

tf_status callers_open(size_t most, callers **out) {
    callers *c = calloc(1, sizeof *c);
    if (!c) return tf_fail(TF_NOMEM, "out of memory");
    c->most = most;
    TAILQ_INIT(&c->silent);
    TAILQ_INIT(&c->asking);
    pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return TF_OK;
}

void callers_close(callers *c) {
    if (!c) return;
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct caller_list *list_of(callers *c, const caller *one) {
    return one->asks ? &c->asking : &c->silent;
}

/* Ends the connection that has been silent longest, whose thread then closes it. */
static void make_room(callers *c) {
    caller *one;
    TAILQ_FOREACH(one, &c->silent, next) {
        if (one->cut) continue;
        one->cut = true;
        c->count--;
        shutdown(one->socket, SHUT_RDWR);
        return;
    }
}

caller *callers_enter(callers *c, int socket) {
    caller *one = calloc(1, sizeof *one);
    if (!one) return NULL;
    one->socket = socket;
    pthread_mutex_lock(&c->lock);
    if (c->count >= c->most) make_room(c);
    c->count++;
    TAILQ_INSERT_TAIL(&c->silent, one, next);
    pthread_mutex_unlock(&c->lock);
    return one;
}

void callers_leave(callers *c, caller *one) {
    if (!one) return;
    pthread_mutex_lock(&c->lock);
    TAILQ_REMOVE(list_of(c, one), one, next);
    if (!one->cut) c->count--;
    pthread_mutex_unlock(&c->lock);
    free(one);
}

void callers_asks(callers *c, caller *one, bool asks) {
    if (!one) return;
    pthread_mutex_lock(&c->lock);
    TAILQ_REMOVE(list_of(c, one), one, next);
    one->asks = asks;
    TAILQ_INSERT_TAIL(list_of(c, one), one, next);
    pthread_mutex_unlock(&c->lock);
}
