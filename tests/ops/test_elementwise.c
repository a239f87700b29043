#include <math.h>

#include "tests/support/plain.h"

static tf_array x = {{.rank = 2, .dim = {2, 3}}, (float[]){1, 2, 3, 4, 5, 6}};

Test(add, same_shape) {
    tf_array y;
    cr_assert_eq(run_plain("add", "", ARRAYS(x, x), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 3), (double[]){2, 4, 6, 8, 10, 12}, 0);
}

Test(add, broadcasts_rows_columns_and_scalars) {
    tf_array y, row = {tf_dims(3), (float[]){10, 20, 30}}, column = {tf_dims(2, 1), (float[]){10, 20}};
    tf_array scalar = {{0}, (float[]){0.5f}};
    cr_assert_eq(run_plain("add", "", ARRAYS(x, row), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 3), (double[]){11, 22, 33, 14, 25, 36}, 0);
    cr_assert_eq(run_plain("add", "", ARRAYS(column, x), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 3), (double[]){11, 12, 13, 24, 25, 26}, 0);
    cr_assert_eq(run_plain("add", "", ARRAYS(scalar, x), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 3), (double[]){1.5, 2.5, 3.5, 4.5, 5.5, 6.5}, 0);
    cr_assert_eq(run_plain("add", "", ARRAYS(column, row), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 3), (double[]){20, 30, 40, 30, 40, 50}, 0);
    cr_assert_eq(run_plain("add", "", ARRAYS(scalar, scalar), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, (tf_shape){0}, (double[]){1}, 0);
}

Test(add, broadcasts_every_dimension) {
    /* Dimensions of 1 in every combination, against plain index arithmetic. */
    size_t full[4] = {2, 3, 2, 5};
    for (int bits = 0; bits < 256; bits++) {
        tf_shape sa = {4, {0}}, sb = {4, {0}}, whole = {4, {0}};
        for (int i = 0; i < 4; i++) {
            sa.dim[i] = bits >> i & 1 ? 1 : full[i];
            sb.dim[i] = bits >> (4 + i) & 1 ? 1 : full[i];
            whole.dim[i] = sa.dim[i] > sb.dim[i] ? sa.dim[i] : sb.dim[i];
        }
        tf_array a = random_array(sa, -1, 1, 1), b = random_array(sb, -1, 1, 2), y;
        double *wanted = doubles(60);
        size_t at = 0;
        for (size_t i = 0; i < whole.dim[0]; i++)
            for (size_t j = 0; j < whole.dim[1]; j++)
                for (size_t k = 0; k < whole.dim[2]; k++)
                    for (size_t l = 0; l < whole.dim[3]; l++) {
                        size_t ia =
                            ((i % sa.dim[0] * sa.dim[1] + j % sa.dim[1]) * sa.dim[2] + k % sa.dim[2]) * sa.dim[3] +
                            l % sa.dim[3];
                        size_t ib =
                            ((i % sb.dim[0] * sb.dim[1] + j % sb.dim[1]) * sb.dim[2] + k % sb.dim[2]) * sb.dim[3] +
                            l % sb.dim[3];
                        wanted[at++] = a.data[ia] + b.data[ib];
                    }
        cr_assert_eq(run_plain("add", "", ARRAYS(a, b), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
        check_values(y, whole, wanted, 0);
        free(a.data);
        free(b.data);
        free(wanted);
    }
}

Test(add, refuses_what_does_not_fit) {
    tf_array wrong = {tf_dims(2), (float[]){0, 0}};
    check_refused("add", ARRAYS(x, wrong), TF_NO_ATTRS, "2x3 and 2 do not fit");
}

Test(scale, multiplies_by_a_number) {
    tf_array y;
    cr_assert_eq(run_plain("scale", "", ARRAYS(x), TF_ATTRS({"factor", -0.5}), &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 3), (double[]){-0.5, -1, -1.5, -2, -2.5, -3}, 0);
}

Test(mask, is_broadcast_to_the_input) {
    tf_array y, mask = {tf_dims(1, 3), (float[]){0, 0, -200}};
    cr_assert_eq(run_plain("mask", "", ARRAYS(x, mask), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 3), (double[]){1, 2, -197, 4, 5, -194}, 0);
}

Test(mask, refuses_to_enlarge_the_input) {
    tf_array large = {tf_dims(2, 2, 3), (float[12]){0}}, row = {tf_dims(1, 3), (float[]){1, 2, 3}};
    check_refused("mask", ARRAYS(x, large), TF_NO_ATTRS, "the mask has shape 2x2x3, which cannot be broadcast to 2x3");
    check_refused("mask", ARRAYS(row, x), TF_NO_ATTRS, "the mask has shape 2x3, which cannot be broadcast to 1x3");
}

/* x Phi(x) by the series of the normal distribution function: Phi(x) = 1/2 + phi(x) (x + x^3/3 + x^5/(3 5) + ...). */
static double gelu(double v) {
    double term = v, sum = v;
    for (int i = 3; i < 600; i += 2) sum += term *= v * v / i;
    return v * (0.5 + exp(-v * v / 2) / sqrt(2 * M_PI) * sum);
}

Test(gelu, exact) {
    tf_array in = random_array(tf_dims(4001), 0, 1, 1), y;
    double *wanted = doubles(4001);
    for (int i = 0; i <= 4000; i++) wanted[i] = gelu(in.data[i] = (float)(i - 2000) / 250);
    cr_assert_eq(run_plain("gelu", "exact", ARRAYS(in), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(4001), wanted, 2e-6);
    free(in.data);
    free(wanted);
}

Test(gelu, known_values) {
    tf_array y, in = {tf_dims(6), (float[]){0, 1, -1, 2, -30, 30}};
    cr_assert_eq(run_plain("gelu", "", ARRAYS(in), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(6), (double[]){0, 0.841344746, -0.158655254, 1.954499736, 0, 30}, 2e-7);
}

Test(gelu, relu) {
    tf_array y, in = {tf_dims(4), (float[]){-2, -0.0f, 0.25f, 8}};
    cr_assert_eq(run_plain("gelu", "relu", ARRAYS(in), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(4), (double[]){0, 0, 0.25, 8}, 0);
}

/* What an op says of its approximation is what it does, and no more than that. */
Test(gelu, approximation_errors_are_as_stated) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    const tf_op *op;
    int approximations = 0;
    for (int i = 0; (op = tf_registry_at(i)); i++) {
        if (!op->truth || op->max_inputs != 1) continue;
        approximations++;
        tf_array in = random_array(tf_dims(20001), 0, 1, 1), y, truth;
        for (int j = 0; j <= 20000; j++) in.data[j] = (float)(op->low + (op->high - op->low) * j / 20000);
        cr_assert_eq(run_plain(op->kind, op->variant, ARRAYS(in), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
        cr_assert_eq(run_plain(op->kind, op->truth, ARRAYS(in), TF_NO_ATTRS, &truth), TF_OK, "%s", tf_error());
        double worst = 0;
        for (int j = 0; j <= 20000; j++) worst = fmax(worst, fabs((double)y.data[j] - truth.data[j]));
        cr_assert(worst <= op->approximation_error, "%s %s is %g off", op->kind, op->variant, worst);
        cr_assert(worst >= 0.9 * op->approximation_error, "%s %s is only %g off", op->kind, op->variant, worst);
        free(in.data);
        free(y.data);
        free(truth.data);
    }
    cr_assert_gt(approximations, 0);
}

Test(gelu, published_polynomials) {
    tf_array y, in = {tf_dims(7), (float[]){-5, -3, -2, -1, 0, 2, 5}};
    cr_assert_eq(run_plain("gelu", "poly4", ARRAYS(in), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(7), (double[]){0, 0, -0.045149240, -0.157809850, 0.00410626, 1.954850760, 5}, 1e-6);
    cr_assert_eq(run_plain("gelu", "puma", ARRAYS(in), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(7), (double[]){0, -0.003369233, -0.044902943, -0.167025863, 0.0085263215, 1.962463955, 5},
                 1e-6);
    cr_assert_eq(run_plain("gelu", "quad", ARRAYS(in), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(7), (double[]){2.375, 0.875, 0.5, 0.375, 0.5, 1.5, 4.875}, 0);
}

Test(silu, sigmoid) {
    tf_array y, in = {tf_dims(5), (float[]){-100, -1, 0, 1, 100}};
    const double s = 0.7310585786300049;
    cr_assert_eq(run_plain("sigmoid", "", ARRAYS(in), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(5), (double[]){0, 1 - s, 0.5, s, 1}, 1e-7);
    cr_assert_eq(run_plain("silu", "", ARRAYS(in), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(5), (double[]){0, s - 1, 0, s, 100}, 1e-7);
}

Test(inverse, values_and_ranges) {
    tf_array y, in = {tf_dims(3), (float[]){0.25f, 1, 64}};
    cr_assert_eq(run_plain("reciprocal", "", ARRAYS(in), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(3), (double[]){4, 1, 0.015625}, 0);
    cr_assert_eq(run_plain("rsqrt", "", ARRAYS(in), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(3), (double[]){2, 1, 0.125}, 1e-7);
    check_refused("reciprocal", ARRAYS(in), TF_ATTRS({"low", 0}), "attributes low and high are 0 and 1024");
    check_refused("rsqrt", ARRAYS(in), TF_ATTRS({"low", 4}, {"high", 2}), "attributes low and high are 4 and 2");
}

Test(argmax, of_rows) {
    tf_array y, in = {tf_dims(3, 4), (float[]){1, 3, 2, 3, -5, -4, -3, -2, 9, 1, 1, 1}}, scalar = {{0}, (float[]){1}};
    cr_assert_eq(run_plain("argmax", "", ARRAYS(in), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(3), (double[]){1, 3, 0}, 0);
    check_refused("argmax", ARRAYS(scalar), TF_NO_ATTRS, "the input is a scalar");
}

Test(tanh, exact) {
    tf_array in = random_array(tf_dims(1000), -8, 8, 3), y;
    double *wanted = doubles(1000);
    for (int i = 0; i < 1000; i++) wanted[i] = 1 - 2 / (exp(2 * (double)in.data[i]) + 1);
    cr_assert_eq(run_plain("tanh", "", ARRAYS(in), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(1000), wanted, 2e-7);
    free(in.data);
    free(wanted);
}
