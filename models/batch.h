/** Texts as a model gets them. */
#ifndef TF_BATCH_H
#define TF_BATCH_H

#include "models/config.h"
#include "runtime/graph/graph.h"

enum { TF_HIDDEN_FRACTION = 16 }; /**< bits of the weights of a pooling whose lengths are hidden */

/** A batch: texts padded to one length. Lengths are public, ids belong to the data owner (NULL elsewhere). */
typedef struct tf_batch {
    size_t texts, length;
    const size_t *lengths; /**< texts entries, each 1..length */
    const int32_t *ids;    /**< texts x length, padded with pad_token, or NULL */
    const int32_t *types;  /**< texts x length token types, or NULL where not held */
    bool pairs;            /**< public: whether the texts are pairs; if not, all types are 0 and need no lookup */
    const struct tf_decoding *decoding; /**< of decoders: what this pass is given besides tokens, see decoding.h. Texts
                                             are padded in front, and `lengths` is NULL */
    bool hidden; /**< public: the texts' lengths are secret. `lengths` are all `length`, and the data owner puts in: */
    const int32_t *mask;    /**< texts x length: 1 at tokens, 0 at padding; NULL elsewhere */
    const int32_t *weights; /**< texts x length: those of the model's pooling, in units of 2^-TF_HIDDEN_FRACTION */
    size_t picks; /**< public: of a head that guesses words, how many tokens of each text are looked at; 0: all */
    const int32_t *pick; /**< texts x picks x length: 1 at the token that is meant, 0 elsewhere; the data owner puts it
                              in, NULL elsewhere */
    const tf_selection *shared_ids, *shared_types; /**< this party's shares, where an owner outside shared them */
} tf_batch;

/** The weight of a token of a text of this length in a pooled embedding. */
float tf_token_weight(tf_pooling pooling, size_t token, size_t length);

#endif
