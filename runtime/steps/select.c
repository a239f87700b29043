/*
 * Selection by split bits. With b = delta ^ rho, delta known to L and R and rho to S:
 *     b x = (delta + (1 - 2 delta) rho)(c + v).
 * S sends R its shares of rho and rho v with its first message; L and R compute locally and reshare. A sum of several
 * terms needs a single reshare. Turning a bit into shares is the same with x = 1.
 *
 * What the receivers learn. R gets rho and rho v less streams of k_s that it does not hold. L and R swap their parts of
 * the result less streams shared with S alone. All uniform to their receivers.
 */
#include <math.h>

#include "runtime/steps/select_lifted.h"
#include "runtime/steps/steps.h"

enum { RHO = 1, RHO_V = RHO + TF_SELECT_TERMS, MU = RHO_V + TF_SELECT_TERMS }; /* purposes; RHO, RHO_V of each term */

/* Select ----------------------------------------------------------------------------------------------------------- */

static unsigned bytes_of(const tf_step_node *node) {
    return tf_bytes_of(node->type.bits);
}

static void select_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, (uint64_t)node->inputs * bytes_of(node)); /* two values for each of inputs/2 terms */
    tf_traffic_swap(traffic, 0, n, bytes_of(node));
}

/** rho and rho v of a block, less their masks. */
static inline __attribute__((always_inline)) void deal(unsigned size, size_t count, const uint64_t *restrict rho,
                                                       const uint64_t *restrict x, const uint64_t *restrict y,
                                                       const void *restrict rho_mask, const void *restrict v_mask,
                                                       void *restrict rho_sent, void *restrict v_sent) {
    for (size_t i = 0; i < count; i++) {
        tf_number_put(rho_sent, size, i, (rho[i] & 1) - tf_number_get(rho_mask, size, i));
        tf_number_put(v_sent, size, i, (rho[i] & (x[i] + y[i])) - tf_number_get(v_mask, size, i));
    }
}

/** Component j of a block of term k's value: where it lies, or made in `room`. */
static inline __attribute__((always_inline)) const uint64_t *term_block(const tf_call *call, int k, int j, size_t at,
                                                                        size_t count, uint64_t room[TF_BLOCK]) {
    const uint64_t *x = call->in[2 * k + 1].c[j] + at;
    tf_fetch_words(x);
    if (k || !tf_args(tf_select_args, call->node)->difference) return x;
    const uint64_t *less = call->in[3].c[j] + at;
    for (size_t i = 0; i < count; i++) room[i] = x[i] - less[i];
    return room;
}

TF_MULTIVERSION static tf_status select_solo(tf_call *call) {
    unsigned bytes = bytes_of(call->node);
    size_t whole = tf_span_count(call->part.span) * bytes;
    int own = call->part.own;
    tf_for_blocks(call, at, count) {
        uint8_t *message = call->message + (at - call->part.span.begin) * bytes;
        for (int k = 0; 2 * k < call->node->inputs; k++, message += 2 * whole) {
            uint64_t rho[TF_BLOCK], room[2][TF_BLOCK], mask[2][TF_BLOCK], sent[2][TF_BLOCK];
            const uint64_t *x = term_block(call, k, 0, at, count, room[0]),
                           *y = term_block(call, k, 1, at, count, room[1]);
            tf_expand_bits(call->in[2 * k].bit, at, count, false, rho);
            tf_number_stream(call, own, (unsigned)(RHO + k), bytes, at, count, mask[0]);
            tf_number_stream(call, own, (unsigned)(RHO_V + k), bytes, at, count, mask[1]);
            TF_WITH_NUMBER_SIZE(tf_number_size(bytes), deal, count, rho, x, y, mask[0], mask[1],
                                tf_number_place(message, bytes, sent[0]),
                                tf_number_place(message + whole, bytes, sent[1]))
            tf_number_sent(call, message, count, bytes, sent[0]);
            tf_number_sent(call, message + whole, count, bytes, sent[1]);
        }
        tf_reshare_solo(call, (tf_reshare){MU, 0}, at, count);
    }
    return TF_OK;
}

/** part = f (c m + u) + delta (half + one c), f = 1 - 2 delta as a conditional negation, or that much more. */
static inline __attribute__((always_inline)) void add_term(unsigned size, size_t count, bool more,
                                                           const uint64_t *restrict delta,
                                                           const uint64_t *restrict half, const uint64_t *restrict c,
                                                           const void *restrict m, const void *restrict u, uint64_t one,
                                                           uint64_t *restrict part) {
    for (size_t i = 0; i < count; i++) {
        const uint64_t once = c[i] * tf_number_get(m, size, i) + tf_number_get(u, size, i);
        const uint64_t term = ((once ^ delta[i]) - delta[i]) + (delta[i] & (half[i] + (c[i] & one)));
        part[i] = more ? part[i] + term : term;
    }
}

TF_MULTIVERSION static tf_status select_pair(tf_call *call, int phase) {
    const unsigned bytes = bytes_of(call->node);
    const int own = call->part.own;
    const bool left = call->part.role == TF_LEFT;
    const uint64_t one = left ? ~UINT64_C(0) : 0; /* one side counts what both know */
    const size_t whole = tf_span_count(call->part.span) * bytes;
    tf_for_blocks(call, at, count) {
        if (phase == 1) {
            tf_reshare_receive(call, at, count);
            continue;
        }
        uint64_t part[TF_BLOCK], delta[TF_BLOCK], room[2][TF_BLOCK], share[2][TF_BLOCK];
        const uint8_t *dealt = call->dealt + (at - call->part.span.begin) * bytes;
        for (int k = 0; 2 * k < call->node->inputs; k++) {
            const uint64_t *half = term_block(call, k, own, at, count, room[0]),
                           *c = term_block(call, k, 1 - own, at, count, room[1]);
            const void *m = share[0], *u = share[1];
            tf_expand_bits(call->in[2 * k].bit, at, count, tf_args(tf_select_args, call->node)->negate[k], delta);
            if (left) {
                tf_number_stream(call, own, (unsigned)(RHO + k), bytes, at, count, share[0]);
                tf_number_stream(call, own, (unsigned)(RHO_V + k), bytes, at, count, share[1]);
            } else {
                m = tf_number_read(call, dealt + (size_t)(2 * k) * whole, count, bytes, share[0]);
                u = tf_number_read(call, dealt + (size_t)(2 * k + 1) * whole, count, bytes, share[1]);
            }
            TF_WITH_NUMBER_SIZE(tf_number_size(bytes), add_term, count, k > 0, delta, half, c, m, u, one, part)
        }
        tf_reshare_send(call, (tf_reshare){MU, 0}, at, count, part);
    }
    return TF_OK;
}

static const tf_step select_step = {.name = "select",
                                    .summary = "sum of bit * value",
                                    .takes_bits = true,
                                    .elementwise = true,
                                    .widen = tf_select_widen,
                                    .cost = select_cost,
                                    .shares_work = true,
                                    .solo = select_solo,
                                    .pair = select_pair};

/* Bit to share ----------------------------------------------------------------------------------------------------- */

static void b2a_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, bytes_of(node));
    tf_traffic_swap(traffic, 0, n, bytes_of(node));
}

TF_MULTIVERSION static tf_status b2a_solo(tf_call *call) {
    unsigned bytes = bytes_of(call->node);
    tf_for_blocks(call, at, count) {
        uint64_t rho[TF_BLOCK], m[TF_BLOCK];
        tf_expand_bits(call->in[0].bit, at, count, false, rho);
        tf_element_stream(call, call->part.own, RHO, at, count, m);
        for (size_t i = 0; i < count; i++) m[i] = (rho[i] & 1) - m[i];
        call->party->kernels->pack_bytes(m, count, bytes, call->message + (at - call->part.span.begin) * bytes);
        tf_reshare_solo(call, (tf_reshare){MU, 0}, at, count);
    }
    return TF_OK;
}

TF_MULTIVERSION static tf_status b2a_pair(tf_call *call, int phase) {
    unsigned bytes = bytes_of(call->node);
    tf_for_blocks(call, at, count) {
        if (phase == 1) {
            tf_reshare_receive(call, at, count);
            continue;
        }
        uint64_t part[TF_BLOCK], delta[TF_BLOCK], one = call->part.role == TF_LEFT;
        tf_expand_bits(call->in[0].bit, at, count, tf_args(tf_select_args, call->node)->negate[0], delta);
        if (call->part.role == TF_LEFT)
            tf_element_stream(call, call->part.own, RHO, at, count, part);
        else
            call->party->kernels->unpack_bytes(call->dealt + (at - call->part.span.begin) * bytes, count, bytes, part);
        for (size_t i = 0; i < count; i++) part[i] = ((part[i] ^ delta[i]) - delta[i]) + (delta[i] & one);
        tf_reshare_send(call, (tf_reshare){MU, 0}, at, count, part);
    }
    return TF_OK;
}

static const tf_step b2a_step = {.name = "bit_to_share",
                                 .summary = "a split bit as shares of 0 or 1",
                                 .takes_bits = true,
                                 .elementwise = true,
                                 .cost = b2a_cost,
                                 .shares_work = true,
                                 .solo = b2a_solo,
                                 .pair = b2a_pair};

/* Builders --------------------------------------------------------------------------------------------------------- */

tf_value tf_select_within(tf_program *p, int terms, const tf_term *term, double within) {
    if (p->status) return -1;
    if (terms < 1 || terms > TF_SELECT_TERMS)
        return tf_program_fail(p, tf_fail(TF_INVALID, "a selection of %d terms", terms));
    tf_type type = *tf_type_of(p, term[0].value);
    double largest = 0, limit = tf_default_bound(p);
    type.bound = 0;
    for (int k = 0; k < terms; k++) {
        tf_type t = *tf_type_of(p, term[k].value), bit = *tf_type_of(p, term[k].bit);
        if (t.frac != type.frac || t.kind != TF_SHARE || !tf_shape_equal(t.shape, type.shape) || bit.kind != TF_BIT ||
            bit.bits != 1 || !tf_shape_equal(bit.shape, type.shape))
            return tf_program_fail(p, tf_fail(TF_INVALID, "the terms of a selection differ in shape or scale"));
        type.bound += t.bound;
        largest = fmax(largest, t.bound);
    }
    if (terms > 1 && type.bound > limit && largest <= limit) type.bound = limit; /* a sum of activations is one */
    if (within > 0) type.bound = within;
    unsigned need = tf_width(type.frac, type.bound);
    tf_value input[2 * TF_SELECT_TERMS];
    type.bits = need;
    for (int k = 0; k < terms; k++) {
        input[2 * k] = term[k].bit;
        input[2 * k + 1] = terms > 1 ? tf_lift(p, term[k].value, need) : term[k].value;
        unsigned bits = tf_type_of(p, input[2 * k + 1])->bits;
        if (bits < type.bits) type.bits = bits;
    }
    type.zero = -1;
    tf_select_args args = {.negate = {0}};
    for (int k = 0; k < terms; k++) args.negate[k] = term[k].negate;
    return tf_append_args(p, &select_step, type, 2 * terms, input, &args, sizeof args);
}

tf_value tf_select(tf_program *p, int terms, const tf_term *term) {
    return tf_select_within(p, terms, term, 0); /* nothing is known */
}

tf_value tf_select_either(tf_program *p, const tf_term term[2], double bound) {
    tf_value v = tf_select_within(p, 2, term, bound);
    if (v >= 0) ((tf_select_args *)p->node[v].arg)->difference = true;
    return v;
}

tf_value tf_bit_to_share(tf_program *p, tf_value bit, unsigned bits, bool negate) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, bit);
    if (type.kind != TF_BIT || type.bits != 1)
        return tf_program_fail(p, tf_fail(TF_INVALID, "a split bit is expected"));
    type.kind = TF_SHARE;
    type.bits = bits;
    type.bound = 1;
    tf_select_args args = {.negate = {negate}};
    return tf_append_args(p, &b2a_step, type, 1, &bit, &args, sizeof args);
}
