/** What `trefoil ops` prints of an op. See experiments/JSON.md. */
#ifndef TF_APP_OPS_REPORT_H
#define TF_APP_OPS_REPORT_H

#include "experiments/app/report/form.h"
#include "runtime/graph/registry.h"

typedef struct op_price {
    double bytes; /**< over all links, per element of the output */
    int rounds;
} op_price;

typedef struct op_error {
    double max, mean; /**< of absolute differences */
} op_error;

typedef struct fidelity {
    const tf_op *op;
    const tf_op *truth; /**< what the op approximates or replaces; NULL where it is the true function itself */
    op_price price;
    op_error formula; /**< of the op in floating point against the truth; 0 where there is none */
    op_error private; /**< of three parties' result against the truth, or against the op's own formula where weights are
                           to be trained for it */
    double bound;     /**< declared, of private.max */
} fidelity;

/** The seed of the inputs. */
enum { FIDELITY_SEED = 1 };

/** An op of the listing. */
typedef struct op_row {
    const tf_op *op;
    bool is_default; /**< the first variant of its kind */
    bool priced;
    op_price price;
} op_row;

/** Prints the listing of the registry. */
TF_CHECKED tf_status ops_report_print(const report_form *form, const op_row *row, size_t rows);

/** Prints the errors of ops, measured on inputs of `seed` at so many fractional bits: Markdown, or JSON. */
TF_CHECKED tf_status fidelity_report_print(const report_form *form, int seed, int bits, const fidelity *result,
                                           size_t ops);

#endif
