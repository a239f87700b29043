/** What one party does in the private commands, on its end of a link. All three call the same function together. */
#ifndef TF_CLI_PARTY_RUN_H
#define TF_CLI_PARTY_RUN_H

#include "experiments/cli/private.h"

TF_CHECKED tf_status party_infer(tf_link *link, const cli_options *options, const private_job *job, float *values,
                                 run_report *report);

TF_CHECKED tf_status party_bench(tf_link *link, const cli_options *options, const bench_job *job, bench_report *report);

/** Measures the link itself: bench --link. */
TF_CHECKED tf_status bench_link(tf_link *link, const bench_job *job, bench_report *report);

#endif
