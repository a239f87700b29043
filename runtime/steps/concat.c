/* Tensors one after the other along an axis. Nothing is sent. */
#include <math.h>
#include <string.h>

#include "runtime/program/step.h"

/** `outer` times, as many elements of each input in a row as it has in such a part. */
typedef struct concat_args {
    int64_t outer;
} concat_args;

/* All thirds at once: S runs ahead where there is but one. */
static tf_status concat_local(tf_call *call) {
    const tf_step_node *node = call->node;
    size_t outer = (size_t)tf_args(concat_args, node)->outer;
    for (int j = 0; j < 2 && tf_span_count(call->part.span); j++) {
        uint64_t *out = call->out.c[j];
        for (size_t o = 0; o < outer; o++)
            for (int k = 0; k < node->inputs; k++) {
                size_t length = tf_shape_count(call->program->node[node->input[k]].type.shape) / outer;
                memcpy(out, call->in[k].c[j] + o * length, length * sizeof *out);
                out += length;
            }
    }
    return TF_OK;
}

static const tf_step concat_step = {.name = "concat",
                                    .summary = "tensors one after the other",
                                    .keeps_thirds = tf_step_is_small,
                                    .local = concat_local};

/** The shape of the whole; -1 as axis counts from the end. */
static tf_status concat_shape(const tf_program *p, int count, const tf_value *part, int *axis, tf_type *type) {
    if (count < 1 || count > TF_STEP_INPUTS)
        return tf_fail(TF_INVALID, "%d tensors to put together; 1 to %d are possible", count, (int)TF_STEP_INPUTS);
    *type = *tf_type_of(p, part[0]);
    if (*axis < 0) *axis += type->shape.rank;
    if (*axis < 0 || *axis >= type->shape.rank)
        return tf_fail(TF_INVALID, "tensors are put together along a missing axis");
    for (int k = 1; k < count; k++) {
        const tf_type *other = tf_type_of(p, part[k]);
        tf_shape same = other->shape;
        if (same.rank == type->shape.rank) same.dim[*axis] = type->shape.dim[*axis];
        if (!tf_shape_equal(same, type->shape))
            return tf_fail(TF_INVALID, "tensors of different shapes cannot be put together");
        if (other->frac != type->frac) return tf_fail(TF_INVALID, "tensors of different scales cannot be put together");
        type->shape.dim[*axis] += other->shape.dim[*axis];
        type->bound = fmax(type->bound, other->bound);
    }
    return TF_OK;
}

tf_value tf_concat(tf_program *p, int count, const tf_value *part, int axis) {
    if (p->status) return -1;
    tf_type type;
    tf_value in[TF_STEP_INPUTS];
    tf_status status = concat_shape(p, count, part, &axis, &type);
    if (status) return tf_program_fail(p, status);
    unsigned need = tf_width(type.frac, type.bound);
    type.zero = -1;
    type.bits = 64;
    for (int k = 0; k < count; k++) {
        in[k] = tf_lift(p, part[k], need); /* what has more bits keeps them: all are read mod the narrowest ring */
        if (tf_type_of(p, in[k])->bits < type.bits) type.bits = tf_type_of(p, in[k])->bits;
    }
    concat_args args = {.outer = 1};
    for (int i = 0; i < axis; i++) args.outer *= (int64_t)type.shape.dim[i];
    return tf_append_args(p, &concat_step, type, count, in, &args, sizeof args);
}
