#include "experiments/app/measure/fidelity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/measure/op_cost.h"
#include "experiments/app/measure/op_sample.h"
#include "runtime/session/session.h"

typedef struct trial {
    const tf_program *program;
    const float *const *input;
    double *output;
} trial;

static tf_status try_as(tf_link *link, void *argument) {
    const trial *t = argument;
    bool owner = tf_link_party(link) == SAMPLE_DATA_OWNER;
    double *output[] = {owner ? t->output : NULL};
    tf_slots slots = {.input = owner ? t->input : NULL, .output = output};
    tf_session session;
    tf_session_stats stats;
    TF_TRY(tf_session_open(&session, link));
    tf_status status = tf_session_run_program(&session, t->program, &slots, &stats, NULL);
    tf_session_close(&session);
    return status;
}

static tf_status run_privately(private_session *session, const op_sample *sample, const op_data *data, double *output) {
    tf_program program;
    tf_node leaf[SAMPLE_INPUTS];
    tf_program_init(&program, SAMPLE_FRACTION_BITS, SAMPLE_MODEL_OWNER, SAMPLE_DATA_OWNER);
    tf_output(&program, op_sample_append(sample, data, &program, leaf), SAMPLE_DATA_OWNER, 0);
    trial t = {&program, (const float *const *)data->values, output};
    tf_status status = tf_program_status(&program);
    if (status == TF_OK) status = private_each(session, try_as, &t);
    tf_program_free(&program);
    return status;
}

static tf_status run_plainly(const op_sample *sample, const tf_op *op, const op_data *data, float *output) {
    tf_node node = sample->node;
    tf_array in[SAMPLE_INPUTS], out = {node.shape, output};
    node.op = op;
    for (int i = 0; i < node.inputs; i++) in[i] = (tf_array){sample->input[i].shape, data->values[i]};
    return op->plain(&node, in, &out);
}

typedef struct room {
    op_data data;
    float *formula, *truth;
    double *result;
} room;

static void release(room *r) {
    op_data_free(&r->data);
    free(r->formula);
    free(r->truth);
    free(r->result);
}

static op_error error_between(size_t count, const float *a, const double *b, const float *truth) {
    op_error error = {0, 0};
    for (size_t i = 0; i < count; i++) {
        double off = fabs((a ? a[i] : b[i]) - (double)truth[i]);
        if (!(off <= error.max)) error.max = off == off ? off : INFINITY;
        error.mean += off / (double)count;
    }
    return error;
}

static tf_status measure(private_session *session, const op_sample *sample, room *r, fidelity *result) {
    const tf_op *op = sample->node.op;
    size_t count = tf_shape_count(sample->node.shape);
    r->formula = malloc(count * sizeof *r->formula);
    r->truth = malloc(count * sizeof *r->truth);
    r->result = malloc(count * sizeof *r->result);
    if (!r->formula || !r->truth || !r->result) return tf_fail(TF_NOMEM, "no memory for %zu values", count);
    TF_TRY(op_data_make(sample, FIDELITY_SEED, &r->data));
    TF_TRY(run_plainly(sample, op, &r->data, r->formula));
    TF_TRY(run_plainly(sample, result->truth ? result->truth : op, &r->data, r->truth));
    TF_TRY(run_privately(session, sample, &r->data, r->result));
    result->formula = error_between(count, r->formula, NULL, r->truth);
    result->private = error_between(count, NULL, r->result, op->trained ? r->formula : r->truth);
    return TF_OK;
}

tf_status fidelity_measure(private_session *session, const tf_op *op, fidelity *result) {
    const tf_op *first = tf_registry_find(op->kind, op->truth);
    op_sample sample;
    room r = {0};
    *result = (fidelity){.op = op, .truth = first == op ? NULL : first};
    result->bound = op->private_error + (op->trained ? 0 : op->approximation_error);
    TF_TRY(op_price_find(op, &result->price));
    TF_TRY(op_sample_make(op, &sample));
    tf_status status = measure(session, &sample, &r, result);
    release(&r);
    return status;
}
