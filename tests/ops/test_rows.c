/* Ops on rows: embedding, rows, layernorm and the poolings. */
#include <math.h>

#include "tests/support/plain.h"

static tf_array table = {{.rank = 2, .dim = {4, 2}}, (float[]){0, 1, 10, 11, 20, 21, 30, 31}};

Test(embedding, picks_rows) {
    tf_array y, tokens = {tf_dims(2, 3), (float[]){3, 0, 0, 1, 2, 3}};
    cr_assert_eq(run_plain("embedding", "", ARRAYS(tokens, table), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 3, 2), (double[]){30, 31, 0, 1, 0, 1, 10, 11, 20, 21, 30, 31}, 0);
}

Test(embedding, of_a_token_leaf) {
    int32_t tokens[] = {2, 1};
    tf_graph graph;
    cr_assert_eq(tf_ops_register(), TF_OK);
    tf_graph_init(&graph);
    tf_id in = tf_graph_leaf(&graph, TF_LEAF_TOKENS, "tokens", tf_dims(2), tokens);
    tf_id rows = tf_graph_leaf(&graph, TF_LEAF_WEIGHT, "table", table.shape, table.data);
    tf_id out = tf_graph_op(&graph, "embedding", "", "y", TF_IN(in, rows), TF_NO_ATTRS);
    cr_assert_eq(tf_graph_finish(&graph, out), TF_OK, "%s", tf_error());
    tf_array y;
    cr_assert_eq(tf_graph_plain(&graph, &y, NULL, NULL), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 2), (double[]){20, 21, 10, 11}, 0);
    tf_graph_free(&graph);
}

Test(embedding, refuses_what_does_not_fit) {
    tf_array one = {tf_dims(1), (float[]){4}}, less = {tf_dims(1), (float[]){-1}}, nan = {tf_dims(1), (float[]){NAN}};
    tf_array deep = {tf_dims(1, 1, 1, 1), (float[]){0}}, vector = {tf_dims(2), (float[]){0, 0}},
             scalar = {{0}, (float[]){0}};
    check_refused("embedding", ARRAYS(one, table), TF_NO_ATTRS, "not in a table of 4 rows");
    check_refused("embedding", ARRAYS(less, table), TF_NO_ATTRS, "not in a table of 4 rows");
    check_refused("embedding", ARRAYS(nan, table), TF_NO_ATTRS, "not in a table of 4 rows");
    check_refused("embedding", ARRAYS(one, vector), TF_NO_ATTRS, "the table has shape 2");
    check_refused("embedding", ARRAYS(deep, table), TF_NO_ATTRS, "the tokens");
    check_refused("embedding", ARRAYS(scalar, table), TF_NO_ATTRS, "the tokens");
}

Test(embedding, refuses_tables_whose_tokens_floats_cannot_hold) {
    tf_graph graph;
    cr_assert_eq(tf_ops_register(), TF_OK);
    tf_graph_init(&graph);
    tf_id tokens = tf_graph_leaf(&graph, TF_LEAF_TOKENS, "tokens", tf_dims(2), NULL);
    tf_id rows = tf_graph_leaf(&graph, TF_LEAF_WEIGHT, "table", tf_dims((1 << 24) + 1, 2), NULL);
    cr_assert_eq(tf_graph_op(&graph, "embedding", "", "y", TF_IN(tokens, rows), TF_NO_ATTRS), -1);
    cr_assert(strstr(graph.error, "2^24") != NULL, "%s", graph.error);
    tf_graph_free(&graph);
}

Test(rows, takes_the_first) {
    tf_array y;
    cr_assert_eq(run_plain("rows", "", ARRAYS(table), TF_ATTRS({"count", 3}), &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(3, 2), (double[]){0, 1, 10, 11, 20, 21}, 0);
}

Test(rows, refuses_wrong_counts) {
    check_refused("rows", ARRAYS(table), TF_ATTRS({"count", 5}), "5 rows wanted of a table of 4");
    check_refused("rows", ARRAYS(table), TF_ATTRS({"count", 0}), "attribute count");
    check_refused("rows", ARRAYS(table), TF_ATTRS({"count", 0.5}), "attribute count");
    check_refused("rows", ARRAYS(table), TF_ATTRS({"count", NAN}), "attribute count");
    check_refused("rows", ARRAYS(table), TF_NO_ATTRS, "attribute count");
}

static void check_layernorm(const char *variant, bool divide, double offset) {
    enum { ROWS = 6, N = 100 };
    tf_array x = random_array(tf_dims(2, 3, N), offset - 30, offset + 30, 1), y;
    tf_array gamma = random_array(tf_dims(N), 0.5, 2, 2), beta = random_array(tf_dims(N), -1, 1, 3);
    double *wanted = doubles(ROWS * N);
    for (size_t row = 0; row < ROWS; row++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < N; i++) sum += x.data[row * N + i];
        for (size_t i = 0; i < N; i++) squares += pow(x.data[row * N + i] - sum / N, 2);
        for (size_t i = 0; i < N; i++)
            wanted[row * N + i] =
                (x.data[row * N + i] - sum / N) / (divide ? sqrt(squares / N + 0.01) : 1) * gamma.data[i] +
                beta.data[i];
    }
    cr_assert_eq(run_plain("layernorm", variant, ARRAYS(x, gamma, beta), TF_ATTRS({"eps", 0.01}), &y), TF_OK, "%s",
                 tf_error());
    check_values(y, x.shape, wanted, 1e-5);
    free(x.data);
    free(gamma.data);
    free(beta.data);
    free(wanted);
}

Test(layernorm, exact) {
    check_layernorm("exact", true, 0);
    check_layernorm("exact", true, 10000); /* the mean cancels */
}

Test(layernorm, center) {
    check_layernorm("center", false, 0);
}

Test(layernorm, constant_rows_give_beta) {
    tf_array x = {tf_dims(1, 2), (float[]){3, 3}}, gamma = {tf_dims(2), (float[]){5, 5}},
             beta = {tf_dims(2), (float[]){1, 2}};
    tf_array y;
    cr_assert_eq(run_plain("layernorm", "", ARRAYS(x, gamma, beta), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(1, 2), (double[]){1, 2}, 0);
}

Test(rmsnorm, divides_by_the_root_of_the_mean_square) {
    tf_array x = {tf_dims(2, 2), (float[]){1, 7, 0, 0}}, gamma = {tf_dims(2), (float[]){2, 1}}, y;
    cr_assert_eq(run_plain("rmsnorm", "", ARRAYS(x, gamma), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 2), (double[]){0.4, 1.4, 0, 0}, 1e-7);
    cr_assert_eq(run_plain("rmsnorm", "", ARRAYS(x, gamma), TF_ATTRS({"eps", 1}), &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 2), (double[]){2 / sqrt(26), 7 / sqrt(26), 0, 0}, 1e-7);
    check_refused("rmsnorm", ARRAYS(x, x), TF_NO_ATTRS, "gamma has shape 2x2, not 2");
}

Test(layernorm, refuses_what_does_not_fit) {
    float zero[16] = {0};
    tf_array x = {tf_dims(2, 3), zero}, three = {tf_dims(3), zero}, two = {tf_dims(2), zero};
    check_refused("layernorm", ARRAYS(x, two, three), TF_NO_ATTRS, "gamma has shape 2, not 3");
    check_refused("layernorm", ARRAYS(x, three, x), TF_NO_ATTRS, "beta has shape 2x3, not 3");
    check_refused("layernorm", ARRAYS(x, three, three), TF_ATTRS({"eps", -1}), "eps");
}

static tf_array tokens = {{.rank = 3, .dim = {2, 3, 2}}, (float[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};

Test(first_token, of_each_text) {
    tf_array y;
    cr_assert_eq(run_plain("first_token", "", ARRAYS(tokens), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 2), (double[]){1, 2, 7, 8}, 0);
    check_refused("first_token", ARRAYS(table), TF_NO_ATTRS, "not of rank 3");
}

Test(mean_pool, leaves_padding_out) {
    tf_array y, weights = {tf_dims(2, 3), (float[]){0.5f, 0.5f, 0, 0.25f, 0.25f, 0.5f}},
                wrong = {tf_dims(3), (float[3]){0}};
    cr_assert_eq(run_plain("mean_pool", "", ARRAYS(tokens, weights), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 2), (double[]){2, 3, 9.5, 10.5}, 0);
    check_refused("mean_pool", ARRAYS(tokens, wrong), TF_NO_ATTRS, "the tensor of weights has shape 3, not 2x3");
}

Test(l2norm, gives_length_one) {
    tf_array y, x = {tf_dims(3, 2), (float[]){3, 4, 0, 0, -1e-3f, 0}};
    cr_assert_eq(run_plain("l2norm", "", ARRAYS(x), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(3, 2), (double[]){0.6, 0.8, 0, 0, -1, 0}, 1e-7);
}
