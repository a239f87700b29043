/** The nucleus of long rows (top-p), found by a threshold on logits, without an order of them. */
#ifndef TF_OPS_NUCLEUS_H
#define TF_OPS_NUCLEUS_H

#include "runtime/program/program.h"

/**
 * [outside of the nucleus] of each score, as split bits: `below` (rows, n) is each score less the largest of its row,
 * at most 0. The nucleus is what reaches the largest threshold, of those TF_NUCLEUS_STEP apart down to TF_NUCLEUS_DEPTH
 * below the largest score, such that the probability from there on is at least top_p of all; scores are rounded to half
 * a step first. What is less likely than e^-13.4 of the likeliest counts as 0 in these sums, but can be in the nucleus.
 *
 * A search by halves: twelve times n comparisons of 14 bits, a product of bits and weights, and a comparison of the
 * sum; or, where some 70 rounds less are worth 150 B an element, by quarters: six times with three thresholds at once.
 * Nothing is opened: all that is sent is what comparisons, bits made shares and products send.
 */
tf_value tf_outside_nucleus(tf_program *program, tf_value below, double top_p);

#define TF_NUCLEUS_STEP 0x1p-8
enum { TF_NUCLEUS_DEPTH = 16 };

#endif
