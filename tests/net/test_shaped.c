/** The shaped link: what every link must do, and that it takes as long as the network that it simulates. */
#include <criterion/criterion.h>
#include <math.h>

#include "net/base/clock.h"
#include "net/link_internal.h"
#include "net/link_shaped.h"
#include "tests/support/tcp_ends.h"

static void shape_ends(tf_link *ends[TF_PARTIES], const tf_network *network) {
    for (int i = 0; i < TF_PARTIES; i++)
        cr_assert_eq(tf_link_shaped(ends[i], network, &ends[i]), TF_OK, "%s", tf_error());
}

static void run_three(scenario *run, tf_network network) {
    tf_link *ends[TF_PARTIES];
    cr_assert_eq(tf_link_memory(ends), TF_OK);
    shape_ends(ends, &network);
    run_on_ends(ends, run);
}

static void run_three_tcp(scenario *run, tf_network network) {
    tf_link *ends[TF_PARTIES];
    connect_ends(ends);
    shape_ends(ends, &network);
    run_on_ends(ends, run);
}

static bool early_clock;
static const tf_network lan = {.round_trip = 1e-3, .rate = 5e9 / 8}, none = {.rate = INFINITY};

Test(shaped_link, keeps_order_and_counts) {
    run_three(order_and_counters, lan);
    run_three(order_and_counters, none);
    run_three_tcp(order_and_counters, lan);
}
Test(shaped_link, moves_big_messages) {
    run_three(big_messages_between_all_pairs, lan);
    run_three_tcp(big_messages_between_all_pairs, lan);
}
Test(shaped_link, deadline) {
    run_three(deadline_names_the_peer, lan);
}
Test(shaped_link, failure) {
    run_three(failure_reaches_everyone, lan);
    run_three_tcp(failure_reaches_everyone, lan);
}
Test(shaped_link, too_short) {
    run_three(too_short, lan);
}
Test(shaped_link, too_long) {
    run_three(too_long, lan);
}
Test(shaped_link, requests_are_checked) {
    run_three(requests_are_checked, lan);
}

enum { ROUNDS = 20, ROUND_BYTES = 50000 };
static const tf_network slow = {.round_trip = 20e-3, .rate = 10e6};
static double took[TF_PARTIES];

/** Every party sends to both others in each round and needs what it receives for the next. */
static const char *rounds(tf_link *link) {
    static _Thread_local unsigned char out[ROUND_BYTES], in[TF_PARTIES][ROUND_BYTES];
    const int self = tf_link_party(link);
    double start = tf_clock();
    for (int round = 0; round < ROUNDS; round++) {
        tf_ticket sent[TF_PARTIES], received[TF_PARTIES];
        for (int k = 1; k < TF_PARTIES; k++) {
            int peer = (self + k) % TF_PARTIES;
            EXPECT(tf_link_receive(link, peer, in[peer], ROUND_BYTES, &received[peer]) == TF_OK);
            EXPECT(tf_link_send(link, peer, out, ROUND_BYTES, &sent[peer]) == TF_OK);
        }
        for (int k = 1; k < TF_PARTIES; k++) EXPECT(tf_link_wait(link, received[(self + k) % TF_PARTIES]) == TF_OK);
        for (int k = 1; k < TF_PARTIES; k++) EXPECT(tf_link_wait(link, sent[(self + k) % TF_PARTIES]) == TF_OK);
    }
    took[self] = tf_clock() - start;
    return NULL;
}

Test(shaped_link, rounds_take_delay_and_bytes) {
    double forecast = ROUNDS * tf_network_seconds(&slow, ROUND_BYTES); // 20 * (10 ms + 5 ms)
    cr_assert_float_eq(forecast, 0.3, 1e-9);
    run_three(rounds, slow);
    for (int i = 0; i < TF_PARTIES; i++) {
        cr_expect_geq(took[i], forecast * 0.999 - slow.round_trip, "party %d took %g s", i, took[i]); // may start late
        cr_expect_leq(took[i], 10 * forecast, "party %d took %g s", i, took[i]);
    }
}

static double first_sent, last_arrived;

/** Messages that follow each other share one delay, and the wire carries them one after the other. */
static const char *in_a_row(tf_link *link) {
    static unsigned char out[ROUNDS][ROUND_BYTES], in[ROUNDS][ROUND_BYTES];
    tf_ticket ticket[ROUNDS];
    double first_arrived = 0;
    if (tf_link_party(link) == 2) return NULL;
    if (tf_link_party(link) == 0) first_sent = tf_clock();
    for (int i = 0; i < ROUNDS; i++) {
        if (tf_link_party(link) == 0)
            EXPECT(tf_link_send(link, 1, out[i], ROUND_BYTES, &ticket[i]) == TF_OK);
        else
            EXPECT(tf_link_receive(link, 0, in[i], ROUND_BYTES, &ticket[i]) == TF_OK);
    }
    for (int i = 0; i < ROUNDS; i++) {
        EXPECT(tf_link_wait(link, ticket[i]) == TF_OK);
        if (i == 0) first_arrived = tf_clock();
    }
    if (tf_link_party(link) == 0) return NULL;
    last_arrived = tf_clock();
    EXPECT(first_arrived < last_arrived);
    return NULL;
}
Test(shaped_link, messages_in_a_row_share_a_delay) {
    run_three(in_a_row, slow);
    double wire = ROUNDS * ROUND_BYTES / slow.rate, forecast = slow.round_trip / 2 + wire;
    double seconds = last_arrived - first_sent; // from the sender's start, for the receiver may begin later
    cr_expect_geq(seconds, forecast * 0.999, "%g s", seconds);
    cr_expect_lt(seconds, 10 * forecast, "%g s", seconds);
}

/** A transfer that takes longer than the deadline shows signs of life meanwhile. */
static const char *longer_than_the_deadline(tf_link *link) {
    static unsigned char data[200000], in[200000];
    tf_ticket ticket;
    if (tf_link_party(link) == 2) return NULL;
    if (tf_link_party(link) == 0) {
        EXPECT(tf_link_send(link, 1, data, sizeof data, &ticket) == TF_OK);
    } else {
        tf_link_set_deadline(link, 0.2);
        EXPECT(tf_link_receive(link, 0, in, sizeof in, &ticket) == TF_OK);
    }
    EXPECT(tf_link_wait(link, ticket) == TF_OK);
    return NULL;
}
Test(shaped_link, slow_is_not_silent) {
    run_three(longer_than_the_deadline, (tf_network){.round_trip = 2e-3, .rate = 250e3});
}

Test(network, is_read) {
    tf_network n;
    cr_expect_eq(tf_network_parse("shape", "lan", &n), TF_OK);
    cr_expect(n.round_trip == 1e-3 && n.rate == 625e6);
    cr_expect_eq(tf_network_parse("shape", "wan", &n), TF_OK);
    cr_expect(n.round_trip == 40e-3 && n.rate == 50e6);
    cr_expect_eq(tf_network_parse("shape", "2.5ms,80mbit", &n), TF_OK);
    cr_expect(n.round_trip == 2.5e-3 && n.rate == 10e6);
    cr_expect_float_eq(tf_network_seconds(&n, 1000000), 0.10125, 1e-12);
    char text[TF_NETWORK_TEXT];
    cr_expect_str_eq(tf_network_text(&n, text), "2.5ms,80mbit,2ns");
    cr_expect_eq(tf_network_parse("network", "0.0153ms,1.72e+04mbit,14.9ns", &n), TF_OK);
    cr_expect_float_eq(n.work, 14.9e-9, 1e-20);
    cr_expect_str_eq(tf_network_text(&n, text), "0.0153ms,1.72e+04mbit,14.9ns");
    static const char *const wrong[] = {
        "",           "man",           "lan ",         "5ms",           "5ms,",       "5ms,7",
        "5ms,0mbit",  "-1ms,5mbit",    "5ms,nanmbit",  "infms,5mbit",   "5ms,5mbits", "1e9ms,1mbit",
        "5ms,5mbit,", "5ms,5mbit,0ns", "5ms,5mbit,9n", "5ms,5mbit,1ns,"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(tf_network_parse("shape", wrong[i], &n), TF_INVALID, "%s", wrong[i]);
        cr_expect(strstr(tf_error(), "--shape"));
    }
}

/* A byte's work counts beside its time on the wire, a hand-over beside the delay. */
Test(network, what_a_round_is_worth) {
    tf_network here = {.rate = INFINITY}, wan = {.round_trip = 40e-3, .rate = 50e6, .work = 10e-9};
    cr_expect_float_eq(tf_network_round_bytes(&here), 16000, 1e-6);
    cr_expect_float_eq(tf_network_round_bytes(&wan), 20.032e-3 / (1 / 300e6 + 10e-9), 1e-3);
}

/** Stamps of another machine's clock are refused: party 1, whose link is not shaped, stamps by hand. */
static const char *other_clock(tf_link *link) {
    unsigned char stamp[8], data[3] = {0};
    tf_ticket ticket;
    if (tf_link_party(link) == 0) {
        EXPECT(tf_link_receive(link, 1, data, sizeof data, &ticket) == TF_OK);
        EXPECT(tf_link_wait(link, ticket) == TF_INVALID);
        EXPECT(strstr(tf_error(), "the clocks of party 1 and this one differ"));
    }
    if (tf_link_party(link) != 1) return NULL;
    double seconds = tf_clock() + (early_clock ? 60 : -601); /* the oldest allowed is 600 s old, whatever the uptime */
    uint64_t nanoseconds = (uint64_t)(int64_t)(1e9 * seconds);
    for (size_t i = 0; i < sizeof stamp; i++) stamp[i] = (unsigned char)(nanoseconds >> 8 * i);
    EXPECT(tf_link_send(link, 0, stamp, sizeof stamp, &ticket) == TF_OK);
    EXPECT(tf_link_send(link, 0, data, sizeof data, &ticket) == TF_OK);
    tf_status status = tf_link_wait(link, ticket);
    EXPECT(status == TF_OK || status == TF_PEER);
    return NULL;
}
Test(shaped_link, clocks_must_be_one) {
    for (int k = 0; k < 2; k++) {
        tf_link *ends[TF_PARTIES];
        early_clock = k;
        cr_assert_eq(tf_link_memory(ends), TF_OK);
        cr_assert_eq(tf_link_shaped(ends[0], &lan, &ends[0]), TF_OK);
        run_on_ends(ends, other_clock);
    }
}
