/** Inputs on which the registry's ops are priced and measured: of BERT-tiny's sizes, 4 texts of 128 tokens, or those
 *  that are asked for. */
#ifndef TF_APP_OP_SAMPLE_H
#define TF_APP_OP_SAMPLE_H

#include "runtime/graph/example.h"
#include "runtime/program/program.h"

enum { SAMPLE_MODEL_OWNER = 0, SAMPLE_DATA_OWNER = 1, SAMPLE_FRACTION_BITS = 16 };

/** The op on all inputs of its example, of these sizes; NULL: those of BERT-tiny. Fails where it has no private form.
 *  Free with tf_sample_free. */
TF_CHECKED tf_status op_sample_make(const tf_op *op, const tf_example_sizes *sizes, uint64_t seed, tf_sample *sample);

/**
 * Appends the inputs, activations being put in by the program's data owner in slots 0, 1, ..., and the op, whose steps
 * alone have op 0. The sample must outlive the program.
 */
tf_value op_sample_append(const tf_sample *sample, tf_program *program);

#endif
