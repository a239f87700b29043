#include "runtime/graph/shape.h"

#include <stdio.h>

size_t tf_shape_count(tf_shape shape) {
    size_t count = 1;
    for (int i = 0; i < shape.rank; i++) count *= shape.dim[i];
    return count;
}

tf_status tf_shape_check(tf_shape shape) {
    if (shape.rank < 0 || shape.rank > TF_MAX_RANK)
        return tf_fail(TF_INVALID, "a tensor has %d dimensions; at most %d are supported", shape.rank, TF_MAX_RANK);
    size_t count = 1;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dim[i] == 0) return tf_fail(TF_INVALID, "dimension %d of a tensor is zero", i);
        if (__builtin_mul_overflow(count, shape.dim[i], &count) || count > (size_t)1 << 40)
            return tf_fail(TF_INVALID, "a tensor has more than 2^40 elements");
    }
    return TF_OK;
}

bool tf_shape_equal(tf_shape a, tf_shape b) {
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dim[i] != b.dim[i]) return false;
    return true;
}

size_t tf_shape_last(tf_shape shape) {
    return shape.rank ? shape.dim[shape.rank - 1] : 1;
}

char *tf_shape_text(tf_shape shape, char *buffer) {
    int used = 0;
    if (shape.rank == 0) used = sprintf(buffer, "scalar");
    for (int i = 0; i < shape.rank && i < TF_MAX_RANK; i++)
        used += sprintf(buffer + used, i ? "x%zu" : "%zu", shape.dim[i]);
    return buffer;
}

tf_status tf_shape_broadcast(tf_shape a, tf_shape b, tf_shape *out) {
    int rank = a.rank > b.rank ? a.rank : b.rank;
    out->rank = rank;
    for (int i = 0; i < rank; i++) {
        int ia = i - (rank - a.rank), ib = i - (rank - b.rank);
        size_t da = ia < 0 ? 1 : a.dim[ia], db = ib < 0 ? 1 : b.dim[ib];
        if (da != db && da != 1 && db != 1) {
            char ta[96], tb[96];
            return tf_fail(TF_INVALID, "shapes %s and %s do not fit together", tf_shape_text(a, ta),
                           tf_shape_text(b, tb));
        }
        out->dim[i] = da > db ? da : db;
    }
    return TF_OK;
}
