/** `trefoil bench --report`: where the time of a model goes, summed over the ops of a kind and variant. */
#ifndef TF_APP_PROFILE_REPORT_H
#define TF_APP_PROFILE_REPORT_H

#include <jansson.h>

#include "runtime/execute/profile.h"
#include "runtime/graph/graph.h"
#include "runtime/program/plan.h"

typedef struct profile_row {
    const char *kind, *variant; /**< kind NULL: of no op, or of all */
    size_t ops;
    tf_op_times times; /**< of a run: means, of the first thread of one party */
    uint64_t bytes;    /**< over all links */
    uint64_t rounds;   /**< as if each op ran alone; those of the whole run in the total */
} profile_row;

typedef struct profile_report {
    profile_row *row;
    size_t rows;
    profile_row rest, total;
    double peak[TF_PRODUCT_WIDTHS]; /**< multiply-adds a second of one core, by tf_product_width */
} profile_report;

/** Sums the profile of `runs` runs up and measures the machine's peak. The caller frees report->row. */
TF_CHECKED tf_status profile_report_make(const tf_graph *graph, const tf_program *program, const tf_profile *profile,
                                         size_t runs, profile_report *report);

/** See experiments/JSON.md. */
json_t *profile_report_json(const profile_report *report);
void profile_report_print(const profile_report *report);

#endif
