/*
 * Matrix products, batched or with a weight that is kept packed, with the truncation fused in: see product.c for the
 * messages. A linear layer's result may be rotated by public angles before it is truncated: see rotate.h.
 */
#include "net/base/secret.h"
#include "runtime/graph/graph.h"
#include "runtime/steps/local.h"
#include "runtime/steps/product.h"
#include "runtime/steps/rotate.h"

static tf_matmul_layout layout_of(const tf_step_node *node) {
    return tf_args(tf_product_args, node)->layout;
}

static size_t products_of(const tf_matmul_layout *l) {
    size_t count = 1;
    for (int i = 0; i < TF_BATCH_AXES; i++) count *= l->batch[i];
    return count;
}

/* Inputs of a product: the operands; a bias, where their number is odd; and last, of a linear layer, what is added with
 * a factor for each column, and these factors. */
enum { OPERANDS = 2, WITH_BIAS = 3, WITH_SCALED = 4 };

TF_MULTIVERSION static void start_row(const uint64_t *restrict bias, unsigned doubled, uint64_t less, size_t count,
                                      uint64_t *restrict z) {
    for (size_t k = 0; k < count; k++) z[k] = (bias[k] << doubled) - less;
}

TF_MULTIVERSION static void start_alike(uint64_t less, size_t count, uint64_t *restrict z) {
    for (size_t k = 0; k < count; k++) z[k] = -less;
}

/** Adds this row's columns of this party's part of n gamma: three of the nine cross products x_a y_b. */
TF_MULTIVERSION static void add_scaled(const tf_call *call, const tf_matmul_layout *l, size_t row, tf_span columns,
                                       uint64_t *restrict z) {
    const int last = call->node->inputs - 1;
    const size_t at = row * l->n;
    const uint64_t *restrict x0 = call->in[last - 1].c[0] + at, *restrict x1 = call->in[last - 1].c[1] + at,
                             *restrict y0 = call->in[last].c[0], *restrict y1 = call->in[last].c[1],
                             doubled = (uint64_t)tf_args(tf_product_args, call->node)->doubled;
    for (size_t k = columns.begin; k < columns.end; k++) z[k] += (x0[k] * (y0[k] + y1[k]) + x1[k] * y0[k]) << doubled;
}

TF_MULTIVERSION static uint64_t sum_both(const uint64_t *x0, const uint64_t *x1, size_t count) {
    uint64_t sum = 0;
    tf_fetch_ahead(x0, count * sizeof *x0), tf_fetch_ahead(x1, count * sizeof *x1);
    for (size_t k = 0; k < count; k++) sum += x0[k] + x1[k];
    return sum;
}

/** The first values of these rows and columns of z, twice where all is doubled: the bias, or zero, plus n gamma, less
 *  `offset` times the sum of the row of x0 + x1, which is what a weight's operand that was moved by it adds to the
 *  product. */
static void start_rows(const tf_call *call, const tf_matmul_layout *l, tf_span rows, tf_span columns, uint64_t offset,
                       uint64_t *z) {
    const uint64_t *bias = call->node->inputs % 2 ? call->in[OPERANDS].c[0] : NULL;
    const size_t count = tf_span_count(columns);
    unsigned doubled = (unsigned)tf_args(tf_product_args, call->node)->doubled;
    for (size_t i = rows.begin; i < rows.end; i++, z += l->c_row) {
        uint64_t less = 0;
        if (offset) less = offset * sum_both(call->in[0].c[0] + i * l->a_row, call->in[0].c[1] + i * l->a_row, l->k);
        if (bias)
            start_row(bias + columns.begin, doubled, less, count, z + columns.begin);
        else
            start_alike(less, count, z + columns.begin);
        if (call->node->inputs >= WITH_SCALED) add_scaled(call, l, i, columns, z);
    }
}

/** These rows and columns of z = bias + n gamma + x y, y a weight that is kept as this party's operand. */
static tf_status weight_rows(const tf_call *call, const tf_matmul_layout *l, tf_span these, tf_span columns) {
    const tf_type *type = &call->program->node[call->node->input[1]].type;
    const uint64_t offset = tf_operand_of(call->party->id, type).offset; /* of the owner's alone, who has x0 + x1 */
    int id = call->party->id, zero = type->zero;
    size_t rows = tf_span_count(these), count = rows * l->k;
    const uint64_t *x0 = call->in[0].c[0] + these.begin * l->a_row, *x1 = call->in[0].c[1] + these.begin * l->a_row;
    const uint64_t *x = x0, *plus = NULL;
    uint64_t *combined = NULL, *z = call->out.c[0] + these.begin * l->c_row;
    if (!rows || !tf_span_count(columns)) return TF_OK;
    if (zero < 0) {
        x = combined = tf_secret_alloc(count * sizeof *combined);
        if (!combined) return tf_fail(TF_NOMEM, "no memory for a product of %zu rows", rows);
        tf_combine(tf_combination_of(id).left, tf_product_ring(call->node), x0, x1, count, combined);
    } else { /* the owner pairs y_o + y_(o+1) with x_o + x_(o+1), its neighbours their y with x_(o+2) */
        if (tf_next(id) == zero) x = x1;
        if (id == tf_next(zero)) plus = x1;
    }
    start_rows(call, l, these, columns, offset, z);
    call->party->kernels->matmul_columns(rows, x, plus, l->a_row, call->in[1].packed, columns.begin, columns.end, z,
                                         l->c_row, call->scratch);
    tf_secret_free(combined, count * sizeof *combined);
    return TF_OK;
}

/** Where the operands and the result of product number b of a batch begin. */
typedef struct place {
    size_t a, b, c;
} place;

static place place_of(const tf_matmul_layout *l, size_t b) {
    place at = {0};
    for (size_t i = TF_BATCH_AXES, rest = b; i-- > 0; rest /= l->batch[i]) {
        const size_t k = rest % l->batch[i];
        at.a += k * l->a_batch[i], at.b += k * l->b_batch[i], at.c += k * l->c_batch[i];
    }
    return at;
}

/** The rows of product number b in third t of all rows: the parties' roles change from one to the next. */
static tf_span rows_of_third(const tf_matmul_layout *l, size_t b, int t) {
    const size_t rows = products_of(l) * l->m, low = b * l->m, high = low + l->m;
    size_t begin = rows * (size_t)t / 3, end = rows * (size_t)(t + 1) / 3;
    if (begin < low) begin = low;
    if (end > high) end = high;
    return begin < end ? (tf_span){begin - low, end - low} : (tf_span){0, 0};
}

/** Product number b of a batch whose products have few rows: elements are met where they lie. */
static void meet_rows(const tf_call *call, const tf_matmul_layout *l, size_t b) {
    const place at = place_of(l, b);
    const uint64_t *y0 = call->in[1].c[0] + at.b, *y1 = call->in[1].c[1] + at.b;
    start_rows(call, l, (tf_span){0, l->m}, (tf_span){0, l->n}, 0, call->out.c[0] + at.c);
    for (int t = 0; t < TF_PARTIES; t++) {
        const tf_span rows = rows_of_third(l, b, t);
        const tf_crossing cross = tf_crossing_of(call, t);
        for (size_t r = rows.begin; r < rows.end; r++) {
            const size_t from = at.a + r * l->a_row;
            const uint64_t *x0 = call->in[0].c[0] + from, *x1 = call->in[0].c[1] + from;
            uint64_t *z = call->out.c[0] + at.c + r * l->c_row;
            for (size_t j = 0; l->b_row == 1 && j < l->n; j++)
                z[j] += tf_dot_factors(cross, (tf_factors){x0, x1, y0 + j * l->b_col, y1 + j * l->b_col}, l->k);
            for (size_t k = 0; l->b_row != 1 && k < l->k; k++)
                tf_add_multiples(cross, (tf_factors){x0 + k, x1 + k, y0 + k * l->b_row, y1 + k * l->b_row}, l->n, z);
        }
    }
}

/** Whether to pack a batch's right operands takes longer than to multiply by them. */
static bool few_rows(const tf_matmul_layout *l) {
    enum { FEW = 4 };
    return l->m <= FEW && (l->b_row == 1 || l->b_col == 1);
}

/** Product number b of the batch. */
static tf_status batch_part(const tf_call *call, const tf_matmul_layout *l, size_t b) {
    const tf_kernels *kernels = call->party->kernels;
    const place at = place_of(l, b);
    const uint64_t *y0 = call->in[1].c[0] + at.b, *y1 = call->in[1].c[1] + at.b;
    uint64_t *z = call->out.c[0] + at.c;
    unsigned bits = tf_product_ring(call->node);
    tf_packed *sum = NULL, *first = NULL, *second = NULL;
    tf_status status = TF_OK;
    start_rows(call, l, (tf_span){0, l->m}, (tf_span){0, l->n}, 0, z);
    for (int t = 0; t < TF_PARTIES && !status; t++) {
        const tf_span rows = rows_of_third(l, b, t);
        const size_t from = at.a + rows.begin * l->a_row, m = tf_span_count(rows);
        if (!m) continue;
        tf_crossing cross = tf_crossing_of(call, t);
        if (cross != NEXT && !sum) sum = kernels->pack(y0, y1, l->k, l->n, l->b_row, l->b_col, bits);
        if (cross != FOUR && !first) first = kernels->pack(y0, NULL, l->k, l->n, l->b_row, l->b_col, bits);
        if (cross == NEXT && !second) second = kernels->pack(y1, NULL, l->k, l->n, l->b_row, l->b_col, bits);
        if ((cross != NEXT && !sum) || (cross != FOUR && !first) || (cross == NEXT && !second)) {
            status = tf_fail(TF_NOMEM, "no memory to pack a matrix of %zu x %zu", l->k, l->n);
            break;
        }
        const uint64_t *a0 = call->in[0].c[0] + from, *a1 = call->in[0].c[1] + from;
        uint64_t *c = z + rows.begin * l->c_row;
        if (cross == FOUR) {
            kernels->matmul(m, a0, a1, l->a_row, sum, c, l->c_row, call->scratch);
        } else {
            kernels->matmul(m, a0, NULL, l->a_row, cross == NEXT ? second : sum, c, l->c_row, call->scratch);
            kernels->matmul(m, a1, NULL, l->a_row, first, c, l->c_row, call->scratch);
        }
    }
    tf_packed_free(sum), tf_packed_free(first), tf_packed_free(second);
    return status;
}

/** Whether S's rows of a product with a weight follow from its own rows of the input, because thirds end with rows. */
static bool keeps_rows(const tf_program *p, const tf_step_node *node) {
    const tf_matmul_layout l = layout_of(node);
    return p->cut.rows && tf_is_packed_weight(p, node->input[1]) && tf_rows_keep_thirds(p, l.m, l.k, l.n);
}

/** The rows of a weight's product that are made when part `number` is worked on: those of its third, unless an earlier
 *  third of this party's has an element of the row; see tf_step for the order. Unless S runs ahead, everything at once
 *  where a third has too few rows for what a weight costs to be read and widened, or it is packed for one call only. */
static tf_span rows_now(const tf_call *call, const tf_matmul_layout *l) {
    enum { FEW = 128 };
    int id = call->party->id, s = call->part.number / 2;
    bool whole = !keeps_rows(call->program, call->node) && (l->m < 3 * FEW || call->in[1].later);
    if (call->part.number % 2 || (whole && s != id)) return (tf_span){0, 0};
    if (whole) return (tf_span){0, l->m};
    tf_span third = tf_third(l->m * l->n, call->program->cut, s),
            rows = {third.begin / l->n, (third.end + l->n - 1) / l->n};
    for (int other = 0; other < TF_PARTIES; other++) {
        if (other == s || s == id || (other > s && other != id)) continue;
        tf_span before = tf_third(l->m * l->n, call->program->cut, other);
        if (other < s && rows.begin * l->n < before.end) rows.begin++;
        if (other > s && rows.end * l->n > before.begin) rows.end--;
    }
    return rows;
}

/** This worker's slice of some rows of a product with a weight: rows, or columns where there are too few of them. */
static tf_status weight_slice(const tf_call *call, const tf_matmul_layout *l, tf_span rows) {
    enum { ROWS_EACH = 4 };
    tf_span columns = {0, l->n}, slice = tf_worker_items(call, tf_span_count(rows));
    if (tf_span_count(rows) >= ROWS_EACH * (size_t)call->workers) {
        rows = (tf_span){rows.begin + slice.begin, rows.begin + slice.end};
    } else {
        size_t unit = tf_packed_columns(call->in[1].packed);
        slice = tf_worker_items(call, (l->n + unit - 1) / unit);
        columns = (tf_span){slice.begin * unit, slice.end * unit < l->n ? slice.end * unit : l->n};
    }
    return weight_rows(call, l, rows, columns);
}

/** This worker's slice of rows [begin, end) of z is rotated, once all workers have made what they make of them. */
static tf_status rotate_slice(const tf_call *call, const tf_matmul_layout *l, tf_span rows) {
    const tf_product_args *args = tf_args(tf_product_args, call->node);
    tf_rotation r = {
        .width = l->n, .rotated = (size_t)args->rotated, .depth = (size_t)args->depth, .bits = (unsigned)args->turned};
    TF_TRY(tf_rotation_ready(call));
    tf_span slice = tf_worker_items(call, tf_span_count(rows));
    tf_meet(call);
    tf_rotate_rows(call, &r, rows.begin + slice.begin, rows.begin + slice.end, call->out.c[0]);
    return TF_OK;
}

/** z = this worker's slice of this party's part: of the product with a weight, or products of a batch. Component `id`
 *  of the bias is in it, so every component is added by exactly one party. */
static tf_status matmul_part(tf_call *call) {
    tf_matmul_layout l = layout_of(call->node);
    bool weight = call->in[1].packed || call->in[1].later;
    tf_span rows = {0, l.m};
    if (weight)
        rows = rows_now(call, &l);
    else if (call->part.number != 2 * call->party->id)
        return TF_OK; /* a batch is made at once, with the first part */
    if (rows.begin >= rows.end) return TF_OK;
    const bool few = !weight && few_rows(&l);
    tf_status status = TF_OK;
    tf_span products = tf_worker_items(call, products_of(&l));
    if (weight) status = weight_slice(call, &l, rows);
    for (size_t b = products.begin; b < products.end && few; b++) meet_rows(call, &l, b);
    for (size_t b = products.begin; b < products.end && !weight && !few && !status; b++)
        status = batch_part(call, &l, b);
    if (tf_args(tf_product_args, call->node)->turned) {
        tf_status rotated = rotate_slice(call, &l, rows);
        if (!status) status = rotated;
    }
    tf_meet(call);
    return status;
}

static tf_status matmul_solo(tf_call *call) {
    TF_TRY(matmul_part(call));
    tf_product_solo(call);
    return TF_OK;
}

static tf_status matmul_pair(tf_call *call, int phase) {
    if (phase == 0) TF_TRY(matmul_part(call));
    tf_product_pair(call, phase);
    return TF_OK;
}

static const tf_step matmul_step = {.name = "matmul",
                                    .summary = "batched matrix product, truncated",
                                    .keeps_thirds = keeps_rows,
                                    .widen = tf_product_widen,
                                    .cost = tf_product_cost,
                                    .state = tf_product_state,
                                    .shares_work = true,
                                    .solo = matmul_solo,
                                    .pair = matmul_pair};

static tf_value matmul(tf_program *p, tf_value a, tf_value b, tf_value bias, const tf_matmul_layout *layout,
                       tf_type type, tf_truncation t, bool doubled) {
    tf_product_args args = {.truncation = tf_truncation_write(t), .doubled = doubled, .layout = *layout};
    return tf_append_args(p, &matmul_step, type, bias >= 0 ? WITH_BIAS : OPERANDS, (tf_value[]){a, b, bias}, &args,
                          sizeof args);
}

tf_value tf_matmul(tf_program *p, tf_value a, tf_value b, tf_value bias, tf_matmul_layout layout, tf_shape shape,
                   tf_result result) {
    if (p->status) return -1;
    tf_matmul_layout *l = &layout;
    for (int i = 0; i < TF_BATCH_AXES; i++)
        if (!l->batch[i]) l->batch[i] = 1;
    size_t na = tf_shape_count(tf_type_of(p, a)->shape), nb = tf_shape_count(tf_type_of(p, b)->shape),
           nc = tf_shape_count(shape);
    if (!tf_positions_inside(na, l->batch, l->a_batch, l->m, l->a_row, l->k, 1) ||
        !tf_positions_inside(nb, l->batch, l->b_batch, l->k, l->b_row, l->n, l->b_col) ||
        !tf_positions_inside(nc, l->batch, l->c_batch, l->m, l->c_row, l->n, 1) || nc != products_of(l) * l->m * l->n)
        return tf_program_fail(p,
                               tf_fail(TF_INVALID, "the layout of a matrix product leaves its operands or its result"));
    int frac = tf_type_of(p, a)->frac + tf_type_of(p, b)->frac;
    if (bias >= 0 && (tf_shape_count(tf_type_of(p, bias)->shape) != l->n || tf_type_of(p, bias)->frac != frac))
        return tf_program_fail(p, tf_fail(TF_INVALID,
                                          "the bias of a matrix product is not %zu elements with %d fractional bits",
                                          l->n, frac));
    tf_truncation t;
    tf_type type = tf_product_type(p, shape, frac, result, &t);
    if (bias >= 0) bias = tf_lift(p, bias, t.bits);
    return matmul(p, tf_lift(p, a, t.bits), tf_lift(p, b, t.bits), bias, &layout, type, t, false);
}

/** Fails unless weight and bias are leaves that fit the input. */
static tf_status check_linear(const tf_program *p, tf_value x, tf_value weight, tf_value bias) {
    const tf_node *w = tf_leaf_of(p, weight), *v = tf_leaf_of(p, bias);
    tf_shape shape = tf_type_of(p, x)->shape;
    if (!w || w->shape.rank != 2 || shape.rank < 1 || w->shape.dim[1] != tf_shape_last(shape))
        return tf_fail(TF_INVALID, "a linear layer's weight does not fit its input");
    if (bias >= 0 && (!v || tf_shape_count(v->shape) != w->shape.dim[0]))
        return tf_fail(TF_INVALID, "a linear layer's bias does not fit its weight");
    if (w->leaf == TF_LEAF_PUBLIC_WEIGHT && v && v->leaf == TF_LEAF_WEIGHT)
        return tf_fail(TF_INVALID, "a linear layer's weight %s is public, its bias %s is not", w->name, v->name);
    return TF_OK;
}

/** What is added to a linear layer's product: n gamma; or -1. */
typedef struct scaled {
    tf_value n, gamma;
} scaled;
static const scaled nothing = {-1, -1};

/** With a secret weight; rotated where there is a table; with `finer` fractional bits more, in the same ring. */
static tf_value secret_linear(tf_program *p, tf_value x, tf_value weight, tf_value bias, scaled more, tf_value table,
                              const tf_rotation *r, tf_result result, unsigned finer) {
    enum { FEWEST_TURNED = 10 };
    tf_shape shape = tf_type_of(p, x)->shape, of = tf_leaf_of(p, weight)->shape;
    size_t in = of.dim[1], out = of.dim[0], rows = tf_shape_count(shape) / in;
    shape.dim[shape.rank - 1] = out;
    int weight_frac = tf_factor_frac(p, x), frac = tf_type_of(p, x)->frac + weight_frac;
    tf_truncation t;
    tf_type type = tf_product_type(p, shape, frac, result, &t);
    if (finer > t.shift) finer = t.shift;
    t.shift -= finer, type.bits += finer, type.frac += (int)finer;
    unsigned turned = 0;
    if (r) turned = t.bits + r->bits <= 64 ? r->bits : 64 - t.bits;
    if (r && turned < FEWEST_TURNED)
        return tf_program_fail(p, tf_fail(TF_RANGE,
                                          "a rotated product of %u bits has no room for cosines in 64; use fewer"
                                          " --frac-bits",
                                          t.bits));
    unsigned ring = t.bits + turned;
    x = tf_lift(p, x, ring);
    bool secret = p->model_owner < 0; /* to all parties */
    tf_value y =
        secret && ring >= 64 ? tf_weight(p, weight, weight_frac, ring) : tf_packed_weight(p, weight, weight_frac, ring);
    tf_value b = bias < 0 ? -1 : tf_weight(p, bias, frac, ring);
    tf_product_args args = {
        .truncation = tf_truncation_write(t),
        .doubled = secret && ring < 64,
        .turned = turned,
        .rotated = r ? (int64_t)r->rotated : 0,
        .depth = r ? (int64_t)r->depth : 0,
        .layout = {
            .batch = {1, 1, 1}, .m = rows, .k = in, .n = out, .a_row = in, .b_row = 1, .b_col = in, .c_row = out}};
    tf_value input[WITH_SCALED + 1] = {x, y};
    int inputs = OPERANDS;
    if (b >= 0) input[inputs++] = b;
    if (more.n >= 0) {
        input[inputs++] = tf_lift(p, more.n, ring);
        input[inputs++] = tf_weight(p, more.gamma, frac - tf_type_of(p, more.n)->frac, ring);
    }
    tf_value v = tf_append_args(p, &matmul_step, type, inputs, input, &args, sizeof args);
    return r ? tf_rotation_table(p, v, table, turned) : v;
}

/** The layer of rows that are still to be scaled by a factor each: the factor is put to its result. */
static tf_value linear_then_scaled(tf_program *p, tf_value rows, tf_value factor, tf_value weight, tf_value bias,
                                   tf_result result) {
    const int frac = tf_type_of(p, rows)->frac + tf_factor_frac(p, rows);
    tf_value y = secret_linear(p, rows, weight, -1, nothing, -1, NULL, result, TF_LATER_FRAC);
    if (p->status) return -1;
    const int product = tf_type_of(p, y)->frac + tf_type_of(p, factor)->frac;
    tf_truncation t, ordinary; /* the bias in the ring that it has where nothing is scaled, if that is enough */
    tf_product_type(p, tf_dims(1), frac, result, &ordinary);
    tf_product_type(p, tf_dims(1), product, result, &t);
    const unsigned ring = t.bits - (unsigned)(product - frac);
    tf_value b = bias < 0 ? -1 : tf_weight(p, bias, frac, ring > ordinary.bits ? ring : ordinary.bits);
    return tf_mul_add(p, y, factor, b, result);
}

tf_value tf_linear(tf_program *p, tf_value x, tf_value weight, tf_value bias, tf_result result) {
    if (p->status) return -1;
    tf_status status = check_linear(p, x, weight, bias);
    if (status) return tf_program_fail(p, status);
    const tf_node *w = tf_leaf_of(p, weight);
    if (w->leaf == TF_LEAF_PUBLIC_WEIGHT) return tf_public_linear(p, x, w, tf_leaf_of(p, bias), result);
    tf_value rows, factor;
    if (!result.wide && tf_rows_and_factor(p, x, &rows, &factor))
        return linear_then_scaled(p, rows, factor, weight, bias, result);
    return secret_linear(p, x, weight, bias, nothing, -1, NULL, result, 0);
}

tf_value tf_linear_plus(tf_program *p, tf_value x, tf_value weight, tf_value bias, tf_value n, tf_value gamma,
                        tf_result result) {
    if (p->status) return -1;
    tf_status status = check_linear(p, x, weight, bias);
    const tf_node *w = tf_leaf_of(p, weight), *factors = tf_leaf_of(p, gamma);
    tf_shape shape = tf_type_of(p, n)->shape;
    if (!status &&
        (!factors || tf_shape_count(factors->shape) != w->shape.dim[0] || w->leaf != TF_LEAF_WEIGHT ||
         tf_shape_last(shape) != w->shape.dim[0] || result.wide ||
         tf_shape_count(shape) / tf_shape_last(shape) != tf_shape_count(tf_type_of(p, x)->shape) / w->shape.dim[1]))
        status = tf_fail(TF_INVALID, "what is added to a linear layer does not fit its result");
    if (status) return tf_program_fail(p, status);
    return secret_linear(p, x, weight, bias, (scaled){n, gamma}, -1, NULL, result, 0);
}

tf_value tf_linear_rotated(tf_program *p, tf_value x, tf_value weight, tf_value bias, tf_value table, size_t rotated,
                           tf_result result) {
    enum { SPARE_BITS = 4 }; /* with a public weight: what the truncation before the rotation leaves */
    if (p->status) return -1;
    tf_status status = check_linear(p, x, weight, bias);
    const tf_node *w = tf_leaf_of(p, weight);
    tf_rotation r;
    if (!status)
        status = tf_rotation_of(p, table, tf_shape_count(tf_type_of(p, x)->shape) / w->shape.dim[1], w->shape.dim[0],
                                rotated, &r);
    if (!status && result.wide) status = tf_fail(TF_INVALID, "a rotated linear layer cannot stay in Z_2^64");
    if (status) return tf_program_fail(p, status);
    if (w->leaf != TF_LEAF_PUBLIC_WEIGHT) return secret_linear(p, x, weight, bias, nothing, table, &r, result, 0);
    tf_result before = {.frac = result.frac + SPARE_BITS, .bound = result.bound};
    return tf_rotate(p, tf_public_linear(p, x, w, tf_leaf_of(p, bias), before), table, rotated, result);
}
