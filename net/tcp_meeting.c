/**
 * The meeting of three parties that are started in any order. One loop looks after the calls this party makes (to
 * peers of lower number), the calls it has taken but that have not said who they are, and the connections that stand.
 * When both pairs of connections stand, a party says so to both peers, and the meeting ends when both have said it.
 */
#define _GNU_SOURCE // accept4, ppoll
#include "net/tcp_meeting.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/base/clock.h"
#include "net/tcp_strangers.h"

enum { BACKLOG = 32, READY = 'R', REASON = 400 };

static const double ANSWER_SECONDS = 5, CALL_SECONDS = 3, FIRST_RETRY = 0.05, LONGEST_RETRY = 1, REPORT_SECONDS = 10,
                    LONGEST_TURN = 1;

typedef enum stage { ABSENT, CALLING, GREETING, STANDING, WORKING } stage;

/** One of the connections of a pair. */
typedef struct channel {
    stage stage; /**< WORKING: standing, and data has come, so that its peer has ended the meeting */
    int socket;
    double until;           /**< CALLING, GREETING: given up then; ABSENT: called again then */
    double retry;           /**< how long to rest after the next failure */
    struct addrinfo *found; /**< the peer's addresses, of which `next` is tried next */
    struct addrinfo *next;
    tf_hello_answer answer;
    size_t answered;
} channel;

typedef struct meeting {
    const tf_tcp_options *options;
    int listener; /**< -1: nobody calls this party */
    channel channels[TF_PARTIES][TF_TCP_CHANNELS];
    bool came[TF_PARTIES]; /**< stands, or has stood before it went */
    bool told_ready[TF_PARTIES], heard_ready[TF_PARTIES];
    tf_strangers strangers;
    double start, end, reported;
    char trouble[REASON]; /**< what went wrong last, for the message at the end of the wait */
} meeting;

__attribute__((format(printf, 2, 3))) static void report(meeting *m, const char *format, ...) {
    char line[REASON + 200];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (m->options->progress) m->options->progress(m->options->context, line);
    m->reported = tf_clock();
}

__attribute__((format(printf, 2, 3))) static void note(meeting *m, const char *format, ...) {
    char text[REASON];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (strcmp(text, m->trouble) != 0) {
        memcpy(m->trouble, text, sizeof text);
        report(m, "%s", text);
    }
}

static bool in_progress(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == EINPROGRESS;
}

/** Small messages leave at once; a host that vanishes is noticed by the kernel. */
static void prepare(int socket, double silence) {
    const int on = 1, probes = 3;
    int pause = (int)fmin(fmax(silence / 6, 1), 3600), patience = (int)fmin(1000 * silence, 1e9);
    fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK);
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &pause, sizeof pause);
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &pause, sizeof pause);
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
}

static tf_status look_up(const tf_tcp_address *address, bool passive, struct addrinfo **found) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    if (passive) hints.ai_flags |= AI_PASSIVE;
    int code = getaddrinfo(address->host, address->port, &hints, found);
    if (code == 0) return TF_OK;
    *found = NULL;
    return tf_fail(TF_IO, "%s port %s: %s", address->host, address->port,
                   code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
}

static bool say(int socket, const void *data, size_t length) {
    return send(socket, data, length, MSG_NOSIGNAL) == (ssize_t)length; // a fresh connection has room for it
}

/* Connections ------------------------------------------------------------------------------------------------------ */

static void hang_up(channel *c) {
    if (c->socket >= 0) close(c->socket);
    c->socket = -1;
    c->stage = ABSENT;
    c->answered = 0;
    c->until = tf_clock() + c->retry;
    c->retry = fmin(2 * c->retry, LONGEST_RETRY);
}

/** A pair stands and falls with both of its connections. */
static void lose(meeting *m, int peer) {
    for (int k = 0; k < TF_TCP_CHANNELS; k++)
        if (m->channels[peer][k].stage >= STANDING) hang_up(&m->channels[peer][k]);
    m->told_ready[peer] = m->heard_ready[peer] = false;
}

static bool stands(const meeting *m, int peer) {
    for (int k = 0; k < TF_TCP_CHANNELS; k++)
        if (m->channels[peer][k].stage < STANDING) return false;
    return true;
}

static void stand(meeting *m, int peer, int k, int socket) {
    channel *c = &m->channels[peer][k];
    c->socket = socket;
    c->stage = STANDING;
    c->retry = FIRST_RETRY;
    if (!stands(m, peer)) return;
    m->came[peer] = true;
    report(m, "party %d is connected", peer);
}

/* Calls this party makes ------------------------------------------------------------------------------------------- */

static void begin_call(meeting *m, int peer, channel *c) {
    const tf_tcp_address *address = &m->options->address[peer];
    if (!c->next) {
        if (c->found) freeaddrinfo(c->found);
        if (look_up(address, false, &c->found) != TF_OK) {
            note(m, "party %d: %s", peer, tf_error());
            hang_up(c);
            return;
        }
        c->next = c->found;
    }
    struct addrinfo *to = c->next;
    c->next = to->ai_next;
    c->socket = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->socket < 0 || (connect(c->socket, to->ai_addr, to->ai_addrlen) != 0 && !in_progress())) {
        hang_up(c);
        return;
    }
    prepare(c->socket, m->options->silence);
    c->stage = CALLING;
    c->until = tf_clock() + CALL_SECONDS;
}

static void end_call(meeting *m, int peer, int k) {
    channel *c = &m->channels[peer][k];
    int error = 0;
    socklen_t size = sizeof error;
    tf_hello h = tf_hello_make(m->options, peer, k, TF_WELCOME);
    if (getsockopt(c->socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error || !say(c->socket, &h, sizeof h)) {
        if (error && error != ECONNREFUSED) // nobody there yet is no trouble
            note(m, "party %d at %s port %s: %s", peer, m->options->address[peer].host, m->options->address[peer].port,
                 strerror(error));
        hang_up(c);
        return;
    }
    c->stage = GREETING;
    c->until = tf_clock() + ANSWER_SECONDS;
}

/** Proves to a party that welcomed this one who this one is. It answers once more. */
static tf_status prove(meeting *m, int peer, int k) {
    channel *c = &m->channels[peer][k];
    unsigned char proof[TF_HELLO_PROOF];
    if (!m->options->identity)
        return tf_fail(TF_MISMATCH, "party %d wants a proof of who this party is, which has no identity", peer);
    tf_hello own = tf_hello_make(m->options, peer, k, TF_WELCOME);
    TF_TRY(tf_hello_prove(m->options->identity, &own, &c->answer.challenge, proof));
    if (!say(c->socket, proof, sizeof proof)) hang_up(c);
    return TF_OK;
}

static tf_status take_answer(meeting *m, int peer, int k) {
    channel *c = &m->channels[peer][k];
    const tf_tcp_address *address = &m->options->address[peer];
    const tf_hello *a = &c->answer.hello;
    bool good = tf_hello_hear(c->socket, &c->answer, sizeof *a, &c->answered);
    bool challenged = good && c->answered >= sizeof *a && a->verdict == TF_WELCOME && a->challenged;
    if (challenged) good = tf_hello_hear(c->socket, &c->answer, sizeof c->answer, &c->answered);
    if (!good) {
        if (c->answered > 0)
            note(m, "something else than trefoil answers at party %d's address %s port %s", peer, address->host,
                 address->port);
        hang_up(c);
        return TF_OK;
    }
    if (c->answered < sizeof *a) return TF_OK;
    unsigned v = a->verdict;
    if (challenged && c->answered < sizeof c->answer) return TF_OK;
    c->answered = 0;
    if (v == TF_WELCOME && a->version != TF_HELLO_VERSION) v = TF_OTHER_VERSION;
    if (v == TF_WELCOME && (a->from != peer || a->to != m->options->party || a->channel != k)) v = TF_OTHER_PARTY;
    if (v == TF_WELCOME && memcmp(a->run, m->options->run, sizeof a->run) != 0) v = TF_OTHER_RUN;
    if (v == TF_BUSY) { /* it has not yet noticed that an earlier connection has ended */
        hang_up(c);
        return TF_OK;
    }
    if (v != TF_WELCOME)
        return tf_fail(TF_MISMATCH, "party %d at %s port %s does not go with this one: %s", peer, address->host,
                       address->port, tf_verdict_text(v));
    if (challenged) return prove(m, peer, k);
    stand(m, peer, k, c->socket);
    return TF_OK;
}

/* Calls this party takes ------------------------------------------------------------------------------------------- */

static void take_call(meeting *m) {
    int socket = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0) return;
    prepare(socket, m->options->silence);
    tf_strangers_take(&m->strangers, socket);
}

/** A caller that is welcome gets its place. If it stands already it has started anew: it has proved who it is. */
static void hear_stranger(meeting *m, tf_stranger *s) {
    const char *why;
    for (int i = 0; i < TF_PARTIES * TF_TCP_CHANNELS; i++) {
        int peer = i / TF_TCP_CHANNELS, k = i % TF_TCP_CHANNELS;
        m->strangers.standing[peer][k] = m->channels[peer][k].stage >= STANDING;
    }
    bool welcome = tf_stranger_hear(&m->strangers, s, &why);
    if (why && s->address[0])
        note(m, "a call from %s was refused: %s", s->address, why);
    else if (why)
        note(m, "a caller who has hung up already was refused: %s", why);
    if (!welcome) return;
    int peer = s->hello.from, k = s->hello.channel;
    if (m->channels[peer][k].stage >= STANDING) lose(m, peer);
    stand(m, peer, k, s->socket);
    s->socket = -1;
}

/* Connections that stand ------------------------------------------------------------------------------------------- */

static void watch(meeting *m, int peer, int k) {
    channel *c = &m->channels[peer][k];
    unsigned char byte;
    ssize_t got = recv(c->socket, &byte, 1, k == TF_TCP_DATA ? MSG_PEEK : 0);
    if (got < 0 && in_progress()) return;
    if (got <= 0 || (k == TF_TCP_CONTROL && byte != READY)) {
        note(m, "party %d was connected, but has gone", peer);
        lose(m, peer);
        return;
    }
    c->stage = WORKING; // what follows is for the link
    if (k == TF_TCP_CONTROL) m->heard_ready[peer] = true;
}

static bool complete(meeting *m) {
    bool all = true, ready = true;
    for (int peer = 0; peer < TF_PARTIES; peer++) all &= peer == m->options->party || stands(m, peer);
    if (!all) return false;
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        const unsigned char byte = READY;
        if (peer == m->options->party) continue;
        if (!m->told_ready[peer]) m->told_ready[peer] = say(m->channels[peer][TF_TCP_CONTROL].socket, &byte, 1);
        ready &= m->told_ready[peer] && m->heard_ready[peer];
    }
    return ready;
}

/* The loop --------------------------------------------------------------------------------------------------------- */

static tf_status serve_channel(meeting *m, int peer, int k, short events) {
    switch (m->channels[peer][k].stage) {
    case CALLING:
        if (events) end_call(m, peer, k);
        break;
    case GREETING:
        if (events) return take_answer(m, peer, k);
        break;
    case STANDING:
        if (events) watch(m, peer, k);
        break;
    case ABSENT:
    case WORKING: break;
    }
    return TF_OK;
}

/** Waits for something to happen and sees to it. */
static tf_status turn(meeting *m) {
    struct pollfd wait[1 + TF_STRANGERS + TF_PARTIES * TF_TCP_CHANNELS];
    nfds_t count = 0;
    double now = tf_clock(), next = fmin(m->end, m->reported + REPORT_SECONDS);
    wait[count++] = (struct pollfd){.fd = m->listener, .events = POLLIN};
    for (int i = 0; i < TF_STRANGERS; i++) {
        const tf_stranger *s = &m->strangers.place[i];
        wait[count++] = (struct pollfd){.fd = s->socket, .events = POLLIN};
        if (s->socket >= 0) next = fmin(next, s->until);
    }
    for (int i = 0; i < TF_PARTIES * TF_TCP_CHANNELS; i++) {
        int peer = i / TF_TCP_CHANNELS;
        channel *c = &m->channels[peer][i % TF_TCP_CHANNELS];
        if (c->stage == ABSENT && peer < m->options->party && now >= c->until) begin_call(m, peer, c);
        if (peer < m->options->party && c->stage < STANDING) next = fmin(next, c->until);
        bool watched = c->stage != ABSENT && c->stage != WORKING;
        wait[count++] =
            (struct pollfd){.fd = watched ? c->socket : -1, .events = c->stage == CALLING ? POLLOUT : POLLIN};
    }
    int wait_ms = (int)ceil(1e3 * fmin(fmax(next - tf_clock(), 0), LONGEST_TURN));
    if (poll(wait, count, wait_ms) < 0 && errno != EINTR) return tf_fail(TF_IO, "poll: %s", strerror(errno));

    now = tf_clock();
    // The places of strangers go last: a call that is taken now was not waited for.
    for (int i = 0; i < TF_PARTIES * TF_TCP_CHANNELS; i++) {
        int peer = i / TF_TCP_CHANNELS, k = i % TF_TCP_CHANNELS;
        channel *c = &m->channels[peer][k];
        if (wait[1 + TF_STRANGERS + i].fd != c->socket) continue; // lost meanwhile, with its sibling
        TF_TRY(serve_channel(m, peer, k, wait[1 + TF_STRANGERS + i].revents));
        if ((c->stage == CALLING || c->stage == GREETING) && now >= c->until) hang_up(c);
    }
    for (int i = 0; i < TF_STRANGERS; i++) {
        tf_stranger *s = &m->strangers.place[i];
        if (s->socket >= 0 && wait[1 + i].revents) hear_stranger(m, s);
        if (s->socket >= 0 && now >= s->until) tf_stranger_dismiss(s);
    }
    if (wait[0].revents) take_call(m);
    return TF_OK;
}

/** "party 0 and party 2" of those that are missing; where both came, of those that have not said that they are ready:
 *  one of them may have gone only because it did not hear from the other. */
static const char *missing(const meeting *m, char text[64]) {
    int used = 0;
    text[0] = '\0';
    bool all_came = true;
    for (int peer = 0; peer < TF_PARTIES; peer++) all_came &= peer == m->options->party || m->came[peer];
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (peer != m->options->party && !(all_came ? m->heard_ready[peer] : stands(m, peer)))
            used += snprintf(text + used, 64 - (size_t)used, "%sparty %d", used ? " and " : "", peer);
    return text;
}

static void report_waiting(meeting *m) {
    char who[64], until[64] = "";
    double left = m->end - tf_clock();
    if (isfinite(left)) snprintf(until, sizeof until, ", at most %.0f s more", ceil(fmax(left, 0)));
    report(m, "waiting for %s%s", missing(m, who), until);
}

static tf_status meet(meeting *m) {
    report_waiting(m);
    while (!complete(m)) {
        double now = tf_clock();
        char who[64];
        if (now >= m->end)
            return tf_fail(TF_PEER, "connecting: %s did not come within %g s%s%s%s", missing(m, who), m->options->wait,
                           m->trouble[0] ? " (last: " : "", m->trouble, m->trouble[0] ? ")" : "");
        if (tf_link_interrupted()) return tf_fail_in(tf_link_fail_interrupted(), "connecting");
        if (now >= m->reported + REPORT_SECONDS) report_waiting(m);
        TF_TRY(turn(m));
    }
    return TF_OK;
}

static tf_status start_listening(meeting *m) {
    const tf_tcp_options *o = m->options;
    const tf_tcp_address *address = o->listen.host ? &o->listen : &o->address[o->party];
    struct addrinfo *found;
    const int on = 1;
    TF_TRY(look_up(address, true, &found));
    int error = 0;
    for (struct addrinfo *at = found; at && m->listener < 0; at = at->ai_next) {
        int s = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (s >= 0 && setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
            bind(s, at->ai_addr, at->ai_addrlen) == 0 && listen(s, BACKLOG) == 0) {
            m->listener = s;
        } else {
            error = errno;
            if (s >= 0) close(s);
        }
    }
    freeaddrinfo(found);
    if (m->listener >= 0) return TF_OK;
    return tf_fail(TF_IO, "party %d cannot listen at %s port %s: %s%s", o->party, address->host, address->port,
                   strerror(error), error == EADDRNOTAVAIL ? " (is another address to be listened at?)" : "");
}

static void end_meeting(meeting *m, bool keep) {
    if (m->listener >= 0) close(m->listener);
    tf_strangers_close(&m->strangers);
    for (int i = 0; i < TF_PARTIES * TF_TCP_CHANNELS; i++) {
        channel *c = &m->channels[i / TF_TCP_CHANNELS][i % TF_TCP_CHANNELS];
        if (c->found) freeaddrinfo(c->found);
        if (c->socket >= 0 && !keep) close(c->socket);
    }
}

tf_status tf_tcp_meet(const tf_tcp_options *options, int socket[TF_PARTIES][TF_TCP_CHANNELS]) {
    if (options->party < 0 || options->party >= TF_PARTIES)
        return tf_fail(TF_INVALID, "there is no party %d: parties are 0 to %d", options->party, TF_PARTIES - 1);
    if (options->identity && !options->fingerprints)
        return tf_fail(TF_INVALID, "parties that prove who they are need the fingerprints of all three");
    meeting *m = calloc(1, sizeof *m);
    if (!m) return tf_fail(TF_NOMEM, "no memory for a meeting");
    m->options = options;
    m->listener = -1;
    m->start = tf_clock();
    m->end = m->start + options->wait;
    tf_strangers_init(&m->strangers, options);
    for (int i = 0; i < TF_PARTIES * TF_TCP_CHANNELS; i++)
        m->channels[i / TF_TCP_CHANNELS][i % TF_TCP_CHANNELS] = (channel){.socket = -1, .retry = FIRST_RETRY};
    tf_status status = options->party < TF_PARTIES - 1 ? start_listening(m) : TF_OK;
    if (status == TF_OK) status = meet(m);
    end_meeting(m, status == TF_OK);
    for (int i = 0; i < TF_PARTIES * TF_TCP_CHANNELS; i++)
        socket[i / TF_TCP_CHANNELS][i % TF_TCP_CHANNELS] = m->channels[i / TF_TCP_CHANNELS][i % TF_TCP_CHANNELS].socket;
    free(m);
    return status;
}
