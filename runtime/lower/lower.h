/** From a graph of ops to a program of protocol steps. */
#ifndef TF_LOWER_H
#define TF_LOWER_H

#include "runtime/graph/graph.h"
#include "runtime/program/program.h"

/**
 * Lowers every node of the graph through its op, and opens the output to the data owner in slot 0, or keeps its
 * shares there where that is TF_OUTSIDE. The program refers to the graph, which must outlive it. Its parameters are the
 * weights that are needed, in the encodings that are needed.
 */
TF_CHECKED tf_status tf_lower(const tf_graph *graph, int frac, int model_owner, int data_owner, tf_program *program);

/** A 128-bit XXH3 digest. */
typedef struct tf_digest {
    uint8_t byte[16];
} tf_digest;

/** The digest of some bytes. */
tf_digest tf_digest_of(const void *data, size_t size);

/** That of everything that must be the same on all parties: steps, shapes, rings, scales, public numbers, owners. */
TF_CHECKED tf_status tf_program_digest(const tf_program *program, tf_digest *digest);

#endif
