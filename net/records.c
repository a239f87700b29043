#include "net/records.h"

#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "net/base/gcm.h"
#include "net/link_internal.h"
#include "net/link_secure.h"

enum { KEY_SIZE = TF_GCM_KEY, NONCE_SIZE = TF_GCM_NONCE };

/** 2^20 records of at most 2^17 bytes keep AES-GCM far from where it would show through (RFC 8446, 5.5). */
static const uint64_t RECORDS_PER_KEY = 1 << 20;

static void put64(unsigned char *at, uint64_t value) {
    for (int i = 0; i < 8; i++) at[i] = (unsigned char)(value >> (56 - 8 * i));
}

static uint64_t get64(const unsigned char *at) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value = value << 8 | at[i];
    return value;
}

/* Keys ------------------------------------------------------------------------------------------------------------- */

tf_status tf_session_key(SSL *session, const char *use, int sender, int receiver, uint64_t number, void *key,
                         size_t size) {
    char label[80];
    unsigned char context[11] = {TF_SECURE_VERSION, (unsigned char)sender, (unsigned char)receiver};
    put64(context + 3, number);
    int length = snprintf(label, sizeof label, "EXPERIMENTAL trefoil %s", use); // RFC 5705, 4
    if (length < 0 || (size_t)length >= sizeof label)
        return tf_fail_public(TF_INTERNAL, "the key label '%s' is too long", use);
    if (SSL_export_keying_material(session, key, size, label, (size_t)length, context, sizeof context, 1) == 1)
        return TF_OK;
    return tf_fail_public(TF_INTERNAL, "OpenSSL could not export a key");
}

/** Gives the cipher a key; the nonce comes with each record. */
static tf_status set_key(tf_gcm *cipher, SSL *session, const char *use, int sender, int receiver, uint64_t number) {
    unsigned char key[KEY_SIZE];
    TF_TRY(tf_session_key(session, use, sender, receiver, number, key, sizeof key));
    bool good = tf_gcm_set_key(cipher, key);
    OPENSSL_cleanse(key, sizeof key);
    return good ? TF_OK : tf_fail_public(TF_INTERNAL, "AES-128-GCM is not available from OpenSSL");
}

tf_status tf_channel_open(tf_channel *channel, SSL *session, int sender, int receiver, bool seals) {
    *channel = (tf_channel){.session = session,
                            .sender = sender,
                            .receiver = receiver,
                            .seals = seals,
                            .cipher = tf_gcm_new(seals),
                            .records_per_key = RECORDS_PER_KEY};
    return channel->cipher ? TF_OK : tf_fail(TF_NOMEM, "no memory for a cipher");
}

void tf_channel_close(tf_channel *channel) {
    tf_gcm_free(channel->cipher);
    channel->cipher = NULL;
}

/* Encryption ------------------------------------------------------------------------------------------------------- */

/** The nonce and the additional data of the channel's next record; a fresh key first where one is due. */
static tf_status next_record(tf_channel *channel, tf_record_place place, unsigned char nonce[NONCE_SIZE],
                             unsigned char extra[24]) {
    uint64_t number = channel->records % channel->records_per_key;
    if (number == 0)
        TF_TRY(set_key(channel->cipher, channel->session, "records", channel->sender, channel->receiver,
                       channel->records / channel->records_per_key));
    channel->records++;
    memset(nonce, 0, NONCE_SIZE - 8);
    put64(nonce + NONCE_SIZE - 8, number);
    put64(extra, place.message);
    put64(extra + 8, place.length);
    put64(extra + 16, place.offset);
    return TF_OK;
}

tf_status tf_record_seal(tf_channel *channel, tf_record_place place, const void *plain, size_t size,
                         unsigned char *record) {
    unsigned char nonce[NONCE_SIZE], extra[24];
    if (size > TF_GCM_LARGEST) return tf_fail_public(TF_INTERNAL, "a record of %zu bytes is too large", size);
    TF_TRY(next_record(channel, place, nonce, extra));
    put64(record, place.length);
    unsigned char *text = record + TF_RECORD_HEADER;
    if (tf_gcm_seal(channel->cipher, nonce, (tf_gcm_extra){extra, sizeof extra}, plain, size, text, text + size))
        return TF_OK;
    OPENSSL_cleanse(text, size);
    return tf_fail_public(TF_INTERNAL, "AES-128-GCM failed: nothing unencrypted was sent");
}

tf_status tf_record_open(tf_channel *channel, tf_record_place place, const unsigned char *record, size_t size,
                         void *plain) {
    unsigned char nonce[NONCE_SIZE], extra[24];
    if (size > TF_GCM_LARGEST) return tf_fail_public(TF_INTERNAL, "a record of %zu bytes is too large", size);
    uint64_t expected = place.length;
    place.length = get64(record); // authentic or the record does not open
    TF_TRY(next_record(channel, place, nonce, extra));
    const unsigned char *text = record + TF_RECORD_HEADER;
    if (!tf_gcm_open(channel->cipher, nonce, (tf_gcm_extra){extra, sizeof extra}, text, size, plain, text + size)) {
        OPENSSL_cleanse(plain, size);
        return tf_fail(TF_FORMAT,
                       "record %llu from party %d is not authentic: it was changed, replaced, repeated, moved or left "
                       "out on its way",
                       (unsigned long long)(channel->records - 1), channel->sender);
    }
    if (place.length == expected) return TF_OK;
    return tf_fail_public(TF_MISMATCH, "party %d sent %llu bytes where party %d expected %llu", channel->sender,
                          (unsigned long long)place.length, channel->receiver, (unsigned long long)expected);
}

/* Notices ---------------------------------------------------------------------------------------------------------- */

/** A sealed notice: tag, then the origin and as much of the text as there is room for, encrypted. */
enum { NOTICE_TEXT = sizeof((tf_notice *)0)->text - TF_RECORD_TAG };

static tf_status crypt_notice(SSL *session, int sender, int receiver, bool seals, const unsigned char *in,
                              unsigned char *out, unsigned char *tag) {
    const unsigned char nonce[NONCE_SIZE] = {0}; // the key is for this one notice
    const tf_gcm_extra none = {0};
    tf_gcm *cipher = tf_gcm_new(seals);
    if (!cipher) return tf_fail(TF_NOMEM, "no memory for a cipher");
    tf_status status = set_key(cipher, session, "notice", sender, receiver, 0);
    if (status == TF_OK && !(seals ? tf_gcm_seal(cipher, nonce, none, in, NOTICE_TEXT, out, tag)
                                   : tf_gcm_open(cipher, nonce, none, in, NOTICE_TEXT, out, tag)))
        status =
            tf_fail_public(TF_PEER,
                           "a notice that party %d has failed is not authentic: it was made or changed on the way, and "
                           "what it says is not shown",
                           sender);
    tf_gcm_free(cipher);
    return status;
}

tf_status tf_notice_seal(SSL *session, int sender, int receiver, const tf_notice *plain, tf_notice *sealed) {
    unsigned char text[NOTICE_TEXT], *out = (unsigned char *)sealed->text;
    text[0] = plain->origin;
    memcpy(text + 1, plain->text, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    sealed->origin = (unsigned char)sender;
    return crypt_notice(session, sender, receiver, true, text, out + TF_RECORD_TAG, out);
}

tf_status tf_notice_open(SSL *session, int sender, int receiver, const tf_notice *sealed, tf_notice *plain) {
    unsigned char text[NOTICE_TEXT], tag[TF_RECORD_TAG];
    memcpy(tag, sealed->text, sizeof tag);
    TF_TRY(
        crypt_notice(session, sender, receiver, false, (const unsigned char *)sealed->text + TF_RECORD_TAG, text, tag));
    *plain = (tf_notice){.origin = text[0]};
    memcpy(plain->text, text + 1, sizeof text - 1);
    return TF_OK;
}
