/**
 * The graph of ops that a model is. Every node has one output, so a node and its value share an id. Nodes stand in
 * topological order. The graph is public: all three parties build the same one from config.json and the lengths of the
 * texts; data are attached to the leaves only where they are owned.
 *
 * The same graph is run in floating point (tf_graph_plain) and privately (lowered into protocol steps).
 */
#ifndef TF_GRAPH_H
#define TF_GRAPH_H

#include "runtime/graph/registry.h"
#include "runtime/graph/shape.h"

typedef int tf_id; /**< a node of a graph; negative means that building failed */

typedef enum tf_leaf {
    TF_LEAF_NONE,          /**< not a leaf: the output of an op */
    TF_LEAF_WEIGHT,        /**< float data of the model owner, secret to the others */
    TF_LEAF_PUBLIC_WEIGHT, /**< float data that all parties hold in clear (an open model) */
    TF_LEAF_TOKENS,        /**< integers of the data owner, secret to the others */
    TF_LEAF_CONSTANT       /**< public floats made with the graph, such as a mask; all parties hold them */
} tf_leaf;

/**
 * What this party got of tokens that an owner outside of the three shared: see models/SHARES.md. For each component j
 * of the table, party j and party j - 1 hold bit vectors over its rows that differ at the token alone.
 */
typedef struct tf_selection {
    const uint64_t *vector[2]; /**< for components id and id + 1: a vector a token, tf_words(rows) apart */
    const uint64_t *sign[2];   /**< shares of tokens x 3 signs, mod 2^64: for component j, 1 where party j's bit at the
                                    token is set, and -1 otherwise */
    size_t tokens, rows;
} tf_selection;

enum { TF_MAX_INPUTS = 6, TF_MAX_ATTRS = 6 };

/** Magnitudes that were found are enlarged by this factor before they are a node's range: rounding to fewer bits on the
 *  way could carry the largest up to a power of two, where a ring ends. */
#define TF_ROUNDING_ROOM (1 + 0x1p-8)

/** A named number of a node, such as eps or axis. Attributes are part of the digest that the parties compare. */
typedef struct tf_attr {
    const char *name; /**< a string that outlives the graph, such as a literal */
    double value;
} tf_attr;

typedef struct tf_node {
    char name[96];   /**< such as "encoder.layer.0.output.dense"; unique within a graph */
    const tf_op *op; /**< NULL for a leaf */
    tf_leaf leaf;
    int inputs;
    tf_id input[TF_MAX_INPUTS];
    int attrs;
    tf_attr attr[TF_MAX_ATTRS];
    tf_shape shape;
    double range;                  /**< its magnitudes are known to be at most this; 0 where nothing is known */
    const float *data;             /**< weights, where held: not owned by the graph; constants: the graph's own copy */
    const int32_t *tokens;         /**< tokens, where held: not owned by the graph */
    const tf_selection *selection; /**< or this party's shares of them; not owned by the graph */
} tf_node;

typedef struct tf_graph {
    tf_node *node;
    int nodes, capacity;
    tf_id output;
    tf_status status; /**< of the first failure while building; its message is kept in `error` */
    char error[512];
    char scope[64]; /**< put in front of the names of new nodes */
} tf_graph;

void tf_graph_init(tf_graph *graph);
void tf_graph_free(tf_graph *graph);

/** Sets the prefix of the names of the nodes that follow, such as "encoder.layer.3."; printf-like. */
__attribute__((format(printf, 2, 3))) void tf_graph_scope(tf_graph *graph, const char *format, ...);

/**
 * Builders. They return the new node's id. After a failure they do nothing and return -1, so that a model is written
 * without a check at each line; tf_graph_finish reports the first failure.
 */
tf_id tf_graph_leaf(tf_graph *graph, tf_leaf leaf, const char *name, tf_shape shape, const void *data);

/** Adds a node of the op with this kind and variant ("" or NULL: the kind's only or default variant). */
tf_id tf_graph_op(tf_graph *graph, const char *kind, const char *variant, const char *name, int inputs,
                  const tf_id *input, int attrs, const tf_attr *attr);

/** Ids and attributes as compound literals: tf_graph_op(g, "add", "", "sum", TF_IN(a, b), TF_NO_ATTRS). */
#define TF_IN(...)    (int)(sizeof((tf_id[]){__VA_ARGS__}) / sizeof(tf_id)), ((tf_id[]){__VA_ARGS__})
#define TF_ATTRS(...) (int)(sizeof((tf_attr[]){__VA_ARGS__}) / sizeof(tf_attr)), ((tf_attr[]){__VA_ARGS__})
#define TF_NO_ATTRS   0, NULL

/**
 * Makes the calling thread's current error the graph's, unless it has failed before, and returns -1: for model builders
 * that find something wrong themselves.
 */
tf_id tf_graph_fail(tf_graph *graph, tf_status status);

/** Names the output and reports the first failure of building, if any. */
TF_CHECKED tf_status tf_graph_finish(tf_graph *graph, tf_id output);

/** An attribute's value; `fallback` where the node has none of that name. */
double tf_attr_get(const tf_node *node, const char *name, double fallback);

/** Floats with a shape. An op's plain reference gets tokens as floats too: they are exact below 2^24. */
typedef struct tf_array {
    tf_shape shape;
    float *data;
} tf_array;

/** Called after each op node, for progress and for finding ranges; may be NULL. */
typedef void tf_plain_watch(void *context, const tf_graph *graph, tf_id node, const tf_array *value);

/**
 * Runs the graph in floating point with each op's plain reference. All leaves must have data.
 * The caller frees out->data.
 */
TF_CHECKED tf_status tf_graph_plain(const tf_graph *graph, tf_array *out, tf_plain_watch *watch, void *context);

#endif
