#include "net/tcp_hello.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/socket.h>

#include "net/base/digest.h"
#include "net/identity_internal.h"

static const char MAGIC[8] = {'t', 'r', 'e', 'f', 'o', 'i', 'l', '\n'};

const char *tf_verdict_text(unsigned verdict) {
    static const char *const text[TF_VERDICTS] = {"",
                                                  "it has another version of the protocol",
                                                  "it is another party",
                                                  "it runs with another parties file",
                                                  "it is connected already",
                                                  "the caller did not prove to hold the certificate whose fingerprint "
                                                  "the parties file has"};
    return verdict < TF_VERDICTS ? text[verdict] : "it says no more";
}

tf_hello tf_hello_make(const tf_tcp_options *options, int to, int channel, tf_verdict verdict) {
    tf_hello h = {.version = TF_HELLO_VERSION,
                  .from = (unsigned char)options->party,
                  .to = (unsigned char)to,
                  .channel = (unsigned char)channel,
                  .verdict = (unsigned char)verdict};
    memcpy(h.magic, MAGIC, sizeof h.magic);
    memcpy(h.run, options->run, sizeof h.run);
    return h;
}

tf_verdict tf_hello_judge(const tf_tcp_options *options, const tf_hello *h) {
    if (h->version != TF_HELLO_VERSION) return TF_OTHER_VERSION;
    if (h->to != options->party || h->from <= options->party || h->from >= TF_PARTIES || h->channel >= TF_TCP_CHANNELS)
        return TF_OTHER_PARTY;
    return memcmp(h->run, options->run, sizeof h->run) == 0 ? TF_WELCOME : TF_OTHER_RUN;
}

bool tf_hello_hear(int socket, void *data, size_t size, size_t *heard) {
    while (*heard < size) {
        ssize_t got = recv(socket, (char *)data + *heard, size - *heard, 0);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return true;
        if (got <= 0) return false;
        *heard += (size_t)got;
        if (memcmp(data, MAGIC, *heard < sizeof MAGIC ? *heard : sizeof MAGIC) != 0) return false;
    }
    return true;
}

/* The proof: the caller's X25519 key, and sealed with a tag: two lengths of two bytes, the certificate in DER form, the
   signature, zeros ---------------------------------------------------------------------------------------------------
 */

enum { KEY = 32, TAG = 16, LENGTHS = 4, SEALED = TF_HELLO_PROOF - KEY - TAG, LARGEST = SEALED - LENGTHS };

/** What is signed. */
typedef struct statement {
    char purpose[16];
    tf_challenge challenge, reply;
    unsigned char from, to, channel, zero;
    unsigned char run[TF_TCP_RUN];
} statement;

static statement state(const tf_hello *caller, const tf_challenge *challenge, const unsigned char reply[KEY]) {
    statement s = {.purpose = "trefoil meeting",
                   .challenge = *challenge,
                   .from = caller->from,
                   .to = caller->to,
                   .channel = caller->channel};
    memcpy(s.reply.byte, reply, KEY);
    memcpy(s.run, caller->run, sizeof s.run);
    return s;
}

/** The digest that a kind of key signs: those of Edwards curves bring their own. */
static const EVP_MD *digest_for(const EVP_PKEY *key) {
    return EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448") ? NULL : EVP_sha256();
}

static bool public_half(const EVP_PKEY *secret, unsigned char key[KEY]) {
    size_t size = KEY;
    return secret && EVP_PKEY_get_raw_public_key(secret, key, &size) == 1 && size == KEY;
}

EVP_PKEY *tf_challenge_make(tf_challenge *challenge) {
    EVP_PKEY *secret = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    if (public_half(secret, challenge->byte)) return secret;
    EVP_PKEY_free(secret);
    return NULL;
}

/** The key that a proof is sealed under: the digest of the statement and of what both halves give. */
static bool agree(EVP_PKEY *secret, const unsigned char other[KEY], const statement *s, tf_digest *key) {
    unsigned char shared[KEY];
    size_t size = sizeof shared;
    EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, other, KEY);
    EVP_PKEY_CTX *context = peer ? EVP_PKEY_CTX_new(secret, NULL) : NULL;
    bool good = context && EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer) == 1 &&
                EVP_PKEY_derive(context, shared, &size) == 1;
    tf_hash hash;
    tf_hash_begin(&hash);
    tf_hash_add(&hash, s, sizeof *s);
    tf_hash_add(&hash, shared, sizeof shared);
    good = tf_hash_end(&hash, key) == TF_OK && good;
    OPENSSL_cleanse(shared, sizeof shared);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(peer);
    return good;
}

/** Seals or opens with AES-128-GCM; each key is used once. */
static bool crypt(const tf_digest *key, bool seal, const unsigned char *in, unsigned char *out, unsigned char *tag) {
    static const unsigned char nonce[12];
    int moved, ended;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool good = c && EVP_CipherInit_ex(c, EVP_aes_128_gcm(), NULL, key->byte, nonce, seal) == 1 &&
                (seal || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1) &&
                EVP_CipherUpdate(c, out, &moved, in, SEALED) == 1 && EVP_CipherFinal_ex(c, out + moved, &ended) == 1 &&
                (!seal || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, tag) == 1);
    EVP_CIPHER_CTX_free(c);
    return good;
}

static bool sign(const tf_identity *identity, const statement *s, unsigned char plain[SEALED]) {
    unsigned char *at = plain + LENGTHS;
    int length = i2d_X509(identity->certificate, NULL);
    if (length < 0 || length > LARGEST) return false;
    (void)i2d_X509(identity->certificate, &at);
    size_t left = (size_t)(LARGEST - length);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestSignInit(context, NULL, digest_for(identity->key), NULL, identity->key) == 1 &&
                EVP_DigestSign(context, at, &left, (const unsigned char *)s, sizeof *s) == 1;
    EVP_MD_CTX_free(context);
    const unsigned lengths[2] = {(unsigned)length, (unsigned)left};
    for (int i = 0; i < LENGTHS; i++) plain[i] = (unsigned char)(lengths[i / 2] >> (i % 2 ? 0 : 8));
    return good;
}

tf_status tf_hello_prove(const tf_identity *identity, const tf_hello *caller, const tf_challenge *challenge,
                         unsigned char proof[TF_HELLO_PROOF]) {
    unsigned char plain[SEALED] = {0};
    tf_challenge own;
    tf_digest key;
    EVP_PKEY *secret = tf_challenge_make(&own);
    bool good = secret;
    if (good) memcpy(proof, own.byte, KEY);
    statement s = state(caller, challenge, proof);
    good = good && sign(identity, &s, plain) && agree(secret, challenge->byte, &s, &key) &&
           crypt(&key, true, plain, proof + KEY, proof + KEY + SEALED);
    OPENSSL_cleanse(&key, sizeof key);
    EVP_PKEY_free(secret);
    return good ? TF_OK
                : tf_fail(TF_INVALID, "this party's key and certificate could not make a proof of %d bytes",
                          TF_HELLO_PROOF);
}

/** Checks certificate and signature; no certificate but the one expected is ever parsed. */
static bool verify(const tf_fingerprint *expected, const statement *s, const unsigned char plain[SEALED]) {
    size_t length = (size_t)plain[0] << 8 | plain[1], signature = (size_t)plain[2] << 8 | plain[3];
    const unsigned char *der = plain + LENGTHS, *end = der + length;
    tf_fingerprint found;
    if (length > LARGEST || signature > LARGEST - length) return false;
    if (EVP_Digest(der, length, found.byte, NULL, EVP_sha256(), NULL) != 1 ||
        CRYPTO_memcmp(found.byte, expected->byte, sizeof found.byte) != 0)
        return false;
    X509 *certificate = d2i_X509(NULL, &der, (long)length);
    EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
    EVP_MD_CTX *context = key ? EVP_MD_CTX_new() : NULL;
    bool good = context && EVP_DigestVerifyInit(context, NULL, digest_for(key), NULL, key) == 1 &&
                EVP_DigestVerify(context, end, signature, (const unsigned char *)s, sizeof *s) == 1;
    EVP_MD_CTX_free(context);
    X509_free(certificate);
    return good;
}

bool tf_hello_proved(const tf_fingerprint *expected, const tf_hello *caller, EVP_PKEY *secret,
                     const unsigned char proof[TF_HELLO_PROOF]) {
    unsigned char plain[SEALED], tag[TAG];
    tf_challenge challenge;
    tf_digest key;
    if (!public_half(secret, challenge.byte)) return false;
    statement s = state(caller, &challenge, proof);
    memcpy(tag, proof + KEY + SEALED, TAG);
    bool good =
        agree(secret, proof, &s, &key) && crypt(&key, false, proof + KEY, plain, tag) && verify(expected, &s, plain);
    OPENSSL_cleanse(&key, sizeof key);
    return good;
}
