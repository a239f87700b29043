/** What `trefoil bench` prints. See experiments/JSON.md. */
#ifndef TF_APP_BENCH_REPORT_H
#define TF_APP_BENCH_REPORT_H

#include "experiments/app/report/form.h"
#include "experiments/app/report/profile_report.h"
#include "experiments/app/report/run_report.h"

/** What the link does between processes or threads as they stand, whatever wraps it. */
typedef struct link_report {
    uint64_t bytes;       /**< of a message */
    double one_way;       /**< bytes a second from party 0 to party 1, nothing else under way */
    double all_ways;      /**< bytes a second that each party sends, and receives, when all send to all */
    double round_seconds; /**< of a round in which all send all a word */
    double cipher;        /**< bytes a second of AES-128-GCM on one core, for comparison */
} link_report;

typedef struct bench_report {
    link_report link;
    tf_shape shape;          /**< of the output */
    run_report run;          /**< of one run; seconds are medians over the runs */
    double fastest, slowest; /**< of the runs, seconds online */
    char how[400];           /**< approximations, tokens, batch, network, threads, in words */
    profile_report profile;  /**< if asked for; the caller frees its rows */
} bench_report;

/** Prints what was measured of a step, a product or a model; `what` is "step" or "arch", `name` which one. */
TF_CHECKED tf_status bench_report_print(const report_form *form, const char *what, const char *name, size_t runs,
                                        bool profile, const bench_report *report);

/** Prints what was measured of the link, and (for people) how it is made. */
TF_CHECKED tf_status link_report_print(const report_form *form, const char *made, size_t runs,
                                       const link_report *report);

#endif
