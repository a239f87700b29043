#include "runtime/steps/steps.h"

TF_MULTIVERSION void tf_expand_bits(const uint64_t *bit, size_t at, size_t count, bool invert, uint64_t *out) {
    uint64_t flip = invert ? ~UINT64_C(0) : 0;
    for (size_t w = 0; w * 64 < count; w++) {
        uint64_t word = bit[at / 64 + w] ^ flip;
        size_t n = count - w * 64 < 64 ? count - w * 64 : 64;
        for (size_t i = 0; i < n; i++) out[w * 64 + i] = -(word >> i & 1);
    }
}

/** x / 2^drop of every word, whose low bits go to its upper end: they pad messages, so that these are uniform. */
TF_MULTIVERSION static void drop_bits(unsigned drop, uint64_t *x, size_t count) {
    if (!drop) return;
    for (size_t i = 0; i < count; i++) x[i] = x[i] >> drop | x[i] << (64 - drop);
}

void tf_reshare_solo(tf_call *call, tf_reshare r, size_t at, size_t count) {
    for (int j = 0; j < 2; j++) {
        tf_element_stream(call, j, r.purpose, at, count, call->out.c[j] + at);
        drop_bits(r.drop, call->out.c[j] + at, count);
    }
}

TF_MULTIVERSION void tf_reshare_send(tf_call *call, tf_reshare r, size_t at, size_t count, const uint64_t *part) {
    int own = call->part.own;
    unsigned bytes = tf_bytes_of(call->node->type.bits);
    uint64_t *mine = call->out.c[own] + at, *common = call->out.c[1 - own] + at;
    /* four floors lower the sum by two units in the mean */
    uint64_t centre = r.drop && call->part.role == TF_LEFT ? (UINT64_C(2) << r.drop) - 1 : 0;
    tf_element_stream(call, own, r.purpose, at, count, mine);
    for (size_t i = 0; i < count; i++) common[i] = part[i] - mine[i] + centre;
    drop_bits(r.drop, mine, count);
    drop_bits(r.drop, common, count);
    call->party->kernels->pack_bytes(common, count, bytes, call->message + (at - call->part.span.begin) * bytes);
}

TF_MULTIVERSION void tf_reshare_receive(tf_call *call, size_t at, size_t count) {
    unsigned bytes = tf_bytes_of(call->node->type.bits);
    uint64_t *common = call->out.c[1 - call->part.own] + at, other[TF_BLOCK];
    const uint8_t *message = call->received + (at - call->part.span.begin) * bytes;
    call->party->kernels->unpack_bytes(message, count, bytes, other);
    for (size_t i = 0; i < count; i++) common[i] += other[i];
}
