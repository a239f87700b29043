/** What lookups have in common: sums over the rows of a table. */
#ifndef TF_LOOKUP_H
#define TF_LOOKUP_H

#include "runtime/party/prf.h"
#include "runtime/steps/lookup/buckets.h"
#include "runtime/steps/steps.h"

/** Rows of a shared table at indices that an owner outside shared, see tf_selection; or that many indices of one party
 *  name, at once. */
extern const tf_step tf_embed_shared_step, tf_embed_batch_step;

/** The rows of a table of so many that this worker adds up: it begins at a multiple of 128. */
tf_span tf_selected_rows(const tf_call *call, size_t rows);

/** What a worker adds up of the node's table: the rows of `rows`, to sums (rows of the table's columns). */
typedef struct tf_reading {
    const tf_kernels *kernels;
    const tf_view *table;
    tf_span rows;
    size_t columns, sums;
    unsigned bits; /**< of the table */
} tf_reading;

typedef tf_status tf_add_rows(const tf_reading *reading, const void *what, uint64_t *sum);

/** sum (sums x columns, shared by all workers) += what `add` makes of each worker's own rows, unless it has `failed`
 *  already. All workers call it. */
TF_CHECKED tf_status tf_sum_rows(tf_call *call, size_t sums, tf_add_rows *add, const void *what, tf_status failed,
                                 uint64_t *sum);

/**
 * sum[i] (vectors x columns, shared by all workers, zeroed by the first) += the rows of component j of the table, the
 * node's first input (rows x columns), that bit vector i selects, mod 2^bits; sum's upper bits become meaningless. Each
 * worker calls it with the vectors of its own rows, tf_selected_rows: `pitch` words apart, zero past the last row.
 */
TF_CHECKED tf_status tf_select_rows(tf_call *call, int j, const uint64_t *q, size_t pitch, size_t vectors,
                                    uint64_t *sum);

/** sum[i] (as above) += row token[i] of the sum of both of this party's components of the table. All rows are read for
 *  every token: what is read shows nothing of the tokens, which are below the table's rows. All workers call it. */
TF_CHECKED tf_status tf_pick_rows(tf_call *call, const int32_t *token, size_t tokens, uint64_t *sum);

/** Bit vectors of this worker's rows as tf_select_rows wants them, in `room` bytes of secret memory: of stream `which`
 *  (0 or 1) and `purpose`, or, where `which` is -1, of a message that has whole bytes of each. NULL without memory. */
uint64_t *tf_own_vectors(tf_call *call, int which, unsigned purpose, const uint8_t *message, size_t rows,
                         size_t vectors, size_t *pitch, size_t *room);

/** The hash words of rows [at, at + count), `at` even, in a group's buckets, under a key that all parties know. */
TF_CHECKED tf_status tf_hash_rows(const tf_prf *hash, size_t group, size_t at, size_t count, uint64_t *word);

/** Like tf_select_rows for component j, q having TF_CHOICES vectors for each group: a row is added to the buckets of
 *  the choices whose bits are set. sum: all groups' buckets x columns. q or hash NULL: TF_NOMEM, after all workers met.
 */
TF_CHECKED tf_status tf_select_to_buckets(tf_call *call, const tf_buckets *buckets, const tf_prf *hash, int j,
                                          const uint64_t *q, size_t pitch, uint64_t *sum);

/** Like tf_pick_rows for buckets: sum[b] += the row that bucket b wants, if any. Every row is put into all of its
 *  buckets, under masks. */
TF_CHECKED tf_status tf_pick_to_buckets(tf_call *call, const tf_buckets *buckets, const tf_prf *hash,
                                        const int32_t *want, uint64_t *sum);

#endif
