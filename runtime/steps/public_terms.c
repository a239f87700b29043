/* Sums and products with public numbers: constants of the program, or a leaf that all parties hand in at each run. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/graph/graph.h"
#include "runtime/steps/local.h"

/**
 * out = in + data or in * data, data broadcast by strides, with `frac` fractional bits. A public leaf brings the data
 * to each run: they are multiplied with affine[0] first, and affine[1] is added, two doubles kept bit by bit.
 */
typedef struct public_args {
    int64_t stride[TF_MAX_RANK], product, frac, affine[2];
} public_args;

TF_MULTIVERSION static void apply_public(tf_call *call, int j, tf_span span) {
    if (span.begin == span.end) return;
    const tf_step_node *node = call->node;
    const uint64_t *in = call->in[0].c[j];
    uint64_t *out = call->out.c[j];
    tf_odometer o = tf_odometer_at(node->type.shape, tf_args(public_args, node)->stride, span.begin);
    bool product = tf_args(public_args, node)->product, constant = tf_takes_constant(call, j);
    for (size_t i = span.begin; i < span.end; i++, tf_odometer_step(&o)) {
        uint64_t c = (uint64_t)node->data[o.position];
        out[i] = product ? in[i] * c : in[i] + (constant ? c : 0);
    }
}

/** The same with what a public leaf brings to this run. */
static void apply_leaf(tf_call *call, int j, tf_span span) {
    if (span.begin == span.end) return;
    const tf_step_node *node = call->node;
    const public_args *args = tf_args(public_args, node);
    const uint64_t *in = call->in[0].c[j];
    const float *data = tf_call_leaf(call)->data;
    uint64_t *out = call->out.c[j];
    tf_odometer o = tf_odometer_at(node->type.shape, args->stride, span.begin);
    bool product = args->product, constant = tf_takes_constant(call, j);
    double affine[2], scale = ldexp(1, (int)args->frac);
    memcpy(affine, args->affine, sizeof affine);
    for (size_t i = span.begin; i < span.end; i++, tf_odometer_step(&o)) {
        uint64_t c = (uint64_t)llrint((affine[0] * (double)data[o.position] + affine[1]) * scale);
        out[i] = product ? in[i] * c : in[i] + (constant ? c : 0);
    }
}

static tf_status public_local(tf_call *call) {
    if (call->node->leaf && !tf_call_leaf(call)->data)
        return tf_fail(TF_INVALID, "party %d was given no data for %s", call->party->id, call->node->leaf->name);
    return tf_on_rows(call, 1, call->node->leaf ? apply_leaf : apply_public);
}

static const tf_step public_step = {.name = "public",
                                    .summary = "sum or product with a public tensor",
                                    .elementwise = true,
                                    .shares_work = true,
                                    .local = public_local};

/** The type and operand of a sum or product with public numbers up to `largest`, and its step, without the numbers.
 *  `within`: what the caller knows of the result; 0 if nothing. */
static tf_value public_node(tf_program *p, tf_value a, tf_shape shape, double largest, int frac, bool product,
                            double within, const double affine[2]) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    if (product)
        type.bound *= fmax(largest, 1), type.frac += frac;
    else
        type.bound = within > 0 ? within : tf_summed_bound(p, type.bound + largest, type.bound, largest);
    type.zero = -1;
    unsigned need = tf_width(type.frac, type.bound);
    if (type.bits < need) type.bits = tf_type_of(p, a = tf_lift(p, a, need))->bits;
    public_args args = {.product = product, .frac = product ? frac : type.frac};
    if (affine) memcpy(args.affine, affine, sizeof args.affine);
    if (!tf_broadcast_strides(shape, type.shape, args.stride))
        return tf_program_fail(p, tf_fail(TF_INVALID, "a public tensor does not broadcast to its operand"));
    return tf_append_args(p, &public_step, type, 1, &a, &args, sizeof args);
}

static tf_value with_public(tf_program *p, tf_value a, tf_shape shape, const double *c, int frac, bool product,
                            double within) {
    size_t n = tf_shape_count(shape);
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(c[i]));
    tf_value v = public_node(p, a, shape, largest, frac, product, within, NULL);
    int64_t *data = tf_append_data(p, v, n);
    if (!data) return -1;
    for (size_t i = 0; i < n; i++) data[i] = llrint(ldexp(c[i], (int)tf_args(public_args, &p->node[v])->frac));
    return v;
}

tf_value tf_add_public(tf_program *p, tf_value a, tf_shape shape, const double *c) {
    return with_public(p, a, shape, c, 0, false, 0);
}

tf_value tf_add_public_within(tf_program *p, tf_value a, tf_shape shape, const double *c, double bound) {
    return with_public(p, a, shape, c, 0, false, bound);
}

tf_value tf_mul_public(tf_program *p, tf_value a, tf_shape shape, const double *c, int frac) {
    return with_public(p, a, shape, c, frac, true, 0);
}

/** With affine[0] times the leaf's numbers plus affine[1]. */
static tf_value with_leaf(tf_program *p, tf_value a, tf_value leaf, tf_shape shape, const double affine[2], int frac,
                          bool product, double within) {
    if (p->status) return -1;
    const tf_node *node = tf_leaf_of(p, leaf);
    size_t n = tf_shape_count(shape);
    bool later = node && node->leaf == TF_LEAF_PUBLIC;
    if (!node || (!node->data && !later) || node->leaf == TF_LEAF_WEIGHT || tf_shape_count(node->shape) != n)
        return tf_program_fail(p, tf_fail(TF_INVALID, "a public constant is expected where %s stands",
                                          node ? node->name : "an activation"));
    if (later) {
        double largest = fabs(affine[0]) * node->range + fabs(affine[1]);
        tf_value v = public_node(p, a, shape, largest, frac, product, within, affine);
        if (v >= 0) p->node[v].leaf = node;
        return v;
    }
    double *c = malloc(n * sizeof *c);
    if (!c) return tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for %zu constants", n));
    for (size_t i = 0; i < n; i++) c[i] = affine[0] * (double)node->data[i] + affine[1];
    tf_value v = with_public(p, a, shape, c, frac, product, within);
    free(c);
    return v;
}

static const double as_it_is[2] = {1, 0};

tf_value tf_add_leaf(tf_program *p, tf_value a, tf_value leaf, tf_shape shape) {
    return with_leaf(p, a, leaf, shape, as_it_is, 0, false, 0);
}

tf_value tf_add_leaf_within(tf_program *p, tf_value a, tf_value leaf, tf_shape shape, double factor, double offset,
                            double bound) {
    return with_leaf(p, a, leaf, shape, (double[]){factor, offset}, 0, false, bound);
}

tf_value tf_mul_leaf(tf_program *p, tf_value a, tf_value leaf, tf_shape shape, int frac) {
    return with_leaf(p, a, leaf, shape, as_it_is, frac, true, 0);
}
