/**
 * The MPI link. Without an argument the three ranks run all scenarios; with one they end as the argument says, for the
 * shell tests that look at the end of a whole job.
 */
#include "net/link_mpi.h"

#include <signal.h>

#include "net/link_internal.h"
#include "tests/support/scenarios.h"

static tf_status join(tf_link **link) {
    int rank, size;
    *link = NULL;
    TF_TRY(tf_mpi_start(&rank, &size));
    return tf_link_mpi_on(MPI_COMM_WORLD, link);
}

static bool run(const char *name, scenario *parties, uint64_t chunk) {
    tf_link *link;
    if (join(&link) != TF_OK) {
        fprintf(stderr, "%s: %s\n", name, tf_error());
        return false;
    }
    if (chunk) tf_link_mpi_set_chunk(link, chunk);
    const char *complaint = parties(link);
    if (complaint) {
        fprintf(stderr, "%s, party %d: %s\n", name, tf_link_party(link), complaint);
        tf_link_announce_failure(link, complaint);
    }
    tf_link_close(link);
    return !complaint;
}

/** Queues one transfer as told and waits for it. The data is big enough that MPI, too, has to wait for the receiver. */
static tf_status transfer(tf_link *link, int peer, bool receive, uint64_t length, unsigned char *data) {
    tf_ticket ticket;
    if (receive)
        TF_TRY(tf_link_receive(link, peer, data, length, &ticket));
    else
        TF_TRY(tf_link_send(link, peer, data, length, &ticket));
    return tf_link_wait(link, ticket);
}

static tf_status send_to_silent_party(tf_link *link, unsigned char *data) {
    tf_link_set_deadline(link, 1);
    if (tf_link_party(link) == 2) sleep_seconds(600);
    return transfer(link, 2, false, 32 << 20, data);
}

static tf_status fail_in_party_1(tf_link *link, unsigned char *data) {
    if (tf_link_party(link) == 1) return tf_fail(TF_FORMAT, "config.json: missing");
    return transfer(link, 1, true, 1, data);
}

static tf_status expect_too_little(tf_link *link, unsigned char *data) {
    const int self = tf_link_party(link);
    if (self == 2) return TF_OK;
    return transfer(link, 1 - self, self == 0, self == 0 ? 1 << 19 : 1 << 20, data);
}

static tf_status only_join(tf_link *link, unsigned char *data) {
    return TF_OK;
}

static tf_status stop_in_party_2(tf_link *link, unsigned char *data) {
    if (tf_link_party(link) == 2) raise(SIGSTOP);
    return TF_OK;
}

static tf_status stop_while_another_fails(tf_link *link, unsigned char *data) {
    if (tf_link_party(link) == 1) return tf_fail(TF_FORMAT, "config.json: missing");
    return stop_in_party_2(link, data);
}

/** Works for longer than the others wait for who is silent. */
static tf_status work_in_party_2(tf_link *link, unsigned char *data) {
    for (int i = 0; tf_link_party(link) == 2 && i < 80; i++) {
        sleep_seconds(0.1);
        tf_mpi_busy();
    }
    return TF_OK;
}

/** Party 2 begins to say more than a party does that leaves, and does not come to its end. */
static tf_status talk_in_party_2(tf_link *link, unsigned char *data) {
    enum { LEAVE_TAG = 1 };
    MPI_Request request;
    for (int peer = 0; tf_link_party(link) == 2 && peer < 2; peer++)
        MPI_Isend(data, 32 << 20, MPI_BYTE, peer, LEAVE_TAG, MPI_COMM_WORLD, &request);
    return stop_in_party_2(link, data);
}

static bool stops_in_finalize;

static tf_status stop_in_finalize(tf_link *link, unsigned char *data) {
    stops_in_finalize = tf_link_party(link) == 2;
    return TF_OK;
}

/** In place of Open MPI's own. */
int MPI_Finalize(void) {
    if (stops_in_finalize) raise(SIGSTOP);
    return PMPI_Finalize();
}

static int end_as(const char *name) {
    static const struct {
        const char *name;
        tf_status (*run)(tf_link *link, unsigned char *data);
    } modes[] = {{"join", only_join},
                 {"silent", send_to_silent_party},
                 {"fail", fail_in_party_1},
                 {"stop", stop_in_party_2},
                 {"stop_and_fail", stop_while_another_fails},
                 {"stop_in_finalize", stop_in_finalize},
                 {"work", work_in_party_2},
                 {"talk", talk_in_party_2},
                 {"differ", expect_too_little}};
    tf_link *link;
    tf_status status = join(&link);
    unsigned char *data = calloc(1, 32 << 20);
    for (size_t i = 0; data && status == TF_OK && i < sizeof modes / sizeof *modes; i++)
        if (strcmp(name, modes[i].name) == 0) status = modes[i].run(link, data);
    if (link && status != TF_OK) tf_link_announce_failure(link, tf_error());
    tf_link_close(link);
    free(data);
    if (status == TF_OK) fprintf(stderr, "done\n");
    if (status != TF_OK) fprintf(stderr, "error: %s\n", tf_error());
    tf_mpi_leave(status != TF_OK, 5);
    return status != TF_OK;
}

int main(int argc, char **argv) {
    if (argc > 1) return end_as(argv[1]);
    bool good = tf_mpi_launched();
    if (!good) fprintf(stderr, "not started by an MPI launcher\n");
    good &= run("order and counters", order_and_counters, 0);
    good &= run("order and counters in small chunks", order_and_counters, 13);
    good &= run("big messages", big_messages_between_all_pairs, 0);
    good &= run("big messages in one chunk", big_messages_between_all_pairs, 1 << 30);
    good &= run("big messages in small chunks", big_messages_between_all_pairs, 1000);
    good &= run("requests", requests_are_checked, 0);
    good &= run("too short", too_short, 0);
    good &= run("too long", too_long, 0);
    good &= run("deadline", deadline_names_the_peer, 0);
    good &= run("failure", failure_reaches_everyone, 0);
    good &= run("order after failures", order_and_counters, 0);
    tf_mpi_leave(!good, 30);
    return !good;
}
