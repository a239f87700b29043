#define _GNU_SOURCE // syscall
#include "net/link_shared.h"

#include <linux/futex.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/link_internal.h"
#include "net/placement.h"
#include "net/ring.h"
#include "net/shared_memory.h"

enum { PAGE = 4096, RINGS = TF_PARTIES * (TF_PARTIES - 1) };
enum { LEFT = 1, FAILED = 2 }; /* what a party says */

// A message that a caller has in its own memory goes in pieces of so many bytes, or of half a ring.
static const uint64_t LONGEST_PIECE = 128 << 10;

static const double YIELD_SECONDS = 200e-6;

/** What concerns a party alone. The others can write all of it. */
typedef struct party_words {
    alignas(TF_RING_LINE) _Atomic uint32_t sleeps; /**< 1 while it sleeps, or is about to: a futex */
    alignas(TF_RING_LINE) _Atomic uint32_t says;
    _Atomic uint32_t waits; /**< whom it waits for, a set of parties, and above that how often it has said so */
} party_words;

typedef struct shared_memory {
    party_words party[TF_PARTIES];
    tf_place places[TF_PARTIES];
    tf_ring_counts counts[TF_PARTIES][TF_PARTIES]; /**< [sender][receiver] */
    tf_notice notices[TF_PARTIES][TF_PARTIES];     /**< [sender][receiver] */
    alignas(PAGE) unsigned char rings[];           /**< RINGS of them */
} shared_memory;

/** What the last progress has taken into account of what a peer does. */
typedef struct glimpse {
    uint64_t written, read;
    uint32_t says;
} glimpse;

typedef struct shared_link {
    tf_link base;
    shared_memory *memory;
    size_t size;
    tf_placement placement;
    tf_ring rings[2][TF_PARTIES]; /**< [receive][peer] */
    glimpse seen[TF_PARTIES];
    unsigned wanted;             /**< the parties that something is expected from and has not come */
    double told_at;              /**< when this party last told whom it waits for */
    uint32_t heard[TF_PARTIES];  /**< what the others told last */
    double heard_at[TF_PARTIES]; /**< and when that was new */
} shared_link;

size_t tf_link_shared_size(uint64_t ring) {
    if (ring == 0 || ring % PAGE || ring > SIZE_MAX / RINGS / 2) return 0;
    return sizeof(shared_memory) + RINGS * ring;
}

/* Waking ----------------------------------------------------------------------------------------------------------- */

static void futex(_Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *time) {
    syscall(SYS_futex, word, operation, value, time, NULL, 0);
}

/** Wakes a peer that sleeps. What it is to see was written before: either it is seen when it looks for the last time,
 *  or it is seen here that it sleeps. */
static void wake(shared_link *self, int peer) {
    _Atomic uint32_t *sleeps = &self->memory->party[peer].sleeps;
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(sleeps, memory_order_relaxed) && atomic_exchange(sleeps, 0)) {
        tf_placement_wake(&self->placement, peer);
        futex(sleeps, FUTEX_WAKE, 1, NULL);
    }
}

static glimpse look_at(const shared_link *self, int peer) {
    return (glimpse){atomic_load_explicit(&self->rings[true][peer].counts->written, memory_order_acquire),
                     atomic_load_explicit(&self->rings[false][peer].counts->read, memory_order_acquire),
                     atomic_load_explicit(&self->memory->party[peer].says, memory_order_acquire)};
}

/** Whether something has happened since the last progress. */
static bool has_news(const shared_link *self) {
    bool news = false;
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        if (peer == self->base.party) continue;
        const glimpse now = look_at(self, peer), *seen = &self->seen[peer];
        news |= now.written != seen->written || now.read != seen->read || now.says != seen->says;
    }
    return news;
}

static void sleep_until_woken(shared_link *self, double longest) {
    _Atomic uint32_t *sleeps = &self->memory->party[self->base.party].sleeps;
    struct timespec time = {.tv_sec = (time_t)longest};
    time.tv_nsec = (long)(1e9 * (longest - (double)time.tv_sec));
    atomic_store(sleeps, 1);
    if (!has_news(self)) futex(sleeps, FUTEX_WAIT, 1, &time);
    atomic_store_explicit(sleeps, 0, memory_order_relaxed);
}

/* Frames ----------------------------------------------------------------------------------------------------------- */

static tf_status say_left(const shared_link *self, int peer) {
    return self->seen[peer].says == LEFT ? tf_fail_public(TF_PEER, "party %d has left", peer) : TF_OK;
}

static tf_status place_part(shared_link *self, int peer, uint64_t length, unsigned char **at) {
    TF_TRY(tf_ring_place(&self->rings[false][peer], length, at));
    return *at ? TF_OK : say_left(self, peer);
}

static void commit_part(shared_link *self, int peer, uint64_t length, uint64_t whole) {
    tf_placement_compute(&self->placement);
    tf_ring_commit(&self->rings[false][peer], length, whole);
    wake(self, peer);
}

static tf_status peek_part(shared_link *self, int peer, uint64_t length, uint64_t whole, const unsigned char **at) {
    TF_TRY(tf_ring_peek(&self->rings[true][peer], self->base.party, length, whole, at));
    if (*at) return TF_OK;
    self->wanted |= 1u << peer;
    return say_left(self, peer);
}

static void release_part(shared_link *self, int peer, uint64_t length) {
    tf_placement_compute(&self->placement);
    tf_ring_release(&self->rings[true][peer], length);
    wake(self, peer);
}

static tf_status shared_place(tf_link *link, int peer, uint64_t length, unsigned char **at) {
    return place_part((shared_link *)link, peer, length, at);
}
static void shared_commit(tf_link *link, int peer, uint64_t length) {
    commit_part((shared_link *)link, peer, length, length);
}
static tf_status shared_peek(tf_link *link, int peer, uint64_t length, const unsigned char **at) {
    return peek_part((shared_link *)link, peer, length, length, at);
}
static void shared_release(tf_link *link, int peer, uint64_t length) {
    release_part((shared_link *)link, peer, length);
}

static uint64_t shared_longest_frame(const tf_link *link) {
    const shared_link *self = (const shared_link *)link;
    return tf_ring_longest(self->rings[false][tf_next(link->party)].size);
}

/* Messages --------------------------------------------------------------------------------------------------------- */

/** Copies the next piece of the oldest transfer; *moved is 0 when there is no room, or nothing has come. */
static tf_status move_piece(shared_link *self, int peer, bool receive, uint64_t *moved) {
    const tf_transfer_queue *queue = &self->base.queues[receive][peer];
    const tf_transfer transfer = *tf_transfer_at(queue, queue->first);
    const uint64_t left = transfer.length - transfer.moved, most = tf_ring_longest(self->rings[receive][peer].size);
    const uint64_t longest = most < LONGEST_PIECE ? most : LONGEST_PIECE, piece = left < longest ? left : longest;
    unsigned char *data = (unsigned char *)transfer.data + transfer.moved, *to;
    const unsigned char *from;
    *moved = 0;
    if (receive) {
        TF_TRY(peek_part(self, peer, piece, transfer.length, &from));
        if (!from) return TF_OK;
        memcpy(data, from, piece);
        release_part(self, peer, piece);
    } else {
        TF_TRY(place_part(self, peer, piece, &to));
        if (!to) return TF_OK;
        memcpy(to, data, piece);
        commit_part(self, peer, piece, transfer.length);
    }
    *moved = piece;
    tf_link_moved(&self->base, peer, receive, piece);
    return TF_OK;
}

static tf_status exchange(shared_link *self, int peer, bool receive) {
    const tf_transfer_queue *queue = &self->base.queues[receive][peer];
    uint64_t moved = 1;
    while (moved && queue->first < queue->end) TF_TRY(move_piece(self, peer, receive, &moved));
    return TF_OK;
}

static tf_status shared_start(tf_link *link, int peer, bool receive) {
    return receive ? TF_OK : exchange((shared_link *)link, peer, false);
}

/** What has come is taken before what a peer says of its end, which it said later. */
static tf_status shared_progress(tf_link *link) {
    shared_link *self = (shared_link *)link;
    self->wanted = 0;
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (peer != link->party) self->seen[peer] = look_at(self, peer);
    for (int receive = 1; receive >= 0; receive--)
        for (int peer = 0; peer < TF_PARTIES; peer++)
            if (peer != link->party) TF_TRY(exchange(self, peer, receive));
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (peer != link->party && self->seen[peer].says & FAILED) {
            const tf_notice notice = self->memory->notices[peer][link->party]; // a copy: it may change
            return tf_link_peer_failed(link, peer, &notice);
        }
    return TF_OK;
}

/* Waiting ---------------------------------------------------------------------------------------------------------- */

static void hear_waiting(shared_link *self) {
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        const uint32_t waits = atomic_load_explicit(&self->memory->party[peer].waits, memory_order_relaxed);
        if (waits == self->heard[peer]) continue;
        self->heard[peer] = waits;
        self->heard_at[peer] = tf_clock();
    }
}

/** Tells the others whom this party waits for, and hears it of them. */
static void tell_waiting(shared_link *self) {
    _Atomic uint32_t *waits = &self->memory->party[self->base.party].waits;
    const uint32_t times = self->heard[self->base.party] >> TF_PARTIES;
    hear_waiting(self);
    self->heard[self->base.party] = (times + 1) << TF_PARTIES | self->wanted;
    atomic_store_explicit(waits, self->heard[self->base.party], memory_order_relaxed);
    self->told_at = tf_clock();
}

static unsigned shared_waits_for(tf_link *link, int peer) {
    shared_link *self = (shared_link *)link;
    hear_waiting(self);
    const bool lately = self->heard[peer] && tf_clock() - self->heard_at[peer] < 2.5 * tf_link_tell_interval(link);
    return lately ? self->heard[peer] & ((1u << TF_PARTIES) - 1) : 0;
}

/** To be woken costs more than a short wait, so at first only let others run: they may be what is waited for. */
static void shared_pause(tf_link *link, double idle, double longest) {
    shared_link *self = (shared_link *)link;
    const double interval = tf_link_tell_interval(link);
    if (idle >= interval && tf_clock() >= self->told_at + interval) tell_waiting(self);
    tf_placement_wait(&self->placement);
    if (idle < YIELD_SECONDS)
        sched_yield();
    else
        sleep_until_woken(self, fmin(longest, interval));
}

static void shared_announce(tf_link *link, const tf_notice notices[TF_PARTIES]) {
    shared_link *self = (shared_link *)link;
    memcpy(self->memory->notices[link->party], notices, sizeof self->memory->notices[link->party]);
    atomic_fetch_or(&self->memory->party[link->party].says, FAILED);
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (peer != link->party) wake(self, peer);
}

static void shared_close(tf_link *link) {
    shared_link *self = (shared_link *)link;
    atomic_fetch_or(&self->memory->party[link->party].says, LEFT);
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (peer != link->party) wake(self, peer);
    tf_shared_memory_unmap(self->memory, self->size);
}

static const tf_link_table table = {.start = shared_start,
                                    .progress = shared_progress,
                                    .pause = shared_pause,
                                    .announce = shared_announce,
                                    .close = shared_close,
                                    .waits_for = shared_waits_for,
                                    .place = shared_place,
                                    .commit = shared_commit,
                                    .peek = shared_peek,
                                    .release = shared_release,
                                    .longest_frame = shared_longest_frame};

static tf_ring ring_of(shared_memory *memory, uint64_t ring, int from, int to, int peer) {
    const uint64_t number = 2 * (uint64_t)from + (to == tf_next(from));
    return (tf_ring){
        .counts = &memory->counts[from][to], .bytes = memory->rings + number * ring, .size = ring, .peer = peer};
}

void tf_link_shared_place(tf_link *link, const tf_resident residents[TF_PARTIES]) {
    shared_link *self = (shared_link *)link;
    self->placement = tf_placement_of(link->party, residents, self->memory->places);
}

tf_status tf_link_shared(void *memory, uint64_t ring, int party, tf_link **link) {
    *link = NULL;
    shared_link *self = calloc(1, sizeof *self);
    if (!self) {
        tf_shared_memory_unmap(memory, tf_link_shared_size(ring));
        return tf_fail(TF_NOMEM, "no memory for a link");
    }
    tf_link_init(&self->base, &table, party);
    self->memory = memory;
    self->size = tf_link_shared_size(ring);
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        if (peer == party) continue;
        self->rings[false][peer] = ring_of(memory, ring, party, peer, peer);
        self->rings[true][peer] = ring_of(memory, ring, peer, party, peer);
    }
    *link = &self->base;
    return TF_OK;
}
