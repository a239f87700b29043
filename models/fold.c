#include "models/fold.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/kernels/multiversion.h"

typedef struct parts {
    const tf_fold *fold;
    const float *weight, *bias, *gamma, *beta; /* bias, gamma and beta may be NULL: 0, 1 and 0 */
} parts;

enum { COLUMNS = 64 }; /* at a time, so that rows are read in whole cache lines */

/** out = (in - mean) gamma of some columns of a row. */
TF_MULTIVERSION static void fold_columns(const float *in, const double *mean, const float *gamma, size_t columns,
                                         float *out) {
    for (size_t i = 0; i < columns; i++) out[i] = (float)((in[i] - mean[i]) * gamma[i]);
}

TF_MULTIVERSION static void add_columns(const float *in, size_t columns, double *sum) {
    for (size_t i = 0; i < columns; i++) sum[i] += in[i];
}

static void make_weight(const void *context, float *out) {
    const parts *p = context;
    float one[COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++) one[i] = 1;
    size_t in = p->fold->in, rows = p->fold->out;
    for (size_t from = 0; from < in; from += COLUMNS) {
        size_t columns = in - from < COLUMNS ? in - from : COLUMNS;
        double mean[COLUMNS] = {0};
        for (size_t o = 0; o < rows && p->fold->centred; o++) add_columns(p->weight + o * in + from, columns, mean);
        for (size_t i = 0; i < columns; i++) mean[i] /= (double)rows;
        for (size_t o = 0; o < rows; o++)
            fold_columns(p->weight + o * in + from, mean, p->gamma ? p->gamma + from : one, columns,
                         out + o * in + from);
    }
}

/** The inner product of two rows, in eight sums, whatever the processor's vectors. */
TF_MULTIVERSION static double dot(const float *x, const float *y, size_t count) {
    enum { SUMS = 8 };
    double sum[SUMS] = {0}, all = 0;
    const size_t whole = count / SUMS * SUMS;
    for (size_t i = 0; i < whole; i += SUMS)
        for (size_t k = 0; k < SUMS; k++) sum[k] += (double)x[i + k] * y[i + k];
    for (size_t i = whole; i < count; i++) all += (double)x[i] * y[i];
    for (size_t k = 0; k < SUMS; k++) all += sum[k];
    return all;
}

static double shifted(const parts *p, size_t o) {
    const double bias = p->bias ? p->bias[o] : 0;
    return p->beta ? bias + dot(p->weight + o * p->fold->in, p->beta, p->fold->in) : bias;
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

/** out = in - shift; the sum of it. In eight sums, whatever the processor's vectors. */
TF_MULTIVERSION static double shift_row(const float *in, double shift, size_t width, float *out) {
    enum { SUMS = 8 };
    double sum[SUMS] = {0}, all = 0;
    const size_t whole = width / SUMS * SUMS;
    for (size_t i = 0; i < whole; i += SUMS)
        for (size_t k = 0; k < SUMS; k++) sum[k] += out[i + k] = (float)(in[i + k] - shift);
    for (size_t i = whole; i < width; i++) all += out[i] = (float)(in[i] - shift);
    for (size_t k = 0; k < SUMS; k++) all += sum[k];
    return all;
}

static void make_rows(const void *context, float *out) {
    const table *t = context;
    for (size_t row = 0; row < t->rows; row++, out += t->width) {
        const float *in = t->data + row * t->width;
        const double mean = shift_row(in, 0, t->width, out) / (double)t->width;
        out[0] -= (float)shift_row(in, mean, t->width, out); /* what rounding has left of the mean */
    }
}

tf_status tf_fold_rows(const tf_tensors *tensors, const char *name, tf_shape shape, double limit, const float **data) {
    table t = {.rows = shape.dim[0], .width = shape.dim[1]};
    TF_TRY(tf_tensors_floats(tensors, name, shape, limit, &t.data));
    char key[224];
    snprintf(key, sizeof key, "%s, centred", name);
    return tf_safetensors_derive(tensors->file, key, t.rows * t.width, limit, make_rows, &t, data);
}
