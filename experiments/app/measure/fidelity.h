/** How far ops are from the functions that they stand for: `trefoil ops --fidelity`. */
#ifndef TF_APP_FIDELITY_H
#define TF_APP_FIDELITY_H

#include "experiments/app/report/ops_report.h"
#include "experiments/app/service/private.h"

/** Measures an op over its range, at 16 fractional bits; the session must play all three parties. */
TF_CHECKED tf_status fidelity_measure(private_session *session, const tf_op *op, fidelity *result);

/** Fails with TF_RANGE if an error is larger than the op declares, and says by how much. */
TF_CHECKED tf_status fidelity_check(const fidelity *result);

#endif
