/* Rows of a small table by the distance of two places, as biases of attention want them. Nothing is sent. */

#include "runtime/steps/local.h"

/** The table is rows x heads, the result length x heads x length. */
typedef struct relative_args {
    int64_t length, heads;
} relative_args;

static void relative(tf_call *call, int j, tf_span span) {
    const relative_args *args = tf_args(relative_args, call->node);
    const int64_t *row = call->node->data;
    size_t length = (size_t)args->length, heads = (size_t)args->heads;
    const uint64_t *table = call->in[0].c[j];
    uint64_t *out = call->out.c[j];
    for (size_t i = span.begin; i < span.end; i += length) { /* keys of one query and head */
        size_t query = i / length / heads, head = i / length % heads;
        for (size_t key = 0; key < length; key++)
            out[i + key] = table[(size_t)row[key + length - 1 - query] * heads + head];
    }
}

static tf_status relative_local(tf_call *call) {
    return tf_on_rows(call, (size_t)tf_args(relative_args, call->node)->length, relative);
}

static const tf_step relative_step = {
    .name = "relative", .summary = "rows by public distances", .shares_work = true, .local = relative_local};

tf_value tf_relative(tf_program *p, tf_value table, size_t length, const size_t *row) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, table);
    size_t count;
    if (type.shape.rank != 2 || !length || __builtin_mul_overflow(length, length, &count) ||
        __builtin_mul_overflow(count, type.shape.dim[1], &count) || count > SIZE_MAX / 64)
        return tf_program_fail(p, tf_fail(TF_INVALID, "a table of rank %d cannot be read by distances within %zu",
                                          type.shape.rank, length));
    for (size_t i = 0; i < 2 * length - 1; i++)
        if (row[i] >= type.shape.dim[0])
            return tf_program_fail(p, tf_fail(TF_INVALID, "row %zu of a table of %zu", row[i], type.shape.dim[0]));
    relative_args args = {.length = (int64_t)length, .heads = (int64_t)type.shape.dim[1]};
    type.shape = tf_dims(length, type.shape.dim[1], length);
    type.zero = -1;
    tf_value out = tf_append_args(p, &relative_step, type, 1, &table, &args, sizeof args);
    int64_t *data = tf_append_data(p, out, 2 * length - 1);
    for (size_t i = 0; data && i < 2 * length - 1; i++) data[i] = (int64_t)row[i];
    return out;
}
