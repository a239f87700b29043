#include "models/fit_head.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1;

/* Roughly normal: the sum of twelve uniform numbers. */
static double normal(void) {
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(state >> 11) / 0x1p53;
    }
    return sum;
}

/* n samples around one centre for each label. The caller frees both. */
static void blobs(size_t n, size_t dim, size_t labels, double spread, float **x, int **label) {
    double *centre = calloc(labels * dim, sizeof *centre);
    *x = calloc(n * dim, sizeof **x);
    *label = calloc(n, sizeof **label);
    for (size_t i = 0; i < labels * dim; i++) centre[i] = normal();
    for (size_t i = 0; i < n; i++) {
        (*label)[i] = (int)(i % labels);
        for (size_t d = 0; d < dim; d++) (*x)[i * dim + d] = (float)(centre[i % labels * dim + d] + spread * normal());
    }
    free(centre);
}

/* The largest derivative of the mean cross-entropy plus l2 / 2 |W|^2, computed naively. */
static double steepest(const float *x, const int *label, size_t n, size_t dim, size_t labels, double l2,
                       const float *weight, const float *bias) {
    double *slope = calloc(labels * (dim + 1), sizeof *slope), *p = calloc(labels, sizeof *p), most = 0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t l = 0; l < labels; l++) {
            p[l] = bias[l];
            for (size_t d = 0; d < dim; d++) p[l] += (double)weight[l * dim + d] * x[i * dim + d];
            sum += p[l] = exp(p[l]);
        }
        for (size_t l = 0; l < labels; l++) {
            double residual = (p[l] / sum - ((int)l == label[i])) / (double)n;
            for (size_t d = 0; d < dim; d++) slope[l * (dim + 1) + d] += residual * x[i * dim + d];
            slope[l * (dim + 1) + dim] += residual;
        }
    }
    for (size_t l = 0; l < labels; l++)
        for (size_t d = 0; d <= dim; d++)
            most = fmax(most, fabs(slope[l * (dim + 1) + d] + (d < dim ? l2 * weight[l * dim + d] : 0)));
    free(slope);
    free(p);
    return most;
}

Test(fit_head, reaches_the_minimum) {
    /* Sizes that fill no block: 5 labels, 7 dimensions, 203 samples. */
    float *x, weight[35], bias[5];
    int *label;
    double accuracy;
    blobs(203, 7, 5, 1.5, &x, &label);
    double strengths[] = {1, 1e-2, 1e-4};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(tf_fit_logistic(x, label, 203, 7, 5, strengths[i], weight, bias, &accuracy), TF_OK, "%s",
                     tf_error());
        double slope = steepest(x, label, 203, 7, 5, strengths[i], weight, bias);
        cr_assert_lt(slope, 1e-4, "l2 %g: the gradient is still %g", strengths[i], slope);
    }
    free(x);
    free(label);
}

Test(fit_head, known_minimum) {
    /* Two samples at +1 and -1, two labels: by symmetry W = (w, -w), b = 0, and the minimum has
     * l2 w = 1 / (1 + exp(2 w)). */
    float x[] = {1, -1}, weight[2], bias[2];
    int label[] = {0, 1};
    double l2 = 0.1, low = 0, high = 10, accuracy;
    for (int i = 0; i < 100; i++) {
        double w = (low + high) / 2;
        if (l2 * w < 1 / (1 + exp(2 * w)))
            low = w;
        else
            high = w;
    }
    cr_assert_eq(tf_fit_logistic(x, label, 2, 1, 2, l2, weight, bias, &accuracy), TF_OK, "%s", tf_error());
    cr_assert_float_eq(weight[0], low, 1e-4, "%g, not %g", (double)weight[0], low);
    cr_assert_float_eq(weight[1], -low, 1e-4);
    cr_assert_float_eq(bias[0], 0, 1e-4);
    cr_assert_eq(accuracy, 1);
}

Test(fit_head, reports_the_accuracy) {
    /* The same point three times, with two opinions: the majority wins. */
    float x[] = {1, 1, 1}, weight[2], bias[2];
    int label[] = {1, 0, 1};
    double accuracy;
    cr_assert_eq(tf_fit_logistic(x, label, 3, 1, 2, 0.1, weight, bias, &accuracy), TF_OK, "%s", tf_error());
    cr_assert_float_eq(accuracy, 2.0 / 3, 1e-12);
    cr_assert_eq(tf_fit_logistic(x, label, 3, 1, 2, 0.1, weight, bias, NULL), TF_OK, "the accuracy is optional");
}

Test(fit_head, is_deterministic_and_separates) {
    float *x, *weight = calloc(20 * 64, 4), *again = calloc(20 * 64, 4), bias[20], bias_again[20];
    int *label;
    double accuracy;
    blobs(400, 64, 20, 0.5, &x, &label);
    cr_assert_eq(tf_fit_logistic(x, label, 400, 64, 20, 1e-4, weight, bias, &accuracy), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_fit_logistic(x, label, 400, 64, 20, 1e-4, again, bias_again, NULL), TF_OK, "%s", tf_error());
    cr_assert_eq(memcmp(weight, again, 20 * 64 * 4), 0);
    cr_assert_eq(memcmp(bias, bias_again, sizeof bias), 0);
    cr_assert_eq(accuracy, 1);
    free(x);
    free(label);
    free(weight);
    free(again);
}

static void check_refused(const float *x, const int *label, size_t n, size_t dim, size_t labels, double l2,
                          const char *reason) {
    float weight[16], bias[16];
    cr_assert_eq(tf_fit_logistic(x, label, n, dim, labels, l2, weight, bias, NULL), TF_INVALID);
    cr_assert(strstr(tf_error(), reason) != NULL, "%s", tf_error());
}

Test(fit_head, refuses_what_cannot_be_fitted) {
    float x[] = {1, 2, 3, 4}, nan[] = {1, 2, NAN, 4};
    int label[] = {0, 1}, high[] = {0, 2}, low[] = {0, -1};
    check_refused(x, label, 0, 2, 2, 0.1, "samples");
    check_refused(x, label, 2, 0, 2, 0.1, "samples");
    check_refused(x, label, 2, 2, 1, 0.1, "2 labels");
    check_refused(x, label, 2, 2, 2, -1, "regularisation");
    check_refused(x, label, 2, 2, 2, NAN, "regularisation");
    check_refused(x, high, 2, 2, 2, 0.1, "sample 1 has label 2");
    check_refused(x, low, 2, 2, 2, 0.1, "sample 1 has label -1");
    check_refused(nan, label, 2, 2, 2, 0.1, "sample 1 is not finite");
}
