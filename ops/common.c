#include "ops/common.h"

tf_status tf_infer_same(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    *out = shape[0];
    return TF_OK;
}

tf_status tf_expect_rank(const char *what, tf_shape given, int rank) {
    char text[96];
    if (given.rank == rank) return TF_OK;
    return tf_fail(TF_INVALID, "%s has shape %s, which is not of rank %d", what, tf_shape_text(given, text), rank);
}

tf_status tf_expect_shape(const char *what, tf_shape given, tf_shape wanted) {
    char have[96], want[96];
    if (tf_shape_equal(given, wanted)) return TF_OK;
    return tf_fail(TF_INVALID, "%s has shape %s, not %s", what, tf_shape_text(given, have),
                   tf_shape_text(wanted, want));
}

tf_status tf_expect_broadcast(const char *what, tf_shape given, tf_shape to) {
    char have[96], want[96];
    tf_shape both;
    if (tf_shape_broadcast(given, to, &both) == TF_OK && tf_shape_equal(both, to)) return TF_OK;
    return tf_fail(TF_INVALID, "%s has shape %s, which cannot be broadcast to %s", what, tf_shape_text(given, have),
                   tf_shape_text(to, want));
}

tf_status tf_attr_size(const tf_node *node, const char *name, size_t *value) {
    double given = tf_attr_get(node, name, 0);
    if (!(given >= 1 && given <= 0x1p40) || given != (double)(size_t)given)
        return tf_fail(TF_INVALID, "attribute %s must be a whole number of at least 1", name);
    *value = (size_t)given;
    return TF_OK;
}

size_t tf_shape_rows(tf_shape shape) {
    return tf_shape_count(shape) / tf_shape_last(shape);
}

size_t tf_broadcast_row(tf_shape from, tf_shape to, size_t row) {
    size_t offset = 0, stride = tf_shape_last(from);
    for (int i = to.rank - 2, j = from.rank - 2; j >= 0; i--, j--) {
        if (from.dim[j] != 1) offset += row % to.dim[i] * stride;
        row /= to.dim[i];
        stride *= from.dim[j];
    }
    return offset;
}
