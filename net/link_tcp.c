/**
 * A link over TCP. Each pair of parties has two connections: one carries the messages, each after its length, straight
 * from and into the callers' memory; the other one carries farewells and failure notices, which so never wait behind
 * messages that nobody takes, and now and then whom a party is waiting for. A connection that ends without a farewell
 * means that the party has gone.
 */
#define _GNU_SOURCE // accept4, ppoll
#include "net/link_tcp.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/link_internal.h"
#include "net/tcp_meeting.h"

/* What is said over the control connection: a farewell, a failure, or in a single byte whom this party waits for. */
enum { HEADER = 8, FAREWELL = 'B', FAILURE = 'F', WAITING = 0x80 };

enum { MOST_READS = 64 }; /* of a control connection, at a time */

static const double YIELD_SECONDS = 50e-6;
static const int LAST_WORDS_MS = 300;

/** The message that a direction of a pair is in the middle of: how much of its length has moved. */
typedef struct header {
    unsigned char bytes[HEADER]; /**< the message's length, little-endian */
    size_t moved;
} header;

typedef struct tcp_peer {
    int socket[TF_TCP_CHANNELS];
    header headers[2]; /**< [receive] */
    struct {
        unsigned char kind;
        tf_notice notice;
    } control; /**< what has come of a notice */
    size_t control_bytes;
    unsigned waits_for; /**< a set of parties, as it last said */
    double waits_at;    /**< when it said so */
    bool left;          /**< said farewell */
    int gone_error;     /**< why its connections ended without a farewell: errno, or -1 for an end of file */
} tcp_peer;

typedef struct tcp_link {
    tf_link base;
    double told_at; /**< when this party last said whom it waits for */
    tcp_peer peers[TF_PARTIES];
} tcp_link;

static bool would_block(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* The control connection ------------------------------------------------------------------------------------------- */

/**
 * Takes what has come over the control connection of a peer, but not more than some: whoever sends without end must not
 * keep this party from looking at the clock.
 */
static tf_status listen_to(tcp_link *self, int peer) {
    tcp_peer *p = &self->peers[peer];
    for (int reads = 0; reads < MOST_READS && !p->left && !p->gone_error; reads++) {
        unsigned char *at = (unsigned char *)&p->control;
        size_t want = p->control_bytes == 0 ? 1 : sizeof p->control;
        ssize_t got = recv(p->socket[TF_TCP_CONTROL], at + p->control_bytes, want - p->control_bytes, 0);
        if (got < 0 && would_block()) break;
        if (got <= 0) {
            p->gone_error = got < 0 ? errno : -1;
            break;
        }
        p->control_bytes += (size_t)got;
        if (p->control.kind & WAITING) {
            p->waits_for = p->control.kind & ~(unsigned)WAITING;
            p->waits_at = tf_clock();
            p->control_bytes = 0;
        } else if (p->control.kind == FAREWELL)
            p->left = true;
        else if (p->control.kind != FAILURE)
            return tf_fail_public(TF_PEER, "party %d sent something else than a notice", peer);
        else if (p->control_bytes == sizeof p->control)
            return tf_link_peer_failed(&self->base, peer, &p->control.notice);
    }
    return TF_OK;
}

static tf_status say_gone(int peer, int error) {
    if (error == -1 || error == ECONNRESET || error == EPIPE)
        return tf_fail_public(TF_PEER, "party %d has gone: its connection has ended without a farewell", peer);
    return tf_fail_public(TF_PEER, "party %d has gone: %s", peer, strerror(error));
}

/** The connection for messages has ended: the other connection may tell why, if not at once. */
static tf_status lost(tcp_link *self, int peer, int error) {
    tcp_peer *p = &self->peers[peer];
    double end = tf_clock() + 1e-3 * LAST_WORDS_MS;
    TF_TRY(listen_to(self, peer));
    while (!p->left && !p->gone_error && tf_clock() < end) {
        struct pollfd wait = {.fd = p->socket[TF_TCP_CONTROL], .events = POLLIN};
        poll(&wait, 1, LAST_WORDS_MS);
        TF_TRY(listen_to(self, peer));
    }
    return p->left ? tf_fail_public(TF_PEER, "party %d has left", peer) : say_gone(peer, error);
}

static void speak(int socket, const void *data, size_t length) {
    ssize_t sent = send(socket, data, length, MSG_NOSIGNAL); // at best effort: the kernel has room for a notice
    (void)sent;
}

/* Messages --------------------------------------------------------------------------------------------------------- */

static void put_length(header *h, uint64_t length) {
    for (int i = 0; i < HEADER; i++) h->bytes[i] = (unsigned char)(length >> 8 * i);
}

static uint64_t get_length(const header *h) {
    uint64_t length = 0;
    for (int i = 0; i < HEADER; i++) length |= (uint64_t)h->bytes[i] << 8 * i;
    return length;
}

/** Moves a piece of the oldest transfer; *moved is 0 when the socket is not ready. */
static tf_status move_piece(tcp_link *self, int peer, bool receive, size_t *moved) {
    tcp_peer *p = &self->peers[peer];
    header *h = &p->headers[receive];
    const tf_transfer_queue *queue = &self->base.queues[receive][peer];
    const tf_transfer *transfer = tf_transfer_at(queue, queue->first);
    if (!receive && h->moved == 0) put_length(h, transfer->length);
    // A message that is shorter than expected makes this read into the next one, but then nothing may follow anyway.
    struct iovec piece[2] = {
        {.iov_base = h->bytes + h->moved, .iov_len = HEADER - h->moved},
        {.iov_base = (char *)transfer->data + transfer->moved, .iov_len = transfer->length - transfer->moved}};
    struct msghdr message = {.msg_iov = piece, .msg_iovlen = 2};
    int socket = p->socket[TF_TCP_DATA];
    ssize_t got = receive ? recvmsg(socket, &message, 0) : sendmsg(socket, &message, MSG_NOSIGNAL);
    *moved = 0;
    if (got < 0 && would_block()) return TF_OK;
    if (got <= 0) return lost(self, peer, got < 0 ? errno : -1);

    size_t of_header = (size_t)got < HEADER - h->moved ? (size_t)got : HEADER - h->moved;
    h->moved += of_header;
    if (receive && h->moved == HEADER && get_length(h) != transfer->length)
        return tf_fail_public(TF_MISMATCH, "party %d sent %llu bytes where party %d expected %llu", peer,
                              (unsigned long long)get_length(h), self->base.party,
                              (unsigned long long)transfer->length);
    *moved = (size_t)got;
    size_t payload = (size_t)got - of_header;
    if (transfer->moved + payload == transfer->length) h->moved = 0;
    if (payload) tf_link_moved(&self->base, peer, receive, payload);
    return TF_OK;
}

static tf_status exchange(tcp_link *self, int peer, bool receive) {
    const tf_transfer_queue *queue = &self->base.queues[receive][peer];
    size_t moved = 1;
    while (moved && queue->first < queue->end) TF_TRY(move_piece(self, peer, receive, &moved));
    return TF_OK;
}

static tf_status tcp_start(tf_link *link, int peer, bool receive) {
    return receive ? TF_OK : exchange((tcp_link *)link, peer, false);
}

static tf_status tcp_progress(tf_link *link) {
    tcp_link *self = (tcp_link *)link;
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (peer != link->party) TF_TRY(listen_to(self, peer));
    for (int receive = 1; receive >= 0; receive--)
        for (int peer = 0; peer < TF_PARTIES; peer++)
            if (peer != link->party) TF_TRY(exchange(self, peer, receive));
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (self->peers[peer].gone_error) return say_gone(peer, self->peers[peer].gone_error);
    return TF_OK;
}

static void tell_waiting(tcp_link *self) {
    const unsigned char message = (unsigned char)(WAITING | tf_link_awaited(&self->base));
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (peer != self->base.party) speak(self->peers[peer].socket[TF_TCP_CONTROL], &message, 1);
    self->told_at = tf_clock();
}

static unsigned tcp_waits_for(tf_link *link, int peer) {
    const tcp_peer *p = &((tcp_link *)link)->peers[peer];
    return tf_clock() - p->waits_at < 2.5 * tf_link_tell_interval(link) ? p->waits_for : 0;
}

static void tcp_pause(tf_link *link, double idle, double longest) {
    if (idle < YIELD_SECONDS) {
        sched_yield();
        return;
    }
    tcp_link *self = (tcp_link *)link;
    double interval = tf_link_tell_interval(link);
    if (idle >= interval && tf_clock() >= self->told_at + interval) tell_waiting(self);
    longest = fmin(longest, interval);
    struct pollfd wait[2 * TF_PARTIES];
    nfds_t count = 0;
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        if (peer == link->party) continue;
        short events = 0;
        for (int receive = 0; receive < 2; receive++)
            if (link->queues[receive][peer].first < link->queues[receive][peer].end)
                events |= receive ? POLLIN : POLLOUT;
        const tcp_peer *p = &self->peers[peer];
        if (events) wait[count++] = (struct pollfd){.fd = p->socket[TF_TCP_DATA], .events = events};
        if (!p->left) wait[count++] = (struct pollfd){.fd = p->socket[TF_TCP_CONTROL], .events = POLLIN};
    }
    struct timespec time = {.tv_sec = (time_t)longest};
    time.tv_nsec = (long)(1e9 * (longest - (double)time.tv_sec));
    ppoll(wait, count, &time, NULL);
}

static void tcp_announce(tf_link *link, const tf_notice notices[TF_PARTIES]) {
    tcp_link *self = (tcp_link *)link;
    unsigned char message[1 + sizeof *notices] = {FAILURE};
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        if (peer == link->party) continue;
        memcpy(message + 1, &notices[peer], sizeof notices[peer]);
        speak(self->peers[peer].socket[TF_TCP_CONTROL], message, sizeof message);
    }
}

static void tcp_close(tf_link *link) {
    tcp_link *self = (tcp_link *)link;
    const unsigned char farewell = FAREWELL;
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        if (peer == link->party) continue;
        int *socket = self->peers[peer].socket;
        if (!link->announced) speak(socket[TF_TCP_CONTROL], &farewell, 1);
        for (int channel = 0; channel < TF_TCP_CHANNELS; channel++) {
            // What is left unread would make the kernel drop what it still has to send.
            char rest[256];
            for (int reads = 0; channel == TF_TCP_CONTROL && reads < MOST_READS; reads++)
                if (recv(socket[channel], rest, sizeof rest, 0) <= 0) break;
            close(socket[channel]);
        }
    }
}

static const tf_link_table table = {.start = tcp_start,
                                    .progress = tcp_progress,
                                    .pause = tcp_pause,
                                    .announce = tcp_announce,
                                    .close = tcp_close,
                                    .waits_for = tcp_waits_for};

tf_status tf_link_tcp(const tf_tcp_options *options, tf_link **link) {
    *link = NULL;
    tcp_link *self = calloc(1, sizeof *self);
    if (!self) return tf_fail(TF_NOMEM, "no memory for a link");
    int socket[TF_PARTIES][TF_TCP_CHANNELS];
    tf_status status = tf_tcp_meet(options, socket);
    if (status != TF_OK) {
        free(self);
        return status;
    }
    tf_link_init(&self->base, &table, options->party);
    for (int peer = 0; peer < TF_PARTIES; peer++) memcpy(self->peers[peer].socket, socket[peer], sizeof socket[peer]);
    *link = &self->base;
    return TF_OK;
}
