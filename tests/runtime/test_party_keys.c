/** The pairwise keys of the parties: who shares which, over links that make keys and over links that do not; and what
 * the keys make. */
#include <openssl/evp.h>

#include "net/base/aes.h"
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

enum { MOST = 2200, FORMS = TF_AES_WIDE + 1 };

static const uint64_t GUARD = 0x5a5a5a5a5a5a5a5a;

static uint64_t random_word(void) {
    return (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
}

static void put64(unsigned char *at, uint64_t value) {
    for (int i = 0; i < 8; i++) at[i] = (unsigned char)(value >> (56 - 8 * i));
}

/** AES-128-CTR of zeros from the counter (high, purpose and block). */
static void by_openssl(const unsigned char *key, uint64_t high, unsigned purpose, uint64_t offset, uint64_t *out,
                       size_t words) {
    unsigned char counter[16];
    int moved;
    put64(counter, high);
    put64(counter + 8, (uint64_t)purpose << 48 | offset / 2);
    memset(out, 0, words * sizeof *out);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    cr_assert(EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), NULL, key, counter) == 1);
    cr_assert(EVP_EncryptUpdate(context, (unsigned char *)out, &moved, (unsigned char *)out, (int)(words * 8)) == 1);
    EVP_CIPHER_CTX_free(context);
}

static void make_all(const unsigned char key[TF_KEY_BYTES], tf_prf *prf[FORMS]) {
    for (int form = 0; form < FORMS; form++) {
        tf_aes_limit((tf_aes_form)form);
        cr_assert_not_null(prf[form] = tf_prf_new(key));
    }
}

/* At every address and length, whatever instructions make them. */
Test(party_keys, streams_are_aes_128_in_counter_mode) {
    static uint64_t expected[MOST], made[MOST + 1];
    unsigned char key[TF_KEY_BYTES];
    tf_prf *prf[FORMS];
    for (int i = 0; i < TF_KEY_BYTES; i++) key[i] = (unsigned char)(rand() >> 9);
    make_all(key, prf);
    for (size_t words = 0; words <= MOST; words += words < 300 ? 1 : 95) {
        const uint64_t high = random_word(), offset = (random_word() >> 17) & ~UINT64_C(1);
        const unsigned purpose = (unsigned)(random_word() & 0xffff);
        by_openssl(key, high, purpose, offset, expected, words);
        for (int form = 0; form < FORMS; form++) {
            made[words] = GUARD;
            cr_assert(tf_prf_words(prf[form], high, purpose, offset, made, words));
            cr_assert(!memcmp(made, expected, words * sizeof *made), "form %d, %zu words", form, words);
            cr_assert_eq(made[words], GUARD);
        }
    }
    for (int form = 0; form < FORMS; form++) tf_prf_free(prf[form]);
}

Test(party_keys, hashes_are_the_same_in_every_form) {
    enum { BLOCKS = 700 };
    static uint64_t block[2 * BLOCKS], expected[2 * BLOCKS], made[2 * BLOCKS + 1];
    tf_prf *prf[FORMS];
    make_all((const unsigned char[TF_KEY_BYTES + 1]){"a public number."}, prf);
    for (size_t blocks = 0; blocks <= BLOCKS; blocks += blocks < 40 ? 1 : 33) {
        const size_t size = 2 * blocks * sizeof *block;
        for (size_t i = 0; i < 2 * blocks; i++) block[i] = random_word();
        memcpy(expected, block, size);
        cr_assert(tf_prf_hash(prf[TF_AES_OPENSSL], expected, blocks));
        for (int form = TF_AES_OPENSSL + 1; form < FORMS; form++) {
            memcpy(made, block, size);
            made[2 * blocks] = GUARD;
            cr_assert(tf_prf_hash(prf[form], made, blocks));
            cr_assert(!memcmp(made, expected, size), "form %d, %zu blocks", form, blocks);
            cr_assert_eq(made[2 * blocks], GUARD);
        }
    }
    for (int form = 0; form < FORMS; form++) tf_prf_free(prf[form]);
}

Test(party_keys, no_stream_begins_within_a_block) {
    uint64_t word[2] = {1, 1};
    tf_prf *prf = tf_prf_new((const unsigned char[TF_KEY_BYTES]){0});
    cr_assert_not(tf_prf_words(prf, 0, 0, 1, word, 2));
    cr_assert(word[0] == 0 && word[1] == 0, "what is not masked would be sent");
    tf_prf_free(prf);
}
