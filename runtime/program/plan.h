/**
 * A plan says when each phase of each step runs, what every round carries, and where every value lives. It follows from
 * the program alone, so all parties make the same one, and its cost is exact before anything runs.
 *
 * Time t is what happens between rounds t and t + 1. A step starts as soon as its inputs are known; its solo phase,
 * which needs less, runs just early enough for its message to arrive in time. All messages of a time share one round.
 */
#ifndef TF_PLAN_H
#define TF_PLAN_H

#include "runtime/program/step.h"

enum { TF_SOLO_PHASE = -1 };

/** One phase of one node. */
typedef struct tf_entry {
    int node, phase;
} tf_entry;

typedef struct tf_schedule {
    int solo, pair, end;    /**< times of the solo phase (-1: none), of pair phase 0, and of the last one */
    int ready_solo;         /**< when S knows its components of the result */
    int root;               /**< the node whose memory holds the value (itself unless an alias) */
    uint64_t offset, words; /**< of the value in the arena: two components, or one bit plane */
    uint64_t state;         /**< offset of the private state */
    int32_t traffic;        /**< index into the plan's traffic, -1 for local steps */
} tf_schedule;

typedef struct tf_plan {
    int rounds;
    tf_schedule *schedule; /**< for each node */
    tf_traffic *traffic;
    int traffics;
    tf_entry *entry;                /**< ordered by time, then node, solo phase first */
    int *first_entry;               /**< of each time, rounds + 2 */
    int *early;                     /**< how many entries of each time, its first, wait for nothing of its own */
    tf_traffic_matrix *place;       /**< of each entry: where its bytes begin in the messages of its round */
    tf_traffic_matrix *round_bytes; /**< of each round */
    tf_traffic_matrix bytes;        /**< in all */
    uint64_t total_bytes;
    uint64_t arena_words;  /**< values and states */
    uint64_t buffer_bytes; /**< messages: the most that one party holds at a time */
} tf_plan;

TF_CHECKED tf_status tf_plan_make(const tf_program *program, tf_plan *plan);
void tf_plan_free(tf_plan *plan);

/** The bytes that a phase of all parties sends; whether there is anything to send. A step's bytes on a link are
 *  contiguous in its round, parts by number. */
bool tf_plan_emission(const tf_plan *plan, tf_entry entry, tf_traffic_matrix sent);

/** Bytes [begin, end) of a round's message. */
typedef struct tf_place {
    uint64_t begin, end;
} tf_place;

/** Where the bytes of an entry of a time lie in the message from one party to another. */
static inline tf_place tf_plan_place(const tf_plan *plan, int time, int entry, int from, int to) {
    bool last = entry + 1 == plan->first_entry[time + 1];
    return (tf_place){plan->place[entry][from][to],
                      last ? plan->round_bytes[time][from][to] : plan->place[entry + 1][from][to]};
}

/** What the nodes of an op of the graph take: rounds, as if all that they need were there at the start, and bytes. */
typedef struct tf_op_moves {
    int rounds;
    uint64_t bytes;
} tf_op_moves;

/** Fills in moves[0..ops] for the ops of a graph of `ops` nodes; the last: of nodes that belong to none. */
TF_CHECKED tf_status tf_plan_ops(const tf_program *program, const tf_plan *plan, int ops, tf_op_moves *moves);

/** Bytes of a node. */
uint64_t tf_plan_node_bytes(const tf_plan *plan, int node);

#endif
