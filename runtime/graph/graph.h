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

TF_PUBLIC_BEGIN

typedef int tf_id; /**< a node of a graph; negative means that building failed */

typedef enum tf_leaf {
    TF_LEAF_NONE,          /**< not a leaf: the output of an op */
    TF_LEAF_WEIGHT,        /**< float data of the model owner, secret to the others */
    TF_LEAF_PUBLIC_WEIGHT, /**< float data that all parties hold in clear (an open model) */
    TF_LEAF_TOKENS,        /**< integers of the data owner, secret to the others */
    TF_LEAF_CONSTANT,      /**< public floats made with the graph: part of what is compiled */
    TF_LEAF_PUBLIC,        /**< public floats given at each run, the same on all parties: see tf_graph_public */
    TF_LEAF_HELD,          /**< state that outlives a run: see tf_graph_append */
    TF_LEAF_NOISE /**< Gumbel noise, drawn anew at each run by a party that is not the data owner: see tf_noise */
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

enum { TF_MAX_INPUTS = 6, TF_MAX_ATTRS = 6, TF_MAX_OUTPUTS = 16 };

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
    int inputs; /**< of held state: 1 where rows are appended to it, 0 where it is only read */
    tf_id input[TF_MAX_INPUTS];
    int attrs;
    tf_attr attr[TF_MAX_ATTRS];
    tf_shape shape;
    int axis;                      /**< of held state: along which it grows; its length there is the capacity */
    double range;                  /**< its magnitudes are known to be at most this; 0 where nothing is known */
    double square;                 /**< bound of the squared norms of its rows, which is guarded; 0: not */
    const float *data;             /**< weights, where held: not owned by the graph; constants: the graph's own copy */
    const int32_t *tokens;         /**< tokens, where held: not owned by the graph */
    const tf_selection *selection; /**< or this party's shares of them; not owned by the graph */
} tf_node;

/** Who learns an output. */
typedef enum tf_reader {
    TF_TO_DATA_OWNER, /**< alone; where the owner is none of the three, it stays shared */
    TF_TO_MODEL_OWNER,
    TF_TO_EVERYONE,
    TF_KEPT /**< nobody: each party is handed its shares */
} tf_reader;

typedef struct tf_graph_result {
    tf_id id;
    tf_reader to;
} tf_graph_result;

typedef struct tf_graph {
    tf_node *node;
    int nodes;
    size_t capacity;
    tf_graph_result output[TF_MAX_OUTPUTS]; /**< by slot */
    int outputs;
    bool check_copies;  /**< private runs compare what two parties hold alike before an output opens */
    double round_bytes; /**< bytes that a round less is worth to private runs, over all links; 0: the default */
    tf_status status;   /**< of the first failure while building; its message is kept in `error` */
    char error[512];
    char scope[64]; /**< put in front of the names of new nodes */
} tf_graph;

void tf_graph_init(tf_graph *graph);
void tf_graph_free(tf_graph *graph);

/** Makes a graph of the same nodes and outputs: constants are copied, other data are the same. */
TF_CHECKED tf_status tf_graph_copy(const tf_graph *graph, tf_graph *copy);

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

/**
 * Adds public floats that all three parties give at each run: an attention mask, the lengths of texts, rotary tables. A
 * program is compiled for their shape and for `bound`, which their magnitudes never exceed; their values may differ
 * from run to run, so that one program serves all batches of a shape. `data` stays the caller's and is read when the
 * graph runs: change what is behind it, or bind other data (tf_graph_bind). At each run the parties compare a digest of
 * all public floats, in messages of the first round.
 */
tf_id tf_graph_public(tf_graph *graph, const char *name, tf_shape shape, double bound, const float *data);

/**
 * Adds the rows of x to the state called `name` (after the scope, as for any node), and returns the whole state. State
 * lives in the session, shared, or in a tf_plain_state, and outlives the run: a later run of this or another graph
 * finds what was appended. The result has the shape of x but `capacity` along `axis`: first the rows that were there,
 * then those of x, then zeros. Where along `axis` the zeros begin is public (tf_session_length, tf_plain_length) but no
 * part of the graph, so one program serves until the capacity is full; then build a graph with a larger one, which the
 * state grows to. Mask the rows past the length with a public leaf. A state stands in a graph at most once, and must
 * have the same scale, range and other dimensions in all graphs that name it.
 *
 * A decoder's cache, keys being batch x heads x new tokens x head dimension:
 *
 *     tf_id mask = tf_graph_public(g, "mask", tf_dims(batch, capacity), 1, mask_of_this_run);
 *     tf_id all_keys = tf_graph_append(g, "keys", keys, 2, capacity); // batch x heads x capacity x head dimension
 */
tf_id tf_graph_append(tf_graph *graph, const char *name, tf_id x, int axis, size_t capacity);

/** Reads a state without appending to it; `shape` has the capacity along `axis`, and the state must be there. */
tf_id tf_graph_held(tf_graph *graph, const char *name, tf_shape shape, int axis);

/** Gives a leaf other data: floats of a weight or public leaf, int32_t of tokens, NULL: none here. Never a constant. */
void tf_graph_bind(tf_graph *graph, tf_id leaf, const void *data);

/** Makes a node an output, in the next slot. */
void tf_graph_output(tf_graph *graph, tf_id id, tf_reader to);

/** Reports the first failure of building, if any, and fails with TF_INVALID if the graph has no output. */
TF_CHECKED tf_status tf_graph_check(tf_graph *graph);

/** For a graph with one output: gives it to the data owner, and checks. */
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

/** State in floating point, by name: what tf_graph_append adds to. All zero is an empty one. */
typedef struct tf_plain_state {
    struct tf_plain_held *held;
    size_t count;
} tf_plain_state;

void tf_plain_state_free(tf_plain_state *state);

/** How many rows the state of that name has; 0 if there is none. */
size_t tf_plain_length(const tf_plain_state *state, const char *name);

/** Takes back all rows past the first `length`, of all states. */
void tf_plain_truncate(tf_plain_state *state, size_t length);

/** Forgets all states whose names end so. */
void tf_plain_drop(tf_plain_state *state, const char *ending);

/**
 * Runs the graph in floating point with each op's plain reference. All leaves must have data. `out` is the first
 * output; the caller frees out->data. Held state begins empty and is forgotten.
 */
TF_CHECKED tf_status tf_graph_plain(const tf_graph *graph, tf_array *out, tf_plain_watch *watch, void *context);

/**
 * The same with state that stays, and with all outputs: `out` has room for graph->outputs arrays, whose data the caller
 * frees; after a failure they are all NULL and no state has changed its length.
 */
TF_CHECKED tf_status tf_graph_plain_with(const tf_graph *graph, tf_plain_state *state, tf_array *out,
                                         tf_plain_watch *watch, void *context);

TF_PUBLIC_END

#endif
