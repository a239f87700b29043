/** The shaped link: wraps another one and makes it as slow as a network, to see such a network on one machine. */
#ifndef TF_LINK_SHAPED_H
#define TF_LINK_SHAPED_H

#include "net/link.h"
#include "net/network.h"

TF_PUBLIC_BEGIN

/**
 * Wraps `inner`, which it owns from then on (a failure closes it). All three parties wrap theirs, with the same
 * network. Nothing is sent.
 *
 * A message is stamped when it is queued, and its receiver gets it no sooner than the network would have brought it:
 * after those before it have passed the wire, at the wire's rate, plus the delay. So it does not matter when the
 * sender next looks after its link. The stamps are of one machine's clock: a message from a party with another clock
 * fails with TF_INVALID. They travel as messages of 8 bytes that are not counted.
 */
TF_CHECKED tf_status tf_link_shaped(tf_link *inner, const tf_network *network, tf_link **link);

TF_PUBLIC_END

#endif
