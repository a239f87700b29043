/**
 * What every link must do, written once for all makers. A scenario is run by the three parties together, each with its
 * own fresh end, and returns what went wrong or NULL.
 */
#ifndef TF_TEST_SCENARIOS_H
#define TF_TEST_SCENARIOS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/link.h"

typedef const char *scenario(tf_link *link);

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) return complain(__LINE__, #condition);                                                       \
    } while (0)

static inline const char *complain(int line, const char *condition) {
    static _Thread_local char text[1600];
    snprintf(text, sizeof text, "line %d: %s (last error: %s)", line, condition, tf_error());
    return text;
}

static inline void sleep_seconds(double seconds) {
    nanosleep(&(struct timespec){(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))}, NULL);
}

/** Byte `i` of message `number` between two parties. */
static inline unsigned char pattern(int from, int to, unsigned number, uint64_t i) {
    return (unsigned char)((i * 2654435761u >> 7) + 31 * number + 7 * (unsigned)from + 3 * (unsigned)to);
}

typedef struct message {
    unsigned char *data;
    uint64_t length;
    tf_ticket ticket;
} message;

static inline bool make_message(message *m, int from, int to, unsigned number, uint64_t length, bool fill) {
    *m = (message){.data = malloc(length + 1), .length = length};
    for (uint64_t i = 0; m->data && i < length; i++) m->data[i] = fill ? pattern(from, to, number, i) : 0;
    return m->data;
}

static inline bool holds_pattern(const message *m, int from, int to, unsigned number) {
    for (uint64_t i = 0; i < m->length; i++)
        if (m->data[i] != pattern(from, to, number, i)) return false;
    return true;
}

typedef struct observed {
    uint64_t bytes[TF_PARTIES], sums[TF_PARTIES];
} observed;

static inline void observe(void *context, int peer, const void *data, uint64_t length) {
    observed *seen = context;
    seen->bytes[peer] += length;
    for (uint64_t i = 0; i < length; i++) seen->sums[peer] = 31 * seen->sums[peer] + ((const unsigned char *)data)[i];
}

enum { MESSAGES = 100 };

/** The lengths of the messages differ by number and pair; some are zero, at either end and in runs. */
static inline uint64_t length_of(int from, int to, unsigned number) {
    static const uint64_t lengths[] = {0, 1, 100, 0, 0, 4097, 8, 70000, 3, 0};
    return lengths[(number + (unsigned)(3 * from + to)) % 10];
}

/** Many messages are queued at once between all pairs; only the last of each channel is waited for. */
static inline const char *order_and_counters(tf_link *link) {
    const int self = tf_link_party(link);
    static _Thread_local message out[TF_PARTIES][MESSAGES], in[TF_PARTIES][MESSAGES];
    observed seen = {{0}, {0}}, expected = {{0}, {0}};
    tf_link_observe(link, observe, &seen);
    for (unsigned n = 0; n < MESSAGES; n++)
        for (int peer = 0; peer < TF_PARTIES; peer++) {
            if (peer == self) continue;
            message *send = &out[peer][n], *receive = &in[peer][n];
            EXPECT(make_message(send, self, peer, n, length_of(self, peer, n), true));
            EXPECT(make_message(receive, peer, self, n, length_of(peer, self, n), false));
            EXPECT(tf_link_send(link, peer, send->data, send->length, &send->ticket) == TF_OK);
            EXPECT(tf_link_receive(link, peer, receive->data, receive->length, &receive->ticket) == TF_OK);
        }
    tf_link_count_round(link);
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        if (peer == self) continue;
        EXPECT(tf_link_wait(link, in[peer][MESSAGES - 1].ticket) == TF_OK);
        EXPECT(tf_link_wait(link, out[peer][MESSAGES - 1].ticket) == TF_OK);
    }
    tf_link_counters counters = tf_link_read_counters(link);
    EXPECT(counters.rounds == 1 && counters.wait_seconds > 0);
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        uint64_t sent = 0, received = 0, sends = 0, receptions = 0;
        for (unsigned n = 0; peer != self && n < MESSAGES; n++) {
            bool done = false;
            EXPECT(tf_link_test(link, in[peer][n].ticket, &done) == TF_OK && done);
            EXPECT(tf_link_test(link, out[peer][n].ticket, &done) == TF_OK && done);
            EXPECT(holds_pattern(&in[peer][n], peer, self, n));
            observe(&expected, peer, in[peer][n].data, in[peer][n].length);
            sent += out[peer][n].length, sends += out[peer][n].length > 0;
            received += in[peer][n].length, receptions += in[peer][n].length > 0;
            free(in[peer][n].data), free(out[peer][n].data);
        }
        EXPECT(counters.bytes_sent[peer] == sent && counters.messages_sent[peer] == sends);
        EXPECT(counters.bytes_received[peer] == received && counters.messages_received[peer] == receptions);
        EXPECT(seen.bytes[peer] == received && seen.sums[peer] == expected.sums[peer]);
    }
    return NULL;
}

/** Everyone waits for its sends first, which only end if all receive meanwhile. */
static inline const char *big_messages_between_all_pairs(tf_link *link) {
    const uint64_t length = (12 << 20) + 5;
    const int self = tf_link_party(link);
    message out[TF_PARTIES], in[TF_PARTIES];
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        if (peer == self) continue;
        EXPECT(make_message(&out[peer], self, peer, 0, length, true));
        EXPECT(make_message(&in[peer], peer, self, 0, length, false));
        EXPECT(tf_link_receive(link, peer, in[peer].data, length, &in[peer].ticket) == TF_OK);
        EXPECT(tf_link_send(link, peer, out[peer].data, length, &out[peer].ticket) == TF_OK);
    }
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (peer != self) EXPECT(tf_link_wait(link, out[peer].ticket) == TF_OK);
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        if (peer == self) continue;
        EXPECT(tf_link_wait(link, in[peer].ticket) == TF_OK);
        EXPECT(holds_pattern(&in[peer], peer, self, 0));
        free(in[peer].data), free(out[peer].data);
    }
    return NULL;
}

/** Party 2 says nothing for a while; the others name it, and their links stay failed. */
static inline const char *deadline_names_the_peer(tf_link *link) {
    unsigned char byte[123];
    tf_ticket ticket;
    bool done;
    if (tf_link_party(link) == 2) {
        sleep_seconds(2);
        return NULL;
    }
    tf_link_set_deadline(link, 0.3);
    EXPECT(tf_link_receive(link, 2, byte, sizeof byte, &ticket) == TF_OK);
    EXPECT(tf_link_test(link, ticket, &done) == TF_OK && !done);
    EXPECT(tf_link_wait(link, ticket) == TF_PEER);
    const char *expected = "party 2 sent nothing for 0.3 s (waiting to receive 123 bytes)";
    EXPECT(strcmp(tf_error(), expected) == 0);
    (void)tf_fail(TF_IO, "something else");
    EXPECT(tf_link_test(link, ticket, &done) == TF_PEER);
    EXPECT(strcmp(tf_error(), expected) == 0);
    return NULL;
}

/** Party 1 fails; the others fail with its message, and pass on no more than that. */
static inline const char *failure_reaches_everyone(tf_link *link) {
    unsigned char byte[64];
    tf_ticket ticket;
    if (tf_link_party(link) == 1) {
        tf_link_announce_failure(link, "weights.bin: truncated");
        EXPECT(tf_link_receive(link, 0, byte, sizeof byte, &ticket) == TF_INVALID);
        return NULL;
    }
    const int other = 2 - tf_link_party(link); // party 1 is not even waited for
    tf_link_set_deadline(link, 20);
    EXPECT(tf_link_receive(link, other, byte, sizeof byte, &ticket) == TF_OK);
    EXPECT(tf_link_wait(link, ticket) == TF_PEER);
    EXPECT(strcmp(tf_error(), "party 1 failed: weights.bin: truncated") == 0);
    (void)tf_fail_in(TF_PEER, "node 12");
    tf_link_announce_failure(link, tf_error());
    (void)tf_fail(TF_PEER, "kept");
    return NULL;
}

/** Party 1 sends party 0 a message of another length than it expects. */
static inline const char *lengths_differ(tf_link *link, uint64_t sent, uint64_t expected) {
    message m;
    const int self = tf_link_party(link);
    if (self == 2) return NULL;
    EXPECT(make_message(&m, 1, 0, 0, self == 1 ? sent : expected, true));
    if (self == 1) {
        tf_link_set_deadline(link, 2);
        EXPECT(tf_link_send(link, 0, m.data, m.length, &m.ticket) == TF_OK);
        return NULL; // the message outlives the link, which may wait for it when it closes
    }
    tf_status status = tf_link_receive(link, 1, m.data, m.length, &m.ticket); // sees what has come already
    if (status == TF_OK) status = tf_link_wait(link, m.ticket);
    EXPECT(status == TF_MISMATCH);
    EXPECT(strstr(tf_error(), "party 1 sent"));
    free(m.data);
    return NULL;
}

static inline const char *too_short(tf_link *link) {
    return lengths_differ(link, 5, 6);
}
static inline const char *too_long(tf_link *link) {
    return lengths_differ(link, 7, 6);
}

static inline const char *requests_are_checked(tf_link *link) {
    unsigned char data[8] = {0};
    tf_ticket ticket;
    bool done;
    const int self = tf_link_party(link);
    EXPECT(tf_link_send(link, self, data, 1, &ticket) == TF_INVALID);
    EXPECT(tf_link_send(link, 3, data, 1, &ticket) == TF_INVALID);
    EXPECT(tf_link_receive(link, -1, data, 1, &ticket) == TF_INVALID);
    EXPECT(tf_link_receive(link, tf_next(self), NULL, 1, &ticket) == TF_INVALID);
    ticket = (tf_ticket){.serial = 1, .peer = tf_next(self), .receive = true};
    EXPECT(tf_link_test(link, ticket, &done) == TF_INVALID);
    EXPECT(tf_link_wait(link, ticket) == TF_INVALID);
    ticket.peer = 7;
    EXPECT(tf_link_wait(link, ticket) == TF_INVALID);
    EXPECT(tf_link_send(link, tf_next(self), NULL, 0, &ticket) == TF_OK);
    EXPECT(tf_link_wait(link, ticket) == TF_OK);
    return NULL;
}

#endif
