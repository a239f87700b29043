/** What `trefoil cost` prints. See experiments/JSON.md. */
#ifndef TF_APP_COST_REPORT_H
#define TF_APP_COST_REPORT_H

#include "experiments/app/report/form.h"
#include "net/link_shaped.h"

typedef struct op_cost {
    char name[96];
    const char *kind;
    uint64_t bytes, rounds; /**< rounds as if the op ran alone; ops side by side share rounds */
} op_cost;

typedef struct cost_report {
    uint64_t links[TF_PARTIES][TF_PARTIES], rounds;
    uint64_t memory;           /**< bytes of the largest party at the peak */
    const tf_network *network; /**< for which `network_seconds` is told, or NULL */
    double network_seconds;    /**< that messages take on it */
    int cores;                 /**< of this machine; what computing takes, about, at three like it or at one for all: */
    double computing_apart, computing_together;
    size_t tokens; /**< that are generated; 0 for models that generate none */
    uint64_t prefill_bytes, prefill_rounds, token_bytes, token_rounds; /**< of the prompts; of the last token */
    const char *calibration; /**< the id of the ranges that it goes by, or NULL */
    op_cost *op;
    size_t ops;
} cost_report;

/** For people by kind of op with its part of the bytes, or with `ops` op by op. */
TF_CHECKED tf_status cost_report_print(const report_form *form, const cost_report *report, bool ops);

#endif
