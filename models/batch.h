/** Texts as a model gets them. */
#ifndef TF_BATCH_H
#define TF_BATCH_H

#include "runtime/graph/graph.h"

/** A batch: texts padded to one length. Lengths are public, ids belong to the data owner (NULL elsewhere). */
typedef struct tf_batch {
    size_t texts, length;
    const size_t *lengths; /**< texts entries, each 1..length */
    const int32_t *ids;    /**< texts x length, padded with pad_token, or NULL */
    const int32_t *types;  /**< texts x length token types, or NULL where not held */
    bool pairs;            /**< public: whether the texts are pairs; if not, all types are 0 and need no lookup */
    const struct tf_decoding *decoding; /**< of decoders: what this pass is given besides tokens, see decoding.h. Texts
                                             are padded in front, and `lengths` is NULL */
    const tf_selection *shared_ids, *shared_types; /**< this party's shares, where an owner outside shared them */
} tf_batch;

#endif
