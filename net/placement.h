/**
 * Where three processes run that share two processors. Linux wakes a process where it ran before or where the one that
 * wakes it runs, looks for an idle processor only while those together are less than some 85 % busy, and balances every
 * few milliseconds. Three parties that hand each other work in less than that so often share one processor while the
 * other one idles: for a seventh of the time of both, as measured. Here whoever begins to wait, or wakes another party,
 * first asks the kernel to move the party that would share a processor without need.
 *
 * The words through which the parties tell where they run are hints: whatever another party writes there, at worst a
 * process runs at a worse place. They tell what every process of the same user sees of the others.
 */
#ifndef TF_PLACEMENT_H
#define TF_PLACEMENT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/link.h"

/** What a process tells the two others before they run. Plain bytes, so that it can be sent. */
typedef struct tf_resident {
    int64_t task;           /**< the thread that calls the link */
    uint64_t numbering;     /**< of tasks: the namespace in which `task` is its number; 0 where that is not known */
    uint64_t processors[2]; /**< the numbers of those that it may use, in order */
    uint64_t count;         /**< how many these are */
} tf_resident;

/** Where a party runs, and whether it waits, as it or who has moved it told last. Shared. */
typedef struct tf_place {
    alignas(64) _Atomic uint32_t word;
} tf_place;

/** One party's view. All zero: nobody is moved. */
typedef struct tf_placement {
    bool moves; /**< whether the three share two processors */
    int party;
    int task[TF_PARTIES];
    unsigned processors[2];
    tf_place *places; /**< of the three */
} tf_placement;

/** What the calling thread tells. */
tf_resident tf_placement_reside(void);

/** The view of `party`, of what all three have told and the places that they share (all zero at first). */
tf_placement tf_placement_of(int party, const tf_resident residents[TF_PARTIES], tf_place places[TF_PARTIES]);

/** This party computes, here. */
void tf_placement_compute(const tf_placement *p);

/** This party is about to wait: of two others that share a processor, one is moved to the other processor. */
void tf_placement_wait(const tf_placement *p);

/** This party is about to wake `peer`: it is moved where it does not run beside another one, if it can be. */
void tf_placement_wake(const tf_placement *p, int peer);

#endif
