/**
 * Texts whose owner is none of the three parties, as three share files, and the results as three more; see
 * models/SHARES.md for what one of them tells.
 */
#ifndef TF_SHARE_TEXTS_H
#define TF_SHARE_TEXTS_H

#include "models/model.h"
#include "models/shares/share_file.h"
#include "net/link.h"

/** The files' names in a party's directory. */
#define TF_SHARE_TEXTS   "texts.shares"
#define TF_SHARE_RESULTS "results.shares"

/**
 * Shares batches of texts into the files path[0..2]. `order` is the text at each row, counted through the batches, of a
 * list of `listed` texts; those that no row is of were empty and have no result.
 * V/8 + 48 bytes a token and party for a vocabulary of V. Public are the architecture, and how many texts there are and
 * how many tokens each has.
 */
TF_CHECKED tf_status tf_share_texts_write(const char *const path[TF_PARTIES], const tf_config *config,
                                          const tf_batch *batch, size_t batches, const size_t *order, size_t listed);

/** One party's shares of texts. */
typedef struct tf_share_texts {
    tf_digest id;
    size_t texts, listed, batches; /**< texts: those that have tokens, of so many in the list */
    tf_batch *batch;               /**< with shared_ids and shared_types, without ids and types */
    size_t *order;
    void *private;
} tf_share_texts;

/** Opens and checks a party's file; TF_MISMATCH when it is for another party or for a model of another architecture. */
TF_CHECKED tf_status tf_share_texts_open(const char *path, int party, const tf_config *config, tf_share_texts *texts);
/** Wipes and frees. Nothing happens for what was never opened, all zero. */
void tf_share_texts_close(tf_share_texts *texts);

/** What the parties write into the files of one run's results: listed x width shares, nothing for empty texts. */
typedef struct tf_share_results {
    tf_digest id; /**< drawn for the run, the same in its three files */
    size_t texts, listed, width;
    const size_t *order; /**< the text at each row */
    int frac;
    unsigned bits;
    const uint64_t *component[2]; /**< this party's, by rows */
} tf_share_results;

TF_CHECKED tf_status tf_share_results_write(const char *path, int party, const tf_share_results *results);

/**
 * Puts the results of two parties' files together: *values has texts x width numbers, in the order of the texts, NaN
 * for empty ones, and is freed by the caller. TF_MISMATCH when they are of the same party or of different runs, or when
 * what both hold differs.
 */
TF_CHECKED tf_status tf_share_results_reveal(const char *const path[2], size_t *texts, size_t *width, float **values);

#endif
