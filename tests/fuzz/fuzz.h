/**
 * What the fuzz targets share. Each is a program of libFuzzer: LLVMFuzzerTestOneInput gets bytes, hands them to a
 * reader, and whatever the reader thinks of them, it must neither crash, hang, leak nor ask for memory that the input's
 * size does not justify.
 */
#ifndef TF_FUZZ_H
#define TF_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Ends the program with a message that libFuzzer takes for a crash, unless `good`. */
void fuzz_require(int good, const char *what);

/** A file in memory, readable by its owner alone, whose path is valid in this process. */
typedef struct fuzz_file {
    int descriptor;
    char path[64];
} fuzz_file;

fuzz_file fuzz_file_new(void);
void fuzz_file_fill(const fuzz_file *file, const void *data, size_t size);

/** The path of a directory that holds `name`, a link to the file; removed when the program ends. */
const char *fuzz_directory(const fuzz_file *file, const char *name);

/** Bytes of an input, taken one after the other; zeros when there are none left. */
typedef struct fuzz_bytes {
    const uint8_t *at;
    size_t left;
} fuzz_bytes;

uint8_t fuzz_byte(fuzz_bytes *bytes);
/** Copies as many of `size` bytes as there are, and says how many. */
size_t fuzz_take(fuzz_bytes *bytes, void *out, size_t size);

#endif
