/*
 * 2^(x s/16) for -16 < x <= 0: s octaves; 16 of them are 2^x. For s = 16, with X = x + 16 - 1 ulp in [0, 16) on k =
 * frac + 4 bits, A = c mod 2^k (L and R) and B = v mod 2^k (S): X = A + B - w 2^k with a wrap bit w, so 2^X = 2^A 2^B
 * 2^(-16 w). L and R know 2^A, S knows 2^B, and only w has to be computed (a comparison). With EA, EB carrying 30 - s
 * fractional bits, P = EA EB < 2^60 and q = P 2^s - w P (2^s - 1) = 2^(x s/16) 2^60, truncated once, straight into a
 * narrow ring. w = delta ^ rho is a split bit: S deals its shares of EB and rho EB; L and R scale them by EA and
 * reshare, dropping what is truncated before they send.
 *
 * What the receivers learn. R gets EB and rho EB less streams of k_s. L and R swap their parts of q less streams shared
 * with S alone. All uniform to their receivers.
 */
#include <math.h>

#include "runtime/kernels/exp2.h"
#include "runtime/program/step.h"
#include "runtime/steps/steps.h"
#include "runtime/steps/truncation.h"

enum { EB = 1, RHO_EB, MU };   /* purposes */
enum { HEAD = 4, POINT = 60 }; /* bits of X's integer part, of q's fraction; EA has POINT / 2 - octaves of them */

/** 2^(a/2^frac octaves/16) 2^(30 - octaves) for a < 2^(frac + 4), rounded. Integers only: all machines agree to the
 * last bit. */
static inline uint64_t exp2_fixed(uint64_t a, unsigned frac, unsigned octaves) {
    uint64_t scaled = a * octaves; /* frac + HEAD fractional bits */
    uint64_t y = tf_exp2_fraction(scaled << (TF_EXP2_BITS - HEAD - frac) & tf_mask(TF_EXP2_BITS));
    return ((y << (scaled >> (frac + HEAD))) + (UINT64_C(1) << (octaves - 1))) >> octaves;
}

/* Inputs: wrap bit, x. */
typedef struct exp_args {
    int64_t frac, octaves, drop; /* drop: bits of q that are truncated */
} exp_args;

static tf_reshare reshare_of(const tf_step_node *node) {
    return (tf_reshare){MU, (unsigned)tf_args(exp_args, node)->drop};
}

static void exp_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, 16);
    tf_traffic_swap(traffic, 0, n, tf_bytes_of(node->type.bits));
}

TF_MULTIVERSION static tf_status exp_solo(tf_call *call) {
    const tf_kernels *kernels = call->party->kernels;
    const exp_args *args = tf_args(exp_args, call->node);
    unsigned frac = (unsigned)args->frac, octaves = (unsigned)args->octaves;
    uint64_t mask = tf_mask(frac + HEAD);
    size_t whole = tf_span_count(call->part.span) * 8;
    tf_for_blocks(call, at, count) {
        const uint64_t *x = call->in[1].c[0] + at, *y = call->in[1].c[1] + at;
        uint64_t m[TF_BLOCK], u[TF_BLOCK], rho[TF_BLOCK];
        size_t from = (at - call->part.span.begin) * 8;
        tf_element_stream(call, call->part.own, EB, at, count, m);
        tf_element_stream(call, call->part.own, RHO_EB, at, count, u);
        tf_expand_bits(call->in[0].bit, at, count, false, rho);
        for (size_t i = 0; i < count; i++) {
            uint64_t e = exp2_fixed((x[i] + y[i]) & mask, frac, octaves);
            m[i] = e - m[i];
            u[i] = (e & rho[i]) - u[i];
        }
        kernels->pack_bytes(m, count, 8, call->message + from);
        kernels->pack_bytes(u, count, 8, call->message + whole + from);
        tf_reshare_solo(call, reshare_of(call->node), at, count);
    }
    return TF_OK;
}

TF_MULTIVERSION static tf_status exp_pair(tf_call *call, int phase) {
    const exp_args *args = tf_args(exp_args, call->node);
    unsigned frac = (unsigned)args->frac, octaves = (unsigned)args->octaves;
    uint64_t mask = tf_mask(frac + HEAD), offset = (UINT64_C(16) << frac) - 1;
    int own = call->part.own;
    size_t whole = tf_span_count(call->part.span) * 8;
    tf_for_blocks(call, at, count) {
        if (phase == 1) {
            tf_reshare_receive(call, at, count);
            continue;
        }
        size_t from = (at - call->part.span.begin) * 8;
        const uint64_t *c = call->in[1].c[1 - own] + at;
        uint64_t m[TF_BLOCK], u[TF_BLOCK], delta[TF_BLOCK];
        if (call->part.role == TF_LEFT) {
            tf_element_stream(call, own, EB, at, count, m);
            tf_element_stream(call, own, RHO_EB, at, count, u);
        } else {
            call->party->kernels->unpack_bytes(call->dealt + from, count, 8, m);
            call->party->kernels->unpack_bytes(call->dealt + whole + from, count, 8, u);
        }
        tf_expand_bits(call->in[0].bit, at, count, false, delta);
        for (size_t i = 0; i < count; i++) {
            uint64_t w = (delta[i] & m[i]) + ((u[i] ^ delta[i]) - delta[i]); /* share of w EB */
            u[i] = exp2_fixed((c[i] + offset) & mask, frac, octaves) * ((m[i] << octaves) - w * tf_mask(octaves));
        }
        tf_reshare_send(call, reshare_of(call->node), at, count, u);
    }
    return TF_OK;
}

static const tf_step exp_step = {.name = "exp2",
                                 .summary = "2^x for -16 < x <= 0, given the wrap bit",
                                 .takes_bits = true,
                                 .elementwise = true,
                                 .cost = exp_cost,
                                 .shares_work = true,
                                 .solo = exp_solo,
                                 .pair = exp_pair};

tf_value tf_exp2(tf_program *p, tf_value a, int octaves, int result_frac) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    unsigned frac = (unsigned)type.frac, width = frac + HEAD;
    if (frac < 4 || frac > 26)
        return tf_program_fail(p, tf_fail(TF_RANGE, "2^x at %u fractional bits; 4 to 26 are possible", frac));
    if (type.bits < width) a = tf_lift(p, a, width);
    tf_value wrap = tf_carry(p, a, 0, width, false, (UINT64_C(16) << frac) - 1, 0);
    const double bound =
        1.001; /* EA and EB are rounded: 2^0 may come out above 1, and a ring that ends there cannot lift it */
    unsigned drop = (unsigned)(POINT - result_frac);
    tf_truncation t = tf_truncation_into(tf_width(result_frac, bound), drop, false, 64);
    type = (tf_type){
        .shape = type.shape, .kind = TF_SHARE, .bits = t.bits - drop, .frac = result_frac, .bound = bound, .zero = -1};
    exp_args args = {.frac = frac, .octaves = octaves, .drop = drop};
    return tf_append_args(p, &exp_step, type, 2, (tf_value[]){wrap, a}, &args, sizeof args);
}
