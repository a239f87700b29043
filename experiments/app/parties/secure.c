#include "experiments/app/parties/secure.h"

#include <stdio.h>

#include "net/link_secure.h"

/** What the three must have in common before they talk: the version, who they are, and who owns what. */
static tf_status describe(const link_settings *o, tf_config_digest *digest) {
    char text[512], fingerprint[TF_FINGERPRINT_TEXT];
    int used = snprintf(text, sizeof text, "trefoil %s", TREFOIL_VERSION);
    for (int i = 0; i < TF_PARTIES && o->parties; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "\n%s%s%s",
                         tf_fingerprint_text(&o->file.fingerprint[i], fingerprint),
                         i == o->file.model_owner ? " model owner" : "", i == o->file.data_owner ? " data owner" : "");
    return tf_config_digest_of(text, (size_t)used, digest);
}

tf_status links_secure(const link_settings *o, tf_link *inner, tf_link **link) {
    tf_secure_options secure = {.fingerprints = o->parties ? o->file.fingerprint : NULL};
    tf_identity *identity = NULL;
    tf_status status = o->identity ? tf_identity_read(o->identity, &identity) : tf_identity_make(&identity);
    if (status == TF_OK) status = describe(o, &secure.config);
    secure.identity = identity;
    if (status == TF_OK) {
        status = tf_link_secure(inner, &secure, link);
    } else {
        tf_link_announce_failure(inner,
                                 "no secure link could be made"); // nobody could tell whether this party wrote it
        tf_link_close(inner);
    }
    tf_identity_free(identity);
    return status;
}
