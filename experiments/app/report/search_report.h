/** What embed and similarity print. */
#ifndef TF_APP_SEARCH_REPORT_H
#define TF_APP_SEARCH_REPORT_H

#include "experiments/app/data/text_list.h"
#include "experiments/app/report/form.h"
#include "experiments/app/report/run_report.h"

/** What it took. */
typedef struct search_cost {
    bool private;
    double seconds;
    const run_report *run;
} search_cost;

/** Vectors that were written. */
TF_CHECKED tf_status embed_print(const report_form *form, const char *out, size_t texts, size_t width,
                                 const search_cost *cost);

/** A text that was found, and its cosine to the query. */
typedef struct search_hit {
    size_t text;
    double score;
} search_hit;

/** For each query its `most` hits, hit[i * most + k], the best first; `texts` are those that were searched. */
TF_CHECKED tf_status similarity_print(const report_form *form, const text_list *texts, const char *const *query,
                                      size_t queries, const search_hit *hit, size_t most, const search_cost *cost);

#endif
