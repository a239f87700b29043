/** Which texts are computed together: rounds against padding. */
#ifndef TF_APP_PACKING_H
#define TF_APP_PACKING_H

#include <stddef.h>

#include "net/link_shaped.h"

typedef struct packing_limits {
    size_t most;   /**< texts a batch */
    size_t tokens; /**< likewise, padding included; a text may have more by itself; 0: any number */
    size_t rounds; /**< what a batch costs beside its tokens, in tokens; 0: as few batches as fit, short texts first */
} packing_limits;

/** What the rounds of a batch cost in tokens: on one machine or, unless it is NULL, on such a network. */
size_t packing_rounds(const tf_network *network);

/**
 * Cuts texts of these lengths, the shortest first, into batches, each padded to its longest, so that the tokens of all
 * of them, padding included, and their rounds cost least. rows[b], room for `count`, is how many texts batch b has.
 * Returns how many batches there are; 0 without memory.
 */
size_t packing_make(const size_t *length, size_t count, const packing_limits *limits, size_t *rows);

#endif
