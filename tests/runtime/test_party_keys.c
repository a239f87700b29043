/** The pairwise keys of the parties: who shares which, over links that make keys and over links that do not. */
#include <openssl/evp.h>

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

/* At every address and length: whole groups of blocks and what is left of them. */
Test(party_keys, streams_are_aes_128_in_counter_mode) {
    unsigned char key[TF_KEY_BYTES];
    for (int k = 0; k < 20; k++) {
        for (int i = 0; i < TF_KEY_BYTES; i++) key[i] = (unsigned char)(37 * k + 11 * i);
        tf_prf *prf = tf_prf_new(key);
        cr_assert_not_null(prf);
        const uint64_t high = 0x0123456789abcdef * (uint64_t)k, block = k % 2 ? (UINT64_C(1) << 47) - 3 : (uint64_t)k;
        const uint64_t low = (uint64_t)(k * 1000) << 48 | block;
        for (size_t words = 0; words < 70; words++) {
            uint64_t found[71], expected[70] = {0};
            unsigned char iv[16];
            for (int i = 0; i < 8; i++)
                iv[i] = (unsigned char)(high >> (56 - 8 * i)), iv[8 + i] = (unsigned char)(low >> (56 - 8 * i));
            int made;
            EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
            cr_assert_eq(EVP_EncryptInit_ex(cipher, EVP_aes_128_ctr(), NULL, key, iv), 1);
            cr_assert_eq(EVP_EncryptUpdate(cipher, (unsigned char *)expected, &made, (unsigned char *)expected,
                                           (int)(words * sizeof *expected)),
                         1);
            EVP_CIPHER_CTX_free(cipher);
            found[words] = 42;
            cr_assert(tf_prf_words(prf, high, (unsigned)(k * 1000), 2 * block, found, words));
            cr_assert_arr_eq(found, expected, words * sizeof *found, "%zu words", words);
            cr_assert_eq(found[words], 42);
        }
        cr_assert_not(tf_prf_words(prf, high, 1, 3, (uint64_t[2]){0}, 2), "no stream begins within a block");
        tf_prf_free(prf);
    }
}
