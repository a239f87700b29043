/**
 * Whether any of a row's columns has a bit set, for XOR shares of bits: the parities of PARITIES public sets of
 * columns, which are local, and an AND of their complements by groups, at three levels, each of which opens its wires
 * under masks in one exchange as in compare_tree.h. S deals the products of masks; at the last level it deals them as
 * numbers mod 2^bits, so that L and R end with additive shares of how many buckets have one. Two rows lie side by side
 * in words. Used by ceiling.c alone.
 */
#ifndef TF_STEPS_PARITIES_H
#define TF_STEPS_PARITIES_H

#include <stddef.h>
#include <stdint.h>

/** Buckets of a row, and bytes of a word of two rows: 24 bits each, the lowest ones. */
enum { TF_BUCKETS = 24, TF_PARITIES = 40, TF_PAIR_BYTES = 2 * TF_BUCKETS / 8 };

/** Levels: 40 wires in triples and fours, 12 in fours, 3 at once. */
enum { TF_AND_LEVELS = 3, TF_AND_WIRES = TF_PARITIES + 12 + 3 };
static const size_t tf_and_wires[TF_AND_LEVELS] = {TF_PARITIES, 12, 3};
static const size_t tf_and_first[TF_AND_LEVELS] = {0, TF_PARITIES, TF_PARITIES + 12};

/** Words of a pair of rows: products of masks, and numbers of so many bits for the last level's. */
enum { TF_AND_PRODUCTS = 8 * 4 + 4 * 11 + 3 * 11, TF_AND_NUMBERS = 7 };

/** Finds which of the sets each column is in: all ones for these. */
void tf_parity_sets(size_t columns, uint64_t (*member)[TF_PARITIES]);

/** This side's shares of the complements of the parities: of each set, bucket by bucket from that one up to the last.
 *  `bucket` has its share of each column's unit vector; `both` is all ones on one side and zero on the other. */
void tf_parities(size_t columns, uint64_t (*member)[TF_PARITIES], const uint64_t *bucket, uint64_t both,
                 uint64_t *wire);

/** S: the products of the wires' masks. */
void tf_and_deal(const uint64_t *mask, uint64_t product[TF_AND_PRODUCTS]);

/** S: the products of all sets of the last level's masks, less the numbers in `plane`, in whose place they come: of
 * each set as many planes as numbers have bits. */
void tf_and_deal_numbers(unsigned bits, const uint64_t *mask, uint64_t *plane);

/** L or R: shares of the wires of the next level, from what was opened of those of this one, this side's masks of them
 *  and its shares of all products. */
void tf_and_groups(int level, const uint64_t *opened, const uint64_t *mask, const uint64_t *product, uint64_t both,
                   uint64_t *wire);

/** L or R: this side's part of how many buckets of each of both rows have a column, mod 2^bits. */
void tf_and_count(unsigned bits, const uint64_t *opened, const uint64_t *plane, uint64_t both, uint8_t part[2]);

#endif
