#include "net/network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Beside the delay, a round hands over work from thread to thread and from party to party. */
static const double HANDOVER = 32e-6;

static double work_of(const tf_network *network) {
    return network->work > 0 ? network->work : TF_NETWORK_WORK * 1e-9;
}

/* All of a text that is a number of milliseconds, one of megabits per second, and maybe one of nanoseconds. */
static int read_numbers(const char *text, double *milliseconds, double *megabits, double *nanoseconds) {
    int used = 0, more = 0;
    *nanoseconds = TF_NETWORK_WORK;
    if (sscanf(text, "%lfms,%lfmbit%n", milliseconds, megabits, &used) != 2 || used == 0) return 0;
    if (!text[used]) return 1;
    return sscanf(text + used, ",%lfns%n", nanoseconds, &more) == 1 && more > 0 && !text[used + more];
}

tf_status tf_network_parse(const char *what, const char *text, tf_network *network) {
    double milliseconds, megabits, nanoseconds;
    if (strcmp(text, "lan") == 0) {
        *network = (tf_network){.round_trip = 1e-3, .rate = 5e9 / 8};
    } else if (strcmp(text, "wan") == 0) {
        *network = (tf_network){.round_trip = 40e-3, .rate = 400e6 / 8};
    } else if (read_numbers(text, &milliseconds, &megabits, &nanoseconds) && milliseconds >= 0 && milliseconds <= 1e4 &&
               megabits > 0 && megabits <= 1e9 && nanoseconds > 0 && nanoseconds <= 1e4) {
        *network =
            (tf_network){.round_trip = 1e-3 * milliseconds, .rate = 1e6 * megabits / 8, .work = 1e-9 * nanoseconds};
    } else {
        return tf_fail(TF_INVALID,
                       "--%s '%s' is none of lan (1ms,5000mbit), wan (40ms,400mbit) and DELAYms,RATEmbit, "
                       "such as 20ms,100mbit",
                       what, text);
    }
    return TF_OK;
}

const char *tf_network_text(const tf_network *network, char text[TF_NETWORK_TEXT]) {
    snprintf(text, TF_NETWORK_TEXT, "%.3gms,%.3gmbit,%.3gns", 1e3 * network->round_trip, 8e-6 * network->rate,
             1e9 * work_of(network));
    return text;
}

double tf_network_round_bytes(const tf_network *network) {
    enum { WIRES = 6 };
    return (network->round_trip / 2 + HANDOVER) / (1 / (network->rate * WIRES) + work_of(network));
}

double tf_network_seconds(const tf_network *network, uint64_t bytes) {
    return network->round_trip / 2 + (double)bytes / network->rate;
}
