#include "ops/softmax.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/common.h"
#include "ops/ops.h"

static bool counts(const float *mask, size_t i) {
    return !mask || mask[i] != 0;
}

static void weights_exact(const float *score, const float *mask, size_t n, double *weight) {
    float highest = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (counts(mask, i) && score[i] > highest) highest = score[i];
    for (size_t i = 0; i < n; i++) weight[i] = counts(mask, i) ? exp((double)score[i] - highest) : 0;
}

static void weights_relu(const float *score, const float *mask, size_t n, double *weight) {
    for (size_t i = 0; i < n; i++) weight[i] = counts(mask, i) && score[i] > 0 ? score[i] : 0;
}

#define ENTRY(name, formula, from, epsilon, error) {#name, epsilon, weights_##name},
static const tf_softmax variants[] = {TF_SOFTMAX_VARIANTS(ENTRY)};

const tf_softmax *tf_softmax_find(const char *variant) {
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        if (!strcmp(variants[i].variant, variant)) return &variants[i];
    return NULL;
}

void tf_softmax_row(const tf_softmax *softmax, const float *score, const float *mask, size_t n, double *weight,
                    float *probability) {
    softmax->weights(score, mask, n, weight);
    double sum = softmax->eps;
    for (size_t i = 0; i < n; i++) sum += weight[i];
    double factor = sum > 0 ? 1 / sum : 0;
    for (size_t i = 0; i < n; i++) probability[i] = (float)(weight[i] * factor);
}

static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    *out = shape[0];
    if (node->inputs == 1) return TF_OK;
    if (tf_shape_last(shape[1]) != tf_shape_last(shape[0]))
        return tf_fail(TF_INVALID, "the mask's last dimension is %zu, the scores' is %zu", tf_shape_last(shape[1]),
                       tf_shape_last(shape[0]));
    return tf_expect_broadcast("the mask", shape[1], shape[0]);
}

static tf_status plain(const tf_node *node, const tf_array *in, tf_array *out) {
    const tf_softmax *softmax = tf_softmax_find(node->op->variant);
    size_t rows = tf_shape_rows(out->shape), n = tf_shape_last(out->shape);
    double *weight = malloc(n * sizeof *weight);
    if (!weight) return tf_fail(TF_NOMEM, "no memory for a row of %zu weights", n);
    for (size_t row = 0; row < rows; row++) {
        const float *mask = NULL;
        if (node->inputs == 2) mask = in[1].data + tf_broadcast_row(in[1].shape, out->shape, row);
        tf_softmax_row(softmax, in[0].data + row * n, mask, n, weight, out->data + row * n);
    }
    free(weight);
    return TF_OK;
}

#define OP(name, formula, from, epsilon, error)                                                                        \
    {.kind = "softmax",                                                                                                \
     .variant = #name,                                                                                                 \
     .summary = formula " over the last dimension",                                                                    \
     .source = from,                                                                                                   \
     .min_inputs = 1,                                                                                                  \
     .max_inputs = 2,                                                                                                  \
     .infer = infer,                                                                                                   \
     .plain = plain,                                                                                                   \
     .low = -48,                                                                                                       \
     .high = 48,                                                                                                       \
     .private_error = error},

const tf_op tf_softmax_ops[] = {TF_SOFTMAX_VARIANTS(OP){0}};
