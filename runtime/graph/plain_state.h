/** Held state of runs in floating point. */
#ifndef TF_PLAIN_STATE_H
#define TF_PLAIN_STATE_H

#include "runtime/graph/graph.h"

/** The rows of one state: outer x capacity x inner floats, zero past the length. */
typedef struct tf_plain_held {
    char name[sizeof((tf_node *)0)->name];
    size_t outer, capacity, inner, length;
    size_t coming; /**< rows appended by the run that is under way */
    float *data;
} tf_plain_held;

/**
 * The state of a held node, with the node's capacity; made where rows are appended to one that is not there. TF_INVALID
 * when it has other dimensions, or too many rows.
 */
TF_CHECKED tf_status tf_plain_state_open(tf_plain_state *state, const tf_node *node, tf_plain_held **held);

/** Writes the rows of x past the length. They count from tf_plain_state_commit on. */
TF_CHECKED tf_status tf_plain_state_append(tf_plain_held *held, const tf_node *node, const tf_array *x);

/** Ends a run: what it appended is there, or taken back. */
void tf_plain_state_commit(tf_plain_state *state);
void tf_plain_state_roll_back(tf_plain_state *state);

#endif
