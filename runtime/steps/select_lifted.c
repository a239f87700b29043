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
 * the result less streams shared with S alone. All uniform to their receivers. tests/reference/few_rounds.py is its
 * executable reference.
 */
#include <string.h>

#include "runtime/steps/select.h"
#include "runtime/steps/steps.h"

/* The elements that S deals: rho, rho (v - 2^m), both mod 2^n; as multiples of 2^m: rho nv, nv, own wrap. */
enum { MULTIPLES = 2, DEALT = 5 };
enum { DEAL = 1, MU = DEAL + DEALT }; /* purposes */

static unsigned from_of(const tf_call *call) {
    return tf_type_of(call->program, call->node->input[1])->bits;
}

static unsigned wide_bytes(const tf_step_node *node) {
    return tf_bytes_of(node->type.bits);
}
static unsigned narrow_bytes(const tf_step_node *node, unsigned from) {
    return tf_bytes_of(node->type.bits - from);
}

static void lifted_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    unsigned wide = wide_bytes(node), narrow = narrow_bytes(node, tf_type_of(program, node->input[1])->bits);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, MULTIPLES * wide + (DEALT - MULTIPLES) * narrow);
    tf_traffic_swap(traffic, 0, n, wide);
}

/** Bytes of element k, and where a block's begin in S's message. */
static unsigned bytes_of(const tf_call *call, int k) {
    return k < MULTIPLES ? wide_bytes(call->node) : narrow_bytes(call->node, from_of(call));
}
static size_t in_message(const tf_call *call, int k, size_t at) {
    size_t n = tf_span_count(call->part.span), before = 0;
    for (int j = 0; j < k; j++) before += n * bytes_of(call, j);
    return before + (at - call->part.span.begin) * bytes_of(call, k);
}

TF_MULTIVERSION static tf_status lifted_solo(tf_call *call) {
    unsigned m = from_of(call);
    uint64_t mask = tf_mask(m);
    tf_for_blocks(call, at, count) {
        const uint64_t *x = call->in[1].c[0] + at, *y = call->in[1].c[1] + at;
        uint64_t element[DEALT][TF_BLOCK], rho[TF_BLOCK], stream[TF_BLOCK];
        tf_expand_bits(call->in[0].bit, at, count, false, rho);
        for (size_t i = 0; i < count; i++) {
            uint64_t sum = (x[i] & mask) + (y[i] & mask), nv = 1 - (sum >> (m - 1) & 1);
            element[0][i] = rho[i] & 1;
            element[1][i] = rho[i] & ((sum & mask) - (UINT64_C(1) << m));
            element[2][i] = rho[i] & nv;
            element[3][i] = nv;
            element[4][i] = sum >> m;
        }
        for (int k = 0; k < DEALT; k++) {
            tf_element_stream(call, call->part.own, (unsigned)(DEAL + k), at, count, stream);
            for (size_t i = 0; i < count; i++) element[k][i] -= stream[i];
            call->party->kernels->pack_bytes(element[k], count, bytes_of(call, k),
                                             call->message + in_message(call, k, at));
        }
        tf_reshare_solo(call, (tf_reshare){MU, 0}, at, count);
    }
    return TF_OK;
}

/** L or R: its shares of what S deals. */
static void take(tf_call *call, size_t at, size_t count, uint64_t element[DEALT][TF_BLOCK]) {
    for (int k = 0; k < DEALT; k++)
        if (call->part.role == TF_LEFT)
            tf_element_stream(call, call->part.own, (unsigned)(DEAL + k), at, count, element[k]);
        else
            call->party->kernels->unpack_bytes(call->dealt + in_message(call, k, at), count, bytes_of(call, k),
                                               element[k]);
}

TF_MULTIVERSION static tf_status lifted_pair(tf_call *call, int phase) {
    unsigned m = from_of(call);
    int own = call->part.own;
    uint64_t mask = tf_mask(m), offset = UINT64_C(1) << (m - 2);
    uint64_t one = call->part.role == TF_LEFT ? ~UINT64_C(0) : 0; /* one side counts what both know */
    tf_for_blocks(call, at, count) {
        if (phase == 1) {
            tf_reshare_receive(call, at, count);
            continue;
        }
        const uint64_t *half = call->in[1].c[own] + at, *common = call->in[1].c[1 - own] + at;
        uint64_t element[DEALT][TF_BLOCK], delta[TF_BLOCK], part[TF_BLOCK];
        take(call, at, count, element);
        tf_expand_bits(call->in[0].bit, at, count, tf_args(tf_select_args, call->node)->negate[0], delta);
        for (size_t i = 0; i < count; i++) {
            uint64_t sum = (common[i] + offset) & mask, c = sum - offset, zero = (sum >> (m - 1)) - 1;
            uint64_t once = c * element[0][i] + element[1][i] + ((element[2][i] & zero) << m);
            uint64_t x =
                (half[i] & mask) + ((c - (UINT64_C(1) << m)) & one) + (((element[3][i] & zero) - element[4][i]) << m);
            part[i] = ((once ^ delta[i]) - delta[i]) + (delta[i] & x);
        }
        tf_reshare_send(call, (tf_reshare){MU, 0}, at, count, part);
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

bool tf_select_widen(tf_program *p, tf_value selection, unsigned bits) {
    tf_step_node *node = &p->node[selection];
    if (node->step != &lifted_step) {
        const tf_type *x = tf_type_of(p, node->input[1]);
        if (node->inputs != 2 || x->bits >= bits || tf_width(x->frac, x->bound) > x->bits) return false;
        unsigned apart = 4 * (tf_bytes_of(node->type.bits) + tf_bytes_of(bits - node->type.bits)),
                 both = (MULTIPLES + 2) * tf_bytes_of(bits) + (DEALT - MULTIPLES) * tf_bytes_of(bits - x->bits);
        double more = ((double)both - apart) * (double)tf_shape_count(x->shape);
        if (!tf_rounds_are_worth(p, 1, more)) return false;
        node->step = &lifted_step;
    }
    node->type.bits = bits; /* what was computed from it used its low bits, which do not change */
    return true;
}
