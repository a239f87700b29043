#include "runtime/party/workers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct tf_workers {
    int threads, started;
    pthread_t *thread;
    pthread_mutex_t lock;
    pthread_cond_t begin, end;
    pthread_barrier_t meeting;
    unsigned long job; /* counts jobs: a thread whose last one is older has work */
    int busy;
    bool closing;
    tf_work *work;
    void *context;
};

typedef struct start {
    tf_workers *workers;
    int k;
} start;

static void *attend(void *argument) {
    start own = *(start *)argument;
    free(argument);
    tf_workers *w = own.workers;
    unsigned long done = 0;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->job == done && !w->closing) pthread_cond_wait(&w->begin, &w->lock);
        if (w->closing) break;
        done = w->job;
        pthread_mutex_unlock(&w->lock);
        w->work(w->context, own.k);
        pthread_mutex_lock(&w->lock);
        if (--w->busy == 0) pthread_cond_signal(&w->end);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

tf_status tf_workers_open(int threads, tf_workers **workers) {
    enum { MOST = 1024 };
    *workers = NULL;
    if (threads < 2 || threads > MOST) return tf_fail(TF_INVALID, "%d threads; 2 to %d can share work", threads, MOST);
    tf_workers *w = calloc(1, sizeof *w);
    pthread_t *thread = calloc((size_t)threads, sizeof *thread);
    if (!w || !thread) {
        free(w), free(thread);
        return tf_fail(TF_NOMEM, "no memory for %d threads", threads);
    }
    w->threads = threads;
    w->thread = thread;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->begin, NULL);
    pthread_cond_init(&w->end, NULL);
    pthread_barrier_init(&w->meeting, NULL, (unsigned)threads);
    for (int k = 1; k < threads; k++, w->started++) {
        start *own = malloc(sizeof *own);
        if (own) *own = (start){w, k};
        if (!own || pthread_create(&thread[k], NULL, attend, own)) {
            free(own);
            tf_workers_close(w);
            return tf_fail(TF_NOMEM, "thread %d of %d could not be started", k, threads);
        }
    }
    *workers = w;
    return TF_OK;
}

void tf_workers_close(tf_workers *w) {
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_broadcast(&w->begin);
    pthread_mutex_unlock(&w->lock);
    for (int k = 1; k <= w->started; k++) pthread_join(w->thread[k], NULL);
    pthread_barrier_destroy(&w->meeting);
    pthread_cond_destroy(&w->begin);
    pthread_cond_destroy(&w->end);
    pthread_mutex_destroy(&w->lock);
    free(w->thread);
    free(w);
}

int tf_workers_count(const tf_workers *w) {
    return w ? w->threads : 1;
}

void tf_workers_run(tf_workers *w, tf_work *work, void *context) {
    pthread_mutex_lock(&w->lock);
    w->work = work;
    w->context = context;
    w->busy = w->threads - 1;
    w->job++;
    pthread_cond_broadcast(&w->begin);
    pthread_mutex_unlock(&w->lock);
    work(context, 0);
    pthread_mutex_lock(&w->lock);
    while (w->busy) pthread_cond_wait(&w->end, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

void tf_workers_meet(tf_workers *w) {
    pthread_barrier_wait(&w->meeting);
}

typedef struct split {
    tf_status (*work)(void *context, size_t begin, size_t end);
    void *context;
    size_t items, threads;
    atomic_flag failed;
    tf_failure failure; /* the first */
} split;

static void work_on_slice(void *context, int k) {
    split *s = context;
    const size_t begin = s->items * (size_t)k / s->threads, end = s->items * ((size_t)k + 1) / s->threads;
    const tf_status status = begin < end ? s->work(s->context, begin, end) : TF_OK;
    if (status && !atomic_flag_test_and_set(&s->failed)) tf_failure_keep(status, &s->failure);
}

tf_status tf_workers_split(tf_workers *w, size_t items, tf_status (*work)(void *context, size_t begin, size_t end),
                           void *context) {
    if (!w) return items ? work(context, 0, items) : TF_OK;
    split s = {
        .work = work, .context = context, .items = items, .threads = (size_t)w->threads, .failed = ATOMIC_FLAG_INIT};
    tf_workers_run(w, work_on_slice, &s);
    return s.failure.status ? tf_failure_raise(&s.failure) : TF_OK;
}
