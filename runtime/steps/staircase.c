/*
 * A sum of public numbers that the bits of one value's thresholds select: sum_j y_j b_j, b_j = delta_j ^ rho_j. S deals
 * shares of its bits rho_j, L and R turn them where delta_j is 1, scale them by the public y_j, add up, and reshare
 * once.
 *
 * What the receivers learn. R gets each rho_j less a stream of k_s that it does not hold. L and R swap their parts of
 * the sum less streams shared with S alone. All uniform to their receivers.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/steps/steps.h"

enum { RHO = 1, MU }; /* purposes */

/* input: the bits of thresholds; data: y_j at the result's scale */

static void staircase_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    unsigned bytes = tf_bytes_of(node->type.bits);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, node->data_count * bytes);
    tf_traffic_swap(traffic, 0, n, bytes);
}

/** Plane j of the input from element `at` on: all ones or zero for each element. */
static void expand(const tf_call *call, size_t j, size_t at, size_t count, uint64_t *out) {
    tf_expand_bits(call->in[0].bit + j * tf_words(tf_shape_count(call->node->type.shape)), at, count, false, out);
}

static void rho_stream(tf_call *call, int which, size_t j, size_t at, size_t count, uint64_t *out) {
    size_t n = tf_even(tf_shape_count(call->node->type.shape));
    tf_stream(call->party, which, call->index, RHO, j * n + at, out, count);
}

TF_MULTIVERSION static tf_status staircase_solo(tf_call *call) {
    unsigned bytes = tf_bytes_of(call->node->type.bits);
    size_t whole = tf_span_count(call->part.span) * bytes;
    tf_for_blocks(call, at, count) {
        uint64_t rho[TF_BLOCK], m[TF_BLOCK];
        for (size_t j = 0; j < call->node->data_count; j++) {
            expand(call, j, at, count, rho);
            rho_stream(call, call->part.own, j, at, count, m);
            for (size_t i = 0; i < count; i++) m[i] = (rho[i] & 1) - m[i];
            call->party->kernels->pack_bytes(m, count, bytes,
                                             call->message + j * whole + (at - call->part.span.begin) * bytes);
        }
        tf_reshare_solo(call, (tf_reshare){MU, 0}, at, count);
    }
    return TF_OK;
}

TF_MULTIVERSION static tf_status staircase_pair(tf_call *call, int phase) {
    unsigned bytes = tf_bytes_of(call->node->type.bits);
    size_t whole = tf_span_count(call->part.span) * bytes;
    tf_for_blocks(call, at, count) {
        if (phase == 1) {
            tf_reshare_receive(call, at, count);
            continue;
        }
        uint64_t part[TF_BLOCK], delta[TF_BLOCK], m[TF_BLOCK], one = call->part.role == TF_LEFT;
        memset(part, 0, count * sizeof *part);
        for (size_t j = 0; j < call->node->data_count; j++) {
            uint64_t y = (uint64_t)call->node->data[j];
            expand(call, j, at, count, delta);
            if (call->part.role == TF_LEFT)
                rho_stream(call, call->part.own, j, at, count, m);
            else
                call->party->kernels->unpack_bytes(call->dealt + j * whole + (at - call->part.span.begin) * bytes,
                                                   count, bytes, m);
            for (size_t i = 0; i < count; i++) part[i] += y * (((m[i] ^ delta[i]) - delta[i]) + (delta[i] & one));
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
    int64_t *data = tf_append_data(p, v, count);
    if (!data) return -1;
    for (size_t j = 0; j < count; j++) data[j] = llrint(ldexp(y[j], frac));
    return tf_add_const_within(p, v, base, bound);
}
