/**
 * The geometry of the 2+1 view. The elements of a tensor are cut into three thirds; in third s the solo party S is P_s.
 * Each third is cut into two parts that differ in who of the other two is R, to whom S sends: P_(s+1) in part 2 s,
 * P_(s-1) in part 2 s + 1. L is the third party. Party i holds components i and i + 1, and likewise the keys.
 */
#ifndef TF_PARTS_H
#define TF_PARTS_H

#include <stddef.h>

#include "net/link.h"
#include "runtime/graph/shape.h"

enum { TF_PARTS = 2 * TF_PARTIES };

/** Consecutive elements [begin, end). */
typedef struct tf_span {
    size_t begin, end;
} tf_span;

static inline size_t tf_span_count(tf_span span) {
    return span.end - span.begin;
}

typedef enum tf_role { TF_SOLO, TF_RIGHT, TF_LEFT } tf_role;

/** Some of the elements of a tensor, as one party sees them. */
typedef struct tf_part {
    int number; /**< third s has parts 2 s and 2 s + 1 */
    tf_role role;
    tf_span span;
    int own; /**< index into c[] and prf[] of what L or R shares with S, of what S shares with L; 1 minus it is the
                other */
} tf_part;

/** The s-th third of n elements that are cut so, and its parts; boundaries are multiples of 128. */
tf_span tf_third(size_t n, tf_cut cut, int s);
tf_span tf_part_span(size_t n, tf_cut cut, int number);

/** A part of n elements as party `id` sees it. */
tf_part tf_part_of(int id, size_t n, tf_cut cut, int number);

/** The solo party of a part, whom it sends to, and the third party. */
static inline int tf_solo_of(int part) {
    return part / 2;
}
static inline int tf_right_of(int part) {
    return part % 2 ? tf_previous(part / 2) : tf_next(part / 2);
}
static inline int tf_left_of(int part) {
    return part % 2 ? tf_next(part / 2) : tf_previous(part / 2);
}

/** The party that this one, L or R, swaps messages with in a part. */
static inline int tf_partner(int id, int part) {
    return TF_PARTIES - id - tf_solo_of(part);
}

/** The component, or key, that a party keeps at index k, 0 or 1; with k = 2 the one that it does not hold. */
static inline int tf_component_of(int party, int k) {
    return (party + k) % TF_PARTIES;
}

/** The component that is publicly zero of what `owner` puts in, and so the one that it does not hold. */
static inline int tf_zero_of(int owner) {
    return tf_previous(owner);
}

#endif
