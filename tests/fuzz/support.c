#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

void fuzz_require(int good, const char *what) {
    if (good) return;
    fprintf(stderr, "fuzz target: %s\n", what);
    abort();
}

fuzz_file fuzz_file_new(void) {
    fuzz_file file = {.descriptor = memfd_create("fuzz", MFD_CLOEXEC)};
    fuzz_require(file.descriptor >= 0 && fchmod(file.descriptor, 0600) == 0, "no file in memory");
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.descriptor);
    return file;
}

void fuzz_file_fill(const fuzz_file *file, const void *data, size_t size) {
    fuzz_require(ftruncate(file->descriptor, 0) == 0, "no file in memory");
    fuzz_require(pwrite(file->descriptor, data, size, 0) == (ssize_t)size, "no file in memory");
}

static char directory[64], entry[128];

static void remove_directory(void) {
    unlink(entry);
    rmdir(directory);
}

const char *fuzz_directory(const fuzz_file *file, const char *name) {
    snprintf(directory, sizeof directory, "/tmp/trefoil-fuzz-XXXXXX");
    fuzz_require(mkdtemp(directory) != NULL, "no directory");
    snprintf(entry, sizeof entry, "%s/%s", directory, name);
    fuzz_require(symlink(file->path, entry) == 0, "no link");
    atexit(remove_directory);
    return directory;
}

uint8_t fuzz_byte(fuzz_bytes *bytes) {
    if (!bytes->left) return 0;
    bytes->left--;
    return *bytes->at++;
}

size_t fuzz_take(fuzz_bytes *bytes, void *out, size_t size) {
    if (size > bytes->left) size = bytes->left;
    if (size) memcpy(out, bytes->at, size);
    bytes->at += size;
    bytes->left -= size;
    return size;
}
