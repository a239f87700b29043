/** A model's tensors, in one file or several; what a file is stands in safetensors_header.c. */
#include "models/files/safetensors.h"

#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/files/safetensors_header.h"
#include "models/files/safetensors_index.h"
#include "net/base/file.h"
#include "runtime/kernels/multiversion.h"

typedef tf_tensor_entry tensor;

/* Floats made of tensors, by name. */
typedef struct derived {
    struct derived *next;
    char *name;
    float *data;
} derived;

struct tf_safetensors {
    char *path; /* the file, or the index of several */
    tf_shard *shard;
    size_t shards, tensors;
    tensor **listed, **by_name; /* in the order of the data; by name */
    pthread_mutex_t *lock;      /* of the tensors' data, which are converted behind a const interface */
    derived **derived;          /* the same for what is made of them */
};

static int compare_names(const void *a, const void *b) {
    return strcmp((*(tensor *const *)a)->name, (*(tensor *const *)b)->name);
}

/* Lists the tensors of all shards. */
static tf_status list(tf_safetensors *file) {
    for (size_t k = 0; k < file->shards; k++) file->tensors += file->shard[k].tensors;
    file->listed = calloc(file->tensors + 1, sizeof(tensor *));
    file->by_name = calloc(file->tensors + 1, sizeof(tensor *));
    if (!file->listed || !file->by_name) return tf_fail(TF_NOMEM, "%s: no memory for its list", file->path);
    size_t count = 0;
    for (size_t k = 0; k < file->shards; k++)
        for (size_t i = 0; i < file->shard[k].tensors; i++) file->listed[count++] = &file->shard[k].tensor[i];
    memcpy(file->by_name, file->listed, count * sizeof(tensor *));
    qsort(file->by_name, count, sizeof(tensor *), compare_names);
    for (size_t i = 1; i < count; i++)
        if (!strcmp(file->by_name[i - 1]->name, file->by_name[i]->name))
            return tf_fail(TF_FORMAT, "%s: two files hold a tensor \"%.200s\"", file->path, file->by_name[i]->name);
    return TF_OK;
}

static tensor *find_exactly(const tf_safetensors *file, const char *name) {
    const tensor key = {.name = name}, *pointer = &key;
    tensor **place = bsearch(&pointer, file->by_name, file->tensors, sizeof *file->by_name, compare_names);
    return place ? *place : NULL;
}

/* Every tensor of the index must be in the file that the index names. */
static tf_status check_index(const tf_safetensors *file, const tf_shard_index *index) {
    const char *name;
    json_t *shard;
    json_object_foreach((json_t *)index->map, name, shard) {
        const tensor *t = find_exactly(file, name);
        const char *where = json_string_value(shard), *base = t ? strrchr(t->shard->path, '/') : NULL;
        if (!t || strcmp(base ? base + 1 : t->shard->path, where))
            return tf_fail(TF_FORMAT, "%s: \"weight_map\" names \"%.200s\" in %.200s, which has no such tensor",
                           file->path, tf_printable(name) ? name : "?", where);
    }
    return TF_OK;
}

/* The dense layer that sentence-transformers keeps in a folder of its own. */
static tf_status open_dense(const char *directory, tf_safetensors *file) {
    char path[4096];
    TF_TRY(tf_path_join(directory, "2_Dense/model.safetensors", path, sizeof path));
    if (access(path, F_OK)) return TF_OK;
    tf_shard *shard = &file->shard[file->shards++];
    TF_TRY(tf_shard_open(path, shard));
    return tf_shard_prefix("2_Dense.", shard);
}

static tf_status open_all(const char *given, char *const *path, size_t paths, const tf_shard_index *index,
                          tf_safetensors *file) {
    file->shard = calloc(paths + 1, sizeof *file->shard);
    if (!file->shard) return tf_fail(TF_NOMEM, "%s: no memory to open it", file->path);
    for (size_t k = 0; k < paths; k++) {
        file->shards = k + 1;
        TF_TRY(tf_shard_open(path[k], &file->shard[k]));
    }
    if (strcmp(given, file->path)) TF_TRY(open_dense(given, file));
    TF_TRY(list(file));
    return index ? check_index(file, index) : TF_OK;
}

static tf_status open_shards(const char *given, tf_safetensors *file) {
    if (!tf_is_shard_index(file->path)) return open_all(given, &file->path, 1, NULL, file);
    tf_shard_index index;
    TF_TRY(tf_shard_index_read(file->path, &index));
    tf_status status = open_all(given, index.path, index.shards, &index, file);
    tf_shard_index_free(&index);
    return status;
}

tf_status tf_safetensors_open(const char *path, tf_safetensors **out) {
    *out = NULL;
    char *found;
    TF_TRY(tf_find_weights(path, &found));
    tf_safetensors *file = calloc(1, sizeof *file);
    pthread_mutex_t *lock = malloc(sizeof *lock);
    derived **made = calloc(1, sizeof *made);
    if (!file || !lock || !made || pthread_mutex_init(lock, NULL)) {
        free(found), free(file), free(lock), free(made);
        return tf_fail(TF_NOMEM, "%s: no memory to open it", path);
    }
    *file = (tf_safetensors){.path = found, .lock = lock, .derived = made};
    tf_status status = open_shards(path, file);
    if (status == TF_OK)
        *out = file;
    else
        tf_safetensors_close(file);
    return status;
}

void tf_safetensors_close(tf_safetensors *file) {
    if (!file) return;
    for (size_t k = 0; k < file->shards; k++) tf_shard_close(&file->shard[k]);
    for (derived *d = *file->derived, *next; d; d = next) {
        next = d->next;
        free(d->name), free(d->data), free(d);
    }
    free(file->derived);
    pthread_mutex_destroy(file->lock);
    free(file->lock);
    free(file->shard);
    free(file->listed);
    free(file->by_name);
    free(file->path);
    free(file);
}

size_t tf_safetensors_count(const tf_safetensors *file) {
    return file->tensors;
}

const char *tf_safetensors_name(const tf_safetensors *file, size_t i) {
    return i < file->tensors ? file->listed[i]->name : NULL;
}

static tf_status find(const tf_safetensors *file, const char *name, tensor **out) {
    *out = find_exactly(file, name);
    return *out ? TF_OK : tf_fail(TF_FORMAT, "%s: there is no tensor \"%.200s\"", file->path, name);
}

bool tf_safetensors_has(const tf_safetensors *file, const char *name) {
    return find_exactly(file, name) != NULL;
}

tf_status tf_safetensors_shape(const tf_safetensors *file, const char *name, tf_shape *shape) {
    tensor *t;
    TF_TRY(find(file, name, &t));
    if (t->shape.rank > TF_MAX_RANK)
        return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\" has %d dimensions; at most %d are supported", t->shard->path,
                       t->name, t->shape.rank, TF_MAX_RANK);
    *shape = t->shape;
    return TF_OK;
}

static inline float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float from_f16(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = (uint32_t)(half & 0x7fff) << 13;
    /* The fields are in place but for the exponent's bias, 15 in place of 127; the product also mends subnormals. */
    float finite = from_bits(sign | 0x3f800000) * (from_bits(rest) * 0x1p112f);
    return (half & 0x7c00) == 0x7c00 ? from_bits(sign | 0x7f800000 | rest) : finite; /* or infinity and NaN */
}

static inline float from_bf16(uint16_t upper) {
    return from_bits((uint32_t)upper << 16);
}

/** Converts numbers of a type that may lie anywhere. */
#define CONVERT(name, type, number)                                                                                    \
    TF_MULTIVERSION static void name(const char *in, size_t count, float *out) {                                       \
        for (size_t i = 0; i < count; i++) {                                                                           \
            type x;                                                                                                    \
            memcpy(&x, in + i * sizeof x, sizeof x);                                                                   \
            out[i] = number(x);                                                                                        \
        }                                                                                                              \
    }
CONVERT(convert_f64, double, (float))
CONVERT(convert_f16, uint16_t, from_f16)
CONVERT(convert_bf16, uint16_t, from_bf16)

static void convert(float *out, const char *in, size_t count, tf_number_format from) {
    switch (from) {
    case TF_FORMAT_F64: convert_f64(in, count, out); break;
    case TF_FORMAT_F16: convert_f16(in, count, out); break;
    case TF_FORMAT_BF16: convert_bf16(in, count, out); break;
    default: memcpy(out, in, count * sizeof *out);
    }
}

/** The largest magnitude: infinity or NaN where one is. Bits of floats without sign have the order of the floats. */
TF_MULTIVERSION static float largest_of(const float *data, size_t count) {
    uint32_t most = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, data + i, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    return from_bits(most);
}

static tf_status fail_not_finite(const tensor *t, const float *data) {
    size_t i = 0;
    while (isfinite(data[i])) i++;
    return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\" holds %s at element %zu", t->shard->path, t->name,
                   isnan(data[i]) ? "NaN" : "infinity", i);
}

/* Makes t->data and t->largest. Called with the lock held. */
static tf_status load(tensor *t) {
    const char *in = t->shard->map + t->shard->start + t->begin;
    const float *data;
    float *owned = NULL;
    if (t->dtype->format == TF_FORMAT_F32 && (uintptr_t)in % _Alignof(float) == 0)
        data = (const float *)(const void *)in;
    else {
        if (!(owned = malloc(t->count * sizeof *owned)))
            return tf_fail(TF_NOMEM, "%s: no memory for tensor \"%.200s\"", t->shard->path, t->name);
        convert(owned, in, t->count, t->dtype->format);
        data = owned;
    }
    const float largest = largest_of(data, t->count);
    if (!isfinite(largest)) {
        tf_status status = fail_not_finite(t, data);
        free(owned);
        return status;
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
        return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\" has shape %s, not %s", t->shard->path, t->name,
                       tf_shape_text(actual, have), tf_shape_text(shape, want));
    }
    if (t->dtype->format == TF_FORMAT_OTHER)
        return tf_fail(TF_FORMAT, "%s: tensor \"%.200s\" has dtype %s, which is not one of F64, F32, F16 and BF16",
                       t->shard->path, t->name, t->dtype->name);
    pthread_mutex_lock(file->lock);
    tf_status status = t->data ? TF_OK : load(t);
    pthread_mutex_unlock(file->lock);
    TF_TRY(status);
    if (t->largest > limit) /* without the value itself: messages reach the other parties */
        return tf_fail(TF_RANGE, "%s: tensor \"%.200s\" holds a magnitude above %g, the fixed-point limit",
                       t->shard->path, t->name, limit);
    *data = t->data;
    return TF_OK;
}

tf_status tf_safetensors_source(const tf_safetensors *file, const char *name, tf_tensor_source *out) {
    tensor *t;
    TF_TRY(find(file, name, &t));
    *out = (tf_tensor_source){.name = t->name,
                              .dtype = t->dtype->name,
                              .stored = t->shard->map + t->shard->start + t->begin,
                              .bytes = t->end - t->begin};
    TF_TRY(tf_safetensors_shape(file, name, &out->shape));
    return tf_safetensors_floats(file, name, out->shape, INFINITY, &out->data);
}

static tf_status derive(const tf_safetensors *file, const char *name, size_t count, double limit, tf_derivation *make,
                        const void *context, const float **data) {
    for (derived *d = *file->derived; d; d = d->next)
        if (!strcmp(d->name, name)) return *data = d->data, TF_OK;
    derived *d = calloc(1, sizeof *d);
    if (d) *d = (derived){.next = *file->derived, .name = strdup(name), .data = malloc(count * sizeof *d->data)};
    bool made = d && d->name && d->data;
    if (made) make(context, d->data);
    if (made && largest_of(d->data, count) <= limit) return *file->derived = d, *data = d->data, TF_OK;
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
    uint8_t *each = malloc(32 * file->shards);
    bool made = each != NULL;
    for (size_t k = 0; k < file->shards && made; k++)
        made = EVP_Digest(file->shard[k].map, file->shard[k].size, each + 32 * k, NULL, EVP_sha256(), NULL) == 1;
    if (made && file->shards == 1)
        memcpy(digest, each, 32);
    else
        made = made && EVP_Digest(each, 32 * file->shards, digest, NULL, EVP_sha256(), NULL) == 1;
    free(each);
    return made ? TF_OK : tf_fail(TF_INTERNAL, "%s: SHA-256 failed", file->path);
}
