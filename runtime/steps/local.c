/* Steps without communication: every party works on the components it holds. */
#include <math.h>
#include <string.h>

#include "runtime/steps/local.h"

/* Operands that are repeated ------------------------------------------------------------------------------------- */

bool tf_repeats(tf_shape from, tf_shape to, tf_repeated *r) {
    *r = (tf_repeated){1, 1};
    if (from.rank > to.rank) return false;
    bool counting = false, wrapped = false; /* axes from the last on: repeated ones, its own, repeated ones again */
    for (int i = to.rank; i-- > 0;) {
        int k = i - (to.rank - from.rank);
        size_t dim = k < 0 ? 1 : from.dim[k];
        if (dim != 1 && dim != to.dim[i]) return false;
        if (to.dim[i] == 1) continue;
        if (dim == 1) {
            wrapped |= counting;
            if (!counting) r->each *= to.dim[i];
        } else {
            if (wrapped) return false;
            counting = true;
            r->count *= dim;
        }
    }
    return true;
}

tf_value tf_repeatable(tf_program *p, tf_value a, tf_shape shape) {
    tf_repeated r;
    return p->status || tf_repeats(tf_type_of(p, a)->shape, shape, &r) ? a : tf_expand(p, a, shape);
}

static tf_repeated repeated_of(const tf_program *program, const tf_step_node *node, int k) {
    tf_repeated r;
    tf_shape from = program->node[node->input[k]].type.shape;
    size_t n = tf_shape_count(node->type.shape);
    if (tf_shape_count(from) == n || !tf_repeats(from, node->type.shape, &r)) r = (tf_repeated){1, n};
    return r;
}

static void fill_repeated(const uint64_t *x, tf_repeated r, size_t at, size_t count, uint64_t *out) {
    for (size_t done = 0, run; done < count; done += run, at += run) {
        const size_t row = at / r.each % r.count, left = count - done;
        run = r.each == 1 ? r.count - row : r.each - at % r.each;
        if (run > left) run = left;
        if (r.each == 1)
            memcpy(out + done, x + row, run * sizeof *out);
        else
            for (size_t i = 0; i < run; i++) out[done + i] = x[row];
    }
}

const uint64_t *tf_repeated_block(const tf_call *call, int k, int j, size_t at, size_t count, uint64_t room[TF_BLOCK]) {
    const tf_repeated r = repeated_of(call->program, call->node, k);
    if (r.each == 1 && at + count <= r.count) {
        tf_fetch_words(call->in[k].c[j] + at);
        return call->in[k].c[j] + at;
    }
    fill_repeated(call->in[k].c[j], r, at, count, room);
    return room;
}

bool tf_repeated_whole(const tf_program *program, const tf_step_node *node, int k) {
    const tf_repeated r = repeated_of(program, node, k);
    size_t n = tf_shape_count(node->type.shape);
    if (r.each * r.count == n && (r.each == 1 || tf_rows_keep_thirds(program, r.count, 1, r.each))) return false;
    return !tf_step_is_small(program, node);
}

/* Steps ---------------------------------------------------------------------------------------------------------- */

/** out = factor[0] * in[0] + factor[1] * in[1] + constant */
typedef struct combine_args {
    int64_t factor[2], constant;
} combine_args;

TF_MULTIVERSION static void combine_block(const uint64_t *restrict a, uint64_t ka, const uint64_t *restrict b,
                                          uint64_t kb, uint64_t constant, size_t count, uint64_t *restrict out) {
    if (!b)
        for (size_t i = 0; i < count; i++) out[i] = ka * a[i] + constant;
    else if (ka == 1 && kb == 1)
        for (size_t i = 0; i < count; i++) out[i] = a[i] + b[i] + constant;
    else if (ka == 1 && kb == ~UINT64_C(0))
        for (size_t i = 0; i < count; i++) out[i] = a[i] - b[i] + constant;
    else
        for (size_t i = 0; i < count; i++) out[i] = ka * a[i] + kb * b[i] + constant;
}

/** out = a + kb b + constant, where b is a number a row, `r.each` elements. */
TF_MULTIVERSION static void combine_rows(const uint64_t *a, const uint64_t *b, uint64_t kb, tf_repeated r,
                                         uint64_t constant, tf_span span, uint64_t *out) {
    for (size_t at = span.begin, end; at < span.end; at = end) {
        end = (at / r.each + 1) * r.each;
        if (end > span.end) end = span.end;
        tf_fetch_ahead(a + at, (end - at) * sizeof *a);
        const uint64_t added = kb * b[at / r.each % r.count] + constant;
        const uint64_t *restrict from = a + at;
        uint64_t *restrict to = out + at;
        for (size_t i = 0; i < end - at; i++) to[i] = from[i] + added;
    }
}

static void combine(tf_call *call, int j, tf_span span) {
    const combine_args *args = tf_args(combine_args, call->node);
    uint64_t constant = tf_takes_constant(call, j) ? (uint64_t)args->constant : 0;
    const tf_repeated by_row =
        call->node->inputs == 2 ? repeated_of(call->program, call->node, 1) : (tf_repeated){1, 1};
    if (by_row.each > 1 && args->factor[0] == 1 && repeated_of(call->program, call->node, 0).each == 1 &&
        tf_shape_count(tf_type_of(call->program, call->node->input[0])->shape) ==
            tf_shape_count(call->node->type.shape)) {
        combine_rows(call->in[0].c[j], call->in[1].c[j], (uint64_t)args->factor[1], by_row, constant, span,
                     call->out.c[j]);
        return;
    }
    tf_for_blocks_of(at, count, span) {
        uint64_t room[2][TF_BLOCK];
        const uint64_t *a = tf_repeated_block(call, 0, j, at, count, room[0]),
                       *b = call->node->inputs == 2 ? tf_repeated_block(call, 1, j, at, count, room[1]) : NULL;
        combine_block(a, (uint64_t)args->factor[0], b, (uint64_t)args->factor[1], constant, count, call->out.c[j] + at);
    }
}

static tf_status combine_local(tf_call *call) {
    return tf_on_rows(call, 1, combine);
}

static const tf_step combine_step = {.name = "combine",
                                     .summary = "linear combination with public integers",
                                     .elementwise = true,
                                     .reads_whole = tf_repeated_whole,
                                     .widen = tf_widen_inputs,
                                     .shares_work = true,
                                     .local = combine_local};

bool tf_rows_keep_thirds(const tf_program *p, size_t rows, size_t in, size_t out) {
    for (int s = 1; s < TF_PARTIES; s++) {
        size_t begin = tf_third(rows * out, p->cut, s).begin;
        if (begin % out || begin / out * in != tf_third(rows * in, p->cut, s).begin) return false;
    }
    return true;
}

/** out[i] = in[offset + stride . i]: expansion and slices. */
typedef struct gather_args {
    int64_t stride[TF_MAX_RANK], offset;
} gather_args;

static bool gather_keeps(const tf_program *program, const tf_step_node *node) {
    tf_shape shape = node->type.shape;
    const gather_args *args = tf_args(gather_args, node);
    size_t out = tf_shape_last(shape), rows = tf_shape_count(shape) / out,
           in_count = tf_shape_count(tf_type_of(program, node->input[0])->shape), in = in_count / rows, step = in;
    if (tf_step_is_small(program, node)) return true;
    if (!shape.rank || in_count % rows) return false;
    for (int i = shape.rank - 1; i-- > 0; step *= shape.dim[i]) /* row r is made of row r */
        if (shape.dim[i] > 1 && (size_t)args->stride[i] != step) return false;
    return (size_t)args->offset + (out - 1) * (size_t)args->stride[shape.rank - 1] < in &&
           tf_rows_keep_thirds(program, rows, in, out);
}

/** The last axis that has more than one element is gathered at once, from wherever the span begins within it. */
TF_MULTIVERSION static void gather(tf_call *call, int j, tf_span span) {
    tf_shape outer = call->node->type.shape;
    const gather_args *args = tf_args(gather_args, call->node);
    while (outer.rank > 1 && tf_shape_last(outer) == 1) outer.rank--;
    const size_t row = tf_shape_last(outer), stride = outer.rank ? (size_t)args->stride[outer.rank - 1] : 1;
    if (outer.rank) outer.rank--;
    if (span.begin == span.end) return;
    tf_odometer o = tf_odometer_at(outer, args->stride, span.begin / row);
    size_t begin = span.begin % row;
    for (size_t i = span.begin, run; i < span.end; i += run, begin = 0, tf_odometer_step(&o)) {
        const uint64_t *in = call->in[0].c[j] + (size_t)args->offset + o.position + begin * stride;
        uint64_t *out = call->out.c[j] + i;
        run = row - begin < span.end - i ? row - begin : span.end - i;
        if (stride == 1)
            memcpy(out, in, run * sizeof *out);
        else
            for (size_t k = 0; k < run; k++) out[k] = in[k * stride];
    }
}

static tf_status gather_local(tf_call *call) {
    return tf_on_rows(call, tf_shape_last(call->node->type.shape), gather);
}

static const tf_step gather_step = {.name = "gather",
                                    .summary = "broadcast or slice",
                                    .keeps_thirds = gather_keeps,
                                    .widen = tf_widen_inputs,
                                    .shares_work = true,
                                    .local = gather_local};

/** out[o][i] = sum over a of in[o][a][i]. */
typedef struct sum_args {
    int64_t outer, axis, inner;
} sum_args;

static bool sum_keeps(const tf_program *program, const tf_step_node *node) {
    const sum_args *args = tf_args(sum_args, node);
    return tf_step_is_small(program, node) ||
           (args->inner == 1 && tf_rows_keep_thirds(program, (size_t)args->outer, (size_t)args->axis, 1));
}

TF_MULTIVERSION static void sum(tf_call *call, int j, tf_span span) {
    const sum_args *args = tf_args(sum_args, call->node);
    size_t axis = (size_t)args->axis, inner = (size_t)args->inner;
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
    return tf_on_rows(call, (size_t)tf_args(sum_args, call->node)->inner, sum);
}

static const tf_step sum_step = {.name = "sum",
                                 .summary = "sum over an axis",
                                 .keeps_thirds = sum_keeps,
                                 .widen = tf_widen_inputs,
                                 .shares_work = true,
                                 .local = sum_local};

/* Builders ------------------------------------------------------------------------------------------------------- */

static tf_value affine(tf_program *p, tf_value a, int64_t ka, tf_value b, int64_t kb, tf_type type, int64_t constant) {
    combine_args args = {.factor = {ka, kb}, .constant = constant};
    return tf_append_args(p, &combine_step, type, b >= 0 ? 2 : 1, (tf_value[]){a, b}, &args, sizeof args);
}

/** `within`: what the caller knows of the result; 0 if nothing. */
static tf_value sum_of(tf_program *p, tf_value a, tf_value b, int64_t sign, double within) {
    tf_shape shape;
    if (p->status) return -1;
    tf_status status = tf_shape_broadcast(tf_type_of(p, a)->shape, tf_type_of(p, b)->shape, &shape);
    if (status) return tf_program_fail(p, status);
    /* what is broadcast is lifted before, where it is small, to keep the ring of the other */
    size_t na = tf_shape_count(tf_type_of(p, a)->shape), nb = tf_shape_count(tf_type_of(p, b)->shape);
    tf_type ta = *tf_type_of(p, a), tb = *tf_type_of(p, b), type = {.shape = shape, .kind = TF_SHARE, .zero = -1};
    type.frac = ta.frac > tb.frac ? ta.frac : tb.frac;
    unsigned up_a = (unsigned)(type.frac - ta.frac), up_b = (unsigned)(type.frac - tb.frac);
    if (nb < na && tb.bits + up_b < ta.bits + up_a) b = tf_lift(p, b, ta.bits + up_a - up_b);
    if (na < nb && ta.bits + up_a < tb.bits + up_b) a = tf_lift(p, a, tb.bits + up_b - up_a);
    ta = *tf_type_of(p, a = tf_repeatable(p, a, shape));
    tb = *tf_type_of(p, b = tf_repeatable(p, b, shape));
    type.bound = within > 0 ? within : tf_summed_bound(p, ta.bound + tb.bound, ta.bound, tb.bound);
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
    type.bound = bound > 0 ? bound : tf_summed_bound(p, type.bound + fabs(c), type.bound, fabs(c));
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
    sum_args args = {.outer = (int64_t)outer, .axis = (int64_t)in.dim[axis], .inner = (int64_t)inner};
    return tf_append_args(p, &sum_step, type, 1, &a, &args, sizeof args);
}

tf_value tf_expand(tf_program *p, tf_value a, tf_shape shape) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    if (tf_shape_equal(type.shape, shape)) return a;
    gather_args args = {.offset = 0};
    if (!tf_broadcast_strides(type.shape, shape, args.stride))
        return tf_program_fail(p, tf_fail(TF_INVALID, "a tensor does not broadcast to the asked shape"));
    type.shape = shape;
    return tf_append_args(p, &gather_step, type, 1, &a, &args, sizeof args);
}

tf_value tf_slice(tf_program *p, tf_value a, int axis, size_t begin, size_t count) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    if (axis < 0) axis += type.shape.rank;
    if (axis < 0 || axis >= type.shape.rank || count == 0 || begin > type.shape.dim[axis] ||
        count > type.shape.dim[axis] - begin)
        return tf_program_fail(p, tf_fail(TF_INVALID, "a slice leaves its tensor"));
    gather_args args = {.offset = 0};
    tf_broadcast_strides(type.shape, type.shape, args.stride);
    size_t step = 1;
    for (int i = axis + 1; i < type.shape.rank; i++) step *= type.shape.dim[i];
    args.stride[axis] = (int64_t)step; /* also where the axis has length 1 */
    args.offset = (int64_t)(begin * step);
    type.shape.dim[axis] = count;
    return tf_append_args(p, &gather_step, type, 1, &a, &args, sizeof args);
}

/* Tensors one after the other along an axis */

/** `outer` times, as many elements of each input in a row as it has in such a part. */
typedef struct concat_args {
    int64_t outer;
} concat_args;

/* All thirds at once: S runs ahead where there is but one. */
static tf_status concat_local(tf_call *call) {
    const tf_step_node *node = call->node;
    size_t outer = (size_t)tf_args(concat_args, node)->outer;
    for (int j = 0; j < 2 && tf_span_count(call->part.span); j++) {
        uint64_t *out = call->out.c[j];
        for (size_t o = 0; o < outer; o++)
            for (int k = 0; k < node->inputs; k++) {
                size_t length = tf_shape_count(call->program->node[node->input[k]].type.shape) / outer;
                memcpy(out, call->in[k].c[j] + o * length, length * sizeof *out);
                out += length;
            }
    }
    return TF_OK;
}

static const tf_step concat_step = {.name = "concat",
                                    .summary = "tensors one after the other",
                                    .keeps_thirds = tf_step_is_small,
                                    .local = concat_local};

/** The shape of the whole; -1 as axis counts from the end. */
static tf_status concat_shape(const tf_program *p, int count, const tf_value *part, int *axis, tf_type *type) {
    if (count < 1 || count > TF_STEP_INPUTS)
        return tf_fail(TF_INVALID, "%d tensors to put together; 1 to %d are possible", count, (int)TF_STEP_INPUTS);
    *type = *tf_type_of(p, part[0]);
    if (*axis < 0) *axis += type->shape.rank;
    if (*axis < 0 || *axis >= type->shape.rank)
        return tf_fail(TF_INVALID, "tensors are put together along a missing axis");
    for (int k = 1; k < count; k++) {
        const tf_type *other = tf_type_of(p, part[k]);
        tf_shape same = other->shape;
        if (same.rank == type->shape.rank) same.dim[*axis] = type->shape.dim[*axis];
        if (!tf_shape_equal(same, type->shape))
            return tf_fail(TF_INVALID, "tensors of different shapes cannot be put together");
        if (other->frac != type->frac) return tf_fail(TF_INVALID, "tensors of different scales cannot be put together");
        type->shape.dim[*axis] += other->shape.dim[*axis];
        type->bound = fmax(type->bound, other->bound);
    }
    return TF_OK;
}

tf_value tf_concat(tf_program *p, int count, const tf_value *part, int axis) {
    if (p->status) return -1;
    tf_type type;
    tf_value in[TF_STEP_INPUTS];
    tf_status status = concat_shape(p, count, part, &axis, &type);
    if (status) return tf_program_fail(p, status);
    unsigned need = tf_width(type.frac, type.bound);
    type.zero = -1;
    type.bits = 64;
    for (int k = 0; k < count; k++) {
        in[k] = tf_lift(p, part[k], need); /* what has more bits keeps them: all are read mod the narrowest ring */
        if (tf_type_of(p, in[k])->bits < type.bits) type.bits = tf_type_of(p, in[k])->bits;
    }
    concat_args args = {.outer = 1};
    for (int i = 0; i < axis; i++) args.outer *= (int64_t)type.shape.dim[i];
    return tf_append_args(p, &concat_step, type, count, in, &args, sizeof args);
}
