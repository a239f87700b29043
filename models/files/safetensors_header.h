/** Part of safetensors.c: one file's header, checked, and what its tensors are. */
#ifndef TF_SAFETENSORS_HEADER_H
#define TF_SAFETENSORS_HEADER_H

#include <jansson.h>

#include "runtime/graph/shape.h"

typedef enum tf_number_format {
    TF_FORMAT_OTHER,
    TF_FORMAT_F64,
    TF_FORMAT_F32,
    TF_FORMAT_F16,
    TF_FORMAT_BF16
} tf_number_format;

typedef struct tf_dtype {
    const char *name;
    size_t bits;
    tf_number_format format;
} tf_dtype;

typedef struct tf_tensor_entry {
    const char *name;             /**< owned by the header */
    const struct tf_shard *shard; /**< the file that has it */
    const tf_dtype *dtype;
    tf_shape shape; /**< only the first TF_MAX_RANK dimensions are kept; such a tensor is listed, but not read */
    size_t count, begin, end;
    const float *data; /**< NULL until first asked for; in the mapped file where it can be, else in `owned` */
    float *owned, largest;
} tf_tensor_entry;

/** One file, mapped. */
typedef struct tf_shard {
    char *path;
    const char *map;
    size_t size, start; /**< of the file; of the data in it */
    json_t *header;
    tf_tensor_entry *tensor; /**< in the order of the data */
    size_t tensors;
    char *names; /**< of the tensors, where they have a prefix; otherwise NULL */
} tf_shard;

/** Maps the file and checks all of its header. `shard` is all zero before, and is closed after a failure too. */
TF_CHECKED tf_status tf_shard_open(const char *path, tf_shard *shard);

/** Puts a prefix before the names of all of its tensors, once. */
TF_CHECKED tf_status tf_shard_prefix(const char *prefix, tf_shard *shard);

void tf_shard_close(tf_shard *shard);

#endif
