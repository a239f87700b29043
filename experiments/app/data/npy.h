/** NumPy's files of a matrix: little-endian float32, row by row. */
#ifndef TF_APP_NPY_H
#define TF_APP_NPY_H

#include <stddef.h>

#include "net/base/status.h"

/** Writes rows x width values, atomically, for their owner alone. */
TF_CHECKED tf_status npy_write(const char *path, const float *values, size_t rows, size_t width);

/** Reads a matrix. The caller frees *values. */
TF_CHECKED tf_status npy_read(const char *path, float **values, size_t *rows, size_t *width);

#endif
