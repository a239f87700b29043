/* A value under another type: another shape, another range. */
#include "runtime/steps/steps.h"

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
