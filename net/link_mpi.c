/**
 * A link over Open MPI. Only non-blocking calls carry payload: messages are cut into chunks, of which a window per peer
 * and direction is under way, and MPI's own order between two ranks keeps them in order. MPI has no progress thread, so
 * bytes move while a party tests or waits.
 */
#include "net/link_mpi.h"

#include <math.h>
#include <mpi.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/link_internal.h"

enum { DATA_TAG = 1, NOTICE_TAG = 2, WAITING_TAG = 3, WINDOW_SIZE = 32, MOST_READS = 64, LOOKS_A_NOTICE = 8 };

/* Of the job's own communicator, and what is said there. */
enum { LEAVE_TAG = 1, BUSY = 'B', LEAVING = 'L', GIVES_UP = 'G' };

// Small enough that a slow network shows signs of life well within a deadline, large enough to cost nothing.
static const uint64_t DEFAULT_CHUNK = 1 << 20;
static const double SPIN_SECONDS = 20e-6, YIELD_SECONDS = 1e-3, LONGEST_NAP = 1e-3;
static const double CLOSE_SECONDS = 1, LEAVE_SECONDS = 5, BUSY_SECONDS = 1, LONGEST_PATIENCE = 1e6,
                    FAREWELL_SECONDS = 0.2;

/** The chunks of one peer and direction that are under way, and where the next one begins. */
typedef struct chunk_window {
    MPI_Request requests[WINDOW_SIZE];
    int lengths[WINDOW_SIZE];
    uint64_t first, end;       /**< chunks first to end - 1 are under way, at their number modulo WINDOW_SIZE */
    uint64_t transfer, offset; /**< of the next chunk */
} chunk_window;

/** The notices on their way to both peers. */
typedef struct outbox {
    tf_notice notices[TF_PARTIES];
    MPI_Request requests[TF_PARTIES];
} outbox;

typedef struct mpi_link {
    tf_link base;
    MPI_Comm comm;
    uint64_t chunk;
    chunk_window windows[2][TF_PARTIES]; /**< [receive][peer] */
    outbox *outbox;
    unsigned looks;                 /**< for messages, until now */
    double told_at;                 /**< when this party last told whom it waits for */
    unsigned waits_for[TF_PARTIES]; /**< what the others told of themselves: sets of parties */
    double waits_at[TF_PARTIES];
} mpi_link;

/** Set when MPI may still touch the data of a link that was closed: then nothing may move MPI on any more. */
static bool abandoned;

static bool on_one_host;

static tf_status mpi_error(int code, const char *doing, int peer) {
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    MPI_Error_string(code, text, &length);
    return tf_fail_public(TF_PEER, "%s party %d: %.*s", doing, peer, length, text);
}

/** Begins to send a chunk, or to receive one if it has come, and says whether it has begun. */
static tf_status launch(mpi_link *self, int peer, bool receive, void *data, int length, MPI_Request *request,
                        bool *begun) {
    *begun = true;
    if (!receive) {
        int code = MPI_Isend(data, length, MPI_BYTE, peer, DATA_TAG, self->comm, request);
        return code == MPI_SUCCESS ? TF_OK : mpi_error(code, "sending to", peer);
    }
    // A reception that was posted too short for a big message can be overrun inside Open MPI (over TCP), so the length
    // is looked at before any memory is given.
    int found = 0, sent = 0;
    MPI_Message message;
    MPI_Status status;
    int code = MPI_Improbe(peer, DATA_TAG, self->comm, &found, &message, &status);
    *begun = found;
    if (code == MPI_SUCCESS && found) code = MPI_Get_count(&status, MPI_BYTE, &sent);
    if (code == MPI_SUCCESS && found && sent != length)
        return tf_fail_public(TF_MISMATCH, "party %d sent %d bytes where party %d expected %d", peer, sent,
                              self->base.party, length);
    if (code == MPI_SUCCESS && found) code = MPI_Imrecv(data, length, MPI_BYTE, &message, request);
    return code == MPI_SUCCESS ? TF_OK : mpi_error(code, "receiving from", peer);
}

/** Puts chunks under way until the window is full or nothing is left. */
static tf_status fill_window(mpi_link *self, int peer, bool receive) {
    const tf_transfer_queue *queue = &self->base.queues[receive][peer];
    chunk_window *window = &self->windows[receive][peer];
    while (window->end - window->first < WINDOW_SIZE) {
        if (window->transfer < queue->first) window->transfer = queue->first, window->offset = 0;
        while (window->transfer < queue->end && window->offset == tf_transfer_at(queue, window->transfer)->length)
            window->transfer++, window->offset = 0;
        if (window->transfer == queue->end) break;

        const tf_transfer *transfer = tf_transfer_at(queue, window->transfer);
        uint64_t left = transfer->length - window->offset;
        int length = (int)(left < self->chunk ? left : self->chunk);
        bool begun;
        TF_TRY(launch(self, peer, receive, (char *)transfer->data + window->offset, length,
                      &window->requests[window->end % WINDOW_SIZE], &begun));
        if (!begun) break;
        window->lengths[window->end++ % WINDOW_SIZE] = length;
        window->offset += (uint64_t)length;
    }
    return TF_OK;
}

/** Finishes the chunks that have moved, oldest first. */
static tf_status drain_window(mpi_link *self, int peer, bool receive) {
    chunk_window *window = &self->windows[receive][peer];
    for (; window->first < window->end; window->first++) {
        int done = 0;
        int code = MPI_Test(&window->requests[window->first % WINDOW_SIZE], &done, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS) return mpi_error(code, receive ? "receiving from" : "sending to", peer);
        if (!done) break;
        tf_link_moved(&self->base, peer, receive, (uint64_t)window->lengths[window->first % WINDOW_SIZE]);
    }
    return TF_OK;
}

static tf_status exchange(mpi_link *self, int peer, bool receive) {
    uint64_t begun;
    do {
        TF_TRY(drain_window(self, peer, receive));
        begun = self->windows[receive][peer].end;
        TF_TRY(fill_window(self, peer, receive));
    } while (self->windows[receive][peer].end != begun);
    return TF_OK;
}

static tf_status look_for_notice(mpi_link *self) {
    int found = 0, length = 0;
    MPI_Status status;
    int code = MPI_Iprobe(MPI_ANY_SOURCE, NOTICE_TAG, self->comm, &found, &status);
    if (code != MPI_SUCCESS) return mpi_error(code, "looking for notices as", self->base.party);
    if (!found) return TF_OK;
    tf_notice notice;
    memset(&notice, 0, sizeof notice);
    MPI_Get_count(&status, MPI_BYTE, &length);
    if (length != (int)sizeof notice)
        return tf_fail_public(TF_PEER, "party %d sent a notice of %d bytes", status.MPI_SOURCE, length);
    // A short message that was probed is here already, so this does not wait.
    code = MPI_Recv(&notice, length, MPI_BYTE, status.MPI_SOURCE, NOTICE_TAG, self->comm, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS) return mpi_error(code, "receiving a notice from", status.MPI_SOURCE);
    return tf_link_peer_failed(&self->base, status.MPI_SOURCE, &notice);
}

static tf_status mpi_start(tf_link *link, int peer, bool receive) {
    return fill_window((mpi_link *)link, peer, receive);
}

/** Moves what can be moved, and looks for a notice now and then: each look costs as much as one for a message, and no
 *  notice is urgent. */
static tf_status mpi_progress(tf_link *link) {
    mpi_link *self = (mpi_link *)link;
    for (int receive = 1; receive >= 0; receive--)
        for (int peer = 0; peer < TF_PARTIES; peer++)
            if (peer != link->party) TF_TRY(exchange(self, peer, receive));
    return self->looks++ % LOOKS_A_NOTICE ? TF_OK : look_for_notice(self);
}

static void nap(double seconds) {
    struct timespec time = {.tv_sec = (time_t)seconds};
    time.tv_nsec = (long)(1e9 * (seconds - (double)time.tv_sec));
    nanosleep(&time, NULL);
}

/** What take_word found. */
typedef enum taken { NOTHING, A_WORD, NO_WORD } taken;

/** Takes a message of one byte, without waiting. A longer one stays where it is: to receive it could take for ever,
 *  since only its beginning need be here. */
static taken take_word(MPI_Comm comm, int tag, int *peer, unsigned char *word) {
    int found = 0, length = 0;
    MPI_Status status;
    if (MPI_Iprobe(*peer, tag, comm, &found, &status) != MPI_SUCCESS || !found) return NOTHING;
    *peer = status.MPI_SOURCE;
    if (MPI_Get_count(&status, MPI_BYTE, &length) != MPI_SUCCESS || length != 1) return NO_WORD;
    return MPI_Recv(word, 1, MPI_BYTE, *peer, tag, comm, MPI_STATUS_IGNORE) == MPI_SUCCESS ? A_WORD : NO_WORD;
}

/** Takes what a peer has told. It is as young as the last look, which tell_waiting makes often enough. */
static void hear_waiting(mpi_link *self, int peer) {
    unsigned char set;
    for (int reads = 0; reads < MOST_READS; reads++) { // whoever sends without end must not keep this party busy
        if (take_word(self->comm, WAITING_TAG, &peer, &set) != A_WORD) return;
        self->waits_for[peer] = set;
        self->waits_at[peer] = tf_clock();
    }
}

/** Tells the others whom this party waits for. */
static void tell_waiting(mpi_link *self) {
    static const unsigned char sets[1 << TF_PARTIES] = {0, 1, 2, 3, 4, 5, 6, 7}; // must outlive the messages
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        MPI_Request request;
        if (peer == self->base.party) continue;
        hear_waiting(self, peer);
        if (MPI_Isend(&sets[tf_link_awaited(&self->base)], 1, MPI_BYTE, peer, WAITING_TAG, self->comm, &request) ==
            MPI_SUCCESS)
            MPI_Request_free(&request);
    }
    self->told_at = tf_clock();
}

static unsigned mpi_waits_for(tf_link *link, int peer) {
    mpi_link *self = (mpi_link *)link;
    hear_waiting(self, peer);
    return tf_clock() - self->waits_at[peer] < 2.5 * tf_link_tell_interval(link) ? self->waits_for[peer] : 0;
}

/** Polls without rest at first, then lets others run, then sleeps a tenth of the time already waited. */
static void mpi_pause(tf_link *link, double idle, double longest) {
    mpi_link *self = (mpi_link *)link;
    double interval = tf_link_tell_interval(link);
    if (idle >= interval && tf_clock() >= self->told_at + interval) tell_waiting(self);
    if (idle < SPIN_SECONDS) return;
    if (idle < YIELD_SECONDS)
        sched_yield();
    else
        nap(fmin(fmin(idle / 10, LONGEST_NAP), longest));
}

static void mpi_announce(tf_link *link, const tf_notice notices[TF_PARTIES]) {
    mpi_link *self = (mpi_link *)link;
    self->outbox = calloc(1, sizeof *self->outbox);
    if (!self->outbox) return; // the peers then run into their deadlines
    memcpy(self->outbox->notices, notices, sizeof self->outbox->notices);
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        self->outbox->requests[peer] = MPI_REQUEST_NULL;
        if (peer != link->party)
            MPI_Isend(&self->outbox->notices[peer], sizeof *notices, MPI_BYTE, peer, NOTICE_TAG, self->comm,
                      &self->outbox->requests[peer]);
    }
}

/** Whether MPI is done with everything of this link. */
static bool is_quiet(mpi_link *self) {
    int quiet = 1, done = 1;
    if (self->outbox) MPI_Testall(TF_PARTIES, self->outbox->requests, &quiet, MPI_STATUSES_IGNORE);
    for (int receive = 0; receive < 2; receive++)
        for (int peer = 0; peer < TF_PARTIES; peer++)
            for (chunk_window *window = &self->windows[receive][peer]; window->first < window->end; window->first++) {
                MPI_Test(&window->requests[window->first % WINDOW_SIZE], &done, MPI_STATUS_IGNORE);
                if (!done) return false;
            }
    return quiet;
}

static bool mpi_abandon(tf_link *link) {
    const double end = tf_clock() + CLOSE_SECONDS;
    while (!is_quiet((mpi_link *)link)) {
        if (tf_clock() >= end) return false;
        nap(LONGEST_NAP);
    }
    return true;
}

static void mpi_close(tf_link *link) {
    abandoned |= !mpi_abandon(link);
    if (!abandoned) free(((mpi_link *)link)->outbox);
    // The communicator stays until MPI_Finalize: freeing it would wait for the other parties.
}

static const tf_link_table table = {.start = mpi_start,
                                    .progress = mpi_progress,
                                    .pause = mpi_pause,
                                    .announce = mpi_announce,
                                    .abandon = mpi_abandon,
                                    .close = mpi_close,
                                    .waits_for = mpi_waits_for};

void tf_link_mpi_set_chunk(tf_link *link, uint64_t bytes) {
    ((mpi_link *)link)->chunk = bytes;
}

/** Sets on_one_host. A party alone on its host sees no other, so that only the sum tells all the same. */
static int compare_hosts(MPI_Comm comm) {
    MPI_Comm host;
    int size = 0, apart, any = 1;
    int code = MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
    if (code == MPI_SUCCESS) code = MPI_Comm_size(host, &size);
    if (code != MPI_SUCCESS) return code;
    MPI_Comm_free(&host);
    apart = size != TF_PARTIES;
    code = MPI_Allreduce(&apart, &any, 1, MPI_INT, MPI_MAX, comm);
    on_one_host = !any;
    return code;
}

tf_status tf_mpi_start(int *rank, int *size) {
    int initialized = 0, finalized = 0, provided;
    MPI_Initialized(&initialized);
    MPI_Finalized(&finalized);
    if (finalized) return tf_fail(TF_INVALID, "this process has left the MPI job already");
    if (!initialized && MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS)
        return tf_fail(TF_IO, "MPI could not be started");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_size(MPI_COMM_WORLD, size);
    MPI_Comm_rank(MPI_COMM_WORLD, rank);
    return TF_OK;
}

tf_status tf_link_mpi_on(MPI_Comm comm, tf_link **link) {
    *link = NULL;
    if (abandoned) return tf_fail_public(TF_PEER, "an earlier link of this process ended with transfers under way");
    int size = 0, rank = 0;
    MPI_Comm_size(comm, &size);
    MPI_Comm_rank(comm, &rank);
    if (size != TF_PARTIES)
        return tf_fail_public(TF_INVALID,
                              "exactly %d processes are needed, this job has %d: start it with mpirun -n %d",
                              TF_PARTIES, size, TF_PARTIES);
    mpi_link *self = calloc(1, sizeof *self);
    if (!self) return tf_fail(TF_NOMEM, "no memory for a link");
    tf_link_init(&self->base, &table, rank);
    self->chunk = DEFAULT_CHUNK;
    int code = MPI_Comm_dup(comm, &self->comm); // inherits the error handler
    if (code == MPI_SUCCESS) code = compare_hosts(self->comm);
    if (code != MPI_SUCCESS) {
        free(self);
        return mpi_error(code, "joining as", rank);
    }
    *link = &self->base;
    return TF_OK;
}

bool tf_mpi_launched(void) {
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMI_SIZE") || getenv("PMIX_RANK");
}

bool tf_mpi_on_one_host(void) {
    return on_one_host;
}

/* Leaving the job -------------------------------------------------------------------------------------------------- */

/** The status with which this process leaves. */
static volatile sig_atomic_t leaves_with;

static void leave_now(int number) {
    _exit(leaves_with);
}

/** Tells the processes `first` to `end` - 1 of the job. `word` outlives the messages. */
static void say(const unsigned char *word, int rank, int first, int end) {
    for (int other = first; other < end; other++) {
        MPI_Request request;
        if (other != rank && MPI_Isend(word, 1, MPI_BYTE, other, LEAVE_TAG, MPI_COMM_WORLD, &request) == MPI_SUCCESS)
            MPI_Request_free(&request);
    }
}

static bool is_in_job(void) {
    int initialized = 0, finalized = 0;
    MPI_Initialized(&initialized);
    MPI_Finalized(&finalized);
    return initialized && !finalized;
}

void tf_mpi_busy(void) {
    static const unsigned char busy = BUSY;
    static double told_at;
    int rank, size;
    if (!is_in_job() || tf_clock() < told_at + BUSY_SECONDS) return;
    told_at = tf_clock();
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    const int first = rank - rank % TF_PARTIES, end = first + TF_PARTIES;
    say(&busy, rank, first, end < size ? end : size);
}

/** What a process that leaves has heard of the others. */
typedef struct departures {
    int left, parties; /**< how many have come to leave: of the job, of the three that computed together; with itself */
    double heard_at;   /**< when one of the three last said something */
    bool given_up;     /**< somebody waits no longer, or says what nobody says who leaves */
} departures;

static void hear_departures(departures *d, int rank) {
    for (int reads = 0; reads < MOST_READS; reads++) {
        int other = MPI_ANY_SOURCE;
        unsigned char word = 0;
        const taken found = take_word(MPI_COMM_WORLD, LEAVE_TAG, &other, &word);
        if (found == NOTHING) return;
        d->given_up |= found == NO_WORD || word == GIVES_UP;
        if (found == NO_WORD) return;
        const bool party = other / TF_PARTIES == rank / TF_PARTIES;
        d->left += word == LEAVING;
        d->parties += party && word == LEAVING;
        if (party) d->heard_at = tf_clock();
    }
}

/**
 * Whether all parties have come to leave. Every party meets the others before it goes, for two reasons: MPI_Abort kills
 * the others, so each is given a moment to say why it ends; and mpirun itself (4.1) may crash or hang when one process
 * calls MPI_Abort while another is inside MPI_Finalize. So who has met the others finalizes, whether it has failed or
 * not, and tells a failure by its exit status.
 *
 * Who has not failed waits no longer than it would for a message. Then those that are here end at the same time, or
 * mpirun would kill one of them because of the other's end. Where several groups of three share the job, the others may
 * have hours to go, and who is missing there is missed by its own group.
 */
static bool all_leave(bool failed, double patience) {
    static const unsigned char leaving = LEAVING, gives_up = GIVES_UP;
    int rank, size;
    if (abandoned) {
        nap(CLOSE_SECONDS);
        return false;
    }
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    const double start = tf_clock();
    departures d = {.left = 1, .parties = 1, .heard_at = start};
    say(&leaving, rank, 0, size);
    for (;;) {
        hear_departures(&d, rank);
        if (d.left >= size) return true;
        const double end = failed ? start + LEAVE_SECONDS : d.parties < TF_PARTIES ? d.heard_at + patience : INFINITY;
        if (d.given_up || tf_clock() >= end) break;
        nap(LONGEST_NAP);
    }
    say(&gives_up, rank, 0, size);
    nap(FAREWELL_SECONDS);
    return false;
}

void tf_mpi_leave(int status, double patience) {
    if (!is_in_job()) return;
    patience = fmin(fmax(patience, LEAVE_SECONDS), LONGEST_PATIENCE);
    leaves_with = status;
    (void)fflush(NULL);
    signal(SIGTERM, leave_now); // from mpirun, if another party ends the job
    signal(SIGALRM, leave_now);
    const bool met = all_leave(status != 0, patience);
    alarm((unsigned)ceil(patience)); // MPI, too, waits for whoever has stopped since
    if (met)
        MPI_Finalize();
    else if (status)
        MPI_Abort(MPI_COMM_WORLD, 1);
    else
        _exit(0); // upon which mpirun ends the others and fails; of MPI_Abort with 0 it says that all is well
}
