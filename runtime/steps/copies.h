/* What the executor and the comparison of copies share; see tf_compare_copies. */
#ifndef TF_COPIES_H
#define TF_COPIES_H

#include "runtime/program/step.h"

/** Hashes of what this party shares of each value with the previous and the next party, and their keys in this run. */
typedef struct tf_copies {
    uint64_t (*hash)[2];
    uint64_t *key[2];
} tf_copies;

/** Makes the keys; `node` is the comparison, which looks at all nodes before it. Close it also after a failure. */
TF_CHECKED tf_status tf_copies_open(tf_party *party, int node, tf_copies *copies);
void tf_copies_close(tf_copies *copies);

/** Hashes the value of a node, which is complete, with all of the party's threads. */
void tf_copies_hash(const tf_party *party, const tf_program *program, int node, const tf_view *view, tf_copies *copies);

#endif
