#include "experiments/app/measure/op_sample.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS = 4, TOKENS = 128, HIDDEN = 128, VOCABULARY = 30522 };

static const op_input row = {TF_LEAF_NONE, {3, {TEXTS, TOKENS, HIDDEN}}, FILL_ROWS},
                      grid = {TF_LEAF_NONE, {3, {TEXTS, TOKENS, HIDDEN}}, FILL_EVEN},
                      constant = {TF_LEAF_CONSTANT, {3, {TEXTS, TOKENS, HIDDEN}}, FILL_ROWS},
                      per_token = {TF_LEAF_CONSTANT, {2, {TEXTS, TOKENS}}, FILL_MEAN},
                      ids = {TF_LEAF_TOKENS, {2, {TEXTS, TOKENS}}, FILL_TOKENS},
                      table = {TF_LEAF_WEIGHT, {2, {VOCABULARY, HIDDEN}}, FILL_ROWS},
                      matrix = {TF_LEAF_WEIGHT, {2, {HIDDEN, HIDDEN}}, FILL_WEIGHTS},
                      vector = {TF_LEAF_WEIGHT, {1, {HIDDEN}}, FILL_WEIGHTS};

typedef struct kind_inputs {
    const char *kind;
    const op_input *input[SAMPLE_INPUTS];
    int count; /* 0: no more than the op must have */
} kind_inputs;

/* What the kinds take that are not made of rows alone. */
static const kind_inputs known[] = {
    {.kind = "embedding", .input = {&ids, &table}},
    {.kind = "rows", .input = {&table}},
    {.kind = "linear", .input = {&row, &matrix, &vector}},
    {.kind = "layernorm", .input = {&row, &vector, &vector}, .count = 3},
    {.kind = "affine", .input = {&row, &vector, &vector}},
    {.kind = "rmsnorm", .input = {&row, &vector}},
    {.kind = "mask", .input = {&row, &constant}},
    {.kind = "mean_pool", .input = {&row, &per_token}},
    {.kind = "gelu", .input = {&grid}},
    {.kind = "tanh", .input = {&grid}},
    {.kind = "sigmoid", .input = {&grid}},
    {.kind = "silu", .input = {&grid}},
    {.kind = "reciprocal", .input = {&grid}},
    {.kind = "rsqrt", .input = {&grid}},
    {.kind = "scale", .input = {&grid}},
};
static const kind_inputs rows = {.kind = "", .input = {&row, &row, &row, &row}};

/* An op reads the attributes that it knows. */
static const tf_attr attributes[] = {{"eps", 1e-12}, {"heads", 2}, {"count", TOKENS}, {"factor", 0.3}};
enum { ATTRIBUTES = sizeof attributes / sizeof attributes[0] };

tf_status op_sample_make(const tf_op *op, op_sample *sample) {
    const kind_inputs *inputs = &rows;
    tf_shape shape[SAMPLE_INPUTS];
    if (!op->lower || op->min_inputs > SAMPLE_INPUTS)
        return tf_fail(TF_INVALID, "%s has no private form of at most %d inputs", op->kind, SAMPLE_INPUTS);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(op->kind, known[i].kind)) inputs = &known[i];
    int count = inputs->count ? inputs->count : op->min_inputs;
    *sample = (op_sample){.node = {.name = "op", .op = op, .inputs = count, .attrs = ATTRIBUTES}};
    memcpy(sample->node.attr, attributes, sizeof attributes);
    for (int i = 0; i < count; i++) {
        if (!inputs->input[i])
            return tf_fail(TF_INVALID, "%s %s takes other inputs than its kind", op->kind, op->variant);
        sample->input[i] = *inputs->input[i];
        shape[i] = sample->input[i].shape;
    }
    return op->infer(&sample->node, shape, &sample->node.shape);
}

/* Uniform in [0, 1). */
static double draw(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(*seed >> 11) / 0x1p53;
}

static double value_at(const op_sample *sample, const op_input *input, size_t i, uint64_t *seed) {
    double low = sample->node.op->low, high = sample->node.op->high;
    size_t count = tf_shape_count(input->shape), n = tf_shape_last(input->shape);
    double at = (double)i / (double)(count > 1 ? count - 1 : 1);
    switch (input->fill) {
    case FILL_EVEN: return low > 0 && high > 1000 * low ? low * pow(high / low, at) : low + (high - low) * at;
    case FILL_ROWS: return (low + (high - low) * draw(seed)) * (0.125 + 0.875 * (double)(i / n) / (double)(count / n));
    case FILL_WEIGHTS: return 0.5 + draw(seed);
    case FILL_TOKENS: return floor(draw(seed) * VOCABULARY);
    case FILL_MEAN: return 1.0 / TOKENS;
    }
    return 0;
}

tf_status op_data_make(const op_sample *sample, uint64_t seed, op_data *data) {
    const double unit = ldexp(1, -SAMPLE_FRACTION_BITS);
    *data = (op_data){0};
    for (int k = 0; k < sample->node.inputs; k++) {
        const op_input *input = &sample->input[k];
        size_t count = tf_shape_count(input->shape);
        uint64_t state = seed + (uint64_t)k * 0x9e3779b97f4a7c15;
        data->values[k] = malloc(count * sizeof *data->values[k]);
        data->tokens[k] = malloc(count * sizeof *data->tokens[k]);
        if (!data->values[k] || !data->tokens[k]) {
            op_data_free(data);
            return tf_fail(TF_NOMEM, "no memory for %zu values", count);
        }
        for (size_t i = 0; i < count; i++) {
            data->values[k][i] = (float)(rint(value_at(sample, input, i, &state) / unit) * unit);
            data->tokens[k][i] = input->fill == FILL_TOKENS ? (int32_t)data->values[k][i] : 0;
        }
    }
    return TF_OK;
}

void op_data_free(op_data *data) {
    for (int k = 0; k < SAMPLE_INPUTS; k++) free(data->values[k]), free(data->tokens[k]);
    *data = (op_data){0};
}

tf_value op_sample_append(const op_sample *sample, const op_data *data, tf_program *program, tf_node *leaf) {
    tf_value value[SAMPLE_INPUTS];
    double bound = tf_default_bound(program);
    for (int i = 0; i < sample->node.inputs; i++) {
        const op_input *in = &sample->input[i];
        leaf[i] = (tf_node){.leaf = in->leaf, .shape = in->shape, .data = data->values[i], .tokens = data->tokens[i]};
        snprintf(leaf[i].name, sizeof leaf[i].name, "input%d", i);
        value[i] = in->leaf == TF_LEAF_NONE ? tf_input(program, SAMPLE_DATA_OWNER, in->shape, program->frac,
                                                       tf_width(program->frac, bound), bound, i)
                                            : tf_program_leaf(program, &leaf[i]);
    }
    program->op = 0;
    tf_value result = sample->node.op->lower(program, &sample->node, value);
    program->op = -1;
    return result;
}
