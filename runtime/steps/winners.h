/** Which element of a group is the largest, from the split bits of all its pairs. Used by tournaments alone. */
#ifndef TF_STEPS_WINNERS_H
#define TF_STEPS_WINNERS_H

#include "runtime/program/program.h"

enum { TF_WINNERS_MOST = 8, TF_SELECT_MOST = 6 }; /* elements of a group */

/**
 * For elements 1 to group - 1, whether each is the first of the largest of its group: as many planes of split bits. The
 * first element is the one that none of them is. `bit`: [x_i < x_j] for (0, 1), (0, 2), .., (1, 2), .. 1 round.
 */
tf_value tf_winners(tf_program *program, size_t group, const tf_value *bit);

/** What the first of the largest adds to element 0, given what each of the others does: `more` of `group` - 1, of one
 *  scale. 1 round, and no split bits on the way. */
tf_value tf_select_winner(tf_program *program, size_t group, const tf_value *bit, const tf_value *more);

/** Bytes of a group's winners; and how many ring elements a group's winner costs. */
double tf_winners_bytes(size_t group);
double tf_select_winner_elements(size_t group);

#endif
