#include "runtime/graph/graph.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"

static tf_graph graph;

static void setup(void) {
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
    tf_graph_init(&graph);
}

static void teardown(void) {
    tf_graph_free(&graph);
}

TestSuite(graph, .init = setup, .fini = teardown);

static tf_id leaf(const char *name, tf_shape shape) {
    return tf_graph_leaf(&graph, TF_LEAF_WEIGHT, name, shape, NULL);
}

/* The graph has failed and says all of these words. */
static void check_failed(const char *first, const char *second) {
    cr_assert_eq(tf_graph_finish(&graph, 0), TF_INVALID);
    cr_assert(strstr(tf_error(), first) != NULL, "%s", tf_error());
    cr_assert(strstr(tf_error(), second) != NULL, "%s", tf_error());
}

Test(graph, nodes_have_names_shapes_and_inputs) {
    tf_graph_scope(&graph, "layer.%d.", 3);
    tf_id x = leaf("x", tf_dims(2, 3)), w = leaf("w", tf_dims(5, 3));
    tf_graph_scope(&graph, "%s", "");
    tf_id y = tf_graph_op(&graph, "linear", "", "y", TF_IN(x, w), TF_ATTRS({"answer", 42}));
    cr_assert_eq(tf_graph_finish(&graph, y), TF_OK, "%s", tf_error());
    cr_assert_eq(graph.output[0].id, y);
    cr_assert_str_eq(graph.node[x].name, "layer.3.x");
    cr_assert_str_eq(graph.node[y].name, "y");
    cr_assert_str_eq(graph.node[y].op->kind, "linear");
    cr_assert(tf_shape_equal(graph.node[y].shape, tf_dims(2, 5)));
    cr_assert_eq(graph.node[y].inputs, 2);
    cr_assert_eq(graph.node[y].input[1], w);
    cr_assert_eq(tf_attr_get(&graph.node[y], "answer", 0), 42);
    cr_assert_eq(tf_attr_get(&graph.node[y], "question", 7), 7);
}

Test(graph, grows) {
    tf_id x = leaf("x0", tf_dims(4));
    for (int i = 1; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        x = tf_graph_op(&graph, "gelu", "relu", name, TF_IN(x), TF_NO_ATTRS);
    }
    cr_assert_eq(tf_graph_finish(&graph, x), TF_OK, "%s", tf_error());
    cr_assert_eq(graph.nodes, 1000);
    cr_assert_str_eq(graph.node[999].name, "x999");
}

Test(graph, first_failure_stays) {
    tf_id x = leaf("x", tf_dims(2, 3)), w = leaf("w", tf_dims(5, 4));
    tf_id y = tf_graph_op(&graph, "linear", "", "y", TF_IN(x, w), TF_NO_ATTRS);
    cr_assert_eq(y, -1);
    int nodes = graph.nodes;
    cr_assert_eq(tf_graph_op(&graph, "gelu", "", "z", TF_IN(x), TF_NO_ATTRS), -1, "nothing is built after a failure");
    cr_assert_eq(tf_graph_op(&graph, "nonsense", "", "z", TF_IN(y), TF_NO_ATTRS), -1);
    cr_assert_eq(leaf("v", tf_dims(1)), -1);
    cr_assert_eq(graph.nodes, nodes);
    check_failed("y (linear)", "the weight has shape 5x4, not 5x3");
    tf_array out;
    cr_assert_eq(tf_graph_plain(&graph, &out, NULL, NULL), TF_INVALID, "a failed graph does not run");
    cr_assert_null(out.data);
}

Test(graph, builders_may_fail_it) {
    cr_assert_eq(tf_graph_fail(&graph, tf_fail(TF_FORMAT, "a tensor is missing")), -1);
    cr_assert_eq(tf_graph_fail(&graph, tf_fail(TF_INVALID, "later")), -1);
    cr_assert_eq(tf_graph_finish(&graph, 0), TF_FORMAT);
    cr_assert_str_eq(tf_error(), "a tensor is missing");
}

Test(graph, unknown_op) {
    tf_graph_op(&graph, "sinh", "", "y", TF_IN(leaf("x", tf_dims(2))), TF_NO_ATTRS);
    check_failed("unknown op 'sinh'", "y");
}

Test(graph, unknown_variant_lists_known_ones) {
    tf_graph_op(&graph, "gelu", "foo", "y", TF_IN(leaf("x", tf_dims(2))), TF_NO_ATTRS);
    check_failed("unknown variant 'foo' of gelu: known are exact, relu", "y");
}

Test(graph, variant_of_an_op_without_variants) {
    tf_graph_op(&graph, "l2norm", "foo", "y", TF_IN(leaf("x", tf_dims(2))), TF_NO_ATTRS);
    check_failed("unknown variant 'foo' of l2norm", "no variants");
}

Test(graph, wrong_number_of_inputs) {
    tf_id x = leaf("x", tf_dims(2));
    tf_graph_op(&graph, "add", "", "y", TF_IN(x), TF_NO_ATTRS);
    check_failed("1 inputs given, 2 needed", "y (add)");
}

Test(graph, input_that_is_no_node) {
    tf_graph_op(&graph, "gelu", "", "y", TF_IN(5), TF_NO_ATTRS);
    check_failed("input 0 is 5", "y");
}

Test(graph, names_are_unique) {
    leaf("x", tf_dims(2));
    leaf("x", tf_dims(3));
    check_failed("two nodes", "x");
}

Test(graph, names_are_needed) {
    leaf("", tf_dims(2));
    check_failed("name", "");
}

Test(graph, long_names) {
    char name[200];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    leaf(name, tf_dims(2));
    check_failed("too long", "nnn");
}

Test(graph, long_scopes) {
    tf_graph_scope(&graph, "%0100d.", 1);
    check_failed("scope", "too long");
}

Test(graph, bad_shapes) {
    leaf("x", tf_dims(2, 0));
    check_failed("x: dimension 1", "zero");
}

Test(graph, overflowing_shapes) {
    leaf("x", tf_dims((size_t)1 << 32, (size_t)1 << 32));
    check_failed("x", "2^40");
}

Test(graph, outputs_that_grow_too_large) {
    tf_id a = leaf("a", tf_dims((size_t)1 << 30, 1)), b = leaf("b", tf_dims((size_t)1 << 30));
    tf_graph_op(&graph, "add", "", "y", TF_IN(a, b), TF_NO_ATTRS);
    check_failed("y (add)", "2^40");
}

Test(graph, constants_need_data) {
    tf_graph_leaf(&graph, TF_LEAF_CONSTANT, "mask", tf_dims(2), NULL);
    check_failed("mask", "data");
}

Test(graph, output_must_exist) {
    leaf("x", tf_dims(2));
    cr_assert_eq(tf_graph_finish(&graph, 1), TF_INVALID);
    cr_assert(strstr(tf_error(), "output") != NULL, "%s", tf_error());
}

/* y = relu(2 x) + x, and a node that nothing needs and that could not be computed. */
static void build_small(const float *x) {
    tf_id in = tf_graph_leaf(&graph, TF_LEAF_WEIGHT, "x", tf_dims(3), x);
    tf_graph_op(&graph, "gelu", "", "unused", TF_IN(leaf("absent", tf_dims(9))), TF_NO_ATTRS);
    tf_id twice = tf_graph_op(&graph, "scale", "", "twice", TF_IN(in), TF_ATTRS({"factor", 2}));
    tf_id relu = tf_graph_op(&graph, "gelu", "relu", "relu", TF_IN(twice), TF_NO_ATTRS);
    tf_id sum = tf_graph_op(&graph, "add", "", "sum", TF_IN(relu, in), TF_NO_ATTRS);
    cr_assert_eq(tf_graph_finish(&graph, sum), TF_OK, "%s", tf_error());
}

static void note(void *context, const tf_graph *g, tf_id node, const tf_array *value) {
    char *seen = context;
    strcat(strcat(seen, g->node[node].name), " ");
    cr_assert(tf_shape_equal(value->shape, g->node[node].shape));
    cr_assert_not_null(value->data);
}

Test(graph, runs_in_order_what_the_output_needs) {
    float x[] = {-1, 0, 3};
    build_small(x);
    char seen[64] = "";
    tf_array y;
    for (int run = 0; run < 2; run++) {
        seen[0] = '\0';
        cr_assert_eq(tf_graph_plain(&graph, &y, note, seen), TF_OK, "%s", tf_error());
        cr_assert_str_eq(seen, "twice relu sum ");
        cr_assert(tf_shape_equal(y.shape, tf_dims(3)));
        cr_assert_eq(y.data[0], -1);
        cr_assert_eq(y.data[1], 0);
        cr_assert_eq(y.data[2], 9);
        free(y.data);
    }
}

Test(graph, output_may_be_used_inside_too) {
    float x[] = {1, -2};
    tf_id in = tf_graph_leaf(&graph, TF_LEAF_WEIGHT, "x", tf_dims(2), x);
    tf_id twice = tf_graph_op(&graph, "add", "", "twice", TF_IN(in, in), TF_NO_ATTRS);
    tf_graph_op(&graph, "gelu", "relu", "relu", TF_IN(twice), TF_NO_ATTRS);
    cr_assert_eq(tf_graph_finish(&graph, twice), TF_OK, "%s", tf_error());
    tf_array y;
    cr_assert_eq(tf_graph_plain(&graph, &y, NULL, NULL), TF_OK, "%s", tf_error());
    cr_assert_eq(y.data[0], 2);
    cr_assert_eq(y.data[1], -4);
    free(y.data);
}

Test(graph, output_may_be_a_leaf) {
    float x[] = {1, -2};
    tf_id in = tf_graph_leaf(&graph, TF_LEAF_CONSTANT, "x", tf_dims(2), x);
    cr_assert_eq(tf_graph_finish(&graph, in), TF_OK, "%s", tf_error());
    x[0] = 5;
    tf_array y;
    cr_assert_eq(tf_graph_plain(&graph, &y, NULL, NULL), TF_OK, "%s", tf_error());
    cr_assert_eq(y.data[0], 1, "the graph has its own copy of a constant");
    cr_assert_neq(y.data, graph.node[in].data, "and the caller a copy of the output");
    free(y.data);
}

Test(graph, leaves_without_data_do_not_run) {
    build_small(NULL);
    tf_array y;
    cr_assert_eq(tf_graph_plain(&graph, &y, NULL, NULL), TF_INVALID);
    cr_assert(strstr(tf_error(), "x has no data") != NULL, "%s", tf_error());
    cr_assert_null(y.data);
}

Test(graph, unfinished_graphs_do_not_run) {
    leaf("x", tf_dims(2));
    tf_array y;
    cr_assert_eq(tf_graph_plain(&graph, &y, NULL, NULL), TF_INVALID);
    cr_assert(strstr(tf_error(), "not finished") != NULL, "%s", tf_error());
}

Test(graph, failures_of_ops_name_the_node) {
    int32_t tokens[] = {0, 4};
    float table[8] = {0};
    tf_id token = tf_graph_leaf(&graph, TF_LEAF_TOKENS, "tokens", tf_dims(2), tokens);
    tf_id rows = tf_graph_leaf(&graph, TF_LEAF_WEIGHT, "table", tf_dims(4, 2), table);
    tf_id x = tf_graph_op(&graph, "embedding", "", "words", TF_IN(token, rows), TF_NO_ATTRS);
    cr_assert_eq(tf_graph_finish(&graph, x), TF_OK, "%s", tf_error());
    tf_array y;
    cr_assert_eq(tf_graph_plain(&graph, &y, NULL, NULL), TF_INVALID);
    cr_assert(strstr(tf_error(), "words (embedding)") != NULL, "%s", tf_error());
    cr_assert_null(y.data);
}
