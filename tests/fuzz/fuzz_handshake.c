/*
 * The handshake of a secure link, against two peers who say what the input says: for each frame a byte of choices, then
 * where it asks for it an introduction, the length field, and the bytes that go to TLS. Or the frame is an honest
 * peer's, who has the right certificate, changed at places that the input names, before TLS has sealed it or after: so
 * that all stages of the handshake are reached.
 *
 * Peers must be accepted who are honest throughout, and only those whom TLS has proved to be. None may make this party
 * believe that the fault is its own, which would end it even with --serve.
 *
 * This party's key and OpenSSL's context, which take longer to make than all the rest, are the same in all executions:
 * the linker puts __wrap_SSL_CTX_new in the place of SSL_CTX_new. Honest peers have the same key.
 */
#include <openssl/ssl.h>
#include <string.h>

#include "net/handshake.h"
#include "net/identity.h"
#include "net/link_internal.h"
#include "tests/fuzz/fuzz.h"

enum { FRAME = 4096, INTRODUCTION = 16, FINGERPRINT = 32, ROOM = FRAME - INTRODUCTION - FINGERPRINT - 2 };
enum { GREETING = INTRODUCTION + 32, LAST_ROUND = 4 };
enum { OWN_INTRODUCTION = 1, OWN_FINGERPRINT = 2, NOTICE = 4, SILENCE = 8, HONEST = 16, CHANGED_INSIDE = 32 };

/* What this party's peers are and have said. */
typedef struct fuzz_peers {
    fuzz_bytes input;
    int party, pinned;
    SSL *tls[TF_PARTIES]; /* of a peer that has been honest */
    int round[TF_PARTIES], greeted[TF_PARTIES];
    int lies; /* frames that were not an honest peer's, and bytes that were changed */
} fuzz_peers;

typedef struct fuzz_link {
    tf_link base;
    fuzz_peers *peers; /* which outlive the link */
} fuzz_link;

static SSL_CTX *context;
static tf_identity *identity;

SSL_CTX *__real_SSL_CTX_new(const SSL_METHOD *method);
SSL_CTX *__wrap_SSL_CTX_new(const SSL_METHOD *method);

SSL_CTX *__wrap_SSL_CTX_new(const SSL_METHOD *method) {
    if (!context) context = __real_SSL_CTX_new(method);
    fuzz_require(context && SSL_CTX_up_ref(context) == 1, "no TLS");
    return context;
}

/* What the peers say ----------------------------------------------------------------------------------------------- */

static void introduce(const fuzz_peers *p, int peer, unsigned char *frame) {
    memcpy(frame, "trefoil", 8);
    frame[11] = TF_SECURE_VERSION;
    frame[12] = (unsigned char)peer;
    frame[13] = (unsigned char)p->party;
    frame[14] = (unsigned char)p->pinned;
}

static void make_lie(fuzz_peers *p, int peer, uint8_t choice, unsigned char *frame) {
    introduce(p, peer, frame);
    if (choice & OWN_INTRODUCTION) fuzz_take(&p->input, frame, INTRODUCTION);
    if (choice & OWN_FINGERPRINT) fuzz_take(&p->input, frame + INTRODUCTION, FINGERPRINT);
    unsigned char *used = frame + INTRODUCTION + FINGERPRINT;
    fuzz_take(&p->input, used, 2);
    size_t length = (size_t)used[0] << 8 | used[1];
    fuzz_take(&p->input, used + 2, length < ROOM ? length : ROOM);
    p->lies++;
}

/* Changes up to three bytes. */
static void change(fuzz_peers *p, unsigned char *data, size_t size) {
    for (int left = fuzz_byte(&p->input) & 3; left > 0; left--) {
        size_t high = fuzz_byte(&p->input), at = (high << 8 | fuzz_byte(&p->input)) % size;
        uint8_t by = fuzz_byte(&p->input);
        data[at] ^= by;
        p->lies += by != 0;
    }
}

static void say_inside(fuzz_peers *p, SSL *tls, unsigned char *message, size_t size, uint8_t choice) {
    if (choice & CHANGED_INSIDE) change(p, message, size);
    (void)SSL_write(tls, message, (int)size);
}

static SSL *open_tls(const fuzz_peers *p, int peer) {
    SSL *tls = SSL_new(context);
    fuzz_require(tls != NULL, "no TLS");
    SSL_set_bio(tls, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    peer < p->party ? SSL_set_connect_state(tls) : SSL_set_accept_state(tls);
    return tls;
}

static void make_honest_frame(fuzz_peers *p, int peer, uint8_t choice, unsigned char *frame) {
    unsigned char greeting[GREETING] = {0}, outcome[sizeof(tf_notice)] = {(unsigned char)peer};
    if (!p->tls[peer]) p->tls[peer] = open_tls(p, peer);
    SSL *tls = p->tls[peer];
    if (!SSL_is_init_finished(tls)) (void)SSL_do_handshake(tls);
    introduce(p, peer, greeting);
    if (SSL_is_init_finished(tls) && !p->greeted[peer]++) say_inside(p, tls, greeting, sizeof greeting, choice);
    if (SSL_is_init_finished(tls) && p->round[peer] == LAST_ROUND) say_inside(p, tls, outcome, sizeof outcome, choice);

    tf_fingerprint own = tf_identity_fingerprint(identity);
    introduce(p, peer, frame);
    memcpy(frame + INTRODUCTION, own.byte, FINGERPRINT);
    unsigned char *used = frame + INTRODUCTION + FINGERPRINT;
    int size = BIO_read(SSL_get_wbio(tls), used + 2, ROOM);
    if (size < 0) size = 0;
    used[0] = (unsigned char)(size >> 8);
    used[1] = (unsigned char)size;
    if (!(choice & CHANGED_INSIDE)) change(p, frame, INTRODUCTION + FINGERPRINT + 2 + (size_t)size);
}

static tf_status say(fuzz_link *self, int peer, const tf_transfer *transfer) {
    fuzz_peers *p = self->peers;
    uint8_t choice = fuzz_byte(&p->input);
    if (choice & (NOTICE | SILENCE)) p->lies++;
    if (choice & NOTICE) {
        tf_notice notice = {0};
        fuzz_take(&p->input, &notice, sizeof notice);
        return tf_link_peer_failed(&self->base, peer, &notice);
    }
    if (choice & SILENCE) return tf_fail(TF_PEER, "party %d is gone", peer);
    fuzz_require(transfer->length == FRAME, "a frame of another size");
    memset(transfer->data, 0, FRAME);
    choice &HONEST ? make_honest_frame(p, peer, choice, transfer->data) : make_lie(p, peer, choice, transfer->data);
    p->round[peer]++;
    return TF_OK;
}

/* The link --------------------------------------------------------------------------------------------------------- */

static tf_status fuzz_start(tf_link *link, int peer, bool receive) {
    fuzz_link *self = (fuzz_link *)link;
    const tf_transfer_queue *queue = &link->queues[receive][peer];
    const tf_transfer *last = tf_transfer_at(queue, queue->end - 1);
    SSL *tls = self->peers->tls[peer];
    if (receive) {
        TF_TRY(say(self, peer, last));
    } else if (tls) {
        const unsigned char *used = (const unsigned char *)last->data + INTRODUCTION + FINGERPRINT;
        BIO_write(SSL_get_rbio(tls), used + 2, used[0] << 8 | used[1]);
    }
    tf_link_moved(link, peer, receive, last->length);
    return TF_OK;
}

static tf_status fuzz_progress(tf_link *link) {
    return TF_OK;
}
static void fuzz_pause(tf_link *link, double idle, double longest) {}
static void fuzz_announce(tf_link *link, const tf_notice notices[TF_PARTIES]) {}
static void fuzz_close(tf_link *link) {}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const tf_link_table table = {.start = fuzz_start,
                                        .progress = fuzz_progress,
                                        .pause = fuzz_pause,
                                        .announce = fuzz_announce,
                                        .close = fuzz_close};
    if (!identity) fuzz_require(!tf_identity_make(&identity), "no identity");
    fuzz_peers peers = {.input = {data, size}};
    uint8_t how = fuzz_byte(&peers.input);
    peers.party = how % TF_PARTIES;
    peers.pinned = (how & 4) != 0;
    fuzz_link *link = calloc(1, sizeof *link);
    fuzz_require(link != NULL, "no memory");
    tf_link_init(&link->base, &table, peers.party);
    link->peers = &peers;
    const tf_fingerprint own = tf_identity_fingerprint(identity), known[TF_PARTIES] = {own, own, own};
    tf_secure_options options = {.identity = identity, .fingerprints = peers.pinned ? known : NULL};
    SSL *sessions[TF_PARTIES] = {NULL};
    tf_status status = tf_handshake(&link->base, &options, sessions);
    if (status == TF_OK) tf_link_close(&link->base);
    fuzz_require(peers.lies > 0 || status == TF_OK, "honest peers were refused");
    fuzz_require(status == TF_OK || status == TF_PEER || status == TF_MISMATCH, "peers can end a party that serves");
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        if (status == TF_OK && peer != peers.party)
            fuzz_require(peers.tls[peer] && SSL_is_init_finished(peers.tls[peer]), "a stranger was accepted");
        SSL_free(sessions[peer]);
        SSL_free(peers.tls[peer]);
    }
    return 0;
}
