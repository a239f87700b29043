#include "runtime/session/facts.h"

#include <stdio.h>
#include <string.h>

#include "runtime/party/party.h"

enum { MOST_FACTS = 16, VALUE_TEXT = 256, DIFFERENCE_TEXT = 3 * VALUE_TEXT + 64 };

tf_fact tf_fact_of(const char *name, const char *value) {
    return (tf_fact){.name = name, .digest = tf_digest_of(value, strlen(value)), .value = value};
}

tf_status tf_swap_public(tf_link *link, const void *out, void *in[2], size_t size) {
    int id = tf_link_party(link), peer[2] = {tf_next(id), tf_previous(id)};
    tf_ticket sent[2], received[2];
    for (int k = 0; k < 2; k++) {
        TF_TRY(tf_link_receive(link, peer[k], in[k], size, &received[k]));
        TF_TRY(tf_link_send(link, peer[k], out, size, &sent[k]));
    }
    for (int k = 0; k < 2; k++) TF_TRY(tf_link_wait(link, received[k]));
    for (int k = 0; k < 2; k++) TF_TRY(tf_link_wait(link, sent[k]));
    return TF_OK;
}

/** "party 0 PAPER, parties 1 and 2 EXACT". */
static void describe(const tf_digest *const digest[TF_PARTIES], char value[TF_PARTIES][VALUE_TEXT],
                     char text[DIFFERENCE_TEXT]) {
    int alone = -1; /* whose two others have the same */
    for (int p = 0; p < TF_PARTIES; p++)
        if (tf_digest_equal(digest[tf_next(p)], digest[tf_previous(p)])) alone = p;
    int first = alone == 0 ? 1 : 0, second = alone == 2 ? 1 : 2;
    if (alone < 0)
        snprintf(text, DIFFERENCE_TEXT, "party 0 %s, party 1 %s, party 2 %s", value[0], value[1], value[2]);
    else
        snprintf(text, DIFFERENCE_TEXT, "party %d %s, parties %d and %d %s", alone, value[alone], first, second,
                 value[first]);
}

/** The beginning of a digest stands for a value that is not told. */
static void abbreviate(const tf_digest *digest, char text[VALUE_TEXT]) {
    enum { SHOWN = 8 };
    const tf_digest none = {{0}};
    char hex[TF_DIGEST_TEXT];
    if (tf_digest_equal(digest, &none))
        snprintf(text, VALUE_TEXT, "none");
    else
        snprintf(text, VALUE_TEXT, "%.*s...", (int)SHOWN, tf_digest_text(digest, hex));
}

/** Tells the others this party's value, takes theirs, and fails with all three. No peer's text steers a terminal. */
static tf_status say_difference(tf_link *link, const tf_fact *fact, const tf_digest *const digest[TF_PARTIES]) {
    int id = tf_link_party(link);
    char value[TF_PARTIES][VALUE_TEXT] = {{0}}, text[DIFFERENCE_TEXT];
    for (int p = 0; p < TF_PARTIES; p++) abbreviate(digest[p], value[p]);
    if (fact->value) {
        memset(value[id], 0, VALUE_TEXT);
        snprintf(value[id], VALUE_TEXT, "%s", fact->value);
        TF_TRY(tf_swap_public(link, value[id], (void *[]){value[tf_next(id)], value[tf_previous(id)]}, VALUE_TEXT));
    }
    for (int p = 0; p < TF_PARTIES; p++) {
        value[p][VALUE_TEXT - 1] = '\0';
        for (char *c = value[p]; *c; c++)
            if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
    }
    describe(digest, value, text);
    return tf_fail_public(TF_MISMATCH, "the parties differ in %s: %s", fact->name, text);
}

tf_status tf_facts_compare(tf_link *link, const tf_fact *fact, size_t facts) {
    tf_digest own[MOST_FACTS] = {0}, other[2][MOST_FACTS];
    int id = tf_link_party(link);
    if (facts > MOST_FACTS) return tf_fail_public(TF_INTERNAL, "more than %d facts to compare", MOST_FACTS);
    for (size_t i = 0; i < facts; i++) own[i] = fact[i].digest;
    TF_TRY(tf_swap_public(link, own, (void *[]){other[0], other[1]}, facts * sizeof *own));
    for (size_t i = 0; i < facts; i++) {
        const tf_digest *digest[TF_PARTIES];
        digest[id] = &own[i];
        digest[tf_next(id)] = &other[0][i];
        digest[tf_previous(id)] = &other[1][i];
        if (!tf_digest_equal(digest[0], digest[1]) || !tf_digest_equal(digest[0], digest[2]))
            return say_difference(link, &fact[i], digest);
    }
    return TF_OK;
}
