/** How long a machine computes for a program: from what its steps do, and a short measurement of the machine. */
#ifndef TF_APP_COMPUTING_H
#define TF_APP_COMPUTING_H

#include "runtime/program/plan.h"

/** A machine, as it was measured. */
typedef struct machine {
    double peak[TF_PRODUCT_WIDTHS]; /**< multiply-adds a second of one core, by the widths of rings */
    double pace;                    /**< how long a step that is no product takes it, in the time of a core of Zen 1 */
    int cores;                      /**< that this process may use */
} machine;

/** Measures this machine, once in the life of the process: 0.3 s. */
TF_CHECKED tf_status machine_measure(const machine **found);

/**
 * Forecasts the processor seconds of one party, on links that are not encrypted: products near the peak, or as fast as
 * weights can be read; other steps by their bytes, nanoseconds a byte as of Zen 1 scaled by the pace, of which
 * keystreams make a part; and what a round costs without any. Within a quarter of what was measured for whole models:
 * see PROTOCOLS.md.
 */
double machine_seconds(const machine *m, const tf_program *program, const tf_plan *plan);

/** What becomes of them by the clock where so many parties (1 or 3) share the machine, whose cores are never idle while
 *  a party has work. */
double machine_elapsed(const machine *m, double seconds, int parties);

#endif
