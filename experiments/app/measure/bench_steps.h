/** What `trefoil bench --step` can measure: each a small program on two shared inputs of n elements. */
#ifndef TF_APP_BENCH_STEPS_H
#define TF_APP_BENCH_STEPS_H

#include "runtime/program/program.h"

typedef struct bench_step {
    const char *name;
    unsigned bits;       /**< ring of the inputs; 0: that of the default range */
    double scale, shift; /**< inputs are uniform in shift + scale * [-1, 1] */
    tf_value (*append)(tf_program *program, tf_value x, tf_value y);
} bench_step;

/** The step of this name; TF_INVALID with the known ones. */
TF_CHECKED tf_status bench_step_find(const char *name, const bench_step **step);

#endif
