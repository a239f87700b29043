/** What the commands print that write files: calibrate, fit-head, keygen, share-model and their like. */
#ifndef TF_APP_OUTCOMES_H
#define TF_APP_OUTCOMES_H

#include "experiments/app/data/batches.h"
#include "experiments/app/report/form.h"
#include "models/ranges.h"
#include "net/base/digest.h"

/** What calibrate wrote to `directory`. */
TF_CHECKED tf_status calibration_print(const report_form *form, const char *directory, const tf_ranges *ranges,
                                       double seconds);

/**
 * A line of JSON for each text: its ids; with a tokenizer an object that also has their tokens, and in which text and
 * at which bytes of it each one stands.
 */
TF_CHECKED tf_status tokens_print(const encoded_text *text, size_t count, const tf_tokenizer *tokenizer);

/** A fitted classifier. */
typedef struct head_outcome {
    const char *directory;
    size_t texts, labels;
    double accuracy; /**< on the texts it was fitted on */
    double embed_seconds, fit_seconds;
} head_outcome;

TF_CHECKED tf_status head_print(const report_form *form, const head_outcome *head);

/** A fingerprint, and of a new key (`directory` not NULL) whose it is. */
TF_CHECKED tf_status fingerprint_print(const report_form *form, const char *fingerprint, int party,
                                       const char *directory);

/** Share files for three parties, of `count` things called `what`, with their bytes. */
TF_CHECKED tf_status parts_print(const report_form *form, const char *directory, const char *what, size_t count,
                                 const size_t bytes[TF_PARTIES], const tf_digest *root, double seconds);

/** A party's part of a shared model: which model it is, its roots, and the digest of the tokenizer beside it. */
TF_CHECKED tf_status verified_print(const report_form *form, const char *directory, int party, const tf_digest *model,
                                    const tf_digest root[3], const tf_digest *tokenizer);

#endif
