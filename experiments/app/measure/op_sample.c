#include "experiments/app/measure/op_sample.h"

tf_status op_sample_make(const tf_op *op, const tf_example_sizes *sizes, uint64_t seed, tf_sample *sample) {
    static const tf_example_sizes usual = {.texts = 4, .tokens = 128, .width = 128, .rows = 30522, .heads = 2};
    *sample = (tf_sample){.node = {.op = op}};
    if (!op->lower) return tf_fail(TF_INVALID, "%s %s has no private form", op->kind, op->variant);
    return tf_sample_make(op, tf_example_of(op), sizes ? sizes : &usual, 0, seed, sample);
}

tf_value op_sample_append(const tf_sample *sample, tf_program *program) {
    tf_value value[TF_MAX_INPUTS];
    double bound = tf_default_bound(program);
    for (int i = 0; i < sample->node.inputs; i++) {
        const tf_node *in = &sample->leaf[i];
        value[i] = in->leaf == TF_LEAF_NONE ? tf_input(program, program->data_owner, in->shape, program->frac,
                                                       tf_width(program->frac, bound), bound, i)
                                            : tf_program_leaf(program, in);
    }
    program->op = 0;
    tf_value result = sample->node.op->lower(program, &sample->node, value);
    program->op = -1;
    return result;
}
