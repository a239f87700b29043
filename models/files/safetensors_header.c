/* The format: https://github.com/huggingface/safetensors, section "Format". */
#include "models/files/safetensors_header.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "models/files/json.h"
#include "net/base/file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors files are read in place, as little-endian");

enum { MAX_HEADER = 100 * 1000 * 1000 }; /* what the reference implementation allows */

static const tf_dtype dtypes[] = {
    {"F32", 32, TF_FORMAT_F32},      {"F16", 16, TF_FORMAT_F16},      {"BF16", 16, TF_FORMAT_BF16},
    {"F64", 64, TF_FORMAT_F64},      {"I64", 64, TF_FORMAT_OTHER},    {"I32", 32, TF_FORMAT_OTHER},
    {"I16", 16, TF_FORMAT_OTHER},    {"I8", 8, TF_FORMAT_OTHER},      {"U64", 64, TF_FORMAT_OTHER},
    {"U32", 32, TF_FORMAT_OTHER},    {"U16", 16, TF_FORMAT_OTHER},    {"U8", 8, TF_FORMAT_OTHER},
    {"BOOL", 8, TF_FORMAT_OTHER},    {"C64", 64, TF_FORMAT_OTHER},    {"F8_E4M3", 8, TF_FORMAT_OTHER},
    {"F8_E5M2", 8, TF_FORMAT_OTHER}, {"F8_E8M0", 8, TF_FORMAT_OTHER}, {"F6_E2M3", 6, TF_FORMAT_OTHER},
    {"F6_E3M2", 6, TF_FORMAT_OTHER}, {"F4", 4, TF_FORMAT_OTHER},
};

static int compare_places(const void *a, const void *b) {
    const tf_tensor_entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* A non-negative integer of the header. */
static bool read_size(const json_t *value, size_t *out) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (size_t)json_integer_value(value);
    return true;
}

static tf_status read_shape(const char *path, tf_tensor_entry *t, const json_t *shape) {
    if (!json_is_array(shape)) return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\": no \"shape\" list", path, t->name);
    if (json_array_size(shape) > 64)
        return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\": too many dimensions", path, t->name);
    t->shape.rank = (int)json_array_size(shape);
    t->count = 1;
    for (int i = 0; i < t->shape.rank; i++) {
        size_t dim;
        if (!read_size(json_array_get(shape, (size_t)i), &dim))
            return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\": dimension %d is not a non-negative integer", path,
                           t->name, i);
        if (i < TF_MAX_RANK) t->shape.dim[i] = dim;
        if (__builtin_mul_overflow(t->count, dim, &t->count))
            return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\": the product of its shape overflows", path, t->name);
    }
    return TF_OK;
}

/* One entry of the header; `room` is the number of bytes of data in the file. */
static tf_status read_tensor(const char *path, size_t room, tf_tensor_entry *t, const json_t *value) {
    if (!*t->name || !tf_printable(t->name))
        return tf_fail(TF_FORMAT, "%s: a tensor's name is empty or holds control characters", path);
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    if (!dtype) return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\": no \"dtype\"", path, t->name);
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (!strcmp(dtypes[i].name, dtype)) t->dtype = &dtypes[i];
    if (!t->dtype) {
        return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\": unknown dtype \"%.20s\"", path, t->name,
                       tf_printable(dtype) ? dtype : "?");
    }
    TF_TRY(read_shape(path, t, json_object_get(value, "shape")));

    const json_t *offsets = json_object_get(value, "data_offsets");
    if (json_array_size(offsets) != 2 || !read_size(json_array_get(offsets, 0), &t->begin) ||
        !read_size(json_array_get(offsets, 1), &t->end))
        return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\": \"data_offsets\" is not a pair of non-negative integers",
                       path, t->name);
    if (t->begin > t->end)
        return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\": its data begin at %zu, after their end at %zu", path, t->name,
                       t->begin, t->end);
    if (t->end > room)
        return tf_fail(TF_FORMAT,
                       "%s: tensor \"%.200s\": its data end at byte %zu, but the file has only %zu bytes of data", path,
                       t->name, t->end, room);
    size_t bytes;
    if (__builtin_mul_overflow(t->count, t->dtype->bits, &bytes))
        return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\": the product of its shape overflows", path, t->name);
    bytes = bytes / 8 + (bytes % 8 != 0);
    if (bytes != t->end - t->begin)
        return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\": its shape and dtype make %zu bytes, its offsets %zu", path,
                       t->name, bytes, t->end - t->begin);
    return TF_OK;
}

static tf_status check_metadata(const char *path, const json_t *metadata) {
    const char *key;
    json_t *value;
    bool text = json_is_object(metadata);
    json_object_foreach((json_t *)metadata, key, value) text = text && json_is_string(value);
    return text ? TF_OK : tf_fail(TF_FORMAT, "%s: __metadata__ is not an object of strings", path);
}

/* The data of all tensors must fill the file: without overlap, without gap. */
static tf_status check_cover(const tf_shard *file, size_t room) {
    size_t end = 0;
    for (size_t i = 0; i < file->tensors; i++) {
        const tf_tensor_entry *t = &file->tensor[i];
        if (t->begin < end)
            return tf_fail(TF_FORMAT, "%s: tensors \"%.200s\" and \"%.200s\" overlap", file->path,
                           file->tensor[i - 1].name, t->name);
        if (t->begin > end)
            return tf_fail(TF_FORMAT, "%s: %zu bytes before tensor \"%.200s\" belong to no tensor", file->path,
                           t->begin - end, t->name);
        end = t->end;
    }
    if (end < room) return tf_fail(TF_FORMAT, "%s: the last %zu bytes belong to no tensor", file->path, room - end);
    return TF_OK;
}

static tf_status read_header(tf_shard *file) {
    uint64_t length;
    if (tf_is_lfs_pointer(file->map, file->size)) return tf_lfs_pointer_found(file->path);
    if (file->size < sizeof length)
        return tf_fail(TF_FORMAT, "%s: not a safetensors file: %zu bytes are too few", file->path, file->size);
    memcpy(&length, file->map, sizeof length);
    if (length > MAX_HEADER)
        return tf_fail(TF_FORMAT, "%s: not a safetensors file: its header would have %llu bytes", file->path,
                       (unsigned long long)length);
    if (length > file->size - sizeof length)
        return tf_fail(TF_FORMAT, "%s: truncated: the header has %llu bytes, the file %zu", file->path,
                       (unsigned long long)length, file->size);
    const char *text = file->map + sizeof length;
    if (!length || *text != '{') return tf_fail(TF_FORMAT, "%s: the header does not begin with '{'", file->path);
    TF_TRY(tf_json_parse(file->path, text, (size_t)length, &file->header));

    file->start = sizeof length + (size_t)length;
    size_t room = file->size - file->start, entries = json_object_size(file->header);
    file->tensor = calloc(entries + 1, sizeof *file->tensor);
    if (!file->tensor) return tf_fail(TF_NOMEM, "%s: no memory for the header", file->path);
    const char *key;
    json_t *value;
    json_object_foreach(file->header, key, value) {
        if (!strcmp(key, "__metadata__")) {
            TF_TRY(check_metadata(file->path, value));
            continue;
        }
        tf_tensor_entry *t = &file->tensor[file->tensors++];
        t->name = key;
        t->shard = file;
        TF_TRY(read_tensor(file->path, room, t, value));
    }
    qsort(file->tensor, file->tensors, sizeof *file->tensor, compare_places);
    return check_cover(file, room);
}

static tf_status map_file(tf_shard *file) {
    int descriptor;
    TF_TRY(tf_file_open(file->path, &descriptor, &file->size));
    if (file->size) {
        void *map = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        int error = errno;
        close(descriptor);
        if (map == MAP_FAILED) return tf_fail(TF_IO, "%s: cannot be mapped: %s", file->path, strerror(error));
        file->map = map;
    } else
        close(descriptor);
    return read_header(file);
}

tf_status tf_shard_open(const char *path, tf_shard *shard) {
    shard->path = strdup(path);
    tf_status status = shard->path ? map_file(shard) : tf_fail(TF_NOMEM, "%s: no memory to open it", path);
    if (status != TF_OK) tf_shard_close(shard);
    return status;
}

tf_status tf_shard_prefix(const char *prefix, tf_shard *shard) {
    size_t room = 1;
    for (size_t i = 0; i < shard->tensors; i++) room += strlen(prefix) + strlen(shard->tensor[i].name) + 1;
    char *next = shard->names = malloc(room);
    if (!next) return tf_fail(TF_NOMEM, "%s: no memory for its names", shard->path);
    for (size_t i = 0; i < shard->tensors; i++) {
        int length = sprintf(next, "%s%s", prefix, shard->tensor[i].name);
        shard->tensor[i].name = next;
        next += length + 1;
    }
    return TF_OK;
}

void tf_shard_close(tf_shard *shard) {
    for (size_t i = 0; i < shard->tensors; i++) free(shard->tensor[i].owned);
    if (shard->map) munmap((void *)shard->map, shard->size);
    json_decref(shard->header);
    free(shard->names);
    free(shard->tensor);
    free(shard->path);
    *shard = (tf_shard){0};
}
