#include "experiments/app/measure/op_cost.h"

#include "experiments/app/measure/op_sample.h"
#include "runtime/program/plan.h"

static tf_status plan_and_count(const tf_program *program, const tf_sample *sample, op_price *price) {
    tf_plan plan;
    uint64_t bytes = 0;
    bool put_in = false;
    TF_TRY(tf_plan_make(program, &plan));
    for (int i = 0; i < program->nodes; i++)
        if (program->node[i].op == 0) bytes += tf_plan_node_bytes(&plan, i);
    for (int i = 0; i < sample->node.inputs; i++) put_in |= sample->leaf[i].leaf == TF_LEAF_NONE;
    price->bytes = (double)bytes / (double)tf_shape_count(sample->node.shape);
    price->rounds = plan.rounds - put_in; /* putting activations in took a round */
    tf_plan_free(&plan);
    return TF_OK;
}

static tf_status price_sample(const tf_sample *sample, op_price *price) {
    tf_program program;
    tf_program_init(&program, SAMPLE_FRACTION_BITS, SAMPLE_MODEL_OWNER, SAMPLE_DATA_OWNER);
    op_sample_append(sample, &program);
    tf_status status = tf_program_status(&program);
    if (status == TF_OK) status = plan_and_count(&program, sample, price);
    tf_program_free(&program);
    return status;
}

tf_status op_price_find(const tf_op *op, op_price *price) {
    tf_sample sample;
    tf_status status = op_sample_make(op, NULL, 0, &sample);
    if (status == TF_OK) status = price_sample(&sample, price);
    tf_sample_free(&sample);
    return status;
}
