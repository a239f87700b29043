/*
 * A row's sketch: its entries, each under a fixed public sign, added up in so many sums that a square of each costs
 * little. The squares add up to the row's squared norm, in the mean over the signs (Alon, Matias and Szegedy 1996;
 * Thorup and Zhang 2004). Local.
 */
#include <math.h>
#include <string.h>

#include "runtime/steps/local.h"

enum { COLUMNS = 2048 }; /* whose signs are made at a time */

typedef struct sketch_args {
    int64_t row, sums;
} sketch_args;

/** All ones where the column counts negatively: the top bit of a hash (splitmix64). */
static uint64_t negative(size_t column) {
    uint64_t z = ((uint64_t)column + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return 0 - (z >> 63);
}

/** sum[k] += the entries whose columns are k mod TF_SKETCH, under their signs. */
TF_MULTIVERSION static void add_row(const uint64_t *x, const uint64_t *sign, size_t count, uint64_t *sum) {
    size_t i = 0;
    for (; i + TF_SKETCH <= count; i += TF_SKETCH)
        for (size_t k = 0; k < TF_SKETCH; k++) sum[k] += (x[i + k] ^ sign[i + k]) - sign[i + k];
    for (size_t k = 0; i + k < count; k++) sum[k] += (x[i + k] ^ sign[i + k]) - sign[i + k];
}

static void sketch(tf_call *call, int j, tf_span span) {
    const sketch_args *args = tf_args(sketch_args, call->node);
    size_t row = (size_t)args->row, sums = (size_t)args->sums;
    uint64_t sign[COLUMNS];
    memset(call->out.c[j] + span.begin, 0, tf_span_count(span) * sizeof(uint64_t));
    for (size_t at = 0; at < row && span.begin < span.end; at += COLUMNS) {
        size_t count = row - at < COLUMNS ? row - at : COLUMNS;
        for (size_t i = 0; i < count; i++) sign[i] = negative(at + i);
        for (size_t r = span.begin / sums; r < span.end / sums; r++)
            add_row(call->in[0].c[j] + r * row + at, sign, count, call->out.c[j] + r * sums);
    }
}

static tf_status sketch_local(tf_call *call) {
    return tf_on_rows(call, (size_t)tf_args(sketch_args, call->node)->sums, sketch);
}

static const tf_step sketch_step = {
    .name = "sketch", .summary = "sums of rows under signs", .shares_work = true, .local = sketch_local};

tf_value tf_sketch(tf_program *p, tf_value a) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    size_t row = tf_shape_last(type.shape), sums = row < TF_SKETCH ? row : TF_SKETCH;
    type.shape = tf_dims(tf_shape_count(type.shape) / row, sums);
    type.bound = ldexp(1, (int)type.bits - 2 - type.frac);
    sketch_args args = {(int64_t)row, (int64_t)sums};
    return tf_append_args(p, &sketch_step, type, 1, &a, &args, sizeof args);
}

double tf_sketch_square(const float *row, size_t count) {
    double sum[TF_SKETCH] = {0}, square = 0;
    for (size_t i = 0; i < count; i++) sum[i % TF_SKETCH] += negative(i) ? -(double)row[i] : (double)row[i];
    for (size_t k = 0; k < TF_SKETCH; k++) square += sum[k] * sum[k];
    return square;
}
