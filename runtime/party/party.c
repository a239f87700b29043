#include "runtime/party/party.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/clock.h"
#include "net/base/secret.h"

enum { KEY_BYTES = TF_KEY_BYTES };

/** Key i is made by party i, which sends it to party i - 1. */
static tf_status exchange_keys(tf_link *link, unsigned char key[2][KEY_BYTES]) {
    int id = tf_link_party(link), next = tf_next(id), previous = tf_previous(id);
    tf_ticket sent, received;
    if (RAND_priv_bytes(key[0], KEY_BYTES) != 1) return tf_fail(TF_INTERNAL, "no random numbers for the keys");
    TF_TRY(tf_link_send(link, previous, key[0], KEY_BYTES, &sent));
    TF_TRY(tf_link_receive(link, next, key[1], KEY_BYTES, &received));
    TF_TRY(tf_link_wait(link, received));
    return tf_link_wait(link, sent);
}

/** Key i comes from the link between parties i and i - 1. */
static tf_status export_keys(tf_link *link, unsigned char key[2][KEY_BYTES]) {
    int id = tf_link_party(link), next = tf_next(id), previous = tf_previous(id);
    TF_TRY(tf_link_export_key(link, previous, "PRF", key[0], KEY_BYTES));
    return tf_link_export_key(link, next, "PRF", key[1], KEY_BYTES);
}

tf_status tf_party_open(tf_party *party, tf_link *link) {
    int id = tf_link_party(link);
    *party = (tf_party){.id = id, .link = link, .kernels = tf_kernels_get()};
    unsigned char key[2][KEY_BYTES];
    tf_status status = tf_link_exports_keys(link) ? export_keys(link, key) : exchange_keys(link, key);
    for (int i = 0; i < 2 && !status; i++) {
        party->prf[i] = tf_prf_new(key[i]);
        if (!party->prf[i]) status = tf_fail(TF_INTERNAL, "AES-128-CTR is not available from OpenSSL");
    }
    OPENSSL_cleanse(key, sizeof key);
    if (status) tf_party_close(party);
    return status;
}

static void release(tf_buffer *buffer) {
    tf_secret_free(buffer->data, buffer->capacity);
    *buffer = (tf_buffer){0};
}

tf_status tf_buffer_reserve(tf_buffer *buffer, uint64_t size) {
    if (size <= buffer->capacity) return TF_OK;
    release(buffer);
    buffer->data = tf_secret_alloc(size);
    buffer->capacity = buffer->data ? size : 0;
    return buffer->data ? TF_OK : tf_fail(TF_NOMEM, "no memory for %llu bytes", (unsigned long long)size);
}

static void end_workers(tf_party *party) {
    for (int k = 0; k < tf_workers_count(party->workers) && party->own; k++)
        for (int i = 0; i < 2; i++) EVP_CIPHER_CTX_free(party->own[k][i]);
    free(party->own);
    party->own = NULL;
    tf_workers_close(party->workers);
    party->workers = NULL;
}

tf_status tf_party_set_threads(tf_party *party, int threads) {
    end_workers(party);
    if (threads == 1) return TF_OK;
    TF_TRY(tf_workers_open(threads, &party->workers));
    party->own = calloc((size_t)threads, sizeof *party->own);
    bool made = party->own;
    for (int k = 0; k < threads && made; k++)
        for (int i = 0; i < 2 && made; i++) {
            party->own[k][i] = EVP_CIPHER_CTX_new();
            made = party->own[k][i] && EVP_CIPHER_CTX_copy(party->own[k][i], party->prf[i]) == 1;
        }
    if (!made) end_workers(party);
    return made ? TF_OK : tf_fail(TF_NOMEM, "no memory for the keys of %d threads", threads);
}

void tf_party_close(tf_party *party) {
    end_workers(party);
    release(&party->arena);
    release(&party->scratch);
    for (int i = 0; i < 2 && !party->abandoned; i++)
        for (int parity = 0; parity < 2; parity++)
            for (int p = 0; p < TF_PARTIES; p++) release(&party->message[i][parity][p]);
    for (int i = 0; i < 2; i++) {
        EVP_CIPHER_CTX_free(party->prf[i]);
        party->prf[i] = NULL;
    }
}

tf_status tf_party_next_run(tf_party *party) {
    if (party->run == UINT32_MAX) return tf_fail(TF_INVALID, "the session's stream addresses are used up; start anew");
    party->run++;
    return TF_OK;
}

void tf_stream(tf_party *party, int which, uint32_t node, unsigned purpose, uint64_t offset, uint64_t *out,
               size_t words) {
    double start = party->profile ? tf_clock() : 0;
    if (!tf_prf_words(party->prf[which], (uint64_t)party->run << 32 | node, purpose, offset, out, words))
        party->broken = true;
    if (party->profile) tf_thread_meter.prf += tf_clock() - start;
}
