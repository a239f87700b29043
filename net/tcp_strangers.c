#define _GNU_SOURCE // NI_NUMERICHOST
#include "net/tcp_strangers.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/base/clock.h"

static const double HELLO_SECONDS = 5;

void tf_strangers_init(tf_strangers *strangers, const tf_tcp_options *options) {
    memset(strangers, 0, sizeof *strangers);
    strangers->options = options;
    for (int i = 0; i < TF_STRANGERS; i++) strangers->place[i].socket = -1;
}

void tf_strangers_close(tf_strangers *strangers) {
    for (int i = 0; i < TF_STRANGERS; i++)
        if (strangers->place[i].socket >= 0) tf_stranger_dismiss(&strangers->place[i]);
}

static void forget(tf_stranger *s) {
    EVP_PKEY_free(s->challenge);
    s->challenge = NULL;
    s->heard = 0;
}

void tf_stranger_dismiss(tf_stranger *s) {
    close(s->socket);
    s->socket = -1;
    forget(s);
}

static bool say(int socket, const void *data, size_t size) {
    return send(socket, data, size, MSG_NOSIGNAL) == (ssize_t)size; // a fresh connection has room for it
}

static void write_address(int socket, char text[INET6_ADDRSTRLEN]) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getpeername(socket, (struct sockaddr *)&address, &size) != 0 ||
        getnameinfo((struct sockaddr *)&address, size, text, INET6_ADDRSTRLEN, NULL, 0, NI_NUMERICHOST) != 0)
        text[0] = '\0'; // whoever has hung up already
}

static int callers_from(const tf_strangers *strangers, const char *address) {
    int count = 0;
    for (int i = 0; i < TF_STRANGERS; i++)
        count += strangers->place[i].socket >= 0 && !strcmp(strangers->place[i].address, address);
    return count;
}

/** A free place, or that of the oldest caller from the address that most have come from: so nobody who calls without
 *  end takes the places of callers from elsewhere. */
static tf_stranger *make_place(tf_strangers *strangers, const char *address) {
    tf_stranger *place = NULL;
    int most = 0;
    for (int i = 0; i < TF_STRANGERS; i++) {
        tf_stranger *s = &strangers->place[i];
        if (s->socket < 0) return s;
        int count = callers_from(strangers, s->address) + !strcmp(s->address, address);
        if (count > most || (count == most && s->until < place->until)) place = s, most = count;
    }
    tf_stranger_dismiss(place);
    return place;
}

void tf_strangers_take(tf_strangers *strangers, int socket) {
    char address[INET6_ADDRSTRLEN];
    write_address(socket, address);
    tf_stranger *place = make_place(strangers, address);
    place->socket = socket;
    place->until = tf_clock() + HELLO_SECONDS;
    memcpy(place->address, address, sizeof address);
}

/** Answers a hello that has come whole; true where that is all that was wanted. */
static bool answer(const tf_strangers *strangers, tf_stranger *s, const char **why) {
    const bool proofs = strangers->options->identity != NULL;
    tf_verdict v = tf_hello_judge(strangers->options, &s->hello);
    tf_hello_answer a = {.hello = {.verdict = 0}};
    int peer = s->hello.from, k = s->hello.channel;
    s->heard = 0;
    if (v == TF_WELCOME && !proofs && strangers->standing[peer][k]) v = TF_BUSY;
    if (v == TF_WELCOME && proofs && !(s->challenge = tf_challenge_make(&a.challenge))) v = TF_BUSY;
    a.hello = tf_hello_make(strangers->options, peer, k, v);
    a.hello.challenged = s->challenge != NULL;
    bool said = say(s->socket, &a, s->challenge ? sizeof a : sizeof a.hello);
    if (v != TF_WELCOME) *why = tf_verdict_text(v);
    if (v != TF_WELCOME || !said) tf_stranger_dismiss(s);
    return v == TF_WELCOME && said && !proofs;
}

/** Checks a proof that has come whole, and tells the caller. */
static bool conclude(const tf_strangers *strangers, tf_stranger *s, const char **why) {
    int peer = s->hello.from;
    bool good = tf_hello_proved(&strangers->options->fingerprints[peer], &s->hello, s->challenge, s->proof);
    tf_hello last = tf_hello_make(strangers->options, peer, s->hello.channel, good ? TF_WELCOME : TF_UNPROVED);
    if (!good) *why = tf_verdict_text(TF_UNPROVED);
    good = say(s->socket, &last, sizeof last) && good;
    if (good)
        forget(s);
    else
        tf_stranger_dismiss(s);
    return good;
}

/** Reads on; false when the connection has ended. */
static bool hear_proof(tf_stranger *s) {
    while (s->heard < sizeof s->proof) {
        ssize_t got = recv(s->socket, s->proof + s->heard, sizeof s->proof - s->heard, 0);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return true;
        if (got <= 0) return false;
        s->heard += (size_t)got;
    }
    return true;
}

bool tf_stranger_hear(tf_strangers *strangers, tf_stranger *s, const char **why) {
    bool good = s->challenge ? hear_proof(s) : tf_hello_hear(s->socket, &s->hello, sizeof s->hello, &s->heard);
    *why = NULL;
    if (!good) {
        tf_stranger_dismiss(s);
        return false;
    }
    if (s->challenge) return s->heard == sizeof s->proof && conclude(strangers, s, why);
    return s->heard == sizeof s->hello && answer(strangers, s, why);
}
