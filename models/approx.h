/** Part of models/: what config.c needs of approx.c. */
#ifndef TF_APPROX_H
#define TF_APPROX_H

#include "models/model.h"

/** As tf_approx_parse, but without asking the registry whether the variants exist. */
TF_CHECKED tf_status tf_approx_scan(const char *text, tf_approx *approx);

#endif
