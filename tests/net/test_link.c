/** The memory link, and what is common to all links. */
#include <criterion/criterion.h>
#include <math.h>

#include "net/link_internal.h"
#include "tests/support/three_ends.h"

static void run_three(scenario *run) {
    tf_link *ends[TF_PARTIES];
    cr_assert_eq(tf_link_memory(ends), TF_OK, "%s", tf_error());
    run_on_ends(ends, run);
}

Test(memory_link, keeps_order_and_counts) {
    run_three(order_and_counters);
}
Test(memory_link, moves_big_messages) {
    run_three(big_messages_between_all_pairs);
}
Test(memory_link, deadline) {
    run_three(deadline_names_the_peer);
}
Test(memory_link, failure) {
    run_three(failure_reaches_everyone);
}
Test(memory_link, too_short) {
    run_three(too_short);
}
Test(memory_link, too_long) {
    run_three(too_long);
}
Test(memory_link, requests_are_checked) {
    run_three(requests_are_checked);
}

/** The data of a send is read where it lies, so the send is done only when the receiver has taken it. */
static const char *send_is_done_when_taken(tf_link *link) {
    static unsigned char data[1000], taken[1000];
    unsigned char go = 1;
    tf_ticket ticket, sent;
    bool done;
    const int self = tf_link_party(link);
    if (self == 0) {
        EXPECT(tf_link_send(link, 1, data, sizeof data, &ticket) == TF_OK);
        EXPECT(tf_link_test(link, ticket, &done) == TF_OK && !done);
        EXPECT(tf_link_send(link, 1, NULL, 0, &ticket) == TF_OK);
        EXPECT(tf_link_test(link, ticket, &done) == TF_OK && !done);
        EXPECT(tf_link_send(link, 2, &go, 1, &sent) == TF_OK); // from here on party 1 receives
        EXPECT(tf_link_wait(link, sent) == TF_OK);
        EXPECT(tf_link_wait(link, ticket) == TF_OK);
        return NULL;
    }
    EXPECT(tf_link_receive(link, self == 2 ? 0 : 2, &go, 1, &ticket) == TF_OK);
    EXPECT(tf_link_wait(link, ticket) == TF_OK);
    if (self == 2)
        EXPECT(tf_link_send(link, 1, &go, 1, &ticket) == TF_OK);
    else
        EXPECT(tf_link_receive(link, 0, taken, sizeof taken, &ticket) == TF_OK);
    EXPECT(tf_link_wait(link, ticket) == TF_OK);
    return NULL;
}
Test(memory_link, send_is_done_when_taken) {
    run_three(send_is_done_when_taken);
}

/** Party 1 leaves without a word: whoever waits for it learns so at once, and the others are not disturbed. */
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
    if (self == 0)
        EXPECT(tf_link_receive(link, 1, in, sizeof in, &received) == TF_OK);
    else
        EXPECT(tf_link_send(link, 1, out, sizeof out, &sent) == TF_OK);
    EXPECT(tf_link_wait(link, self == 0 ? received : sent) == TF_PEER);
    EXPECT(strcmp(tf_error(), "party 1 has left") == 0);
    return NULL;
}
Test(memory_link, early_close) {
    run_three(early_close);
}

/** Closing waits for what is queued, but no longer than the deadline; then nobody reads the data any more. */
static const char *close_waits(tf_link *link) {
    static unsigned char data[] = {1, 2, 3};
    unsigned char taken[sizeof data] = {0};
    tf_ticket ticket;
    const int self = tf_link_party(link);
    tf_link_set_deadline(link, 1);
    if (self == 0) EXPECT(tf_link_send(link, 1, data, sizeof data, &ticket) == TF_OK);
    if (self == 0) EXPECT(tf_link_send(link, 2, data, sizeof data, &ticket) == TF_OK);
    if (self == 1) {
        sleep_seconds(0.2);
        EXPECT(tf_link_receive(link, 0, taken, sizeof taken, &ticket) == TF_OK);
        EXPECT(tf_link_wait(link, ticket) == TF_OK);
        EXPECT(memcmp(taken, data, sizeof data) == 0);
    }
    if (self == 2) {
        sleep_seconds(2.5);
        EXPECT(tf_link_receive(link, 0, taken, sizeof taken, &ticket) == TF_OK);
        EXPECT(tf_link_wait(link, ticket) == TF_PEER);
        EXPECT(strcmp(tf_error(), "party 0 has left") == 0);
    }
    return NULL;
}
Test(memory_link, close_waits) {
    run_three(close_waits);
}

Test(memory_link, error_survives_closing) {
    unsigned char byte;
    tf_ticket ticket;
    tf_link *ends[TF_PARTIES];
    cr_assert_eq(tf_link_memory(ends), TF_OK);
    tf_link_set_deadline(ends[0], 0.1);
    cr_assert_eq(tf_link_receive(ends[0], 1, &byte, 1, &ticket), TF_OK);
    (void)tf_fail(TF_IO, "the reason");
    tf_link_close(ends[0]); // runs into its deadline
    cr_expect_str_eq(tf_error(), "the reason");
    tf_link_close(ends[1]);
    tf_link_close(ends[2]);
    tf_link_close(NULL);
}

/** A link that only records what is announced. */
static tf_notice announced;
static int announcements;
static bool has_notice;
static tf_notice from_peer;

static tf_status fake_progress(tf_link *link) {
    return has_notice ? tf_link_peer_failed(link, 1, &from_peer) : TF_OK;
}
static tf_status fake_start(tf_link *link, int peer, bool receive) {
    return TF_OK;
}
static void fake_pause(tf_link *link, double idle, double longest) {}
static void fake_announce(tf_link *link, const tf_notice notices[TF_PARTIES]) {
    announced = notices[1];
    announcements++;
}
static void fake_close(tf_link *link) {}
static const tf_link_table fake = {.start = fake_start,
                                   .progress = fake_progress,
                                   .pause = fake_pause,
                                   .announce = fake_announce,
                                   .close = fake_close};

static tf_link *make_fake(void) {
    tf_link *link = calloc(1, sizeof *link);
    tf_link_init(link, &fake, 0);
    return link;
}

Test(link, announces_its_own_failure_once) {
    tf_link *link = make_fake();
    tf_link_announce_failure(link, "no space");
    tf_link_announce_failure(link, "closing failed as well");
    cr_expect_eq(announcements, 1);
    cr_expect_eq(announced.origin, 0);
    cr_expect_str_eq(announced.text, "no space");
    tf_link_close(link);
}

Test(link, passes_the_first_cause_on) {
    unsigned char byte;
    tf_ticket ticket;
    tf_link *link = make_fake();
    from_peer = (tf_notice){.origin = 2, .text = "no \x1b[2Jspace"};
    has_notice = true;
    cr_assert_eq(tf_link_receive(link, 1, &byte, 1, &ticket), TF_OK);
    cr_assert_eq(tf_link_wait(link, ticket), TF_PEER);
    cr_expect_str_eq(tf_error(), "party 2 failed: no ?[2Jspace", "%s", tf_error());
    tf_link_announce_failure(link, tf_error());
    cr_expect_eq(announced.origin, 2);
    cr_expect_str_eq(announced.text, "no ?[2Jspace");
    cr_expect_eq(tf_fail_doing(TF_PEER, "reading"), TF_PEER); /* what a peer has told says enough */
    cr_expect_str_eq(tf_error(), "party 2 failed: no ?[2Jspace", "%s", tf_error());
    cr_expect_eq(tf_fail_doing(tf_fail(TF_PEER, "party 2 has gone"), "reading"), TF_PEER);
    cr_expect_str_eq(tf_error(), "reading: party 2 has gone", "%s", tf_error());
    tf_link_close(link);
}

Test(link, tells_what_all_find_as_its_own) {
    unsigned char byte;
    tf_ticket ticket;
    tf_link *link = make_fake();
    from_peer = (tf_notice){.origin = 2, .text = "the parties differ in approx"};
    has_notice = true;
    cr_assert_eq(tf_link_receive(link, 1, &byte, 1, &ticket), TF_OK);
    cr_assert_eq(tf_link_wait(link, ticket), TF_MISMATCH);
    cr_expect_str_eq(tf_error(), "the parties differ in approx", "%s", tf_error());
    tf_link_close(link);
}

Test(link, a_long_message_is_cut) {
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    tf_link *link = make_fake();
    tf_link_announce_failure(link, text);
    cr_expect_eq(strlen(announced.text), sizeof announced.text - 1);
    tf_link_close(link);
}

/* A link whose peer 1 sends a byte every few milliseconds. */

typedef struct trickle {
    tf_link base;
    size_t piece;
} trickle;

static tf_status trickle_start(tf_link *link, int peer, bool receive) {
    return TF_OK;
}

static tf_status trickle_progress(tf_link *link) {
    const tf_transfer_queue *queue = &link->queues[true][1];
    if (queue->first == queue->end) return TF_OK;
    const tf_transfer *transfer = tf_transfer_at(queue, queue->first);
    size_t piece = ((trickle *)link)->piece, left = transfer->length - transfer->moved;
    tf_link_moved(link, 1, true, piece < left ? piece : left);
    return TF_OK;
}

static void trickle_pause(tf_link *link, double idle, double longest) {
    sleep_seconds(fmin(longest, 0.01));
}

static const tf_link_table trickle_table = {
    .start = trickle_start, .progress = trickle_progress, .pause = trickle_pause};

/* Whoever sends a byte within each deadline is as silent as one who sends none; a slow link is not. */
Test(deadline, is_not_held_off_by_single_bytes) {
    static unsigned char data[4000];
    trickle link;
    tf_ticket ticket;
    tf_link_init(&link.base, &trickle_table, 0);
    tf_link_set_deadline(&link.base, 2); /* in which 2 kB are enough */
    link.piece = 100;
    cr_assert_eq(tf_link_receive(&link.base, 1, data, sizeof data, &ticket), TF_OK);
    cr_assert_eq(tf_link_wait(&link.base, ticket), TF_OK, "%s", tf_error());
    link.piece = 1;
    for (int i = 0; i < 40; i++) {
        cr_assert_eq(tf_link_receive(&link.base, 1, data, 1, &ticket), TF_OK);
        cr_assert_eq(tf_link_wait(&link.base, ticket), TF_OK, "%s", tf_error());
    }
    cr_assert_eq(tf_link_receive(&link.base, 1, data, sizeof data, &ticket), TF_OK);
    cr_assert_eq(tf_link_wait(&link.base, ticket), TF_PEER);
    cr_assert(strstr(tf_error(), "party 1 sent only"), "%s", tf_error());
}

/* A link whose process is stopped in its first pause, for longer than its deadline; what its peer sent meanwhile comes
 * a while after that, if ever. */

typedef struct stopped {
    tf_link base;
    int pauses;
    bool comes;
} stopped;

static tf_status stopped_progress(tf_link *link) {
    const stopped *self = (stopped *)link;
    if (self->comes && self->pauses == 3) tf_link_moved(link, 1, true, 1);
    return TF_OK;
}

static void stopped_pause(tf_link *link, double idle, double longest) {
    sleep_seconds(((stopped *)link)->pauses++ ? fmin(longest, 0.01) : longest + 1.2);
}

static const tf_link_table stopped_table = {
    .start = trickle_start, .progress = stopped_progress, .pause = stopped_pause};

Test(deadline, begins_anew_for_whoever_was_stopped) {
    unsigned char byte;
    for (int comes = 0; comes < 2; comes++) {
        stopped link = {.comes = comes};
        tf_ticket ticket;
        tf_link_init(&link.base, &stopped_table, 0);
        tf_link_set_deadline(&link.base, 0.5);
        cr_assert_eq(tf_link_receive(&link.base, 1, &byte, 1, &ticket), TF_OK);
        cr_assert_eq(tf_link_wait(&link.base, ticket), comes ? TF_OK : TF_PEER, "%s", tf_error());
        free(link.base.queues[true][1].entries);
    }
}
