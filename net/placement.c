#define _GNU_SOURCE // sched_setaffinity
#include "net/placement.h"

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

/* A word: which of the two processors, and beside that whether the party computes there. */
static const uint32_t COMPUTES = 2;

tf_resident tf_placement_reside(void) {
    tf_resident own = {.task = gettid()};
    struct stat about;
    cpu_set_t granted;
    if (stat("/proc/self/ns/pid", &about) == 0) own.numbering = about.st_ino;
    if (sched_getaffinity(0, sizeof granted, &granted)) return own; // beyond 1024 processors: not two
    own.count = (uint64_t)CPU_COUNT(&granted);
    for (unsigned cpu = 0, found = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
        if (CPU_ISSET(cpu, &granted)) own.processors[found++] = cpu;
    return own;
}

tf_placement tf_placement_of(int party, const tf_resident residents[TF_PARTIES], tf_place places[TF_PARTIES]) {
    const tf_resident *own = &residents[party];
    tf_placement p = {.moves = own->count == 2, .party = party, .places = places};
    for (int k = 0; k < 2; k++) p.processors[k] = (unsigned)own->processors[k];
    for (int other = 0; other < TF_PARTIES; other++) {
        const tf_resident *r = &residents[other];
        p.moves &= r->count == own->count && r->processors[0] == own->processors[0] &&
                   r->processors[1] == own->processors[1] && r->numbering && r->numbering == own->numbering &&
                   r->task > 0 && r->task <= INT32_MAX;
        p.task[other] = (int)r->task;
    }
    return p;
}

static uint32_t look(const tf_placement *p, int party) {
    return atomic_load_explicit(&p->places[party].word, memory_order_relaxed);
}

static void tell(const tf_placement *p, int party, uint32_t word) {
    if (look(p, party) != word) atomic_store_explicit(&p->places[party].word, word, memory_order_relaxed);
}

/** Which of the two processors this party runs on. */
static uint32_t here(const tf_placement *p) {
    return sched_getcpu() == (int)p->processors[1];
}

/** Has the kernel move a party, and leaves it free to run on both from there. A party may have gone by now. */
static void move(const tf_placement *p, int party, uint32_t to) {
    cpu_set_t both, one;
    CPU_ZERO(&one);
    CPU_SET(p->processors[to], &one);
    both = one;
    CPU_SET(p->processors[!to], &both);
    if (sched_setaffinity(p->task[party], sizeof one, &one)) return;
    (void)!sched_setaffinity(p->task[party], sizeof both, &both);
    tell(p, party, (look(p, party) & COMPUTES) | to);
}

void tf_placement_compute(const tf_placement *p) {
    if (p->moves) tell(p, p->party, COMPUTES | here(p));
}

void tf_placement_wait(const tf_placement *p) {
    if (!p->moves) return;
    tell(p, p->party, here(p));
    const int next = tf_next(p->party), previous = tf_previous(p->party);
    const uint32_t a = look(p, next), b = look(p, previous);
    if (a & b & COMPUTES && (a & 1) == (b & 1)) move(p, previous, !(b & 1));
}

void tf_placement_wake(const tf_placement *p, int peer) {
    if (!p->moves) return;
    const uint32_t own = here(p), third = look(p, TF_PARTIES - p->party - peer);
    tell(p, p->party, COMPUTES | own);
    if (!(third & COMPUTES) || (third & 1) == own) move(p, peer, !own);
}
