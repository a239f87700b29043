/** Whether a run will have the memory that its forecast says. */
#ifndef TF_APP_MEMORY_H
#define TF_APP_MEMORY_H

#include "experiments/app/service/job.h"

/**
 * Forecasts the memory of the job's largest batch, for `parties` on this host, before anything runs. Fails with
 * TF_INVALID where less is free, and says which --batch would do.
 */
TF_CHECKED tf_status memory_check(const private_job *job, int parties);

#endif
