/*
 * Records and failure notices of a secure link. The input is what the enemy does: bytes of its own, or a record that
 * the sender made, changed at places of the enemy's choice. Whatever opens must be what was sent.
 */
#include <string.h>

#include "net/link_internal.h"
#include "net/records.h"
#include "tests/fuzz/session.h"

enum { LARGEST = 600 };

/* Both ends of a channel, with their keys; the first record is over, so that no execution takes keys from TLS again. */
static void open_channels(SSL *session[2], tf_channel *sender, tf_channel *receiver) {
    unsigned char first[TF_RECORD_OVERHEAD];
    tf_record_place place = {0};
    fuzz_require(!tf_channel_open(sender, session[0], 0, 1, true), "no channel");
    fuzz_require(!tf_channel_open(receiver, session[1], 0, 1, false), "no channel");
    fuzz_require(!tf_record_seal(sender, place, "", 0, first), "a record was not sealed");
    fuzz_require(!tf_record_open(receiver, place, first, 0, first), "a record was not opened");
}

static void check_record(fuzz_bytes *input, SSL *session[2]) {
    static tf_channel sender, receiver;
    unsigned char plain[LARGEST], opened[LARGEST], record[LARGEST + TF_RECORD_OVERHEAD],
        made[LARGEST + TF_RECORD_OVERHEAD];
    uint8_t how = fuzz_byte(input);
    size_t size = (size_t)(fuzz_byte(input) << 8 | fuzz_byte(input)) % (LARGEST + 1);
    tf_record_place place = {.message = how >> 4, .length = size, .offset = 0};
    if (!sender.cipher) open_channels(session, &sender, &receiver);
    sender.records = receiver.records = 1;
    memset(plain, how, sizeof plain);
    fuzz_require(!tf_record_seal(&sender, place, plain, size, made), "a record was not sealed");
    memcpy(record, made, size + TF_RECORD_OVERHEAD);
    if (how & 1) fuzz_take(input, record, size + TF_RECORD_OVERHEAD);
    while (!(how & 1) && input->left >= 3) {
        size_t at = (size_t)(fuzz_byte(input) << 8 | fuzz_byte(input)) % (size + TF_RECORD_OVERHEAD);
        record[at] ^= fuzz_byte(input);
    }
    int same = !memcmp(record, made, size + TF_RECORD_OVERHEAD);
    if (how & 2) place.length++;
    if (how & 4) place.offset++, same = 0;
    if (how & 8) receiver.records++, same = 0; /* the receiver waits for another one */
    tf_status status = tf_record_open(&receiver, place, record, size, opened);
    if (same)
        fuzz_require(how & 2 ? status == TF_MISMATCH : !status && !memcmp(opened, plain, size),
                     "an authentic record was taken wrongly");
    else {
        fuzz_require(status == TF_FORMAT, "a forged record was opened");
        for (size_t i = 0; i < size; i++) fuzz_require(opened[i] == 0, "a forged record left bytes");
    }
}

static void check_notice(fuzz_bytes *input, SSL *session[2]) {
    tf_notice said = {.origin = 2, .text = "the reason"}, sealed, heard;
    fuzz_require(!tf_notice_seal(session[0], 0, 1, &said, &sealed), "a notice was not sealed");
    tf_notice forged = sealed;
    fuzz_take(input, &forged, sizeof forged);
    int same = !memcmp(forged.text, sealed.text, sizeof sealed.text);
    tf_status status = tf_notice_open(session[1], 0, 1, &forged, &heard);
    fuzz_require(same ? !status && !strcmp(heard.text, said.text) : status == TF_PEER, "a notice was taken wrongly");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static SSL *session[2];
    fuzz_bytes input = {data, size};
    if (!session[0]) fuzz_sessions(session);
    if (fuzz_byte(&input) & 1)
        check_notice(&input, session);
    else
        check_record(&input, session);
    return 0;
}
