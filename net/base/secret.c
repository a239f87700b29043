#define _GNU_SOURCE // MAP_ANONYMOUS, MADV_*
#include "net/base/secret.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

/* Locks do not nest, so that only allocations with pages of their own can be locked. Large ones ask for huge pages:
   most of what they hold is read once a use and across its rows, where the faults and translations of small pages cost
   more than the work itself (a quarter of an inference of BERT-base on Zen 5). */
enum { LINE = 64, CANARY = 16, HUGE_PAGE = 2 << 20 };

static bool locking;
#if defined(__SANITIZE_ADDRESS__)
static bool guarding; /* the sanitizer finds more, to the byte */
#else
static bool guarding = true;
#endif

static size_t page;
static unsigned char canary[CANARY];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void) {
    page = (size_t)sysconf(_SC_PAGESIZE);
    if (getrandom(canary, sizeof canary, GRND_NONBLOCK) != sizeof canary) memset(canary, 0xd5, sizeof canary);
}

void tf_secret_lock(bool lock) {
    locking = lock;
}

void tf_secret_guard(bool guard) {
    guarding = guard;
}

static size_t round_up(size_t size, size_t unit) {
    return (size + unit - 1) / unit * unit;
}

/* Small ones, and all where there are no guards -------------------------------------------------------------------- */

static void *plain_alloc(size_t size) {
    const size_t unit = size >= page ? page : LINE, whole = size ? round_up(size, unit) : unit;
    const bool large = whole >= 2 * HUGE_PAGE;
    void *data; /* not aligned_alloc, whose sizes are multiples of the alignment */
    if (posix_memalign(&data, large ? HUGE_PAGE : unit, whole)) return NULL;
    if (large) (void)!madvise(data, whole, MADV_HUGEPAGE);
    if (locking && unit == page) (void)!mlock(data, whole);
    return data;
}

static void plain_free(void *data, size_t size) {
    if (locking && size >= page) (void)!munlock(data, round_up(size, page));
    free(data);
}

/* Between guards: a page that nobody may touch, pages of which the data are the end, such a page again ------------- */

/** Where the pages of some data begin and how many bytes they are. */
typedef struct region {
    unsigned char *begin;
    size_t size;
} region;

static region region_of(unsigned char *data, size_t size) {
    size_t padded = round_up(size, LINE), whole = round_up(padded, page);
    return (region){data + padded - whole, whole};
}

/** The bytes before the data, and up to 63 after them, that nobody has reason to write. */
static void write_canaries(const region *r, unsigned char *data, size_t size) {
    if (data > r->begin) memcpy(data - CANARY, canary, CANARY);
    for (size_t i = size; i < round_up(size, LINE); i++) data[i] = canary[i % CANARY];
}

static bool canaries_live(const region *r, const unsigned char *data, size_t size) {
    bool live = data == r->begin || !memcmp(data - CANARY, canary, CANARY);
    for (size_t i = size; i < round_up(size, LINE); i++) live &= data[i] == canary[i % CANARY];
    return live;
}

static void *guarded_alloc(size_t size) {
    const size_t padded = round_up(size, LINE), whole = round_up(padded, page);
    const size_t align = whole >= 2 * HUGE_PAGE ? HUGE_PAGE : page, total = whole + 2 * page + align;
    unsigned char *map = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) return NULL;
    unsigned char *begin = (unsigned char *)round_up((uintptr_t)map + page, align), *first = begin - page,
                  *end = begin + whole + page;
    if (first > map) munmap(map, (size_t)(first - map));
    if (end < map + total) munmap(end, (size_t)(map + total - end));
    if (mprotect(begin, whole, PROT_READ | PROT_WRITE)) {
        munmap(first, (size_t)(end - first));
        return NULL;
    }
    if (align == HUGE_PAGE) (void)!madvise(begin, whole, MADV_HUGEPAGE);
    (void)!madvise(begin, whole, MADV_DONTDUMP);
    if (locking) (void)!mlock(begin, whole);
    unsigned char *data = begin + whole - padded;
    write_canaries(&(region){begin, whole}, data, size);
    return data;
}

static void guarded_free(unsigned char *data, size_t size) {
    region r = region_of(data, size);
    munmap(r.begin - page, r.size + 2 * page); /* which unlocks as well */
}

void *tf_secret_alloc(size_t size) {
    pthread_once(&once, prepare);
    if (size > SIZE_MAX / 2) return NULL;
    return guarding && size >= page ? guarded_alloc(size) : plain_alloc(size);
}

void tf_secret_free(void *data, size_t size) {
    if (!data) return;
    const bool guarded = guarding && size >= page;
    region r = region_of(data, size);
    if (guarded && !canaries_live(&r, data, size)) {
        /* As libsodium does: nothing that this process does from here on can be trusted. */
        fputs("trefoil: memory of secrets was written beyond its end\n", stderr);
        abort();
    }
    explicit_bzero(data, size);
    if (guarded)
        guarded_free(data, size);
    else
        plain_free(data, size);
}
