#include "net/base/secret.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Locks do not nest, so that only allocations with pages of their own can be locked. Large ones ask for huge pages:
   most of what they hold is read once a use and across its rows, where the faults and translations of small pages cost
   more than the work itself (a quarter of an inference of BERT-base on Zen 5). */
enum { PAGE = 4096, LINE = 64, HUGE_PAGE = 2 << 20 };

static bool locking;

void tf_secret_lock(bool lock) {
    locking = lock;
}

static size_t unit_of(size_t size) {
    return size >= PAGE ? PAGE : LINE;
}

void *tf_secret_alloc(size_t size) {
    size_t unit = unit_of(size);
    if (size > SIZE_MAX - unit) return NULL;
    size_t whole = size ? (size + unit - 1) / unit * unit : unit;
    const bool large = whole >= 2 * HUGE_PAGE;
    void *data; /* not aligned_alloc, whose sizes are multiples of the alignment */
    if (posix_memalign(&data, large ? HUGE_PAGE : unit, whole)) return NULL;
    if (large) (void)!madvise(data, whole, MADV_HUGEPAGE);
    if (locking && unit == PAGE) (void)!mlock(data, whole);
    return data;
}

void tf_secret_free(void *data, size_t size) {
    if (!data) return;
    explicit_bzero(data, size);
    if (locking && unit_of(size) == PAGE) (void)!munlock(data, (size + PAGE - 1) / PAGE * PAGE);
    free(data);
}
