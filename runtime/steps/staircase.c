/*
 * What the bits of one value's thresholds select: a sum of public numbers, or of lines of that value,
 *     y + s x + sum_j b_j (y_j + s_j x),   b_j = delta_j ^ rho_j.
 * S deals shares of its bits rho_j, and for lines of rho_j v too; L and R turn them where delta_j is 1, scale them by
 * the public y_j and s_j, add up, and reshare once. So a function given as lines between thresholds takes no product.
 *
 * What the receivers learn. R gets each rho_j and rho_j v less streams of k_s that it does not hold. L and R swap their
 * parts of the sum less streams shared with S alone. All uniform to their receivers.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/steps/steps.h"

enum { RHO = 1, RHO_V, MU }; /* purposes */

/* Inputs: the bits of thresholds, and x where there are lines. Data: y_j, then y; of lines then s_j, and s. In the ring
 * of the result before `drop` bits are truncated. */
typedef struct staircase_args {
    int64_t drop;
} staircase_args;

static size_t steps_of(const tf_step_node *node) {
    return node->data_count / (size_t)node->inputs - 1;
}

static unsigned drop_of(const tf_step_node *node) {
    return (unsigned)tf_args(staircase_args, node)->drop;
}

static unsigned bytes_of(const tf_step_node *node) {
    return tf_bytes_of(node->type.bits + drop_of(node));
}

static void staircase_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, (size_t)node->inputs * steps_of(node) * bytes_of(node));
    tf_traffic_swap(traffic, 0, n, tf_bytes_of(node->type.bits));
}

/** Plane j of the input from element `at` on: all ones or zero for each element. */
static void expand(const tf_call *call, size_t j, size_t at, size_t count, uint64_t *out) {
    tf_expand_bits(call->in[0].bit + j * tf_words(tf_shape_count(call->node->type.shape)), at, count, false, out);
}

static void bit_stream(tf_call *call, unsigned purpose, size_t j, size_t at, size_t count, uint64_t *out) {
    size_t n = tf_even(tf_shape_count(call->node->type.shape));
    tf_stream(call->party, call->part.own, call->index, purpose, j * n + at, out, count);
}

/** Where S's message has rho_j of the block, and after all of these rho_j v. */
static size_t in_message(const tf_call *call, size_t j, size_t at) {
    size_t n = tf_span_count(call->part.span);
    return (j * n + at - call->part.span.begin) * bytes_of(call->node);
}

TF_MULTIVERSION static tf_status staircase_solo(tf_call *call) {
    const tf_step_node *node = call->node;
    size_t steps = steps_of(node);
    bool lines = node->inputs > 1;
    tf_for_blocks(call, at, count) {
        uint64_t rho[TF_BLOCK], m[TF_BLOCK];
        for (size_t j = 0; j < steps; j++) {
            expand(call, j, at, count, rho);
            bit_stream(call, RHO, j, at, count, m);
            for (size_t i = 0; i < count; i++) m[i] = (rho[i] & 1) - m[i];
            call->party->kernels->pack_bytes(m, count, bytes_of(node), call->message + in_message(call, j, at));
            if (!lines) continue;
            const uint64_t *x = call->in[1].c[0] + at, *y = call->in[1].c[1] + at;
            bit_stream(call, RHO_V, j, at, count, m);
            for (size_t i = 0; i < count; i++) m[i] = (rho[i] & (x[i] + y[i])) - m[i];
            call->party->kernels->pack_bytes(m, count, bytes_of(node), call->message + in_message(call, steps + j, at));
        }
        tf_reshare_solo(call, (tf_reshare){MU, drop_of(node)}, at, count);
    }
    return TF_OK;
}

/** This side's share of what S dealt as number j. */
static void take(tf_call *call, unsigned purpose, size_t j, size_t at, size_t count, uint64_t *out) {
    size_t place = purpose == RHO_V ? steps_of(call->node) + j : j;
    if (call->part.role == TF_LEFT)
        bit_stream(call, purpose, j, at, count, out);
    else
        call->party->kernels->unpack_bytes(call->dealt + in_message(call, place, at), count, bytes_of(call->node), out);
}

/** part += (x + half where this side counts it) s_j where the bit is set, and s x. */
TF_MULTIVERSION static void add_lines(tf_call *call, size_t at, size_t count, uint64_t *part) {
    const uint64_t *slope = (const uint64_t *)call->node->data + call->node->data_count / 2;
    int own = call->part.own;
    size_t steps = steps_of(call->node);
    const uint64_t *half = call->in[1].c[own] + at, *c = call->in[1].c[1 - own] + at;
    uint64_t whole[TF_BLOCK], delta[TF_BLOCK], m[TF_BLOCK], u[TF_BLOCK];
    uint64_t left = call->part.role == TF_LEFT ? ~UINT64_C(0) : 0; /* one side counts c */
    for (size_t i = 0; i < count; i++) {
        whole[i] = half[i] + (c[i] & left);
        part[i] += slope[steps] * whole[i];
    }
    for (size_t j = 0; j < steps; j++) {
        expand(call, j, at, count, delta);
        take(call, RHO, j, at, count, m);
        take(call, RHO_V, j, at, count, u);
        for (size_t i = 0; i < count; i++)
            part[i] += slope[j] * ((((c[i] * m[i] + u[i]) ^ delta[i]) - delta[i]) + (delta[i] & whole[i]));
    }
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
            take(call, RHO, j, at, count, m);
            for (size_t i = 0; i < count; i++) part[i] += y[j] * (((m[i] ^ delta[i]) - delta[i]) + (delta[i] & one));
        }
        if (call->node->inputs > 1) add_lines(call, at, count, part);
        tf_reshare_send(call, (tf_reshare){MU, drop_of(call->node)}, at, count, part);
    }
    return TF_OK;
}

static const tf_step staircase_step = {.name = "staircase",
                                       .summary = "sum of public numbers, or lines, that the bits of thresholds select",
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
    staircase_args args = {.drop = 0};
    tf_value v = tf_append_args(p, &staircase_step, type, 1, &bits, &args, sizeof args);
    int64_t *data = tf_append_data(p, v, count + 1);
    if (!data) return -1;
    for (size_t j = 0; j < count; j++) data[j] = llrint(ldexp(y[j], frac));
    data[count] = llrint(ldexp(base, frac));
    return v;
}

static double power_of(const tf_power *f, double x) {
    return f->scale * pow(x, f->exponent);
}

/** The line on [low, high], in integers: a slope, and what makes the errors at ends and in between even. */
static void integer_line(const tf_power *f, double low, double high, int point, int frac, int64_t *y, int64_t *s) {
    enum { SAMPLES = 16 };
    double least = INFINITY, most = -INFINITY, slope = 0;
    if (high > low) slope = (power_of(f, high) - power_of(f, low)) / (high - low);
    *s = llrint(ldexp(slope, frac - point));
    for (int i = 0; i <= SAMPLES; i++) {
        double x = low + (high - low) * i / SAMPLES, rest = ldexp(power_of(f, x), frac) - (double)*s * ldexp(x, point);
        least = fmin(least, rest);
        most = fmax(most, rest);
    }
    *y = llrint((least + most) / 2);
}

tf_value tf_lines(tf_program *p, tf_value bits, tf_value x, const tf_power *f, tf_result result) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, x), planes = *tf_type_of(p, bits);
    size_t count = f->count - 1, all = f->count;
    if (planes.kind != TF_BIT || planes.bits != count)
        return tf_program_fail(p, tf_fail(TF_INVALID, "the bits of %zu thresholds are expected", count));
    int spare = 64 - (int)tf_width(result.frac, result.bound); /* as fine as the widest ring has room for */
    if (spare < 1) return tf_program_fail(p, tf_fail(TF_RANGE, "lines within %g have no room", result.bound));
    int point = type.frac, frac = result.frac + spare;
    x = tf_lift(p, x, 64);
    type = (tf_type){.shape = type.shape,
                     .kind = TF_SHARE,
                     .bits = 64 - (unsigned)spare,
                     .frac = result.frac,
                     .bound = result.bound,
                     .zero = -1};
    staircase_args args = {.drop = spare};
    tf_value v = tf_append_args(p, &staircase_step, type, 2, (tf_value[]){bits, x}, &args, sizeof args);
    int64_t *y = tf_append_data(p, v, 2 * all), *s = y + all;
    if (!y) return -1;
    for (size_t j = 0; j < all; j++) integer_line(f, f->end[j], f->end[j + 1], point, frac, &y[j], &s[j]);
    for (size_t j = 0; j < count; j++) { /* each step is the difference to the line above, mod 2^64 */
        y[j] = (int64_t)((uint64_t)y[j] - (uint64_t)y[j + 1]);
        s[j] = (int64_t)((uint64_t)s[j] - (uint64_t)s[j + 1]);
    }
    return v;
}
