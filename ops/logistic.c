/** The logistic function and its kin: sigmoid, tanh (BERT's pooler), SiLU (LLaMA's feed-forward layers). */
#include <math.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "ops/tails.h"

static tf_status plain_sigmoid(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) out->data[i] = 1 / (1 + expf(-in[0].data[i]));
    return TF_OK;
}

static tf_status plain_tanh(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) out->data[i] = tanhf(in[0].data[i]);
    return TF_OK;
}

static tf_status plain_silu(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) out->data[i] = in[0].data[i] / (1 + expf(-in[0].data[i]));
    return TF_OK;
}

#define QUICK 1.702

static tf_status plain_quick_gelu(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t count = tf_shape_count(out->shape);
    for (size_t i = 0; i < count; i++) out->data[i] = in[0].data[i] / (1 + expf(-(float)QUICK * in[0].data[i]));
    return TF_OK;
}

/* The same as functions of a number, with windows of which lines are off by less than 1.3e-4 (sigmoid), 2.6e-4 (tanh),
 * 2.8e-4 (quick_gelu) and 6.6e-4 (SiLU), and tails by 5e-4 (sigmoid), 2e-5 (quick_gelu) and less. */
static const tf_window eight = {8, 7}, fine_eight = {8, 8}, fine_sixteen = {16, 8};

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static double silu(double x) {
    return x * sigmoid(x);
}

static double quick_gelu(double x) {
    return x * sigmoid(QUICK * x);
}

static tf_value lower_sigmoid(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_spline_step(p, in[0], sigmoid, eight, 0x1p-3, 0, 1);
}

static tf_value lower_tanh(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_spline_step(p, in[0], tanh, fine_eight, 0x1p-3, -1, 1);
}

static tf_value lower_silu(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_spline_ramp(p, in[0], silu, fine_sixteen, 0x1p-3);
}

static tf_value lower_quick_gelu(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_spline_ramp(p, in[0], quick_gelu, fine_eight, 0x1p-3);
}

const tf_op tf_logistic_ops[] = {
    {.kind = "tanh",
     .variant = "exact",
     .summary = "the hyperbolic tangent",
     .source = "Devlin et al. 2019 (BERT), reference code",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = plain_tanh,
     .lower = lower_tanh,
     .low = -8,
     .high = 8,
     .private_error = 4e-4},
    {.kind = "sigmoid",
     .variant = "exact",
     .summary = "1 / (1 + exp(-x))",
     .source = "the logistic function",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = plain_sigmoid,
     .lower = lower_sigmoid,
     .low = -16,
     .high = 16,
     .private_error = 6e-4},
    {.kind = "silu",
     .variant = "exact",
     .summary = "x / (1 + exp(-x))",
     .source = "Elfwing, Uchibe and Doya 2017; LLaMA's activation",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = plain_silu,
     .lower = lower_silu,
     .places = 1,
     .like = "gelu",
     .low = -16,
     .high = 16,
     .private_error = 8e-4},
    {.kind = "silu",
     .variant = "relu",
     .summary = "max(x, 0); for weights trained so",
     .source = "Liu and Liu 2023 (arXiv:2305.18396), of GELU",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = tf_plain_relu,
     .lower = tf_lower_relu,
     .trained = true,
     .truth = "exact",
     .low = -16,
     .high = 16,
     .approximation_error = 0.279,
     .private_error = 2.1e-3},
    {.kind = "quick_gelu",
     .variant = "exact",
     .summary = "x / (1 + exp(-1.702 x)), for |x| below 9600",
     .source = "Hendrycks and Gimpel 2016, 2; CLIP's activation",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = tf_infer_same,
     .plain = plain_quick_gelu,
     .lower = lower_quick_gelu,
     .places = 1,
     .like = "gelu",
     .low = -16,
     .high = 16,
     .private_error = 4e-4},
    {0},
};
