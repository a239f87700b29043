/** How well predictions meet the truth: the metrics of text classification and regression. */
#ifndef TF_METRICS_H
#define TF_METRICS_H

#include <stdbool.h>
#include <stddef.h>

/** The part of `count` examples whose predicted label is the true one. */
double tf_accuracy(const size_t *truth, const size_t *predicted, size_t count);

/** The harmonic mean of precision and recall of label 1, 2 tp / (2 tp + fp + fn); 0 where label 1 does not occur. */
double tf_f1(const size_t *truth, const size_t *predicted, size_t count);

/**
 * Matthews' correlation coefficient of labels below `labels`, for more than two of them in Gorodkin's form (2004,
 * equation 8), which is the same for two; 0 where either side has one label only. NaN when out of memory.
 */
double tf_matthews(const size_t *truth, const size_t *predicted, size_t count, size_t labels);

/**
 * The mean over the labels below `labels` of the F1 score of each, 2 tp / (2 tp + fp + fn); a label that occurs on
 * neither side is left out. NaN when out of memory.
 */
double tf_macro_f1(const size_t *truth, const size_t *predicted, size_t count, size_t labels);

/** How well sets of labels meet the true sets. */
typedef struct tf_set_scores {
    double micro_f1; /**< of all decisions together; 0 where there are no positives */
    double macro_f1; /**< the mean over the labels, of which one without positives counts as 0 */
    double exact;    /**< the part of the sets that are the true ones */
} tf_set_scores;

/** Compares `count` sets of labels below `labels`: truth and predicted are count x labels. */
tf_set_scores tf_compare_sets(const bool *truth, const bool *predicted, size_t count, size_t labels);

/** Spearman's correlation coefficient: Pearson's of the ranks, equal values having the mean of theirs. NaN where one
 *  sequence is constant, or when out of memory. */
double tf_spearman(const double *x, const double *y, size_t count);

/** Pearson's correlation coefficient of two sequences; NaN where one of them is constant. */
double tf_pearson(const double *x, const double *y, size_t count);

#endif
