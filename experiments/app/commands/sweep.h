/** The command that is no C: trefoil sweep hands its arguments to the driver in experiments/sweep/. */
#ifndef TF_APP_SWEEP_H
#define TF_APP_SWEEP_H

#include "net/base/status.h"

/** Becomes the driver; argv[0] is the command's name. Returns only on a failure. */
TF_CHECKED tf_status sweep_start(int argc, char **argv);

#endif
