/** The pairwise keys of the parties: who shares which, over links that make keys and over links that do not. */
#include "runtime/party/party.h"
#include "tests/support/alter.h"
#include "tests/support/secure_rig.h"
#include "tests/support/three.h"

enum { WORDS = 8, SESSIONS = 3 };

/** What each party's two keys give, in each of its sessions over one link. */
static uint64_t stream[SESSIONS][TF_PARTIES][2][WORDS];
static uint64_t key_bytes[TF_PARTIES];

static const char *open_sessions(tf_link *link) {
    int self = tf_link_party(link);
    for (int k = 0; k < SESSIONS; k++) {
        tf_party party;
        EXPECT(tf_party_open(&party, link) == TF_OK);
        for (int i = 0; i < 2; i++) tf_stream(&party, i, 7, 9, 0, stream[k][self][i], WORDS);
        EXPECT(!party.broken);
        tf_party_close(&party);
    }
    tf_link_counters counters = tf_link_read_counters(link);
    for (int peer = 0; peer < TF_PARTIES; peer++) key_bytes[self] += counters.bytes_sent[peer];
    return NULL;
}

/** Key i is known to parties i and i - 1; all keys of all sessions are different. */
static void check_keys(void) {
    for (int k = 0; k < SESSIONS; k++)
        for (int i = 0; i < TF_PARTIES; i++) {
            cr_expect_arr_eq(stream[k][i][0], stream[k][(i + 2) % 3][1], sizeof stream[k][i][0], "key %d", i);
            for (int other = 0; other < SESSIONS * TF_PARTIES; other++)
                if (other != k * TF_PARTIES + i)
                    cr_expect_arr_neq(stream[k][i][0], stream[other / 3][other % 3][0], sizeof stream[k][i][0]);
        }
}

Test(party_keys, come_from_a_secure_link, .init = rig_identities, .fini = rig_free_identities) {
    secure_party parties[TF_PARTIES];
    rig_parties(parties, open_sessions);
    rig_join(parties);
    for (int i = 0; i < TF_PARTIES; i++) {
        cr_expect_str_empty(parties[i].error, "party %d: %s", i, parties[i].error);
        cr_expect_eq(key_bytes[i], 2 * (32 + 32) * SESSIONS, "a key has travelled");
    }
    check_keys();
}

static void *over_plain_link(void *argument) {
    secure_party *self = argument;
    const char *complaint = open_sessions(self->inner);
    if (complaint) snprintf(self->error, sizeof self->error, "%s", complaint);
    tf_link_close(self->inner);
    return NULL;
}

Test(party_keys, travel_over_other_links) {
    secure_party parties[TF_PARTIES];
    rig_parties(parties, NULL);
    for (int i = 0; i < TF_PARTIES; i++) parties[i].instead = over_plain_link;
    rig_join(parties);
    for (int i = 0; i < TF_PARTIES; i++) {
        cr_expect_str_empty(parties[i].error, "party %d: %s", i, parties[i].error);
        cr_expect_eq(key_bytes[i], (2 * (32 + 32) + 16) * SESSIONS);
    }
    check_keys();
}

static tf_status open_altered(tf_link *link, int id, void *context) {
    tf_party party;
    if (id == 0) tf_link_observe(link, alter_observe, context);
    tf_status status = tf_party_open(&party, link);
    tf_link_observe(link, NULL, NULL);
    if (!status) tf_party_close(&party);
    return status;
}

/** As where a party has started anew between its two connections, or tells its peers different nonces. */
Test(party_keys, are_of_one_session) {
    three_outcome outcome;
    alter t = {.from = 1, .at = 5, .count = 1};
    cr_assert_eq(three_do(open_altered, &t, &outcome), TF_MISMATCH);
    for (int p = 0; p < TF_PARTIES; p++)
        cr_assert(strstr(outcome.error[p], "do not belong to one session"), "party %d: %s", p, outcome.error[p]);
    t = (alter){.from = 1};
    cr_assert_eq(three_do(open_altered, &t, &outcome), TF_OK, "%s", tf_error());
}
