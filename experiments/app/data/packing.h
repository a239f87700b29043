/** Which texts are computed together: rounds against padding. */
#ifndef TF_APP_PACKING_H
#define TF_APP_PACKING_H

#include <stddef.h>
#include <stdint.h>

typedef struct packing_limits {
    size_t most;   /**< texts a batch */
    size_t tokens; /**< likewise, padding included; a text may have more by itself; 0: any number */
    size_t rounds; /**< what a batch costs beside its tokens, in tokens; 0: as few batches as fit, short texts first */
    size_t square; /**< tokens of a text whose attention, which grows with their square, costs as much as the rest; 0:
                        it is not looked at */
} packing_limits;

/** Sets the costs of rounds and attention for a model of such a width, where a round is worth so many bytes. */
void packing_costs(double round_bytes, size_t width, size_t heads, packing_limits *limits);

/** What a batch costs, in tokens times a fixed number. */
uint64_t packing_cost(const packing_limits *limits, size_t texts, size_t length);

/**
 * Cuts texts of these lengths, the shortest first, into batches, each padded to its longest, so that the tokens of all
 * of them, padding included, and their rounds cost least. rows[b], room for `count`, is how many texts batch b has.
 * Returns how many batches there are; 0 without memory.
 */
size_t packing_make(const size_t *length, size_t count, const packing_limits *limits, size_t *rows);

#endif
