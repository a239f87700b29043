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
