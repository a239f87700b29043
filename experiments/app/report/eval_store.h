/**
 * The file of an evaluation's results: a line that says what is evaluated, then a line for each finished example. Lines
 * are appended and synchronised batch by batch, so that a killed evaluation goes on where it was. With several groups
 * of parties each but the first writes a file of its own, FILE.part1 and so on, which the first one takes over.
 */
#ifndef TF_APP_EVAL_STORE_H
#define TF_APP_EVAL_STORE_H

#include <jansson.h>
#include <stdbool.h>

#include "experiments/app/report/eval_task.h"
#include "experiments/app/report/run_report.h"

/** Digests of an example: of its ids, of their types, of its label. */
enum { EVAL_ROW = 3 };

typedef struct eval_store {
    const char *path; /**< of the whole, also in groups that write a part */
    json_t *header;
    const char *key; /**< of an example's values in its line */
    const eval_task *task;
    size_t done;          /**< finished examples */
    bool *finished;       /**< of each text */
    float *values;        /**< of finished examples: the task's rows x width */
    float *plain;         /**< the same of the plain model, or NULL */
    int file;             /**< -1: none is open */
    const tf_digest *row; /**< of eval_facts */
    run_report spent;     /**< on the batches that were finished, by all groups and all runs that went on */
} eval_store;

/** What must be the same for a file of results to be continued; digests in hexadecimal digits. */
typedef struct eval_facts {
    bool plain; /**< in floating point alone */
    const char *model, *data;
    const char *approx;
    int fraction_bits;
    const char *ranges;   /**< NULL where there are none */
    bool check;           /**< the plain model's results are kept too */
    const tf_digest *row; /**< EVAL_ROW digests an example, of which `data` is the digest; until the store is closed */
} eval_facts;

/** Makes room for the results of all texts. */
TF_CHECKED tf_status eval_store_make(eval_store *store, const char *path, const eval_facts *facts,
                                     const eval_task *task);

/**
 * Opens or begins the whole file, for this process alone, and reads what is finished, from parts that a killed
 * evaluation left behind too; a last line that is torn is dropped. The file may be of fewer examples, the first ones of
 * these. Fails with TF_MISMATCH when the file is of another
 * evaluation, with TF_IO when another process writes it.
 */
TF_CHECKED tf_status eval_store_open(eval_store *store);

/** Begins the part of group `group`. */
TF_CHECKED tf_status eval_store_open_part(eval_store *store, int group);

/** Adds the results of a batch of `count` examples, which `index` names: all rows of one after those of the other.
 *  `plain` NULL without --check; what the batch took stands in its last line. Synchronised when it returns. */
TF_CHECKED tf_status eval_store_append(eval_store *store, size_t count, const size_t *index, const float *values,
                                       const float *plain, const run_report *run);

/** Takes over the parts and, once all examples are finished, brings the lines into the order of the data. */
TF_CHECKED tf_status eval_store_gather(eval_store *store);

void eval_store_close(eval_store *store);

#endif
