/* Which of several ways to compute the same is taken, for a price of a round. */
#include <criterion/criterion.h>
#include <math.h>

#include "ops/ops.h"
#include "runtime/lower/lower.h"

enum { ROWS = 20, WIDTH = 128 };

static tf_id rows(tf_graph *graph) {
    tf_id table = tf_graph_leaf(graph, TF_LEAF_WEIGHT, "table", tf_dims(ROWS, WIDTH), NULL);
    tf_id ids = tf_graph_leaf(graph, TF_LEAF_TOKENS, "ids", tf_dims(1, ROWS), NULL);
    return tf_graph_op(graph, "embedding", "", "rows", TF_IN(ids, table), TF_NO_ATTRS);
}

static tf_id layer(tf_graph *graph, tf_id x) {
    tf_id weight = tf_graph_leaf(graph, TF_LEAF_WEIGHT, "weight", tf_dims(WIDTH, WIDTH), NULL);
    return tf_graph_op(graph, "linear", "", "layer", TF_IN(x, weight), TF_NO_ATTRS);
}

static tf_id norm(tf_graph *graph, int coarser) {
    return tf_graph_op(graph, "layernorm", "exact", "norm", TF_IN(rows(graph)),
                       TF_ATTRS({"eps", 1e-12}, {"coarser", coarser}, {"centred", 1}));
}

static tf_id normalised(tf_graph *graph) {
    return layer(graph, norm(graph, 0));
}

static tf_id normalised_coarsely(tf_graph *graph) {
    return layer(graph, norm(graph, 2));
}

static tf_id gelu(tf_graph *graph) {
    return layer(graph, tf_graph_op(graph, "gelu", "exact", "gelu", TF_IN(rows(graph)), TF_NO_ATTRS));
}

typedef tf_id build(tf_graph *graph);

static void plan_for(build *of, double price, double *bytes, int *rounds) {
    tf_graph graph;
    tf_program program;
    tf_plan plan;
    tf_graph_init(&graph);
    cr_assert_eq(tf_graph_finish(&graph, of(&graph)), TF_OK, "%s", tf_error());
    graph.round_bytes = price;
    cr_assert_eq(tf_lower(&graph, 16, 0, 1, &program, &plan), TF_OK, "%s", tf_error());
    *bytes = (double)plan.total_bytes;
    *rounds = plan.rounds;
    tf_plan_free(&plan);
    tf_program_free(&program);
    tf_graph_free(&graph);
}

/* Prices from half a byte an element to 64: what takes more bytes than for a lower one takes fewer rounds. It may take
 * fewer of both, for what it computes has a price, too, as the hashing of keys. */
static void check(const char *what, build *of) {
    double bytes, before = 0;
    int rounds, fewest = 0;
    for (int k = 0; k < 15; k++, before = bytes, fewest = rounds) {
        const double price = ROWS * WIDTH * exp2(k / 2.0 - 1);
        plan_for(of, price, &bytes, &rounds);
        cr_expect(!k || rounds < fewest || (rounds == fewest && bytes <= before),
                  "%s: %g B and %d rounds for %g B a round, and for less %g B and %d rounds", what, bytes, rounds,
                  price, before, fewest);
    }
}

Test(choices, pay_for_fewer_rounds_alone) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    check("a norm before a layer", normalised);
    check("a coarse norm before a layer", normalised_coarsely);
    check("gelu before a layer", gelu);
}

/* Rows' lookup 3, which come lifted; products and squares, a lift and the inverse root, the factor; and the output. The
 * inverse root comes in the ring of the product that reads it, however many bits x is scaled down by. */
Test(choices, take_as_many_rounds_for_a_coarse_norm) {
    double bytes;
    int fine, coarse;
    cr_assert_eq(tf_ops_register(), TF_OK);
    plan_for(normalised, 1e9, &bytes, &fine);
    plan_for(normalised_coarsely, 1e9, &bytes, &coarse);
    cr_expect_eq(fine, 7, "%d", fine);
    cr_expect_eq(coarse, 7, "%d", coarse);
}

Test(choices, pay_nothing_beside_what_takes_longer) {
    tf_program program;
    tf_program_init(&program, 16, 0, 1);
    cr_expect(tf_rounds_are_worth(&program, 2, 2 * TF_ROUND_BYTES));
    cr_expect_not(tf_rounds_are_worth(&program, 2, 2 * TF_ROUND_BYTES + 1));
    tf_begin_beside(&program);
    tf_begin_beside(&program);
    tf_end_beside(&program);
    cr_expect_not(tf_rounds_are_worth(&program, 2, 1));
    cr_expect(tf_rounds_are_worth(&program, 2, 0));
    tf_end_beside(&program);
    cr_expect(tf_rounds_are_worth(&program, 2, 2 * TF_ROUND_BYTES));
    tf_program_free(&program);
}
