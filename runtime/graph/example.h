/**
 * What an op declares of the inputs that it takes, once: from it come the inputs on which `trefoil ops` prices and
 * measures the op, and those on which the tests run it.
 */
#ifndef TF_EXAMPLE_H
#define TF_EXAMPLE_H

#include "runtime/graph/graph.h"

TF_PUBLIC_BEGIN

typedef enum tf_fill {
    TF_FILL_EVEN,   /**< even steps over the range; growing ones where that spans more than three powers of ten */
    TF_FILL_RANDOM, /**< random, evenly spread over the range */
    TF_FILL_ROWS,   /**< random, the first rows within an eighth of the range, the last ones within all of it */
    TF_FILL_TOKENS, /**< whole numbers from 0 to the size r */
    TF_FILL_MEAN,   /**< one over the size n */
    TF_FILL_MASK    /**< ones, and some zeros, but never in the first column */
} tf_fill;

/** An input. Its shape has a letter a dimension: b texts, n tokens a text, w width, r rows of a table, h heads, or a
 *  digit for itself. */
typedef struct tf_example_input {
    tf_leaf leaf; /**< TF_LEAF_NONE: an activation */
    const char *shape;
    tf_fill fill;
    double low, high; /**< range; both 0: the op's */
} tf_example_input;

/** An attribute: a number, or where `size` is a letter, that size. */
typedef struct tf_example_attr {
    const char *name;
    double value;
    char size;
} tf_example_attr;

/** An op's inputs, those that may be left out too, and its attributes. */
typedef struct tf_example {
    tf_example_input input[TF_MAX_INPUTS]; /**< ended by one without shape */
    tf_example_attr attr[TF_MAX_ATTRS];    /**< ended by one without name */
} tf_example;

/** What the letters stand for. `width` must be divisible by `heads` for ops that have heads. */
typedef struct tf_example_sizes {
    size_t texts, tokens, width, rows, heads;
} tf_example_sizes;

/** An op with inputs made from its example. */
typedef struct tf_sample {
    tf_node node;                /**< the op with its attributes and the shape of its output */
    tf_node leaf[TF_MAX_INPUTS]; /**< its node.inputs inputs, with data, which the sample owns, and tokens */
} tf_sample;

/** The values of samples are whole multiples of this. */
#define TF_SAMPLE_UNIT 0x1p-16

/** The example of an op; of one that declares none: as many activations of one shape as it takes at least. */
const tf_example *tf_example_of(const tf_op *op);

/** How many elements all inputs of an example of these sizes have. */
double tf_example_elements(const tf_example *example, const tf_example_sizes *sizes);

/**
 * Makes the first `inputs` inputs (0: all) of an example of these sizes, the same for the same seed. Fails where the op
 * does not take them, with its message. Free with tf_sample_free, also after a failure.
 */
TF_CHECKED tf_status tf_sample_make(const tf_op *op, const tf_example *example, const tf_example_sizes *sizes,
                                    int inputs, uint64_t seed, tf_sample *sample);
void tf_sample_free(tf_sample *sample);

/** Runs the floating-point form of `op`, or of another variant of its kind, on the sample; `output` has room for the
 *  node's shape. */
TF_CHECKED tf_status tf_sample_plain(const tf_sample *sample, const tf_op *op, float *output);

TF_PUBLIC_END

#endif
