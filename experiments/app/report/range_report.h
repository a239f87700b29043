/** What a run with --check-ranges says about ranges. See experiments/JSON.md. */
#ifndef TF_APP_RANGE_REPORT_H
#define TF_APP_RANGE_REPORT_H

#include "experiments/app/report/form.h"
#include "models/ranges.h"
#include "runtime/session/range_check.h"

/**
 * Prints a table (unless JSON is asked for) and writes `file`, unless that is NULL, then fails with TF_RANGE when the
 * floating-point run has left a range, which a ring may have hidden from the private one. `plain`: the largest
 * magnitudes of that run.
 */
TF_CHECKED tf_status range_report(const report_form *form, const char *file, const tf_range_check *check,
                                  const tf_ranges *plain);

#endif
