/** A model's weights as three share files, one for each party; see models/SHARES.md. */
#ifndef TF_SHARE_WEIGHTS_H
#define TF_SHARE_WEIGHTS_H

#include "models/model.h"
#include "models/shares/share_file.h"
#include "runtime/session/store.h"

/** The file's name in a party's directory. */
#define TF_SHARE_WEIGHTS "weights.shares"

/**
 * Splits the parameters of a program (whose leaves have their data) into the files path[0..2]. Two components of each
 * weight come from two fresh seeds, the third one is stored in the bytes of its ring: for parties 1 and 2; what party 0
 * holds are seeds alone.
 */
TF_CHECKED tf_status tf_share_weights_write(const char *const path[TF_PARTIES], const tf_program *program,
                                            const tf_digest *architecture);

/**
 * Opens a party's file and checks that it belongs to a model of this architecture, this party and this precision;
 * TF_MISMATCH otherwise.
 */
TF_CHECKED tf_status tf_share_weights_open(const char *path, int party, const tf_digest *architecture, int frac,
                                           tf_share_file **file);

/** The weights of the file, for a session's store. The provider must not outlive the file. */
tf_provider tf_share_weights_provider(tf_share_file *file);

#endif
