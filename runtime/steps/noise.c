/*
 * Gumbel noise. The dealer d draws x at each run, from its own random numbers, and shares it as an input is shared:
 * x_d is a stream of k_d, which party d-1 derives too; x_(d+1) = x - x_d goes to party d+1; the third component is
 * zero. Party d+1 learns x less a stream that it does not hold: uniform. The dealer learns nothing, now or later:
 * what is computed of the noise is opened to the data owner alone, who is never the dealer. A dealer that draws
 * otherwise changes which outcome is drawn, and learns it no more than an honest one.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "runtime/graph/graph.h"
#include "runtime/graph/noise.h"
#include "runtime/program/step.h"

enum { MASK = 1 };

typedef struct noise_args {
    int64_t dealer;
} noise_args;

static void noise_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    int dealer = (int)tf_args(noise_args, node)->dealer;
    traffic->dealt_at = -1;
    traffic->exchanges = 1;
    traffic->whole[0][dealer][tf_next(dealer)] = tf_shape_count(node->type.shape) * tf_bytes_of(node->type.bits);
}

static tf_status deal_block(tf_call *call, size_t at, size_t count, int next) {
    unsigned bytes = tf_bytes_of(call->node->type.bits);
    uint64_t x[TF_BLOCK], *c0 = call->out.c[0] + at, *c1 = call->out.c[1] + at;
    float noise[TF_BLOCK];
    TF_TRY(tf_gumbel(count, noise));
    tf_status status = tf_encode(&call->node->type, noise, count, x);
    tf_element_stream(call, 0, MASK, at, count, c0);
    for (size_t i = 0; i < count; i++) c1[i] = x[i] - c0[i];
    call->party->kernels->pack_bytes(c1, count, bytes, call->send[next] + at * bytes);
    OPENSSL_cleanse(noise, sizeof noise);
    OPENSSL_cleanse(x, sizeof x);
    return status;
}

static tf_status noise_whole(tf_call *call, int phase) {
    int dealer = (int)tf_args(noise_args, call->node)->dealer, id = call->party->id, next = tf_next(dealer);
    size_t n = tf_shape_count(call->node->type.shape);
    if (phase == 0 && id == dealer) {
        tf_for_blocks_of(at, count, ((tf_span){0, n})) TF_TRY(deal_block(call, at, count, next));
    } else if (phase == 1 && id == next) {
        call->party->kernels->unpack_bytes(call->receive[dealer], n, tf_bytes_of(call->node->type.bits),
                                           call->out.c[0]);
        memset(call->out.c[1], 0, n * sizeof(uint64_t));
    } else if (phase == 0 && id != next) {
        memset(call->out.c[0], 0, n * sizeof(uint64_t));
        tf_for_blocks_of(at, count, ((tf_span){0, n})) tf_element_stream(call, 1, MASK, at, count, call->out.c[1] + at);
    }
    return TF_OK;
}

static const tf_step noise_step = {
    .name = "noise", .summary = "a party deals fresh Gumbel noise", .cost = noise_cost, .whole = noise_whole};

int tf_noise_dealer(const tf_program *p) {
    if (p->model_owner != TF_OUTSIDE && p->model_owner != p->data_owner) return p->model_owner;
    return p->data_owner == TF_OUTSIDE ? 0 : tf_next(p->data_owner);
}

tf_value tf_noise(tf_program *p, tf_value leaf, int frac, unsigned bits) {
    if (p->status) return -1;
    const tf_node *node = tf_leaf_of(p, leaf);
    if (!node || node->leaf != TF_LEAF_NOISE)
        return tf_program_fail(
            p, tf_fail(TF_INVALID, "noise is expected where %s stands", node ? node->name : "an activation"));
    noise_args args = {.dealer = tf_noise_dealer(p)};
    unsigned need = tf_width(frac, TF_GUMBEL_BOUND);
    tf_type type = {.shape = node->shape,
                    .kind = TF_SHARE,
                    .bits = bits < need ? need : bits,
                    .frac = frac,
                    .bound = TF_GUMBEL_BOUND,
                    .zero = tf_zero_of((int)args.dealer)};
    return tf_append_args(p, &noise_step, type, 0, NULL, &args, sizeof args);
}
