#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/link_abandon.h"
#include "net/link_internal.h"

static const double DEFAULT_DEADLINE = 30, LONGEST_PAUSE = 1;
static const double LEAST_RATE = 1000; // bytes a second: what comes more slowly holds off no deadline

static volatile sig_atomic_t interrupted;

tf_status tf_transfer_push(tf_transfer_queue *queue, tf_transfer transfer) {
    if (queue->end - queue->first == queue->capacity) {
        uint64_t capacity = queue->capacity ? 2 * queue->capacity : 16;
        tf_transfer *entries = calloc(capacity, sizeof *entries);
        if (!entries) return tf_fail(TF_NOMEM, "no memory for %llu queued transfers", (unsigned long long)capacity);
        for (uint64_t number = queue->first; number < queue->end; number++)
            entries[number % capacity] = *tf_transfer_at(queue, number);
        free(queue->entries);
        queue->entries = entries;
        queue->capacity = capacity;
    }
    *tf_transfer_at(queue, queue->end++) = transfer;
    return TF_OK;
}

void tf_link_init(tf_link *link, const tf_link_table *table, int party) {
    *link = (tf_link){.table = table, .party = party, .deadline = DEFAULT_DEADLINE};
}

/** Keeps a failure: the parties are out of step from then on, so nothing may follow it. */
static tf_status keep_failure(tf_link *link, tf_status status) {
    if (status != TF_OK && link->failure == TF_OK) {
        link->failure = status;
        snprintf(link->failure_text, sizeof link->failure_text, "%s", tf_error());
    }
    return status;
}

static tf_status check_alive(const tf_link *link) {
    return link->failure == TF_OK ? TF_OK : tf_fail_public(link->failure, "%s", link->failure_text);
}

static tf_status check_peer(const tf_link *link, int peer) {
    if (peer >= 0 && peer < TF_PARTIES && peer != link->party) return TF_OK;
    return tf_fail(TF_INVALID, "party %d has no link to party %d", link->party, peer);
}

static tf_status check_ticket(const tf_link *link, tf_ticket ticket) {
    TF_TRY(check_peer(link, ticket.peer));
    if (ticket.serial <= link->queues[ticket.receive][ticket.peer].end) return TF_OK;
    return tf_fail(TF_INVALID, "ticket %llu of party %d was never given out", (unsigned long long)ticket.serial,
                   link->party);
}

/** Empty transfers are done as soon as those before them are. */
static void pass_empty(tf_transfer_queue *queue) {
    while (queue->first < queue->end && tf_transfer_at(queue, queue->first)->length == 0) queue->first++;
}

static tf_status queue_transfer(tf_link *link, int peer, bool receive, void *data, uint64_t length, tf_ticket *ticket) {
    TF_TRY(check_alive(link));
    TF_TRY(check_peer(link, peer));
    if (!data && length > 0)
        return tf_fail(TF_INVALID, "a transfer of %llu bytes has no data", (unsigned long long)length);
    tf_transfer_queue *queue = &link->queues[receive][peer];
    TF_TRY(tf_transfer_push(queue, (tf_transfer){.data = data, .length = length}));
    *ticket = (tf_ticket){.serial = queue->end, .peer = peer, .receive = receive};
    if (length == 0) {
        pass_empty(queue);
        return TF_OK;
    }
    if (!receive) {
        link->counters.bytes_sent[peer] += length;
        link->counters.messages_sent[peer]++;
    }
    return keep_failure(link, link->table->start(link, peer, receive));
}

uint64_t tf_link_longest_frame(const tf_link *link) {
    return link->table->longest_frame ? link->table->longest_frame(link) : 0;
}

tf_status tf_link_place(tf_link *link, int peer, uint64_t length, unsigned char **at) {
    TF_TRY(check_alive(link));
    return keep_failure(link, link->table->place(link, peer, length, at));
}

void tf_link_commit(tf_link *link, int peer, uint64_t length) {
    link->table->commit(link, peer, length);
    link->counters.bytes_sent[peer] += length;
    link->counters.messages_sent[peer]++;
    link->moved_at[peer] = tf_clock();
}

tf_status tf_link_peek(tf_link *link, int peer, uint64_t length, const unsigned char **at) {
    TF_TRY(check_alive(link));
    return keep_failure(link, link->table->peek(link, peer, length, at));
}

void tf_link_release(tf_link *link, int peer, uint64_t length) {
    link->table->release(link, peer, length);
    link->counters.bytes_received[peer] += length;
    link->counters.messages_received[peer]++;
    link->moved_at[peer] = tf_clock();
}

int tf_link_party(const tf_link *link) {
    return link->party;
}

tf_status tf_link_send(tf_link *link, int peer, const void *data, uint64_t length, tf_ticket *ticket) {
    return queue_transfer(link, peer, false, (void *)data, length, ticket);
}

tf_status tf_link_receive(tf_link *link, int peer, void *data, uint64_t length, tf_ticket *ticket) {
    return queue_transfer(link, peer, true, data, length, ticket);
}

void tf_link_moved(tf_link *link, int peer, bool receive, uint64_t bytes) {
    tf_transfer_queue *queue = &link->queues[receive][peer];
    tf_transfer *transfer = tf_transfer_at(queue, queue->first);
    transfer->moved += bytes;
    link->trickled[peer] += bytes;
    bool whole = transfer->moved == transfer->length;
    if (whole || (double)link->trickled[peer] >= LEAST_RATE * link->deadline) {
        link->moved_at[peer] = tf_clock();
        link->trickled[peer] = 0;
    }
    if (!whole) return;
    if (receive) {
        link->counters.bytes_received[peer] += transfer->length;
        link->counters.messages_received[peer]++;
        if (link->observer) link->observer(link->observer_context, peer, transfer->data, transfer->length);
    }
    queue->first++;
    pass_empty(queue);
}

tf_status tf_link_test(tf_link *link, tf_ticket ticket, bool *done) {
    TF_TRY(check_alive(link));
    TF_TRY(check_ticket(link, ticket));
    TF_TRY(keep_failure(link, link->table->progress(link)));
    *done = tf_link_is_done(link, ticket);
    return TF_OK;
}

/** Who is to blame for the silence of `peer`: itself, or the third party if `peer` waits for that one. */
static int find_culprit(const tf_link *link, int peer) {
    const tf_link *innermost = link;
    while (innermost->inner) innermost = innermost->inner;
    unsigned (*waits_for)(tf_link *, int) = innermost->table->waits_for;
    int third = TF_PARTIES - peer - link->party;
    if (!waits_for || !(waits_for((tf_link *)innermost, peer) >> third & 1)) return peer;
    return waits_for((tf_link *)innermost, third) ? peer : third;
}

static tf_status too_late(const tf_link *link, tf_ticket ticket) {
    uint64_t length = tf_transfer_at(&link->queues[ticket.receive][ticket.peer], ticket.serial - 1)->length;
    int culprit = find_culprit(link, ticket.peer);
    if (culprit != ticket.peer)
        return tf_fail_public(TF_PEER,
                              "party %d is silent: party %d, which this party waits for, waits for it for %g s",
                              culprit, ticket.peer, link->deadline);
    const tf_link *moves = link; // a wrapper sees whole records alone
    while (!moves->trickled[ticket.peer] && moves->inner) moves = moves->inner;
    char bytes[32] = "nothing";
    if (moves->trickled[ticket.peer])
        snprintf(bytes, sizeof bytes, "only %llu bytes", (unsigned long long)moves->trickled[ticket.peer]);
    return tf_fail_public(TF_PEER, "party %d %s %s for %g s (waiting to %s %llu bytes)", ticket.peer,
                          ticket.receive ? "sent" : "took", bytes, link->deadline, ticket.receive ? "receive" : "send",
                          (unsigned long long)length);
}

/** A party that did not look for a second more than it meant to, as it was stopped or had no processor, does not know
 *  who was silent meanwhile, nor whom the others waited for: the deadline begins anew. */
static tf_status wait_until_done(tf_link *link, tf_ticket ticket, double start) {
    for (double due = INFINITY;;) {
        bool done;
        TF_TRY(tf_link_test(link, ticket, &done));
        if (done) return TF_OK;
        if (interrupted) return keep_failure(link, tf_link_fail_interrupted());
        double now = tf_clock();
        if (now > due + LONGEST_PAUSE) start = now;
        double peer_moved = fmax(start, link->moved_at[ticket.peer]), moved = start;
        for (int party = 0; party < TF_PARTIES; party++) moved = fmax(moved, link->moved_at[party]);
        double left = peer_moved + link->deadline - now;
        if (left <= 0) return keep_failure(link, too_late(link, ticket));
        due = now + fmin(left, LONGEST_PAUSE);
        link->table->pause(link, now - moved, due - now);
    }
}

tf_status tf_link_wait(tf_link *link, tf_ticket ticket) {
    double start = tf_clock();
    tf_status status = wait_until_done(link, ticket, start);
    link->counters.wait_seconds += tf_clock() - start;
    return status;
}

void tf_link_set_deadline(tf_link *link, double seconds) {
    for (; link; link = link->inner) link->deadline = seconds;
}

void tf_link_interrupt(int number) {
    interrupted = number;
}

int tf_link_interrupted(void) {
    return interrupted;
}

tf_status tf_link_fail_interrupted(void) {
    return tf_fail_public(TF_PEER, "ended from outside by signal %d (%s)", (int)interrupted,
                          interrupted == SIGTERM ? "SIGTERM: by its operator, or by mpirun when a party has gone"
                                                 : "interrupt");
}

double tf_link_deadline(const tf_link *link) {
    return link->deadline;
}

/** What all three find together, as that they differ, is nobody's failure: whoever hears of it first says the same. */
static bool is_everybodys(const char *text) {
    return !strncmp(text, "the parties ", strlen("the parties "));
}

tf_status tf_link_peer_failed(tf_link *link, int peer, const tf_notice *notice) {
    link->received = link->cause = *notice;
    link->received_from = peer;
    link->has_cause = true;
    if (link->cause.origin >= TF_PARTIES) link->cause.origin = (unsigned char)peer;
    char *text = link->cause.text;
    text[sizeof link->cause.text - 1] = '\0';
    for (; *text; text++) // a peer's text must not steer the terminal that shows it
        if ((unsigned char)*text < ' ' || *text == 0x7f) *text = '?';
    if (is_everybodys(link->cause.text)) return tf_fail_public(TF_MISMATCH, "%s", link->cause.text);
    return tf_fail_public(TF_PEER, "party %u failed: %s", link->cause.origin, link->cause.text);
}

bool tf_failure_is_of_peer(void) {
    int after = 0;
    return sscanf(tf_error(), "party %*u failed: %n", &after) == 0 && after > 0;
}

bool tf_failure_is_everybodys(void) {
    return is_everybodys(tf_error());
}

tf_status tf_fail_doing(tf_status status, const char *what) {
    return status == TF_PEER && !tf_failure_is_of_peer() ? tf_fail_in(status, "%s", what) : status;
}

void tf_link_announce_failure(tf_link *link, const char *message) {
    if (link->announced) return;
    link->announced = true;
    tf_notice notice = {.origin = (unsigned char)link->party};
    snprintf(notice.text, sizeof notice.text, "%s", message);
    if (link->failure == TF_OK) {
        link->failure = TF_INVALID;
        snprintf(link->failure_text, sizeof link->failure_text, "this party has failed: %.900s", message);
    }
    tf_notice notices[TF_PARTIES];
    for (int peer = 0; peer < TF_PARTIES; peer++) notices[peer] = link->has_cause ? link->cause : notice;
    link->table->announce(link, notices);
}

bool tf_link_abandon(tf_link *link) {
    bool given_back = true;
    for (; link; link = link->inner) {
        if (link->failure == TF_OK) {
            link->failure = TF_INVALID;
            snprintf(link->failure_text, sizeof link->failure_text, "this party has failed");
        }
        if (link->table->abandon) given_back &= link->table->abandon(link);
    }
    return given_back;
}

void tf_link_count_round(tf_link *link) {
    link->counters.rounds++;
}

tf_link_counters tf_link_read_counters(const tf_link *link) {
    tf_link_counters counters = link->counters;
    while ((link = link->inner)) counters.encryption_seconds += link->counters.encryption_seconds;
    return counters;
}

tf_link_counters tf_link_read_wire_counters(const tf_link *link) {
    while (link->inner) link = link->inner;
    return link->counters;
}

bool tf_link_exports_keys(const tf_link *link) {
    return link->table->export_key;
}

tf_status tf_link_export_key(tf_link *link, int peer, const char *label, void *key, size_t size) {
    TF_TRY(check_alive(link));
    TF_TRY(check_peer(link, peer));
    if (!tf_link_exports_keys(link)) return tf_fail(TF_INVALID, "this link cannot make keys");
    return link->table->export_key(link, peer, label, key, size);
}

void tf_link_observe(tf_link *link, tf_link_observer *observer, void *context) {
    link->observer = observer;
    link->observer_context = context;
}

void tf_link_close(tf_link *link) {
    if (!link) return;
    tf_failure failure; // closing is part of failing: it must not replace the message of what failed
    tf_failure_keep(TF_OK, &failure);
    for (int receive = 0; receive < 2; receive++)
        for (int peer = 0; peer < TF_PARTIES; peer++) {
            const tf_transfer_queue *queue = &link->queues[receive][peer];
            if (queue->first == queue->end) continue;
            if (tf_link_wait(link, (tf_ticket){.serial = queue->end, .peer = peer, .receive = receive}) != TF_OK) break;
        }
    link->table->close(link);
    for (int receive = 0; receive < 2; receive++)
        for (int peer = 0; peer < TF_PARTIES; peer++) free(link->queues[receive][peer].entries);
    free(link);
    (void)tf_failure_raise(&failure);
}
