/** One clock for deadlines and measurements. */
#ifndef TF_CLOCK_H
#define TF_CLOCK_H

#include <time.h>

/** Seconds of a clock that only goes forward. */
static inline double tf_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
