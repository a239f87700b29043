/* Steps without communication: every party works on the components it holds. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/graph/graph.h"
#include "runtime/steps/steps.h"

/** Calls `work` with this worker's slice of the call's rows, of so many elements, for both components. */
static tf_status on_rows(tf_call *call, size_t row, void (*work)(tf_call *, int component, tf_span)) {
    size_t begin = call->part.span.begin;
    tf_span rows = tf_worker_items(call, tf_span_count(call->part.span) / row);
    for (int j = 0; j < 2; j++) work(call, j, (tf_span){begin + rows.begin * row, begin + rows.end * row});
    return TF_OK;
}

/** Public constants are added to component 0 alone: whether c[j] of this party is that component. */
static bool takes_constant(const tf_call *call, int j) {
    return tf_component_of(call->party->id, j) == 0;
}

/* out = sum of arg[k] * in[k] + arg[6] */

TF_MULTIVERSION static void combine(tf_call *call, int j, tf_span span) {
    const int64_t *arg = call->node->arg;
    uint64_t *out = call->out.c[j];
    uint64_t constant = takes_constant(call, j) ? (uint64_t)arg[TF_STEP_INPUTS] : 0;
    const uint64_t *a = call->in[0].c[j];
    uint64_t ka = (uint64_t)arg[0];
    if (call->node->inputs == 2) {
        const uint64_t *b = call->in[1].c[j];
        uint64_t kb = (uint64_t)arg[1];
        if (ka == 1 && kb == 1)
            for (size_t i = span.begin; i < span.end; i++) out[i] = a[i] + b[i] + constant;
        else if (ka == 1 && kb == ~UINT64_C(0))
            for (size_t i = span.begin; i < span.end; i++) out[i] = a[i] - b[i] + constant;
        else
            for (size_t i = span.begin; i < span.end; i++) out[i] = ka * a[i] + kb * b[i] + constant;
    } else {
        for (size_t i = span.begin; i < span.end; i++) out[i] = ka * a[i] + constant;
    }
}

static tf_status combine_local(tf_call *call) {
    return on_rows(call, 1, combine);
}

static const tf_step combine_step = {.name = "combine",
                                     .summary = "linear combination with public integers",
                                     .elementwise = true,
                                     .shares_work = true,
                                     .local = combine_local};

/* Walks the elements of a shape in order, tracking a position in another tensor by strides (0 repeats). */

typedef struct odometer {
    int rank;
    size_t dim[TF_MAX_RANK], stride[TF_MAX_RANK], at[TF_MAX_RANK], position;
} odometer;

static odometer odometer_at(tf_shape shape, const int64_t *stride, size_t index) {
    odometer o = {.rank = shape.rank};
    for (int i = shape.rank; i-- > 0;) {
        o.dim[i] = shape.dim[i];
        o.stride[i] = (size_t)stride[i];
        o.at[i] = index % shape.dim[i];
        index /= shape.dim[i];
        o.position += o.at[i] * o.stride[i];
    }
    return o;
}

static void odometer_step(odometer *o) {
    for (int i = o->rank; i-- > 0;) {
        o->position += o->stride[i];
        if (++o->at[i] < o->dim[i]) return;
        o->position -= o->dim[i] * o->stride[i];
        o->at[i] = 0;
    }
}

/* out = in + data or in * data, data broadcast by the strides in arg[0..3]; arg[4] says which, arg[5] is the data's
 * scale */

TF_MULTIVERSION static void apply_public(tf_call *call, int j, tf_span span) {
    if (span.begin == span.end) return;
    const tf_step_node *node = call->node;
    const uint64_t *in = call->in[0].c[j];
    uint64_t *out = call->out.c[j];
    odometer o = odometer_at(node->type.shape, node->arg, span.begin);
    bool product = node->arg[4], constant = takes_constant(call, j);
    for (size_t i = span.begin; i < span.end; i++, odometer_step(&o)) {
        uint64_t c = (uint64_t)node->data[o.position];
        out[i] = product ? in[i] * c : in[i] + (constant ? c : 0);
    }
}

/* The same with what a public leaf brings to this run: arg[5] its fractional bits; arg[6] and arg[7], as doubles, what
 * it is multiplied with and what is added to it first. */

static void apply_leaf(tf_call *call, int j, tf_span range) {
    if (range.begin == range.end) return;
    const tf_step_node *node = call->node;
    const uint64_t *in = call->in[0].c[j];
    const float *data = tf_call_leaf(call)->data;
    uint64_t *out = call->out.c[j];
    odometer o = odometer_at(node->type.shape, node->arg, range.begin);
    bool product = node->arg[4], constant = takes_constant(call, j);
    double affine[2], scale = ldexp(1, (int)node->arg[5]);
    memcpy(affine, &node->arg[6], sizeof affine);
    for (size_t i = range.begin; i < range.end; i++, odometer_step(&o)) {
        uint64_t c = (uint64_t)llrint((affine[0] * (double)data[o.position] + affine[1]) * scale);
        out[i] = product ? in[i] * c : in[i] + (constant ? c : 0);
    }
}

static tf_status public_local(tf_call *call) {
    if (call->node->leaf && !tf_call_leaf(call)->data)
        return tf_fail(TF_INVALID, "party %d was given no data for %s", call->party->id, call->node->leaf->name);
    return on_rows(call, 1, call->node->leaf ? apply_leaf : apply_public);
}

static const tf_step public_step = {.name = "public",
                                    .summary = "sum or product with a public tensor",
                                    .elementwise = true,
                                    .shares_work = true,
                                    .local = public_local};

/* Steps that turn each of `rows` rows of `in` elements into one of `out` elements keep the thirds if those end between
 * the same rows before and after. */

static bool keeps_thirds(size_t rows, size_t in, size_t out) {
    for (int s = 1; s < TF_PARTIES; s++) {
        size_t begin = tf_third(rows * out, s).begin;
        if (begin % out || begin / out * in != tf_third(rows * in, s).begin) return false;
    }
    return true;
}

/* out[i] = in[arg[4] + strides arg[0..3] . i]: expansion and slices */

static bool gather_keeps(const tf_program *program, const tf_step_node *node) {
    tf_shape shape = node->type.shape;
    size_t out = tf_shape_last(shape), rows = tf_shape_count(shape) / out,
           in_count = tf_shape_count(tf_type_of(program, node->input[0])->shape), in = in_count / rows, step = in;
    if (!shape.rank || in_count % rows) return false;
    for (int i = shape.rank - 1; i-- > 0; step *= shape.dim[i]) /* row r is made of row r */
        if (shape.dim[i] > 1 && (size_t)node->arg[i] != step) return false;
    return (size_t)node->arg[4] + (out - 1) * (size_t)node->arg[shape.rank - 1] < in && keeps_thirds(rows, in, out);
}

TF_MULTIVERSION static void gather(tf_call *call, int j, tf_span span) {
    tf_shape shape = call->node->type.shape, outer = shape;
    size_t run = tf_shape_last(shape), offset = (size_t)call->node->arg[4];
    size_t stride = shape.rank ? (size_t)call->node->arg[shape.rank - 1] : 1;
    if (outer.rank) outer.rank--;
    if (span.begin == span.end) return;
    odometer o = odometer_at(outer, call->node->arg, span.begin / run);
    uint64_t *out = call->out.c[j];
    for (size_t i = span.begin; i < span.end; i += run, odometer_step(&o)) {
        const uint64_t *in = call->in[0].c[j] + offset + o.position;
        if (stride == 1)
            memcpy(out + i, in, run * sizeof *out);
        else
            for (size_t k = 0; k < run; k++) out[i + k] = in[k * stride];
    }
}

static tf_status gather_local(tf_call *call) {
    return on_rows(call, tf_shape_last(call->node->type.shape), gather);
}

static const tf_step gather_step = {.name = "gather",
                                    .summary = "broadcast or slice",
                                    .keeps_thirds = gather_keeps,
                                    .shares_work = true,
                                    .local = gather_local};

/* out[o][i] = sum over a of in[o][a][i]; arg = outer, axis, inner */

static bool sum_keeps(const tf_program *program, const tf_step_node *node) {
    return node->arg[2] == 1 && keeps_thirds((size_t)node->arg[0], (size_t)node->arg[1], 1);
}

TF_MULTIVERSION static void sum(tf_call *call, int j, tf_span span) {
    size_t axis = (size_t)call->node->arg[1], inner = (size_t)call->node->arg[2];
    if (inner == 1) {
        for (size_t o = span.begin; o < span.end; o++) {
            const uint64_t *in = call->in[0].c[j] + o * axis;
            uint64_t total = 0;
            for (size_t a = 0; a < axis; a++) total += in[a];
            call->out.c[j][o] = total;
        }
        return;
    }
    for (size_t o = span.begin / inner; o < span.end / inner; o++) {
        const uint64_t *in = call->in[0].c[j] + o * axis * inner;
        uint64_t *out = call->out.c[j] + o * inner;
        memset(out, 0, inner * sizeof *out);
        for (size_t a = 0; a < axis; a++)
            for (size_t i = 0; i < inner; i++) out[i] += in[a * inner + i];
    }
}

static tf_status sum_local(tf_call *call) {
    return on_rows(call, (size_t)call->node->arg[2], sum);
}

static const tf_step sum_step = {
    .name = "sum", .summary = "sum over an axis", .keeps_thirds = sum_keeps, .shares_work = true, .local = sum_local};

static const tf_step rename_step = {
    .name = "rename", .summary = "the same elements under another shape or range", .alias = true, .elementwise = true};

tf_value tf_rename(tf_program *p, tf_value a, tf_type type) {
    return tf_append(p, &rename_step, type, 1, &a);
}

/* Builders ------------------------------------------------------------------------------------------------------- */

/** A sum of activations is an activation: it keeps the default range unless it is known to be smaller. */
static double summed_bound(const tf_program *program, double bound, double a, double b) {
    double limit = tf_default_bound(program);
    if (a > limit || b > limit) return bound;
    return bound < limit ? bound : limit;
}

static tf_value affine(tf_program *p, tf_value a, int64_t ka, tf_value b, int64_t kb, tf_type type, int64_t constant) {
    tf_value v = b >= 0 ? tf_append(p, &combine_step, type, 2, (tf_value[]){a, b})
                        : tf_append(p, &combine_step, type, 1, (tf_value[]){a});
    if (v < 0) return -1;
    p->node[v].arg[0] = ka;
    p->node[v].arg[1] = kb;
    p->node[v].arg[TF_STEP_INPUTS] = constant;
    return v;
}

/** `within`: what the caller knows of the result; 0 if nothing. */
static tf_value sum_of(tf_program *p, tf_value a, tf_value b, int64_t sign, double within) {
    tf_shape shape;
    if (p->status) return -1;
    tf_status status = tf_shape_broadcast(tf_type_of(p, a)->shape, tf_type_of(p, b)->shape, &shape);
    if (status) return tf_program_fail(p, status);
    /* what is broadcast is lifted before, where it is small, to keep the ring of the other */
    size_t na = tf_shape_count(tf_type_of(p, a)->shape), nb = tf_shape_count(tf_type_of(p, b)->shape);
    tf_type ta = *tf_type_of(p, a), tb = *tf_type_of(p, b), type = {.shape = shape, .class = TF_SHARE, .zero = -1};
    type.frac = ta.frac > tb.frac ? ta.frac : tb.frac;
    unsigned up_a = (unsigned)(type.frac - ta.frac), up_b = (unsigned)(type.frac - tb.frac);
    if (nb < na && tb.bits + up_b < ta.bits + up_a) b = tf_lift(p, b, ta.bits + up_a - up_b);
    if (na < nb && ta.bits + up_a < tb.bits + up_b) a = tf_lift(p, a, tb.bits + up_b - up_a);
    ta = *tf_type_of(p, a = tf_expand(p, a, shape));
    tb = *tf_type_of(p, b = tf_expand(p, b, shape));
    type.bound = within > 0 ? within : summed_bound(p, ta.bound + tb.bound, ta.bound, tb.bound);
    unsigned need = tf_width(type.frac, type.bound);
    if (ta.bits + up_a < need) ta = *tf_type_of(p, a = tf_lift(p, a, need - up_a));
    if (tb.bits + up_b < need) tb = *tf_type_of(p, b = tf_lift(p, b, need - up_b));
    type.bits = ta.bits + up_a < tb.bits + up_b ? ta.bits + up_a : tb.bits + up_b;
    if (type.bits > 64) type.bits = 64;
    return affine(p, a, INT64_C(1) << up_a, b, sign * (INT64_C(1) << up_b), type, 0);
}

tf_value tf_add(tf_program *p, tf_value a, tf_value b) {
    return sum_of(p, a, b, 1, 0);
}
tf_value tf_sub(tf_program *p, tf_value a, tf_value b) {
    return sum_of(p, a, b, -1, 0);
}
tf_value tf_add_within(tf_program *p, tf_value a, tf_value b, double bound) {
    return sum_of(p, a, b, 1, bound);
}
tf_value tf_add_const(tf_program *p, tf_value a, double c) {
    return tf_add_const_within(p, a, c, 0);
}

tf_value tf_add_const_within(tf_program *p, tf_value a, double c, double bound) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    type.bound = bound > 0 ? bound : summed_bound(p, type.bound + fabs(c), type.bound, fabs(c));
    type.zero = -1;
    unsigned need = tf_width(type.frac, type.bound);
    if (type.bits < need) type.bits = tf_type_of(p, a = tf_lift(p, a, need))->bits;
    return affine(p, a, 1, -1, 0, type, llrint(ldexp(c, type.frac)));
}

tf_value tf_scale_int(tf_program *p, tf_value a, int64_t factor) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    double bound = type.bound * fabs((double)factor);
    unsigned need = tf_width(type.frac, bound);
    if (type.bits < need) type = *tf_type_of(p, a = tf_lift(p, a, need));
    type.bound = bound;
    return affine(p, a, factor, -1, 0, type, 0);
}

tf_value tf_scale_real(tf_program *p, tf_value a, double c, int precision) {
    if (p->status || c == 1) return p->status ? -1 : a;
    int exponent;
    double mantissa = frexp(fabs(c), &exponent); /* c = mantissa * 2^exponent, mantissa in [0.5, 1) */
    if (mantissa == 0.5) precision = 1;
    /* the integer round(mantissa 2^precision) raises the scale by precision - exponent bits */
    int64_t factor = llrint(ldexp(mantissa, precision));
    while (factor && factor % 2 == 0) factor /= 2, precision--;
    int shift = precision - exponent;
    tf_type type = *tf_type_of(p, a);
    unsigned need = tf_width(type.frac + shift, type.bound * fabs(c));
    if (type.bits < need) type = *tf_type_of(p, a = tf_lift(p, a, need));
    type.frac += shift;
    type.bound *= fabs(c);
    if (factor == 1 && c > 0) {
        tf_value v = tf_rename(p, a, type);
        return v;
    }
    return affine(p, a, c < 0 ? -factor : factor, -1, 0, type, 0);
}

/** Strides with which `from` is read to fill `to`; false if it does not broadcast to it. */
static bool broadcast_strides(tf_shape from, tf_shape to, int64_t *stride) {
    size_t step = 1;
    if (from.rank > to.rank) return false;
    for (int i = to.rank; i-- > 0;) {
        int k = i - (to.rank - from.rank);
        size_t dim = k < 0 ? 1 : from.dim[k];
        if (dim != 1 && dim != to.dim[i]) return false;
        stride[i] = dim == 1 ? 0 : (int64_t)step;
        step *= dim;
    }
    return true;
}

/** The type and operand of a sum or product with public numbers up to `largest`, and its step, without the numbers.
 *  `within`: what the caller knows of the result; 0 if nothing. */
static tf_value public_node(tf_program *p, tf_value a, tf_shape shape, double largest, int frac, bool product,
                            double within) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    if (product)
        type.bound *= fmax(largest, 1), type.frac += frac;
    else
        type.bound = within > 0 ? within : summed_bound(p, type.bound + largest, type.bound, largest);
    type.zero = -1;
    unsigned need = tf_width(type.frac, type.bound);
    if (type.bits < need) type.bits = tf_type_of(p, a = tf_lift(p, a, need))->bits;
    tf_value v = tf_append(p, &public_step, type, 1, &a);
    if (v < 0) return -1;
    p->node[v].arg[4] = product;
    p->node[v].arg[5] = product ? frac : type.frac;
    if (!broadcast_strides(shape, type.shape, p->node[v].arg))
        return tf_program_fail(p, tf_fail(TF_INVALID, "a public tensor does not broadcast to its operand"));
    return v;
}

static tf_value with_public(tf_program *p, tf_value a, tf_shape shape, const double *c, int frac, bool product,
                            double within) {
    size_t n = tf_shape_count(shape);
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(c[i]));
    tf_value v = public_node(p, a, shape, largest, frac, product, within);
    int64_t *data = v < 0 ? NULL : malloc(n * sizeof *data);
    if (!data) return v < 0 ? -1 : tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for %zu constants", n));
    for (size_t i = 0; i < n; i++) data[i] = llrint(ldexp(c[i], (int)p->node[v].arg[5]));
    p->node[v].data = data;
    p->node[v].data_count = n;
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
        tf_value v = public_node(p, a, shape, largest, frac, product, within);
        if (v < 0) return -1;
        memcpy(&p->node[v].arg[6], affine, 2 * sizeof *affine);
        p->node[v].leaf = node;
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

tf_value tf_sum_axis(tf_program *p, tf_value a, int axis, double bound) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    tf_shape in = type.shape;
    if (axis < 0) axis += in.rank;
    if (axis < 0 || axis >= in.rank) return tf_program_fail(p, tf_fail(TF_INVALID, "a sum over a missing axis"));
    unsigned need = tf_width(type.frac, bound);
    if (type.bits < need) type = *tf_type_of(p, a = tf_lift(p, a, need));
    type.bound = bound;
    type.shape.rank--;
    size_t outer = 1, inner = 1;
    for (int i = 0; i < axis; i++) outer *= in.dim[i];
    for (int i = axis + 1; i < in.rank; i++) inner *= type.shape.dim[i - 1] = in.dim[i];
    tf_value v = tf_append(p, &sum_step, type, 1, &a);
    if (v < 0) return -1;
    p->node[v].arg[0] = (int64_t)outer;
    p->node[v].arg[1] = (int64_t)in.dim[axis];
    p->node[v].arg[2] = (int64_t)inner;
    return v;
}

tf_value tf_reshape(tf_program *p, tf_value a, tf_shape shape) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    if (tf_shape_count(shape) != tf_shape_count(type.shape))
        return tf_program_fail(p, tf_fail(TF_INVALID, "a reshape changes the number of elements"));
    type.shape = shape;
    return tf_rename(p, a, type);
}

tf_value tf_assume(tf_program *p, tf_value a, double bound) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    type.bound = bound;
    return tf_rename(p, a, type);
}

tf_value tf_assume_selected(tf_program *p, tf_value a, double bound) {
    tf_value v = tf_assume(p, a, bound);
    if (v >= 0) p->node[v].loose = true;
    return v;
}

tf_value tf_expand(tf_program *p, tf_value a, tf_shape shape) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    if (tf_shape_equal(type.shape, shape)) return a;
    int64_t stride[TF_MAX_RANK] = {0};
    if (!broadcast_strides(type.shape, shape, stride))
        return tf_program_fail(p, tf_fail(TF_INVALID, "a tensor does not broadcast to the asked shape"));
    type.shape = shape;
    tf_value v = tf_append(p, &gather_step, type, 1, &a);
    if (v >= 0) memcpy(p->node[v].arg, stride, sizeof stride);
    return v;
}

tf_value tf_slice(tf_program *p, tf_value a, int axis, size_t begin, size_t count) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    if (axis < 0) axis += type.shape.rank;
    if (axis < 0 || axis >= type.shape.rank || count == 0 || begin > type.shape.dim[axis] ||
        count > type.shape.dim[axis] - begin)
        return tf_program_fail(p, tf_fail(TF_INVALID, "a slice leaves its tensor"));
    int64_t stride[TF_MAX_RANK] = {0};
    broadcast_strides(type.shape, type.shape, stride);
    size_t step = 1;
    for (int i = axis + 1; i < type.shape.rank; i++) step *= type.shape.dim[i];
    stride[axis] = (int64_t)step; /* also where the axis has length 1 */
    type.shape.dim[axis] = count;
    tf_value v = tf_append(p, &gather_step, type, 1, &a);
    if (v < 0) return -1;
    memcpy(p->node[v].arg, stride, sizeof stride);
    p->node[v].arg[4] = (int64_t)(begin * step);
    return v;
}
