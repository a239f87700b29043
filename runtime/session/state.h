/**
 * A session's state: named tensors that stay shared from run to run, such as a decoder's keys and values. Each grows
 * along one axis, up to a capacity, in the ring that its readers want, so that it is lifted once. Lengths, capacities
 * and types are public and the same on all parties; only the rows are secret. Nothing here is ever sent.
 */
#ifndef TF_STATE_H
#define TF_STATE_H

#include "runtime/lower/lower.h"
#include "runtime/program/step.h"

typedef struct tf_state {
    struct tf_state_item *item;
    size_t count;
} tf_state;

/** Wipes and frees all state. */
void tf_state_forget(tf_state *state);

/** Rows of the state of that name; 0 if there is none. */
size_t tf_state_length(const tf_state *state, const char *name);

/** Wipes the rows past the first `length`, of all states. */
void tf_state_truncate(tf_state *state, size_t length);

/** Wipes and frees the rows of all states whose names end so. */
void tf_state_drop(tf_state *state, const char *ending);

/** The digest of which states there are, their types and lengths, after `before`. */
tf_digest tf_state_digest(const tf_state *state, tf_digest before);

/**
 * The views of all states of a program, one for each of program->held, with the capacities that it wants: those to be
 * appended to are made where they are not there, and those of another capacity are laid out anew. TF_INVALID when a
 * state is missing, has another type or other dimensions than the program takes, or no room for the new rows.
 */
TF_CHECKED tf_status tf_state_open(tf_state *state, const tf_program *program, tf_held_view *view);

/** Ends a run of the program: the rows that it appended count, or are wiped. */
void tf_state_close(tf_state *state, const tf_program *program, bool keep);

#endif
