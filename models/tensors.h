/**
 * The tensors of a file under the names that a model's graph gives them: its family says where each lies, so that no
 * builder knows about prefixes, older names, transposed weights or several weights in one tensor.
 */
#ifndef TF_TENSORS_H
#define TF_TENSORS_H

#include "models/config.h"
#include "models/files/safetensors.h"

/** Where a leaf's data lie in a file. */
typedef struct tf_tensor_place {
    char name[192];     /**< the tensor, without the prefixes that its family knows */
    bool transposed;    /**< in x out, as GPT-2 stores its weights, where the leaf is out x in */
    size_t first, rows; /**< the leaf is a part of a tensor with that many rows (after transposing), from row `first`; 0
                             rows: all of it */
} tf_tensor_place;

typedef struct tf_tensors {
    const tf_safetensors *file; /**< NULL where this party does not hold them */
    const tf_config *config;
} tf_tensors;

/**
 * The data of a leaf as floats, kept until the file is closed; threads may ask at the same time. Errors are those of
 * tf_safetensors_floats.
 */
TF_CHECKED tf_status tf_tensors_floats(const tf_tensors *tensors, const char *leaf, tf_shape shape, double limit,
                                       const float **data);

#endif
