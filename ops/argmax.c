/** Where the largest element of a row stands. */
#include <math.h>
#include <stdlib.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
#include "runtime/program/program.h"

enum { MOST_ENTRIES = 1 << 24 }; /* that floats count exactly */

static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    if (shape[0].rank < 1) return tf_fail(TF_INVALID, "the input is a scalar");
    if (tf_shape_last(shape[0]) > MOST_ENTRIES)
        return tf_fail(TF_INVALID, "rows of %zu elements; at most %d are supported", tf_shape_last(shape[0]),
                       (int)MOST_ENTRIES);
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

/** a + bit (b - a), within `bound`: the difference of two values of that bound fits their ring. */
static tf_value choose(tf_program *p, tf_value bit, tf_value a, tf_value b, double bound) {
    tf_value difference = tf_assume(p, tf_add_within(p, b, tf_scale_int(p, a, -1), bound), bound);
    return tf_add_within(p, a, tf_select(p, 1, &(tf_term){bit, difference, false}), bound);
}

/*
 * A tournament of exact comparisons; each winner takes its position along, in a ring of its own that is just wide
 * enough. Of equal elements any may win.
 */
static tf_value lower(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    tf_value x = in[0];
    size_t n = tf_shape_last(tf_type_of(p, x)->shape), count = n;
    double bound = tf_type_of(p, x)->bound, *index = malloc(n * sizeof *index);
    if (!index) return tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for %zu positions", n));
    for (size_t i = 0; i < n; i++) index[i] = (double)i;
    int frac = tf_type_of(p, x)->frac;
    tf_value position = tf_scale_real(p, tf_scale_int(p, x, 0), ldexp(1, frac), 1); /* zeros, as integers */
    position = tf_add_public(p, position, tf_dims(n), index);
    free(index);
    for (; count > 1 && !p->status; count = (count + 1) / 2) {
        size_t half = (count + 1) / 2, from = count - half; /* for odd counts the middle meets itself */
        tf_value a = tf_slice(p, x, -1, 0, half), b = tf_slice(p, x, -1, from, half);
        tf_value less = tf_negative(p, tf_assume(p, tf_add_within(p, a, tf_scale_int(p, b, -1), bound), 2 * bound), 0);
        x = choose(p, less, a, b, bound);
        position =
            choose(p, less, tf_slice(p, position, -1, 0, half), tf_slice(p, position, -1, from, half), (double)n);
    }
    return tf_reshape(p, position, node->shape);
}

static const tf_example example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0}}};

const tf_op tf_argmax_ops[] = {
    {.kind = "argmax",
     .variant = "exact",
     .summary = "the position of the largest element of the last dimension; of equal ones any",
     .source = "a tournament that carries positions",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer,
     .plain = plain,
     .lower = lower,
     .low = -256,
     .high = 256,
     .private_error = 0.5}, /* of a whole number: none */
    {0, .example = &example},
};
