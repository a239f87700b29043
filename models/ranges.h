/**
 * The largest magnitude at each node of a model's graph, as a calibration saw it: ranges.json beside the model. With a
 * safety factor it becomes the range that the private form may rely on. It is public to all three parties.
 */
#ifndef TF_RANGES_H
#define TF_RANGES_H

#include "models/model.h"

#define TF_RANGES_FILE "ranges.json"

typedef struct tf_ranges_entry {
    char name[sizeof((tf_node *)0)->name];
    double largest;
} tf_ranges_entry;

typedef struct tf_ranges {
    tf_ranges_entry *entry; /**< in the order in which nodes were first seen */
    size_t count, capacity;
    double factor;               /**< what magnitudes are multiplied by, at least 1 */
    size_t texts;                /**< how many it was made from */
    char model[65];              /**< the SHA-256 digest of the weights' file, in hexadecimal digits */
    char approx[TF_APPROX_TEXT]; /**< by tf_approx_text */
} tf_ranges;

void tf_ranges_free(tf_ranges *ranges);

/** Raises the largest magnitude of the node with this name. */
TF_CHECKED tf_status tf_ranges_note(tf_ranges *ranges, const char *name, double magnitude);

/** The largest magnitude at a node; 0 where it is not known. */
double tf_ranges_find(const tf_ranges *ranges, const char *name);

/** Notes all values of a run in floating point: a tf_plain_watch whose context is a tf_ranges_watch. */
typedef struct tf_ranges_watch {
    tf_ranges *ranges;
    tf_status status; /**< of the first failure, out of memory or (TF_RANGE) a value that is not finite */
} tf_ranges_watch;
void tf_ranges_watch_node(void *watch, const tf_graph *graph, tf_id node, const tf_array *value);

/** Reads DIR/ranges.json. *found tells whether there is one; that there is none is no error. */
TF_CHECKED tf_status tf_ranges_read(const char *directory, tf_ranges *ranges, bool *found);

/** Writes DIR/ranges.json, atomically. */
TF_CHECKED tf_status tf_ranges_write(const char *directory, const tf_ranges *ranges);

/** Declares the ranges of the graph's nodes: magnitude times factor, with TF_ROUNDING_ROOM, at least 1. Nodes that are
 * not known stay as they are. */
void tf_ranges_apply(const tf_ranges *ranges, tf_graph *graph);

#endif
