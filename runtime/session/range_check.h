/**
 * Finds values that leave their range, in runs whose three parties are threads of one process: every value is put
 * together from the components of parties 0 and 1 and compared with the bound and the ring of its type. That reveals
 * everything to that process, so it is for tests and calibration.
 *
 * A value that leaves its ring by a multiple of the ring's size cannot be told from one that is within; the floating
 * point run of the same graph can tell (tf_graph_plain's watch).
 */
#ifndef TF_RANGE_CHECK_H
#define TF_RANGE_CHECK_H

#include "runtime/graph/graph.h"
#include "runtime/program/plan.h"

typedef struct tf_range_check tf_range_check;

/** The largest magnitude seen at a node of the graph, and the least range that was declared for it. */
typedef struct tf_range_entry {
    char name[sizeof((tf_node *)0)->name];
    const char *kind;
    double largest, bound;
} tf_range_entry;

TF_CHECKED tf_status tf_range_check_make(tf_range_check **check);
void tf_range_check_free(tf_range_check *check);

/** Makes a party's runs checked, until the session is closed. The check must outlive it. */
void tf_range_check_attach(tf_range_check *check, tf_party *party);

/** What was seen so far, in the order of the graph. Runs then end with TF_RANGE and a message that names node, step,
 *  value and bound as soon as a value has left its range. */
size_t tf_range_check_count(const tf_range_check *check);
const tf_range_entry *tf_range_check_entry(const tf_range_check *check, size_t i);

#endif
