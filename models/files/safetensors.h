/** Reading and writing safetensors files. The file is mapped and treated as hostile. */
#ifndef TF_SAFETENSORS_H
#define TF_SAFETENSORS_H

#include "runtime/graph/shape.h"

typedef struct tf_safetensors tf_safetensors;

/**
 * Opens a file, or the model.safetensors in a directory (model.fp16.safetensors or the files that
 * model.safetensors.index.json names, where only those are there), and checks the whole header: size, JSON, dtypes
 * (F64, F32, F16, BF16; others are listed but cannot be read as floats), products without overflow, offsets in range,
 * no overlap, no gap. Anything but a regular file is an error.
 *
 * The file stays mapped until it is closed: whoever replaces it meanwhile must do so by a rename.
 */
TF_CHECKED tf_status tf_safetensors_open(const char *path, tf_safetensors **file);
void tf_safetensors_close(tf_safetensors *file);

/**
 * The tensor as floats: converted once, kept until close; threads may ask at the same time. Fails with TF_FORMAT when
 * it is missing, has another shape, or holds NaN or infinity; with TF_RANGE when a magnitude exceeds `limit`. The
 * message names file and tensor.
 */
TF_CHECKED tf_status tf_safetensors_floats(const tf_safetensors *file, const char *name, tf_shape shape, double limit,
                                           const float **data);

/** Fills `out` with what a model makes of its tensors, such as a product of two. */
typedef void tf_derivation(const void *context, float *out);

/**
 * `count` floats made of the file's tensors under a name of their own: made at the first call, kept until close;
 * threads may ask at the same time. Fails with TF_RANGE when a magnitude exceeds `limit`.
 */
TF_CHECKED tf_status tf_safetensors_derive(const tf_safetensors *file, const char *name, size_t count, double limit,
                                           tf_derivation *make, const void *context, const float **data);

/** The SHA-256 digest of the whole file; of several, that of their digests in the order of their names. */
TF_CHECKED tf_status tf_safetensors_digest(const tf_safetensors *file, uint8_t digest[32]);

/** Whether there is a tensor of this very name. */
bool tf_safetensors_has(const tf_safetensors *file, const char *name);

/** The shape of a tensor; TF_FORMAT when it is missing. */
TF_CHECKED tf_status tf_safetensors_shape(const tf_safetensors *file, const char *name, tf_shape *shape);

/** The number of tensors, and their names by index. */
size_t tf_safetensors_count(const tf_safetensors *file);
const char *tf_safetensors_name(const tf_safetensors *file, size_t i);

typedef struct tf_tensor_source {
    const char *name;
    tf_shape shape;
    const float *data;
    const char *dtype;  /**< NULL: F32 */
    const void *stored; /**< the same numbers as `dtype` has them, `bytes` of them; NULL: as they stand in `data` */
    size_t bytes;
} tf_tensor_source;

/** A tensor as the file has it, to be written to another in its own type while this one is open. Fails as for
 *  floats. */
TF_CHECKED tf_status tf_safetensors_source(const tf_safetensors *file, const char *name, tf_tensor_source *out);

/** Writes a safetensors file, atomically (a temporary name, then a rename). */
TF_CHECKED tf_status tf_safetensors_write(const char *path, const tf_tensor_source *tensor, size_t tensors);

#endif
