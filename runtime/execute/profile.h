/**
 * Where the time of a run goes, op by op, for those who ask; a run that nobody asks about pays nothing for it.
 *
 * Seconds are those of the clock on the thread that runs the party: with more threads, of the first of them. On a
 * machine that is busy otherwise, whatever is interrupted grows.
 */
#ifndef TF_PROFILE_H
#define TF_PROFILE_H

#include <stddef.h>

#include "runtime/kernels/kernels.h"

typedef enum tf_activity {
    TF_LOCAL,      /**< computing, matrix products included */
    TF_PRF,        /**< making streams */
    TF_ENCRYPTION, /**< sealing and opening what is sent and received */
    TF_PACKING,    /**< messages into bytes and back, right operands of products for the kernel */
    TF_WAITING,    /**< for messages, and handing them to the link */
    TF_ACTIVITIES
} tf_activity;

/** An activity's name in JSON. */
extern const char *const tf_activity_name[TF_ACTIVITIES];

typedef struct tf_op_times {
    double seconds[TF_ACTIVITIES];
    tf_product_meter product;
} tf_op_times;

/**
 * What a round of messages takes counts for the op whose exchange it is, though messages that run ahead for later ops
 * travel in it, too.
 */
typedef struct tf_profile {
    tf_op_times *op;  /**< of each node of the graph */
    tf_op_times rest; /**< of what belongs to none, such as inputs */
} tf_profile;

/** a += b */
void tf_op_times_add(tf_op_times *a, const tf_op_times *b);

/**
 * The seconds that the products would have taken on one core at the measured peak of each ring width, of
 * tf_kernels_multiply_peak; 0 where there were none.
 */
double tf_product_peak_seconds(const tf_product_meter *product, const double peak[TF_PRODUCT_WIDTHS]);

#endif
