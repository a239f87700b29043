/** What the handshake of the secure link refuses, and that all three parties learn why. */
#include "tests/support/enemy.h"
#include "tests/support/secure_rig.h"

TestSuite(handshake, .init = rig_identities, .fini = rig_free_identities);

enum { FRAME = 4096, VERSION_AT = 11, FROM_AT = 12, USED_AT = 48 };

static const char *exchange(tf_link *link) {
    unsigned char out = 1, in[TF_PARTIES];
    tf_ticket sent, received;
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        if (peer == tf_link_party(link)) continue;
        EXPECT(tf_link_send(link, peer, &out, 1, &sent) == TF_OK);
        EXPECT(tf_link_receive(link, peer, &in[peer], 1, &received) == TF_OK);
        EXPECT(tf_link_wait(link, received) == TF_OK);
        EXPECT(tf_link_wait(link, sent) == TF_OK);
    }
    return NULL;
}

/** Every party fails with a status other than TF_OK and says all of `text`. */
static void expect_all_refuse(secure_party parties[TF_PARTIES], const char *text) {
    rig_join(parties);
    for (int i = 0; i < TF_PARTIES; i++) {
        cr_expect_neq(parties[i].status, TF_OK, "party %d", i);
        cr_expect(strstr(parties[i].error, text), "party %d says: %s", i, parties[i].error);
    }
}

Test(handshake, wrong_fingerprint) {
    for (int refusing = 0; refusing < TF_PARTIES; refusing++) {
        secure_party parties[TF_PARTIES];
        tf_fingerprint other[TF_PARTIES];
        memcpy(other, rig_fingerprint, sizeof other);
        other[tf_next(refusing)].byte[31] ^= 1;
        rig_parties(parties, exchange);
        parties[refusing].options.fingerprints = other;
        char text[200], shown[TF_FINGERPRINT_TEXT];
        snprintf(text, sizeof text, "party %d refuses party %d: its certificate has the fingerprint %s, expected was ",
                 refusing, tf_next(refusing), tf_fingerprint_text(&rig_fingerprint[tf_next(refusing)], shown));
        expect_all_refuse(parties, text);
    }
}

Test(handshake, impostor) {
    secure_party parties[TF_PARTIES];
    tf_identity *other;
    tf_fingerprint claimed[TF_PARTIES];
    cr_assert_eq(tf_identity_make(&other), TF_OK);
    memcpy(claimed, rig_fingerprint, sizeof claimed);
    claimed[1] = tf_identity_fingerprint(other);
    rig_parties(parties, exchange);
    parties[1].options = (tf_secure_options){.identity = other, .fingerprints = claimed};
    rig_join(parties);
    cr_expect(strstr(parties[0].error, "party 0 refuses party 1: "), "%s", parties[0].error);
    cr_expect(strstr(parties[2].error, "party 2 refuses party 1: "), "%s", parties[2].error);
    cr_expect_eq(parties[1].status, TF_PEER);
    tf_identity_free(other);
}

Test(handshake, identity_of_another_party) {
    secure_party parties[TF_PARTIES];
    rig_parties(parties, exchange);
    parties[1].options.identity = rig_identity[2];
    rig_join(parties);
    cr_expect(strstr(parties[1].error, "party 1 was started with a certificate of"), "%s", parties[1].error);
    cr_expect(strstr(parties[0].error, "party 0 refuses party 1: "), "%s", parties[0].error);
    cr_expect(strstr(parties[2].error, "party 2 refuses party 1: "), "%s", parties[2].error);
}

Test(handshake, wrong_configuration) {
    secure_party parties[TF_PARTIES];
    rig_parties(parties, exchange);
    cr_assert_eq(tf_config_digest_of("another", 7, &parties[2].options.config), TF_OK);
    expect_all_refuse(parties, "have different configurations: start all three");
    cr_expect_eq(parties[0].status, TF_MISMATCH);
}

Test(handshake, pinned_or_not) {
    secure_party parties[TF_PARTIES];
    rig_parties(parties, exchange);
    parties[2].options.fingerprints = NULL;
    expect_all_refuse(parties, "give all three the same parties file");
}

static void another_version(enemy *self, int peer, uint64_t number, const unsigned char *data, uint64_t length) {
    unsigned char copy[FRAME];
    memcpy(copy, data, length);
    copy[VERSION_AT] = 77;
    enemy_pass(self, peer, copy, length);
}
static void see_another_version(enemy *self, int peer, unsigned char *data, uint64_t length) {
    data[VERSION_AT] = 77;
}
Test(handshake, wrong_version) {
    secure_party parties[TF_PARTIES];
    rig_parties(parties, exchange);
    enemy *e = enemy_join(&parties[1].inner, NULL);
    e->hook = another_version;
    e->incoming = see_another_version;
    expect_all_refuse(parties, "has version 77 of the secure link");
}

static void another_number(enemy *self, int peer, uint64_t number, const unsigned char *data, uint64_t length) {
    unsigned char copy[FRAME];
    memcpy(copy, data, length);
    copy[FROM_AT] = 2;
    enemy_pass(self, peer, copy, length);
}
Test(handshake, wrong_number) {
    secure_party parties[TF_PARTIES];
    rig_parties(parties, exchange);
    for (int i = 0; i < TF_PARTIES; i++) tf_link_set_deadline(parties[i].inner, 1);
    enemy *e = enemy_join(&parties[1].inner, NULL);
    e->hook = another_number;
    rig_join(parties);
    cr_expect(strstr(parties[0].error, "party 1 says that it is party 2"), "%s", parties[0].error);
    cr_expect_neq(parties[1].status, TF_OK);
    cr_expect(strstr(parties[2].error, "party 1 says that it is party 2"), "%s", parties[2].error);
}

static void *say_nothing(void *argument) {
    secure_party *self = argument;
    sleep_seconds(1.5);
    self->inner->failure = TF_INVALID;
    tf_link_close(self->inner);
    return NULL;
}
Test(handshake, silent_peer) {
    for (int silent = 0; silent < TF_PARTIES; silent++) {
        secure_party parties[TF_PARTIES];
        rig_parties(parties, exchange);
        for (int i = 0; i < TF_PARTIES; i++) tf_link_set_deadline(parties[i].inner, 0.4);
        parties[silent].instead = say_nothing;
        rig_join(parties);
        char text[100];
        snprintf(text, sizeof text, "party %d sent nothing of the handshake within 0.4 s", silent);
        for (int i = 0; i < TF_PARTIES; i++)
            if (i != silent) cr_expect(strstr(parties[i].error, text), "party %d says: %s", i, parties[i].error);
    }
}

/** Sends each peer a first message of this many bytes that mean nothing. */
static void *send_garbage(void *argument) {
    secure_party *self = argument;
    static unsigned char garbage[100000];
    tf_ticket ticket;
    memset(garbage, 0x5a, sizeof garbage);
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (peer != tf_link_party(self->inner))
            (void)!tf_link_send(self->inner, peer, garbage, *(const uint64_t *)self->context, &ticket);
    return say_nothing(argument);
}
Test(handshake, garbage_of_the_right_length) {
    secure_party parties[TF_PARTIES];
    rig_parties(parties, exchange);
    uint64_t length = FRAME;
    parties[1].instead = send_garbage;
    parties[1].context = &length;
    rig_join(parties);
    for (int i = 0; i < TF_PARTIES; i += 2)
        cr_expect(strstr(parties[i].error, "party 1 sent something that is no handshake of a secure link"), "%s",
                  parties[i].error);
}
Test(handshake, garbage_of_any_other_length) {
    const uint64_t lengths[] = {1, 16, FRAME - 1, FRAME + 1, 100000};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        secure_party parties[TF_PARTIES];
        rig_parties(parties, exchange);
        parties[1].instead = send_garbage;
        parties[1].context = (void *)&lengths[k];
        rig_join(parties);
        for (int i = 0; i < TF_PARTIES; i += 2) // whoever sees it first may end before the other has looked
            cr_expect(strstr(parties[i].error, "this is no handshake of a secure link") ||
                          strstr(parties[i].error, "ended before the secure link was made"),
                      "party %d says: %s", i, parties[i].error);
    }
}

/** A peer whose first frame is right and whose TLS is not. */
static void garbage_inside(enemy *self, int peer, uint64_t number, const unsigned char *data, uint64_t length) {
    unsigned char copy[FRAME];
    memcpy(copy, data, length);
    copy[USED_AT] = 4, copy[USED_AT + 1] = 0;
    memset(copy + USED_AT + 2, 0x16, 1024);
    enemy_pass(self, peer, copy, length);
}
static void overflowing(enemy *self, int peer, uint64_t number, const unsigned char *data, uint64_t length) {
    unsigned char copy[FRAME];
    memcpy(copy, data, length);
    copy[USED_AT] = copy[USED_AT + 1] = 0xff;
    enemy_pass(self, peer, copy, length);
}
static void expect_refusals(enemy_hook *hook, const char *text) {
    secure_party parties[TF_PARTIES];
    rig_parties(parties, exchange);
    for (int i = 0; i < TF_PARTIES; i++) tf_link_set_deadline(parties[i].inner, 1);
    enemy_join(&parties[0].inner, NULL)->hook = hook;
    rig_join(parties);
    for (int i = 0; i < TF_PARTIES; i++) cr_expect_neq(parties[i].status, TF_OK);
    for (int i = 1; i < TF_PARTIES; i++)
        cr_expect(strstr(parties[i].error, text), "party %d says: %s", i, parties[i].error);
}
Test(handshake, garbage_inside_a_frame) {
    expect_refusals(garbage_inside, "party 0: TLS handshake failed: ");
}
Test(handshake, overflowing_frame) {
    expect_refusals(overflowing, "party 0 sent a frame that overflows");
}

/** Notices cannot be told from forged ones before there are keys, so what they say is not repeated. */
static void *end_with_a_notice(void *argument) {
    secure_party *self = argument;
    tf_link_announce_failure(self->inner, "call this number to go on");
    tf_link_close(self->inner);
    return NULL;
}
Test(handshake, early_notice_is_not_repeated) {
    secure_party parties[TF_PARTIES];
    rig_parties(parties, exchange);
    parties[2].instead = end_with_a_notice;
    rig_join(parties);
    for (int i = 0; i < 2; i++) {
        cr_expect(strstr(parties[i].error, "ended before the secure link was made"), "%s", parties[i].error);
        cr_expect_not(strstr(parties[i].error, "number"), "%s", parties[i].error);
    }
}

/** One bit of one frame is flipped: the parties refuse each other, or it was a bit that means nothing. */
typedef struct flip {
    uint64_t number;
    unsigned bit;
} flip;
static void flip_one(enemy *self, int peer, uint64_t number, const unsigned char *data, uint64_t length) {
    const flip *f = self->context;
    unsigned char copy[FRAME];
    if (length != FRAME || number != f->number || peer != 2) {
        enemy_pass(self, peer, data, length);
        return;
    }
    memcpy(copy, data, length);
    unsigned used = (unsigned)copy[USED_AT] << 8 | copy[USED_AT + 1], bit = f->bit % (8 * (USED_AT + 2 + used));
    copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
    enemy_pass(self, peer, copy, length);
}
Test(handshake, flipped_bits) {
    int refused = 0;
    srand(1);
    for (int trial = 0; trial < 150; trial++) {
        secure_party parties[TF_PARTIES];
        flip f = {(uint64_t)(trial % 5), (unsigned)rand()};
        rig_parties(parties, exchange);
        for (int i = 0; i < TF_PARTIES; i++) tf_link_set_deadline(parties[i].inner, 1);
        enemy_join(&parties[trial & 1].inner, &f)->hook = flip_one;
        rig_join(parties);
        int failures = 0;
        for (int i = 0; i < TF_PARTIES; i++) failures += parties[i].error[0] != '\0';
        cr_expect(failures == 0 || failures == 3, "trial %d: %s|%s|%s", trial, parties[0].error, parties[1].error,
                  parties[2].error);
        refused += failures > 0;
    }
    cr_expect_gt(refused, 75, "%d", refused);
}
