/** The built-in ops. See runtime/graph/registry.h for what an op is. */
#ifndef TF_OPS_H
#define TF_OPS_H

#include "runtime/graph/registry.h"

TF_PUBLIC_BEGIN

/** Registers all built-in ops; calling it again changes nothing. */
TF_CHECKED tf_status tf_ops_register(void);

/** One array per file of this directory, ended by an op without kind. The first of a kind is its default. */
extern const tf_op tf_argmax_ops[], tf_draft_ops[], tf_elementwise_ops[], tf_embedding_ops[], tf_eviction_ops[],
    tf_gelu_ops[], tf_inverse_ops[], tf_layernorm_ops[], tf_linear_ops[], tf_logistic_ops[], tf_pooling_ops[],
    tf_repetition_ops[], tf_residual_ops[], tf_rotary_ops[], tf_sample_ops[], tf_slicing_ops[], tf_softmax_ops[];

/** The least sum of a row's squares (with eps) that layernorm and rmsnorm divide by rightly, where the squared norms of
 *  rows are bounded by `square` (0: not known). Below it a row comes out too small. */
double tf_norm_resolves(double square);

TF_PUBLIC_END

#endif
