#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/files/safetensors.h"
#include "net/base/file.h"
#include "net/base/new_file.h"
#include "runtime/kernels/multiversion.h"

/** Whether none of them is infinite or NaN, which all bits of an exponent tell. */
TF_MULTIVERSION static bool all_finite(const float *data, size_t count) {
    enum { EXPONENT = 0x7f800000 };
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, data + i, sizeof bits);
        found |= (bits & EXPONENT) == EXPONENT;
    }
    return !found;
}

static size_t bytes_of(const tf_tensor_source *t) {
    return t->stored ? t->bytes : tf_shape_count(t->shape) * sizeof *t->data;
}

static tf_status check_source(const char *path, const tf_tensor_source *t) {
    if (!t->name || !*t->name || !strcmp(t->name, "__metadata__") || !tf_printable(t->name))
        return tf_fail(TF_INVALID, "%s: \"%s\" cannot be a tensor's name", path, t->name ? t->name : "");
    if (tf_shape_check(t->shape)) return tf_fail_in(TF_INVALID, "%s: tensor \"%s\"", path, t->name);
    if (all_finite(t->data, tf_shape_count(t->shape))) return TF_OK;
    size_t i = 0;
    while (isfinite(t->data[i])) i++;
    return tf_fail(TF_INVALID, "%s: tensor \"%s\" holds %s at element %zu", path, t->name,
                   isnan(t->data[i]) ? "NaN" : "infinity", i);
}

/* Adds one tensor's entry, and its bytes to *offset. */
static tf_status add_entry(const char *path, json_t *header, const tf_tensor_source *t, size_t *offset) {
    TF_TRY(check_source(path, t));
    size_t end;
    if (__builtin_add_overflow(*offset, bytes_of(t), &end) || end > INT64_MAX)
        return tf_fail(TF_INVALID, "%s: the tensors are too large", path);
    if (json_object_get(header, t->name)) return tf_fail(TF_INVALID, "%s: two tensors are named \"%s\"", path, t->name);
    json_t *shape = json_array();
    for (int i = 0; i < t->shape.rank; i++) json_array_append_new(shape, json_integer((json_int_t)t->shape.dim[i]));
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->dtype ? t->dtype : "F32", "shape", shape,
                              "data_offsets", (json_int_t)*offset, (json_int_t)end);
    if (json_object_set_new(header, t->name, entry))
        return tf_fail(TF_INVALID, "%s: tensor name \"%s\" is not UTF-8, or memory ran out", path, t->name);
    *offset = end;
    return TF_OK;
}

/* The header's length and text, padded so that the data are aligned. The caller frees *text. */
static tf_status make_header(const char *path, const tf_tensor_source *tensor, size_t tensors, char **text,
                             size_t *length) {
    size_t offset = 0;
    json_t *header = json_object();
    tf_status status = header ? TF_OK : tf_fail(TF_NOMEM, "%s: no memory for the header", path);
    for (size_t i = 0; i < tensors && status == TF_OK; i++) status = add_entry(path, header, &tensor[i], &offset);
    char *json = status == TF_OK ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    TF_TRY(status);
    uint64_t used = json ? strlen(json) : 0, padded = (used + 7) / 8 * 8;
    *text = json ? malloc(sizeof padded + padded) : NULL;
    if (*text) {
        memcpy(*text, &padded, sizeof padded);
        memcpy(*text + sizeof padded, json, used);
        memset(*text + sizeof padded + used, ' ', padded - used);
        *length = sizeof padded + padded;
    }
    free(json);
    return *text ? TF_OK : tf_fail(TF_NOMEM, "%s: no memory for the header", path);
}

static tf_status write_all(const tf_new_file *file, const char *header, size_t offset, const tf_tensor_source *tensor,
                           size_t tensors) {
    TF_TRY(tf_new_file_write(file, header, offset, 0));
    for (size_t i = 0; i < tensors; i++) {
        const size_t bytes = bytes_of(&tensor[i]);
        TF_TRY(tf_new_file_write(file, tensor[i].stored ? tensor[i].stored : tensor[i].data, bytes, offset));
        offset += bytes;
    }
    return TF_OK;
}

tf_status tf_safetensors_write(const char *path, const tf_tensor_source *tensor, size_t tensors) {
    char *header;
    size_t length = 0;
    tf_new_file file;
    TF_TRY(make_header(path, tensor, tensors, &header, &length));
    tf_status status = tf_new_file_open(path, 0666, &file);
    if (status == TF_OK) {
        status = write_all(&file, header, length, tensor, tensors);
        if (status == TF_OK)
            status = tf_new_file_finish(&file);
        else
            tf_new_file_abandon(&file);
    }
    free(header);
    return status;
}
