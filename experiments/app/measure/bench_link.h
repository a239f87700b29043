/** Measures the link itself. */
#ifndef TF_APP_BENCH_LINK_H
#define TF_APP_BENCH_LINK_H

#include "experiments/app/report/bench_report.h"

/** Sends messages of `bytes` (0: 64 MiB) `runs` times; fills the report. All three call it together. */
TF_CHECKED tf_status bench_link(tf_link *link, uint64_t bytes, size_t runs, bench_report *report);

#endif
