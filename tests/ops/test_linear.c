#include "tests/support/plain.h"

Test(linear, small) {
    tf_array x = {tf_dims(2, 3), (float[]){1, 2, 3, 4, 5, 6}}, w = {tf_dims(2, 3), (float[]){1, 0, -1, 2, 2, 2}};
    tf_array b = {tf_dims(2), (float[]){10, 20}}, y;
    cr_assert_eq(run_plain("linear", "", ARRAYS(x, w, b), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 2), (double[]){8, 32, 8, 50}, 0);
    cr_assert_eq(run_plain("linear", "", ARRAYS(x, w), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 2), (double[]){-2, 12, -2, 30}, 0);
}

Test(linear, keeps_leading_dimensions) {
    tf_array x = random_array(tf_dims(3, 5, 70), -1, 1, 1), w = random_array(tf_dims(33, 70), -1, 1, 2);
    tf_array b = random_array(tf_dims(33), -1, 1, 3), y;
    double *wanted = doubles(3 * 5 * 33);
    for (size_t row = 0; row < 15; row++)
        for (size_t o = 0; o < 33; o++) {
            wanted[row * 33 + o] = b.data[o];
            for (size_t i = 0; i < 70; i++) wanted[row * 33 + o] += (double)x.data[row * 70 + i] * w.data[o * 70 + i];
        }
    cr_assert_eq(run_plain("linear", "", ARRAYS(x, w, b), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(3, 5, 33), wanted, 1e-5);
    free(x.data);
    free(w.data);
    free(b.data);
    free(wanted);
}

Test(linear, refuses_what_does_not_fit) {
    float zero[64] = {0};
    tf_array x = {tf_dims(2, 3), zero}, w = {tf_dims(4, 3), zero}, w4 = {tf_dims(4, 4), zero}, v = {tf_dims(3), zero};
    tf_array scalar = {{0}, zero};
    check_refused("linear", ARRAYS(x, w4), TF_NO_ATTRS, "the weight has shape 4x4, not 4x3");
    check_refused("linear", ARRAYS(x, v), TF_NO_ATTRS, "the weight has shape 3, which is not of rank 2");
    check_refused("linear", ARRAYS(x, w, v), TF_NO_ATTRS, "the bias has shape 3, not 4");
    check_refused("linear", ARRAYS(scalar, w), TF_NO_ATTRS, "scalar");
    check_refused("linear", ARRAYS(x), TF_NO_ATTRS, "1 inputs given, 2 to 3 needed");
}

Test(residual, small) {
    tf_array x = {tf_dims(2, 3), (float[]){1, 2, 3, 4, 5, 6}}, w = {tf_dims(2, 3), (float[]){1, 0, -1, 2, 2, 2}}, y;
    tf_array b = {tf_dims(2), (float[]){10, 20}}, n = {tf_dims(2, 2), (float[]){1, 2, 3, 4}},
             gamma = {tf_dims(2), (float[]){10, 100}}, beta = {tf_dims(2), (float[]){0.5, 0.25}};
    cr_assert_eq(run_plain("residual", "", ARRAYS(x, w, n, gamma, beta, b), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2, 2), (double[]){18.5, 232.25, 38.5, 450.25}, 0);
    cr_assert_eq(run_plain("residual", "", ARRAYS(x, w, n, gamma, beta), TF_ATTRS({"centred", 1}), &y), TF_OK, "%s",
                 tf_error());
    check_values(y, tf_dims(2, 2), (double[]){-96.5, 107.25, -186.5, 215.25}, 0);
    check_refused("residual", ARRAYS(x, w, x, gamma, beta), TF_NO_ATTRS, "what is added has shape 2x3, not 2x2");
    check_refused("residual", ARRAYS(x, w, n, gamma, x), TF_NO_ATTRS, "beta has shape 2x3, not 2");
}

/* Batches of products, b transposed or not, with a factor. */
static void check_matmul(size_t batch, size_t m, size_t k, size_t n, bool transpose, double scale) {
    tf_array a = random_array(tf_dims(batch, m, k), -1, 1, 1), y;
    tf_array b = random_array(transpose ? tf_dims(batch, n, k) : tf_dims(batch, k, n), -1, 1, 2);
    double *wanted = doubles(batch * m * n);
    for (size_t p = 0; p < batch; p++)
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++)
                for (size_t l = 0; l < k; l++)
                    wanted[(p * m + i) * n + j] +=
                        scale * a.data[(p * m + i) * k + l] * b.data[p * k * n + (transpose ? j * k + l : l * n + j)];
    cr_assert_eq(run_plain("matmul", "", ARRAYS(a, b), TF_ATTRS({"transpose_b", transpose}, {"scale", scale}), &y),
                 TF_OK, "%s", tf_error());
    check_values(y, tf_dims(batch, m, n), wanted, 1e-5);
    free(a.data);
    free(b.data);
    free(wanted);
}

Test(matmul, plain_and_transposed) {
    check_matmul(1, 1, 1, 1, false, 1);
    check_matmul(3, 5, 7, 4, false, 1);
    check_matmul(3, 5, 7, 4, true, 1);
    check_matmul(2, 9, 32, 20, true, 0.25);
    check_matmul(2, 9, 32, 20, false, -2);
}

Test(matmul, of_plain_matrices) {
    tf_array a = {tf_dims(1, 2), (float[]){2, 3}}, b = {tf_dims(2, 2), (float[]){1, 10, 100, 1000}}, y;
    cr_assert_eq(run_plain("matmul", "", ARRAYS(a, b), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(1, 2), (double[]){302, 3020}, 0);
    cr_assert_eq(run_plain("matmul", "", ARRAYS(a, b), TF_ATTRS({"transpose_b", 1}), &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(1, 2), (double[]){32, 3200}, 0);
}

Test(matmul, refuses_what_does_not_fit) {
    float zero[64] = {0};
    tf_array a = {tf_dims(2, 3, 4), zero}, b = {tf_dims(2, 5, 4), zero}, c = {tf_dims(1, 4, 5), zero};
    tf_array matrix = {tf_dims(4, 5), zero}, vector = {tf_dims(4), zero};
    check_refused("matmul", ARRAYS(a, b), TF_NO_ATTRS, "the right operand has shape 2x5x4, not 2x4x4");
    check_refused("matmul", ARRAYS(a, c), TF_ATTRS({"transpose_b", 1}), "1x4x5, not 2x4x4");
    check_refused("matmul", ARRAYS(a, matrix), TF_NO_ATTRS, "not of rank 3");
    check_refused("matmul", ARRAYS(vector, matrix), TF_NO_ATTRS, "the left operand has shape 4");
}
