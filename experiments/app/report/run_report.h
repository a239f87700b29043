/** What a private run took and moved. */
#ifndef TF_APP_RUN_REPORT_H
#define TF_APP_RUN_REPORT_H

#include <stdint.h>

#include "net/link.h"
#include "net/network.h"

/** What a run was planned for. */
typedef struct run_network {
    enum { NETWORK_DEFAULT, NETWORK_TOLD, NETWORK_MEASURED } how; /**< by default: one host */
    tf_network network;
} run_network;

/** What a run took and moved. */
typedef struct run_report {
    size_t texts;
    double began; /**< by the clock: when the request had come to this party */
    double seconds_setup, seconds_online;
    uint64_t links[TF_PARTIES][TF_PARTIES]; /**< bytes from row to column, without set-up */
    uint64_t rounds;
    uint64_t bytes_setup;      /**< keys, comparison of digests, lengths; over all links */
    uint64_t bytes_encryption; /**< what the links added to all of this: handshakes, headers, tags */
    uint64_t forecast_bytes, forecast_rounds;
    run_network network;
} run_report;

#endif
