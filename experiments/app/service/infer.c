#include "experiments/app/service/infer.h"

#include "experiments/app/service/memory.h"
#include "experiments/app/service/party_infer.h"

typedef struct infer_call {
    const private_job *job;
    float *values;
    run_report *report;
} infer_call;

static tf_status infer_as(tf_link *link, void *argument) {
    const infer_call *call = argument;
    const run_settings *o = call->job->settings;
    int reporter = o->data_owner == TF_OUTSIDE ? 0 : o->data_owner;
    run_report own = {0}; /* with --local the parties are threads: one fills what all could */
    return party_infer(link, call->job, call->values, tf_link_party(link) == reporter ? call->report : &own);
}

tf_status private_infer(private_session *session, const private_job *job, float *values, run_report *report) {
    infer_call call = {job, values, report};
    TF_TRY(memory_check(job, private_parties_here(session)));
    return private_each(session, infer_as, &call);
}

typedef struct identify_call {
    const private_job *job;
    model_digest *digest;
} identify_call;

static tf_status identify_as(tf_link *link, void *argument) {
    const identify_call *call = argument;
    return party_identify(link, call->job, call->digest);
}

tf_status private_identify(private_session *session, const private_job *job, model_digest *digest) {
    identify_call call = {job, digest};
    return private_each(session, identify_as, &call);
}
