/** From a graph of ops to a program of protocol steps. */
#ifndef TF_LOWER_H
#define TF_LOWER_H

#include "net/base/digest.h"
#include "runtime/graph/graph.h"
#include "runtime/program/plan.h"
#include "runtime/program/program.h"

/**
 * Lowers every node of the graph through its op, and opens or keeps its outputs, slot by slot; those of an owner who is
 * TF_OUTSIDE stay shared. The program refers to the graph, which must outlive it. Its parameters are the weights that
 * are needed, in the encodings that are needed; state is held in the widest ring that a reader wants. A graph with
 * public leaves or state begins with a comparison of both (tf_compare_public). Rows whose norms are bounded are guarded
 * (guard.h), unless the data owner is outside. Whether small tensors lie in one third follows from the plans for both;
 * the better one is returned in `plan` unless that is NULL, for tf_plan_free.
 */
TF_CHECKED tf_status tf_lower(const tf_graph *graph, int frac, int model_owner, int data_owner, tf_program *program,
                              tf_plan *plan);

/** That of everything that must be the same on all parties: steps, shapes, rings, scales, public numbers, owners. */
TF_CHECKED tf_status tf_program_digest(const tf_program *program, tf_digest *digest);

#endif
