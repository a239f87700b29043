#include "runtime/party/party.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "net/base/clock.h"
#include "net/base/secret.h"
#include "runtime/party/comparison_key.h"

enum { KEY_BYTES = TF_KEY_BYTES };

/** What a party sends when it opens a session: its nonce, and to party i - 1, over links without keys, key i. */
typedef struct opening {
    tf_digest nonce;
    unsigned char key[KEY_BYTES];
} opening;

/** Sends `out` to both others, out[0] to the previous party, and receives in[0] from it and in[1] from the next. */
static tf_status swap(tf_link *link, const void *const out[2], void *const in[2], const size_t sent[2],
                      const size_t received[2]) {
    int id = tf_link_party(link), peer[2] = {tf_previous(id), tf_next(id)};
    tf_ticket ticket[4];
    for (int k = 0; k < 2; k++) {
        TF_TRY(tf_link_send(link, peer[k], out[k], sent[k], &ticket[k]));
        TF_TRY(tf_link_receive(link, peer[k], in[k], received[k], &ticket[2 + k]));
    }
    for (int k = 0; k < 4; k++) TF_TRY(tf_link_wait(link, ticket[k]));
    return TF_OK;
}

/** Makes the digest that names the session, of all three nonces, and compares it with both others. */
static tf_status agree_on_session(tf_link *link, const tf_digest nonce[TF_PARTIES], tf_digest *session) {
    tf_digest other[2];
    tf_hash hash;
    tf_hash_begin(&hash);
    tf_hash_add_text(&hash, "trefoil session");
    tf_hash_add(&hash, nonce, TF_PARTIES * sizeof *nonce);
    TF_TRY(tf_hash_end(&hash, session));
    const size_t size[2] = {sizeof *session, sizeof *session};
    TF_TRY(swap(link, (const void *[]){session, session}, (void *[]){&other[0], &other[1]}, size, size));
    if (tf_digest_equal(session, &other[0]) && tf_digest_equal(session, &other[1])) return TF_OK;
    return tf_fail_public(TF_MISMATCH,
                          "the connections of the three parties do not belong to one session: start all three anew");
}

/** Key i, as party i made it or as the link between parties i and i - 1 gave it, tied to this session. */
static tf_status bind_key(unsigned char key[KEY_BYTES], const tf_digest *session) {
    tf_hash hash;
    tf_digest digest;
    tf_hash_begin(&hash);
    tf_hash_add_text(&hash, "trefoil key");
    tf_hash_add(&hash, session, sizeof *session);
    tf_hash_add(&hash, key, KEY_BYTES);
    tf_status status = tf_hash_end(&hash, &digest);
    if (!status) memcpy(key, digest.byte, KEY_BYTES);
    OPENSSL_cleanse(&digest, sizeof digest);
    return status;
}

/** Agrees on a session and its keys: key[0] is key `id`, key[1] is key `id + 1`. */
static tf_status make_keys(tf_link *link, const opening *own, opening *next, tf_digest *session,
                           unsigned char key[2][KEY_BYTES]) {
    const int id = tf_link_party(link);
    const bool exported = tf_link_exports_keys(link);
    const size_t with_key = exported ? sizeof(tf_digest) : sizeof(opening);
    tf_digest nonce[TF_PARTIES];
    nonce[id] = own->nonce;
    TF_TRY(swap(link, (const void *[]){own, &own->nonce}, (void *[]){&nonce[tf_previous(id)], next},
                (size_t[]){with_key, sizeof(tf_digest)}, (size_t[]){sizeof(tf_digest), with_key}));
    nonce[tf_next(id)] = next->nonce;
    TF_TRY(agree_on_session(link, nonce, session));
    memcpy(key[0], own->key, KEY_BYTES);
    memcpy(key[1], next->key, KEY_BYTES);
    if (exported) TF_TRY(tf_link_export_key(link, tf_previous(id), "PRF", key[0], KEY_BYTES));
    if (exported) TF_TRY(tf_link_export_key(link, tf_next(id), "PRF", key[1], KEY_BYTES));
    for (int i = 0; i < 2; i++) TF_TRY(bind_key(key[i], session));
    return TF_OK;
}

tf_status tf_party_open(tf_party *party, tf_link *link) {
    int id = tf_link_party(link);
    *party = (tf_party){.id = id, .link = link, .kernels = tf_kernels_get()};
    unsigned char key[2][KEY_BYTES];
    opening own, next;
    tf_status status = tf_digest_random(&own.nonce);
    if (!status && RAND_priv_bytes(own.key, KEY_BYTES) != 1)
        status = tf_fail_public(TF_INTERNAL, "no random numbers for the keys");
    if (!status) status = make_keys(link, &own, &next, &party->session, key);
    for (int i = 0; i < 2 && !status; i++) {
        party->prf[i] = tf_prf_new(key[i]);
        if (!party->prf[i]) status = tf_fail_public(TF_NOMEM, "no memory for the keys");
    }
    if (!status && !(party->hash = tf_comparison_hash())) status = tf_fail_public(TF_NOMEM, "no memory for a key");
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(&own, sizeof own);
    OPENSSL_cleanse(&next, sizeof next);
    if (status) tf_party_close(party);
    return status;
}

tf_status tf_party_coin(const tf_party *party, tf_prf **coin) {
    tf_hash hash;
    tf_digest key;
    tf_hash_begin(&hash);
    tf_hash_add_text(&hash, "trefoil coin");
    tf_hash_add(&hash, &party->session, sizeof party->session);
    TF_TRY(tf_hash_end(&hash, &key));
    *coin = tf_prf_new(key.byte);
    OPENSSL_cleanse(&key, sizeof key);
    return *coin ? TF_OK : tf_fail_public(TF_NOMEM, "no memory for a key");
}

void tf_buffer_release(tf_buffer *buffer) {
    tf_secret_free(buffer->data, buffer->capacity);
    *buffer = (tf_buffer){0};
}

tf_status tf_buffer_reserve(tf_buffer *buffer, uint64_t size) {
    if (size <= buffer->capacity) return TF_OK;
    tf_buffer_release(buffer);
    buffer->data = tf_secret_alloc(size);
    buffer->capacity = buffer->data ? size : 0;
    return buffer->data ? TF_OK : tf_fail(TF_NOMEM, "no memory for %llu bytes", (unsigned long long)size);
}

static void end_workers(tf_party *party) {
    tf_workers_close(party->workers);
    party->workers = NULL;
}

tf_status tf_party_set_threads(tf_party *party, int threads) {
    end_workers(party);
    return threads == 1 ? TF_OK : tf_workers_open(threads, &party->workers);
}

void tf_party_close(tf_party *party) {
    end_workers(party);
    tf_buffer_release(&party->arena);
    tf_buffer_release(&party->scratch);
    tf_buffer_release(&party->products);
    for (int i = 0; i < 2 && !party->abandoned; i++)
        for (int parity = 0; parity < 2; parity++)
            for (int p = 0; p < TF_PARTIES; p++) tf_buffer_release(&party->message[i][parity][p]);
    for (int i = 0; i < 2; i++) {
        tf_prf_free(party->prf[i]);
        party->prf[i] = NULL;
    }
    tf_prf_free(party->hash);
    party->hash = NULL;
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
