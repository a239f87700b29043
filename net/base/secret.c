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

void tf_secret_guard(bool guard) {
    guarding = guard;
}

static size_t round_up(size_t size, size_t unit) {
    return (size + unit - 1) / unit * unit;
}

/* Small ones, and all where there are no guards -------------------------------------------------------------------- */

/** Locks pages; large pieces one by one as they are first written, when the kernel's zeros are still in the cache. */
static void lock_pages(void *begin, size_t whole) {
    if (whole >= 2 * HUGE_PAGE)
        (void)!mlock2(begin, whole, MLOCK_ONFAULT);
    else
        (void)!mlock(begin, whole);
}

static void *plain_alloc(size_t size) {
    const size_t unit = size >= page ? page : LINE, whole = size ? round_up(size, unit) : unit;
    const bool large = whole >= 2 * HUGE_PAGE;
    void *data; /* not aligned_alloc, whose sizes are multiples of the alignment */
    if (posix_memalign(&data, large ? HUGE_PAGE : unit, whole)) return NULL;
    if (large) (void)!madvise(data, whole, MADV_HUGEPAGE);
    if (locking && unit == page) lock_pages(data, whole);
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

/* Steps take a few pages hundreds of times in a run: what is given back stays mapped, between its guards, and serves
   the next one of its size. Six system calls, and the interruption of all other threads, cost more than most steps. */
enum { KEPT = 64, KEPT_SIZE = 1 << 20, KEPT_BYTES = 8 << 20 };

static struct {
    pthread_mutex_t lock;
    region region[KEPT]; /* the oldest first */
    int count;
    size_t bytes;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void unmap(region r) {
    munmap(r.begin - page, r.size + 2 * page); /* which unlocks as well */
}

/** Takes number i from those that are kept. */
static region take_out(int i) {
    region r = kept.region[i];
    memmove(kept.region + i, kept.region + i + 1, (size_t)(--kept.count - i) * sizeof r);
    kept.bytes -= r.size;
    return r;
}

/** The youngest of `whole` bytes; NULL where there is none. */
static unsigned char *take_kept(size_t whole) {
    unsigned char *begin = NULL;
    pthread_mutex_lock(&kept.lock);
    for (int i = kept.count - 1; i >= 0 && !begin; i--)
        if (kept.region[i].size == whole) begin = take_out(i).begin;
    pthread_mutex_unlock(&kept.lock);
    return begin;
}

/** Keeps it, in place of the oldest ones where there is no room. */
static void keep(region r) {
    pthread_mutex_lock(&kept.lock);
    while (kept.count == KEPT || kept.bytes + r.size > KEPT_BYTES) unmap(take_out(0));
    kept.region[kept.count++] = r;
    kept.bytes += r.size;
    pthread_mutex_unlock(&kept.lock);
}

static unsigned char *guarded_map(size_t whole) {
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
    if (locking) lock_pages(begin, whole);
    return begin;
}

static void *guarded_alloc(size_t size) {
    const size_t padded = round_up(size, LINE), whole = round_up(padded, page);
    unsigned char *begin = whole <= KEPT_SIZE ? take_kept(whole) : NULL;
    if (!begin) begin = guarded_map(whole);
    if (!begin) return NULL;
    unsigned char *data = begin + whole - padded;
    write_canaries(&(region){begin, whole}, data, size);
    return data;
}

static void guarded_free(unsigned char *data, size_t size) {
    region r = region_of(data, size);
    if (r.size <= KEPT_SIZE)
        keep(r);
    else
        unmap(r);
}

void tf_secret_lock(bool lock) {
    while (kept.count) unmap(take_out(0)); /* which were locked otherwise */
    locking = lock;
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
