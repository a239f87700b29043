/* What several steps share: reshares, and the aliases that give a value another type. */
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

/* A value under another type: another shape, another range --------------------------------------------------------- */

static const tf_step rename_step = {
    .name = "rename", .summary = "the same elements under another shape or range", .alias = true, .elementwise = true};

tf_value tf_rename(tf_program *p, tf_value a, tf_type type) {
    return tf_append(p, &rename_step, type, 1, &a);
}

tf_value tf_reshape(tf_program *p, tf_value a, tf_shape shape) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    if (tf_shape_count(shape) != tf_shape_count(type.shape))
        return tf_program_fail(p, tf_fail(TF_INVALID, "a reshape changes the number of elements"));
    type.shape = shape;
    return tf_rename(p, a, type);
}

tf_value tf_assume(tf_program *p, tf_value a, double bound) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    type.bound = bound;
    return tf_rename(p, a, type);
}

tf_value tf_assume_selected(tf_program *p, tf_value a, double bound) {
    tf_value v = tf_assume(p, a, bound);
    if (v >= 0) p->node[v].loose = true;
    return v;
}

void tf_let_through(tf_program *p, tf_value a, tf_value kept) {
    if (p->status) return;
    p->node[a].loose = true;
    p->node[kept].loose = false;
}

/** Which plane. */
typedef struct plane_args {
    int64_t plane;
} plane_args;

static size_t plane_offset(const tf_program *program, const tf_step_node *node) {
    return (size_t)tf_args(plane_args, node)->plane * tf_words(tf_shape_count(node->type.shape));
}

static const tf_step plane_step = {.name = "plane",
                                   .summary = "one of several planes of split bits",
                                   .alias = true,
                                   .alias_offset = plane_offset,
                                   .takes_bits = true,
                                   .elementwise = true};

tf_value tf_bit_plane(tf_program *p, tf_value bits, size_t plane) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, bits);
    if (type.kind != TF_BIT || plane >= type.bits)
        return tf_program_fail(p, tf_fail(TF_INVALID, "plane %zu of split bits that have %u", plane, type.bits));
    type.bits = 1;
    plane_args args = {.plane = (int64_t)plane};
    return tf_append_args(p, &plane_step, type, 1, &bits, &args, sizeof args);
}
