/** What must be the same on all three parties, compared by digest, and said with its values where it is not. */
#ifndef TF_FACTS_H
#define TF_FACTS_H

#include "net/base/digest.h"
#include "net/link.h"

/** One fact that must be the same on all parties. */
typedef struct tf_fact {
    const char *name;  /**< as an error calls it */
    tf_digest digest;  /**< what is compared */
    const char *value; /**< for people, where every party may know it: shown when the parties differ; or NULL */
} tf_fact;

/** A fact whose value everybody may know; what is compared is the digest of the text. */
tf_fact tf_fact_of(const char *name, const char *value);

/**
 * Compares facts with both other parties; TF_MISMATCH on every party that sees a difference, with a message that names
 * the first one and says who has what, or where the value is not told how its digest begins. Called by all three with
 * as many facts. 1 round; where the parties differ in a told value, one more with 256 bytes to each.
 */
TF_CHECKED tf_status tf_facts_compare(tf_link *link, const tf_fact *fact, size_t facts);

/** Sends `out` to both others and receives their `size` bytes each into in[0] (the next party's) and in[1] (the
 *  previous one's). 1 round. */
TF_CHECKED tf_status tf_swap_public(tf_link *link, const void *out, void *in[2], size_t size);

#endif
