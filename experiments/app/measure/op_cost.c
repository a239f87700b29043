#include "experiments/app/measure/op_cost.h"

#include "experiments/app/measure/op_sample.h"
#include "runtime/program/plan.h"

static tf_status plan_and_count(const tf_program *program, const op_sample *sample, op_price *price) {
    tf_plan plan;
    uint64_t bytes = 0;
    bool put_in = false;
    TF_TRY(tf_plan_make(program, &plan));
    for (int i = 0; i < program->nodes; i++)
        if (program->node[i].op == 0) bytes += tf_plan_node_bytes(&plan, i);
    for (int i = 0; i < sample->node.inputs; i++) put_in |= sample->input[i].leaf == TF_LEAF_NONE;
    price->bytes = (double)bytes / (double)tf_shape_count(sample->node.shape);
    price->rounds = plan.rounds - put_in; /* putting activations in took a round */
    tf_plan_free(&plan);
    return TF_OK;
}

tf_status op_price_find(const tf_op *op, op_price *price) {
    op_sample sample;
    op_data data;
    tf_node leaf[SAMPLE_INPUTS];
    tf_program program;
    TF_TRY(op_sample_make(op, &sample));
    TF_TRY(op_data_make(&sample, 0, &data)); /* public constants are part of the program */
    tf_program_init(&program, SAMPLE_FRACTION_BITS, SAMPLE_MODEL_OWNER, SAMPLE_DATA_OWNER);
    op_sample_append(&sample, &data, &program, leaf);
    tf_status status = tf_program_status(&program);
    if (status == TF_OK) status = plan_and_count(&program, &sample, price);
    tf_program_free(&program);
    op_data_free(&data);
    return status;
}
