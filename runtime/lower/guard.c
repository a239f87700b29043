#include "runtime/lower/guard.h"

#include <math.h>
#include <string.h>

#include "runtime/program/step.h"

/* Fractional bits of the entries of sketches at most, and of their squared norms; squared norms beyond which a
 * comparison would be too wide; significant bits of the comparison. */
enum { ENTRY = 16, SQUARE = 8, WIDEST = 36, SIGNIFICANT = 8 };

/** Whether there are several ways to compute what the op does: then it is a function that holds within a range. */
static bool choosable(const tf_op *op) {
    int variants = 0;
    const tf_op *other;
    for (int i = 0; op && (other = tf_registry_at(i)); i++) variants += !strcmp(other->kind, op->kind);
    return op && (op->like || variants > 1);
}

bool tf_guarded(const tf_graph *graph, tf_id id) {
    if (!graph->node[id].op && graph->node[id].leaf != TF_LEAF_HELD) return false;
    for (tf_id i = id + 1; i < graph->nodes; i++) {
        const tf_node *node = &graph->node[i];
        for (int k = 0; k < node->inputs; k++)
            if (node->input[k] == id && (choosable(node->op) || (node->leaf == TF_LEAF_HELD && tf_guarded(graph, i))))
                return true;
    }
    return false;
}

tf_value tf_guard_rows(tf_program *p, tf_value x, double most, tf_value count) {
    tf_value sketch = tf_sketch(p, x);
    if (p->status) return -1;
    if (tf_type_of(p, sketch)->frac > ENTRY) sketch = tf_trunc(p, sketch, ENTRY);
    int frac = tf_type_of(p, sketch)->frac, point = 2 * frac < SQUARE ? 2 * frac : SQUARE,
        room = 62 - 2 * frac < WIDEST ? 62 - 2 * frac : WIDEST;
    if (most > ldexp(1, room - 1))
        return tf_program_fail(p, tf_fail(TF_RANGE,
                                          "rows with a squared norm of up to %g are beyond the guard's %g: give "
                                          "--no-guard",
                                          most, ldexp(1, room - 1)));
    tf_value square = tf_dot(p, sketch, sketch, (tf_result){point, ldexp(1, room), false});
    int low = (int)floor(log2(most)) + point - SIGNIFICANT;
    tf_value rest = tf_add_const_within(p, tf_scale_int(p, square, -1), most, ldexp(1, room));
    tf_value beyond = tf_bit_to_share(p, tf_negative(p, rest, low > 0 ? (unsigned)low : 0), 32, false);
    if (p->status) return -1;
    size_t rows = tf_shape_count(tf_type_of(p, beyond)->shape);
    beyond = tf_sum_axis(p, tf_reshape(p, beyond, tf_dims(1, rows)), -1, (double)rows);
    return count < 0 ? beyond : tf_add(p, count, beyond);
}

tf_value tf_guard_any(tf_program *p, tf_value count) {
    return tf_bit_to_share(p, tf_negative(p, tf_scale_int(p, count, -1), 0), 32, false);
}
