/** The logistic function and its kin: sigmoid, tanh (BERT's pooler), SiLU (LLaMA's feed-forward layers). */
#include <math.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "ops/split.h"

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

/* (sigmoid(x) - 1/2)/x for |x| < 8, to 5.3e-4/x; the tails are cut at 3.4e-4. */
static const tf_even sigmoid_part = {.tail = 8,
                                     .input = 11,
                                     .scale = 5,
                                     .square = {14, 1},
                                     .offset = 0.7754162,
                                     .w = {14, 0.7546},
                                     .a = {0, -0.5351099},
                                     .b = {-1.5, 0.2662531},
                                     .z = {15, -0.1254},
                                     .c = {-1, 0, -0.3226787},
                                     .d = {-0.5, 1, 1, -0.5346008},
                                     .point = 5,
                                     .top = {19, 0},
                                     .e = {-0.109375, 0.078125, 0.0625, 0.0979637}};

/* x (sigmoid(x) - 1/2) for |x| < 7.99, to 2.9e-3; the tails are cut at 2.7e-3. */
static const tf_even silu_part = {.tail = 7.99,
                                  .input = 12,
                                  .scale = 5,
                                  .square = {14, 1},
                                  .offset = 0.5117717,
                                  .w = {13, 1.1},
                                  .a = {-2, 0.1592791},
                                  .b = {-1, 0.4010967},
                                  .z = {13, 0.51},
                                  .c = {1, -1, 0.7209928},
                                  .d = {0, -0.5, -1, 1.7460769},
                                  .point = 2,
                                  .top = {15, 0.08},
                                  .e = {1.5, 0, -0.5, 1.652946}};

static tf_value lower_sigmoid(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_even_step(p, in[0], &sigmoid_part);
}

/* tanh x = 2 sigmoid(2x) - 1 */
static tf_value lower_tanh(tf_program *p, const tf_node *node, const tf_value *in) {
    tf_value step = tf_even_step(p, tf_scale_real(p, in[0], 2, 1), &sigmoid_part);
    return tf_add_const_within(p, tf_scale_real(p, step, 2, 1), -1, 2);
}

static tf_value lower_silu(tf_program *p, const tf_node *node, const tf_value *in) {
    return tf_even_ramp(p, in[0], &silu_part);
}

/* silu(1.702 x) / 1.702 */
static tf_value lower_quick_gelu(tf_program *p, const tf_node *node, const tf_value *in) {
    enum { PRECISION = 14 };
    if (p->status) return -1;
    tf_value x = tf_trunc(p, tf_scale_real(p, in[0], QUICK, PRECISION), p->frac);
    x = tf_assume(p, x, fmin(tf_type_of(p, x)->bound, tf_default_bound(p)));
    tf_value y = tf_scale_real(p, tf_even_ramp(p, x, &silu_part), 1 / QUICK, PRECISION);
    return tf_trunc(p, y, p->frac);
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
     .private_error = 2e-3},
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
     .private_error = 1e-3},
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
     .private_error = 4.5e-3},
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
     .private_error = 4e-3},
    {0},
};
