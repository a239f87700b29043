/* Every registered op: private against floating point over its declared range, in several shapes, within its bound. */
#include "runtime/graph/example.h"
#include "tests/support/private.h"

/* Rows and width of the cases: single elements, sizes that are no multiples of 128, and some that span all thirds. */
static const size_t rows[] = {1, 1, 3, 5, 40, 131}, widths[] = {1, 2, 6, 130, 96, 8};
enum { CASES = sizeof rows / sizeof *rows };

static private_input activation(tf_array a) {
    return (private_input){TF_LEAF_NONE, a};
}

/* The op's own example, but for the fill of its activations: a grid and then random values for seed 0, random values
 * for others. */
static tf_example filled(const tf_op *op, uint64_t seed) {
    tf_example example = *tf_example_of(op);
    bool grid = seed == 0;
    for (int i = 0; i < TF_MAX_INPUTS && example.input[i].shape; i++) {
        tf_fill *fill = &example.input[i].fill;
        if (*fill != TF_FILL_ROWS && *fill != TF_FILL_EVEN) continue;
        *fill = grid ? TF_FILL_EVEN : TF_FILL_RANDOM;
        grid = false;
    }
    return example;
}

/* Case k of an op: all of its inputs in every other, as few as it takes in the rest. */
static private_op sample(const tf_op *op, size_t k, uint64_t seed) {
    size_t m = rows[k], n = widths[k], texts = m % 5 == 0 ? 5 : 1;
    tf_example_sizes sizes = {.texts = texts, .tokens = m / texts, .width = n, .rows = m < 11 ? 11 : m};
    sizes.heads = n % 4 == 0 ? 4 : n % 2 == 0 ? 2 : 1;
    private_op run = {.kind = op->kind, .variant = op->variant};
    tf_example example = filled(op, seed);
    tf_sample made;
    cr_assert_eq(tf_sample_make(op, &example, &sizes, k % 2 ? 0 : op->min_inputs, seed, &made), TF_OK, "%s %s: %s",
                 op->kind, op->variant, tf_error());
    run.inputs = made.node.inputs;
    run.attrs = made.node.attrs;
    memcpy(run.attr, made.node.attr, sizeof run.attr);
    for (int i = 0; i < run.inputs; i++) {
        const tf_node *leaf = &made.leaf[i];
        tf_array copy = {leaf->shape, malloc(tf_shape_count(leaf->shape) * sizeof(float))};
        memcpy(copy.data, leaf->data, tf_shape_count(leaf->shape) * sizeof(float));
        run.input[i] = (private_input){leaf->leaf, copy};
    }
    tf_sample_free(&made);
    return run;
}

Test(private_ops, every_one_keeps_its_bound) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    for (int i = 0; tf_registry_at(i); i++) {
        const tf_op *op = tf_registry_at(i);
        for (size_t k = 0; k < CASES; k++)
            for (uint64_t seed = 0; seed < 2; seed++) {
                check_private(sample(op, k, seed), op->private_error, seed ? "random" : "grid");
            }
    }
}

/* What the ops' examples do not have: a public weight, a transposed operand with a factor, columns from the middle. */
Test(private_ops, other_forms_of_products) {
    private_op linear = {.kind = "linear",
                         .variant = "",
                         .inputs = 3,
                         .input = {activation(random_array(tf_dims(40, 96), -8, 8, 1)),
                                   {TF_LEAF_PUBLIC_WEIGHT, random_array(tf_dims(7, 96), -1, 1, 2)},
                                   {TF_LEAF_PUBLIC_WEIGHT, random_array(tf_dims(7), -4, 4, 3)}}};
    check_private(linear, declared("linear", ""), "public weight");
    private_op matmul = {.kind = "matmul",
                         .variant = "",
                         .inputs = 2,
                         .input = {activation(random_array(tf_dims(40, 96), -8, 8, 1)),
                                   activation(random_array(tf_dims(9, 96), -1, 1, 2))},
                         .attrs = 2,
                         .attr = {{"transpose_b", 1}, {"scale", 0.125}}};
    check_private(matmul, declared("matmul", ""), "transposed");
    for (size_t k = 0; k < CASES; k++) {
        size_t n = widths[k];
        private_op columns = {.kind = "columns",
                              .variant = "",
                              .inputs = 1,
                              .input = {activation(random_array(tf_dims(rows[k], n), -256, 256, k))},
                              .attrs = 2,
                              .attr = {{"count", (double)((n + 1) / 2)}, {"first", (double)(n / 2)}}};
        check_private(columns, declared("columns", ""), "middle");
    }
}

/*
 * Where pieces meet a comparison may take either side, and what it lets through must still have room in its ring; a
 * lift out of its range goes wrong in one of some thousand elements only, so there are many.
 */
Test(private_ops, pieces_meet_within_the_bound) {
    static const double edge[] = {-8, -7.99, -4, -3.88, -3, -1.95, 1.95, 3, 3.88, 4, 7.99, 8};
    cr_assert_eq(tf_ops_register(), TF_OK);
    for (int i = 0; tf_registry_at(i); i++) {
        const tf_op *op = tf_registry_at(i);
        if (strcmp(op->kind, "gelu") && strcmp(op->kind, "tanh") && strcmp(op->kind, "sigmoid") &&
            strcmp(op->kind, "silu"))
            continue;
        for (size_t k = 0; k < sizeof edge / sizeof *edge; k++) {
            if (edge[k] < op->low || edge[k] > op->high) continue;
            tf_array x = grid_array(tf_dims(512, 128), edge[k] - 1.0 / 64, edge[k] + 1.0 / 64);
            private_op run = {.kind = op->kind, .variant = op->variant, .inputs = 1, .input[0] = activation(x)};
            check_private(run, op->private_error, "edge");
        }
    }
}

/* Ranges as narrow as the inputs, also where these are small. */
Test(private_ops, every_one_keeps_its_bound_in_calibrated_ranges) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    for (int i = 0; tf_registry_at(i); i++) {
        const tf_op *op = tf_registry_at(i);
        /* the error of what divides by a sum grows as its rows shrink, whatever the ranges are */
        static const char *const dividing[] = {"layernorm", "rmsnorm",    "l2norm", "softmax",
                                               "attention", "reciprocal", "rsqrt"};
        bool divides = false;
        for (size_t d = 0; d < sizeof dividing / sizeof *dividing; d++) divides |= !strcmp(op->kind, dividing[d]);
        for (size_t k = 0; k < CASES; k++)
            for (int small = 0; small <= !divides; small++) {
                private_op run = sample(op, k, 1);
                run.calibrated = true;
                for (int j = 0; j < run.inputs && small; j++)
                    for (size_t e = 0;
                         run.input[j].leaf == TF_LEAF_NONE && e < tf_shape_count(run.input[j].array.shape); e++)
                        run.input[j].array.data[e] /= 32;
                check_private(run, op->private_error, small ? "small" : "calibrated");
            }
    }
}

/* An approximation as the function that it stands for, in floating point. Ops on more than one input do
 * not declare it. */
Test(private_ops, approximations_keep_their_bound) {
    enum { N = 200001 };
    cr_assert_eq(tf_ops_register(), TF_OK);
    int found = 0;
    for (int i = 0; tf_registry_at(i); i++) {
        const tf_op *op = tf_registry_at(i);
        if (!op->truth) continue;
        found++;
        cr_assert_eq(op->max_inputs, 1);
        tf_array x = grid_array(tf_dims(N), op->low, op->high), y, truth;
        cr_assert_eq(run_plain(op->kind, op->variant, 1, &x, 0, NULL, &y), TF_OK);
        cr_assert_eq(run_plain(op->kind, op->truth, 1, &x, 0, NULL, &truth), TF_OK);
        double worst = 0;
        for (size_t k = 0; k < N; k++) worst = fmax(worst, fabs((double)y.data[k] - truth.data[k]));
        cr_assert_leq(worst, op->approximation_error, "%s %s is %g from %s", op->kind, op->variant, worst, op->truth);
        cr_assert_geq(worst, 0.9 * op->approximation_error, "%s %s declares %g, though %g is true", op->kind,
                      op->variant, op->approximation_error, worst);
        free(x.data), free(y.data), free(truth.data);
    }
    cr_assert_gt(found, 0);
}
