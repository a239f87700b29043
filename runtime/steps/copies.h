/* What the executor and the comparison of copies share; see tf_compare_copies. */
#ifndef TF_COPIES_H
#define TF_COPIES_H

#include "runtime/program/step.h"

/** The seeds of this run for what is shared with the previous and the next party; `node` is the comparison. */
void tf_copies_seed(tf_party *party, int node, uint64_t seed[2]);

/** The hashes of what party `id` shares of a value with the previous and the next party. */
void tf_copies_hash(int id, const tf_type *type, const tf_view *view, const uint64_t seed[2], uint64_t hash[2]);

#endif
