/* What several steps share: reshares, and the aliases that give a value another type. */
#include <string.h>

#include "runtime/steps/steps.h"

TF_MULTIVERSION void tf_expand_bits(const uint64_t *bit, size_t at, size_t count, bool invert, uint64_t *out) {
    uint64_t flip = invert ? ~UINT64_C(0) : 0;
    for (size_t w = 0; w * 64 < count; w++) {
        uint64_t word = bit[at / 64 + w] ^ flip;
        size_t n = count - w * 64 < 64 ? count - w * 64 : 64;
        for (size_t i = 0; i < n; i++) out[w * 64 + i] = -(word >> i & 1);
    }
}

void tf_number_stream(tf_call *call, int which, unsigned purpose, unsigned bytes, size_t at, size_t count,
                      uint64_t out[TF_BLOCK]) {
    const size_t size = tf_number_size(bytes);
    tf_stream(call->party, which, call->index, purpose, at / 8 * size, out, (count * size + 7) / 8);
}

const void *tf_number_read(const tf_call *call, const uint8_t *in, size_t count, unsigned bytes,
                           uint64_t room[TF_BLOCK]) {
    if (tf_number_size(bytes) == bytes) return in;
    call->party->kernels->unpack_bytes(in, count, bytes, room);
    return room;
}

void tf_number_sent(const tf_call *call, uint8_t *out, size_t count, unsigned bytes, const uint64_t room[TF_BLOCK]) {
    if (tf_number_size(bytes) != bytes) call->party->kernels->pack_bytes(room, count, bytes, out);
}

void tf_ring_stream(tf_call *call, int which, unsigned purpose, unsigned bytes, size_t at, size_t count, tf_ring *out) {
    if (tf_is_narrow(bytes))
        tf_stream(call->party, which, call->index, purpose, at / 2, out->wide, (count + 1) / 2);
    else
        tf_element_stream(call, which, purpose, at, count, out->wide);
}

void tf_ring_pack(const tf_call *call, const tf_ring *r, size_t count, unsigned bytes, uint8_t *out) {
    if (tf_is_narrow(bytes))
        memcpy(out, r->narrow, count * sizeof *r->narrow);
    else
        call->party->kernels->pack_bytes(r->wide, count, bytes, out);
}

void tf_ring_unpack(const tf_call *call, const uint8_t *in, size_t count, unsigned bytes, tf_ring *r) {
    if (tf_is_narrow(bytes))
        memcpy(r->narrow, in, count * sizeof *r->narrow);
    else
        call->party->kernels->unpack_bytes(in, count, bytes, r->wide);
}

/** Bytes of an element before bits are dropped. */
static unsigned bytes_before(const tf_call *call, tf_reshare r) {
    return tf_bytes_of(call->node->type.bits + r.drop);
}

/** x / 2^drop, whose low bits go to the upper end of the word: they pad messages, so that these are uniform. */
static inline uint64_t dropped(bool narrow, unsigned drop, uint64_t x) {
    return narrow ? (uint32_t)x >> drop | (uint32_t)x << (-drop & 31) : x >> drop | x << (-drop & 63);
}

static inline __attribute__((always_inline)) void keep_stream(bool narrow, unsigned drop, size_t count,
                                                              const tf_ring *stream, uint64_t *out) {
    for (size_t i = 0; i < count; i++) out[i] = dropped(narrow, drop, tf_ring_get(stream, narrow, i));
}

TF_MULTIVERSION void tf_reshare_solo(tf_call *call, tf_reshare r, size_t at, size_t count) {
    unsigned bytes = bytes_before(call, r);
    for (int j = 0; j < 2; j++) {
        tf_ring stream;
        if (!tf_is_narrow(bytes) && !r.drop) {
            tf_element_stream(call, j, r.purpose, at, count, call->out.c[j] + at);
            continue;
        }
        tf_ring_stream(call, j, r.purpose, bytes, at, count, &stream);
        if (tf_is_narrow(bytes))
            keep_stream(true, r.drop, count, &stream, call->out.c[j] + at);
        else
            keep_stream(false, r.drop, count, &stream, call->out.c[j] + at);
    }
}

/** This side's own component, and what it sends, which is kept in the place of the common one. */
static inline __attribute__((always_inline)) void split(bool narrow, unsigned drop, uint64_t centre, size_t count,
                                                        const tf_ring *stream, const uint64_t *part,
                                                        uint64_t *restrict mine, uint64_t *restrict common) {
    for (size_t i = 0; i < count; i++) {
        uint64_t mask = tf_ring_get(stream, narrow, i);
        mine[i] = dropped(narrow, drop, mask);
        common[i] = dropped(narrow, drop, part[i] - mask + centre);
    }
}

TF_MULTIVERSION void tf_reshare_send(tf_call *call, tf_reshare r, size_t at, size_t count, const uint64_t *part) {
    int own = call->part.own;
    unsigned bytes = tf_bytes_of(call->node->type.bits), before = bytes_before(call, r);
    uint64_t *mine = call->out.c[own] + at, *common = call->out.c[1 - own] + at;
    /* four floors lower the sum by two units in the mean */
    uint64_t centre = r.drop && call->part.role == TF_LEFT ? (UINT64_C(2) << r.drop) - 1 : 0;
    tf_ring stream;
    tf_ring_stream(call, own, r.purpose, before, at, count, &stream);
    if (tf_is_narrow(before))
        split(true, r.drop, centre, count, &stream, part, mine, common);
    else
        split(false, r.drop, centre, count, &stream, part, mine, common);
    call->party->kernels->pack_bytes(common, count, bytes, call->message + (at - call->part.span.begin) * bytes);
}

static inline __attribute__((always_inline)) void add_other(unsigned size, const void *restrict other, size_t count,
                                                            uint64_t *restrict common) {
    for (size_t i = 0; i < count; i++) common[i] += tf_number_get(other, size, i);
}

TF_MULTIVERSION void tf_reshare_receive(tf_call *call, size_t at, size_t count) {
    const unsigned bytes = tf_bytes_of(call->node->type.bits);
    const uint8_t *message = call->received + (at - call->part.span.begin) * bytes;
    uint64_t room[TF_BLOCK];
    tf_fetch_words(call->out.c[1 - call->part.own] + at);
    const void *other = tf_number_read(call, message, count, bytes, room);
    TF_WITH_NUMBER_SIZE(tf_number_size(bytes), add_other, other, count, call->out.c[1 - call->part.own] + at)
}

/* A value under another type: another shape, another range --------------------------------------------------------- */

static const tf_step rename_step = {.name = "rename",
                                    .summary = "the same elements under another shape or range",
                                    .alias = true,
                                    .elementwise = true,
                                    .widen = tf_widen_inputs};

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
