/**
 * The handshake runs in five rounds, in each of which every party sends one frame of a fixed size to each peer and
 * receives one: three for the flights of TLS, one for the last greeting, one for the outcome. So no length comes from a
 * peer, no party waits for one that waits for another, and a party that refuses one peer can still tell the other why.
 */
#include "net/handshake.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/identity_internal.h"
#include "net/link_internal.h"
#include "net/records.h"

enum { ROUNDS = 5, FRAME_SIZE = 4096, MAGIC_SIZE = 8 };

static const unsigned char MAGIC[MAGIC_SIZE] = "trefoil"; // with its zero byte

/** Who speaks to whom, and how. In every frame, for early errors only, and again inside TLS, where it counts. */
typedef struct introduction {
    unsigned char magic[MAGIC_SIZE];
    unsigned char version[4]; /**< big-endian */
    unsigned char from, to;
    unsigned char pinned; /**< whether the fingerprints were known before */
    unsigned char unused;
} introduction;

/** What travels over the inner link: always FRAME_SIZE bytes, in this version and in all others. */
typedef struct frame {
    introduction introduction;
    unsigned char fingerprint[sizeof(tf_fingerprint)]; /**< of the sender; believed only if none is pinned */
    unsigned char used[2];                             /**< bytes of `data` that are TLS's, big-endian */
    unsigned char data[FRAME_SIZE - sizeof(introduction) - sizeof(tf_fingerprint) - 2];
} frame;
_Static_assert(sizeof(frame) == FRAME_SIZE, "a frame is bytes only");

/** The first message inside TLS. */
typedef struct greeting {
    introduction introduction;
    tf_config_digest config;
} greeting;

/** A party and one peer. */
typedef struct pair {
    int peer;
    SSL *tls;
    frame in[ROUNDS], out[ROUNDS]; /**< for each round its own: a frame may stay queued for long */
    bool deaf;                     /**< nothing more is received from the peer */
    bool greeted;
    bool proved; /**< the peer is who it should be */
    tf_fingerprint expected;
    tf_status status; /**< why this peer is refused */
    char text[TF_LINK_TEXT];
} pair;

typedef struct handshake {
    tf_link *inner;
    const tf_secure_options *options;
    int party;
    pair pairs[2];
    bool told;          /**< the peers know of the failure */
    tf_failure failure; /**< of the whole; the first, of which the peers are told what they may know */
} handshake;

static introduction introduce(const handshake *h, int from, int to) {
    introduction i = {.from = (unsigned char)from, .to = (unsigned char)to, .pinned = h->options->fingerprints != NULL};
    memcpy(i.magic, MAGIC, sizeof i.magic);
    i.version[3] = TF_SECURE_VERSION;
    return i;
}

/** Keeps the current error as the reason to refuse a peer, and as the reason of the whole if it is the first. */
static void refuse(handshake *h, pair *p, tf_status status) {
    if (p->status == TF_OK) {
        p->status = status;
        snprintf(p->text, sizeof p->text, "%s", tf_error());
    }
    if (h->failure.status == TF_OK) tf_failure_keep(status, &h->failure);
}

/** The same for a peer that is silent or no party at all: nothing more is expected of it. */
static void lose(handshake *h, pair *p, tf_status status) {
    refuse(h, p, status);
    p->deaf = true;
}

/* TLS -------------------------------------------------------------------------------------------------------------- */

/** Any certificate will do at first: it is compared with its fingerprint when the peer has proved to hold its key. */
static int accept_for_now(X509_STORE_CTX *store, void *context) {
    return 1;
}

static tf_status make_context(const tf_identity *identity, SSL_CTX **out) {
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    bool good = context && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") == 1 &&
                SSL_CTX_set1_groups_list(context, "X25519") == 1 && SSL_CTX_set_num_tickets(context, 0) == 1 &&
                SSL_CTX_use_certificate(context, identity->certificate) == 1 &&
                SSL_CTX_use_PrivateKey(context, identity->key) == 1;
    if (!good) {
        ERR_clear_error();
        SSL_CTX_free(context);
        return tf_fail(TF_INVALID, "OpenSSL cannot use TLS 1.3 with this party's key and certificate");
    }
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(context, accept_for_now, NULL);
    *out = context;
    return TF_OK;
}

/** The party with the smaller number is TLS's client. */
static tf_status make_session(SSL_CTX *context, bool client, SSL **tls) {
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    *tls = in && out ? SSL_new(context) : NULL;
    if (!*tls) {
        BIO_free(in), BIO_free(out);
        return tf_fail(TF_NOMEM, "no memory for a TLS session");
    }
    SSL_set_bio(*tls, in, out);
    if (client)
        SSL_set_connect_state(*tls);
    else
        SSL_set_accept_state(*tls);
    return TF_OK;
}

static tf_status tls_error(const pair *p, const char *what) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return tf_fail_public(TF_PEER, "party %d: %s: %s", p->peer, what, reason ? reason : "the connection ended");
}

/** Gives TLS what the frame of a round has brought. */
static tf_status feed(pair *p, int round) {
    const frame *f = &p->in[round];
    int used = f->used[0] << 8 | f->used[1];
    if (used > (int)sizeof f->data) return tf_fail_public(TF_PEER, "party %d sent a frame that overflows", p->peer);
    if (used > 0 && BIO_write(SSL_get_rbio(p->tls), f->data, used) != used)
        return tf_fail(TF_NOMEM, "no memory for what party %d sent", p->peer);
    return TF_OK;
}

static tf_status write_message(pair *p, const void *data, size_t size) {
    size_t written;
    if (SSL_write_ex(p->tls, data, size, &written) == 1 && written == size) return TF_OK;
    return tls_error(p, "TLS cannot be written");
}

/** Reads a message of exactly this size, which must be there. */
static tf_status read_message(pair *p, void *data, size_t size) {
    size_t have = 0, got;
    while (have < size && SSL_read_ex(p->tls, (unsigned char *)data + have, size - have, &got) == 1) have += got;
    return have == size ? TF_OK : tls_error(p, "TLS handshake not finished");
}

/** Lets TLS go on as far as it can, and greets the peer as soon as the connection stands. */
static tf_status advance(const handshake *h, pair *p) {
    ERR_clear_error(); // what is left there from elsewhere would be taken for TLS's
    if (!SSL_is_init_finished(p->tls)) {
        int result = SSL_do_handshake(p->tls);
        if (result != 1 && SSL_get_error(p->tls, result) != SSL_ERROR_WANT_READ)
            return tls_error(p, "TLS handshake failed");
    }
    if (!SSL_is_init_finished(p->tls) || p->greeted) return TF_OK;
    p->greeted = true;
    greeting hello = {introduce(h, h->party, p->peer), h->options->config};
    return write_message(p, &hello, sizeof hello);
}

/** Puts what TLS has to say into the frame of a round. */
static tf_status fill_frame(const handshake *h, pair *p, int round) {
    frame *f = &p->out[round];
    f->introduction = introduce(h, h->party, p->peer);
    memcpy(f->fingerprint, h->options->identity->fingerprint.byte, sizeof f->fingerprint);
    int used = BIO_read(SSL_get_wbio(p->tls), f->data, sizeof f->data);
    if (used < 0) used = 0;
    f->used[0] = (unsigned char)(used >> 8);
    f->used[1] = (unsigned char)used;
    if (BIO_pending(SSL_get_wbio(p->tls)) == 0) return TF_OK;
    return tf_fail(TF_INVALID, "this party's certificate is too long: at most %zu bytes travel at once",
                   sizeof f->data);
}

/* Frames ----------------------------------------------------------------------------------------------------------- */

/** Reads what can be known of a peer before TLS, in the first frame and again in all others. */
static tf_status check_introduction(const handshake *h, const pair *p, const introduction *i) {
    const introduction wanted = introduce(h, p->peer, h->party);
    unsigned version = (unsigned)i->version[0] << 24 | (unsigned)i->version[1] << 16 | (unsigned)i->version[2] << 8 |
                       (unsigned)i->version[3];
    if (memcmp(i->magic, wanted.magic, sizeof i->magic))
        return tf_fail_public(TF_PEER, "party %d sent something that is no handshake of a secure link", p->peer);
    if (version != TF_SECURE_VERSION)
        return tf_fail_public(
            TF_MISMATCH,
            "party %d has version %u of the secure link, party %d has %u: start all three from the same "
            "version of trefoil",
            p->peer, version, h->party, (unsigned)TF_SECURE_VERSION);
    if (i->from != wanted.from || i->to != wanted.to)
        return tf_fail_public(TF_MISMATCH, "party %d says that it is party %u and speaks to party %u, not to party %d",
                              p->peer, i->from, i->to, h->party);
    if (i->pinned != wanted.pinned)
        return tf_fail_public(TF_MISMATCH,
                              "party %d knows the fingerprints of its peers beforehand, party %d does not: give "
                              "all three the same parties file",
                              wanted.pinned ? h->party : p->peer, wanted.pinned ? p->peer : h->party);
    return TF_OK;
}

/** Waits until the absolute time `end`. `*late` says that the peer is silent while the link itself still works. */
static tf_status wait_until(const handshake *h, tf_ticket ticket, double end, bool *late) {
    tf_link *inner = h->inner;
    double start = tf_clock();
    *late = false;
    for (;;) {
        bool done;
        TF_TRY(tf_link_test(inner, ticket, &done));
        if (done) return TF_OK;
        double now = tf_clock();
        *late = now >= end;
        if (*late)
            return tf_fail_public(TF_PEER, "party %d %s nothing of the handshake within %g s", ticket.peer,
                                  ticket.receive ? "sent" : "took", inner->deadline);
        inner->table->pause(inner, now - start, end - now);
    }
}

/**
 * Exchanges the frames of a round; only those of the last one must be taken by the peers before it ends. Fails only
 * when the inner link does; a silent peer is lost.
 */
static tf_status swap_frames(handshake *h, int round) {
    double end = tf_clock() + h->inner->deadline;
    tf_ticket sent[2], received[2];
    for (int k = 0; k < 2; k++) {
        pair *p = &h->pairs[k];
        if (!p->deaf) TF_TRY(tf_link_receive(h->inner, p->peer, &p->in[round], FRAME_SIZE, &received[k]));
        TF_TRY(tf_link_send(h->inner, p->peer, &p->out[round], FRAME_SIZE, &sent[k]));
    }
    for (int i = 0; i < (round == ROUNDS - 1 ? 4 : 2); i++) {
        pair *p = &h->pairs[i % 2];
        bool late;
        if (p->deaf) continue;
        tf_status status = wait_until(h, i < 2 ? received[i] : sent[i - 2], end, &late);
        if (status != TF_OK && !late) return status;
        if (status != TF_OK) lose(h, p, status);
    }
    return TF_OK;
}

/* The course of it ------------------------------------------------------------------------------------------------- */

/** Takes in what came in a round. A peer that is refused gets its frames all the same, to learn it in order. */
static void take_frame(handshake *h, pair *p, int round) {
    if (p->status != TF_OK) return;
    tf_status status = check_introduction(h, p, &p->in[round].introduction);
    if (status == TF_PEER) lose(h, p, status);
    if (status == TF_OK) status = feed(p, round);
    if (status != TF_OK) refuse(h, p, status);
    if (round == 0 && !h->options->fingerprints)
        memcpy(p->expected.byte, p->in[0].fingerprint, sizeof p->expected.byte);
}

/** Lets TLS speak, and puts what it says into the frame of a round. */
static void make_frame(handshake *h, pair *p, int round) {
    tf_status status = p->status == TF_OK ? advance(h, p) : TF_OK;
    if (status != TF_OK) refuse(h, p, status);
    status = fill_frame(h, p, round);
    if (status != TF_OK) refuse(h, p, status);
}

/** Decides whether the peer is who it should be and runs what it should. */
static tf_status judge(const handshake *h, pair *p) {
    greeting hello;
    TF_TRY(read_message(p, &hello, sizeof hello));
    const X509 *certificate = SSL_get0_peer_certificate(p->tls);
    tf_fingerprint shown;
    char text[2][TF_FINGERPRINT_TEXT];
    if (!certificate) return tf_fail_public(TF_PEER, "party %d showed no certificate", p->peer);
    TF_TRY(tf_certificate_fingerprint(certificate, &shown));
    if (memcmp(&shown, &p->expected, sizeof shown))
        return tf_fail_public(
            TF_PEER, "party %d refuses party %d: its certificate has the fingerprint %s, expected was %s", h->party,
            p->peer, tf_fingerprint_text(&shown, text[0]), tf_fingerprint_text(&p->expected, text[1]));
    TF_TRY(check_introduction(h, p, &hello.introduction));
    if (memcmp(&hello.config, &h->options->config, sizeof hello.config))
        return tf_fail_public(
            TF_MISMATCH,
            "parties %d and %d have different configurations: start all three with the same version of "
            "trefoil and the same parties file",
            h->party, p->peer);
    return TF_OK;
}

static void check_own_identity(handshake *h) {
    const tf_fingerprint *own = &h->options->identity->fingerprint;
    char text[2][TF_FINGERPRINT_TEXT];
    if (!h->options->fingerprints || !memcmp(own, &h->options->fingerprints[h->party], sizeof *own)) return;
    // The handshake goes on, so that the peers learn of it.
    tf_status status = tf_fail_public(
        TF_MISMATCH, "party %d was started with a certificate of fingerprint %s, but should have %s", h->party,
        tf_fingerprint_text(own, text[0]), tf_fingerprint_text(&h->options->fingerprints[h->party], text[1]));
    tf_failure_keep(status, &h->failure);
}

/** What the peers are told of the failure: as elsewhere, only what was made for them. */
static tf_notice notice_of(const handshake *h) {
    tf_notice notice = {.origin = (unsigned char)h->party};
    tf_status status = tf_failure_raise(&h->failure);
    snprintf(notice.text, sizeof notice.text, "%.*s", (int)sizeof notice.text - 1, tf_error_for_peers(status));
    return notice;
}

/** Every party tells both peers how it went for it, so that all end alike. */
static tf_status share_outcome(handshake *h) {
    tf_notice mine = {.origin = (unsigned char)h->party}, theirs;
    if (h->failure.status != TF_OK) mine = notice_of(h);
    for (int k = 0; k < 2; k++) {
        pair *p = &h->pairs[k];
        tf_status status = TF_OK;
        if (SSL_is_init_finished(p->tls)) status = write_message(p, &mine, sizeof mine);
        if (status == TF_OK) status = fill_frame(h, p, ROUNDS - 1);
        if (status != TF_OK) refuse(h, p, status);
    }
    bool failed = h->failure.status != TF_OK;
    TF_TRY(swap_frames(h, ROUNDS - 1));
    h->told = failed;
    for (int k = 0; k < 2; k++) {
        pair *p = &h->pairs[k];
        take_frame(h, p, ROUNDS - 1);
        if (p->status != TF_OK) continue;
        tf_status status = read_message(p, &theirs, sizeof theirs);
        if (status == TF_OK && theirs.text[0]) {
            status = tf_link_peer_failed(h->inner, p->peer, &theirs);
            h->told = true; // by the peer, which has told both
        }
        if (status != TF_OK) refuse(h, p, status);
    }
    return TF_OK;
}

static tf_status run(handshake *h) {
    for (int round = 0; round < ROUNDS - 1; round++) {
        for (int k = 0; k < 2; k++) make_frame(h, &h->pairs[k], round);
        TF_TRY(swap_frames(h, round));
        for (int k = 0; k < 2; k++) take_frame(h, &h->pairs[k], round);
    }
    for (int k = 0; k < 2; k++) {
        pair *p = &h->pairs[k];
        tf_status status = p->status == TF_OK ? judge(h, p) : TF_OK;
        if (status != TF_OK) refuse(h, p, status);
        p->proved = p->status == TF_OK;
    }
    TF_TRY(share_outcome(h));
    return tf_failure_raise(&h->failure);
}

/**
 * Says in the terms of this layer why the inner link has failed. A notice is only believed when it is sealed: then the
 * peer was done with the handshake before this party, and failed already.
 */
static tf_status inner_failure(handshake *h, tf_status status) {
    tf_link *inner = h->inner;
    int from = inner->received_from;
    tf_notice notice;
    for (int k = 0; k < 2 && inner->has_cause; k++)
        if (h->pairs[k].proved && h->pairs[k].peer == from &&
            tf_notice_open(h->pairs[k].tls, from, h->party, &inner->received, &notice) == TF_OK)
            return tf_link_peer_failed(inner, from, &notice);
    bool told = inner->has_cause;
    inner->has_cause = false; // what was not believed must not be passed on
    if (told)
        return tf_fail_public(TF_PEER, "party %d ended before the secure link was made: it says why itself", from);
    if (status == TF_MISMATCH) return tf_fail_in(status, "this is no handshake of a secure link (plaintext links?)");
    return status;
}

/**
 * Tells the peers that this party ends: sealed and with the reason where it is known who would read it, and otherwise
 * only that. A party whose outcome has gone out leaves it at that: a notice might arrive earlier and say less.
 */
static void announce(handshake *h) {
    tf_link *inner = h->inner;
    tf_notice plain = inner->has_cause ? inner->cause : notice_of(h), notices[TF_PARTIES] = {{0}};
    for (int k = 0; k < 2; k++) {
        const pair *p = &h->pairs[k];
        if (!p->proved || tf_notice_seal(p->tls, h->party, p->peer, &plain, &notices[p->peer]) != TF_OK)
            notices[p->peer] = (tf_notice){.origin = (unsigned char)h->party, .text = "no secure link could be made"};
    }
    inner->table->announce(inner, notices);
}

static tf_status begin(handshake *h) {
    SSL_CTX *context = NULL;
    TF_TRY(make_context(h->options->identity, &context));
    tf_status status = TF_OK;
    for (int k = 0; k < 2 && status == TF_OK; k++) {
        pair *p = &h->pairs[k];
        p->peer = k ? tf_previous(h->party) : tf_next(h->party);
        if (h->options->fingerprints) p->expected = h->options->fingerprints[p->peer];
        status = make_session(context, h->party < p->peer, &p->tls);
    }
    SSL_CTX_free(context); // the sessions keep it
    return status;
}

tf_status tf_handshake(tf_link *inner, const tf_secure_options *options, SSL *sessions[TF_PARTIES]) {
    handshake *h = calloc(1, sizeof *h);
    if (!h) {
        tf_link_announce_failure(inner, "no secure link could be made");
        tf_link_close(inner);
        return tf_fail(TF_NOMEM, "no memory for a handshake");
    }
    h->inner = inner;
    h->options = options;
    h->party = tf_link_party(inner);
    tf_status status = begin(h);
    if (status == TF_OK) {
        check_own_identity(h);
        status = run(h);
        if (inner->failure != TF_OK) status = inner_failure(h, status);
        if (h->failure.status != TF_OK) status = tf_failure_raise(&h->failure); // what was known before that
    }
    if (status != TF_OK) {
        tf_failure_keep(status, &h->failure);
        if (!h->told) announce(h);
        inner->failure = status; // so that closing does not wait for what is queued
        tf_link_close(inner);
        (void)tf_failure_raise(&h->failure);
    }
    for (int k = 0; k < 2; k++) {
        if (status == TF_OK)
            sessions[h->pairs[k].peer] = h->pairs[k].tls;
        else
            SSL_free(h->pairs[k].tls);
    }
    free(h);
    return status;
}
