/** What happens to records and notices on the wire: 10,000 that are tampered with, and what the wire shows. */
#define _GNU_SOURCE // memmem
#include <math.h>
#include <openssl/ssl.h>

#include "net/handshake.h"
#include "tests/support/enemy.h"
#include "tests/support/secure_rig.h"

/* Three ends in one thread: nothing here waits, so every trial takes the same course. */

static SSL *session[TF_PARTIES][TF_PARTIES];

static void *shake_hands(void *argument) {
    secure_party *self = argument;
    int party = tf_link_party(self->inner);
    self->status = tf_handshake(self->inner, &self->options, session[party]);
    if (self->status == TF_OK) tf_link_close(self->inner);
    return NULL;
}

static void make_sessions(void) {
    secure_party parties[TF_PARTIES];
    rig_identities();
    rig_parties(parties, NULL);
    for (int i = 0; i < TF_PARTIES; i++) parties[i].instead = shake_hands;
    rig_join(parties);
    for (int i = 0; i < TF_PARTIES; i++) cr_assert_eq(parties[i].status, TF_OK);
}

static void free_sessions(void) {
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) SSL_free(session[i][j]);
    rig_free_identities();
}

TestSuite(wire, .init = make_sessions, .fini = free_sessions);

/** Fresh secure links over the same sessions; `enemies` (may be NULL) stand behind each. */
static void connect_three(tf_link *link[TF_PARTIES], enemy *enemies[TF_PARTIES], void *context, size_t payload) {
    tf_link *inner[TF_PARTIES];
    cr_assert_eq(tf_link_memory(inner), TF_OK);
    for (int i = 0; i < TF_PARTIES; i++) {
        SSL *own[TF_PARTIES] = {NULL};
        for (int j = 0; j < TF_PARTIES; j++) {
            own[j] = session[i][j];
            if (j != i) SSL_up_ref(own[j]);
        }
        if (enemies) enemies[i] = enemy_join(&inner[i], context);
        cr_assert_eq(tf_link_secure_over(inner[i], own, &link[i]), TF_OK);
        tf_link_secure_set_records(link[i], payload, 1 << 20);
    }
}

static void close_three(tf_link *link[TF_PARTIES]) {
    for (int i = 0; i < TF_PARTIES; i++) tf_link_close(link[i]);
}

enum kind { FLIP, OVERWRITE, TRUNCATE, LENGTHEN, REPLAY, SWAP, DROP, REPEAT, REFLECT, KINDS };

enum { COUNT = 12, PAYLOAD = 64, TRIALS = 10000 };

typedef struct attack {
    enum kind kind;
    uint64_t victim; /**< the record that is tampered with */
    unsigned random;
    unsigned char *old, *held, *mirror; /**< an earlier record, one held back, one of the other direction */
    uint64_t old_length, held_length, mirror_length;
} attack;

static void keep(unsigned char **to, uint64_t *to_length, const unsigned char *data, uint64_t length) {
    *to = realloc(*to, length + 1);
    memcpy(*to, data, length);
    *to_length = length;
}

/** Stands behind party 0 and tampers with what it sends to party 1. */
static void tamper(enemy *self, int peer, uint64_t number, const unsigned char *data, uint64_t length) {
    attack *a = self->context;
    if (self->base.party == 1 && peer == 0) keep(&a->mirror, &a->mirror_length, data, length);
    if (self->base.party != 0 || peer != 1 || number < a->victim) {
        if (self->base.party == 0 && peer == 1) keep(&a->old, &a->old_length, data, length);
        enemy_pass(self, peer, data, length);
        return;
    }
    if (number > a->victim) {
        enemy_pass(self, peer, data, length);
        if (a->held) enemy_pass(self, peer, a->held, a->held_length);
        free(a->held);
        a->held = NULL;
        return;
    }
    unsigned char *copy = calloc(1, length + 100);
    memcpy(copy, data, length);
    switch (a->kind) {
    case FLIP: copy[a->random / 8 % length] ^= (unsigned char)(1 << a->random % 8); break;
    case OVERWRITE:
        for (uint64_t i = a->random % length; i < length; i++) copy[i] ^= (unsigned char)(i | 1);
        break;
    case TRUNCATE: length -= 1 + a->random % length; break;
    case LENGTHEN: length += 1 + a->random % 99; break;
    case REPLAY: keep(&copy, &length, a->old, a->old_length); break;
    case REFLECT: keep(&copy, &length, a->mirror, a->mirror_length); break;
    case SWAP: keep(&a->held, &a->held_length, data, length), length = UINT64_MAX; break;
    case DROP: length = UINT64_MAX; break;
    case REPEAT: enemy_pass(self, peer, copy, length); break;
    case KINDS: break;
    }
    if (length != UINT64_MAX) enemy_pass(self, peer, copy, length);
    free(copy);
}

/** Runs one attack; whether it was found by the tag rather than by a length that does not fit. */
static bool try_attack(attack *a) {
    // In half of the trials all records have one length, so that nothing but the tag can tell.
    static const uint64_t lengths[2][4] = {{1, 40, PAYLOAD, 5 * PAYLOAD + 7},
                                           {PAYLOAD, PAYLOAD, 2 * PAYLOAD, 5 * PAYLOAD}};
    tf_link *link[TF_PARTIES];
    enemy *enemies[TF_PARTIES];
    message out[COUNT], in[COUNT];
    tf_ticket ticket;
    unsigned char mirror[PAYLOAD] = {0}, mirrored[PAYLOAD], never[1];
    bool done;
    connect_three(link, enemies, a, PAYLOAD);
    for (int i = 0; i < TF_PARTIES; i++) enemies[i]->hook = tamper;

    cr_assert_eq(tf_link_send(link[1], 0, mirror, sizeof mirror, &ticket), TF_OK);
    cr_assert_eq(tf_link_receive(link[0], 1, mirrored, sizeof mirrored, &ticket), TF_OK);
    cr_assert_eq(tf_link_receive(link[2], 0, never, sizeof never, &ticket), TF_OK);
    for (unsigned n = 0; n < COUNT; n++) {
        uint64_t length = lengths[a->random / 64 % 2][rand() % 4];
        make_message(&out[n], 0, 1, n, length, true);
        make_message(&in[n], 0, 1, n, length, false);
        cr_assert_eq(tf_link_send(link[0], 1, out[n].data, length, &out[n].ticket), TF_OK);
        cr_assert_eq(tf_link_receive(link[1], 0, in[n].data, length, &in[n].ticket), TF_OK);
    }
    tf_status status = TF_OK;
    for (int turn = 0; turn < 200 && status == TF_OK; turn++) {
        cr_assert_eq(tf_link_test(link[0], out[0].ticket, &done), TF_OK);
        status = tf_link_test(link[1], in[COUNT - 1].ticket, &done);
    }
    char why[1024], report[1100];
    snprintf(why, sizeof why, "%s", tf_error());
    snprintf(report, sizeof report, "party 1 failed: %s", why);
    cr_assert(status == TF_FORMAT || status == TF_MISMATCH, "kind %d, record %d: %s", a->kind, (int)a->victim, why);
    cr_assert(strstr(why, "party 0"), "%s", why);

    // What arrived before is whole; nothing of the rest is there: records open into the caller's memory or not at all.
    for (unsigned n = 0; n < COUNT; n++)
        for (uint64_t i = 0; i < in[n].length; i++)
            cr_assert(in[n].data[i] == out[n].data[i] || in[n].data[i] == 0, "message %u, byte %d", n, (int)i);
    tf_link_announce_failure(link[1], why);
    for (int i = 0; i < TF_PARTIES; i += 2) {
        cr_assert_eq(tf_link_test(link[i], (tf_ticket){.peer = 1}, &done), TF_PEER);
        cr_assert_str_eq(tf_error(), report);
    }
    close_three(link);
    for (unsigned n = 0; n < COUNT; n++) free(out[n].data), free(in[n].data);
    return status == TF_FORMAT;
}

Test(wire, tampered_records_are_found, .timeout = 300) {
    int found[KINDS] = {0};
    srand(20);
    for (int trial = 0; trial < TRIALS; trial++) {
        attack a = {.kind = (enum kind)(trial % KINDS), .victim = 1 + (unsigned)rand() % 9, .random = (unsigned)rand()};
        found[a.kind] += try_attack(&a);
        free(a.old), free(a.held), free(a.mirror);
    }
    for (int kind = 0; kind < KINDS; kind++) {
        cr_log_info("kind %d: %d of %d by the tag, the others by their length", kind, found[kind], TRIALS / KINDS);
        if (kind != TRUNCATE && kind != LENGTHEN) cr_expect_gt(found[kind], TRIALS / KINDS / 3, "kind %d", kind);
    }
}

/* What the wire shows ---------------------------------------------------------------------------------------------- */

typedef struct tap {
    unsigned char *seen;
    uint64_t length, capacity;
} tap;

static void listen(enemy *self, int peer, uint64_t number, const unsigned char *data, uint64_t length) {
    tap *t = self->context;
    if (self->base.party == 0 && peer == 1 && t->length + length <= t->capacity) {
        memcpy(t->seen + t->length, data, length);
        t->length += length;
    }
    enemy_pass(self, peer, data, length);
}

static void run_to_end(tf_link *sender, tf_ticket sent, tf_link *receiver, tf_ticket received) {
    bool here = false, there = false;
    for (int turn = 0; turn < 100000 && !(here && there); turn++) {
        cr_assert_eq(tf_link_test(sender, sent, &here), TF_OK, "%s", tf_error());
        cr_assert_eq(tf_link_test(receiver, received, &there), TF_OK, "%s", tf_error());
    }
    cr_assert(here && there);
}

/** A million zeros, twice: on the wire all bytes are about equally frequent, and the two differ. */
Test(wire, shows_no_plaintext) {
    enum { SIZE = 1 << 20, RECORD = 1 << 16 };
    static unsigned char zeros[SIZE], taken[SIZE];
    tf_link *link[TF_PARTIES];
    enemy *enemies[TF_PARTIES];
    tap t = {.capacity = 3 * SIZE};
    t.seen = malloc(t.capacity);
    connect_three(link, enemies, &t, RECORD);
    for (int i = 0; i < TF_PARTIES; i++) enemies[i]->hook = listen;
    for (int k = 0; k < 2; k++) {
        tf_ticket sent, received;
        memset(taken, 1, sizeof taken);
        cr_assert_eq(tf_link_receive(link[1], 0, taken, SIZE, &received), TF_OK);
        cr_assert_eq(tf_link_send(link[0], 1, zeros, SIZE, &sent), TF_OK);
        run_to_end(link[0], sent, link[1], received);
        cr_assert_arr_eq(taken, zeros, SIZE);
    }
    uint64_t half = SIZE + SIZE / RECORD * 24;
    cr_assert_eq(t.length, 2 * half);
    uint64_t count[256] = {0};
    double chi = 0, expected = (double)t.length / 256;
    for (uint64_t i = 0; i < t.length; i++)
        if (i % (RECORD + 24) >= 8) count[t.seen[i]]++; // not the headers, which are in clear
    for (int i = 0; i < 256; i++) chi += pow((double)count[i] - expected, 2) / expected;
    cr_expect(chi > 150 && chi < 400, "%g", chi); // 255 degrees of freedom: 255 +- 23
    for (uint64_t i = 8; i + 16 < half; i++) {
        cr_assert(memcmp(t.seen + i, t.seen + half + i, 16), "a key stream was used twice");
        if (i % (RECORD + 24) >= 8) cr_assert(memcmp(t.seen + i, zeros, 16), "zeros in clear");
    }
    close_three(link);
    free(t.seen);
}

/** Bytes of messages are counted as they are, whatever the wire carries; the wire's own are told apart. */
Test(wire, counters_are_of_the_payload) {
    enum { SIZE = 1000 };
    unsigned char data[SIZE] = {0}, taken[SIZE];
    tf_link *link[TF_PARTIES];
    tf_ticket sent, received;
    connect_three(link, NULL, NULL, 300);
    cr_assert_eq(tf_link_receive(link[1], 0, taken, SIZE, &received), TF_OK);
    cr_assert_eq(tf_link_send(link[0], 1, data, SIZE, &sent), TF_OK);
    run_to_end(link[0], sent, link[1], received);
    tf_link_counters sender = tf_link_read_counters(link[0]), receiver = tf_link_read_counters(link[1]);
    cr_expect(sender.bytes_sent[1] == SIZE && sender.messages_sent[1] == 1);
    cr_expect(receiver.bytes_received[0] == SIZE && receiver.messages_received[0] == 1);
    sender = tf_link_read_wire_counters(link[0]), receiver = tf_link_read_wire_counters(link[1]);
    cr_expect(sender.bytes_sent[1] == SIZE + 4 * 24 && sender.messages_sent[1] == 4);
    cr_expect(receiver.bytes_received[0] == SIZE + 4 * 24);
    close_three(link);
}

/** Parties that run different programs learn so; it is not taken for an attack. */
Test(wire, different_lengths_are_no_attack) {
    unsigned char data[1000] = {0}, taken[1000];
    tf_link *link[TF_PARTIES];
    tf_ticket sent, received;
    bool done;
    connect_three(link, NULL, NULL, 100);
    cr_assert_eq(tf_link_receive(link[1], 0, taken, 500, &received), TF_OK);
    cr_assert_eq(tf_link_send(link[0], 1, data, 1000, &sent), TF_OK);
    cr_assert_eq(tf_link_test(link[1], received, &done), TF_MISMATCH);
    cr_expect_str_eq(tf_error(), "party 0 sent 1000 bytes where party 1 expected 500");
    tf_link_announce_failure(link[1], tf_error());
    tf_link_announce_failure(link[0], "the end");
    tf_link_announce_failure(link[2], "the end");
    close_three(link);
}

/* Notices ---------------------------------------------------------------------------------------------------------- */

static void forge(enemy *self, tf_notice notices[TF_PARTIES]) {
    for (int peer = 0; peer < TF_PARTIES; peer++)
        notices[peer] = (tf_notice){.origin = 2, .text = "call this number to go on"};
}
static void flip_notice(enemy *self, tf_notice notices[TF_PARTIES]) {
    for (int peer = 0; peer < TF_PARTIES; peer++) notices[peer].text[40] ^= 1;
}
static void exchange_notices(enemy *self, tf_notice notices[TF_PARTIES]) {
    tf_notice first = notices[1];
    notices[1] = notices[2];
    notices[2] = first;
}
static const char secret[] = "the shares of weights.bin";
static void look_for_text(enemy *self, tf_notice notices[TF_PARTIES]) {
    for (int peer = 0; peer < TF_PARTIES; peer++)
        *(bool *)self->context |= memmem(&notices[peer], sizeof *notices, secret, 8) != NULL;
}

static void announce_through(void (*hook)(enemy *, tf_notice[TF_PARTIES]), void *context, const char *expected) {
    tf_link *link[TF_PARTIES];
    enemy *enemies[TF_PARTIES];
    connect_three(link, enemies, context, 100);
    enemies[0]->notice = hook;
    tf_link_announce_failure(link[0], secret);
    for (int i = 1; i < TF_PARTIES; i++) {
        bool done;
        cr_expect_eq(tf_link_test(link[i], (tf_ticket){.peer = 0}, &done), TF_PEER);
        cr_expect_str_eq(tf_error(), expected);
    }
    close_three(link);
}

static const char forged[] =
    "a notice that party 0 has failed is not authentic: it was made or changed on the way, and "
    "what it says is not shown";

Test(wire, notices) {
    bool shown = false;
    announce_through(NULL, NULL, "party 0 failed: the shares of weights.bin");
    announce_through(look_for_text, &shown, "party 0 failed: the shares of weights.bin");
    cr_expect_not(shown);
    announce_through(forge, NULL, forged);
    announce_through(flip_notice, NULL, forged);
    announce_through(exchange_notices, NULL, forged);
}

Test(wire, a_passed_on_cause_stays_the_first) {
    tf_link *link[TF_PARTIES];
    bool done;
    connect_three(link, NULL, NULL, 100);
    tf_link_announce_failure(link[2], "no\x1b space");
    cr_expect_eq(tf_link_test(link[0], (tf_ticket){.peer = 1}, &done), TF_PEER);
    cr_expect_str_eq(tf_error(), "party 2 failed: no? space");
    tf_link_announce_failure(link[0], tf_error());
    cr_expect_eq(tf_link_test(link[1], (tf_ticket){.peer = 0}, &done), TF_PEER);
    cr_expect_str_eq(tf_error(), "party 2 failed: no? space");
    close_three(link);
}

/* Keys ------------------------------------------------------------------------------------------------------------- */

/** Both ends of a pair get the same key, every call gives another, and no two pairs or labels share one. */
Test(wire, exported_keys) {
    enum { CALLS = 3 };
    static unsigned char key[TF_PARTIES][TF_PARTIES][2 * CALLS][32];
    tf_link *link[TF_PARTIES];
    connect_three(link, NULL, NULL, 100);
    for (int i = 0; i < TF_PARTIES; i++) {
        cr_expect(tf_link_exports_keys(link[i]));
        cr_expect_eq(tf_link_export_key(link[i], i, "PRF", key[i][i], 32), TF_INVALID);
        for (int j = 0; j < TF_PARTIES; j++)
            for (int k = 0; j != i && k < 2 * CALLS; k++)
                cr_assert_eq(tf_link_export_key(link[i], j, k < CALLS ? "PRF" : "other", key[i][j][k], 32), TF_OK);
    }
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++)
            for (int k = 0; j != i && k < 2 * CALLS; k++) {
                cr_expect_arr_eq(key[i][j][k], key[j][i][k], 32);
                for (int l = 0; l < k; l++) cr_expect_arr_neq(key[i][j][k], key[i][j][l], 32);
                cr_expect_arr_neq(key[i][j][k], key[i][3 - i - j][k], 32);
            }
    cr_expect_eq(tf_link_export_key(link[0], 1, "a label that is far too long for the name of a key, is it not?",
                                    key[0][0][0], 32),
                 TF_INVALID);
    close_three(link);
    tf_link *inner[TF_PARTIES];
    cr_assert_eq(tf_link_memory(inner), TF_OK);
    cr_expect_not(tf_link_exports_keys(inner[0]));
    cr_expect_eq(tf_link_export_key(inner[0], 1, "PRF", key[0][0][0], 16), TF_INVALID);
    for (int i = 0; i < TF_PARTIES; i++) tf_link_close(inner[i]);
}
