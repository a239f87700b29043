/** What a party opens of share files, whose owners are none of the parties. */
#ifndef TF_APP_SHARES_H
#define TF_APP_SHARES_H

#include "models/shares/share_texts.h"
#include "models/shares/share_weights.h"
#include "runtime/session/session.h"

/** The directories of share files: of all parties, or of this one alone. NULL where there are none. */
typedef struct share_settings {
    const char *model, *input, *results;
    const char *root; /**< of the model, in hexadecimal digits, if this party knows which it wants */
} share_settings;

/** What a party got from owners outside. */
typedef struct party_shares {
    tf_share_file *weights;  /**< of a shared model, or NULL */
    tf_digest root;          /**< which model that is */
    tf_share_texts texts;    /**< of shared texts */
    char results[4096 + 64]; /**< where this party's results are written */
} party_shares;

/** Makes the roots of a party's file and that of the model; TF_MISMATCH unless it is `wanted` (NULL: any). */
TF_CHECKED tf_status party_shares_root(const tf_share_file *file, const char *wanted, tf_share_roots *roots,
                                       tf_digest *root);

/** Opens what the settings name for this party, weights of `fraction_bits`, and makes its directory of results. */
TF_CHECKED tf_status party_shares_open(const share_settings *settings, int fraction_bits, const tf_config *config,
                                       int party, party_shares *shares);
/** Makes a session take its weights from the shares, if they have any; `provider` is written, and outlives it. */
void party_shares_lend(const party_shares *shares, bool stream, tf_provider *provider, tf_session *session);
void party_shares_close(party_shares *shares);

#endif
