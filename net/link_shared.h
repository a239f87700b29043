/**
 * The link of three processes of one host, through memory that all of them map. Each direction of each pair has a ring
 * there (net/ring.h), into which messages are copied; a wrapper can make its records in the ring and read them there.
 * A party that waits sleeps until another one wakes it.
 */
#ifndef TF_LINK_SHARED_H
#define TF_LINK_SHARED_H

#include "net/link.h"
#include "net/placement.h"

TF_PUBLIC_BEGIN

/** The bytes of each of the six rings: small enough for all to stay in a cache, large enough for a party that computes
 *  to find work of the others done. */
enum { TF_LINK_SHARED_RING = 2 << 20 };

/** The memory that links of such rings need; 0 for no size of a ring (a multiple of 4096). */
size_t tf_link_shared_size(uint64_t ring);

/**
 * Joins two others as `party`, by memory (tf_link_shared_size, all zero at first) that the three have mapped for
 * themselves, and that the link unmaps, also when this fails.
 */
TF_CHECKED tf_status tf_link_shared(void *memory, uint64_t ring, int party, tf_link **link);

/** Lets the parties of such links move each other between two processors that they share (net/placement.h): called on
 *  all three by the threads that wait in them, before they do. */
void tf_link_shared_place(tf_link *link, const tf_resident residents[TF_PARTIES]);

TF_PUBLIC_END

#endif
