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

/** A step of the chain that decides the number of rounds. */
typedef struct critical_step {
    char op[96]; /**< empty: of none */
    const char *kind, *step;
    const char *late; /**< the step for which S's message takes a round of its own, or NULL; see program/critical.h */
    int begin, end;
} critical_step;

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
    bool explains;           /**< whether the chain of steps that decides the rounds is wanted: */
    critical_step *critical; /**< that of the last pass, where there are several */
    size_t criticals;
} cost_report;

/** For people by kind of op with its part of the bytes, or with `ops` op by op; with the chain of steps,
 *  if there is one, in front. */
TF_CHECKED tf_status cost_report_print(const report_form *form, const cost_report *report, bool ops);

void cost_report_free(cost_report *report);

#endif
