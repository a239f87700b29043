#include "models/tensors.h"

#include <stdio.h>
#include <string.h>

#include "models/family.h"

enum { NAME = 256 };

/* The same name as TensorFlow's checkpoints of 2018 have it, or false. */
static bool older_name(const char *name, char older[NAME]) {
    static const char *const pairs[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"},
                                           {"LayerNorm.bias", "LayerNorm.beta"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t length = strlen(name), end = strlen(pairs[i][0]);
        if (length < end || strcmp(name + length - end, pairs[i][0])) continue;
        snprintf(older, NAME, "%.*s%s", (int)(length - end), name, pairs[i][1]);
        return true;
    }
    return false;
}

static bool find_prefixed(const tf_safetensors *file, const char *const *prefix, const char *name, char found[NAME]) {
    snprintf(found, NAME, "%s", name);
    if (tf_safetensors_has(file, found)) return true;
    for (; *prefix; prefix++) {
        snprintf(found, NAME, "%s%s", *prefix, name);
        if (tf_safetensors_has(file, found)) return true;
    }
    return false;
}

/* The tensor's name in the file; where it has none, the name without prefix, which the error will tell. */
static void find_name(const tf_tensors *t, const tf_family *family, const char *name, char found[NAME]) {
    char older[NAME];
    if (find_prefixed(t->file, family->prefixes, name, found)) return;
    if (older_name(name, older) && find_prefixed(t->file, family->prefixes, older, found)) return;
    snprintf(found, NAME, "%s", name);
}

typedef struct part {
    const float *data;
    size_t first, rows, out, in;
} part;

static void transpose_part(const void *context, float *out) {
    const part *p = context;
    for (size_t i = 0; i < p->in; i++)
        for (size_t o = 0; o < p->out; o++) out[o * p->in + i] = p->data[i * p->rows + p->first + o];
}

tf_status tf_tensors_floats(const tf_tensors *t, const char *leaf, tf_shape shape, double limit, const float **data) {
    const tf_family *family = t->config->family;
    tf_tensor_place place = {.first = 0};
    snprintf(place.name, sizeof place.name, "%s", leaf);
    if (family->place) family->place(t->config, leaf, &place);
    char name[NAME], key[NAME];
    find_name(t, family, place.name, name);
    part p = {.first = place.first, .rows = place.rows ? place.rows : shape.dim[0], .out = shape.dim[0], .in = 1};
    if (p.out > p.rows || p.first > p.rows - p.out)
        return tf_fail(TF_INTERNAL, "%s: rows %zu to %zu of %zu", leaf, p.first, p.first + p.out, p.rows);
    tf_shape whole = shape;
    whole.dim[0] = p.rows;
    if (shape.rank == 2) p.in = shape.dim[1];
    bool transposed = place.transposed && shape.rank == 2;
    if (transposed) whole = tf_dims(p.in, p.rows);
    TF_TRY(tf_safetensors_floats(t->file, name, whole, limit, &p.data));
    if (!transposed) {
        *data = p.data + p.first * (tf_shape_count(whole) / p.rows);
        return TF_OK;
    }
    snprintf(key, sizeof key, "%s, transposed", leaf);
    return tf_safetensors_derive(t->file, key, p.out * p.in, limit, transpose_part, &p, data);
}
