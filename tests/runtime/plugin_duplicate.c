/* A plugin whose second op is one of the built-in ops: neither may be added. */
#include "runtime/graph/graph.h"

static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    *out = shape[0];
    return TF_OK;
}

static tf_status plain(const tf_node *node, const tf_array *in, tf_array *out) {
    return TF_OK;
}

static const tf_op fresh = {.kind = "fresh",
                            .variant = "",
                            .summary = "new",
                            .source = "none",
                            .min_inputs = 1,
                            .max_inputs = 1,
                            .infer = infer,
                            .plain = plain};
static const tf_op taken = {.kind = "gelu",
                            .variant = "relu",
                            .summary = "taken",
                            .source = "none",
                            .min_inputs = 1,
                            .max_inputs = 1,
                            .infer = infer,
                            .plain = plain};

static const tf_op *const ops[] = {&fresh, &taken, NULL};

const tf_plugin trefoil_plugin = {TF_OP_ABI, "duplicate", ops};
