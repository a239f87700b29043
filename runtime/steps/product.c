/*
 * Products: element by element and dot products over the last axis here, matrix products in matmul.c, with the
 * truncation fused in.
 *
 * Each party computes its additive part of the result, then L and R swap theirs: c = z_L + z_R and v = z_S, the 2+1
 * view, in the very round in which S already sends its truncation message.
 *
 * What the receivers learn. z_L is masked by a stream of k_s that R does not hold, z_R by one of k_(s+1) that L does
 * not hold; S adds the first and subtracts the second, so the masks cancel in c + v and both messages are uniform to
 * their receivers. S's message is the truncation's. A narrow truncation comes first: each party drops the low bits of
 * its own masked part, so that they are never swapped.
 *
 * Local work. The nine cross products x_a y_b take five ring products over the three parties: the party of a row third
 * makes (x_t + x_(t+1))(y_t + y_(t+1)), the other two make two each. Where one component of y is publicly zero (what a
 * party itself put in), three are enough, one for each party: its owner has both others and makes
 * (x_o + x_(o+1))(y_o + y_(o+1)); the neighbours make x_(o+2) y_o and x_(o+2) y_(o+1). Where no party may know y (its
 * owner is outside), three are enough as well: they add up to twice the product mod 2^(l+1), and each party halves its
 * masked part: see PROTOCOLS.md, "Three products".
 */
#include "runtime/steps/product.h"

#include <math.h>
#include <string.h>

#include "runtime/steps/local.h"

enum { ZERO = 1 }; /* purpose of the streams that mask the parts */

/** What is left to do once each party has dropped what it drops by itself: nothing, but in Z_2^64. */
static tf_truncation truncation_of(const tf_step_node *node) {
    tf_truncation t = tf_product_truncation(node);
    return t.wide ? t : (tf_truncation){.bits = t.bits - t.shift};
}

void tf_product_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    tf_truncation t = truncation_of(node);
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 1;
    traffic->exchanges = t.wide ? 2 : 1;
    tf_traffic_deal(traffic, n, tf_truncation_dealt(t));
    tf_traffic_swap(traffic, 0, n, tf_bytes_of(t.bits));
    if (t.wide) tf_traffic_swap(traffic, 1, n, tf_truncation_swapped(t));
}

size_t tf_product_state(const tf_program *program, const tf_step_node *node) {
    return tf_product_truncation(node).wide ? tf_shape_count(node->type.shape) : 0;
}

/**
 * From masked parts that add up to 2^d times the result, or nearly, mod 2^(bits+d), to parts that add up to the
 * result mod 2^bits, less three units at most: each party drops d bits of its own, and what wraps vanishes with them.
 * These are the truncation's bits, 1 of doubled parts, and of rotated ones the bits of cosines and sines. Being masked
 * already, what is lost of each says nothing; it goes to the word's upper end, which pads messages, so that they are
 * uniform throughout.
 */
static unsigned dropped(const tf_step_node *node) {
    const tf_product_args *args = tf_args(tf_product_args, node);
    return (unsigned)(args->doubled + args->turned + (args->truncation.wide ? 0 : args->truncation.shift));
}

/** Whether units are those of the result: without, what is dropped lies below what a later truncation rounds. */
static bool truncates(const tf_step_node *node) {
    const tf_truncation_args *args = &tf_args(tf_product_args, node)->truncation;
    return !args->wide && args->shift;
}

/** x without `drop` low bits, which come to its upper end. */
static inline uint64_t without(unsigned drop, uint64_t x) {
    return x >> drop | x << (-drop & 63);
}

/** A block of S, whose part of the products is in out.c[0]. */
TF_MULTIVERSION static void solo_block(tf_call *call, size_t at, size_t count) {
    const int own = call->part.own;
    const unsigned drop = dropped(call->node);
    /* three floors lower the sum by a unit and a half in the mean */
    const uint64_t centre = truncates(call->node) ? (UINT64_C(3) << (drop - 1)) - 1 : 0, *z = call->out.c[0] + at;
    uint64_t v[TF_BLOCK], mask[TF_BLOCK];
    tf_fetch_words(z);
    tf_element_stream(call, own, ZERO, at, count, v);
    tf_element_stream(call, 1 - own, ZERO, at, count, mask);
    for (size_t i = 0; i < count; i++) v[i] = without(drop, v[i] + z[i] - mask[i] + centre);
    tf_truncation_solo(call, truncation_of(call->node), at, count, v);
}

static inline __attribute__((always_inline)) void mask_part(unsigned size, const uint64_t *restrict mask, uint64_t flip,
                                                            unsigned drop, size_t count, uint64_t *restrict z,
                                                            void *restrict sent) {
    for (size_t i = 0; i < count; i++) {
        const uint64_t part = without(drop, z[i] + (mask[i] ^ flip) - flip);
        z[i] = part;
        tf_number_put(sent, size, i, part);
    }
}

/** A block of L or R, whose part of the products is in out.c[0]: masked there, and sent. */
TF_MULTIVERSION static void send_block(tf_call *call, size_t at, size_t count) {
    const unsigned bytes = tf_bytes_of(truncation_of(call->node).bits);
    const uint64_t flip = call->part.role == TF_LEFT ? ~UINT64_C(0) : 0; /* subtracts */
    uint64_t mask[TF_BLOCK], room[TF_BLOCK];
    uint8_t *message = call->message + (at - call->part.span.begin) * bytes;
    tf_fetch_words(call->out.c[0] + at);
    tf_element_stream(call, call->part.own, ZERO, at, count, mask);
    TF_WITH_NUMBER_SIZE(tf_number_size(bytes), mask_part, mask, flip, dropped(call->node), count, call->out.c[0] + at,
                        tf_number_place(message, bytes, room))
    tf_number_sent(call, message, count, bytes, room);
}

/** Both components from this side's part, which is in the first, the other's, and this side's share of S's. */
static inline __attribute__((always_inline)) void join_parts(unsigned size, const void *restrict other,
                                                             const void *restrict share, bool second, size_t count,
                                                             uint64_t *restrict first_out,
                                                             uint64_t *restrict second_out) {
    for (size_t i = 0; i < count; i++) {
        const uint64_t common = first_out[i] + tf_number_get(other, size, i), own = tf_number_get(share, size, i);
        first_out[i] = second ? common : own;
        second_out[i] = second ? own : common;
    }
}

/** A block of L or R in the phases after that. */
TF_MULTIVERSION static void receive_block(tf_call *call, int phase, size_t at, size_t count) {
    const tf_truncation t = truncation_of(call->node);
    const unsigned bytes = tf_bytes_of(t.bits);
    if (phase > 1) {
        tf_truncation_finish(call, t, at, count);
        return;
    }
    uint64_t room[TF_BLOCK], block[TF_BLOCK], *first = call->out.c[0] + at, *second = call->out.c[1] + at;
    tf_fetch_words(first);
    const void *other = tf_number_read(call, call->received + (at - call->part.span.begin) * bytes, count, bytes, room);
    if (t.wide) {
        for (size_t i = 0; i < count; i++) block[i] = first[i] + tf_number_get(other, sizeof *block, i);
        tf_truncation_pair(call, t, at, count, block);
        return;
    }
    const void *share = tf_truncation_share(call, t, at, count, block);
    TF_WITH_NUMBER_SIZE(tf_number_size(bytes), join_parts, other, share, call->part.own == 1, count, first, second)
}

void tf_product_solo(tf_call *call) {
    tf_for_blocks(call, at, count) solo_block(call, at, count);
}

void tf_product_pair(tf_call *call, int phase) {
    tf_for_blocks(call, at, count) {
        if (phase == 0)
            send_block(call, at, count);
        else
            receive_block(call, phase, at, count);
    }
}

double tf_product_widen(tf_program *p, tf_value value, unsigned bits, bool now) {
    tf_step_node *node = &p->node[value];
    tf_truncation_args *t = &((tf_product_args *)node->arg)->truncation;
    const tf_product_args *args = tf_args(tf_product_args, node);
    unsigned ring = bits + (unsigned)(t->shift + args->turned), before = tf_bytes_of(node->type.bits);
    if (t->wide || args->doubled || ring > 64) return INFINITY;
    double more = 3.0 * (tf_bytes_of(bits) - (double)before) * (double)tf_shape_count(node->type.shape);
    const unsigned added = args->layout.m ? ring : ring - (unsigned)args->coarser; /* what is added to products */
    for (int k = 0; k < p->node[value].inputs; k++)
        if (!k || p->node[value].input[k] != p->node[value].input[k - 1])
            more += tf_widen(p, p->node[value].input[k], k > 1 ? added : ring, now);
    if (now) ((tf_product_args *)p->node[value].arg)->truncation.bits = bits + t->shift;
    return more;
}

/* Element by element, and dot products: the part of a third by roles -------------------------------------------- */

static inline uint64_t part_of(tf_crossing cross, uint64_t x0, uint64_t x1, uint64_t y0, uint64_t y1) {
    switch (cross) {
    case FOUR: return (x0 + x1) * (y0 + y1);
    case NEXT: return x0 * y1 + x1 * y0;
    default: return x0 * (y0 + y1) + x1 * y0;
    }
}

static inline __attribute__((always_inline)) void multiply_as(tf_crossing cross, tf_factors f, size_t count,
                                                              uint64_t *restrict z) {
    const uint64_t *restrict x0 = f.x0, *restrict x1 = f.x1, *restrict y0 = f.y0, *restrict y1 = f.y1;
    for (size_t i = 0; i < count; i++) z[i] = part_of(cross, x0[i], x1[i], y0[i], y1[i]);
}

static inline __attribute__((always_inline)) uint64_t dot_as(tf_crossing cross, tf_factors f, size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += part_of(cross, f.x0[i], f.x1[i], f.y0[i], f.y1[i]);
    return sum;
}

TF_MULTIVERSION static void multiply_factors(tf_crossing cross, tf_factors f, size_t count, uint64_t *z) {
    if (cross == FOUR)
        multiply_as(FOUR, f, count, z);
    else if (cross == NEXT)
        multiply_as(NEXT, f, count, z);
    else
        multiply_as(BEFORE, f, count, z);
}

TF_MULTIVERSION uint64_t tf_dot_factors(tf_crossing cross, tf_factors f, size_t count) {
    return cross == FOUR ? dot_as(FOUR, f, count) : cross == NEXT ? dot_as(NEXT, f, count) : dot_as(BEFORE, f, count);
}

static inline __attribute__((always_inline)) void add_multiples_as(tf_crossing cross, tf_factors f, size_t count,
                                                                   uint64_t *restrict z) {
    const uint64_t x0 = *f.x0, x1 = *f.x1, *restrict y0 = f.y0, *restrict y1 = f.y1;
    for (size_t i = 0; i < count; i++) z[i] += part_of(cross, x0, x1, y0[i], y1[i]);
}

TF_MULTIVERSION void tf_add_multiples(tf_crossing cross, tf_factors f, size_t count, uint64_t *z) {
    if (cross == FOUR)
        add_multiples_as(FOUR, f, count, z);
    else if (cross == NEXT)
        add_multiples_as(NEXT, f, count, z);
    else
        add_multiples_as(BEFORE, f, count, z);
}

TF_MULTIVERSION static void add_shifted(const uint64_t *restrict x, unsigned shift, size_t count,
                                        uint64_t *restrict z) {
    for (size_t i = 0; i < count; i++) z[i] += x[i] << shift;
}

/** z = this party's part of a block of products, and component `id` of what is added to them, so that every component
 *  is added by exactly one party. */
static void multiply_block(const tf_call *call, size_t at, size_t count, uint64_t *z) {
    uint64_t room[4][TF_BLOCK];
    const uint64_t *in[4];
    for (int k = 0; k < 4; k++) in[k] = tf_repeated_block(call, k / 2, k % 2, at, count, room[k]);
    multiply_factors(tf_crossing_of(call, call->part.number / 2), (tf_factors){in[0], in[1], in[2], in[3]}, count, z);
    if (call->node->inputs < 3) return;
    const unsigned coarser = (unsigned)tf_args(tf_product_args, call->node)->coarser;
    add_shifted(tf_repeated_block(call, 2, 0, at, count, room[0]), coarser, count, z);
}

/** z = this party's part of a block of sums of `inner` products each; an operand of one row serves all sums. */
static void dot_block(const tf_call *call, size_t at, size_t count, uint64_t *z) {
    const size_t inner = (size_t)tf_args(tf_product_args, call->node)->inner;
    bool row[2];
    for (int k = 0; k < 2; k++) row[k] = tf_shape_count(call->program->node[call->node->input[k]].type.shape) == inner;
    for (size_t r = 0; r < count; r++) {
        size_t x = row[0] ? 0 : (at + r) * inner, y = row[1] ? 0 : (at + r) * inner;
        tf_factors f = {call->in[0].c[0] + x, call->in[0].c[1] + x, call->in[1].c[0] + y, call->in[1].c[1] + y};
        z[r] = tf_dot_factors(tf_crossing_of(call, call->part.number / 2), f, inner);
    }
}

static void make_part(const tf_call *call, size_t at, size_t count, uint64_t *z) {
    if (tf_args(tf_product_args, call->node)->inner)
        dot_block(call, at, count, z);
    else
        multiply_block(call, at, count, z);
}

static tf_status multiply_solo(tf_call *call) {
    tf_for_blocks(call, at, count) {
        make_part(call, at, count, call->out.c[0] + at);
        solo_block(call, at, count);
    }
    return TF_OK;
}

static tf_status multiply_pair(tf_call *call, int phase) {
    tf_for_blocks(call, at, count) {
        if (phase == 0) {
            make_part(call, at, count, call->out.c[0] + at);
            send_block(call, at, count);
        } else {
            receive_block(call, phase, at, count);
        }
    }
    return TF_OK;
}

static const tf_step multiply_step = {.name = "multiply",
                                      .summary = "products of elements, truncated",
                                      .elementwise = true,
                                      .reads_whole = tf_repeated_whole,
                                      .widen = tf_product_widen,
                                      .cost = tf_product_cost,
                                      .state = tf_product_state,
                                      .shares_work = true,
                                      .solo = multiply_solo,
                                      .pair = multiply_pair};

static const tf_step dot_step = {.name = "dot",
                                 .summary = "dot products over the last axis, truncated once",
                                 .widen = tf_product_widen,
                                 .cost = tf_product_cost,
                                 .state = tf_product_state,
                                 .shares_work = true,
                                 .solo = multiply_solo,
                                 .pair = multiply_pair};

tf_type tf_product_type(const tf_program *p, tf_shape shape, int frac, tf_result result, tf_truncation *t) {
    double bound = result.bound > 0 ? result.bound : tf_default_bound(p);
    tf_type type = {.shape = shape, .kind = TF_SHARE, .frac = result.frac, .bound = bound, .zero = -1};
    unsigned shift = frac > result.frac ? (unsigned)(frac - result.frac) : 0;
    if (shift == 0) type.frac = frac;
    *t = tf_truncation_into(tf_width(type.frac, bound), shift, result.wide, 0);
    type.bits = t->wide ? tf_truncation_ring(tf_width(type.frac + (int)shift, bound)) : t->bits - t->shift;
    return type;
}

/* Builders ------------------------------------------------------------------------------------------------------- */

bool tf_positions_inside(size_t count, const size_t batch[], const size_t batch_stride[], size_t rows, size_t row,
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

tf_value tf_mul_add(tf_program *p, tf_value a, tf_value b, tf_value more, tf_result result) {
    if (p->status) return -1;
    tf_shape shape;
    tf_status status = tf_shape_broadcast(tf_type_of(p, a)->shape, tf_type_of(p, b)->shape, &shape);
    if (status) return tf_program_fail(p, status);
    tf_truncation t;
    const int frac = tf_type_of(p, a)->frac + tf_type_of(p, b)->frac;
    tf_type type = tf_product_type(p, shape, frac, result, &t);
    tf_value input[3] = {tf_repeatable(p, tf_lift(p, a, t.bits), shape), tf_repeatable(p, tf_lift(p, b, t.bits), shape),
                         more};
    tf_product_args args = {.truncation = tf_truncation_write(t)};
    tf_repeated r;
    const tf_type *added = more >= 0 ? tf_type_of(p, more) : NULL;
    const int coarser = added ? frac - added->frac : 0;
    bool together = added && !t.wide && added->frac >= type.frac && coarser >= 0 &&
                    (int)added->bits >= (int)t.bits - coarser && tf_repeats(added->shape, shape, &r);
    if (together) args.coarser = coarser;
    tf_value v = tf_append_args(p, &multiply_step, type, together ? 3 : 2, input, &args, sizeof args);
    return !added || together ? v : tf_add(p, v, more);
}

tf_value tf_mul(tf_program *p, tf_value a, tf_value b, tf_result result) {
    return tf_mul_add(p, a, b, -1, result);
}

tf_value tf_scale_rows(tf_program *p, tf_value rows, tf_value factor, tf_result result) {
    tf_value v = tf_mul(p, rows, factor, result);
    if (v < 0) return -1;
    p->node[v].row = rows;
    p->node[v].factor = factor;
    return v;
}

tf_value tf_dot(tf_program *p, tf_value a, tf_value b, tf_result result) {
    if (p->status) return -1;
    tf_shape whole;
    tf_status status = tf_shape_broadcast(tf_type_of(p, a)->shape, tf_type_of(p, b)->shape, &whole);
    if (status) return tf_program_fail(p, status);
    tf_shape shape = whole;
    if (shape.rank) shape.rank--;
    tf_truncation t;
    tf_type type = tf_product_type(p, shape, tf_type_of(p, a)->frac + tf_type_of(p, b)->frac, result, &t);
    tf_product_args args = {.truncation = tf_truncation_write(t), .inner = (int64_t)tf_shape_last(whole)};
    tf_value input[2] = {tf_lift(p, a, t.bits), tf_lift(p, b, t.bits)};
    for (int k = 0; k < 2; k++) { /* a single row is read again for each sum */
        tf_shape of = p->status ? whole : tf_type_of(p, input[k])->shape;
        bool row = tf_shape_count(of) == (size_t)args.inner && of.rank && tf_shape_last(of) == (size_t)args.inner;
        if (!row) input[k] = tf_expand(p, input[k], whole);
    }
    return tf_append_args(p, &dot_step, type, 2, input, &args, sizeof args);
}
