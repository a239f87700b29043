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

static tf_status run_privately(private_session *session, const tf_sample *sample, double *output) {
    tf_program program;
    const float *input[TF_MAX_INPUTS];
    for (int i = 0; i < sample->node.inputs; i++) input[i] = sample->leaf[i].data;
    tf_program_init(&program, SAMPLE_FRACTION_BITS, SAMPLE_MODEL_OWNER, SAMPLE_DATA_OWNER);
    tf_output(&program, op_sample_append(sample, &program), SAMPLE_DATA_OWNER, 0);
    trial t = {&program, input, output};
    tf_status status = tf_program_status(&program);
    if (status == TF_OK) status = private_each(session, try_as, &t);
    tf_program_free(&program);
    return status;
}

typedef struct room {
    tf_sample sample;
    float *formula, *truth;
    double *result;
} room;

static void release(room *r) {
    tf_sample_free(&r->sample);
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

static tf_status measure(private_session *session, room *r, fidelity *result) {
    const tf_sample *sample = &r->sample;
    const tf_op *op = sample->node.op;
    size_t count = tf_shape_count(sample->node.shape);
    r->formula = malloc(count * sizeof *r->formula);
    r->truth = malloc(count * sizeof *r->truth);
    r->result = malloc(count * sizeof *r->result);
    if (!r->formula || !r->truth || !r->result) return tf_fail(TF_NOMEM, "no memory for %zu values", count);
    TF_TRY(tf_sample_plain(sample, op, r->formula));
    TF_TRY(tf_sample_plain(sample, result->truth ? result->truth : op, r->truth));
    TF_TRY(run_privately(session, sample, r->result));
    result->formula = error_between(count, r->formula, NULL, r->truth);
    result->private = error_between(count, NULL, r->result, op->trained ? r->formula : r->truth);
    return TF_OK;
}

tf_status fidelity_measure(private_session *session, const tf_op *op, fidelity *result) {
    const tf_op *first = tf_registry_find(op->kind, op->truth);
    room r = {0};
    *result = (fidelity){.op = op, .truth = first == op ? NULL : first};
    result->bound = op->private_error + (op->trained ? 0 : op->approximation_error);
    TF_TRY(op_price_find(op, &result->price));
    tf_status status = op_sample_make(op, NULL, FIDELITY_SEED, &r.sample);
    if (status == TF_OK) status = measure(session, &r, result);
    release(&r);
    return status;
}

/* Fails where `error` is above what the op declares of it. */
static tf_status check_error(const tf_op *op, const char *what, double error, double declared) {
    if (error <= declared) return TF_OK;
    return tf_fail(TF_RANGE, "op %s %s: %s is off by %.3g; %.3g is declared, which is exceeded by %.3g (%.0f %%)",
                   op->kind, op->variant, what, error, declared, error - declared, 100 * (error / declared - 1));
}

tf_status fidelity_check(const fidelity *result) {
    const tf_op *op = result->op;
    if (op->truth) TF_TRY(check_error(op, "its formula", result->formula.max, op->approximation_error));
    return check_error(op, "its private form", result->private.max, result->bound);
}
