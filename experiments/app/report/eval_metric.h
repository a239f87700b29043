/** The metrics of an evaluation, one or several: which suit a task, and what they are of its results. */
#ifndef TF_APP_EVAL_METRIC_H
#define TF_APP_EVAL_METRIC_H

#include "experiments/app/report/eval_task.h"

typedef enum eval_metric {
    METRIC_ACCURACY,
    METRIC_F1, /**< of label 1, of entities, or of the words of answers */
    METRIC_PRECISION,
    METRIC_RECALL,
    METRIC_MACRO_F1,
    METRIC_MICRO_F1,
    METRIC_EXACT_MATCH,
    METRIC_MATTHEWS,
    METRIC_PEARSON,
    METRIC_SPEARMAN,
    METRIC_PERPLEXITY,
    METRIC_ACCURACY_MEAN, /**< choices by the mean log-likelihood of a token, not by the sum */
    METRICS
} eval_metric;

/** Those asked for, each once. */
typedef struct eval_metrics {
    eval_metric metric[METRICS];
    size_t count;
} eval_metrics;

/** A metric's name in JSON, such as "macro_f1". */
const char *eval_metric_name(eval_metric metric);

/**
 * The metrics that a list names ("accuracy,macro-f1"), or (NULL) those that are usual for the task. Fails when one does
 * not fit the task, or a text's label not the metric, with its line.
 */
TF_CHECKED tf_status eval_metrics_find(const char *names, const eval_task *task, eval_metrics *metrics);

/** Computes each of them from the values of all texts; not finite where a metric is undefined. */
TF_CHECKED tf_status eval_measure(const eval_task *task, const eval_metrics *metrics, const float *values,
                                  double value[METRICS]);

/** How many of two models' predictions are the same, of how many: labels, sets, tags of words, answers. */
TF_CHECKED tf_status eval_agreement(const eval_task *task, const float *a, const float *b, size_t *same, size_t *of);

#endif
