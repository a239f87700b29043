/*
 * The handshake of a secure link, against two peers who say what the input says: for each frame a byte of choices, then
 * where it asks for it an introduction, the length field, and the bytes that go to TLS. No such peer may be accepted,
 * nor make this party believe that the fault is its own, which would end it even with --serve.
 *
 * This party's key and OpenSSL's context, which take longer to make than all the rest, are the same in all executions:
 * the linker puts __wrap_SSL_CTX_new in the place of SSL_CTX_new.
 */
#include <openssl/ssl.h>
#include <string.h>

#include "net/handshake.h"
#include "net/identity.h"
#include "net/link_internal.h"
#include "tests/fuzz/fuzz.h"

enum { FRAME = 4096, INTRODUCTION = 16, FINGERPRINT = 32 };
enum { OWN_INTRODUCTION = 1, OWN_FINGERPRINT = 2, NOTICE = 4, SILENCE = 8 };

typedef struct fuzz_link {
    tf_link base;
    fuzz_bytes *input;
    int pinned;
} fuzz_link;

static void make_frame(fuzz_link *self, int peer, uint8_t choice, unsigned char *frame) {
    memset(frame, 0, FRAME);
    memcpy(frame, "trefoil", 8);
    frame[11] = TF_SECURE_VERSION;
    frame[12] = (unsigned char)peer;
    frame[13] = (unsigned char)self->base.party;
    frame[14] = (unsigned char)self->pinned;
    if (choice & OWN_INTRODUCTION) fuzz_take(self->input, frame, INTRODUCTION);
    if (choice & OWN_FINGERPRINT) fuzz_take(self->input, frame + INTRODUCTION, FINGERPRINT);
    unsigned char *used = frame + INTRODUCTION + FINGERPRINT;
    fuzz_take(self->input, used, 2);
    size_t length = (size_t)used[0] << 8 | used[1], room = FRAME - INTRODUCTION - FINGERPRINT - 2;
    fuzz_take(self->input, used + 2, length < room ? length : room);
}

static tf_status fuzz_start(tf_link *link, int peer, bool receive) {
    fuzz_link *self = (fuzz_link *)link;
    const tf_transfer_queue *queue = &link->queues[receive][peer];
    const tf_transfer *last = tf_transfer_at(queue, queue->end - 1);
    if (receive) {
        uint8_t choice = fuzz_byte(self->input);
        if (choice & NOTICE) {
            tf_notice notice = {0};
            fuzz_take(self->input, &notice, sizeof notice);
            return tf_link_peer_failed(link, peer, &notice);
        }
        if (choice & SILENCE) return tf_fail(TF_PEER, "party %d is gone", peer);
        fuzz_require(last->length == FRAME, "a frame of another size");
        make_frame(self, peer, choice, last->data);
    }
    tf_link_moved(link, peer, receive, last->length);
    return TF_OK;
}

SSL_CTX *__real_SSL_CTX_new(const SSL_METHOD *method);
SSL_CTX *__wrap_SSL_CTX_new(const SSL_METHOD *method);

SSL_CTX *__wrap_SSL_CTX_new(const SSL_METHOD *method) {
    static SSL_CTX *context;
    if (!context) context = __real_SSL_CTX_new(method);
    fuzz_require(context && SSL_CTX_up_ref(context) == 1, "no TLS");
    return context;
}

static tf_status fuzz_progress(tf_link *link) {
    return TF_OK;
}
static void fuzz_pause(tf_link *link, double idle, double longest) {}
static void fuzz_announce(tf_link *link, const tf_notice notices[TF_PARTIES]) {}
static void fuzz_close(tf_link *link) {}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const tf_link_table table = {fuzz_start, fuzz_progress, fuzz_pause, fuzz_announce, fuzz_close, NULL, NULL};
    static tf_identity *identity;
    if (!identity) fuzz_require(!tf_identity_make(&identity), "no identity");
    fuzz_bytes input = {data, size};
    uint8_t how = fuzz_byte(&input);
    tf_fingerprint known[TF_PARTIES] = {{{0}}};
    fuzz_link *self = calloc(1, sizeof *self);
    fuzz_require(self != NULL, "no memory");
    tf_link_init(&self->base, &table, how % TF_PARTIES);
    self->input = &input;
    self->pinned = (how & 4) != 0;
    known[how % TF_PARTIES] = tf_identity_fingerprint(identity);
    tf_secure_options options = {.identity = identity, .fingerprints = self->pinned ? known : NULL};
    SSL *sessions[TF_PARTIES] = {NULL};
    tf_status status = tf_handshake(&self->base, &options, sessions);
    fuzz_require(status != TF_OK, "a handshake with nobody has succeeded");
    fuzz_require(status == TF_PEER || status == TF_MISMATCH, "strangers can end a party that serves");
    return 0;
}
