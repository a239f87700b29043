/** SHA-256: what parties compare, what a file is known by. Nobody finds two inputs with one digest. */
#ifndef TF_DIGEST_H
#define TF_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

typedef struct tf_digest {
    uint8_t byte[32];
} tf_digest;

enum { TF_DIGEST_TEXT = 65 }; /**< 64 hexadecimal digits and a zero byte */

/** Returns the digest of `size` bytes. Should OpenSSL fail, it is a random one, which equals no other. */
tf_digest tf_digest_of(const void *data, size_t size);

/** Compares two digests, in the same time whatever they are. */
bool tf_digest_equal(const tf_digest *a, const tf_digest *b);

/** Writes a digest as hexadecimal digits. Returns `text`. */
char *tf_digest_text(const tf_digest *digest, char text[TF_DIGEST_TEXT]);

/** Reads what tf_digest_text wrote; false for anything else, NULL included. */
bool tf_digest_parse(const char *text, tf_digest *digest);

/** Draws a random digest: the name of a sharing or a session. */
TF_CHECKED tf_status tf_digest_random(tf_digest *digest);

/** A digest that is made piece by piece. */
typedef struct tf_hash {
    void *context; /**< of OpenSSL; NULL after a failure, which tf_hash_end reports */
    size_t held;   /**< bytes of the piece: a call of OpenSSL costs as much as some hundred of them */
    uint8_t piece[1024];
} tf_hash;

void tf_hash_begin(tf_hash *hash);
void tf_hash_add(tf_hash *hash, const void *data, size_t size);

/** Adds a text with the zero byte that ends it, so that two texts in a row cannot be taken for two others. */
void tf_hash_add_text(tf_hash *hash, const char *text);

/** Writes the digest of what was added, and frees the hash. TF_NOMEM when OpenSSL failed at any time since it began. */
TF_CHECKED tf_status tf_hash_end(tf_hash *hash, tf_digest *digest);

/** Frees a hash that nobody wants the digest of. */
void tf_hash_abandon(tf_hash *hash);

#endif
