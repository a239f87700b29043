/*
 * Products: element by element, dot products over the last axis, and matrix products, with the truncation fused in.
 *
 * Each party computes its additive part of the result, then L and R swap theirs: c = z_L + z_R and v = z_S, the 2+1
 * view, in the very round in which S already sends its truncation message.
 *
 * What the receivers learn. z_L is masked by a stream of k_s that R does not hold, z_R by one of k_(s+1) that L does
 * not hold; S adds the first and subtracts the second, so the masks cancel in c + v and both messages are uniform to
 * their receivers. S's message is the truncation's.
 *
 * Local work. The nine cross products x_a y_b take five ring products over the three parties: the party of a row third
 * makes (x_t + x_(t+1))(y_t + y_(t+1)), the other two make two each. Where one component of y is publicly zero (what a
 * party itself put in), three are enough, one for each party: its owner has both others and makes
 * (x_o + x_(o+1))(y_o + y_(o+1)); the neighbours make x_(o+2) y_o and x_(o+2) y_(o+1). Where no party may know y (its
 * owner is outside), three are enough as well: they add up to twice the product mod 2^(l+1), and each party halves its
 * masked part: see PROTOCOLS.md, "Three products".
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/graph/graph.h"
#include "runtime/steps/steps.h"
#include "runtime/steps/truncation.h"

enum { ZERO = 1 }; /* purpose of the streams that mask the parts */

/** Public parameters of all kinds of products; each uses what it needs. */
typedef struct product_args {
    tf_truncation_args truncation;
    int64_t doubled; /**< the parts add up to twice the product, see PROTOCOLS.md */
    int64_t inner;   /**< terms of each sum of an element-wise product */
    tf_matmul_layout layout;
} product_args;
_Static_assert(sizeof(size_t) == sizeof(int64_t), "a layout is read as it lies among the parameters");

static tf_truncation truncation_of(const tf_step_node *node) {
    return tf_truncation_read(&tf_args(product_args, node)->truncation);
}

static void product_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    tf_truncation t = truncation_of(node);
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 1;
    traffic->exchanges = t.wide ? 2 : 1;
    tf_traffic_deal(traffic, n, tf_truncation_dealt(t));
    tf_traffic_swap(traffic, 0, n, tf_bytes_of(t.bits));
    if (t.wide) tf_traffic_swap(traffic, 1, n, tf_truncation_swapped(t));
}

static size_t product_state(const tf_program *program, const tf_step_node *node) {
    return truncation_of(node).wide ? tf_shape_count(node->type.shape) : 0;
}

/** Halves masked parts that add up to twice the product mod 2^(bits+1): to the product mod 2^bits, less a unit at most.
 *  Being masked already, what is lost of each says nothing. */
TF_MULTIVERSION static void halve(const tf_step_node *node, uint64_t *part, size_t count) {
    uint64_t mask = tf_mask(truncation_of(node).bits + 1);
    if (!tf_args(product_args, node)->doubled) return;
    for (size_t i = 0; i < count; i++) part[i] = (part[i] & mask) >> 1;
}

/** S: its part of the products is in out.c[0]. */
TF_MULTIVERSION static void product_solo(tf_call *call) {
    int own = call->part.own;
    tf_for_blocks(call, at, count) {
        uint64_t v[TF_BLOCK], mask[TF_BLOCK];
        const uint64_t *z = call->out.c[0] + at;
        tf_element_stream(call, own, ZERO, at, count, v);
        tf_element_stream(call, 1 - own, ZERO, at, count, mask);
        for (size_t i = 0; i < count; i++) v[i] += z[i] - mask[i];
        halve(call->node, v, count);
        tf_truncation_solo(call, truncation_of(call->node), at, count, v);
    }
}

/** L or R: before phase 0 its part of the products is in out.c[0]. */
TF_MULTIVERSION static void product_pair(tf_call *call, int phase) {
    tf_truncation t = truncation_of(call->node);
    const tf_kernels *kernels = call->party->kernels;
    unsigned bytes = tf_bytes_of(t.bits);
    int own = call->part.own;
    tf_for_blocks(call, at, count) {
        uint64_t block[TF_BLOCK], *kept = call->out.c[1 - own] + at;
        size_t from = (at - call->part.span.begin) * bytes;
        if (phase == 0) {
            const uint64_t *z = call->out.c[0] + at;
            tf_element_stream(call, own, ZERO, at, count, block);
            if (call->part.role == TF_LEFT)
                for (size_t i = 0; i < count; i++) kept[i] = z[i] - block[i];
            else
                for (size_t i = 0; i < count; i++) kept[i] = z[i] + block[i];
            halve(call->node, kept, count);
            kernels->pack_bytes(kept, count, bytes, call->message + from);
        } else if (phase == 1) {
            kernels->unpack_bytes(call->received + from, count, bytes, block);
            for (size_t i = 0; i < count; i++) block[i] += kept[i];
            tf_truncation_pair(call, t, at, count, block);
        } else {
            tf_truncation_finish(call, t, at, count);
        }
    }
}

/* Element by element, and dot products: the part of a third by roles -------------------------------------------- */

/** The cross products that a party makes at one position of a third; see the head of the file, with t = s. */
typedef enum crossing { FOUR, NEXT, BEFORE } crossing;

static crossing cross_of(const tf_call *call, int third) {
    int id = call->party->id;
    return id == third ? FOUR : id == tf_next(third) ? NEXT : BEFORE;
}

static inline uint64_t part_of(crossing cross, uint64_t x0, uint64_t x1, uint64_t y0, uint64_t y1) {
    switch (cross) {
    case FOUR: return (x0 + x1) * (y0 + y1);
    case NEXT: return x0 * y1 + x1 * y0;
    default: return x0 * (y0 + y1) + x1 * y0;
    }
}

TF_MULTIVERSION static void multiply_part(tf_call *call) {
    tf_span span = tf_worker_slice(call, call->part.span);
    const uint64_t *x0 = call->in[0].c[0], *x1 = call->in[0].c[1], *y0 = call->in[1].c[0], *y1 = call->in[1].c[1];
    uint64_t *z = call->out.c[0];
    size_t inner = (size_t)tf_args(product_args, call->node)->inner;
    crossing cross = cross_of(call, call->part.number / 2);
    for (size_t r = span.begin; inner > 1 && r < span.end; r++) {
        uint64_t sum = 0;
        for (size_t i = r * inner; i < (r + 1) * inner; i++) sum += part_of(cross, x0[i], x1[i], y0[i], y1[i]);
        z[r] = sum;
    }
    if (inner > 1) return;
    if (cross == FOUR)
        for (size_t i = span.begin; i < span.end; i++) z[i] = part_of(FOUR, x0[i], x1[i], y0[i], y1[i]);
    else if (cross == NEXT)
        for (size_t i = span.begin; i < span.end; i++) z[i] = part_of(NEXT, x0[i], x1[i], y0[i], y1[i]);
    else
        for (size_t i = span.begin; i < span.end; i++) z[i] = part_of(BEFORE, x0[i], x1[i], y0[i], y1[i]);
}

static tf_status multiply_solo(tf_call *call) {
    multiply_part(call);
    product_solo(call);
    return TF_OK;
}

static tf_status multiply_pair(tf_call *call, int phase) {
    if (phase == 0) multiply_part(call);
    product_pair(call, phase);
    return TF_OK;
}

static const tf_step multiply_step = {.name = "multiply",
                                      .summary = "products of elements, truncated",
                                      .elementwise = true,
                                      .cost = product_cost,
                                      .state = product_state,
                                      .shares_work = true,
                                      .solo = multiply_solo,
                                      .pair = multiply_pair};

static const tf_step dot_step = {.name = "dot",
                                 .summary = "dot products over the last axis, truncated once",
                                 .cost = product_cost,
                                 .state = product_state,
                                 .shares_work = true,
                                 .solo = multiply_solo,
                                 .pair = multiply_pair};

/* Matrix products ------------------------------------------------------------------------------------------------ */

static tf_matmul_layout layout_of(const tf_step_node *node) {
    return tf_args(product_args, node)->layout;
}

static size_t products_of(const tf_matmul_layout *l) {
    size_t count = 1;
    for (int i = 0; i < TF_BATCH_AXES; i++) count *= l->batch[i];
    return count;
}

/** The first values of m rows of z: the bias, twice where all is doubled, or zero. */
static void start_rows(const tf_call *call, const tf_matmul_layout *l, size_t m, uint64_t *z) {
    const uint64_t *bias = call->node->inputs == 3 ? call->in[2].c[0] : NULL;
    for (size_t i = 0; i < m; i++, z += l->c_row)
        for (size_t k = 0; k < l->n; k++) z[k] = bias ? bias[k] << tf_args(product_args, call->node)->doubled : 0;
}

/** Rows [begin, end) of z += x y, y a weight that is kept as this party's operand. */
static tf_status weight_rows(const tf_call *call, const tf_matmul_layout *l, size_t begin, size_t end, void *scratch) {
    int id = call->party->id, zero = call->program->node[call->node->input[1]].type.zero;
    size_t rows = end - begin, count = rows * l->k;
    const uint64_t *x0 = call->in[0].c[0] + begin * l->a_row, *x1 = call->in[0].c[1] + begin * l->a_row;
    const uint64_t *x = x0, *plus = NULL;
    uint64_t *combined = NULL;
    if (zero < 0) {
        x = combined = malloc((count + 1) * sizeof *combined);
        if (!combined) return tf_fail(TF_NOMEM, "no memory for a product of %zu rows", rows);
        tf_combine(tf_combination_of(id).left, truncation_of(call->node).bits, x0, x1, count, combined);
    } else { /* the owner pairs y_o + y_(o+1) with x_o + x_(o+1), its neighbours their y with x_(o+2) */
        if (tf_next(id) == zero) x = x1;
        if (id == tf_next(zero)) plus = x1;
    }
    call->party->kernels->matmul(rows, x, plus, l->a_row, call->in[1].packed, call->out.c[0] + begin * l->c_row,
                                 l->c_row, scratch);
    free(combined);
    return TF_OK;
}

/** Product number b of the batch. The parties' roles change from one third of all rows to the next. */
static tf_status batch_part(const tf_call *call, const tf_matmul_layout *l, size_t b, void *scratch) {
    const tf_kernels *kernels = call->party->kernels;
    const uint64_t *x0 = call->in[0].c[0], *x1 = call->in[0].c[1], *y0 = call->in[1].c[0], *y1 = call->in[1].c[1];
    uint64_t *z = call->out.c[0];
    size_t rows = products_of(l) * l->m, a_at = 0, b_at = 0, c_at = 0;
    for (size_t i = TF_BATCH_AXES, rest = b; i-- > 0; rest /= l->batch[i]) {
        size_t at = rest % l->batch[i];
        a_at += at * l->a_batch[i], b_at += at * l->b_batch[i], c_at += at * l->c_batch[i];
    }
    unsigned bits = truncation_of(call->node).bits;
    tf_packed *sum = NULL, *first = NULL, *second = NULL;
    tf_status status = TF_OK;
    start_rows(call, l, l->m, z + c_at);
    for (int t = 0; t < TF_PARTIES && !status; t++) {
        size_t begin = rows * (size_t)t / 3, end = rows * (size_t)(t + 1) / 3, low = b * l->m, high = low + l->m;
        if (begin < low) begin = low;
        if (end > high) end = high;
        if (begin >= end) continue;
        size_t a_from = a_at + (begin - low) * l->a_row, m = end - begin;
        crossing cross = cross_of(call, t);
        if (cross != NEXT && !sum) sum = kernels->pack(y0 + b_at, y1 + b_at, l->k, l->n, l->b_row, l->b_col, bits);
        if (cross != FOUR && !first) first = kernels->pack(y0 + b_at, NULL, l->k, l->n, l->b_row, l->b_col, bits);
        if (cross == NEXT && !second) second = kernels->pack(y1 + b_at, NULL, l->k, l->n, l->b_row, l->b_col, bits);
        if ((cross != NEXT && !sum) || (cross != FOUR && !first) || (cross == NEXT && !second)) {
            status = tf_fail(TF_NOMEM, "no memory to pack a matrix of %zu x %zu", l->k, l->n);
            break;
        }
        const uint64_t *a0 = x0 + a_from, *a1 = x1 + a_from;
        uint64_t *c = z + c_at + (begin - low) * l->c_row;
        if (cross == FOUR) {
            kernels->matmul(m, a0, a1, l->a_row, sum, c, l->c_row, scratch);
        } else {
            kernels->matmul(m, a0, NULL, l->a_row, cross == NEXT ? second : sum, c, l->c_row, scratch);
            kernels->matmul(m, a1, NULL, l->a_row, first, c, l->c_row, scratch);
        }
    }
    tf_packed_free(sum), tf_packed_free(first), tf_packed_free(second);
    return status;
}

/** The rows of a weight's product that are made when part `number` is worked on: those of its third, unless an earlier
 *  third of this party's has an element of the row; see tf_step for the order. Everything at once where a third would
 *  not have many rows, or where the weight is packed for one call only. */
static tf_span rows_now(const tf_call *call, const tf_matmul_layout *l) {
    enum { FEW = 32 };
    int id = call->party->id, s = call->part.number / 2;
    bool whole = l->m < 3 * FEW || call->in[1].later;
    if (call->part.number % 2 || (whole && s != id)) return (tf_span){0, 0};
    if (whole) return (tf_span){0, l->m};
    tf_span third = tf_third(l->m * l->n, s), rows = {third.begin / l->n, (third.end + l->n - 1) / l->n};
    for (int other = 0; other < TF_PARTIES; other++) {
        if (other == s || s == id || (other > s && other != id)) continue;
        tf_span before = tf_third(l->m * l->n, other);
        if (other < s && rows.begin * l->n < before.end) rows.begin++;
        if (other > s && rows.end * l->n > before.begin) rows.end--;
    }
    return rows;
}

/** z = this worker's slice of this party's part: rows of the product with a weight, products of a batch. Component
 *  `id` of the bias is in it, so every component is added by exactly one party. */
static tf_status matmul_part(tf_call *call) {
    tf_matmul_layout l = layout_of(call->node);
    const tf_kernels *kernels = call->party->kernels;
    bool weight = call->in[1].packed || call->in[1].later;
    tf_span all = {0, products_of(&l)};
    if (weight)
        all = rows_now(call, &l);
    else if (call->part.number != 2 * call->party->id)
        return TF_OK; /* a batch is made at once, with the first part */
    if (all.begin >= all.end) return TF_OK;
    tf_span slice = tf_worker_items(call, tf_span_count(all));
    size_t begin = all.begin + slice.begin, end = all.begin + slice.end;
    void *scratch = aligned_alloc(64, (kernels->matmul_scratch(l.m, l.k) + 63) / 64 * 64);
    tf_status status = scratch ? TF_OK : tf_fail(TF_NOMEM, "no memory for a product of %zu rows", l.m);
    if (weight && !status) {
        start_rows(call, &l, end - begin, call->out.c[0] + begin * l.c_row);
        status = weight_rows(call, &l, begin, end, scratch);
    } else {
        for (size_t b = begin; b < end && !status; b++) status = batch_part(call, &l, b, scratch);
    }
    free(scratch);
    tf_meet(call);
    return status;
}

static tf_status matmul_solo(tf_call *call) {
    TF_TRY(matmul_part(call));
    product_solo(call);
    return TF_OK;
}

static tf_status matmul_pair(tf_call *call, int phase) {
    if (phase == 0) TF_TRY(matmul_part(call));
    product_pair(call, phase);
    return TF_OK;
}

static const tf_step matmul_step = {.name = "matmul",
                                    .summary = "batched matrix product, truncated",
                                    .cost = product_cost,
                                    .state = product_state,
                                    .shares_work = true,
                                    .solo = matmul_solo,
                                    .pair = matmul_pair};

/* Builders ------------------------------------------------------------------------------------------------------- */

/** The result's type and the truncation, from the operands' scales; lifts are the caller's. */
static tf_type result_type(const tf_program *p, tf_shape shape, int frac, tf_result result, tf_truncation *t) {
    double bound = result.bound > 0 ? result.bound : tf_default_bound(p);
    tf_type type = {.shape = shape, .class = TF_SHARE, .frac = result.frac, .bound = bound, .zero = -1};
    unsigned shift = frac > result.frac ? (unsigned)(frac - result.frac) : 0;
    if (shift == 0) type.frac = frac;
    *t = tf_truncation_into(tf_width(type.frac, bound), shift, result.wide, 0);
    type.bits = t->wide ? tf_truncation_ring(tf_width(type.frac + (int)shift, bound)) : t->bits - t->shift;
    return type;
}

static tf_value elementwise(tf_program *p, const tf_step *step, tf_value a, tf_value b, tf_result result) {
    if (p->status) return -1;
    tf_shape shape;
    tf_status status = tf_shape_broadcast(tf_type_of(p, a)->shape, tf_type_of(p, b)->shape, &shape);
    if (status) return tf_program_fail(p, status);
    tf_shape whole = shape;
    if (step == &dot_step && shape.rank) shape.rank--;
    tf_truncation t;
    tf_type type = result_type(p, shape, tf_type_of(p, a)->frac + tf_type_of(p, b)->frac, result, &t);
    tf_value input[2] = {tf_expand(p, tf_lift(p, a, t.bits), whole), tf_expand(p, tf_lift(p, b, t.bits), whole)};
    product_args args = {.truncation = tf_truncation_write(t),
                         .inner = step == &dot_step ? (int64_t)tf_shape_last(whole) : 1};
    return tf_append_args(p, step, type, 2, input, &args, sizeof args);
}

tf_value tf_mul(tf_program *p, tf_value a, tf_value b, tf_result result) {
    return elementwise(p, &multiply_step, a, b, result);
}

tf_value tf_dot(tf_program *p, tf_value a, tf_value b, tf_result result) {
    return elementwise(p, &dot_step, a, b, result);
}

static tf_value matmul(tf_program *p, tf_value a, tf_value b, tf_value bias, const tf_matmul_layout *layout,
                       tf_type type, tf_truncation t, bool doubled) {
    product_args args = {.truncation = tf_truncation_write(t), .doubled = doubled, .layout = *layout};
    return tf_append_args(p, &matmul_step, type, bias >= 0 ? 3 : 2, (tf_value[]){a, b, bias}, &args, sizeof args);
}

/** Whether all positions of a strided array of these lengths, innermost with stride `inner`, are below `count`. */
static bool inside(size_t count, const size_t batch[], const size_t batch_stride[], size_t rows, size_t row,
                   size_t columns, size_t inner) {
    size_t length[TF_BATCH_AXES + 2] = {rows, columns}, stride[TF_BATCH_AXES + 2] = {row, inner}, last = 0;
    memcpy(length + 2, batch, TF_BATCH_AXES * sizeof *length);
    memcpy(stride + 2, batch_stride, TF_BATCH_AXES * sizeof *stride);
    for (int i = 0; i < TF_BATCH_AXES + 2; i++) {
        size_t step;
        if (length[i] == 0 || __builtin_mul_overflow(length[i] - 1, stride[i], &step) ||
            __builtin_add_overflow(last, step, &last))
            return false;
    }
    return last < count;
}

tf_value tf_matmul(tf_program *p, tf_value a, tf_value b, tf_value bias, tf_matmul_layout layout, tf_shape shape,
                   tf_result result) {
    if (p->status) return -1;
    tf_matmul_layout *l = &layout;
    for (int i = 0; i < TF_BATCH_AXES; i++)
        if (!l->batch[i]) l->batch[i] = 1;
    size_t na = tf_shape_count(tf_type_of(p, a)->shape), nb = tf_shape_count(tf_type_of(p, b)->shape),
           nc = tf_shape_count(shape);
    if (!inside(na, l->batch, l->a_batch, l->m, l->a_row, l->k, 1) ||
        !inside(nb, l->batch, l->b_batch, l->k, l->b_row, l->n, l->b_col) ||
        !inside(nc, l->batch, l->c_batch, l->m, l->c_row, l->n, 1) || nc != products_of(l) * l->m * l->n)
        return tf_program_fail(p,
                               tf_fail(TF_INVALID, "the layout of a matrix product leaves its operands or its result"));
    int frac = tf_type_of(p, a)->frac + tf_type_of(p, b)->frac;
    if (bias >= 0 && (tf_shape_count(tf_type_of(p, bias)->shape) != l->n || tf_type_of(p, bias)->frac != frac))
        return tf_program_fail(p, tf_fail(TF_INVALID,
                                          "the bias of a matrix product is not %zu elements with %d fractional bits",
                                          l->n, frac));
    tf_truncation t;
    tf_type type = result_type(p, shape, frac, result, &t);
    if (bias >= 0) bias = tf_lift(p, bias, t.bits);
    return matmul(p, tf_lift(p, a, t.bits), tf_lift(p, b, t.bits), bias, &layout, type, t, false);
}

tf_value tf_linear(tf_program *p, tf_value x, tf_value weight, tf_value bias, tf_result result) {
    if (p->status) return -1;
    const tf_node *w = tf_leaf_of(p, weight), *v = tf_leaf_of(p, bias);
    tf_shape shape = tf_type_of(p, x)->shape;
    if (!w || w->shape.rank != 2 || shape.rank < 1 || w->shape.dim[1] != tf_shape_last(shape))
        return tf_program_fail(p, tf_fail(TF_INVALID, "a linear layer's weight does not fit its input"));
    if (bias >= 0 && (!v || tf_shape_count(v->shape) != w->shape.dim[0]))
        return tf_program_fail(p, tf_fail(TF_INVALID, "a linear layer's bias does not fit its weight"));
    if (w->leaf == TF_LEAF_PUBLIC_WEIGHT) {
        if (v && v->leaf == TF_LEAF_WEIGHT)
            return tf_program_fail(
                p, tf_fail(TF_INVALID, "a linear layer's weight %s is public, its bias %s is not", w->name, v->name));
        return tf_public_linear(p, x, w, v, result);
    }
    size_t in = w->shape.dim[1], out = w->shape.dim[0], rows = tf_shape_count(shape) / in;
    shape.dim[shape.rank - 1] = out;
    int weight_frac = tf_linear_frac(p, x), frac = tf_type_of(p, x)->frac + weight_frac;
    tf_truncation t;
    tf_type type = result_type(p, shape, frac, result, &t);
    x = tf_lift(p, x, t.bits);
    bool secret = p->model_owner < 0; /* to all parties */
    tf_value y = secret && t.bits >= 64 ? tf_weight(p, weight, weight_frac, t.bits)
                                        : tf_packed_weight(p, weight, weight_frac, t.bits);
    tf_value b = bias < 0 ? -1 : tf_weight(p, bias, frac, t.bits);
    tf_matmul_layout layout = {
        .batch = {1, 1, 1}, .m = rows, .k = in, .n = out, .a_row = in, .b_row = 1, .b_col = in, .c_row = out};
    return matmul(p, x, y, b, &layout, type, t, secret && t.bits < 64);
}
