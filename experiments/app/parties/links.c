#include "experiments/app/parties/links.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "experiments/app/log/log.h"
#include "experiments/app/parties/meet.h"
#include "experiments/app/parties/secure.h"
#include "net/identity.h"

static const double SHORTEST_JOINING = 10; // seconds: MPI itself may take some to start

tf_status links_check(const link_settings *o, int party) {
    tf_identity *identity;
    int found;
    if (!o->identity) return TF_OK;
    TF_TRY(tf_identity_read(o->identity, &identity));
    tf_fingerprint fingerprint = tf_identity_fingerprint(identity);
    tf_identity_free(identity);
    tf_status status = tf_parties_find(&o->file, &fingerprint, party, &found);
    return status == TF_OK ? TF_OK : tf_fail_in(status, "--identity %s does not go with %s", o->identity, o->parties);
}

/** Joining an MPI job waits without end for a party that is stopped or hangs, so it is watched. */
typedef struct watch {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t over;
    bool joined;
    double patience;
} watch;

static void *watch_joining(void *argument) {
    watch *w = argument;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)ceil(w->patience);
    pthread_mutex_lock(&w->mutex);
    while (!w->joined && pthread_cond_timedwait(&w->over, &w->mutex, &until) == 0) {
    }
    if (!w->joined) {
        char line[160];
        int length = snprintf(line, sizeof line, "trefoil: joining the MPI job: not all parties came within %g s\n",
                              ceil(w->patience));
        ssize_t written = write(STDERR_FILENO, line, (size_t)length);
        _exit(written == length ? 1 : 2); // nothing else ends a process that is inside MPI_Init; mpirun ends the others
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

/**
 * Where all of a job are on one host, spares Open MPI the search for networks between hosts, which takes it 0.2 s of
 * the 0.4 that mpirun does, and for devices, 10 ms of each party's processor time. What mpirun's --mca or the
 * environment says goes first.
 */
static void stay_on_host(void) {
    const char *all = getenv("OMPI_COMM_WORLD_SIZE"), *here = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    if (!all || !here || strcmp(all, here)) return;
    (void)setenv("OMPI_MCA_pml", "ob1", 0);
    (void)setenv("HWLOC_COMPONENTS", "-linuxio,-pci", 0);
}

/**
 * What Open MPI says to its launcher goes over TCP that holds small messages back: the last ones, in MPI_Finalize, wait
 * 40 ms for an acknowledgement of those before (Nagle's algorithm against a delayed one). Its sockets are those that
 * this process has; of what is no such socket the call fails, harmlessly.
 */
static void hold_nothing_back(void) {
    enum { FILES = 64 };
    const int on = 1;
    for (int file = STDERR_FILENO + 1; file < FILES; file++)
        (void)!setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/** Joins the two others of this process's group. */
static tf_status join_group(link_groups *groups, tf_link **link) {
    int rank, size;
    MPI_Comm group;
    TF_TRY(tf_mpi_start(&rank, &size));
    if (size % TF_PARTIES)
        return tf_fail(TF_INVALID, "this job has %d processes: start it with mpirun -n 3, or a multiple of 3", size);
    groups->group = rank / TF_PARTIES;
    groups->groups = size / TF_PARTIES;
    if (groups->groups == 1) return tf_link_join(MPI_COMM_WORLD, link);
    if (MPI_Comm_split(MPI_COMM_WORLD, groups->group, rank, &group) != MPI_SUCCESS ||
        MPI_Comm_split(MPI_COMM_WORLD, rank % TF_PARTIES, rank, &groups->likes) != MPI_SUCCESS)
        return tf_fail(TF_PEER, "the processes of the job could not be grouped by three");
    return tf_link_join(group, link);
}

static tf_status join_mpi(const link_settings *o, link_groups *groups, tf_link **link) {
    watch w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .patience = fmax(o->timeout, SHORTEST_JOINING)};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w.over, &monotonic);
    stay_on_host();
    bool watched = pthread_create(&w.thread, NULL, watch_joining, &w) == 0;
    tf_status status = groups ? join_group(groups, link) : tf_link_mpi(link);
    hold_nothing_back();
    pthread_mutex_lock(&w.mutex);
    w.joined = true;
    pthread_cond_signal(&w.over);
    pthread_mutex_unlock(&w.mutex);
    if (watched) pthread_join(w.thread, NULL);
    pthread_cond_destroy(&w.over);
    pthread_condattr_destroy(&monotonic);
    return status;
}

static tf_status open_mpi(const link_settings *o, link_groups *groups, tf_link **link) {
    tf_link *inner;
    TF_TRY(join_mpi(o, groups, &inner));
    tf_link_set_deadline(inner, o->timeout);
    if (o->plaintext) {
        if (tf_link_party(inner) == 0)
            log_line(LOG_WARNING, "--plaintext-links: whoever can read or change what the parties send each other "
                                  "learns and controls everything");
        *link = inner;
        return TF_OK;
    }
    if (tf_mpi_on_one_host() || o->parties) return links_secure(o, inner, link);
    tf_link_close(inner); // all three have found the same
    return tf_fail(TF_INVALID, "the parties are on several hosts and have to know each other: make a key for each "
                               "(trefoil keygen), list the fingerprints in a parties file, and give each party "
                               "--parties FILE --identity DIR");
}

static void set_handler(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

/** Of a service: whether a request is under way, and the signal that waits for its end. */
static atomic_int answering, delayed; /* by a signal, and by each party that this process plays */

static void interrupt_between_requests(int number) {
    if (answering && number == SIGTERM)
        delayed = number;
    else
        tf_link_interrupt(number);
}

void links_guard(void) {
    set_handler(tf_link_interrupt);
}

void links_guard_service(void) {
    set_handler(interrupt_between_requests);
}

void links_request(bool begins) {
    answering = begins;
    if (!begins && delayed) tf_link_interrupt(delayed);
}

void links_unguard(void) {
    set_handler(SIG_DFL);
}

bool links_leaving(void) {
    return tf_link_interrupted() == SIGTERM && !answering;
}

/** Shapes the links of all parties that this process plays; none is left open on a failure. */
static tf_status shape(const link_settings *o, tf_link *links[TF_PARTIES]) {
    tf_status status = TF_OK;
    for (int i = 0; i < TF_PARTIES && status == TF_OK; i++)
        if (links[i]) status = tf_link_shaped(links[i], &o->network, &links[i]);
    for (int i = 0; i < TF_PARTIES && status != TF_OK; i++) {
        tf_link_close(links[i]);
        links[i] = NULL;
    }
    return status;
}

/** For how long to wait for a silent party, as the links that were opened last were told. */
static double patience;

void links_leave(int code) {
    tf_mpi_leave(code, patience);
}

tf_status links_open(const link_settings *o, link_groups *groups, tf_link *links[TF_PARTIES]) {
    tf_link *link;
    patience = o->timeout;
    for (int i = 0; i < TF_PARTIES; i++) links[i] = NULL;
    if (o->local) {
        TF_TRY(tf_link_memory(links));
    } else if (o->id >= 0 || tf_mpi_launched()) {
        TF_TRY(o->id >= 0 ? links_meet(o, &link) : open_mpi(o, groups, &link));
        links[tf_link_party(link)] = link;
    } else {
        return tf_fail(TF_INVALID, "three parties are needed: start it with mpirun -n 3, or give --local");
    }
    if (o->shaped) TF_TRY(shape(o, links));
    for (int i = 0; i < TF_PARTIES; i++)
        if (links[i]) tf_link_set_deadline(links[i], o->timeout);
    return TF_OK;
}

/* Whether what this process says goes to a file of its own, not to where the whole job's lines are. */
static bool has_own_file(void) {
    struct stat about;
    return getenv("OMPI_MCA_orte_output_filename") || (fstat(STDERR_FILENO, &about) == 0 && S_ISREG(about.st_mode));
}

bool links_told_elsewhere(const link_settings *o, bool is_party_0) {
    bool job = !o->local && o->id < 0 && tf_mpi_launched() && !has_own_file();
    return job && (tf_failure_is_of_peer() || (tf_failure_is_everybodys() && !is_party_0));
}
