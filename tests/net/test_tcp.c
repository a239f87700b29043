/** The TCP link: what every link must do, how the parties find each other, and how they notice that one has gone. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "net/base/clock.h"
#include "net/link_internal.h"
#include "net/tcp_meeting.h"
#include "tests/support/tcp_ends.h"

static void run_three(scenario *run) {
    tf_link *links[TF_PARTIES];
    connect_ends(links);
    run_on_ends(links, run);
}

Test(tcp_link, keeps_order_and_counts) {
    run_three(order_and_counters);
}
Test(tcp_link, moves_big_messages) {
    run_three(big_messages_between_all_pairs);
}
Test(tcp_link, deadline) {
    run_three(deadline_names_the_peer);
}
Test(tcp_link, failure) {
    run_three(failure_reaches_everyone);
}
Test(tcp_link, too_short) {
    run_three(too_short);
}
Test(tcp_link, too_long) {
    run_three(too_long);
}
Test(tcp_link, requests_are_checked) {
    run_three(requests_are_checked);
}

/** A notice passes data that nobody takes. */
static const char *notice_overtakes(tf_link *link) {
    static unsigned char data[32 << 20], byte[1];
    tf_ticket ticket;
    const int self = tf_link_party(link);
    if (self == 2) return NULL;
    if (self == 1) {
        tf_link_set_deadline(link, 0.2);
        EXPECT(tf_link_send(link, 0, data, sizeof data, &ticket) == TF_OK);
        EXPECT(tf_link_wait(link, ticket) == TF_PEER);
        tf_link_announce_failure(link, "the disk is full");
        return NULL;
    }
    EXPECT(tf_link_receive(link, 2, byte, sizeof byte, &ticket) == TF_OK);
    EXPECT(tf_link_wait(link, ticket) == TF_PEER);
    EXPECT(strcmp(tf_error(), "party 1 failed: the disk is full") == 0);
    return NULL;
}
Test(tcp_link, notices_overtake_data) {
    tf_link *links[TF_PARTIES];
    connect_ends(links);
    tf_link_close(links[2]); // has left, so that party 0 would fail for that reason if the notice did not come
    links[2] = NULL;
    scenario_party parties[2];
    pthread_t thread[2];
    for (int i = 1; i >= 0; i--) {
        parties[i] = (scenario_party){.link = links[i], .run = notice_overtakes};
        if (i == 0) sleep_seconds(0.6);
        pthread_create(&thread[i], NULL, run_scenario_party, &parties[i]);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
        cr_expect_str_empty(parties[i].complaint, "%s", parties[i].complaint);
    }
}

/** Who leaves in order disturbs only those that still want something from it. */
static const char *early_close(tf_link *link) {
    unsigned char out[10] = {0}, in[10];
    tf_ticket sent, received;
    const int self = tf_link_party(link);
    if (self == 1) {
        EXPECT(tf_link_send(link, 0, out, sizeof out, &sent) == TF_OK);
        return NULL;
    }
    sleep_seconds(0.2);
    EXPECT(tf_link_send(link, 2 - self, out, sizeof out, &sent) == TF_OK);
    EXPECT(tf_link_receive(link, 2 - self, in, sizeof in, &received) == TF_OK);
    EXPECT(tf_link_wait(link, sent) == TF_OK);
    EXPECT(tf_link_wait(link, received) == TF_OK);
    if (self == 2) return NULL;
    EXPECT(tf_link_receive(link, 1, in, sizeof in, &received) == TF_OK); // what it had sent is still there
    EXPECT(tf_link_wait(link, received) == TF_OK);
    EXPECT(tf_link_receive(link, 1, in, sizeof in, &received) == TF_OK);
    EXPECT(tf_link_wait(link, received) == TF_PEER);
    EXPECT(strcmp(tf_error(), "party 1 has left") == 0);
    return NULL;
}
Test(tcp_link, early_close) {
    run_three(early_close);
}

/* Meeting ---------------------------------------------------------------------------------------------------------- */

static tcp_end ends[TF_PARTIES];

static void expect_met(void) {
    tf_link *links[TF_PARTIES];
    for (int i = 0; i < TF_PARTIES; i++) cr_assert_eq(ends[i].status, TF_OK, "party %d: %s", i, ends[i].error);
    for (int i = 0; i < TF_PARTIES; i++) links[i] = ends[i].link;
    run_on_ends(links, order_and_counters);
}

Test(meeting, any_order) {
    for (int order = 0; order < 6; order++) {
        static const int delays[6][TF_PARTIES] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        prepare_ends(ends, "127.0.0.1", 20);
        for (int i = 0; i < TF_PARTIES; i++) ends[i].delay = 0.1 * delays[order][i];
        join_ends(ends);
        expect_met();
    }
}

Test(meeting, ipv6) {
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    bool there = probe >= 0 && bind(probe, (struct sockaddr *)&address, sizeof address) == 0;
    close(probe);
    if (!there) cr_skip_test("this machine has no IPv6");
    prepare_ends(ends, "::1", 20);
    join_ends(ends);
    expect_met();
}

Test(meeting, who_does_not_come_is_named) {
    prepare_ends(ends, "127.0.0.1", 0.7);
    ends[2].options.wait = 0.5; // sees that party 0 still waits
    ends[2].delay = 0.05;
    ends[1].delay = 1.5;
    join_ends(ends);
    for (int i = 0; i < TF_PARTIES; i++) cr_expect_eq(ends[i].status, TF_PEER);
    cr_expect_str_eq(
        ends[0].error,
        "connecting: party 1 and party 2 did not come within 0.7 s (last: party 2 was connected, but has gone)", "%s",
        ends[0].error);
    cr_expect_str_eq(ends[2].error, "connecting: party 1 did not come within 0.5 s", "%s", ends[2].error);
    cr_expect_str_eq(ends[1].error, "connecting: party 0 and party 2 did not come within 0.7 s", "%s", ends[1].error);
    cr_expect(strstr(ends[0].lines, "waiting for party 1 and party 2, at most 1 s more\n"), "%s", ends[0].lines);
    cr_expect(strstr(ends[0].lines, "party 2 is connected\n"), "%s", ends[0].lines);
}

/** Party 2 cannot reach party 1 and gives up first; party 0 has met both, and does not know which is at fault. */
Test(meeting, who_came_but_is_not_ready_is_named) {
    prepare_ends(ends, "127.0.0.1", 1.2);
    ends[2].options.address[1].port = "1";
    ends[2].options.wait = 0.6;
    ends[1].options.wait = 5;
    join_ends(ends);
    cr_expect_str_eq(
        ends[0].error,
        "connecting: party 1 and party 2 did not come within 1.2 s (last: party 2 was connected, but has gone)", "%s",
        ends[0].error);
    cr_expect_str_eq(ends[2].error, "connecting: party 1 did not come within 0.6 s", "%s", ends[2].error);
}

Test(meeting, another_run_is_refused) {
    prepare_ends(ends, "127.0.0.1", 1.5);
    ends[1].options.run[15] = 9;
    ends[2].options.wait = 10;
    join_ends(ends);
    cr_expect_eq(ends[1].status, TF_MISMATCH);
    cr_expect(strstr(ends[1].error, "party 0 at 127.0.0.1 port ") &&
                  strstr(ends[1].error, "it runs with another parties file"),
              "%s", ends[1].error);
    cr_expect_eq(ends[0].status, TF_PEER);
    cr_expect(strstr(ends[0].error, "party 1"), "%s", ends[0].error);
    cr_expect(strstr(ends[0].lines, "a call from 127.0.0.1 was refused: it runs with another parties file"), "%s",
              ends[0].lines);
    cr_expect(ends[2].status == TF_MISMATCH || ends[2].status == TF_PEER);
}

Test(meeting, own_address_must_be_ones_own) {
    prepare_ends(ends, "127.0.0.1", 1);
    tf_link *link;
    ends[0].options.listen = (tf_tcp_address){"192.0.2.1", "9"};
    cr_expect_eq(tf_link_tcp(&ends[0].options, &link), TF_IO);
    cr_expect(strstr(tf_error(), "party 0 cannot listen at 192.0.2.1 port 9"), "%s", tf_error());
    ends[0].options.listen.host = "host.invalid";
    cr_expect_eq(tf_link_tcp(&ends[0].options, &link), TF_IO);
    ends[0].options.party = 3;
    cr_expect_eq(tf_link_tcp(&ends[0].options, &link), TF_INVALID);
}

/** Calls the ports of all who listen, says all kinds of things or nothing, and hangs up or not. */
static void *intrude(void *argument) {
    const tf_tcp_options *o = argument;
    static const char random[] = "GET / HTTP/1.1\r\nHost: trefoil\r\n\r\n";
    static const unsigned char hello[] = "trefoil\n\2\2\0\0\0\0\0\0anotherrunentire",
                               other_party[] = "trefoil\n\2\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                               other_version[] = "trefoil\n\7\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    for (int i = 0; i < 60; i++) {
        int s = call_port(o->address[i % 2].port);
        if (s < 0) {
            sleep_seconds(0.01);
            continue;
        }
        const void *what = i % 7 == 0   ? (const void *)random
                           : i % 7 == 1 ? hello
                           : i % 7 == 2 ? other_party
                           : i % 7 == 3 ? other_version
                                        : hello;
        send(s, what, i % 7 < 4 ? 32 : i % 7, MSG_NOSIGNAL); // the rest are slow: they never end their hello
        if (i % 3 == 0) close(s);                            // the others stay on until the process ends
    }
    return NULL;
}

Test(meeting, strangers_do_not_end_it) {
    pthread_t thread;
    prepare_ends(ends, "127.0.0.1", 20);
    ends[2].delay = 1;
    ends[1].delay = 0.3;
    pthread_create(&thread, NULL, intrude, &ends[0].options);
    join_ends(ends);
    pthread_join(thread, NULL);
    expect_met();
    cr_expect(strstr(ends[0].lines, "refused: it runs with another parties file"), "%s", ends[0].lines);
}

/** Whoever answers at a peer's address without being trefoil is named. */
Test(meeting, something_else_answers) {
    prepare_ends(ends, "127.0.0.1", 1);
    const tf_tcp_address *zero = &ends[2].options.address[0];
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(zero->port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    cr_assert(bind(s, (struct sockaddr *)&address, sizeof address) == 0 && listen(s, 5) == 0);
    pid_t server = fork();
    if (server == 0)
        for (;;) {
            int caller = accept(s, NULL, NULL);
            send(caller, "SSH-2.0-OpenSSH_9.2", 19, MSG_NOSIGNAL);
            sleep_seconds(0.05);
            close(caller);
        }
    tf_link *link;
    cr_expect_eq(tf_link_tcp(&ends[2].options, &link), TF_PEER);
    cr_expect(strstr(tf_error(), "something else than trefoil answers at party 0's address"), "%s", tf_error());
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    close(s);
}

/* Ends of processes ------------------------------------------------------------------------------------------------ */

/** Party 1 is a process of its own that meets the others and then sends itself a signal. */
static pid_t party_in_process(int signal_number, double after) {
    pid_t child = fork();
    if (child != 0) return child;
    if (tf_link_tcp(&ends[1].options, &ends[1].link) != TF_OK) _exit(1);
    sleep_seconds(after);
    raise(signal_number);
    sleep_seconds(60);
    _exit(0);
}

static void join_two(void) {
    pthread_t threads[TF_PARTIES];
    for (int i = 0; i < TF_PARTIES; i += 2) pthread_create(&threads[i], NULL, join_as, &ends[i]);
    for (int i = 0; i < TF_PARTIES; i += 2) pthread_join(threads[i], NULL);
    for (int i = 0; i < TF_PARTIES; i += 2) cr_assert_eq(ends[i].status, TF_OK, "party %d: %s", i, ends[i].error);
}

Test(processes, killed_party_is_noticed_at_once) {
    prepare_ends(ends, "127.0.0.1", 20);
    pid_t child = party_in_process(SIGKILL, 0.3);
    join_two();
    unsigned char byte;
    tf_ticket ticket;
    double start = tf_clock();
    cr_assert_eq(tf_link_receive(ends[0].link, 2, &byte, 1, &ticket), TF_OK); // not even party 1 is waited for
    cr_expect_eq(tf_link_wait(ends[0].link, ticket), TF_PEER);
    cr_expect_str_eq(tf_error(), "party 1 has gone: its connection has ended without a farewell");
    cr_expect_lt(tf_clock() - start, 15, "noticed by the deadline only");
    tf_link_announce_failure(ends[0].link, tf_error());
    tf_link_close(ends[0].link);
    cr_assert_eq(tf_link_receive(ends[2].link, 0, &byte, 1, &ticket), TF_OK);
    cr_expect_eq(tf_link_wait(ends[2].link, ticket), TF_PEER);
    cr_expect(strstr(tf_error(), "party 1 has gone"), "%s", tf_error());
    tf_link_close(ends[2].link);
    waitpid(child, NULL, 0);
}

Test(processes, stopped_party_runs_into_the_deadline) {
    prepare_ends(ends, "127.0.0.1", 20);
    pid_t child = party_in_process(SIGSTOP, 0);
    join_two();
    unsigned char byte;
    tf_ticket ticket;
    tf_link_set_deadline(ends[2].link, 0.5);
    cr_assert_eq(tf_link_receive(ends[2].link, 1, &byte, 1, &ticket), TF_OK);
    cr_expect_eq(tf_link_wait(ends[2].link, ticket), TF_PEER);
    cr_expect(strstr(tf_error(), "party 1 sent nothing for 0.5 s"), "%s", tf_error());
    for (int i = 0; i < TF_PARTIES; i += 2) tf_link_close(ends[i].link);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/** Party 1 dies while the meeting still waits for party 2, and comes again. */
Test(processes, who_dies_during_the_meeting_may_come_again) {
    prepare_ends(ends, "127.0.0.1", 20);
    pid_t child = fork();
    if (child == 0) {
        ends[1].options.wait = 0.4; // not long enough: goes without having met party 2
        _exit(tf_link_tcp(&ends[1].options, &ends[1].link) == TF_OK);
    }
    ends[1].delay = 0.8;
    ends[2].delay = 1.2;
    join_ends(ends);
    expect_met();
    cr_expect(strstr(ends[0].lines, "party 1 was connected, but has gone\n"), "%s", ends[0].lines);
    waitpid(child, NULL, 0);
}
