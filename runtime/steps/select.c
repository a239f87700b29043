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

#include "runtime/steps/steps.h"

enum {
    MAX_TERMS = 7,
    RHO = 1,
    RHO_V = RHO + MAX_TERMS,
    MU = RHO_V + MAX_TERMS
}; /* purposes; RHO, RHO_V of each term */

/* Select ----------------------------------------------------------------------------------------------------------- */

/** Whether each term has 1 - bit in place of bit. A bit turned into shares is one such term. Inputs: bit_0, x_0, bit_1,
 *  x_1, ... */
typedef struct select_args {
    int64_t negate[MAX_TERMS];
    int64_t from;       /**< of a selection that comes lifted: the bits of its value */
    int64_t difference; /**< whether the first of two terms is x_0 - x_1 in place of x_0 */
} select_args;

static double select_widen(tf_program *p, tf_value selection, unsigned bits, bool now);

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
    if (k || !tf_args(select_args, call->node)->difference) return x;
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
            tf_expand_bits(call->in[2 * k].bit, at, count, tf_args(select_args, call->node)->negate[k], delta);
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
                                    .widen = select_widen,
                                    .cost = select_cost,
                                    .shares_work = true,
                                    .solo = select_solo,
                                    .pair = select_pair};

/* Select, lifted -------------------------------------------------------------------------------------------------- */

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

/* The elements that S deals: rho, rho (v - 2^m), both mod 2^n; as multiples of 2^m: rho nv, nv, own wrap. */
enum { MULTIPLES = 2, DEALT = 5 };
enum { ELEMENT = 1, LIFTED_MU = ELEMENT + DEALT }; /* purposes */

static unsigned from_of(const tf_call *call) {
    return (unsigned)tf_args(select_args, call->node)->from;
}

static unsigned wide_bytes(const tf_step_node *node) {
    return tf_bytes_of(node->type.bits);
}
static unsigned narrow_bytes(const tf_step_node *node, unsigned from) {
    return tf_bytes_of(node->type.bits - from);
}

static void lifted_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    unsigned wide = wide_bytes(node), narrow = narrow_bytes(node, (unsigned)tf_args(select_args, node)->from);
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
    tf_reshare_solo(call, (tf_reshare){LIFTED_MU, 0}, at, count);
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
    tf_expand_bits(call->in[0].bit, at, count, tf_args(select_args, call->node)->negate[0], delta);
    TF_WITH_NUMBER_SIZE(tf_number_size(narrow), lifted_part, call->in[1].c[own] + at, call->in[1].c[1 - own] + at,
                        delta, d.room[0], d.room[1], d.element[2], d.element[3], d.element[4], m, one, count, part)
    tf_reshare_send(call, (tf_reshare){LIFTED_MU, 0}, at, count, part);
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
                                    .widen = select_widen,
                                    .cost = lifted_cost,
                                    .shares_work = true,
                                    .solo = lifted_solo,
                                    .pair = lifted_pair};

/** Bytes of an element: of a selection lifted from `from` to `to` bits. */
static double lifted_bytes(unsigned from, unsigned to) {
    return (MULTIPLES + 2) * tf_bytes_of(to) + (DEALT - MULTIPLES) * tf_bytes_of(to - from);
}

/** A selection of one term can come lifted: S to R 2 n + 3 (n - m) bits, L and R swap n, m being the bits of its value
 *  and n those of its result. */
static double select_widen(tf_program *p, tf_value selection, unsigned bits, bool now) {
    tf_step_node *node = &p->node[selection];
    const tf_type *x = tf_type_of(p, node->input[1]);
    const bool is_lifted = node->step == &lifted_step;
    const unsigned from = is_lifted ? (unsigned)tf_args(select_args, node)->from : x->bits;
    if (node->inputs != 2 || from >= bits || tf_width(x->frac, x->bound) > from) return INFINITY;
    double before = is_lifted ? lifted_bytes(from, node->type.bits) : 4.0 * bytes_of(node);
    if (now) {
        node->step = &lifted_step;
        ((select_args *)node->arg)->from = from;
    }
    return (lifted_bytes(from, bits) - before) * (double)tf_shape_count(x->shape);
}

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
        tf_expand_bits(call->in[0].bit, at, count, tf_args(select_args, call->node)->negate[0], delta);
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
    if (terms < 1 || terms > MAX_TERMS)
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
    tf_value input[2 * MAX_TERMS];
    type.bits = need;
    for (int k = 0; k < terms; k++) {
        input[2 * k] = term[k].bit;
        input[2 * k + 1] = terms > 1 ? tf_lift(p, term[k].value, need) : term[k].value;
        unsigned bits = tf_type_of(p, input[2 * k + 1])->bits;
        if (bits < type.bits) type.bits = bits;
    }
    type.zero = -1;
    select_args args = {.negate = {0}};
    for (int k = 0; k < terms; k++) args.negate[k] = term[k].negate;
    return tf_append_args(p, &select_step, type, 2 * terms, input, &args, sizeof args);
}

tf_value tf_select(tf_program *p, int terms, const tf_term *term) {
    return tf_select_within(p, terms, term, 0); /* nothing is known */
}

tf_value tf_select_either(tf_program *p, const tf_term term[2], double bound) {
    tf_value v = tf_select_within(p, 2, term, bound);
    if (v >= 0) ((select_args *)p->node[v].arg)->difference = true;
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
    select_args args = {.negate = {negate}};
    return tf_append_args(p, &b2a_step, type, 1, &bit, &args, sizeof args);
}
