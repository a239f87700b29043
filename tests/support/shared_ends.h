/** Three ends of a link through shared memory in one process, each with a mapping of its own. */
#ifndef TF_TEST_SHARED_ENDS_H
#define TF_TEST_SHARED_ENDS_H

#include <criterion/criterion.h>
#include <unistd.h>

#include "net/link_shared.h"
#include "net/shared_memory.h"

/** `view`, if it is not NULL, becomes one more mapping, for a test that looks at the memory or changes it. */
static inline void make_shared_ends(uint64_t ring, tf_link *ends[TF_PARTIES], unsigned char **view) {
    const size_t size = tf_link_shared_size(ring);
    const int file = tf_shared_memory_make(size);
    cr_assert(file >= 0);
    for (int i = 0; i < TF_PARTIES; i++) {
        void *memory = tf_shared_memory_map(dup(file), size);
        cr_assert_not_null(memory);
        cr_assert_eq(tf_link_shared(memory, ring, i, &ends[i]), TF_OK, "%s", tf_error());
    }
    if (view) *view = tf_shared_memory_map(dup(file), size);
    close(file);
}

#endif
