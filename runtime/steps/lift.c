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

/** A stream of so many bytes an element, for the block from element `at` on: a mask need not be wider than what it
 *  masks, and a keystream costs as much as all else here. */
static void narrow_stream(tf_call *call, int which, unsigned purpose, size_t at, size_t count, unsigned bytes,
                          uint64_t *out) {
    uint64_t dense[TF_BLOCK];
    tf_stream(call->party, which, call->index, purpose, at / 8 * bytes, dense, tf_even((count * bytes + 7) / 8));
    call->party->kernels->unpack_bytes((const uint8_t *)dense, count, bytes, out);
}

/** S's block: the complement of its sum's top bit and its own wrap, less what masks them in nu and omega. */
TF_MULTIVERSION static void deal_bits(const uint64_t *restrict x, const uint64_t *restrict y, unsigned m, size_t count,
                                      uint64_t *restrict nu, uint64_t *restrict omega) {
    const uint64_t mask = tf_mask(m);
    for (size_t i = 0; i < count; i++) {
        const uint64_t sum = (x[i] & mask) + (y[i] & mask);
        nu[i] = 1 - (sum >> (m - 1) & 1) - nu[i];
        omega[i] = (sum >> m) - omega[i];
    }
}

/** A component of S's, which keeps its stream's share of the wraps. */
TF_MULTIVERSION static void keep_share(const uint64_t *restrict x, const uint64_t *restrict mu, unsigned m,
                                       size_t count, uint64_t *restrict out) {
    const uint64_t mask = tf_mask(m);
    for (size_t i = 0; i < count; i++) out[i] = (x[i] & mask) - (mu[i] << m);
}

/** L's or R's masked part of own - nc nv. */
TF_MULTIVERSION static void wraps_part(const uint64_t *restrict c, const uint64_t *restrict nu,
                                       const uint64_t *restrict omega, const uint64_t *restrict mu, unsigned m,
                                       size_t count, uint64_t *restrict part) {
    const uint64_t offset = UINT64_C(1) << (m - 2);
    for (size_t i = 0; i < count; i++) {
        const uint64_t positive = ((c[i] + offset) >> (m - 1) & 1) - 1; /* all ones where nc is one */
        part[i] = omega[i] - (nu[i] & positive) - mu[i];
    }
}

/** The component that L and R have in common, from both parts. */
TF_MULTIVERSION static void lift_common(const uint64_t *restrict c, const uint64_t *restrict other, unsigned m,
                                        size_t count, uint64_t *restrict part) {
    const uint64_t mask = tf_mask(m), offset = UINT64_C(1) << (m - 2);
    for (size_t i = 0; i < count; i++) part[i] = ((c[i] + offset) & mask) - ((part[i] + other[i] + 1) << m) - offset;
}

static tf_status lift_solo(tf_call *call) {
    const tf_kernels *kernels = call->party->kernels;
    unsigned m = (unsigned)tf_args(lift_args, call->node)->from, bytes = bytes_of(call->node);
    size_t whole = tf_span_count(call->part.span) * bytes;
    int own = call->part.own;
    tf_for_blocks(call, at, count) {
        const uint64_t *x = call->in[0].c[0] + at, *y = call->in[0].c[1] + at;
        uint64_t nu[TF_BLOCK], omega[TF_BLOCK];
        uint8_t *message = call->message + (at - call->part.span.begin) * bytes;
        narrow_stream(call, own, NU, at, count, bytes, nu);
        narrow_stream(call, own, OMEGA, at, count, bytes, omega);
        deal_bits(x, y, m, count, nu, omega);
        kernels->pack_bytes(nu, count, bytes, message);
        kernels->pack_bytes(omega, count, bytes, message + whole);
        for (int j = 0; j < 2; j++) {
            narrow_stream(call, j, MU, at, count, bytes, nu);
            keep_share(call->in[0].c[j] + at, nu, m, count, call->out.c[j] + at);
        }
    }
    return TF_OK;
}

static tf_status lift_pair(tf_call *call, int phase) {
    const tf_kernels *kernels = call->party->kernels;
    unsigned m = (unsigned)tf_args(lift_args, call->node)->from, bytes = bytes_of(call->node);
    int own = call->part.own;
    size_t whole = tf_span_count(call->part.span) * bytes;
    tf_for_blocks(call, at, count) {
        const uint64_t *c = call->in[0].c[1 - own] + at;
        uint64_t *common = call->out.c[1 - own] + at, nu[TF_BLOCK], omega[TF_BLOCK], mu[TF_BLOCK];
        size_t from = (at - call->part.span.begin) * bytes;
        if (phase == 1) {
            kernels->unpack_bytes(call->received + from, count, bytes, mu);
            lift_common(c, mu, m, count, common);
            continue;
        }
        if (call->part.role == TF_LEFT) {
            narrow_stream(call, own, NU, at, count, bytes, nu);
            narrow_stream(call, own, OMEGA, at, count, bytes, omega);
        } else {
            kernels->unpack_bytes(call->dealt + from, count, bytes, nu);
            kernels->unpack_bytes(call->dealt + whole + from, count, bytes, omega);
        }
        narrow_stream(call, own, MU, at, count, bytes, mu);
        wraps_part(c, nu, omega, mu, m, count, common); /* kept in the output until the partner's arrives */
        kernels->pack_bytes(common, count, bytes, call->message + from);
        keep_share(call->in[0].c[own] + at, mu, m, count, call->out.c[own] + at);
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
