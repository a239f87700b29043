/** What eval prints in the end. See experiments/JSON.md. */
#ifndef TF_APP_EVAL_REPORT_H
#define TF_APP_EVAL_REPORT_H

#include "experiments/app/report/cost_report.h"
#include "experiments/app/report/eval_metric.h"
#include "experiments/app/report/eval_store.h"
#include "experiments/app/report/form.h"
#include "experiments/app/report/run_report.h"

typedef struct eval_report {
    eval_metrics metrics;
    size_t computed; /**< by this run, of this process's group */
    int groups;
    bool private;
    run_report run; /**< of this process's group, of which the set-up's bytes are told; store->spent has the rest */
} eval_report;

/** What an evaluation would take. */
typedef struct eval_plan {
    eval_metrics metrics;
    size_t examples, batches, longest; /**< longest: tokens of a batch's texts */
    cost_report cost;                  /**< of all batches; nothing for --plain */
} eval_plan;

TF_CHECKED tf_status eval_plan_print(const report_form *form, const eval_plan *plan);

/** Prints the summary of a finished evaluation, as --json or as lines. */
TF_CHECKED tf_status eval_report_print(const report_form *form, const eval_store *store, const eval_report *report);

#endif
