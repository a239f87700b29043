/** An example of a plugin: one more variant of softmax, and with it of attention, in which weights are ReLU(s)^2. */
#include "ops/softmax.h"

static void weights(const tf_node *node, const float *score, size_t n, double *weight) {
    for (size_t i = 0; i < n; i++) weight[i] = score[i] > 0 ? (double)score[i] * score[i] : 0;
}

/* In units of 16, so that products with what is averaged have room. A row's sum is at most 2^18. */
static tf_weights lower(tf_program *program, const tf_node *node, tf_value score) {
    tf_value x = tf_relu(program, score), square = tf_mul(program, x, x, (tf_result){.frac = 18, .bound = 4096});
    return (tf_weights){
        .value = tf_scale_real(program, square, 1.0 / 16, 1), .least = 1e-3 / 16, .most = 0x1p14, .eps = 1e-3 / 16};
}

static const tf_softmax relu2 = {.eps = 1e-3, .limit = 64, .frac = 9, .query = 16, .weights = weights, .lower = lower};

static const tf_op both[] = {TF_SOFTMAX_OPS("relu2", &relu2,
                                            "ReLU(s_i)^2 / (sum ReLU(s_j)^2 + 0.001); for weights trained so", 24, 8e-3,
                                            2e-2, .source = "Hua et al. 2022 (FLASH), 2.2", .trained = true)};
static const tf_op *const ops[] = {&both[0], &both[1], NULL};

const tf_plugin trefoil_plugin = {TF_OP_ABI, "softmax_relu2", ops};
