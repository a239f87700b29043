/** The shaped link: wraps another one and makes it as slow as a network, to see such a network on one machine. */
#ifndef TF_LINK_SHAPED_H
#define TF_LINK_SHAPED_H

#include "net/link.h"

TF_PUBLIC_BEGIN

/**
 * A network between three hosts: every direction of every pair is a wire of its own.
 *
 * Networks are named, as in the literature, by their round-trip time; a message takes half of that to arrive.
 */
typedef struct tf_network {
    double round_trip; /**< seconds */
    double rate;       /**< bytes per second and direction; INFINITY for no limit */
} tf_network;

/**
 * Reads "lan" (1 ms, 5 Gbit/s), "wan" (40 ms, 400 Mbit/s) or "DELAYms,RATEmbit" such as "20ms,100mbit": the round-trip
 * time (0 to 10 000 ms) and the rate (above 0) per direction. `what` names the option in an error.
 */
TF_CHECKED tf_status tf_network_parse(const char *what, const char *text, tf_network *network);

/** Seconds that a message of `bytes` bytes takes over an idle wire. */
double tf_network_seconds(const tf_network *network, uint64_t bytes);

/** Bytes that all six wires carry in the time that a message takes to arrive: what a round is worth. */
double tf_network_round_bytes(const tf_network *network);

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
