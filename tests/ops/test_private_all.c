/* Every registered op: private against floating point over its declared range, in several shapes, within its bound. */
#include "tests/support/private.h"

/* Rows and width of the cases: single elements, sizes that are no multiples of 128, and some that span all thirds. */
static const size_t rows[] = {1, 1, 3, 5, 40, 131}, widths[] = {1, 2, 6, 130, 96, 8};
enum { CASES = sizeof rows / sizeof *rows };

static private_input activation(tf_array a) {
    return (private_input){TF_LEAF_NONE, a};
}

static tf_array constants(tf_shape shape, double c) {
    return grid_array(shape, c, c);
}

/* 1 for most entries and 0 for others, but never for a whole row. */
static tf_array some_mask(tf_shape shape) {
    tf_array a = constants(shape, 1);
    for (size_t i = 0; i < tf_shape_count(shape); i++)
        if (i % 5 == 3 && i % tf_shape_last(shape)) a.data[i] = 0;
    return a;
}

/* Token ids of a table with `count` rows, the first and the last among them. */
static tf_array some_tokens(tf_shape shape, size_t count) {
    tf_array a = constants(shape, 0);
    for (size_t i = 0; i < tf_shape_count(shape); i++) a.data[i] = (float)(i == 0 ? count - 1 : (i * 7919) % count);
    return a;
}

static void add_attr(private_op *run, const char *name, double value) {
    run->attr[run->attrs++] = (tf_attr){name, value};
}

/* Inputs of an op of this kind for case k; no inputs if the kind is unknown here. */
static private_op sample(const tf_op *op, size_t k, uint64_t seed) {
    private_op run = {.kind = op->kind, .variant = op->variant};
    size_t m = rows[k], n = widths[k], texts = m % 5 == 0 ? 5 : 1, length = m / texts;
    tf_shape flat = tf_dims(m, n), cube = tf_dims(texts, length, n), cells = tf_dims(texts, length);
    double low = op->low, high = op->high;
    tf_array x = seed ? random_array(flat, low, high, seed) : grid_array(flat, low, high);
    private_input in = activation(x);
#define IS(name) (!strcmp(op->kind, name))
    if (IS("gelu") || IS("gelu_new") || IS("tanh") || IS("sigmoid") || IS("silu") || IS("reciprocal") || IS("rsqrt") ||
        IS("argmax") || IS("scale") || IS("l2norm")) {
        run.inputs = 1, run.input[0] = in;
        if (IS("scale")) add_attr(&run, "factor", 0.3);
        if (IS("l2norm")) x.data[0] = 1; /* a vector of zeros has no direction */
        for (size_t i = 0; IS("argmax") && i < m * n; i++) x.data[i] = rintf(x.data[i] * 8) + (float)(i % n) / 1024;
    } else if (IS("softmax")) {
        run.inputs = k % 2 ? 2 : 1, run.input[0] = in;
        if (run.inputs == 2) run.input[1] = (private_input){TF_LEAF_CONSTANT, some_mask(tf_dims(m, n))};
    } else if (IS("layernorm") || IS("affine")) {
        run.inputs = 3, run.input[0] = in;
        run.input[1] = (private_input){TF_LEAF_WEIGHT, random_array(tf_dims(n), 0.5, 1.5, seed + 1)};
        run.input[2] = (private_input){TF_LEAF_WEIGHT, random_array(tf_dims(n), -0.5, 0.5, seed + 2)};
        add_attr(&run, "eps", 1e-12);
    } else if (IS("rmsnorm")) {
        run.inputs = 2, run.input[0] = in;
        run.input[1] = (private_input){TF_LEAF_WEIGHT, random_array(tf_dims(n), 0.5, 1.5, seed + 1)};
        add_attr(&run, "eps", 1e-6);
    } else if (IS("add") || IS("multiply")) {
        run.inputs = 2, run.input[0] = in, run.input[1] = activation(random_array(tf_dims(n), low, high, seed + 1));
    } else if (IS("mask")) {
        run.inputs = 2, run.input[0] = in;
        run.input[1] = (private_input){TF_LEAF_CONSTANT, random_array(tf_dims(1, n), low, high, seed + 1)};
    } else if (IS("rows")) {
        run.inputs = 1, run.input[0] = (private_input){TF_LEAF_WEIGHT, x};
        add_attr(&run, "count", (double)(m + 1) / 2 >= 1 ? (double)((m + 1) / 2) : 1);
    } else if (IS("embedding")) {
        run.inputs = 2, run.input[0] = (private_input){TF_LEAF_TOKENS, some_tokens(tf_dims(3, 11), m)};
        run.input[1] = (private_input){TF_LEAF_WEIGHT, x};
    } else if (IS("linear")) {
        run.inputs = k % 2 ? 3 : 2, run.input[0] = in;
        run.input[1] = (private_input){k == 4 ? TF_LEAF_PUBLIC_WEIGHT : TF_LEAF_WEIGHT,
                                       random_array(tf_dims(7, n), -1, 1, seed + 1)};
        run.input[2] = (private_input){TF_LEAF_WEIGHT, random_array(tf_dims(7), -4, 4, seed + 2)};
    } else if (IS("matmul")) {
        bool transposed = k % 2;
        run.inputs = 2, run.input[0] = in;
        run.input[1] = activation(random_array(transposed ? tf_dims(9, n) : tf_dims(n, 9), -1, 1, seed + 1));
        if (transposed) add_attr(&run, "transpose_b", 1), add_attr(&run, "scale", 0.125);
    } else if (IS("attention")) {
        size_t heads = n % 4 == 0 ? 4 : n % 2 == 0 ? 2 : 1;
        run.inputs = k % 2 ? 4 : 3;
        for (int i = 0; i < 3; i++) run.input[i] = activation(random_array(cube, low, high, seed + 1 + (uint64_t)i));
        run.input[3] = (private_input){TF_LEAF_CONSTANT, some_mask(cells)};
        add_attr(&run, "heads", (double)heads);
        free(x.data);
    } else if (IS("columns")) {
        run.inputs = 1, run.input[0] = in;
        add_attr(&run, "count", (double)((n + 1) / 2));
        add_attr(&run, "first", (double)(n / 2));
    } else if (IS("first_token") || IS("last_token") || IS("mean_pool") || IS("split_heads")) {
        x.shape = cube, run.inputs = 1, run.input[0] = activation(x);
        if (IS("split_heads")) add_attr(&run, "depth", n % 2 ? 1 : 2);
        if (IS("mean_pool")) {
            run.inputs = 2, run.input[1] = (private_input){TF_LEAF_CONSTANT, constants(cells, 1 / (double)length)};
            if (length > 2) run.input[1].array.data[length - 1] = 0;
        }
    } else {
        free(x.data);
    }
    for (int i = run.inputs; i < TF_MAX_INPUTS; i++) free(run.input[i].array.data), run.input[i].array.data = NULL;
    return run;
}

Test(private_ops, every_one_keeps_its_bound) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    for (int i = 0; tf_registry_at(i); i++) {
        const tf_op *op = tf_registry_at(i);
        if (!op->lower) continue; /* in floating point only */
        for (size_t k = 0; k < CASES; k++)
            for (uint64_t seed = 0; seed < 2; seed++) {
                private_op run = sample(op, k, seed);
                cr_assert_gt(run.inputs, 0, "no inputs are known for ops of kind %s: add them here", op->kind);
                check_private(run, op->private_error, seed ? "random" : "grid");
            }
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
        if (!IS("gelu") && !IS("tanh") && !IS("sigmoid") && !IS("silu")) continue;
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
        if (!op->lower) continue;
        /* the error of what divides by a sum grows as its rows shrink, whatever the ranges are */
        bool divides = IS("layernorm") || IS("rmsnorm") || IS("l2norm") || IS("softmax") || IS("attention") ||
                       IS("reciprocal") || IS("rsqrt");
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

/* An approximation as the function that it stands for, in floating point. Ops on more than one input do not declare it.
 */
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
