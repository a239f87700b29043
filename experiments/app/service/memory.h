/** Whether a run will have the memory that its forecast says. */
#ifndef TF_APP_MEMORY_H
#define TF_APP_MEMORY_H

#include "experiments/app/service/generate.h"

/**
 * Forecasts the memory of the job's largest batch, for `parties` on this host, before anything runs. Fails with
 * TF_INVALID where less is free, and says which --batch would do. Where this process is not the data owner, who alone
 * knows the texts, nothing is looked at.
 */
TF_CHECKED tf_status memory_check(const private_job *job, int parties);

/** The same of reading prompts. */
TF_CHECKED tf_status memory_check_prompts(const generate_job *job, int parties);

/** The same of what has no smaller batch: where less is free than `bytes` for each of the parties here, `what` is too
 *  much. */
TF_CHECKED tf_status memory_check_bytes(const char *what, double bytes, int parties);

/** The same of a program that no party has run yet. */
TF_CHECKED tf_status memory_check_program(const char *what, const tf_program *program, int parties);

#endif
