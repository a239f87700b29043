/** Inference by the parties that this process plays; see private.h. */
#ifndef TF_APP_INFER_H
#define TF_APP_INFER_H

#include "experiments/app/report/run_report.h"
#include "experiments/app/service/job.h"
#include "experiments/app/service/private.h"

/** Compares settings and tells the model's digest to the data owner, who can recognise a file by it that it has itself,
 *  as it could by what the model answers. */
TF_CHECKED tf_status private_identify(private_session *session, const private_job *job, model_digest *digest);

/**
 * Infers all batches. Where this process plays the data owner, `values` (texts x width, in the order of the texts;
 * unless NULL, with a watch) and the whole report are filled; elsewhere `values` is NULL. Without a watch it shows
 * progress on stderr when that is a terminal.
 */
TF_CHECKED tf_status private_infer(private_session *session, const private_job *job, float *values, run_report *report);

#endif
