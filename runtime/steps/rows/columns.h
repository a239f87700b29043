/** Columns of a row whose ceiling is looked for: which count, those of a few of which the row is taken relative to the
 *  mean, and the public sets that they are in. Used by ceiling.c alone. */
#ifndef TF_STEPS_COLUMNS_H
#define TF_STEPS_COLUMNS_H

#include "runtime/steps/local.h"
#include "runtime/steps/parities.h"

/** Bits of a bucket, the logarithm of how many there are, whether r is the first element alone and whether a mask says
 *  which columns count, whether S deals keys, and the mask's strides over the rows' shape. Data: the mask's ones and
 *  zeros, unless a public leaf brings them. */
typedef struct tf_ceiling_args {
    int64_t segment, log, first, masked, keyed, stride[TF_MAX_RANK];
} tf_ceiling_args;

enum { TF_SAMPLES_LOG = 3, TF_SAMPLES = 1 << TF_SAMPLES_LOG }; /* r's elements */

/** The columns of a row: all ones for those that count, and those of which r is the mean. */
typedef struct tf_columns {
    size_t count, position;
    bool known;
    size_t sample[TF_SAMPLES];
    uint64_t *counts;
    uint64_t (*member)[TF_PARITIES]; /* all ones for the sets that a column is in; L and R alone look at it */
} tf_columns;

/** The mask's numbers, which a constant has now and a public leaf brings to each run. */
tf_value tf_columns_mask(tf_program *p, tf_value v, const struct tf_node *leaf);

/** Columns of no row yet; with `sets` those that each is in. */
TF_CHECKED tf_status tf_columns_make(const tf_call *call, bool sets, tf_columns *c);
void tf_columns_free(tf_columns *c);

/** Makes `c` those of a row; rows next to each other mostly have the same. */
void tf_columns_of_row(const tf_call *call, size_t row, tf_columns *c);

/** Component j of r, whose lower bits are dropped component by component: the sum is up to three units too low. */
uint64_t tf_row_reference(const tf_call *call, int j, size_t row, const tf_columns *c);

#endif
