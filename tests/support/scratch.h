/** A temporary directory for files that tests write, and what to expect of a failing call. */
#ifndef TF_TESTS_SCRATCH_H
#define TF_TESTS_SCRATCH_H

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/status.h"

static char scratch[64]; /* the directory */

static void scratch_make(void) {
    strcpy(scratch, "/tmp/trefoil-test-XXXXXX");
    cr_assert(mkdtemp(scratch));
}

static void scratch_remove(void) {
    char command[80];
    snprintf(command, sizeof command, "rm -r %s", scratch);
    cr_assert_eq(system(command), 0);
}

/* The path of a file in the directory; one of eight buffers in turn. */
static const char *scratch_path(const char *name) {
    static char path[8][128];
    static int next;
    char *to = path[next++ % 8];
    snprintf(to, sizeof path[0], "%s/%s", scratch, name);
    return to;
}

static const char *scratch_write(const char *name, const void *data, size_t size) {
    const char *path = scratch_path(name);
    remove(path); /* some file systems wait for the disk when a file is overwritten */
    FILE *file = fopen(path, "wb");
    cr_assert(file && fwrite(data, 1, size, file) == size && !fclose(file));
    return path;
}

static inline const char *scratch_text(const char *name, const char *text) {
    return scratch_write(name, text, strlen(text));
}

/* Asserts the status of a failed call, and that its message has this part. */
#define fails(call, status, part)                                                                                      \
    do {                                                                                                               \
        tf_status got_ = (call);                                                                                       \
        cr_assert_eq(got_, status, "%s: %s", tf_status_name(got_), got_ ? tf_error() : "");                            \
        cr_assert(strstr(tf_error(), part), "the message \"%s\" lacks \"%s\"", tf_error(), part);                      \
    } while (0)

#define works(call) cr_assert_eq((call), TF_OK, "%s", tf_error())

/* A small generator, so that every run sees the same bytes. */
static inline uint64_t random_next(uint64_t *state) {
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state;
}

#endif
