/** The secure link over MPI's messages, and through shared memory, with keys made for the run: the three ranks run all
 *  scenarios. */
#include <sys/resource.h>

#include "net/link_internal.h"
#include "net/link_mpi.h"
#include "net/link_secure.h"
#include "tests/support/scenarios.h"

static bool run_over(bool messages, const char *name, scenario *parties, size_t payload) {
    tf_link *inner, *link;
    tf_identity *identity = NULL;
    tf_secure_options options = {0};
    tf_status status = messages ? tf_link_mpi_on(MPI_COMM_WORLD, &inner) : tf_link_mpi(&inner);
    if (status == TF_OK && !messages && tf_link_longest_frame(inner) == 0) {
        fprintf(stderr, "%s: the three processes should share memory\n", name);
        return false;
    }
    if (status == TF_OK) status = tf_identity_make(&identity);
    options.identity = identity;
    if (status == TF_OK) status = tf_link_secure(inner, &options, &link);
    tf_identity_free(identity);
    // Party 1 may fail before the others are done with the handshake, which then fails with the same reason.
    if (status != TF_OK && parties == failure_reaches_everyone &&
        strcmp(tf_error(), "party 1 failed: weights.bin: truncated") == 0)
        return true;
    if (status != TF_OK) {
        fprintf(stderr, "%s: %s\n", name, tf_error());
        return false;
    }
    if (payload) tf_link_secure_set_records(link, payload, 100);
    const char *complaint = parties(link);
    if (complaint) {
        fprintf(stderr, "%s, party %d: %s\n", name, tf_link_party(link), complaint);
        tf_link_announce_failure(link, complaint);
    }
    tf_link_close(link);
    return !complaint;
}

static bool run(const char *name, scenario *parties, size_t payload) {
    return run_over(false, name, parties, payload) & run_over(true, name, parties, payload);
}

/** Where one party cannot have the memory, as party 0 that may not make such a large file, all send messages. */
static bool falls_back(void) {
    struct rlimit was, low;
    tf_link *link;
    getrlimit(RLIMIT_FSIZE, &was);
    low = (struct rlimit){.rlim_cur = 1 << 20, .rlim_max = was.rlim_max};
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0) setrlimit(RLIMIT_FSIZE, &low);
    tf_status status = tf_link_mpi(&link);
    setrlimit(RLIMIT_FSIZE, &was);
    const char *complaint = status != TF_OK                   ? tf_error()
                            : tf_link_longest_frame(link) > 0 ? "the memory was had all the same"
                                                              : order_and_counters(link);
    if (complaint) fprintf(stderr, "without memory, party %d: %s\n", rank, complaint);
    tf_link_close(link);
    return !complaint;
}

int main(void) {
    bool good = tf_mpi_launched();
    if (!good) fprintf(stderr, "not started by an MPI launcher\n");
    good &= run("order and counters", order_and_counters, 0);
    good &= run("order and counters in small records", order_and_counters, 100);
    good &= run("big messages", big_messages_between_all_pairs, 0);
    good &= run("big messages in small records", big_messages_between_all_pairs, 5000);
    good &= run("requests", requests_are_checked, 0);
    good &= run("too short", too_short, 0);
    good &= run("too long", too_long, 0);
    good &= run("deadline", deadline_names_the_peer, 0);
    good &= run("failure", failure_reaches_everyone, 0);
    good &= run("order after failures", order_and_counters, 0);
    good &= falls_back();
    if (!tf_mpi_on_one_host()) {
        fprintf(stderr, "the test's three processes should share a host\n");
        good = false;
    }
    tf_mpi_leave(!good, 30);
    return !good;
}
