/** The link through shared memory: what every link must do, plain and secured, and what an enemy can do there. */
#include <fcntl.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "net/link_internal.h"
#include "tests/support/secure_rig.h"
#include "tests/support/shared_ends.h"
#include "tests/support/three_ends.h"

enum { SMALL = 4096, MIDDLE = 64 << 10 }; /* rings: in a small one most frames wrap, or wait for room */

static void run_three(scenario *run, uint64_t ring) {
    tf_link *ends[TF_PARTIES];
    make_shared_ends(ring, ends, NULL);
    run_on_ends(ends, run);
}

static void run_secured(scenario *run, uint64_t ring) {
    tf_link *ends[TF_PARTIES];
    secure_party parties[TF_PARTIES];
    rig_identities();
    rig_parties(parties, run);
    make_shared_ends(ring, ends, NULL);
    for (int i = 0; i < TF_PARTIES; i++) {
        tf_link_close(parties[i].inner);
        parties[i].inner = ends[i];
    }
    rig_join(parties);
    rig_free_identities();
    // Party 1 may fail before the others are done with the handshake, which then fails with the same reason.
    const char *early = run == failure_reaches_everyone ? "party 1 failed: weights.bin: truncated" : "";
    for (int i = 0; i < TF_PARTIES; i++)
        cr_expect(!parties[i].error[0] || !strcmp(parties[i].error, early), "party %d: %s", i, parties[i].error);
}

static void run_all(scenario *run) {
    run_three(run, TF_LINK_SHARED_RING);
    run_three(run, SMALL);
    run_secured(run, TF_LINK_SHARED_RING);
    run_secured(run, MIDDLE);
}

Test(shared_link, keeps_order_and_counts) {
    run_all(order_and_counters);
}
Test(shared_link, moves_big_messages) {
    run_all(big_messages_between_all_pairs);
}
Test(shared_link, deadline) {
    run_all(deadline_names_the_peer);
}
Test(shared_link, failure) {
    run_all(failure_reaches_everyone);
}
Test(shared_link, too_short) {
    run_all(too_short);
}
Test(shared_link, too_long) {
    run_all(too_long);
}
Test(shared_link, requests_are_checked) {
    run_all(requests_are_checked);
}

/** What was sent arrives although its sender has left; then whoever waits for it learns so at once. */
static const char *early_close(tf_link *link) {
    unsigned char data[10] = {0};
    tf_ticket ticket;
    const int self = tf_link_party(link);
    if (self == 1) {
        EXPECT(tf_link_send(link, 0, data, sizeof data, &ticket) == TF_OK);
        EXPECT(tf_link_wait(link, ticket) == TF_OK);
        return NULL;
    }
    if (self == 2) return NULL;
    sleep_seconds(0.1);
    EXPECT(tf_link_receive(link, 1, data, sizeof data, &ticket) == TF_OK);
    EXPECT(tf_link_wait(link, ticket) == TF_OK);
    EXPECT(tf_link_receive(link, 1, data, sizeof data, &ticket) == TF_OK);
    EXPECT(tf_link_wait(link, ticket) == TF_PEER);
    EXPECT(strcmp(tf_error(), "party 1 has left") == 0);
    return NULL;
}
Test(shared_link, early_close) {
    run_all(early_close);
}

static atomic_bool named;

/** The one that waits for a party which itself waits in vain names the third, which says nothing meanwhile. */
static const char *names_the_culprit(tf_link *link) {
    unsigned char byte[1];
    tf_ticket ticket;
    const int self = tf_link_party(link);
    tf_link_set_deadline(link, self == 0 ? 4 : 300);
    if (self == 2) {
        while (!named) sleep_seconds(0.01);
        return NULL;
    }
    EXPECT(tf_link_receive(link, self + 1, byte, 1, &ticket) == TF_OK);
    tf_status status = tf_link_wait(link, ticket);
    named = true;
    EXPECT(status == TF_PEER);
    if (self == 1) return NULL;
    EXPECT(strcmp(tf_error(), "party 2 is silent: party 1, which this party waits for, waits for it for 4 s") == 0);
    tf_link_announce_failure(link, "the end");
    return NULL;
}
Test(shared_link, names_the_culprit) {
    run_three(names_the_culprit, SMALL);
}
Test(shared_link, names_the_culprit_behind_a_secure_link) {
    run_secured(names_the_culprit, SMALL);
}

/** Each waits for the one before it, time and again, long enough to sleep: a lost waking would cost a second. */
static const char *goes_round(tf_link *link) {
    unsigned char token = 0;
    tf_ticket ticket;
    const int self = tf_link_party(link);
    for (int turn = 0; turn < 500; turn++) {
        if (self != 0 || turn > 0) {
            EXPECT(tf_link_receive(link, tf_previous(self), &token, 1, &ticket) == TF_OK);
            EXPECT(tf_link_wait(link, ticket) == TF_OK);
            EXPECT(token == (unsigned char)(self ? turn : turn - 1));
        }
        if (turn % 5 == self) sleep_seconds(0.002);
        token = (unsigned char)turn;
        EXPECT(tf_link_send(link, tf_next(self), &token, 1, &ticket) == TF_OK);
        EXPECT(tf_link_wait(link, ticket) == TF_OK);
    }
    return NULL;
}
Test(shared_link, goes_round, .timeout = 200) {
    run_all(goes_round);
}

static const char *in_small_records(tf_link *link) {
    tf_link_secure_set_records(link, 1000, 7);
    return big_messages_between_all_pairs(link);
}
Test(shared_link, in_small_records_with_many_keys) {
    run_secured(in_small_records, SMALL);
}

/* Enemies ---------------------------------------------------------------------------------------------------------- */

static unsigned char *view;
static size_t view_size;
static atomic_bool over, hurries;

static void *scribble(void *all) {
    unsigned long state = 1;
    while (!over) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        view[(state >> 33) % (all ? view_size : 4096)] = (unsigned char)(state >> 25);
        if (!hurries)
            sleep_seconds(1e-4);
        else if (state >> 60 == 0)
            sched_yield();
    }
    return NULL;
}

/** What two parties say to each other while an enemy writes; they may fail, in any way but with a wrong message. */
static const char *talk(tf_link *link) {
    const int self = tf_link_party(link);
    tf_status status = TF_OK;
    if (self == 2) return NULL;
    tf_link_set_deadline(link, 0.2);
    for (unsigned n = 0; n < 200 && status == TF_OK; n++) {
        message out, in;
        EXPECT(make_message(&out, self, 1 - self, n, 1 + 997 * n % 20000, true));
        EXPECT(make_message(&in, 1 - self, self, n, 1 + 997 * n % 20000, false));
        status = tf_link_send(link, 1 - self, out.data, out.length, &out.ticket);
        if (status == TF_OK) status = tf_link_receive(link, 1 - self, in.data, in.length, &in.ticket);
        if (status == TF_OK) status = tf_link_wait(link, in.ticket);
        if (status == TF_OK && link->inner) EXPECT(holds_pattern(&in, 1 - self, self, n));
        if (status != TF_OK) tf_link_announce_failure(link, "the end");
        if (status == TF_OK) free(out.data);
        free(in.data);
    }
    return NULL;
}

/** Nothing written anywhere in the memory makes a party crash, or take a wrong message for a right one. */
Test(shared_enemy, writes_everywhere, .timeout = 300) {
    rig_identities();
    for (int trial = 0; trial < 40; trial++) {
        tf_link *ends[TF_PARTIES];
        secure_party parties[TF_PARTIES];
        pthread_t enemy;
        const bool secure = trial % 2, everywhere = trial / 2 % 2;
        make_shared_ends(MIDDLE, ends, &view);
        view_size = tf_link_shared_size(MIDDLE);
        over = false;
        hurries = trial / 4 % 2;
        cr_assert_eq(pthread_create(&enemy, NULL, scribble, everywhere ? &over : NULL), 0);
        if (secure) {
            rig_parties(parties, talk);
            for (int i = 0; i < TF_PARTIES; i++) {
                tf_link_close(parties[i].inner);
                parties[i].inner = ends[i];
                tf_link_set_deadline(ends[i], 0.3);
            }
            rig_join(parties);
            for (int i = 0; i < TF_PARTIES; i++)
                cr_expect(!strstr(parties[i].error, "EXPECT") && !strstr(parties[i].error, "holds_pattern"), "%s",
                          parties[i].error);
        } else {
            run_on_ends(ends, talk);
        }
        over = true;
        pthread_join(enemy, NULL);
        munmap(view, view_size);
    }
    rig_free_identities();
}

/* How the memory is had -------------------------------------------------------------------------------------------- */

Test(shared_memory, goes_through_a_door) {
    enum { SIZE = 8192 };
    tf_door door, wrong;
    const int file = tf_shared_memory_make(SIZE), socket = tf_door_open(&door);
    cr_assert(file >= 0 && socket >= 0);
    wrong = door;
    wrong.token[3] ^= 1;
    cr_assert(tf_door_hand(&wrong, file)); // by a stranger
    cr_assert(tf_door_hand(&door, file));
    const int taken = tf_door_take(socket, &door);
    cr_assert(taken >= 0);
    unsigned char *here = tf_shared_memory_map(file, SIZE), *there = tf_shared_memory_map(taken, SIZE);
    cr_assert(here && there && here != there);
    here[SIZE - 1] = 7;
    cr_expect_eq(there[SIZE - 1], 7);
    tf_shared_memory_unmap(here, SIZE);
    tf_shared_memory_unmap(there, SIZE);
    tf_shared_memory_unmap(NULL, SIZE);
    cr_expect_not(tf_door_hand(&door, 0)); // which is closed
}

Test(shared_memory, nothing_comes_from_strangers) {
    tf_door door, wrong = {0};
    const int file = tf_shared_memory_make(4096);
    int socket = tf_door_open(&door);
    cr_expect_eq(tf_door_take(socket, &door), -1);
    cr_expect_not(tf_door_hand(&wrong, file));
    wrong.name_size = 200;
    cr_expect_not(tf_door_hand(&wrong, file));
    socket = tf_door_open(&door);
    wrong = door;
    wrong.token[0] ^= 1;
    for (int i = 0; i < 1000; i++) (void)tf_door_hand(&wrong, file); // its door does not take that many
    cr_expect_eq(tf_door_take(socket, &door), -1);
    close(file);
}

static int open_files(void) {
    int count = 0;
    for (int file = 0; file < 256; file++) count += fcntl(file, F_GETFD) >= 0;
    return count;
}

Test(shared_memory, files_of_strangers_are_closed) {
    tf_door door;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int before = open_files(), socket_here = tf_door_open(&door), stranger = socket(AF_UNIX, SOCK_DGRAM, 0);
    memcpy(address.sun_path, door.name, door.name_size);
    for (int files = 1; files <= 3; files++) {
        unsigned char text[TF_DOOR_TOKEN + 1] = {0};
        struct iovec part = {text, files == 3 ? TF_DOOR_TOKEN + 1 : TF_DOOR_TOKEN};
        alignas(struct cmsghdr) char room[CMSG_SPACE(3 * sizeof(int))] = {0};
        struct msghdr letter = {.msg_name = &address,
                                .msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + door.name_size),
                                .msg_iov = &part,
                                .msg_iovlen = 1,
                                .msg_control = room,
                                .msg_controllen = CMSG_LEN((size_t)files * sizeof(int))};
        struct cmsghdr *header = CMSG_FIRSTHDR(&letter);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = letter.msg_controllen;
        for (int i = 0; i < files; i++) ((int *)CMSG_DATA(header))[i] = stranger;
        cr_expect(sendmsg(stranger, &letter, MSG_DONTWAIT) > 0);
    }
    cr_expect_eq(tf_door_take(socket_here, &door), -1);
    close(stranger);
    cr_expect_eq(open_files(), before);
}

/** Who could make the file smaller could end whoever touches it. */
Test(shared_memory, is_sealed) {
    char name[] = "/tmp/trefoil-test-XXXXXX";
    const int file = tf_shared_memory_make(8192), plain = mkstemp(name);
    cr_expect_eq(ftruncate(file, 4096), -1);
    cr_expect_eq(ftruncate(file, 16384), -1);
    cr_expect_null(tf_shared_memory_map(dup(file), 4096));
    cr_expect_null(tf_shared_memory_map(dup(file), 16384));
    cr_expect_eq(ftruncate(plain, 8192), 0);
    cr_expect_null(tf_shared_memory_map(plain, 8192));
    cr_expect_null(tf_shared_memory_map(-1, 8192));
    unlink(name);
    close(file);
    cr_expect_eq(tf_link_shared_size(0), 0);
    cr_expect_eq(tf_link_shared_size(1000), 0);
    cr_expect_eq(tf_link_shared_size(UINT64_MAX / 4096 * 4096), 0);
}

Test(shared_memory, is_not_had_beyond_the_largest_file) {
    const struct rlimit most = {.rlim_cur = 8191, .rlim_max = 8191};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &most), 0);
    cr_expect_eq(tf_shared_memory_make(8192), -1);
    const int file = tf_shared_memory_make(4096);
    cr_expect(file >= 0);
    close(file);
}
