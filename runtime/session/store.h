/** A session's store of shared weights: shared by their owner once, or read from share files. */
#ifndef TF_STORE_H
#define TF_STORE_H

#include "runtime/lower/lower.h"
#include "runtime/program/step.h"

/** Where this party's components of the weights come from when their owner is no compute party. */
typedef struct tf_provider {
    void *context;
    /** The weight of this name and type, or a failure that names what is missing; of one that is wanted `packed`, this
     *  party's operand where the provider has it (source->panels). Called before anything is sent. */
    tf_status (*find)(void *context, const char *name, const tf_type *type, bool packed, tf_source *source);
} tf_provider;

typedef struct tf_block tf_block;

typedef struct tf_store {
    struct tf_stored *stored; /**< by leaf name and encoding */
    tf_block *block;          /**< of panels, the last first */
    size_t count, capacity;
    const tf_provider *provider; /**< or NULL: the model owner is one of the parties */
    bool stream;                 /**< with a provider: weights are packed each time they are used, and kept nowhere,
                                      unless it has them packed */
    uint64_t bytes;              /**< that the weights took on this party's links */
    bool lent; /**< sharing failed: nobody reads the weights, but the link may write to them till it is closed */
} tf_store;

/** Wipes and frees what is in the store. */
void tf_store_free(tf_store *store);

/** Wipes the weights, which are shared or read anew when they are needed; provider and stream stay. */
void tf_store_forget(tf_store *store);

/** The digest of which weights are there, after `before`. */
tf_digest tf_store_digest(const tf_store *store, tf_digest before);

/**
 * The views of all parameters of a program; those that are not there yet are shared or read now. Their owner's floats
 * are those of `graph`, node by node like the program's own; NULL: of the program's leaves. All three parties call it
 * together.
 *
 * A weight that is wanted in several rings or forms is shared once, in the widest, and the others are made of it by
 * each party alone. Only what a later program wants in a wider ring than a weight has that was packed is shared anew:
 * rings follow from a model's widths, not from its texts, so programs of one model agree on them.
 *
 * Sharing by party o: x_o is a stream of k_o, which party o-1 derives too; x_(o+1) = x - x_o goes to party o+1, who
 * does not hold k_o: uniform to it. The third component is zero. All weights travel in one sequence of messages, each
 * of which is computed while the previous one is under way. bits/8 B an element, 1 round.
 */
TF_CHECKED tf_status tf_store_provide(tf_store *store, tf_party *party, const tf_program *program,
                                      const struct tf_graph *graph, tf_view *view);

/** Bytes that a parameter occupies at most on a party between runs. */
uint64_t tf_store_bytes(const tf_program *program, const tf_param *param);

#endif
