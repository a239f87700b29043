/* Metrics against values computed by hand. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "models/metrics/metrics.h"
#include "models/metrics/text_metrics.h"

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

/* scikit-learn's f1_score and accuracy_score of the same indicator matrices. */
Test(metrics, sets_of_labels) {
    const bool t[] = {1, 0, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0}, p[] = {1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0};
    tf_set_scores s = tf_compare_sets(t, p, 3, 4);
    near(s.micro_f1, 2.0 * 4 / (2 * 4 + 1 + 1));
    near(s.macro_f1, (1 + 2.0 / 3 + 2.0 / 3 + 0) / 4);
    near(s.exact, 1.0 / 3);
    s = tf_compare_sets(t, t, 3, 4);
    near(s.micro_f1, 1), near(s.macro_f1, 0.75), near(s.exact, 1);
}

static tf_entity_counts count(const char *of_truth, const char *of_model) {
    char a[256], b[256];
    const char *t[32], *p[32];
    size_t words = 0, others = 0;
    strcpy(a, of_truth), strcpy(b, of_model);
    for (char *w = strtok(a, " "); w; w = strtok(NULL, " ")) t[words++] = w;
    for (char *w = strtok(b, " "); w; w = strtok(NULL, " ")) p[others++] = w;
    cr_assert_eq(words, others);
    tf_entity_counts c = {0};
    tf_entities_count(t, p, words, &c);
    return c;
}

static void expect_counts(const char *of_truth, const char *of_model, size_t t, size_t p, size_t hits) {
    tf_entity_counts c = count(of_truth, of_model);
    cr_assert(c.truth == t && c.predicted == p && c.hits == hits, "%s | %s: %zu %zu %zu", of_truth, of_model, c.truth,
              c.predicted, c.hits);
}

/* The counts that seqeval's default mode makes of them. */
Test(metrics, entities) {
    expect_counts("B-PER I-PER O B-LOC", "B-PER I-PER O B-LOC", 2, 2, 2);
    expect_counts("B-PER I-PER O B-LOC", "B-PER O O B-PER", 2, 2, 0);
    expect_counts("B-PER B-PER", "B-PER I-PER", 2, 1, 0);
    expect_counts("I-PER I-PER O", "B-PER I-PER O", 1, 1, 1); /* an entity may begin with I- */
    expect_counts("B-PER I-LOC", "B-PER B-LOC", 2, 2, 2);     /* and so after another type */
    expect_counts("O O", "B-X O", 0, 1, 0);
    expect_counts("S-PER B-LOC I-LOC E-LOC", "B-PER B-LOC I-LOC I-LOC", 2, 2, 2);
    expect_counts("B-PER I-PER I-PER", "B-PER I-PER B-PER", 1, 2, 0);
    expect_counts("PER PER O LOC", "I-PER I-PER O B-LOC", 2, 2, 2);
    tf_entity_counts c = count("B-A O B-B O B-C", "B-A O B-X O O");
    near(tf_entities_precision(&c), 0.5), near(tf_entities_recall(&c), 1.0 / 3), near(tf_entities_f1(&c), 0.4);
    near(tf_entities_f1(&(tf_entity_counts){0}), 0);
}

static void expect_answer(const char *answer, double exact, double f1, size_t n, const char *const *wanted) {
    double e, f;
    cr_assert_eq(tf_answer_scores(answer, wanted, n, &e, &f), TF_OK);
    cr_assert(e == exact && fabs(f - f1) < 1e-12, "'%s': %g %g", answer, e, f);
}
#define ANSWERS(...)                                                                                                   \
    sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]) {                                         \
        __VA_ARGS__                                                                                                    \
    }

/* What SQuAD's evaluate-v2.0.py makes of them. */
Test(metrics, answers) {
    expect_answer("The Denver Broncos!", 1, 1, ANSWERS("Denver Broncos", "Broncos"));
    expect_answer("Denver", 0, 2.0 / 3, ANSWERS("the Denver Broncos", "Panthers"));
    expect_answer("a cat and a cat", 0, 4.0 / 5, ANSWERS("cat cat"));
    expect_answer("U.S.A.", 1, 1, ANSWERS("usa"));
    expect_answer("ÉCOLE  Normale", 1, 1, ANSWERS("école normale"));
    expect_answer("theory", 0, 0, ANSWERS("ory"));
    expect_answer("", 1, 1, 0, NULL);
    expect_answer("the", 1, 1, ANSWERS("")); /* nothing is left of either */
    expect_answer("x", 0, 0, 0, NULL);
    expect_answer("", 0, 0, ANSWERS("x"));
    expect_answer("1\xe2\x80\x93the", 1, 1, ANSWERS("1\xe2\x80\x93")); /* a dash is no word character */
}
