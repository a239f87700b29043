/*
 * A selection of one value that comes in a wider ring, Z_2^n, than the value has, Z_2^m: a selection and a lift in the
 * exchange of the former. As in a lift, |x| < 2^(m-2), 2^(m-2) is added to c first, and as integers
 *     x = c + v - 2^m + 2^m nc nv,
 * nc and nv telling that the top bits of c and of v are zero. With b = delta ^ rho, delta known to L and R and rho to
 * S, b x = delta x + (1 - 2 delta)(rho c + rho (v - 2^m) + 2^m nc rho nv). S deals rho and rho (v - 2^m) mod 2^n and,
 * as multiples of 2^m, rho nv, nv, and what wraps in the sum of its own two components of v, with which L and R make
 * delta x. Where b is 0 the result is 0, whatever x is.
 *
 * What the receivers learn. R gets five elements less streams of k_s that it does not hold. L and R swap their parts of
 * the result less streams shared with S alone.
 */
#include "runtime/steps/select_lifted.h"

#include <math.h>

#include "runtime/steps/steps.h"

/* The elements that S deals: rho, rho (v - 2^m), both mod 2^n; as multiples of 2^m: rho nv, nv, own wrap. */
enum { MULTIPLES = 2, DEALT = 5 };
enum { ELEMENT = 1, MU = ELEMENT + DEALT }; /* purposes */

static unsigned from_of(const tf_call *call) {
    return (unsigned)tf_args(tf_select_args, call->node)->from;
}

static unsigned wide_bytes(const tf_step_node *node) {
    return tf_bytes_of(node->type.bits);
}
static unsigned narrow_bytes(const tf_step_node *node, unsigned from) {
    return tf_bytes_of(node->type.bits - from);
}

static void lifted_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    unsigned wide = wide_bytes(node), narrow = narrow_bytes(node, (unsigned)tf_args(tf_select_args, node)->from);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, MULTIPLES * wide + (DEALT - MULTIPLES) * narrow);
    tf_traffic_swap(traffic, 0, n, wide);
}

/** Bytes of element k, and where a block's begin in S's message. */
static unsigned element_bytes(const tf_call *call, int k) {
    return k < MULTIPLES ? wide_bytes(call->node) : narrow_bytes(call->node, from_of(call));
}
static size_t in_message(const tf_call *call, int k, size_t at) {
    size_t n = tf_span_count(call->part.span), before = 0;
    for (int j = 0; j < k; j++) before += n * element_bytes(call, j);
    return before + (at - call->part.span.begin) * element_bytes(call, k);
}

/** A block's elements as they are dealt, masked or masks. The narrow ones are numbers of their size. */
typedef struct dealt_block {
    uint64_t room[DEALT][TF_BLOCK];
    const void *element[DEALT];
} dealt_block;

static void element_streams(tf_call *call, size_t at, size_t count, dealt_block *d) {
    for (int k = 0; k < DEALT; k++) {
        const unsigned bytes = k < MULTIPLES ? sizeof(uint64_t) : element_bytes(call, k);
        tf_number_stream(call, call->part.own, (unsigned)(ELEMENT + k), bytes, at, count, d->room[k]);
        d->element[k] = d->room[k];
    }
}

/** What S deals of a block, less the masks that are there. */
static inline __attribute__((always_inline)) void
deal_lifted(unsigned size, const uint64_t *restrict rho, const uint64_t *restrict x, const uint64_t *restrict y,
            unsigned m, size_t count, uint64_t *restrict bit, uint64_t *restrict product,
            const void *restrict zero_mask, const void *restrict nv_mask, const void *restrict wrap_mask,
            void *restrict zero_sent, void *restrict nv_sent, void *restrict wrap_sent) {
    const uint64_t mask = tf_mask(m);
    for (size_t i = 0; i < count; i++) {
        const uint64_t sum = (x[i] & mask) + (y[i] & mask), nv = 1 - (sum >> (m - 1) & 1);
        bit[i] = (rho[i] & 1) - bit[i];
        product[i] = (rho[i] & ((sum & mask) - (UINT64_C(1) << m))) - product[i];
        tf_number_put(zero_sent, size, i, (rho[i] & nv) - tf_number_get(zero_mask, size, i));
        tf_number_put(nv_sent, size, i, nv - tf_number_get(nv_mask, size, i));
        tf_number_put(wrap_sent, size, i, (sum >> m) - tf_number_get(wrap_mask, size, i));
    }
}

TF_MULTIVERSION static void lifted_solo_block(tf_call *call, size_t at, size_t count) {
    const tf_kernels *kernels = call->party->kernels;
    const unsigned m = from_of(call), wide = wide_bytes(call->node), narrow = narrow_bytes(call->node, m);
    uint64_t rho[TF_BLOCK], room[DEALT][TF_BLOCK];
    uint8_t *message[DEALT];
    void *sent[DEALT];
    dealt_block d;
    for (int k = 0; k < DEALT; k++) {
        message[k] = call->message + in_message(call, k, at);
        sent[k] = tf_number_place(message[k], narrow, room[k]);
    }
    for (int j = 0; j < 2; j++) tf_fetch_words(call->in[1].c[j] + at);
    tf_expand_bits(call->in[0].bit, at, count, false, rho);
    element_streams(call, at, count, &d);
    TF_WITH_NUMBER_SIZE(tf_number_size(narrow), deal_lifted, rho, call->in[1].c[0] + at, call->in[1].c[1] + at, m,
                        count, d.room[0], d.room[1], d.room[2], d.room[3], d.room[4], sent[2], sent[3], sent[4])
    for (int k = 0; k < MULTIPLES; k++) kernels->pack_bytes(d.room[k], count, wide, message[k]);
    for (int k = MULTIPLES; k < DEALT; k++) tf_number_sent(call, message[k], count, narrow, room[k]);
    tf_reshare_solo(call, (tf_reshare){MU, 0}, at, count);
}

static tf_status lifted_solo(tf_call *call) {
    tf_for_blocks(call, at, count) lifted_solo_block(call, at, count);
    return TF_OK;
}

/** L or R: its shares of what S deals. */
static void take(tf_call *call, size_t at, size_t count, dealt_block *d) {
    const tf_kernels *kernels = call->party->kernels;
    if (call->part.role == TF_LEFT) {
        element_streams(call, at, count, d);
        return;
    }
    for (int k = 0; k < DEALT; k++) {
        const uint8_t *in = call->dealt + in_message(call, k, at);
        d->element[k] = d->room[k];
        if (k < MULTIPLES)
            kernels->unpack_bytes(in, count, element_bytes(call, k), d->room[k]);
        else
            d->element[k] = tf_number_read(call, in, count, element_bytes(call, k), d->room[k]);
    }
}

/** This side's part of a block; `one` is all ones on the side that counts what both know. */
static inline __attribute__((always_inline)) void
lifted_part(unsigned size, const uint64_t *restrict half, const uint64_t *restrict common,
            const uint64_t *restrict delta, const uint64_t *restrict bit, const uint64_t *restrict product,
            const void *restrict zero_share, const void *restrict nv_share, const void *restrict wrap_share, unsigned m,
            uint64_t one, size_t count, uint64_t *restrict part) {
    const uint64_t mask = tf_mask(m), offset = UINT64_C(1) << (m - 2);
    for (size_t i = 0; i < count; i++) {
        const uint64_t sum = (common[i] + offset) & mask, c = sum - offset, zero = (sum >> (m - 1)) - 1;
        const uint64_t once = c * bit[i] + product[i] + ((tf_number_get(zero_share, size, i) & zero) << m);
        const uint64_t wraps = (tf_number_get(nv_share, size, i) & zero) - tf_number_get(wrap_share, size, i);
        const uint64_t x = (half[i] & mask) + ((c - (UINT64_C(1) << m)) & one) + (wraps << m);
        part[i] = ((once ^ delta[i]) - delta[i]) + (delta[i] & x);
    }
}

TF_MULTIVERSION static void lifted_pair_block(tf_call *call, size_t at, size_t count) {
    const unsigned m = from_of(call), narrow = narrow_bytes(call->node, m);
    const int own = call->part.own;
    uint64_t one = call->part.role == TF_LEFT ? ~UINT64_C(0) : 0;
    uint64_t delta[TF_BLOCK], part[TF_BLOCK];
    dealt_block d;
    for (int j = 0; j < 2; j++) tf_fetch_words(call->in[1].c[j] + at);
    take(call, at, count, &d);
    tf_expand_bits(call->in[0].bit, at, count, tf_args(tf_select_args, call->node)->negate[0], delta);
    TF_WITH_NUMBER_SIZE(tf_number_size(narrow), lifted_part, call->in[1].c[own] + at, call->in[1].c[1 - own] + at,
                        delta, d.room[0], d.room[1], d.element[2], d.element[3], d.element[4], m, one, count, part)
    tf_reshare_send(call, (tf_reshare){MU, 0}, at, count, part);
}

static tf_status lifted_pair(tf_call *call, int phase) {
    tf_for_blocks(call, at, count) {
        if (phase == 0)
            lifted_pair_block(call, at, count);
        else
            tf_reshare_receive(call, at, count);
    }
    return TF_OK;
}

static const tf_step lifted_step = {.name = "select_lifted",
                                    .summary = "bit * value, in a wider ring",
                                    .takes_bits = true,
                                    .elementwise = true,
                                    .widen = tf_select_widen,
                                    .cost = lifted_cost,
                                    .shares_work = true,
                                    .solo = lifted_solo,
                                    .pair = lifted_pair};

/** Bytes of an element: of a selection lifted from `from` to `to` bits. */
static double lifted_bytes(unsigned from, unsigned to) {
    return (MULTIPLES + 2) * tf_bytes_of(to) + (DEALT - MULTIPLES) * tf_bytes_of(to - from);
}

double tf_select_widen(tf_program *p, tf_value selection, unsigned bits, bool now) {
    tf_step_node *node = &p->node[selection];
    const tf_type *x = tf_type_of(p, node->input[1]);
    const bool is_lifted = node->step == &lifted_step;
    const unsigned from = is_lifted ? (unsigned)tf_args(tf_select_args, node)->from : x->bits;
    if (node->inputs != 2 || from >= bits || tf_width(x->frac, x->bound) > from) return INFINITY;
    double before = is_lifted ? lifted_bytes(from, node->type.bits) : 4.0 * wide_bytes(node);
    if (now) {
        node->step = &lifted_step;
        ((tf_select_args *)node->arg)->from = from;
    }
    return (lifted_bytes(from, bits) - before) * (double)tf_shape_count(x->shape);
}
