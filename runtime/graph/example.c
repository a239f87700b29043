#include "runtime/graph/example.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTIVATION                                                                                                     \
    { TF_LEAF_NONE, "bnw", TF_FILL_EVEN, 0, 0 }

const tf_example *tf_example_of(const tf_op *op) {
    static const tf_example same[] = {
        {.input = {ACTIVATION}},
        {.input = {ACTIVATION, ACTIVATION}},
        {.input = {ACTIVATION, ACTIVATION, ACTIVATION}},
        {.input = {ACTIVATION, ACTIVATION, ACTIVATION, ACTIVATION}},
    };
    enum { MOST = sizeof same / sizeof *same };
    return op->example ? op->example : &same[op->min_inputs <= MOST ? op->min_inputs - 1 : MOST - 1];
}

/* 0 where the letter is none. */
static size_t size_of(const tf_example_sizes *sizes, char letter) {
    switch (letter) {
    case 'b': return sizes->texts;
    case 'n': return sizes->tokens;
    case 'w': return sizes->width;
    case 'r': return sizes->rows;
    case 'h': return sizes->heads;
    default: return letter >= '1' && letter <= '9' ? (size_t)(letter - '0') : 0;
    }
}

static tf_status shape_of(const tf_op *op, const tf_example_sizes *sizes, const char *letters, tf_shape *shape) {
    *shape = (tf_shape){0};
    for (const char *letter = letters; *letter; letter++) {
        size_t size = size_of(sizes, *letter);
        if (!size || shape->rank == TF_MAX_RANK)
            return tf_fail(TF_INVALID, "the example of op %s %s: '%s' is not a shape of at most %d of b, n, w, r, h",
                           op->kind, op->variant, letters, (int)TF_MAX_RANK);
        shape->dim[shape->rank++] = size;
    }
    return TF_OK;
}

double tf_example_elements(const tf_example *example, const tf_example_sizes *sizes) {
    double sum = 0;
    for (int i = 0; i < TF_MAX_INPUTS && example->input[i].shape; i++) {
        double count = 1;
        for (const char *letter = example->input[i].shape; *letter; letter++) count *= (double)size_of(sizes, *letter);
        sum += count;
    }
    return sum;
}

/* Uniform in [0, 1). */
static double draw(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(*seed >> 11) / 0x1p53;
}

static double value_at(const tf_example_sizes *sizes, const tf_example_input *in, tf_shape shape, size_t i,
                       uint64_t *seed) {
    double low = in->low, high = in->high;
    size_t count = tf_shape_count(shape), n = tf_shape_last(shape);
    double at = (double)i / (double)(count > 1 ? count - 1 : 1);
    switch (in->fill) {
    case TF_FILL_EVEN: return low > 0 && high > 1000 * low ? low * pow(high / low, at) : low + (high - low) * at;
    case TF_FILL_RANDOM: return low + (high - low) * draw(seed);
    case TF_FILL_ROWS:
        return (low + (high - low) * draw(seed)) * (0.125 + 0.875 * (double)(i / n) / (double)(count / n));
    case TF_FILL_TOKENS: return floor(draw(seed) * (double)sizes->rows);
    case TF_FILL_MEAN: return 1.0 / (double)sizes->tokens;
    case TF_FILL_MASK: return i % 5 != 3 || i % n == 0;
    }
    return 0;
}

static tf_status make_input(const tf_op *op, const tf_example_sizes *sizes, tf_example_input in, uint64_t seed,
                            tf_node *leaf) {
    *leaf = (tf_node){.leaf = in.leaf};
    TF_TRY(shape_of(op, sizes, in.shape, &leaf->shape));
    if (in.low == 0 && in.high == 0) {
        in.low = op->low;
        in.high = op->high;
    }
    size_t count = tf_shape_count(leaf->shape);
    float *values = malloc(count * sizeof *values);
    int32_t *tokens = in.fill == TF_FILL_TOKENS ? malloc(count * sizeof *tokens) : NULL;
    leaf->data = values;
    leaf->tokens = tokens;
    if (!values || (in.fill == TF_FILL_TOKENS && !tokens)) return tf_fail(TF_NOMEM, "no memory for %zu values", count);
    for (size_t i = 0; i < count; i++) {
        values[i] = (float)(rint(value_at(sizes, &in, leaf->shape, i, &seed) / TF_SAMPLE_UNIT) * TF_SAMPLE_UNIT);
        if (tokens) tokens[i] = (int32_t)values[i];
    }
    return TF_OK;
}

tf_status tf_sample_make(const tf_op *op, const tf_example *example, const tf_example_sizes *sizes, int inputs,
                         uint64_t seed, tf_sample *sample) {
    tf_shape shape[TF_MAX_INPUTS];
    *sample = (tf_sample){.node = {.name = "op", .op = op}};
    tf_node *node = &sample->node;
    for (int i = 0; i < TF_MAX_INPUTS && (!inputs || i < inputs) && example->input[i].shape; i++) {
        node->inputs = i + 1;
        TF_TRY(make_input(op, sizes, example->input[i], seed + (uint64_t)i * 0x9e3779b97f4a7c15, &sample->leaf[i]));
        snprintf(sample->leaf[i].name, sizeof sample->leaf[i].name, "input%d", i);
        shape[i] = sample->leaf[i].shape;
    }
    if (node->inputs < op->min_inputs)
        return tf_fail(TF_INVALID, "the example of op %s %s has %d inputs; it takes %d to %d", op->kind, op->variant,
                       node->inputs, op->min_inputs, op->max_inputs);
    for (int i = 0; i < TF_MAX_ATTRS && example->attr[i].name; i++) {
        const tf_example_attr *attr = &example->attr[i];
        node->attr[node->attrs++] =
            (tf_attr){attr->name, attr->size ? (double)size_of(sizes, attr->size) : attr->value};
    }
    return op->infer(node, shape, &node->shape);
}

void tf_sample_free(tf_sample *sample) {
    for (int i = 0; i < TF_MAX_INPUTS; i++) {
        free((float *)sample->leaf[i].data);
        free((int32_t *)sample->leaf[i].tokens);
        sample->leaf[i] = (tf_node){0};
    }
}

tf_status tf_sample_plain(const tf_sample *sample, const tf_op *op, float *output) {
    tf_node node = sample->node;
    tf_array in[TF_MAX_INPUTS], out = {node.shape, output};
    node.op = op;
    for (int i = 0; i < node.inputs; i++) in[i] = (tf_array){sample->leaf[i].shape, (float *)sample->leaf[i].data};
    return op->plain(&node, in, &out);
}
