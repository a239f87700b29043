/** Inputs of BERT-tiny's sizes, 4 texts of 128 tokens, on which the registry's ops are priced and measured. */
#ifndef TF_APP_OP_SAMPLE_H
#define TF_APP_OP_SAMPLE_H

#include "runtime/graph/graph.h"
#include "runtime/program/program.h"

enum { SAMPLE_INPUTS = 4, SAMPLE_MODEL_OWNER = 0, SAMPLE_DATA_OWNER = 1, SAMPLE_FRACTION_BITS = 16 };

typedef enum op_fill {
    FILL_EVEN,    /**< even steps over the op's range; growing ones where that spans more than three powers of ten */
    FILL_ROWS,    /**< random, the first rows within an eighth of the range, the last ones within all of it */
    FILL_WEIGHTS, /**< random, for weights */
    FILL_TOKENS,
    FILL_MEAN /**< one over the number of tokens */
} op_fill;

typedef struct op_input {
    tf_leaf leaf; /**< TF_LEAF_NONE: an activation */
    tf_shape shape;
    op_fill fill;
} op_input;

typedef struct op_sample {
    tf_node node; /**< the op with its attributes and the shape of its output */
    op_input input[SAMPLE_INPUTS];
} op_sample;

/** The op on as many inputs as it needs at least. Fails where it has no private form or does not take these. */
TF_CHECKED tf_status op_sample_make(const tf_op *op, op_sample *sample);

/** What an op runs on: the inputs' values, tokens as integers too. */
typedef struct op_data {
    float *values[SAMPLE_INPUTS];
    int32_t *tokens[SAMPLE_INPUTS];
} op_data;

/** Values for all inputs, the same for the same seed, in whole units of 2^-SAMPLE_FRACTION_BITS. */
TF_CHECKED tf_status op_data_make(const op_sample *sample, uint64_t seed, op_data *data);
void op_data_free(op_data *data);

/**
 * Appends the inputs, activations being put in by the data owner in slots 0, 1, ..., and the op, whose steps alone have
 * op 0. `leaf` is room for the inputs' leaves, which must outlive the program, as `data` must.
 */
tf_value op_sample_append(const op_sample *sample, const op_data *data, tf_program *program, tf_node *leaf);

#endif
