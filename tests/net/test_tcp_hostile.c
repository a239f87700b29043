/** Peers and strangers that mean harm to the TCP link: floods, impostors, proofs that do not hold. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdatomic.h>

#include "net/base/clock.h"
#include "net/link_internal.h"
#include "net/tcp_meeting.h"
#include "tests/support/tcp_ends.h"

static tcp_end ends[TF_PARTIES];

static void expect_met(void) {
    tf_link *links[TF_PARTIES];
    for (int i = 0; i < TF_PARTIES; i++) cr_assert_eq(ends[i].status, TF_OK, "party %d: %s", i, ends[i].error);
    for (int i = 0; i < TF_PARTIES; i++) links[i] = ends[i].link;
    run_on_ends(links, order_and_counters);
}

static atomic_bool over;

typedef struct flood {
    const tf_tcp_options *options;
    int control[TF_PARTIES];
    pthread_barrier_t met;
} flood;

/** Meets the others and then tells them without end that it waits for nobody. */
static void *meet_and_flood(void *argument) {
    flood *f = argument;
    static unsigned char waiting[1 << 16];
    int sockets[TF_PARTIES][TF_TCP_CHANNELS];
    memset(waiting, 0x80, sizeof waiting);
    tf_status status = tf_tcp_meet(f->options, sockets);
    pthread_barrier_wait(&f->met);
    while (status == TF_OK && !atomic_load(&over))
        for (int peer = 0; peer < TF_PARTIES; peer += 2)
            (void)!send(sockets[peer][TF_TCP_CONTROL], waiting, sizeof waiting, MSG_NOSIGNAL | MSG_DONTWAIT);
    return NULL;
}

/** One that floods the control connection does not hold off the deadline, nor the close. */
Test(tcp_link, deadline_despite_a_flood, .timeout = 60) {
    flood f = {.options = &ends[1].options};
    unsigned char byte;
    tf_ticket ticket;
    pthread_t thread[2];
    prepare_ends(ends, "127.0.0.1", 20);
    pthread_barrier_init(&f.met, NULL, 2);
    pthread_create(&thread[0], NULL, meet_and_flood, &f);
    pthread_create(&thread[1], NULL, join_as, &ends[2]);
    join_as(&ends[0]);
    pthread_barrier_wait(&f.met);
    pthread_join(thread[1], NULL);
    for (int i = 0; i < TF_PARTIES; i += 2) {
        cr_assert_eq(ends[i].status, TF_OK, "party %d: %s", i, ends[i].error);
        tf_link_set_deadline(ends[i].link, 0.4);
        cr_assert_eq(tf_link_receive(ends[i].link, 1, &byte, 1, &ticket), TF_OK);
        cr_expect_eq(tf_link_wait(ends[i].link, ticket), TF_PEER);
        cr_expect(strstr(tf_error(), "party 1 sent nothing for 0.4 s"), "%s", tf_error());
        tf_link_close(ends[i].link);
    }
    atomic_store(&over, true);
    pthread_join(thread[0], NULL);
}

/** One that knows the name of the run and claims to be party 2 on both connections, again and again. */
typedef struct impostor {
    const tf_tcp_options *options;
    const tf_identity *identity; /**< a key of its own, to sign challenges with */
    bool replays;                /**< what the true party said on another occasion */
    unsigned char old_proof[TF_HELLO_PROOF];
    int calls;
} impostor;

static void impersonate_once(impostor *self, int k) {
    tf_tcp_options pose = *self->options;
    tf_hello_answer answer;
    unsigned char proof[TF_HELLO_PROOF];
    pose.party = 2;
    tf_hello hello = tf_hello_make(&pose, 0, k, TF_WELCOME);
    int s = call_port(self->options->address[0].port);
    if (s < 0) return;
    self->calls++;
    (void)!send(s, &hello, sizeof hello, MSG_NOSIGNAL);
    if (self->identity && recv(s, &answer, sizeof answer, MSG_WAITALL) == sizeof answer &&
        tf_hello_prove(self->identity, &hello, &answer.challenge, proof) == TF_OK) {
        (void)!send(s, self->replays ? self->old_proof : proof, sizeof proof, MSG_NOSIGNAL);
    }
    sleep_seconds(0.01);
    if (self->calls % 2) close(s);
}

static void *impersonate(void *argument) {
    impostor *self = argument;
    while (!atomic_load(&over))
        for (int k = 0; k < TF_TCP_CHANNELS; k++) impersonate_once(self, k);
    return NULL;
}

static void identify_ends(tf_identity *identity[TF_PARTIES], tf_fingerprint fingerprint[TF_PARTIES]) {
    for (int i = 0; i < TF_PARTIES; i++) {
        cr_assert_eq(tf_identity_make(&identity[i]), TF_OK, "%s", tf_error());
        fingerprint[i] = tf_identity_fingerprint(identity[i]);
        ends[i].options.identity = identity[i];
        ends[i].options.fingerprints = fingerprint;
    }
}

/* While party 1 is missing somebody claims to be party 2, before and after that has come. */
static void meet_despite(impostor *who) {
    pthread_t thread;
    ends[2].delay = 0.3;
    ends[1].delay = 1;
    pthread_create(&thread, NULL, impersonate, who);
    join_ends(ends);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    expect_met();
    cr_expect_gt(who->calls, 5);
    cr_expect_not(strstr(ends[0].lines, "has gone"), "a true connection was displaced: %s", ends[0].lines);
}

Test(meeting, strangers_cannot_pose_as_a_party, .timeout = 60) {
    tf_identity *identity[TF_PARTIES], *other;
    tf_fingerprint fingerprint[TF_PARTIES];
    for (int how = 0; how < 3; how++) { /* says hello only; shows a key of its own; replays a true proof */
        prepare_ends(ends, "127.0.0.1", 20);
        identify_ends(identity, fingerprint);
        cr_assert_eq(tf_identity_make(&other), TF_OK);
        impostor who = {.options = &ends[0].options, .identity = how ? other : NULL, .replays = how == 2};
        tf_hello hello = tf_hello_make(&ends[2].options, 0, 0, TF_WELCOME);
        tf_challenge earlier;
        EVP_PKEY *secret = tf_challenge_make(&earlier);
        cr_assert_eq(tf_hello_prove(identity[2], &hello, &earlier, who.old_proof), TF_OK);
        EVP_PKEY_free(secret);
        atomic_store(&over, false);
        meet_despite(&who);
        if (how) cr_expect(strstr(ends[0].lines, "did not prove to hold the certificate"), "%s", ends[0].lines);
        for (int i = 0; i < TF_PARTIES; i++) tf_identity_free(identity[i]);
        tf_identity_free(other);
    }
}

/** Without identities nobody can tell who is who, but who stands, stands. */
Test(meeting, strangers_do_not_displace_a_standing_party, .timeout = 60) {
    prepare_ends(ends, "127.0.0.1", 20);
    impostor who = {.options = &ends[0].options};
    pthread_t thread;
    ends[1].delay = 1.5;
    pthread_t parties[TF_PARTIES];
    for (int i = 0; i < TF_PARTIES; i++) pthread_create(&parties[i], NULL, join_as, &ends[i]);
    sleep_seconds(0.7);
    pthread_create(&thread, NULL, impersonate, &who);
    for (int i = 0; i < TF_PARTIES; i++) pthread_join(parties[i], NULL);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    expect_met();
    cr_expect(strstr(ends[0].lines, "it is connected already"), "%s", ends[0].lines);
    cr_expect_not(strstr(ends[0].lines, "has gone"), "a true connection was displaced: %s", ends[0].lines);
}

/** A party that has started anew, and proves who it is, takes the place of its earlier connection at once. */
Test(meeting, a_party_that_proves_itself_takes_its_place_again, .timeout = 60) {
    tf_identity *identity[TF_PARTIES];
    tf_fingerprint fingerprint[TF_PARTIES];
    prepare_ends(ends, "127.0.0.1", 20);
    identify_ends(identity, fingerprint);
    tcp_end first = ends[2];
    first.options.context = first.lines;
    first.options.wait = 3;
    pthread_t thread;
    pthread_create(&thread, NULL, join_as, &first); /* is still there when the second comes */
    ends[2].delay = 0.6;
    ends[1].delay = 1.2;
    join_ends(ends);
    expect_met();
    pthread_join(thread, NULL);
    cr_expect_neq(first.status, TF_OK);
    for (int i = 0; i < TF_PARTIES; i++) tf_identity_free(identity[i]);
}

/** A proof is of one party, connection, run and challenge. */
Test(meeting, proofs_hold_for_what_they_say) {
    tf_identity *identity[TF_PARTIES];
    tf_fingerprint fingerprint[TF_PARTIES];
    unsigned char proof[TF_HELLO_PROOF];
    prepare_ends(ends, "127.0.0.1", 20);
    identify_ends(identity, fingerprint);
    const tf_hello said = tf_hello_make(&ends[2].options, 0, 1, TF_WELCOME);
    tf_challenge challenge, second;
    EVP_PKEY *secret = tf_challenge_make(&challenge), *other_secret = tf_challenge_make(&second);
    cr_assert_eq(tf_hello_prove(identity[2], &said, &challenge, proof), TF_OK, "%s", tf_error());
    cr_assert(tf_hello_proved(&fingerprint[2], &said, secret, proof));
    cr_expect_not(tf_hello_proved(&fingerprint[1], &said, secret, proof));
    tf_hello other[4] = {said, said, said, said};
    other[0].from = 1, other[1].to = 1, other[2].channel = 0, other[3].run[5] ^= 1;
    for (int i = 0; i < 4; i++) cr_expect_not(tf_hello_proved(&fingerprint[2], &other[i], secret, proof), "%d", i);
    cr_expect_not(tf_hello_proved(&fingerprint[2], &said, other_secret, proof));
    for (size_t i = 0; i < sizeof proof; i += i < 64 || i > 4000 ? 1 : 17) {
        proof[i] ^= 0x41;
        cr_expect_not(tf_hello_proved(&fingerprint[2], &said, secret, proof), "byte %zu", i);
        proof[i] ^= 0x41;
    }
    for (size_t i = 0; i + 14 < sizeof proof; i++) /* the certificate's subject is not there to be read */
        cr_assert_neq(memcmp(proof + i, "trefoil party ", 14), 0);
    EVP_PKEY_free(secret);
    EVP_PKEY_free(other_secret);
    for (int i = 0; i < TF_PARTIES; i++) tf_identity_free(identity[i]);
}
