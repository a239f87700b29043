/** What a run with --check-ranges says about ranges. See experiments/JSON.md. */
#ifndef TF_APP_RANGE_REPORT_H
#define TF_APP_RANGE_REPORT_H

#include "experiments/app/data/model_files.h"
#include "runtime/session/range_check.h"

/**
 * Prints a table (unless --json) and writes --report, then fails with TF_RANGE when the floating-point run has left a
 * range, which a ring may have hidden from the private one. `plain`: the largest magnitudes of that run.
 */
TF_CHECKED tf_status range_report(const cli_options *options, const tf_range_check *check, const tf_ranges *plain);

#endif
