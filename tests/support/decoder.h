/** The smallest graph with several outputs, public inputs and held state: what all rows embedded so far make. */
#ifndef TF_TESTS_SUPPORT_DECODER_H
#define TF_TESTS_SUPPORT_DECODER_H

#include <criterion/criterion.h>

#include "ops/ops.h"
#include "runtime/graph/graph.h"

static const float decoder_table[4][2] = {{1, 2}, {3, 4}, {5, 6}, {7, 8}};
static const float decoder_weight[2][2] = {{1, 2}, {-1, 0.5f}};

enum { BATCH = 2, NEW = 2, CAPACITY = 5 }; /* texts, new rows of each, and the bucket */

typedef struct decoder {
    tf_graph graph;
    tf_id tokens, mask, table, weight;
} decoder;

/* batch x capacity x 2: all rows embedded so far, times a mask, times a matrix; and the new rows to everyone. */
static inline decoder decoder_make(size_t rows, size_t capacity) {
    decoder d;
    tf_graph *g = &d.graph;
    tf_graph_init(g);
    d.tokens = tf_graph_leaf(g, TF_LEAF_TOKENS, "tokens", tf_dims(BATCH, rows), NULL);
    d.table = tf_graph_leaf(g, TF_LEAF_WEIGHT, "table", tf_dims(4, 2), decoder_table[0]);
    d.weight = tf_graph_leaf(g, TF_LEAF_WEIGHT, "weight", tf_dims(2, 2), decoder_weight[0]);
    d.mask = tf_graph_public(g, "mask", tf_dims(capacity, 1), 1, NULL);
    tf_id x = tf_graph_op(g, "embedding", "", "words", TF_IN(d.tokens, d.table), TF_NO_ATTRS);
    tf_id all = tf_graph_append(g, "cache", x, 1, capacity);
    tf_id y = tf_graph_op(g, "linear", "", "y", TF_IN(all, d.weight), TF_NO_ATTRS);
    tf_id z = tf_graph_op(g, "mask", "", "z", TF_IN(y, d.mask), TF_NO_ATTRS);
    tf_graph_output(g, z, TF_TO_DATA_OWNER);
    tf_graph_output(g, x, TF_TO_EVERYONE);
    cr_assert_eq(tf_graph_check(g), TF_OK, "%s", tf_error());
    return d;
}

static const int32_t decoder_tokens[3][BATCH * NEW] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 1, 1, 1}};
static const float decoder_shift[3][CAPACITY] = {{1, 0, 0, 1, 0}, {0, 1, 1, 0, 0}, {1, 1, 1, 1, 1}};

/* What the first output is after run k. */
static inline double decoder_expected(int k, size_t b, size_t row, size_t column) {
    double y = (double)decoder_shift[k][row];
    if (row >= (size_t)(k + 1) * NEW) return y;
    const float *x = decoder_table[decoder_tokens[row / NEW][b * NEW + row % NEW]];
    return y + (double)x[0] * (double)decoder_weight[column][0] + (double)x[1] * (double)decoder_weight[column][1];
}

#endif
