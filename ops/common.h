/** Shape rules and index arithmetic that several ops share. */
#ifndef TF_OPS_COMMON_H
#define TF_OPS_COMMON_H

#include "runtime/graph/graph.h"

/** The output has the shape of the first input. */
tf_status tf_infer_same(const tf_node *node, const tf_shape *shape, tf_shape *out);

/** Fails unless the input called `what` has this rank. */
TF_CHECKED tf_status tf_expect_rank(const char *what, tf_shape given, int rank);

/** Fails unless the input called `what` has this shape. */
TF_CHECKED tf_status tf_expect_shape(const char *what, tf_shape given, tf_shape wanted);

/** Fails unless an input called `what` can be broadcast to `to` without making it larger. */
TF_CHECKED tf_status tf_expect_broadcast(const char *what, tf_shape given, tf_shape to);

/** Reads an attribute that must be there and be a whole number of at least 1. */
TF_CHECKED tf_status tf_attr_size(const tf_node *node, const char *name, size_t *value);

/** The number of rows of a tensor, a row being its last dimension; 1 for a scalar. */
size_t tf_shape_rows(tf_shape shape);

/** Where the row-th row of a tensor of shape `to` begins in a tensor of shape `from` that is broadcast to it. */
size_t tf_broadcast_row(tf_shape from, tf_shape to, size_t row);

/** max(x, 0), of which several kinds of activations have a variant. */
tf_status tf_plain_relu(const tf_node *node, const tf_array *in, tf_array *out);
tf_value tf_lower_relu(struct tf_program *program, const tf_node *node, const tf_value *in);

/** The shape of x W^T + b, the weight of out x in; `bias` may be NULL. TF_INVALID where they do not fit. */
tf_status tf_linear_infer(tf_shape x, tf_shape weight, const tf_shape *bias, tf_shape *out);

/** out = x W^T + b in floating point; `bias` may be NULL. */
void tf_linear_plain(const tf_array *x, const tf_array *weight, const tf_array *bias, tf_array *out);

/** x gamma + beta over the last dimension; both are leaves, and beta may be -1: none. */
tf_value tf_scaled(struct tf_program *program, tf_value x, tf_value gamma, tf_value beta);

#endif
