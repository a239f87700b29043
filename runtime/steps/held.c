/* State that stays shared between runs: its memory is the session's, and a run adds rows to it. Nothing is sent. */
#include <stdlib.h>
#include <string.h>

#include "runtime/graph/graph.h"
#include "runtime/program/step.h"

/** The state's number in the program. Leaf: its name, axis and shape; the input: what is appended, if any. */
typedef struct held_args {
    int64_t number; /**< the first of the parameters: where the executor reads it */
} held_args;

static tf_status append_rows(tf_call *call, int phase) {
    const tf_step_node *node = call->node;
    const tf_held_view *held = &call->slots->held[tf_args(held_args, node)->number];
    tf_shape shape = node->type.shape;
    int axis = node->leaf->axis;
    size_t outer = 1, inner = 1, capacity = shape.dim[axis];
    size_t rows = call->program->node[node->input[0]].type.shape.dim[axis];
    for (int i = 0; i < axis; i++) outer *= shape.dim[i];
    for (int i = axis + 1; i < shape.rank; i++) inner *= shape.dim[i];
    if (held->length > capacity || rows > capacity - held->length)
        return tf_fail(TF_INVALID, "%s: %zu rows and %zu more do not fit into a capacity of %zu", node->leaf->name,
                       held->length, rows, capacity);
    for (int j = 0; j < 2; j++)
        for (size_t o = 0; o < outer; o++)
            memcpy(call->out.c[j] + (o * capacity + held->length) * inner, call->in[0].c[j] + o * rows * inner,
                   rows * inner * sizeof(uint64_t));
    return TF_OK;
}

static const tf_step append_step = {
    .name = "append", .summary = "adds rows to a state of the session", .held = true, .whole = append_rows};

static const tf_step held_step = {.name = "held", .summary = "a state of the session as it is", .held = true};

tf_value tf_hold(tf_program *p, const tf_node *leaf, tf_value x, unsigned bits) {
    if (p->status) return -1;
    double bound = leaf->range > 0 ? leaf->range : tf_default_bound(p);
    tf_type type = {.kind = TF_SHARE, .bits = tf_width(p->frac, bound), .frac = p->frac, .bound = bound};
    if (type.bits < bits) type.bits = bits;
    if (leaf->inputs) {
        tf_status status = tf_check_operand(p, append_step.name, x, false);
        if (status) return tf_program_fail(p, status);
        type = *tf_type_of(p, x = tf_lift(p, x, bits));
    }
    type.shape = leaf->shape;
    type.zero = -1;
    tf_held *grown = realloc(p->held, ((size_t)p->helds + 1) * sizeof *grown);
    if (!grown) return tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for %d states", p->helds + 1));
    p->held = grown;
    held_args args = {.number = p->helds};
    tf_value v =
        tf_append_args(p, leaf->inputs ? &append_step : &held_step, type, leaf->inputs, &x, &args, sizeof args);
    if (v < 0) return -1;
    p->node[v].leaf = leaf;
    p->held[p->helds++] = (tf_held){leaf, v};
    return v;
}
