/* A model's weights: the header, and every tensor as floats. */
#include "models/files/safetensors.h"
#include "tests/fuzz/fuzz.h"

static volatile float sum; /* so that what is read is looked at */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fuzz_file file;
    tf_safetensors *tensors;
    if (!file.path[0]) file = fuzz_file_new();
    fuzz_file_fill(&file, data, size);
    if (tf_safetensors_open(file.path, &tensors)) return 0;
    for (size_t i = 0; i < tf_safetensors_count(tensors); i++) {
        const char *name = tf_safetensors_name(tensors, i);
        const float *values;
        tf_shape shape;
        if (tf_safetensors_shape(tensors, name, &shape)) continue;
        if (tf_safetensors_floats(tensors, name, shape, 1e9, &values)) continue;
        for (size_t k = 0; k < tf_shape_count(shape); k++) sum += values[k];
    }
    tf_safetensors_close(tensors);
    return 0;
}
