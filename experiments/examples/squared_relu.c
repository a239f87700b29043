/**
 * An example of a plugin: one more variant of the activation, max(x, 0)^2, in one file.
 *
 * Built as trefoil_plugin_example.so; any shared object that exports a tf_plugin named trefoil_plugin will do. It is
 * not linked with the trefoil library: its symbols come from the program that loads it.
 */
#include "runtime/graph/graph.h"
#include "runtime/lower/compose.h"

/* The shape of the output: that of the input. */
static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    *out = shape[0];
    return TF_OK;
}

/* What the op computes, in floating point. */
static tf_status plain(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) {
        float x = in[0].data[i] > 0 ? in[0].data[i] : 0;
        out->data[i] = x * x;
    }
    return TF_OK;
}

/* The same on shares: ReLU is a comparison and a selection, the square one multiplication. */
static tf_value lower(tf_program *program, const tf_node *node, const tf_value *in) {
    tf_value x = tf_relu(program, in[0]);
    return tf_mul(program, x, x, (tf_result){.frac = program->frac});
}

static const tf_op squared_relu = {
    .kind = "gelu",
    .variant = "squared_relu",
    .summary = "max(x, 0)^2; for weights trained so",
    .source = "So et al. 2021 (Primer), 3",
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .plain = plain,
    .lower = lower,
    .trained = true,
    .low = -8,
    .high = 8,
    .private_error = 1e-3,
};

static const tf_op *const ops[] = {&squared_relu, NULL};

const tf_plugin trefoil_plugin = {TF_OP_ABI, "example", ops};
