/** How well what is found in texts meets the truth: entities, and answers to questions. */
#ifndef TF_TEXT_METRICS_H
#define TF_TEXT_METRICS_H

#include <stddef.h>

#include "net/base/status.h"

/** Entities of many texts, counted. */
typedef struct tf_entity_counts {
    size_t truth, predicted, hits; /**< a hit: the same words under the same type */
} tf_entity_counts;

/**
 * Counts the entities of one text by the tags of its words, as conlleval and seqeval do by default: "B-X" begins an
 * entity of type X, "I-X" goes on with one or, after another type or "O", begins one too; of the longer schemes "S-X"
 * (or "U-X") and "E-X" (or "L-X") end one. A tag without such a letter is read as "I-" and the whole tag.
 */
void tf_entities_count(const char *const *truth, const char *const *predicted, size_t words, tf_entity_counts *counts);

/** Precision, recall and F1 of the counts; 0 where there is nothing to divide by. */
double tf_entities_precision(const tf_entity_counts *counts);
double tf_entities_recall(const tf_entity_counts *counts);
double tf_entities_f1(const tf_entity_counts *counts);

/**
 * Compares an answer with the true ones as SQuAD's evaluation does (Rajpurkar et al. 2016 and 2018): lower case,
 * without punctuation, articles and superfluous spaces; *exact is 1 if it is one of them, *f1 the best harmonic mean of
 * precision and recall of its words. Without a true answer only "" is right. Strings are valid UTF-8.
 */
TF_CHECKED tf_status tf_answer_scores(const char *given, const char *const *truth, size_t count, double *exact,
                                      double *f1);

#endif
