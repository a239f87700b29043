/* The format: https://github.com/huggingface/safetensors, section "Format". */
#include "models/files/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/base/file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors files are read in place, as little-endian");

enum { MAX_HEADER = 100 * 1000 * 1000 }; /* what the reference implementation allows */

typedef enum format { FORMAT_OTHER, FORMAT_F32, FORMAT_F16, FORMAT_BF16 } format;

static const struct dtype {
    const char *name;
    size_t bytes;
    format format;
} dtypes[] = {
    {"F32", 4, FORMAT_F32},    {"F16", 2, FORMAT_F16},   {"BF16", 2, FORMAT_BF16}, {"F64", 8, FORMAT_OTHER},
    {"I64", 8, FORMAT_OTHER},  {"I32", 4, FORMAT_OTHER}, {"I16", 2, FORMAT_OTHER}, {"I8", 1, FORMAT_OTHER},
    {"U64", 8, FORMAT_OTHER},  {"U32", 4, FORMAT_OTHER}, {"U16", 2, FORMAT_OTHER}, {"U8", 1, FORMAT_OTHER},
    {"BOOL", 1, FORMAT_OTHER},
};

typedef struct tensor {
    const char *name;
    const struct dtype *dtype;
    tf_shape shape; /* only the first TF_MAX_RANK dimensions are kept; such a tensor is listed, but not read */
    size_t count, begin, end;
    const float *data; /* NULL until first asked for; in the mapped file where it can be, else in `owned` */
    float *owned, largest;
} tensor;

/* Floats made of tensors, by name. */
typedef struct derived {
    struct derived *next;
    char *name;
    float *data;
} derived;

struct tf_safetensors {
    char *path;
    const char *map;
    size_t size, start; /* of the file; of the data in it */
    json_t *header;     /* owns the names */
    tensor *tensor;     /* in the order of the data */
    const tensor **by_name;
    size_t tensors;
    pthread_mutex_t *lock; /* of the tensors' data, which are converted behind a const interface */
    derived **derived;     /* the same for what is made of them */
};

static int compare_places(const void *a, const void *b) {
    const tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int compare_names(const void *a, const void *b) {
    return strcmp((*(const tensor *const *)a)->name, (*(const tensor *const *)b)->name);
}

/* A non-negative integer of the header. */
static bool read_size(const json_t *value, size_t *out) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (size_t)json_integer_value(value);
    return true;
}

static tf_status read_shape(const char *path, tensor *t, const json_t *shape) {
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
static tf_status read_tensor(const char *path, size_t room, tensor *t, const json_t *value) {
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
    if (__builtin_mul_overflow(t->count, t->dtype->bytes, &bytes))
        return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\": the product of its shape overflows", path, t->name);
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
static tf_status check_cover(const tf_safetensors *file, size_t room) {
    size_t end = 0;
    for (size_t i = 0; i < file->tensors; i++) {
        const tensor *t = &file->tensor[i];
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

static tf_status read_header(tf_safetensors *file) {
    uint64_t length;
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
    file->by_name = calloc(entries + 1, sizeof *file->by_name);
    if (!file->tensor || !file->by_name) return tf_fail(TF_NOMEM, "%s: no memory for the header", file->path);
    const char *key;
    json_t *value;
    json_object_foreach(file->header, key, value) {
        if (!strcmp(key, "__metadata__")) {
            TF_TRY(check_metadata(file->path, value));
            continue;
        }
        tensor *t = &file->tensor[file->tensors++];
        t->name = key;
        TF_TRY(read_tensor(file->path, room, t, value));
    }
    qsort(file->tensor, file->tensors, sizeof *file->tensor, compare_places);
    for (size_t i = 0; i < file->tensors; i++) file->by_name[i] = &file->tensor[i];
    qsort(file->by_name, file->tensors, sizeof *file->by_name, compare_names);
    return check_cover(file, room);
}

/* `path`, or the weights in it if it is a directory. The caller frees *found. */
static tf_status find_weights(const char *path, char **found) {
    static const char *const names[] = {"model.safetensors", "model.fp16.safetensors"};
    struct stat info;
    if (stat(path, &info)) return tf_fail(TF_IO, "%s: cannot be opened: %s", path, strerror(errno));
    char joined[4096];
    if (S_ISDIR(info.st_mode)) {
        TF_TRY(tf_path_join(path, names[0], joined, sizeof joined));
        if (access(joined, F_OK)) TF_TRY(tf_path_join(path, names[1], joined, sizeof joined));
        if (access(joined, F_OK)) return tf_fail(TF_IO, "%s: holds neither %s nor %s", path, names[0], names[1]);
        path = joined;
    }
    *found = strdup(path);
    return *found ? TF_OK : tf_fail(TF_NOMEM, "no memory for a path");
}

static tf_status map_file(tf_safetensors *file) {
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

tf_status tf_safetensors_open(const char *path, tf_safetensors **out) {
    *out = NULL;
    char *found;
    TF_TRY(find_weights(path, &found));
    tf_safetensors *file = calloc(1, sizeof *file);
    pthread_mutex_t *lock = malloc(sizeof *lock);
    derived **made = calloc(1, sizeof *made);
    if (!file || !lock || !made || pthread_mutex_init(lock, NULL)) {
        free(found), free(file), free(lock), free(made);
        return tf_fail(TF_NOMEM, "%s: no memory to open it", path);
    }
    *file = (tf_safetensors){.path = found, .lock = lock, .derived = made};
    tf_status status = map_file(file);
    if (status == TF_OK)
        *out = file;
    else
        tf_safetensors_close(file);
    return status;
}

void tf_safetensors_close(tf_safetensors *file) {
    if (!file) return;
    for (size_t i = 0; i < file->tensors; i++) free(file->tensor[i].owned);
    for (derived *d = *file->derived, *next; d; d = next) {
        next = d->next;
        free(d->name), free(d->data), free(d);
    }
    free(file->derived);
    if (file->map) munmap((void *)file->map, file->size);
    json_decref(file->header);
    pthread_mutex_destroy(file->lock);
    free(file->lock);
    free(file->tensor);
    free(file->by_name);
    free(file->path);
    free(file);
}

size_t tf_safetensors_count(const tf_safetensors *file) {
    return file->tensors;
}

const char *tf_safetensors_name(const tf_safetensors *file, size_t i) {
    return i < file->tensors ? file->tensor[i].name : NULL;
}

static tensor *find_exactly(const tf_safetensors *file, const char *name) {
    const tensor key = {.name = name}, *pointer = &key;
    const tensor **place = bsearch(&pointer, file->by_name, file->tensors, sizeof *file->by_name, compare_names);
    return place ? &file->tensor[*place - file->tensor] : NULL;
}

static tf_status find(const tf_safetensors *file, const char *name, tensor **out) {
    static const char prefix[] = "bert.";
    char prefixed[512];
    *out = find_exactly(file, name);
    if (!*out && !strncmp(name, prefix, strlen(prefix))) *out = find_exactly(file, name + strlen(prefix));
    int length = snprintf(prefixed, sizeof prefixed, "%s%s", prefix, name);
    if (!*out && length > 0 && (size_t)length < sizeof prefixed) *out = find_exactly(file, prefixed);
    return *out ? TF_OK : tf_fail(TF_FORMAT, "%s: there is no tensor \"%.200s\"", file->path, name);
}

bool tf_safetensors_has(const tf_safetensors *file, const char *name) {
    return find_exactly(file, name) != NULL;
}

tf_status tf_safetensors_shape(const tf_safetensors *file, const char *name, tf_shape *shape) {
    tensor *t;
    TF_TRY(find(file, name, &t));
    if (t->shape.rank > TF_MAX_RANK)
        return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\" has %d dimensions; at most %d are supported", file->path,
                       t->name, t->shape.rank, TF_MAX_RANK);
    *shape = t->shape;
    return TF_OK;
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float from_f16(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = (uint32_t)(half & 0x7fff) << 13;
    if ((half & 0x7c00) == 0x7c00) return from_bits(sign | 0x7f800000 | rest); /* infinity and NaN */
    /* The fields are in place but for the exponent's bias, 15 in place of 127; the product also mends subnormals. */
    return from_bits(sign | 0x3f800000) * (from_bits(rest) * 0x1p112f);
}

static void convert(float *out, const char *in, size_t count, format from) {
    if (from == FORMAT_F32)
        memcpy(out, in, count * sizeof *out);
    else
        for (size_t i = 0; i < count; i++) {
            uint16_t bits;
            memcpy(&bits, in + 2 * i, sizeof bits);
            out[i] = from == FORMAT_F16 ? from_f16(bits) : from_bits((uint32_t)bits << 16);
        }
}

/* Makes t->data and t->largest. Called with the lock held. */
static tf_status load(const tf_safetensors *file, tensor *t) {
    const char *in = file->map + file->start + t->begin;
    const float *data;
    float *owned = NULL;
    if (t->dtype->format == FORMAT_F32 && (uintptr_t)in % _Alignof(float) == 0)
        data = (const float *)(const void *)in;
    else {
        if (!(owned = malloc(t->count * sizeof *owned)))
            return tf_fail(TF_NOMEM, "%s: no memory for tensor \"%.200s\"", file->path, t->name);
        convert(owned, in, t->count, t->dtype->format);
        data = owned;
    }
    float largest = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (!isfinite(data[i])) {
            bool nan = isnan(data[i]);
            free(owned);
            return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\" holds %s at element %zu", file->path, t->name,
                           nan ? "NaN" : "infinity", i);
        }
        if (fabsf(data[i]) > largest) largest = fabsf(data[i]);
    }
    t->data = data;
    t->owned = owned;
    t->largest = largest;
    return TF_OK;
}

tf_status tf_safetensors_floats(const tf_safetensors *file, const char *name, tf_shape shape, double limit,
                                const float **data) {
    TF_TRY(tf_shape_check(shape));
    tensor *t;
    TF_TRY(find(file, name, &t));
    tf_shape actual;
    TF_TRY(tf_safetensors_shape(file, name, &actual));
    if (!tf_shape_equal(actual, shape)) {
        char have[96], want[96];
        return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\" has shape %s, not %s", file->path, t->name,
                       tf_shape_text(actual, have), tf_shape_text(shape, want));
    }
    if (t->dtype->format == FORMAT_OTHER)
        return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\" has dtype %s, which is not one of F32, F16 and BF16",
                       file->path, t->name, t->dtype->name);
    pthread_mutex_lock(file->lock);
    tf_status status = t->data ? TF_OK : load(file, t);
    pthread_mutex_unlock(file->lock);
    TF_TRY(status);
    if (t->largest > limit) /* without the value itself: messages reach the other parties */
        return tf_fail(TF_RANGE, "%s: tensor \"%.200s\" holds a magnitude above %g, the fixed-point limit", file->path,
                       t->name, limit);
    *data = t->data;
    return TF_OK;
}

static tf_status derive(const tf_safetensors *file, const char *name, size_t count, double limit, tf_derivation *make,
                        const void *context, const float **data) {
    for (derived *d = *file->derived; d; d = d->next)
        if (!strcmp(d->name, name)) return *data = d->data, TF_OK;
    derived *d = calloc(1, sizeof *d);
    if (d) *d = (derived){.next = *file->derived, .name = strdup(name), .data = malloc(count * sizeof *d->data)};
    bool made = d && d->name && d->data;
    float largest = 0;
    if (made) make(context, d->data);
    for (size_t i = 0; made && i < count; i++) largest = fmaxf(largest, fabsf(d->data[i]));
    if (made && largest <= limit) return *file->derived = d, *data = d->data, TF_OK;
    if (d) free(d->name), free(d->data);
    free(d);
    if (!made) return tf_fail(TF_NOMEM, "no memory for %s", name);
    return tf_fail(TF_RANGE, "%s: \"%.200s\" holds a magnitude above %g, the fixed-point limit", file->path, name,
                   limit);
}

tf_status tf_safetensors_derive(const tf_safetensors *file, const char *name, size_t count, double limit,
                                tf_derivation *make, const void *context, const float **data) {
    pthread_mutex_lock(file->lock);
    tf_status status = derive(file, name, count, limit, make, context, data);
    pthread_mutex_unlock(file->lock);
    return status;
}

tf_status tf_safetensors_digest(const tf_safetensors *file, uint8_t digest[32]) {
    return EVP_Digest(file->map, file->size, digest, NULL, EVP_sha256(), NULL) == 1
               ? TF_OK
               : tf_fail(TF_INTERNAL, "%s: SHA-256 failed", file->path);
}
