/** What a model is asked in an evaluation: which values an example has, what they predict, what its label says. */
#ifndef TF_APP_EVAL_TASK_H
#define TF_APP_EVAL_TASK_H

#include <jansson.h>

#include "experiments/app/data/batches.h"

typedef enum eval_kind {
    EVAL_LABEL,  /**< one of several labels */
    EVAL_VALUE,  /**< a number */
    EVAL_SET,    /**< any of several labels */
    EVAL_WORDS,  /**< a tag for each word; values are those of its first token */
    EVAL_ANSWER, /**< a part of the context; values are those of every token */
    EVAL_CHOICE, /**< a text is one of the choices of a question: how likely the model finds it, as of EVAL_TEXT */
    EVAL_TEXT    /**< how likely the text is: the sum of its tokens' negative log-likelihoods, and how many they are */
} eval_kind;

typedef struct eval_task {
    eval_kind kind;
    const tf_config *config;
    const text_list *texts;
    const text_batches *batches;
    char **name;        /**< of the model's labels */
    size_t width;       /**< values a row */
    size_t *first;      /**< the first row of each text, and of one more */
    size_t *token;      /**< EVAL_WORDS: the token of each row; SIZE_MAX where a word has none, or is cut off */
    bool may_be_silent; /**< EVAL_ANSWER: some texts have no answer, so that none may be predicted */
} eval_task;

/**
 * Settles the task of a model on labelled texts. A label that does not fit is an error with its line; of EVAL_LABEL and
 * EVAL_VALUE this is left to the metrics. Borrows all; free with eval_task_free, also after a failure.
 */
TF_CHECKED tf_status eval_task_make(const tf_config *config, const text_list *texts, const text_batches *batches,
                                    eval_task *task);
void eval_task_free(eval_task *task);

/** The values of a text (rows x width) among those of all. */
size_t eval_task_rows(const eval_task *task, size_t text);

/** Picks the rows of a batch's texts, which `index` names, from all that the model gives for the batch: one text's
 * after the other's. The caller frees *rows. */
TF_CHECKED tf_status eval_task_pick(const eval_task *task, const tf_batch *batch, const size_t *index,
                                    const float *values, float **rows);

/** The largest of a row's values. */
size_t eval_top(const float *values, size_t width);

/** Which of the choices of the question that begins at text `first` is likeliest: by the sum of its tokens'
 *  log-likelihoods or, with `mean`, by their mean. */
size_t eval_choice(const eval_task *task, size_t first, size_t choices, const float *values, bool mean);

/** The tag that a row predicts for its word; "O" where it has no token. */
const char *eval_tag(const eval_task *task, size_t row, const float *values);

/** The answer that a text's values predict, or "". The caller frees. */
TF_CHECKED tf_status eval_answer(const eval_task *task, size_t text, const float *values, char **answer);

/** What a text's values predict, for the file of results; NULL where it is nothing, or when out of memory. */
json_t *eval_prediction(const eval_task *task, size_t text, const float *values);

/** @name What labels say. Strings belong to the task or to *held, which the caller drops. @{ */

/** The tags of the text's words. */
TF_CHECKED tf_status eval_true_tags(const eval_task *task, size_t text, const char **tag, json_t **held);

/** Which of the model's labels a text has: names or numbers in a list, a single one, or a list of as many truths or
 *  real numbers as there are labels. */
TF_CHECKED tf_status eval_true_set(const eval_task *task, size_t text, bool *set);

/** The true answers of a text, at most *count of them; *count becomes how many there are. */
TF_CHECKED tf_status eval_true_answers(const eval_task *task, size_t text, size_t *count, const char **found,
                                       json_t **held);

/** @} */

#endif
