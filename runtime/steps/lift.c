/*
 * Lifting from Z_2^m into Z_2^n, exact for |x| < 2^(m-2). After adding 2^(m-2) the value is below 2^(m-1), so c + v
 * wraps mod 2^m exactly when msb(c) or msb(v): wrap = 1 - nc nv. S's own two components may wrap once more between
 * themselves. All wraps are multiples of 2^m, so n - m bits carry them.
 *
 * What the receivers learn. S's message is its two bits, each less a stream of k_s that R does not hold. L and R swap
 * their parts of own - nc nv, each less a stream shared with S alone. All uniform to their receivers.
 */
#include "runtime/steps/steps.h"

enum { NU = 1, OMEGA, MU };

/** From Z_2^from into Z_2^to: m and n above. */
typedef struct lift_args {
    int64_t from, to;
} lift_args;

static unsigned bytes_of(const tf_step_node *node) {
    return tf_bytes_of((unsigned)(tf_args(lift_args, node)->to - tf_args(lift_args, node)->from));
}

static void lift_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, 2 * bytes_of(node));
    tf_traffic_swap(traffic, 0, n, bytes_of(node));
}

/** S's block: the complement of its sum's top bit and its own wrap, less what masks them, go to R; of each component S
 *  keeps its stream's share of the wraps. */
static inline __attribute__((always_inline)) void
deal_wraps(unsigned size, const uint64_t *restrict x, const uint64_t *restrict y, const uint64_t *restrict nu,
           const uint64_t *restrict omega, const uint64_t *restrict mu_x, const uint64_t *restrict mu_y, unsigned m,
           size_t count, void *restrict nu_sent, void *restrict omega_sent, uint64_t *restrict x_out,
           uint64_t *restrict y_out) {
    const uint64_t mask = tf_mask(m);
    for (size_t i = 0; i < count; i++) {
        const uint64_t a = x[i] & mask, b = y[i] & mask, sum = a + b;
        tf_number_put(nu_sent, size, i, 1 - (sum >> (m - 1) & 1) - tf_number_get(nu, size, i));
        tf_number_put(omega_sent, size, i, (sum >> m) - tf_number_get(omega, size, i));
        x_out[i] = a - (tf_number_get(mu_x, size, i) << m);
        y_out[i] = b - (tf_number_get(mu_y, size, i) << m);
    }
}

/** L's or R's block: its masked part of own - nc nv, which is sent; of the common component all but the partner's part;
 *  and its own component, which keeps its stream's share. */
static inline __attribute__((always_inline)) void send_wraps(unsigned size, const uint64_t *restrict c,
                                                             const uint64_t *restrict x, const void *restrict nu,
                                                             const void *restrict omega, const uint64_t *restrict mu,
                                                             unsigned m, size_t count, void *restrict sent,
                                                             uint64_t *restrict common, uint64_t *restrict own) {
    const uint64_t mask = tf_mask(m), offset = UINT64_C(1) << (m - 2);
    for (size_t i = 0; i < count; i++) {
        const uint64_t sum = c[i] + offset, positive = (sum >> (m - 1) & 1) - 1; /* all ones where nc is one */
        const uint64_t mask_own = tf_number_get(mu, size, i);
        const uint64_t part = tf_number_get(omega, size, i) - (tf_number_get(nu, size, i) & positive) - mask_own;
        tf_number_put(sent, size, i, part);
        common[i] = (sum & mask) - offset - ((part + 1) << m);
        own[i] = (x[i] & mask) - (mask_own << m);
    }
}

/** Completes the common component by the partner's part. */
static inline __attribute__((always_inline)) void add_wraps(unsigned size, const void *restrict other, unsigned m,
                                                            size_t count, uint64_t *restrict common) {
    for (size_t i = 0; i < count; i++) common[i] -= tf_number_get(other, size, i) << m;
}

TF_MULTIVERSION static void solo_block(tf_call *call, size_t at, size_t count) {
    const unsigned m = (unsigned)tf_args(lift_args, call->node)->from, bytes = bytes_of(call->node);
    const int own = call->part.own;
    const uint64_t *x = call->in[0].c[0] + at, *y = call->in[0].c[1] + at;
    uint64_t nu[TF_BLOCK], omega[TF_BLOCK], mu[2][TF_BLOCK], room[2][TF_BLOCK];
    uint8_t *message = call->message + (at - call->part.span.begin) * bytes,
            *second = message + tf_span_count(call->part.span) * bytes;
    tf_fetch_words(x), tf_fetch_words(y);
    tf_number_stream(call, own, NU, bytes, at, count, nu);
    tf_number_stream(call, own, OMEGA, bytes, at, count, omega);
    for (int j = 0; j < 2; j++) tf_number_stream(call, j, MU, bytes, at, count, mu[j]);
    TF_WITH_NUMBER_SIZE(tf_number_size(bytes), deal_wraps, x, y, nu, omega, mu[0], mu[1], m, count,
                        tf_number_place(message, bytes, room[0]), tf_number_place(second, bytes, room[1]),
                        call->out.c[0] + at, call->out.c[1] + at)
    tf_number_sent(call, message, count, bytes, room[0]);
    tf_number_sent(call, second, count, bytes, room[1]);
}

static tf_status lift_solo(tf_call *call) {
    tf_for_blocks(call, at, count) solo_block(call, at, count);
    return TF_OK;
}

TF_MULTIVERSION static void send_block(tf_call *call, size_t at, size_t count) {
    const unsigned m = (unsigned)tf_args(lift_args, call->node)->from, bytes = bytes_of(call->node);
    const int own = call->part.own;
    const size_t from = (at - call->part.span.begin) * bytes, whole = tf_span_count(call->part.span) * bytes;
    uint64_t room[2][TF_BLOCK], mu[TF_BLOCK], sent[TF_BLOCK];
    const void *nu = room[0], *omega = room[1];
    for (int j = 0; j < 2; j++) tf_fetch_words(call->in[0].c[j] + at);
    if (call->part.role == TF_LEFT) {
        tf_number_stream(call, own, NU, bytes, at, count, room[0]);
        tf_number_stream(call, own, OMEGA, bytes, at, count, room[1]);
    } else {
        nu = tf_number_read(call, call->dealt + from, count, bytes, room[0]);
        omega = tf_number_read(call, call->dealt + whole + from, count, bytes, room[1]);
    }
    tf_number_stream(call, own, MU, bytes, at, count, mu);
    TF_WITH_NUMBER_SIZE(tf_number_size(bytes), send_wraps, call->in[0].c[1 - own] + at, call->in[0].c[own] + at, nu,
                        omega, mu, m, count, tf_number_place(call->message + from, bytes, sent),
                        call->out.c[1 - own] + at, call->out.c[own] + at)
    tf_number_sent(call, call->message + from, count, bytes, sent);
}

TF_MULTIVERSION static void receive_block(tf_call *call, size_t at, size_t count) {
    const unsigned m = (unsigned)tf_args(lift_args, call->node)->from, bytes = bytes_of(call->node);
    uint64_t room[TF_BLOCK];
    tf_fetch_words(call->out.c[1 - call->part.own] + at);
    const void *other = tf_number_read(call, call->received + (at - call->part.span.begin) * bytes, count, bytes, room);
    TF_WITH_NUMBER_SIZE(tf_number_size(bytes), add_wraps, other, m, count, call->out.c[1 - call->part.own] + at)
}

static tf_status lift_pair(tf_call *call, int phase) {
    tf_for_blocks(call, at, count) {
        if (phase == 0)
            send_block(call, at, count);
        else
            receive_block(call, at, count);
    }
    return TF_OK;
}

static double lift_widen(tf_program *p, tf_value value, unsigned bits, bool now) {
    tf_step_node *node = &p->node[value];
    unsigned before = bytes_of(node);
    lift_args *args = (lift_args *)node->arg;
    double more = (double)tf_bytes_of(bits - (unsigned)args->from) - before;
    if (now) args->to = bits;
    return 4 * more * (double)tf_shape_count(node->type.shape);
}

static const tf_step lift_step = {.name = "lift",
                                  .summary = "exact widening of the ring",
                                  .elementwise = true,
                                  .widen = lift_widen,
                                  .cost = lift_cost,
                                  .shares_work = true,
                                  .solo = lift_solo,
                                  .pair = lift_pair};

/** Whether values of this type may be lifted: |integer| < 2^(bits - 2). */
static bool liftable(const tf_type *type) {
    return tf_width(type->frac, type->bound) <= type->bits;
}

/** Makes a value come in a ring of `bits` where that is worth a round less than a lift takes. */
static bool comes_wider(tf_program *p, tf_value a, unsigned bits) {
    const tf_type *type = tf_type_of(p, a);
    double lift = 4.0 * tf_bytes_of(bits - type->bits) * (double)tf_shape_count(type->shape);
    if (!tf_rounds_are_worth(p, 1, tf_widen(p, a, bits, false) - lift)) return false;
    tf_widen(p, a, bits, true);
    return true;
}

unsigned tf_lifted_bits(const tf_program *p, tf_value a) {
    if (p->status) return 0;
    unsigned bits = tf_type_of(p, a)->bits;
    while (p->node[a].step && p->node[a].step->alias && liftable(tf_type_of(p, p->node[a].input[0])))
        a = p->node[a].input[0];
    tf_value lifted = p->node[a].lifted;
    return lifted >= 0 && tf_type_of(p, lifted)->bits > bits ? tf_type_of(p, lifted)->bits : bits;
}

tf_value tf_lift(tf_program *p, tf_value a, unsigned bits) {
    if (p->status) return -1;
    tf_status status = tf_check_operand(p, lift_step.name, a, false);
    if (status) return tf_program_fail(p, status);
    tf_type type = *tf_type_of(p, a);
    if (type.bits >= bits) return a;
    if (p->node[a].step && p->node[a].step->alias && liftable(tf_type_of(p, p->node[a].input[0]))) {
        /* another name of a value: the value is lifted, so that all its names share one lift */
        type.bits = bits;
        tf_value under = tf_rename(p, tf_lift(p, p->node[a].input[0], bits), type);
        if (under >= 0) p->node[under].loose = p->node[a].loose;
        return under;
    }
    tf_value before = p->node[a].lifted;
    if (before >= 0) { /* what was computed from it used its low bits, which do not change */
        if (bits > 64)
            return tf_program_fail(
                p, tf_fail(TF_RANGE, "a ring of %u bits is needed; 64 is the most. Use fewer --frac-bits", bits));
        tf_widen(p, before, bits, true);
        return before;
    }
    if (bits > 64 || !liftable(&type))
        return tf_program_fail(p,
                               tf_fail(TF_RANGE,
                                       "a value of range %g with %d fractional bits in %u bits cannot be lifted to %u"
                                       " bits; use fewer --frac-bits",
                                       type.bound, type.frac, type.bits, bits));
    if (comes_wider(p, a, bits)) return a;
    lift_args args = {.from = type.bits, .to = bits};
    type.bits = bits;
    type.zero = -1;
    tf_value v = tf_append_args(p, &lift_step, type, 1, &a, &args, sizeof args);
    if (v >= 0) p->node[a].lifted = v;
    return v;
}
