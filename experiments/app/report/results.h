/** What infer and plain print: one JSON object, or a table. See experiments/JSON.md. */
#ifndef TF_APP_RESULTS_H
#define TF_APP_RESULTS_H

#include <jansson.h>

#include "experiments/app/data/model_files.h"
#include "net/link.h"

/** What a run took and moved. */
typedef struct run_report {
    double seconds_setup, seconds_online;
    uint64_t links[TF_PARTIES][TF_PARTIES]; /**< bytes from row to column, without set-up */
    uint64_t rounds;
    uint64_t bytes_setup;      /**< keys, comparison of digests, lengths; over all links */
    uint64_t bytes_encryption; /**< what the links added to all of this: handshakes, headers, tags */
    uint64_t forecast_bytes, forecast_rounds;
} run_report;

typedef struct cli_results {
    const cli_options *options;
    const model_files *model;
    const cli_texts *texts;
    const float *values; /**< texts x width, in the order of the texts; NULL where they stay shared */
    const float *plain;  /**< the same in floating point, where there is something to compare; or NULL */
    bool private;        /**< whether three parties computed this */
    size_t offset;       /**< the number of the first text */
    double seconds_total;
    run_report run;
} cli_results;

/** Prints the results to stdout as --json or as a table. */
TF_CHECKED tf_status results_print(const cli_results *results);

/** Prints one text and its result in a line: an object with --json. `header`: a table's header first. */
TF_CHECKED tf_status results_print_line(const cli_results *results, bool header);

/** The same for a text that could not be answered. */
TF_CHECKED tf_status results_print_refusal(const cli_results *results, const char *reason);

/** Prints values alone, as reveal does: to JSON's "results", or a table without texts. */
TF_CHECKED tf_status results_print_values(const cli_results *results, size_t texts);

/** The sum over a matrix of links. */
uint64_t links_total(const uint64_t links[TF_PARTIES][TF_PARTIES]);

/** {"total": n, "links": 3x3}; {"bytes": n, "rounds": n}. */
json_t *json_bytes(const uint64_t links[TF_PARTIES][TF_PARTIES]);
json_t *json_forecast(uint64_t bytes, uint64_t rounds);

/** Prints an object with a line feed to stdout and frees it; fails when it is NULL or cannot be written. */
TF_CHECKED tf_status json_print(json_t *object);

/** Fails when stdout could not take all that was printed. */
TF_CHECKED tf_status finish_output(void);

/** Bytes for people: "12.3 MB". */
const char *bytes_text(uint64_t bytes, char buffer[32]);

/** Writes a text in exactly `columns` columns of a terminal: cut or filled, control characters as blanks. */
void print_cell(const char *text, size_t length, int columns);

#endif
