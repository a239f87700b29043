/** The activation of BERT's pooler. */
#include <math.h>

#include "ops/common.h"
#include "ops/ops.h"

static tf_status plain_exact(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) out->data[i] = tanhf(in[0].data[i]);
    return TF_OK;
}

const tf_op tf_tanh_ops[] = {
    {.kind = "tanh",
     .variant = "exact",
     .summary = "the hyperbolic tangent",
     .source = "Devlin et al. 2019 (BERT), reference code",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = plain_exact,
     .low = -8,
     .high = 8,
     .private_error = 2e-3},
    {0},
};
