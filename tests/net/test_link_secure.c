/** What every link must do, over the secure one; its handshake; its keys and counters. */
#include "tests/support/secure_rig.h"

TestSuite(secure_link, .init = rig_identities, .fini = rig_free_identities);

static void expect_success(scenario *run, bool pinned) {
    secure_party parties[TF_PARTIES];
    rig_parties(parties, run);
    for (int i = 0; i < TF_PARTIES && !pinned; i++) parties[i].options.fingerprints = NULL;
    rig_join(parties);
    for (int i = 0; i < TF_PARTIES; i++) cr_expect_str_empty(parties[i].error, "party %d: %s", i, parties[i].error);
}

Test(secure_link, keeps_order_and_counts) {
    expect_success(order_and_counters, true);
}
Test(secure_link, moves_big_messages) {
    expect_success(big_messages_between_all_pairs, true);
}
Test(secure_link, deadline) {
    expect_success(deadline_names_the_peer, true);
}
/** Party 1 may fail before the others are done with the handshake, which then fails with the same reason. */
Test(secure_link, failure) {
    for (int trial = 0; trial < 20; trial++) {
        secure_party parties[TF_PARTIES];
        rig_parties(parties, failure_reaches_everyone);
        rig_join(parties);
        for (int i = 0; i < TF_PARTIES; i++)
            cr_expect(!parties[i].error[0] || strcmp(parties[i].error, "party 1 failed: weights.bin: truncated") == 0,
                      "party %d: %s", i, parties[i].error);
    }
}
Test(secure_link, too_short) {
    expect_success(too_short, true);
}
Test(secure_link, too_long) {
    expect_success(too_long, true);
}
Test(secure_link, requests_are_checked) {
    expect_success(requests_are_checked, true);
}
Test(secure_link, without_pinned_fingerprints) {
    expect_success(order_and_counters, false);
}

static const char *in_small_records(tf_link *link) {
    tf_link_secure_set_records(link, 1000, 7); // a new key every seven records
    return big_messages_between_all_pairs(link);
}
Test(secure_link, in_small_records_with_many_keys) {
    expect_success(in_small_records, true);
}

/** Closing waits for what is queued, although the records of it are not even made yet. */
static const char *close_waits(tf_link *link) {
    const uint64_t length = 5 << 20;
    static message out, in;
    if (tf_link_party(link) == 0) {
        EXPECT(make_message(&out, 0, 1, 0, length, true));
        EXPECT(tf_link_send(link, 1, out.data, length, &out.ticket) == TF_OK);
    }
    if (tf_link_party(link) == 1) {
        sleep_seconds(0.2);
        EXPECT(make_message(&in, 0, 1, 0, length, false));
        EXPECT(tf_link_receive(link, 0, in.data, length, &in.ticket) == TF_OK);
        EXPECT(tf_link_wait(link, in.ticket) == TF_OK);
        EXPECT(holds_pattern(&in, 0, 1, 0));
        free(in.data);
    }
    return NULL; // out outlives the link
}
Test(secure_link, close_waits) {
    expect_success(close_waits, true);
}

/** A party leaves without a word: whoever waits for it learns so from the inner link; the others are not disturbed. */
static const char *early_close(tf_link *link) {
    unsigned char out[10] = {0}, in[10];
    tf_ticket sent, received;
    const int self = tf_link_party(link);
    if (self == 1) return NULL;
    sleep_seconds(0.1);
    EXPECT(tf_link_send(link, 2 - self, out, sizeof out, &sent) == TF_OK);
    EXPECT(tf_link_receive(link, 2 - self, in, sizeof in, &received) == TF_OK);
    EXPECT(tf_link_wait(link, sent) == TF_OK);
    EXPECT(tf_link_wait(link, received) == TF_OK);
    EXPECT(tf_link_receive(link, 1, in, sizeof in, &received) == TF_OK);
    EXPECT(tf_link_wait(link, received) == TF_PEER);
    EXPECT(strcmp(tf_error(), "party 1 has left") == 0);
    return NULL;
}
Test(secure_link, early_close) {
    expect_success(early_close, true);
}

/** A record that never comes is a silent peer, also in the middle of a message. */
static const char *half_a_message(tf_link *link) {
    static unsigned char data[16 << 20];
    tf_ticket ticket;
    const int self = tf_link_party(link);
    tf_link_set_deadline(link, 0.5);
    if (self == 0) {
        EXPECT(tf_link_send(link, 1, data, sizeof data, &ticket) == TF_OK); // the first records of it
        sleep_seconds(1.5);
    }
    if (self == 1) {
        static unsigned char taken[sizeof data];
        EXPECT(tf_link_receive(link, 0, taken, sizeof taken, &ticket) == TF_OK);
        EXPECT(tf_link_wait(link, ticket) == TF_PEER);
        EXPECT(strcmp(tf_error(), "party 0 sent nothing for 0.5 s (waiting to receive 16777216 bytes)") == 0);
    }
    return NULL;
}
Test(secure_link, half_a_message) {
    secure_party parties[TF_PARTIES];
    rig_parties(parties, half_a_message);
    rig_join(parties);
    cr_expect_str_empty(parties[1].error, "%s", parties[1].error);
}
