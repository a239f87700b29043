/** What an op costs by itself, for the listing of the registry. */
#ifndef TF_APP_OP_COST_H
#define TF_APP_OP_COST_H

#include "experiments/app/report/ops_report.h"

/**
 * Plans the op alone, at 16 fractional bits, on inputs of BERT-tiny's sizes for 4 texts of 128 tokens. Fails where the
 * op has no private form or does not take these inputs.
 */
TF_CHECKED tf_status op_price_find(const tf_op *op, op_price *price);

#endif
