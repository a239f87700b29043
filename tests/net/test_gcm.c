/** AES-128-GCM: the test cases of its specification, and the wide form against OpenSSL's on all lengths. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/aes.h"
#include "net/base/gcm.h"
#include "net/base/hex.h"

enum { LARGEST = 5000, EXTRA = 700, GUARD = 0x5a };

static const tf_aes_form FORMS[] = {TF_AES_NARROW, TF_AES_WIDE}; /* the first one is OpenSSL's GCM */

static tf_gcm *cipher_of(tf_aes_form form, bool seals, const unsigned char key[TF_GCM_KEY]) {
    tf_aes_limit(form);
    tf_gcm *gcm = tf_gcm_new(seals);
    cr_assert(gcm && tf_gcm_set_key(gcm, key));
    return gcm;
}

static size_t from_hex(const char *text, unsigned char *data) {
    size_t size = strlen(text) / 2;
    cr_assert(tf_hex_read(text, data, size));
    return size;
}

/* McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", appendix B: cases 1 to 4. */
static const struct {
    const char *key, *nonce, *extra, *plain, *text, *tag;
} CASES[] = {
    {"00000000000000000000000000000000", "000000000000000000000000", "", "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
    {"00000000000000000000000000000000", "000000000000000000000000", "", "00000000000000000000000000000000",
     "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf"},
    {"feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
     "ba637b391aafd255",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac97"
     "3d58e091473f5985",
     "4d5c2af327cd64a62cf35abd2ba6fab4"},
    {"feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
     "ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac97"
     "3d58e091",
     "5bc94fbc3221a5db94fae95ae7121a47"},
};

Test(gcm, test_cases_of_the_specification) {
    for (size_t f = 0; f < 2; f++)
        for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
            unsigned char key[TF_GCM_KEY], nonce[TF_GCM_NONCE], extra[64], plain[64], text[64], tag[TF_GCM_TAG];
            unsigned char made[64], made_tag[TF_GCM_TAG];
            from_hex(CASES[i].key, key), from_hex(CASES[i].nonce, nonce);
            from_hex(CASES[i].text, text), from_hex(CASES[i].tag, tag);
            tf_gcm_extra with = {extra, from_hex(CASES[i].extra, extra)};
            size_t size = from_hex(CASES[i].plain, plain);
            tf_gcm *seals = cipher_of(FORMS[f], true, key), *opens = cipher_of(FORMS[f], false, key);
            cr_assert(tf_gcm_seal(seals, nonce, with, plain, size, made, made_tag));
            cr_assert_arr_eq(made, text, size, "form %d, case %zu", FORMS[f], i + 1);
            cr_assert_arr_eq(made_tag, tag, sizeof tag, "form %d, case %zu", FORMS[f], i + 1);
            cr_assert(tf_gcm_open(opens, nonce, with, text, size, made, tag));
            cr_assert_arr_eq(made, plain, size);
            tf_gcm_free(seals), tf_gcm_free(opens);
        }
}

static unsigned char data[LARGEST + 64], extra_data[EXTRA], sealed[2][LARGEST + 128], opened[LARGEST + 128];

static void fill(unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(rand() >> 7);
}

/** Seals with both forms, and opens with each what the other made; every byte around stays as it was. */
static void compare(tf_gcm *const seals[2], tf_gcm *const opens[2], size_t size, tf_gcm_extra extra, size_t shift) {
    unsigned char nonce[TF_GCM_NONCE], tag[2][TF_GCM_TAG];
    fill(nonce, sizeof nonce);
    for (int f = 0; f < 2; f++) {
        memset(sealed[f], GUARD, sizeof sealed[f]);
        cr_assert(tf_gcm_seal(seals[f], nonce, extra, data + shift, size, sealed[f] + 1 + shift, tag[f]));
    }
    cr_assert(!memcmp(sealed[0], sealed[1], sizeof sealed[0]), "%zu bytes", size);
    cr_assert(!memcmp(tag[0], tag[1], sizeof tag[0]), "%zu bytes, %zu extra", size, extra.size);
    for (int f = 0; f < 2; f++) {
        memset(opened, GUARD, sizeof opened);
        cr_assert(tf_gcm_open(opens[f], nonce, extra, sealed[0] + 1 + shift, size, opened + 1, tag[0]));
        cr_assert(!memcmp(opened + 1, data + shift, size), "%zu bytes", size);
        cr_assert(opened[0] == GUARD && opened[1 + size] == GUARD);
    }
    cr_assert_eq(sealed[1][1 + shift + size], GUARD);
}

Test(gcm, wide_form_is_openssls_on_all_lengths) {
    unsigned char key[TF_GCM_KEY];
    tf_gcm *seals[2], *opens[2];
    fill(data, sizeof data), fill(extra_data, sizeof extra_data);
    for (int f = 0; f < 2; f++) { /* a key in place of another */
        memset(key, 1, sizeof key);
        seals[f] = cipher_of(FORMS[f], true, key), opens[f] = cipher_of(FORMS[f], false, key);
    }
    for (int round = 0; round < 2; round++) {
        fill(key, sizeof key);
        for (int f = 0; f < 2; f++) cr_assert(tf_gcm_set_key(seals[f], key) && tf_gcm_set_key(opens[f], key));
        for (size_t size = 0; size <= 1100; size++)
            compare(seals, opens, size, (tf_gcm_extra){extra_data, 24}, size % 63);
        for (size_t size = 0; size < EXTRA; size++)
            compare(seals, opens, (size_t)rand() % LARGEST, (tf_gcm_extra){extra_data, size}, size % 61);
    }
    for (int f = 0; f < 2; f++) tf_gcm_free(seals[f]), tf_gcm_free(opens[f]);
}

Test(gcm, nothing_forged_opens) {
    enum { SIZE = 1061, EXTRA_SIZE = 24 };
    unsigned char key[TF_GCM_KEY], nonce[TF_GCM_NONCE], tag[TF_GCM_TAG];
    fill(data, sizeof data), fill(extra_data, sizeof extra_data), fill(key, sizeof key), fill(nonce, sizeof nonce);
    for (size_t f = 0; f < 2; f++) {
        tf_gcm *seals = cipher_of(FORMS[f], true, key), *opens = cipher_of(FORMS[f], false, key);
        tf_gcm_extra extra = {extra_data, EXTRA_SIZE};
        cr_assert(tf_gcm_seal(seals, nonce, extra, data, SIZE, sealed[0], tag));
        struct {
            unsigned char *byte;
            size_t size;
        } changed[] = {{sealed[0], SIZE}, {extra_data, EXTRA_SIZE}, {nonce, sizeof nonce}, {tag, sizeof tag}};
        for (int k = 0; k < 4; k++)
            for (size_t i = 0; i < changed[k].size; i++) {
                changed[k].byte[i] ^= (unsigned char)(1 << i % 8);
                cr_assert_not(tf_gcm_open(opens, nonce, extra, sealed[0], SIZE, opened, tag), "%d, byte %zu", k, i);
                changed[k].byte[i] ^= (unsigned char)(1 << i % 8);
            }
        cr_assert_not(tf_gcm_open(opens, nonce, extra, sealed[0], SIZE - 1, opened, tag));
        cr_assert(tf_gcm_open(opens, nonce, extra, sealed[0], SIZE, opened, tag));
        tf_gcm_free(seals), tf_gcm_free(opens);
    }
}

/* What others write meanwhile -------------------------------------------------------------------------------------- */

static unsigned char shared[LARGEST], seen[LARGEST];
static atomic_bool over;
static atomic_size_t victim; /* a byte that changes all the time, and is what it should be half of it */

static void *change(void *unused) {
    while (!over) {
        volatile unsigned char *byte = shared + victim;
        *byte ^= 0x10;
        for (volatile int i = 0; i < 50; i++) {
        }
        *byte ^= 0x10;
        for (volatile int i = 0; i < 50; i++) {
        }
    }
    return NULL;
}

/** Whatever opens is what was sealed, and a tag is that of what was sealed: each byte counts once. */
Test(gcm, of_memory_that_changes) {
    enum { TRIALS = 30000 };
    pthread_t enemy;
    unsigned char key[TF_GCM_KEY], nonce[TF_GCM_NONCE], tag[TF_GCM_TAG], made[TF_GCM_TAG];
    const tf_gcm_extra extra = {extra_data, 24};
    fill(data, sizeof data), fill(key, sizeof key), fill(nonce, sizeof nonce);
    cr_assert_eq(pthread_create(&enemy, NULL, change, NULL), 0);
    for (size_t f = 0; f < 2; f++) {
        tf_gcm *seals = cipher_of(FORMS[f], true, key), *opens = cipher_of(FORMS[f], false, key);
        int opened_ones = 0;
        for (int trial = 0; trial < TRIALS; trial++) {
            const size_t size = 1 + (size_t)rand() % (LARGEST - 1);
            victim = (size_t)rand() % size;
            cr_assert(tf_gcm_seal(seals, nonce, extra, data, size, sealed[0], tag));
            memcpy(shared, sealed[0], size);
            if (tf_gcm_open(opens, nonce, extra, shared, size, seen, tag)) {
                cr_assert(!memcmp(seen, data, size), "form %d, %zu bytes", FORMS[f], size);
                opened_ones++;
            }
            cr_assert(tf_gcm_seal(seals, nonce, extra, data, size, shared, made));
            cr_assert(!memcmp(made, tag, sizeof tag), "form %d, %zu bytes", FORMS[f], size);
        }
        cr_log_info("form %d: %d of %d opened", FORMS[f], opened_ones, TRIALS);
        tf_gcm_free(seals), tf_gcm_free(opens);
    }
    over = true;
    pthread_join(enemy, NULL);
}
