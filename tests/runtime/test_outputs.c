/* Several outputs, public inputs and held state. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"
#include "runtime/lower/lower.h"
#include "tests/support/three.h"

static void setup(void) {
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
}

TestSuite(outputs, .init = setup);

static const float table[4][2] = {{1, 2}, {3, 4}, {5, 6}, {7, 8}};
static const float weight[2][2] = {{1, 2}, {-1, 0.5f}};

enum { BATCH = 2, NEW = 2, CAPACITY = 5 };

typedef struct decoder {
    tf_graph graph;
    tf_id tokens, mask, table, weight;
} decoder;

/* batch x capacity x 2: all rows embedded so far, times a mask, times a matrix; and the new rows to everyone. */
static decoder decoder_make(size_t rows, size_t capacity) {
    decoder d;
    tf_graph *g = &d.graph;
    tf_graph_init(g);
    d.tokens = tf_graph_leaf(g, TF_LEAF_TOKENS, "tokens", tf_dims(BATCH, rows), NULL);
    d.table = tf_graph_leaf(g, TF_LEAF_WEIGHT, "table", tf_dims(4, 2), table);
    d.weight = tf_graph_leaf(g, TF_LEAF_WEIGHT, "weight", tf_dims(2, 2), weight);
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

static const int32_t tokens[3][BATCH * NEW] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 1, 1, 1}};
static const float shift[3][CAPACITY] = {{1, 0, 0, 1, 0}, {0, 1, 1, 0, 0}, {1, 1, 1, 1, 1}};

/* What the first output is after run k. */
static double expected(int k, size_t b, size_t row, size_t column) {
    double y = (double)shift[k][row];
    if (row >= (size_t)(k + 1) * NEW) return y;
    const float *x = table[tokens[row / NEW][b * NEW + row % NEW]];
    return y + (double)x[0] * (double)weight[column][0] + (double)x[1] * (double)weight[column][1];
}

Test(outputs, state_of_plain_runs_grows_and_is_cut) {
    decoder d = decoder_make(NEW, CAPACITY);
    tf_plain_state state = {0};
    tf_array out[2];
    for (int k = 0; k < 2; k++) {
        tf_graph_bind(&d.graph, d.tokens, tokens[k]);
        tf_graph_bind(&d.graph, d.mask, shift[k]);
        cr_assert_eq(tf_graph_plain_with(&d.graph, &state, out, NULL, NULL), TF_OK, "%s", tf_error());
        cr_assert_eq(tf_plain_length(&state, "cache"), (size_t)(k + 1) * NEW);
        for (size_t i = 0; i < BATCH * CAPACITY * 2; i++)
            cr_assert_eq((double)out[0].data[i], expected(k, i / CAPACITY / 2, i / 2 % CAPACITY, i % 2), "%zu", i);
        cr_assert_eq(out[1].data[0], table[tokens[k][0]][0]);
        for (int o = 0; o < 2; o++) free(out[o].data);
    }
    cr_assert_eq(tf_graph_plain_with(&d.graph, &state, out, NULL, NULL), TF_INVALID, "it is full");
    cr_assert(strstr(tf_error(), "cache: 4 rows and 2 more do not fit into a capacity of 5") != NULL, "%s", tf_error());
    cr_assert_null(out[0].data);
    cr_assert_eq(tf_plain_length(&state, "cache"), 4);
    tf_plain_truncate(&state, 3);
    cr_assert_eq(tf_plain_length(&state, "cache"), 3);
    cr_assert_eq(tf_graph_plain_with(&d.graph, &state, out, NULL, NULL), TF_OK, "%s", tf_error());
    cr_assert_eq(out[0].data[3 * 2], 0 + 7 + 2 * 8, "the third row is overwritten");
    for (int o = 0; o < 2; o++) free(out[o].data);
    tf_graph_free(&d.graph);

    d = decoder_make(NEW, 9); /* the next bucket */
    static const float zeros[9];
    tf_graph_bind(&d.graph, d.tokens, tokens[0]);
    tf_graph_bind(&d.graph, d.mask, zeros);
    cr_assert_eq(tf_graph_plain_with(&d.graph, &state, out, NULL, NULL), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_plain_length(&state, "cache"), 7);
    cr_assert_eq(out[0].data[6 * 2], 3 + 2 * 4);
    for (int o = 0; o < 2; o++) free(out[o].data);
    tf_plain_state_free(&state);
    tf_graph_free(&d.graph);
}

Test(outputs, a_state_must_be_there_to_be_read_and_stay_as_it_was_made) {
    tf_graph graph;
    tf_array out;
    tf_graph_init(&graph);
    tf_id held = tf_graph_held(&graph, "cache", tf_dims(2, CAPACITY, 2), 1);
    cr_assert_eq(tf_graph_finish(&graph, held), TF_OK);
    cr_assert_eq(tf_graph_plain(&graph, &out, NULL, NULL), TF_INVALID);
    cr_assert(strstr(tf_error(), "cache: there is no such state") != NULL, "%s", tf_error());
    tf_graph_free(&graph);

    decoder d = decoder_make(NEW, CAPACITY);
    cr_assert_eq(tf_graph_append(&d.graph, "cache", d.weight, 0, 9), -1, "a state stands in a graph once");
    cr_assert_neq(tf_graph_check(&d.graph), TF_OK);
    tf_graph_free(&d.graph);
    d = decoder_make(NEW, CAPACITY);
    cr_assert_eq(tf_graph_append(&d.graph, "other", d.weight, 0, 1), -1, "two rows do not fit into one");
    cr_assert_neq(tf_graph_check(&d.graph), TF_OK);
    tf_graph_free(&d.graph);
}

/* Lowering */

Test(outputs, state_is_kept_in_the_ring_that_its_reader_wants) {
    decoder d = decoder_make(NEW, CAPACITY);
    tf_program program;
    cr_assert_eq(tf_lower(&d.graph, 16, 0, 1, &program), TF_OK, "%s", tf_error());
    cr_assert_eq(program.helds, 1);
    const tf_step_node *held = &program.node[program.held[0].value];
    cr_assert_eq(held->type.bits, 48, "%u", held->type.bits);
    cr_assert_eq(held->lifted, -1, "what is read is not lifted again");
    size_t lifted = 0;
    for (int i = 0; i < program.nodes; i++)
        if (program.node[i].step && !strcmp(program.node[i].step->name, "lift"))
            lifted += tf_shape_count(program.node[i].type.shape);
    cr_assert_eq(lifted, BATCH * NEW * 2, "the new rows alone are");
    tf_program_free(&program);
    tf_graph_free(&d.graph);
}

Test(outputs, nobody_outside_receives) {
    tf_program program;
    tf_program_init(&program, 16, 0, 1);
    tf_value x = tf_input(&program, 0, tf_dims(3), 16, 32, 1, 0);
    cr_assert_eq(tf_output(&program, x, TF_OUTSIDE, 0), -1);
    cr_assert_eq(tf_program_status(&program), TF_INVALID);
    cr_assert_neq((int)TF_OUTSIDE, (int)TF_EVERYONE);
    tf_program_free(&program);
}
