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

TF_MULTIVERSION static void drop_bits(const tf_step_node *node, uint64_t *part, size_t count) {
    unsigned drop = dropped(node);
    if (!drop) return;
    for (size_t i = 0; i < count; i++) part[i] = part[i] >> drop | part[i] << (64 - drop);
}

/** A block of S, whose part of the products is z. */
TF_MULTIVERSION static void solo_block(tf_call *call, size_t at, size_t count, const uint64_t *z) {
    int own = call->part.own;
    unsigned drop = dropped(call->node);
    /* three floors lower the sum by a unit and a half in the mean */
    uint64_t centre = truncates(call->node) ? (UINT64_C(3) << (drop - 1)) - 1 : 0;
    uint64_t v[TF_BLOCK], mask[TF_BLOCK];
    tf_element_stream(call, own, ZERO, at, count, v);
    tf_element_stream(call, 1 - own, ZERO, at, count, mask);
    for (size_t i = 0; i < count; i++) v[i] += z[i] - mask[i] + centre;
    drop_bits(call->node, v, count);
    tf_truncation_solo(call, truncation_of(call->node), at, count, v);
}

/** A block of L or R, whose part of the products is z: masked, kept and sent. */
TF_MULTIVERSION static void send_block(tf_call *call, size_t at, size_t count, const uint64_t *z) {
    const unsigned bytes = tf_bytes_of(truncation_of(call->node).bits);
    const uint64_t flip = call->part.role == TF_LEFT ? ~UINT64_C(0) : 0; /* subtracts */
    uint64_t mask[TF_BLOCK], *kept = call->out.c[1 - call->part.own] + at;
    tf_element_stream(call, call->part.own, ZERO, at, count, mask);
    for (size_t i = 0; i < count; i++) kept[i] = z[i] + (mask[i] ^ flip) - flip;
    drop_bits(call->node, kept, count);
    call->party->kernels->pack_bytes(kept, count, bytes, call->message + (at - call->part.span.begin) * bytes);
}

/** A block of L or R in the phases after that. */
TF_MULTIVERSION static void receive_block(tf_call *call, int phase, size_t at, size_t count) {
    const tf_truncation t = truncation_of(call->node);
    const unsigned bytes = tf_bytes_of(t.bits);
    if (phase > 1) {
        tf_truncation_finish(call, t, at, count);
        return;
    }
    uint64_t block[TF_BLOCK];
    const uint64_t *kept = call->out.c[1 - call->part.own] + at;
    call->party->kernels->unpack_bytes(call->received + (at - call->part.span.begin) * bytes, count, bytes, block);
    for (size_t i = 0; i < count; i++) block[i] += kept[i];
    tf_truncation_pair(call, t, at, count, block);
}

void tf_product_solo(tf_call *call) {
    tf_for_blocks(call, at, count) {
        solo_block(call, at, count, call->out.c[0] + at);
    }
}

void tf_product_pair(tf_call *call, int phase) {
    tf_for_blocks(call, at, count) {
        if (phase == 0)
            send_block(call, at, count, call->out.c[0] + at);
        else
            receive_block(call, phase, at, count);
    }
}

/* Element by element, and dot products: the part of a third by roles -------------------------------------------- */

static inline uint64_t part_of(tf_crossing cross, uint64_t x0, uint64_t x1, uint64_t y0, uint64_t y1) {
    switch (cross) {
    case FOUR: return (x0 + x1) * (y0 + y1);
    case NEXT: return x0 * y1 + x1 * y0;
    default: return x0 * (y0 + y1) + x1 * y0;
    }
}

/** z = this party's part of a block of products, or of sums of `inner` products each. */
TF_MULTIVERSION static void multiply_block(const tf_call *call, size_t at, size_t count, uint64_t *z) {
    const size_t inner = (size_t)tf_args(tf_product_args, call->node)->inner, from = at * inner;
    const uint64_t *x0 = call->in[0].c[0] + from, *x1 = call->in[0].c[1] + from, *y0 = call->in[1].c[0] + from,
                   *y1 = call->in[1].c[1] + from;
    tf_crossing cross = tf_crossing_of(call, call->part.number / 2);
    for (size_t r = 0; inner > 1 && r < count; r++) {
        uint64_t sum = 0;
        for (size_t i = r * inner; i < (r + 1) * inner; i++) sum += part_of(cross, x0[i], x1[i], y0[i], y1[i]);
        z[r] = sum;
    }
    if (inner > 1) return;
    if (cross == FOUR)
        for (size_t i = 0; i < count; i++) z[i] = part_of(FOUR, x0[i], x1[i], y0[i], y1[i]);
    else if (cross == NEXT)
        for (size_t i = 0; i < count; i++) z[i] = part_of(NEXT, x0[i], x1[i], y0[i], y1[i]);
    else
        for (size_t i = 0; i < count; i++) z[i] = part_of(BEFORE, x0[i], x1[i], y0[i], y1[i]);
}

static tf_status multiply_solo(tf_call *call) {
    tf_for_blocks(call, at, count) {
        uint64_t z[TF_BLOCK];
        multiply_block(call, at, count, z);
        solo_block(call, at, count, z);
    }
    return TF_OK;
}

static tf_status multiply_pair(tf_call *call, int phase) {
    tf_for_blocks(call, at, count) {
        uint64_t z[TF_BLOCK];
        if (phase == 0) {
            multiply_block(call, at, count, z);
            send_block(call, at, count, z);
        } else {
            receive_block(call, phase, at, count);
        }
    }
    return TF_OK;
}

static const tf_step multiply_step = {.name = "multiply",
                                      .summary = "products of elements, truncated",
                                      .elementwise = true,
                                      .cost = tf_product_cost,
                                      .state = tf_product_state,
                                      .shares_work = true,
                                      .solo = multiply_solo,
                                      .pair = multiply_pair};

static const tf_step dot_step = {.name = "dot",
                                 .summary = "dot products over the last axis, truncated once",
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

static tf_value elementwise(tf_program *p, const tf_step *step, tf_value a, tf_value b, tf_result result) {
    if (p->status) return -1;
    tf_shape shape;
    tf_status status = tf_shape_broadcast(tf_type_of(p, a)->shape, tf_type_of(p, b)->shape, &shape);
    if (status) return tf_program_fail(p, status);
    tf_shape whole = shape;
    if (step == &dot_step && shape.rank) shape.rank--;
    tf_truncation t;
    tf_type type = tf_product_type(p, shape, tf_type_of(p, a)->frac + tf_type_of(p, b)->frac, result, &t);
    tf_value input[2] = {tf_expand(p, tf_lift(p, a, t.bits), whole), tf_expand(p, tf_lift(p, b, t.bits), whole)};
    tf_product_args args = {.truncation = tf_truncation_write(t),
                            .inner = step == &dot_step ? (int64_t)tf_shape_last(whole) : 1};
    return tf_append_args(p, step, type, 2, input, &args, sizeof args);
}

tf_value tf_mul(tf_program *p, tf_value a, tf_value b, tf_result result) {
    return elementwise(p, &multiply_step, a, b, result);
}

tf_value tf_dot(tf_program *p, tf_value a, tf_value b, tf_result result) {
    return elementwise(p, &dot_step, a, b, result);
}
