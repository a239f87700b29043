/* Metrics against values computed by hand. */
#include <criterion/criterion.h>
#include <math.h>

#include "models/metrics.h"

/* tp 3, fp 1, fn 2, tn 4 */
static const size_t truth[] = {1, 1, 1, 1, 1, 0, 0, 0, 0, 0}, given[] = {1, 1, 1, 0, 0, 1, 0, 0, 0, 0};

static void near(double value, double wanted) {
    cr_assert_float_eq(value, wanted, 1e-12, "%.15g, not %.15g", value, wanted);
}

Test(metrics, accuracy) {
    near(tf_accuracy(truth, given, 10), 0.7);
    near(tf_accuracy(truth, truth, 10), 1);
    near(tf_accuracy(truth, given, 1), 1);
}

Test(metrics, f1_is_of_label_one) {
    near(tf_f1(truth, given, 10), 2.0 * 3 / (2 * 3 + 1 + 2));
    near(tf_f1(truth, truth, 10), 1);
    const size_t none[] = {0, 0};
    near(tf_f1(none, none, 2), 0);
}

Test(metrics, matthews_of_two_labels) {
    near(tf_matthews(truth, given, 10, 2), (3.0 * 4 - 1.0 * 2) / sqrt(4.0 * 5 * 5 * 6));
    near(tf_matthews(truth, truth, 10, 2), 1);
    size_t flipped[10];
    for (int i = 0; i < 10; i++) flipped[i] = 1 - truth[i];
    near(tf_matthews(truth, flipped, 10, 2), -1);
    const size_t ones[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    near(tf_matthews(truth, ones, 10, 2), 0);
}

/* Counts of truth 3 2 1, of predictions 2 2 2; 4 of 6 right: (4*6 - 12)/sqrt((36 - 12)(36 - 14)). */
Test(metrics, matthews_of_three_labels) {
    const size_t t[] = {0, 0, 0, 1, 1, 2}, p[] = {0, 0, 1, 1, 2, 2};
    near(tf_matthews(t, p, 6, 3), 12 / sqrt(24.0 * 22));
}

Test(metrics, pearson) {
    const double x[] = {1, 2, 3, 4}, y[] = {2, 4, 6, 8}, z[] = {1, 3, 2, 5}, same[] = {7, 7, 7, 7};
    near(tf_pearson(x, y, 4), 1);
    near(tf_pearson(x, z, 4), 5.5 / sqrt(5 * 8.75));
    const double down[] = {4, 3, 2, 1};
    near(tf_pearson(x, down, 4), -1);
    cr_assert(isnan(tf_pearson(x, same, 4)));
}

/* Labels 0, 1, 2 of the six above: 2 of 2 + 1 hits over 3 + 2; 1 over 2 + 2; 1 over 1 + 2. Label 3 does not occur. */
Test(metrics, macro_f1) {
    const size_t t[] = {0, 0, 0, 1, 1, 2}, p[] = {0, 0, 1, 1, 2, 2};
    near(tf_macro_f1(t, p, 6, 4), (2 * 2 / 5.0 + 2 * 1 / 4.0 + 2 * 1 / 3.0) / 3);
    near(tf_macro_f1(t, t, 6, 3), 1);
    near(tf_macro_f1(truth, given, 10, 2), (2 * 3 / 9.0 + 2 * 4 / 11.0) / 2);
}

/* Ranks 0, 1.5, 1.5, 3 and 0, 2, 1, 3; products of the differences from the mean 4.5, squares 4.5 and 5. */
Test(metrics, spearman) {
    const double x[] = {1, 10, 10, 1000}, y[] = {-5, 2, 1, 7}, same[] = {7, 7, 7, 7}, cubes[] = {1, 8, 27, 64};
    near(tf_spearman(x, y, 4), 4.5 / sqrt(4.5 * 5));
    const double up[] = {1, 2, 3, 4}, down[] = {4, 3, 2, 1};
    near(tf_spearman(up, cubes, 4), 1);
    near(tf_spearman(cubes, down, 4), -1);
    cr_assert(isnan(tf_spearman(x, same, 4)));
}
