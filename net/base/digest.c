#include "net/base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "net/base/hex.h"

tf_digest tf_digest_of(const void *data, size_t size) {
    tf_digest digest = {{0}};
    tf_hash hash;
    tf_hash_begin(&hash);
    tf_hash_add(&hash, data, size);
    if (tf_hash_end(&hash, &digest) != TF_OK) (void)!RAND_bytes(digest.byte, sizeof digest.byte);
    return digest;
}

bool tf_digest_equal(const tf_digest *a, const tf_digest *b) {
    return CRYPTO_memcmp(a->byte, b->byte, sizeof a->byte) == 0;
}

char *tf_digest_text(const tf_digest *digest, char text[TF_DIGEST_TEXT]) {
    return tf_hex_write(digest->byte, sizeof digest->byte, text);
}

bool tf_digest_parse(const char *text, tf_digest *digest) {
    const char *end = text ? tf_hex_read(text, digest->byte, sizeof digest->byte) : NULL;
    return end && !*end;
}

tf_status tf_digest_random(tf_digest *digest) {
    return RAND_bytes(digest->byte, sizeof digest->byte) == 1 ? TF_OK : tf_fail(TF_INTERNAL, "no random numbers");
}

void tf_hash_begin(tf_hash *hash) {
    hash->held = 0;
    hash->context = EVP_MD_CTX_new();
    if (hash->context && EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1) tf_hash_abandon(hash);
}

static void give(tf_hash *hash, const void *data, size_t size) {
    if (hash->context && size && EVP_DigestUpdate(hash->context, data, size) != 1) tf_hash_abandon(hash);
}

void tf_hash_add(tf_hash *hash, const void *data, size_t size) {
    if (size > sizeof hash->piece - hash->held) {
        give(hash, hash->piece, hash->held);
        hash->held = 0;
    }
    if (size > sizeof hash->piece) {
        give(hash, data, size);
    } else if (size) {
        memcpy(hash->piece + hash->held, data, size);
        hash->held += size;
    }
}

void tf_hash_add_text(tf_hash *hash, const char *text) {
    tf_hash_add(hash, text, strlen(text) + 1);
}

tf_status tf_hash_end(tf_hash *hash, tf_digest *digest) {
    give(hash, hash->piece, hash->held);
    bool good = hash->context && EVP_DigestFinal_ex(hash->context, digest->byte, NULL) == 1;
    tf_hash_abandon(hash);
    return good ? TF_OK : tf_fail(TF_NOMEM, "OpenSSL could not make a SHA-256 digest");
}

void tf_hash_abandon(tf_hash *hash) {
    EVP_MD_CTX_free(hash->context);
    hash->context = NULL;
    explicit_bzero(hash->piece, sizeof hash->piece); /* keys are derived so, too */
}
