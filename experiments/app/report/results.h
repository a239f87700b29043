/** What infer and plain print: one JSON object, or a table. See experiments/JSON.md. */
#ifndef TF_APP_RESULTS_H
#define TF_APP_RESULTS_H

#include "experiments/app/data/model_files.h"
#include "experiments/app/data/texts.h"
#include "experiments/app/report/form.h"
#include "experiments/app/report/run_report.h"
#include "experiments/app/report/token_report.h"
#include "runtime/program/program.h"

typedef struct result_report {
    const report_form *form;
    const model_files *model;
    const text_list *texts;
    const text_batches *batches;  /**< of these texts; NULL where there are values alone, one row a text */
    const token_settings *tokens; /**< how results of tokens are shown */
    const float *values;          /**< see batches_allocate; NULL where they stay shared */
    const float *plain;           /**< the same in floating point, where there is something to compare; or NULL */
    bool private;                 /**< whether three parties computed this */
    bool local;                   /**< whether all three were threads of this process */
    bool verbose;                 /**< who saw what is told */
    bool checked;                 /**< whether the data owner opened the weights too */
    int model_owner, data_owner;  /**< TF_OUTSIDE: none of the parties */
    const char *kept_in;          /**< the directory of results that stay shared, or NULL */
    size_t offset;                /**< the number of the first text */
    size_t decoys;                /**< whose results were right, and are not among these */
    double decoys_off;            /**< by how much at most */
    double seconds_total;
    run_report run;
} result_report;

/** Prints the results to stdout as --json or as a table. */
TF_CHECKED tf_status results_print(const result_report *results);

/** Prints one text and its result in a line: an object with --json. `header`: a table's header first. */
TF_CHECKED tf_status results_print_line(const result_report *results, bool header);

/** The same for a text that could not be answered. */
TF_CHECKED tf_status results_print_refusal(const result_report *results, const char *reason);

/** Prints values alone, as reveal does: to JSON's "results", or a table without texts. */
TF_CHECKED tf_status results_print_values(const result_report *results, size_t texts);

#endif
