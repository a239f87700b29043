/** How parties that are started one by one find each other. */
#ifndef TF_APP_MEET_H
#define TF_APP_MEET_H

#include "experiments/app/parties/settings.h"
#include "net/link.h"

/**
 * Connects a party that was started by itself (`settings->id`) to the others by TCP, with progress lines on stderr, and
 * makes the link secure. All three call it together.
 */
TF_CHECKED tf_status links_meet(const link_settings *settings, tf_link **link);

#endif
