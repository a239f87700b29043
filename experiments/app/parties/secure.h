/** Encrypted links. */
#ifndef TF_APP_SECURE_H
#define TF_APP_SECURE_H

#include "experiments/app/parties/settings.h"
#include "net/link.h"

/**
 * Makes a secure link of any inner one, as the settings say, for this version of trefoil. Takes `inner` over, and
 * closes it on a failure, which the peers are told. All three call it together.
 */
TF_CHECKED tf_status links_secure(const link_settings *settings, tf_link *inner, tf_link **link);

#endif
