/** A model's weights as three share files, one for each party; see models/SHARES.md. */
#ifndef TF_SHARE_WEIGHTS_H
#define TF_SHARE_WEIGHTS_H

#include "models/model.h"
#include "models/shares/share_file.h"
#include "runtime/session/store.h"

/** The file's name in a party's directory. */
#define TF_SHARE_WEIGHTS "weights.shares"

/** Told of each tensor that was split, with its elements. */
typedef struct tf_share_watch {
    void (*wrote)(void *context, size_t elements);
    void *context;
} tf_share_watch;

/**
 * Splits the parameters of a program (whose leaves have their data) into the files path[0..2]. Two components of each
 * weight come from two fresh seeds, the third one is stored in the bytes of its ring: for parties 1 and 2; what party 0
 * holds are seeds alone. With `packed`, right operands of products are stored as each party's operand, made of its two
 * components, and the component is not; of a weight that is a table too, under seeds' words of its own. `watch` may be
 * NULL.
 */
TF_CHECKED tf_status tf_share_weights_write(const char *const path[TF_PARTIES], const tf_program *program,
                                            const tf_digest *architecture, bool packed, const tf_share_watch *watch);

/**
 * Opens a party's file and checks that it belongs to a model of this architecture, this party and this precision;
 * TF_MISMATCH otherwise.
 */
TF_CHECKED tf_status tf_share_weights_open(const char *path, int party, const tf_digest *architecture, int frac,
                                           tf_share_file **file);

/**
 * What a shared model is known by: a root for each component, which commits to all of it. It is made with a key of that
 * component's two holders, so the third party, who could work it out from a guess of the model, cannot check the guess.
 */
typedef struct tf_share_roots {
    tf_digest component[TF_PARTIES];
} tf_share_roots;

/**
 * Makes the roots of the two components that the file holds, from what it holds, and compares them with those that the
 * owner published, which stand in all three files: TF_MISMATCH on a difference. The third is as published. Digests of
 * stored tensors are compared when these are first used.
 */
TF_CHECKED tf_status tf_share_weights_roots(const tf_share_file *file, tf_share_roots *roots);

/**
 * Reads all data of an entry, and compares their digest; of panels also that they are made of the components that the
 * roots commit to: with a seed's component taken away they leave the stored one, or nothing at party 0. TF_FORMAT or
 * TF_MISMATCH otherwise.
 */
TF_CHECKED tf_status tf_share_weights_check(tf_share_file *file, tf_share_entry *entry);

/** The digest of all three roots, which names the model. */
tf_digest tf_share_model_root(const tf_share_roots *roots);

/** The weights of the file, for a session's store. The provider must not outlive the file. */
tf_provider tf_share_weights_provider(tf_share_file *file);

#endif
