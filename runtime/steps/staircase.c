/*
 * What the bits of one value's thresholds select: a sum of public numbers y + sum_j b_j y_j, b_j = delta_j ^ rho_j. S
 * deals shares of its bits rho_j; L and R turn them where delta_j is 1, scale them by the public y_j, add up, and
 * reshare once.
 *
 * What the receivers learn. R gets each rho_j less a stream of k_s that it does not hold. L and R swap their parts of
 * the sum less streams shared with S alone. All uniform to their receivers.
 */
#include <math.h>

#include "runtime/steps/steps.h"

enum { RHO = 1, MU }; /* purposes */

/* Data: y_j, then y. */

static size_t steps_of(const tf_step_node *node) {
    return node->data_count - 1;
}

static unsigned bytes_of(const tf_step_node *node) {
    return tf_bytes_of(node->type.bits);
}

static void staircase_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, steps_of(node) * bytes_of(node));
    tf_traffic_swap(traffic, 0, n, bytes_of(node));
}

/** Plane j of the input from element `at` on: all ones or zero for each element. */
static void expand(const tf_call *call, size_t j, size_t at, size_t count, uint64_t *out) {
    tf_expand_bits(call->in[0].bit + j * tf_words(tf_shape_count(call->node->type.shape)), at, count, false, out);
}

static void bit_stream(tf_call *call, size_t j, size_t at, size_t count, uint64_t *out) {
    size_t n = tf_even(tf_shape_count(call->node->type.shape));
    tf_stream(call->party, call->part.own, call->index, RHO, j * n + at, out, count);
}

/** Where S's message has rho_j of the block. */
static size_t in_message(const tf_call *call, size_t j, size_t at) {
    size_t n = tf_span_count(call->part.span);
    return (j * n + at - call->part.span.begin) * bytes_of(call->node);
}

TF_MULTIVERSION static tf_status staircase_solo(tf_call *call) {
    const tf_step_node *node = call->node;
    tf_for_blocks(call, at, count) {
        uint64_t rho[TF_BLOCK], m[TF_BLOCK];
        for (size_t j = 0; j < steps_of(node); j++) {
            expand(call, j, at, count, rho);
            bit_stream(call, j, at, count, m);
            for (size_t i = 0; i < count; i++) m[i] = (rho[i] & 1) - m[i];
            call->party->kernels->pack_bytes(m, count, bytes_of(node), call->message + in_message(call, j, at));
        }
        tf_reshare_solo(call, (tf_reshare){MU, 0}, at, count);
    }
    return TF_OK;
}

TF_MULTIVERSION static tf_status staircase_pair(tf_call *call, int phase) {
    const uint64_t *y = (const uint64_t *)call->node->data;
    size_t steps = steps_of(call->node);
    tf_for_blocks(call, at, count) {
        if (phase == 1) {
            tf_reshare_receive(call, at, count);
            continue;
        }
        uint64_t part[TF_BLOCK], delta[TF_BLOCK], m[TF_BLOCK], one = call->part.role == TF_LEFT;
        for (size_t i = 0; i < count; i++) part[i] = y[steps] * one;
        for (size_t j = 0; j < steps; j++) {
            expand(call, j, at, count, delta);
            if (call->part.role == TF_LEFT)
                bit_stream(call, j, at, count, m);
            else
                call->party->kernels->unpack_bytes(call->dealt + in_message(call, j, at), count, bytes_of(call->node),
                                                   m);
            for (size_t i = 0; i < count; i++) part[i] += y[j] * (((m[i] ^ delta[i]) - delta[i]) + (delta[i] & one));
        }
        tf_reshare_send(call, (tf_reshare){MU, 0}, at, count, part);
    }
    return TF_OK;
}

static const tf_step staircase_step = {.name = "staircase",
                                       .summary = "sum of public numbers that the bits of thresholds select",
                                       .takes_bits = true,
                                       .elementwise = true,
                                       .cost = staircase_cost,
                                       .solo = staircase_solo,
                                       .pair = staircase_pair};

tf_value tf_staircase(tf_program *p, tf_value bits, const double *y, double base, int frac, double bound,
                      unsigned ring) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, bits);
    if (type.kind != TF_BIT) return tf_program_fail(p, tf_fail(TF_INVALID, "the bits of thresholds are expected"));
    size_t count = type.bits;
    type = (tf_type){.shape = type.shape,
                     .kind = TF_SHARE,
                     .bits = ring > tf_width(frac, bound) ? ring : tf_width(frac, bound),
                     .frac = frac,
                     .bound = bound,
                     .zero = -1};
    tf_value v = tf_append(p, &staircase_step, type, 1, &bits);
    int64_t *data = tf_append_data(p, v, count + 1);
    if (!data) return -1;
    for (size_t j = 0; j < count; j++) data[j] = llrint(ldexp(y[j], frac));
    data[count] = llrint(ldexp(base, frac));
    return v;
}
