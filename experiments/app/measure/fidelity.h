/** How far ops are from the functions that they stand for: `trefoil ops --fidelity`. */
#ifndef TF_APP_FIDELITY_H
#define TF_APP_FIDELITY_H

#include "experiments/app/measure/op_cost.h"
#include "experiments/app/service/private.h"

typedef struct op_error {
    double max, mean; /**< of absolute differences */
} op_error;

typedef struct fidelity {
    const tf_op *truth; /**< what the op approximates or replaces; NULL where it is the true function itself */
    op_price price;
    op_error formula; /**< of the op in floating point against the truth; 0 where there is none */
    op_error private; /**< of three parties' result against the truth, or against the op's own formula where weights are
                           to be trained for it */
    double bound;     /**< declared, of private.max */
} fidelity;

/** The seed of the inputs. */
enum { FIDELITY_SEED = 1 };

/** Measures an op over its range, at 16 fractional bits; the session must play all three parties. */
TF_CHECKED tf_status fidelity_measure(private_session *session, const tf_op *op, fidelity *result);

#endif
