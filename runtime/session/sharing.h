/** Weights that one of the three parties owns, shared by all three together. */
#ifndef TF_SHARING_H
#define TF_SHARING_H

#include "runtime/party/party.h"
#include "runtime/session/stored.h"

/**
 * Shares `count` weights, which are typed and have room for their panels, but hold nothing yet; `floats` of each where
 * this is the owner. *bytes grows by what went over this party's links. See tf_store_provide for the messages; all
 * three call it together.
 *
 * A matrix for products travels in the order of its panels, so that what the next party receives, and what the previous
 * one derives, is their operand as it stands. A failure ends the link's transfers; where the party is abandoned then,
 * the next party's link may write to the weights until it is closed, and they must stay.
 */
TF_CHECKED tf_status tf_share_weights(tf_party *party, int owner, tf_stored *weight, size_t count,
                                      const float *const *floats, uint64_t *bytes);

#endif
