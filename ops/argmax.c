/** Where the largest element of a row stands. */
#include <math.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
#include "runtime/lower/tournament.h"

enum { MOST_ENTRIES = 1 << 24 }; /* that floats count exactly */

static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    if (shape[0].rank < 1) return tf_fail(TF_INVALID, "the input is a scalar");
    if (tf_shape_last(shape[0]) > MOST_ENTRIES)
        return tf_fail(TF_INVALID, "rows of %zu elements; at most %d are supported", tf_shape_last(shape[0]),
                       (int)MOST_ENTRIES);
    double frac = tf_attr_get(node, "frac", 0);
    if (!(frac >= 0 && frac <= 24) || frac != floor(frac))
        return tf_fail(TF_INVALID, "attribute frac is %g, no number of fractional bits from 0 to 24", frac);
    *out = shape[0];
    out->rank--;
    return TF_OK;
}

static tf_status plain(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t rows = tf_shape_rows(in[0].shape), n = tf_shape_last(in[0].shape);
    for (size_t row = 0; row < rows; row++) {
        const float *x = in[0].data + row * n;
        size_t best = 0;
        for (size_t i = 1; i < n; i++)
            if (x[i] > x[best]) best = i;
        out->data[row] = (float)best;
    }
    return TF_OK;
}

static tf_value lower(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    tf_value x = in[0];
    int frac = (int)tf_attr_get(node, "frac", tf_type_of(p, x)->frac);
    if (frac < tf_type_of(p, x)->frac) x = tf_trunc(p, x, frac);
    return tf_reshape(p, tf_argmax_last(p, x), node->shape);
}

static const tf_example example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0}}};

const tf_op tf_argmax_ops[] = {
    {.kind = "argmax",
     .variant = "exact",
     .summary = "the position of the largest element of the last dimension, rounded to attribute frac fractional bits; "
                "of equal ones the first",
     .source = "a tournament of groups in which all pairs meet at once",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer,
     .plain = plain,
     .lower = lower,
     .low = -256,
     .high = 256,
     .private_error = 0.5, /* of a whole number: none */
     .example = &example},
    {0},
};
