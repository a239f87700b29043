/** How a party takes back what it gave a link, after a failure. */
#ifndef TF_LINK_ABANDON_H
#define TF_LINK_ABANDON_H

#include "net/link.h"

/**
 * Ends all transfers of a link over which the parties have fallen out of step; nothing but an announcement and closing
 * may follow. Whether the memory of what was queued is its callers' again: where MPI does not let go of it within a
 * second, it must stay until the link is closed. The thread's last failure stays as it is.
 */
bool tf_link_abandon(tf_link *link);

#endif
