#include "models/fold.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct parts {
    const tf_fold *fold;
    const float *weight, *bias, *gamma, *beta; /* bias, gamma and beta may be NULL: 0, 1 and 0 */
} parts;

static void make_weight(const void *context, float *out) {
    enum { COLUMNS = 64 }; /* at a time, so that rows are read in whole cache lines */
    const parts *p = context;
    size_t in = p->fold->in, rows = p->fold->out;
    for (size_t from = 0; from < in; from += COLUMNS) {
        size_t columns = in - from < COLUMNS ? in - from : COLUMNS;
        double mean[COLUMNS] = {0};
        for (size_t o = 0; o < rows && p->fold->centred; o++)
            for (size_t i = 0; i < columns; i++) mean[i] += p->weight[o * in + from + i] / (double)rows;
        for (size_t o = 0; o < rows; o++)
            for (size_t i = 0; i < columns; i++)
                out[o * in + from + i] =
                    (float)((p->weight[o * in + from + i] - mean[i]) * (p->gamma ? p->gamma[from + i] : 1));
    }
}

static double shifted(const parts *p, size_t o) {
    double sum = p->bias ? p->bias[o] : 0;
    for (size_t i = 0; i < p->fold->in && p->beta; i++) sum += (double)p->weight[o * p->fold->in + i] * p->beta[i];
    return sum;
}

static void make_bias(const void *context, float *out) {
    const parts *p = context;
    double mean = 0;
    for (size_t o = 0; o < p->fold->out; o++) out[o] = (float)shifted(p, o);
    for (size_t o = 0; o < p->fold->out && p->fold->centred; o++) mean += out[o] / (double)p->fold->out;
    for (size_t o = 0; o < p->fold->out; o++) out[o] = (float)(out[o] - mean);
}

static tf_status read_part(const tf_tensors *tensors, const char *name, const char *part, tf_shape shape, double limit,
                           const float **data) {
    char full[192];
    snprintf(full, sizeof full, "%s.%s", name, part);
    return tf_tensors_floats(tensors, full, shape, limit, data);
}

tf_status tf_fold_linear(const tf_tensors *tensors, double limit, tf_fold *fold) {
    parts p = {.fold = fold};
    TF_TRY(read_part(tensors, fold->name, "weight", tf_dims(fold->out, fold->in), limit, &p.weight));
    if (fold->biased) TF_TRY(read_part(tensors, fold->name, "bias", tf_dims(fold->out), limit, &p.bias));
    if (*fold->norm) {
        TF_TRY(read_part(tensors, fold->norm, "weight", tf_dims(fold->in), limit, &p.gamma));
        if (fold->shifted) TF_TRY(read_part(tensors, fold->norm, "bias", tf_dims(fold->in), limit, &p.beta));
    }
    char key[320]; /* with the norm: shared weights may follow several */
    snprintf(key, sizeof key, "%s.weight, folded with %s", fold->name, fold->norm);
    TF_TRY(tf_safetensors_derive(tensors->file, key, fold->out * fold->in, limit, make_weight, &p, &fold->weight));
    if (!p.bias && !p.beta) return TF_OK;
    snprintf(key, sizeof key, "%s.bias, folded with %s", fold->name, fold->norm);
    return tf_safetensors_derive(tensors->file, key, fold->out, limit, make_bias, &p, &fold->bias);
}

static void make_shift(const void *context, float *out) {
    const parts *p = context;
    double mean = 0;
    for (size_t i = 0; i < p->fold->in; i++) mean += p->beta[i] / (double)p->fold->in;
    for (size_t i = 0; i < p->fold->in; i++) out[i] = (float)(p->beta[i] - mean);
}

tf_status tf_fold_shift(const tf_tensors *tensors, const char *norm, size_t width, double limit, const float **beta) {
    tf_fold fold = {.in = width};
    parts p = {.fold = &fold};
    TF_TRY(read_part(tensors, norm, "bias", tf_dims(width), limit, &p.beta));
    char key[192];
    snprintf(key, sizeof key, "%s.bias, folded", norm);
    return tf_safetensors_derive(tensors->file, key, width, limit, make_shift, &p, beta);
}

/* Rows of a table, each to become one less its mean. */
typedef struct table {
    const float *data;
    size_t rows, width;
} table;

static void make_rows(const void *context, float *out) {
    const table *t = context;
    for (size_t row = 0; row < t->rows; row++) {
        const float *in = t->data + row * t->width;
        double mean = 0;
        for (size_t i = 0; i < t->width; i++) mean += in[i] / (double)t->width;
        double rest = 0; /* what rounding has left of the mean */
        for (size_t i = 0; i < t->width; i++) rest += out[row * t->width + i] = (float)(in[i] - mean);
        out[row * t->width] -= (float)rest;
    }
}

tf_status tf_fold_rows(const tf_tensors *tensors, const char *name, tf_shape shape, double limit, const float **data) {
    table t = {.rows = shape.dim[0], .width = shape.dim[1]};
    TF_TRY(tf_tensors_floats(tensors, name, shape, limit, &t.data));
    char key[224];
    snprintf(key, sizeof key, "%s, centred", name);
    return tf_safetensors_derive(tensors->file, key, t.rows * t.width, limit, make_rows, &t, data);
}
