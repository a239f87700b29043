/**
 * Which buckets of a row are empty, in one exchange: for each S makes a key of an equality (party/comparison_key.h)
 * with the complement of its parities' masks. Where what L and R open of the parities' complements is that, all of them
 * are one. Used by ceiling.c alone.
 */
#ifndef TF_STEPS_ROW_KEYS_H
#define TF_STEPS_ROW_KEYS_H

#include "runtime/program/step.h"
#include "runtime/steps/parities.h"

/** Words of the bodies of a row's keys: two for each of an equality's bits, and one. */
enum { TF_ROW_KEY_WORDS = TF_BUCKETS * (2 * TF_PARITIES + 1) };

/** S: a row's bodies. `mask` has a word for each parity; those of the row's buckets begin at bit `from`. */
void tf_row_keys_deal(tf_call *call, size_t row, const uint64_t *mask, unsigned from, uint8_t *body);

/** L or R: this side's part of how many buckets have parities of zero, from what was opened of their complements. */
uint64_t tf_row_keys_count(tf_call *call, size_t row, const uint64_t *opened, unsigned from, const uint64_t *body);

#endif
