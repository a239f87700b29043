/**
 * The largest magnitude at each node of a model's graph, as a calibration saw it. With a safety factor it becomes the
 * range that the private form may rely on.
 *
 * All three parties have to know the ranges: ranges.json beside the model holds them, rounded up to powers of two,
 * under a random id, a calibration for each approximation that was calibrated. The magnitudes, and the digest of the
 * weights that they are of, stay with the model's owner in ranges.private.json: who has neither weights nor texts must
 * not be able to check a guess of them.
 */
#ifndef TF_RANGES_H
#define TF_RANGES_H

#include "models/model.h"
#include "net/base/digest.h"

#define TF_RANGES_FILE         "ranges.json"
#define TF_RANGES_PRIVATE_FILE "ranges.private.json"

typedef struct tf_ranges_entry {
    char name[sizeof((tf_node *)0)->name];
    double largest; /**< magnitude; once they are `rounded`, the range */
    double square;  /**< the largest squared norm of a row's sketch, or its bound; 0 where rows are not guarded */
    double least;   /**< the least sum of squares of a row that a LayerNorm divides by; 0 where none does */
} tf_ranges_entry;

typedef struct tf_ranges {
    tf_ranges_entry *entry; /**< in the order in which nodes were first seen */
    size_t count, capacity;
    double factor;               /**< what magnitudes are multiplied by, at least 1 */
    size_t texts;                /**< how many it was made from */
    bool unguarded;              /**< bounds of rows are not declared */
    bool rounded;                /**< as all parties know them; factor and texts are not known then */
    char id[TF_DIGEST_TEXT];     /**< drawn when they were written */
    char model[TF_DIGEST_TEXT];  /**< the digest of the weights' file, in hexadecimal digits; empty if rounded */
    char approx[TF_APPROX_TEXT]; /**< by tf_approx_text */
} tf_ranges;

void tf_ranges_free(tf_ranges *ranges);

/** Raises the largest magnitude of the node with this name. */
TF_CHECKED tf_status tf_ranges_note(tf_ranges *ranges, const char *name, double magnitude);

/** Raises the largest squared norm of a row of a node that was noted. */
void tf_ranges_note_row(tf_ranges *ranges, const char *name, double square);

/** The largest magnitude at a node; 0 where it is not known. */
double tf_ranges_find(const tf_ranges *ranges, const char *name);

/** Notes all values of a run in floating point: a tf_plain_watch whose context is a tf_ranges_watch. */
typedef struct tf_ranges_watch {
    tf_ranges *ranges;
    tf_status status; /**< of the first failure, out of memory or (TF_RANGE) a value that is not finite */
} tf_ranges_watch;
void tf_ranges_watch_node(void *watch, const tf_graph *graph, tf_id node, const tf_array *value);

/** Reads what DIR/ranges.json has for these approximations (tf_approx_text). *found tells whether there is something;
 *  that there is nothing is no error: ranges->approx then names others that the file has, if it has any. */
TF_CHECKED tf_status tf_ranges_read(const char *directory, const char *approx, tf_ranges *ranges, bool *found);

/** Whether ranges that were read from DIR are of the weights with this digest, as DIR/ranges.private.json says. TF_IO
 *  where that is not there. */
TF_CHECKED tf_status tf_ranges_match(const char *directory, const tf_ranges *ranges, const char *model, bool *match);

/** Fails with TF_RANGE, naming the node, where some row has so little variance that a LayerNorm or RMSNorm with these
 *  ranges would not divide by it rightly: less than resolved(bound of its squared norm), as by tf_norm_resolves. */
TF_CHECKED tf_status tf_ranges_check_rows(const tf_ranges *ranges, double (*resolved)(double square));

/** Draws an id and writes the calibration into DIR/ranges.json and DIR/ranges.private.json, which its owner alone may
 *  read. Those of the same weights for other approximations stay; what else is there goes. */
TF_CHECKED tf_status tf_ranges_write(const char *directory, tf_ranges *ranges);

/** Declares the ranges of the graph's nodes: the power of two from magnitude times factor, with TF_ROUNDING_ROOM, on,
 *  and at least 1. Likewise, unless they are `unguarded`, the bounds of rows' squared norms, times the factor's square.
 *  Nodes that are not known stay as they are. */
void tf_ranges_apply(const tf_ranges *ranges, tf_graph *graph);

#endif
