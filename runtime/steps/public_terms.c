/* Sums and products with public numbers, which are local: constants of the program, or a leaf that all parties hand in
 * at each run; products with a public matrix, of an open model; and sums under public signs. */
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
                                    .widen = tf_widen_inputs,
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

/* Products with a public matrix ------------------------------------------------------------------------------------ */

/** Sizes, and fractional bits of the weight. Data: the bias; leaf: the weight. */
typedef struct public_linear_args {
    int64_t rows, in, out, frac;
} public_linear_args;

static tf_status public_linear_whole(tf_call *call, int phase) {
    const tf_step_node *node = call->node;
    const tf_kernels *kernels = call->party->kernels;
    const public_linear_args *args = tf_args(public_linear_args, node);
    size_t rows = (size_t)args->rows, in = (size_t)args->in, out = (size_t)args->out;
    const float *data = tf_call_leaf(call)->data;
    if (!data)
        return tf_fail(TF_INVALID, "party %d does not hold the public weight %s", call->party->id, node->leaf->name);
    uint64_t *weight = malloc(in * out * sizeof *weight);
    tf_packed *packed = NULL;
    if (weight) {
        for (size_t i = 0; i < in * out; i++) weight[i] = (uint64_t)llrint(ldexp(data[i], (int)args->frac));
        packed = kernels->pack(weight, NULL, in, out, 1, in, node->type.bits);
    }
    if (packed) {
        for (int j = 0; j < 2; j++) {
            uint64_t *c = call->out.c[j];
            memset(c, 0, rows * out * sizeof *c);
            kernels->matmul(rows, call->in[0].c[j], NULL, in, packed, c, out, call->scratch);
            if (node->data && tf_component_of(call->party->id, j) == 0)
                for (size_t i = 0; i < rows * out; i++) c[i] += (uint64_t)node->data[i % out];
        }
    }
    tf_status status = packed ? TF_OK : tf_fail(TF_NOMEM, "no memory for the weight %s", node->leaf->name);
    tf_packed_free(packed);
    free(weight);
    return status;
}

static const tf_step public_linear_step = {
    .name = "public_linear", .summary = "product with a public matrix", .whole = public_linear_whole};

int tf_factor_frac(const tf_program *p, tf_value x) {
    int more = tf_type_of(p, x)->frac - p->frac;
    return abs(more) < p->frac / 2 ? p->frac - more : p->frac;
}

tf_value tf_public_linear(tf_program *p, tf_value x, const tf_node *weight, const tf_node *bias, tf_result result) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, x);
    size_t in = weight->shape.dim[1], out = weight->shape.dim[0], rows = tf_shape_count(type.shape) / in;
    int weight_frac = tf_factor_frac(p, x), frac = type.frac + weight_frac;
    double bound = result.bound > 0 ? result.bound : tf_default_bound(p);
    x = tf_lift(p, x, tf_width(frac, bound));
    type = *tf_type_of(p, x);
    type.frac = frac;
    type.bound = bound;
    type.zero = -1;
    type.shape.dim[type.shape.rank - 1] = out;
    public_linear_args args = {.rows = (int64_t)rows, .in = (int64_t)in, .out = (int64_t)out, .frac = weight_frac};
    tf_value v = tf_append_args(p, &public_linear_step, type, 1, &x, &args, sizeof args);
    if (v < 0) return -1;
    p->node[v].leaf = weight;
    if (bias && bias->data) {
        int64_t *data = tf_append_data(p, v, out);
        if (!data) return -1;
        for (size_t i = 0; i < out; i++) data[i] = llrint(ldexp(bias->data[i], frac));
    }
    return tf_trunc(p, v, result.frac);
}

/* Sketches --------------------------------------------------------------------------------------------------------- */

/*
 * A row's sketch: its entries, each under a fixed public sign, added up in so many sums that a square of each costs
 * little. The squares add up to the row's squared norm, in the mean over the signs (Alon, Matias and Szegedy 1996;
 * Thorup and Zhang 2004). Local.
 */

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
