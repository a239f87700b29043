#include "experiments/app/data/npy.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/file.h"
#include "net/base/new_file.h"

/* https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html: 10 bytes, a header in Python's notation that
 * ends with a line feed, filled with blanks so that the data begin at a multiple of 64. */
static const char magic[] = "\x93NUMPY\x01";
enum { PREFIX = 10, ALIGNED = 64, MOST_BYTES = 1 << 30 };

tf_status npy_write(const char *path, const float *values, size_t rows, size_t width) {
    char header[2 * ALIGNED + 1];
    int length = snprintf(header + PREFIX, sizeof header - PREFIX,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", rows, width);
    size_t size = (PREFIX + (size_t)length + ALIGNED) / ALIGNED * ALIGNED, bytes = rows * width * sizeof *values;
    memcpy(header, magic, sizeof magic); /* and the minor version, 0 */
    header[8] = (char)((size - PREFIX) & 255);
    header[9] = (char)((size - PREFIX) >> 8);
    memset(header + PREFIX + length, ' ', size - PREFIX - (size_t)length);
    header[size - 1] = '\n';
    tf_new_file file = {.file = -1};
    TF_TRY(tf_new_file_open(path, 0600, &file));
    tf_status status = tf_new_file_write(&file, header, size, 0);
    if (status == TF_OK) status = tf_new_file_write(&file, values, bytes, size);
    if (status == TF_OK) return tf_new_file_finish(&file);
    tf_new_file_abandon(&file);
    return status;
}

static tf_status read_header(const char *path, const char *data, size_t size, size_t *begin, size_t *rows,
                             size_t *width) {
    static const char wanted[] = "a file of NumPy (version 1) with a matrix of '<f4' in C's order";
    char header[1024];
    const char *shape;
    if (size < PREFIX || memcmp(data, magic, sizeof magic - 1) != 0)
        return tf_fail(TF_FORMAT, "%s is not %s", path, wanted);
    size_t length = (unsigned char)data[8] | (size_t)(unsigned char)data[9] << 8;
    if (length >= sizeof header || PREFIX + length > size) return tf_fail(TF_FORMAT, "%s: its header is cut", path);
    memcpy(header, data + PREFIX, length);
    header[length] = 0;
    shape = strstr(header, "'shape': (");
    if (!strstr(header, "'descr': '<f4'") || !strstr(header, "'fortran_order': False") || !shape ||
        sscanf(shape, "'shape': (%zu, %zu)", rows, width) != 2)
        return tf_fail(TF_FORMAT, "%s is not %s", path, wanted);
    *begin = PREFIX + length;
    size_t count, bytes;
    if (__builtin_mul_overflow(*rows, *width, &count) || __builtin_mul_overflow(count, sizeof(float), &bytes) ||
        bytes != size - *begin || !count)
        return tf_fail(TF_FORMAT, "%s: a matrix of %zu x %zu does not fill it", path, *rows, *width);
    return TF_OK;
}

tf_status npy_read(const char *path, float **values, size_t *rows, size_t *width) {
    char *data;
    size_t size, begin;
    TF_TRY(tf_file_read(path, MOST_BYTES, &data, &size));
    tf_status status = read_header(path, data, size, &begin, rows, width);
    *values = status == TF_OK ? malloc(size - begin) : NULL;
    if (status == TF_OK && !*values) status = tf_fail(TF_NOMEM, "out of memory for %s", path);
    if (status == TF_OK) memcpy(*values, data + begin, size - begin);
    free(data);
    return status;
}
