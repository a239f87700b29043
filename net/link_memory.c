/**
 * Three ends in one process. A send posts the address of its data; the receiver copies straight from there, so a byte
 * is copied once, and the send is done when the receiver has taken it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "net/link_internal.h"

static const double YIELD_SECONDS = 50e-6;

/** What one party has posted for another, oldest first. */
typedef struct mailbox {
    tf_transfer_queue posted;
    bool copying; /**< the receiver reads the oldest one's data without holding the mutex */
} mailbox;

typedef struct hub {
    pthread_mutex_t mutex; /**< guards everything here */
    pthread_cond_t changed[TF_PARTIES];
    uint64_t changes[TF_PARTIES];          /**< counts what happened that may concern a party */
    mailbox boxes[TF_PARTIES][TF_PARTIES]; /**< [sender][receiver] */
    bool left[TF_PARTIES], failed[TF_PARTIES];
    tf_notice notices[TF_PARTIES][TF_PARTIES]; /**< [sender][receiver] */
    int open_ends;
} hub;

typedef struct memory_link {
    tf_link base;
    hub *hub;
    uint64_t seen;                  /**< the changes that the last progress has taken into account */
    uint64_t accounted[TF_PARTIES]; /**< posts to a peer that are known to be taken */
} memory_link;

static void wake(hub *shared, int party) {
    shared->changes[party]++;
    pthread_cond_signal(&shared->changed[party]);
}

static tf_status memory_start(tf_link *link, int peer, bool receive) {
    if (receive) return TF_OK;
    const tf_transfer_queue *queue = &link->queues[false][peer];
    hub *shared = ((memory_link *)link)->hub;
    pthread_mutex_lock(&shared->mutex);
    tf_status status =
        tf_transfer_push(&shared->boxes[link->party][peer].posted, *tf_transfer_at(queue, queue->end - 1));
    wake(shared, peer);
    pthread_mutex_unlock(&shared->mutex);
    return status;
}

/** Takes what `peer` has posted into the receptions that wait for it. Holds the mutex except while it copies. */
static tf_status take(memory_link *self, int peer) {
    tf_link *link = &self->base;
    hub *shared = self->hub;
    tf_transfer_queue *queue = &link->queues[true][peer];
    mailbox *box = &shared->boxes[peer][link->party];
    while (queue->first < queue->end && box->posted.first < box->posted.end) {
        const tf_transfer source = *tf_transfer_at(&box->posted, box->posted.first);
        const tf_transfer *target = tf_transfer_at(queue, queue->first);
        if (source.length != target->length)
            return tf_fail_public(TF_MISMATCH, "party %d sent %llu bytes where party %d expected %llu", peer,
                                  (unsigned long long)source.length, link->party, (unsigned long long)target->length);
        box->copying = true;
        pthread_mutex_unlock(&shared->mutex);
        memcpy(target->data, source.data, source.length);
        tf_link_moved(link, peer, true, source.length);
        pthread_mutex_lock(&shared->mutex);
        box->copying = false;
        box->posted.first++;
        wake(shared, peer);
    }
    return TF_OK;
}

/** Finishes the sends that `peer` has taken. */
static void account(memory_link *self, int peer) {
    tf_link *link = &self->base;
    const tf_transfer_queue *queue = &link->queues[false][peer];
    for (; self->accounted[peer] < self->hub->boxes[link->party][peer].posted.first; self->accounted[peer]++)
        tf_link_moved(link, peer, false, tf_transfer_at(queue, queue->first)->length);
}

static tf_status exchange_with(memory_link *self, int peer) {
    const tf_link *link = &self->base;
    TF_TRY(take(self, peer));
    account(self, peer);
    bool waiting = false;
    for (int receive = 0; receive < 2; receive++)
        waiting |= link->queues[receive][peer].first < link->queues[receive][peer].end;
    return waiting && self->hub->left[peer] ? tf_fail_public(TF_PEER, "party %d has left", peer) : TF_OK;
}

static tf_status memory_progress(tf_link *link) {
    memory_link *self = (memory_link *)link;
    hub *shared = self->hub;
    tf_status status = TF_OK;
    pthread_mutex_lock(&shared->mutex);
    self->seen = shared->changes[link->party];
    for (int peer = 0; peer < TF_PARTIES && status == TF_OK; peer++)
        if (shared->failed[peer] && peer != link->party)
            status = tf_link_peer_failed(link, peer, &shared->notices[peer][link->party]);
    for (int peer = 0; peer < TF_PARTIES && status == TF_OK; peer++)
        if (peer != link->party) status = exchange_with(self, peer);
    pthread_mutex_unlock(&shared->mutex);
    return status;
}

/** Going to sleep and being woken costs more than a short wait, so at first only let others run. */
static void memory_pause(tf_link *link, double idle, double longest) {
    if (idle < YIELD_SECONDS) {
        sched_yield();
        return;
    }
    memory_link *self = (memory_link *)link;
    hub *shared = self->hub;
    double end = tf_clock() + longest;
    struct timespec until = {.tv_sec = (time_t)end};
    until.tv_nsec = (long)(1e9 * (end - (double)until.tv_sec));
    pthread_mutex_lock(&shared->mutex);
    while (shared->changes[link->party] == self->seen)
        if (pthread_cond_timedwait(&shared->changed[link->party], &shared->mutex, &until) != 0) break;
    pthread_mutex_unlock(&shared->mutex);
}

static void wake_peers(hub *shared, int self) {
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (peer != self) wake(shared, peer);
}

static void memory_announce(tf_link *link, const tf_notice notices[TF_PARTIES]) {
    hub *shared = ((memory_link *)link)->hub;
    pthread_mutex_lock(&shared->mutex);
    shared->failed[link->party] = true;
    memcpy(shared->notices[link->party], notices, sizeof shared->notices[link->party]);
    wake_peers(shared, link->party);
    pthread_mutex_unlock(&shared->mutex);
}

static void free_hub(hub *shared) {
    for (int from = 0; from < TF_PARTIES; from++) {
        pthread_cond_destroy(&shared->changed[from]);
        for (int to = 0; to < TF_PARTIES; to++) free(shared->boxes[from][to].posted.entries);
    }
    pthread_mutex_destroy(&shared->mutex);
    free(shared);
}

/** Takes back what was posted and nobody has taken. Holds the mutex. */
static void take_back(hub *shared, int party) {
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        mailbox *box = &shared->boxes[party][peer];
        while (box->copying) // the data must outlive the copy
            pthread_cond_wait(&shared->changed[party], &shared->mutex);
        box->posted.first = box->posted.end;
    }
}

static bool memory_abandon(tf_link *link) {
    hub *shared = ((memory_link *)link)->hub;
    pthread_mutex_lock(&shared->mutex);
    take_back(shared, link->party);
    pthread_mutex_unlock(&shared->mutex);
    return true;
}

static void memory_close(tf_link *link) {
    hub *shared = ((memory_link *)link)->hub;
    pthread_mutex_lock(&shared->mutex);
    shared->left[link->party] = true;
    take_back(shared, link->party);
    wake_peers(shared, link->party);
    bool last = --shared->open_ends == 0;
    pthread_mutex_unlock(&shared->mutex);
    if (last) free_hub(shared);
}

static const tf_link_table table = {.start = memory_start,
                                    .progress = memory_progress,
                                    .pause = memory_pause,
                                    .announce = memory_announce,
                                    .abandon = memory_abandon,
                                    .close = memory_close};

tf_status tf_link_memory(tf_link *ends[TF_PARTIES]) {
    hub *shared = calloc(1, sizeof *shared);
    memory_link *links[TF_PARTIES];
    bool complete = shared;
    for (int party = 0; party < TF_PARTIES; party++)
        complete &= (links[party] = calloc(1, sizeof *links[party])) != NULL;
    if (!complete) {
        for (int party = 0; party < TF_PARTIES; party++) free(links[party]);
        free(shared);
        return tf_fail(TF_NOMEM, "no memory for a link");
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&shared->mutex, NULL);
    for (int party = 0; party < TF_PARTIES; party++) {
        pthread_cond_init(&shared->changed[party], &monotonic);
        tf_link_init(&links[party]->base, &table, party);
        links[party]->hub = shared;
        ends[party] = &links[party]->base;
    }
    pthread_condattr_destroy(&monotonic);
    shared->open_ends = TF_PARTIES;
    return TF_OK;
}
