/**
 * A party that deviates: what it sends to others is changed before they read it. alter_observe is a tf_link_observer
 * of a party that receives; the messages stand in its memory then and nothing has read them.
 */
#ifndef TF_TESTS_ALTER_H
#define TF_TESTS_ALTER_H

#include <stdint.h>

#include "net/link.h"

typedef struct alter {
    int from;         /**< whose messages are changed */
    uint64_t at;      /**< the first byte that is, counted from the party's first message on */
    uint64_t count;   /**< how many bytes are */
    uint64_t random;  /**< 0: each is XORed with 1; otherwise the state of a generator of what they are XORed with */
    uint64_t seen;    /**< bytes that have come from the party */
    uint64_t changed; /**< how many bytes were changed */
    tf_link_observer *next; /**< looks at the message afterwards; may be NULL */
    void *context;
} alter;

static inline uint8_t alter_byte(alter *t) {
    if (!t->random) return 1;
    t->random = t->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint8_t)(t->random >> 56);
}

static inline void alter_observe(void *context, int peer, const void *data, uint64_t length) {
    alter *t = context;
    uint8_t *byte = (uint8_t *)data;
    for (uint64_t i = 0; i < length && peer == t->from; i++, t->seen++)
        if (t->seen >= t->at && t->seen - t->at < t->count) {
            byte[i] ^= alter_byte(t);
            t->changed++;
        }
    if (t->next) t->next(t->context, peer, data, length);
}

#endif
