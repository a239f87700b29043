/** What a network is like, as far as it decides how long a run takes: delay, rate, and what a byte costs to make. */
#ifndef TF_NETWORK_H
#define TF_NETWORK_H

#include <stdint.h>

#include "net/base/status.h"

TF_PUBLIC_BEGIN

/**
 * A network between three hosts: every direction of every pair is a wire of its own.
 *
 * Networks are named, as in the literature, by their round-trip time; a message takes half of that to arrive.
 */
typedef struct tf_network {
    double round_trip; /**< seconds */
    double rate;       /**< bytes per second and direction; INFINITY for no limit */
    double work;       /**< seconds of computing that a byte more costs, whichever wire it takes: all parties work at
                            the same time; 0: TF_NETWORK_WORK */
} tf_network;

/** Nanoseconds, of three hosts with four cores each: where nobody tells, and nothing is measured. */
enum { TF_NETWORK_WORK = 2 };

/** Room for a network as text. */
enum { TF_NETWORK_TEXT = 80 };

/**
 * Reads "lan" (1 ms, 5 Gbit/s), "wan" (40 ms, 400 Mbit/s) or "DELAYms,RATEmbit" such as "20ms,100mbit": the round-trip
 * time (0 to 10 000 ms) and the rate (above 0) per direction. "20ms,100mbit,5ns" tells its work too (above 0, to
 * 10 000 ns). `what` names the option in an error.
 */
TF_CHECKED tf_status tf_network_parse(const char *what, const char *text, tf_network *network);

/** Writes it as tf_network_parse reads it, with three digits of each number. Returns `text`. */
const char *tf_network_text(const tf_network *network, char text[TF_NETWORK_TEXT]);

/** Seconds that a message of `bytes` bytes takes over an idle wire. */
double tf_network_seconds(const tf_network *network, uint64_t bytes);

/** Bytes, over all six wires, that take as long to send and to make as a message takes to arrive: what a round is
 *  worth. */
double tf_network_round_bytes(const tf_network *network);

TF_PUBLIC_END

#endif
