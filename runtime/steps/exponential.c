/*
 * 2^(g x) for -16 < x <= 0, g = 1 or 5/4: down to 2^-16 or 2^-20. With X = x + 16 - 1 ulp in [0, 16) on k = frac + 4 bits,
 * A = c mod 2^k (L and R) and B = v mod 2^k (S): X = A + B - w 2^k with a wrap bit w, so with r = 16 g
 * 2^(g X) = 2^(g A) 2^(g B) 2^(-r w). L and R know 2^(g A), S knows 2^(g B), and only w has to be computed (a comparison).
 * With EA, EB carrying f fractional bits (14, or 11 for g = 5/4), P = EA EB <= 2^(2r + 2f) and
 *     q = P 2^r - w P (2^r - 1) = 2^(g x) 2^(2r + 2f), truncated once, straight into a narrow ring.
 * w = delta ^ rho is a split bit: S deals its shares of EB and rho EB; L and R scale them by EA and reshare. What S holds
 * of the reshared q is two streams, known ahead, so the truncation's message costs no round of its own.
 *
 * What the receivers learn. R gets EB and rho EB less streams of k_s. L and R swap their parts of q less streams shared
 * with S alone. All uniform to their receivers.
 */
#include <math.h>

#include "runtime/step.h"
#include "runtime/steps/steps.h"

enum { EB = 1, RHO_EB, MU }; /* purposes */
enum { HEAD = 4, FINE = 30 }; /* bits of X's integer part, of the fraction of 2^u below */

typedef struct scale {
    unsigned frac, quarters, precision; /* of x; 4 g; f */
} scale;

static unsigned range_of(scale t) { return 4 * t.quarters; }
static unsigned point_of(scale t) { return 2 * (range_of(t) + t.precision); }

/** 2^(g a / 2^frac) with f fractional bits for a < 2^(frac + 4), rounded. Integers only, so that all machines agree
 *  to the last bit. */
static inline uint64_t exp2_fixed(uint64_t a, scale t) {
    /* 2^u on [0, 1) with 30 fractional bits: interpolation at the Chebyshev points, relative error 2e-7 */
    static const uint64_t c[6] = {1073741715, 744268966, 257850314, 59979580, 9609550, 2033403};
    uint64_t power = a * t.quarters << (FINE - 2 - t.frac), u = power & ((UINT64_C(1) << FINE) - 1), y = c[5];
    for (int i = 4; i >= 0; i--) y = (y * u >> FINE) + c[i];
    unsigned drop = FINE - t.precision;
    return ((y << (power >> FINE)) + (UINT64_C(1) << (drop - 1))) >> drop;
}

/* inputs: wrap bit, x; arg[0] = frac, arg[1] = 4 g, arg[2] = f */

static scale scale_of(const tf_step_node *node) {
    return (scale){(unsigned)node->arg[0], (unsigned)node->arg[1], (unsigned)node->arg[2]};
}

static void exp_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, 16);
    tf_traffic_swap(traffic, 0, n, 8);
}

TF_MULTIVERSION static tf_status exp_solo(tf_call *call) {
    const tf_kernels *kernels = call->party->kernels;
    scale t = scale_of(call->node);
    uint64_t mask = tf_mask(t.frac + HEAD);
    tf_range third = tf_third(tf_shape_count(call->node->type.shape), call->party->id);
    size_t whole = (third.end - third.begin) * 8;
    uint8_t *message = call->send[(call->party->id + 1) % 3];
    tf_for_blocks(at, count, third) {
        const uint64_t *x = call->in[1].c[0] + at, *y = call->in[1].c[1] + at;
        uint64_t m[TF_BLOCK], u[TF_BLOCK], rho[TF_BLOCK];
        size_t from = (at - third.begin) * 8;
        tf_element_stream(call, 0, EB, at, count, m);
        tf_element_stream(call, 0, RHO_EB, at, count, u);
        tf_expand_bits(call->in[0].bit, at, count, false, rho);
        for (size_t i = 0; i < count; i++) {
            uint64_t e = exp2_fixed((x[i] + y[i]) & mask, t);
            m[i] = e - m[i];
            u[i] = (e & rho[i]) - u[i];
        }
        kernels->pack_bytes(m, count, 8, message + from);
        kernels->pack_bytes(u, count, 8, message + whole + from);
        tf_reshare_solo(call, MU, at, count);
    }
    return TF_OK;
}

TF_MULTIVERSION static tf_status exp_pair(tf_call *call, int phase) {
    scale t = scale_of(call->node);
    unsigned range = range_of(t);
    uint64_t mask = tf_mask(t.frac + HEAD), offset = (UINT64_C(16) << t.frac) - 1;
    for (int s = 0; s < TF_PARTIES; s++) {
        tf_role role = tf_role_in(call->party->id, s);
        if (role == TF_SOLO) continue;
        int own = tf_own(role);
        tf_range third = tf_third(tf_shape_count(call->node->type.shape), s);
        size_t whole = (third.end - third.begin) * 8;
        tf_for_blocks(at, count, third) {
            if (phase == 1) {
                tf_reshare_receive(call, role, s, at, count, 8);
                continue;
            }
            size_t from = (at - third.begin) * 8;
            const uint64_t *c = call->in[1].c[1 - own] + at;
            uint64_t m[TF_BLOCK], u[TF_BLOCK], delta[TF_BLOCK];
            if (role == TF_LEFT) {
                tf_element_stream(call, own, EB, at, count, m);
                tf_element_stream(call, own, RHO_EB, at, count, u);
            } else {
                call->party->kernels->unpack_bytes(call->dealt + from, count, 8, m);
                call->party->kernels->unpack_bytes(call->dealt + whole + from, count, 8, u);
            }
            tf_expand_bits(call->in[0].bit, at, count, false, delta);
            for (size_t i = 0; i < count; i++) {
                uint64_t w = (delta[i] & m[i]) + ((u[i] ^ delta[i]) - delta[i]); /* share of w EB */
                u[i] = exp2_fixed((c[i] + offset) & mask, t) * ((m[i] << range) - w * tf_mask(range));
            }
            tf_reshare_send(call, MU, role, s, at, count, 8, u);
        }
    }
    return TF_OK;
}

static const tf_step exp_step = {.name = "exp2",
                                 .summary = "2^x or 2^(5x/4) for -16 < x <= 0, given the wrap bit",
                                 .takes_bits = true,
                                 .elementwise = true,
                                 .cost = exp_cost,
                                 .solo = exp_solo,
                                 .pair = exp_pair};

/** `bound` of the result, which must hold for its rounding too: a ring that ends at 1 cannot lift what comes out above. */
static tf_value exp2_of(tf_program *p, tf_value a, unsigned quarters, unsigned precision, double bound, int result_frac) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    unsigned frac = (unsigned)type.frac, width = frac + HEAD;
    if (frac < 4 || frac > 28) return tf_program_fail(p, tf_fail(TF_RANGE, "2^x at %u fractional bits; 4 to 28 are possible", frac));
    if (type.bits < width) a = tf_lift(p, a, width);
    tf_value wrap = tf_carry(p, a, 0, width, false, (UINT64_C(16) << frac) - 1);
    scale t = {frac, quarters, precision};
    type = (tf_type){.shape = type.shape, .class = TF_SHARE, .bits = 64, .frac = (int)point_of(t), .bound = bound, .zero = -1};
    tf_value q = tf_append(p, &exp_step, type, 2, (tf_value[]){wrap, a});
    if (q < 0) return -1;
    p->node[q].arg[0] = frac;
    p->node[q].arg[1] = quarters;
    p->node[q].arg[2] = precision;
    return tf_trunc(p, q, result_frac);
}

tf_value tf_exp2(tf_program *p, tf_value a) { return exp2_of(p, a, 4, 14, 1.001, p->frac); }
tf_value tf_exp2_far(tf_program *p, tf_value a, int frac) { return exp2_of(p, a, 5, 11, 1, frac); }
