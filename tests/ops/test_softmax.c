/* softmax and attention share their variants. */
#include <math.h>

#include "tests/support/plain.h"

/* The formulas as the papers write them, one row; mask NULL for none. `power` is that of power. */
static void softmax_row(const char *variant, double power, const double *s, const float *mask, size_t n, double *p) {
    bool exact = !strcmp(variant, "exact"), quad = !strcmp(variant, "2quad"), raised = !strcmp(variant, "power");
    double sum = exact ? 0 : 1e-3, most = -INFINITY, count = 0;
    for (size_t i = 0; i < n; i++) {
        if (mask && mask[i] != 1) continue;
        if (s[i] > most) most = s[i];
        count++;
    }
    for (size_t i = 0; i < n; i++) {
        p[i] = exact    ? exp(s[i] - most)
               : quad   ? (s[i] + 5) * (s[i] + 5)
               : raised ? exp(power * log(fabs(s[i]) + 1e-300))
                        : fmax(s[i], 0);
        if (mask && mask[i] == 0) p[i] = 0;
        sum += p[i];
    }
    if (!strcmp(variant, "relu_n")) sum = count;
    for (size_t i = 0; i < n; i++) p[i] = sum > 0 ? p[i] / sum : 0;
}

static void check_softmax(const char *variant, double power, double low, double high) {
    size_t rows = 12, n = 37;
    tf_array x = random_array(tf_dims(3, 4, n), low, high, 5), y;
    float mask[3 * 37];
    for (size_t i = 0; i < 3 * n; i++) mask[i] = i % n < 30 && i % 7 != 3;
    tf_array m = {tf_dims(3, 1, n), mask};
    double *plain = doubles(rows * n), *masked = doubles(rows * n), s[37];
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < n; i++) s[i] = x.data[row * n + i];
        softmax_row(variant, power, s, NULL, n, plain + row * n);
        softmax_row(variant, power, s, mask + row / 4 * n, n, masked + row * n);
    }
    tf_attr p = {"p", power};
    cr_assert_eq(run_plain("softmax", variant, ARRAYS(x), power > 0, &p, &y), TF_OK, "%s", tf_error());
    check_values(y, x.shape, plain, 1e-6);
    cr_assert_eq(run_plain("softmax", variant, ARRAYS(x, m), power > 0, &p, &y), TF_OK, "%s", tf_error());
    check_values(y, x.shape, masked, 1e-6);
    free(x.data);
    free(plain);
    free(masked);
}

Test(softmax, every_variant) {
    static const char *const variants[] = {"exact", "relu", "relu_n", "2quad"};
    for (int i = 0; i < 4; i++) {
        check_softmax(variants[i], 0, -4, 4);
        check_softmax(variants[i], 0, -48, 48);
    }
    for (double power = 2; power <= 8; power += 2) check_softmax("power", power, -4, 4);
}

Test(softmax, power_is_even) {
    tf_array x = {tf_dims(2), (float[]){1, 2}}, y;
    cr_assert_eq(run_plain("softmax", "power", ARRAYS(x), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2), (double[]){1 / 5.001, 4 / 5.001}, 1e-7); /* 2 unless told otherwise */
    static const double wrong[] = {0, 1, 3, 2.5, 10, -2, NAN};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(run_plain("softmax", "power", ARRAYS(x), TF_ATTRS({"p", wrong[i]}), &y), TF_INVALID);
        cr_assert(strstr(tf_error(), "not 2, 4, 6 or 8"), "%s", tf_error());
    }
}

Test(softmax, known_values) {
    tf_array y, x = {tf_dims(1, 3), (float[]){0, logf(2), logf(5)}}, s = {tf_dims(1, 3), (float[]){-1, 1, 3}};
    cr_assert_eq(run_plain("softmax", "", ARRAYS(x), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(1, 3), (double[]){0.125, 0.25, 0.625}, 1e-7);
    cr_assert_eq(run_plain("softmax", "relu", ARRAYS(s), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(1, 3), (double[]){0, 1 / 4.001, 3 / 4.001}, 1e-7);
    cr_assert_eq(run_plain("softmax", "relu_n", ARRAYS(s), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(1, 3), (double[]){0, 1.0 / 3, 1}, 1e-7);
    cr_assert_eq(run_plain("softmax", "2quad", ARRAYS(s), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(1, 3), (double[]){16 / 116.001, 36 / 116.001, 64 / 116.001}, 1e-7);
}

Test(softmax, large_scores_do_not_overflow) {
    tf_array y, x = {tf_dims(3), (float[]){1e30f, -1e30f, 1e30f}};
    cr_assert_eq(run_plain("softmax", "exact", ARRAYS(x), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(3), (double[]){0.5, 0, 0.5}, 0);
}

Test(softmax, masked_entries_take_no_part) {
    /* Were the masked maximum subtracted, the others would vanish. */
    tf_array y, x = {tf_dims(3), (float[]){1, 1e4f, 1}}, mask = {tf_dims(3), (float[]){1, 0, 1}};
    cr_assert_eq(run_plain("softmax", "exact", ARRAYS(x, mask), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(3), (double[]){0.5, 0, 0.5}, 0);
}

Test(softmax, rows_without_weight_are_zero) {
    tf_array y, x = {tf_dims(2), (float[]){-1, -2}}, none = {tf_dims(2), (float[]){0, 0}};
    cr_assert_eq(run_plain("softmax", "relu", ARRAYS(x), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2), (double[]){0, 0}, 0);
    cr_assert_eq(run_plain("softmax", "exact", ARRAYS(x, none), TF_NO_ATTRS, &y), TF_OK, "%s", tf_error());
    check_values(y, tf_dims(2), (double[]){0, 0}, 0);
}

Test(softmax, refuses_masks_that_do_not_fit) {
    float zero[16] = {0};
    tf_array x = {tf_dims(2, 3), zero}, column = {tf_dims(2, 1), zero}, wrong = {tf_dims(3, 3), zero};
    check_refused("softmax", ARRAYS(x, column), TF_NO_ATTRS, "the mask's last dimension is 1, the scores' is 3");
    check_refused("softmax", ARRAYS(x, wrong), TF_NO_ATTRS, "the mask has shape 3x3, which cannot be broadcast to 2x3");
}

enum { TEXTS = 2, QUERIES = 5, KEYS = 7, HEADS = 3, DEPTH = 4, WIDTH = HEADS * DEPTH };

static double at(const tf_array *a, size_t text, size_t token, size_t head, size_t i) {
    return a->data[(text * a->shape.dim[1] + token) * WIDTH + head * DEPTH + i];
}

static void attention(const char *variant, const tf_array *q, const tf_array *k, const tf_array *v, const float *mask,
                      double *out) {
    for (size_t text = 0; text < TEXTS; text++)
        for (size_t head = 0; head < HEADS; head++)
            for (size_t row = 0; row < QUERIES; row++) {
                double s[KEYS] = {0}, p[KEYS];
                for (size_t j = 0; j < KEYS; j++) {
                    for (size_t i = 0; i < DEPTH; i++) s[j] += at(q, text, row, head, i) * at(k, text, j, head, i);
                    s[j] /= sqrt(DEPTH);
                }
                softmax_row(variant, 2, s, mask ? mask + text * KEYS : NULL, KEYS, p);
                for (size_t i = 0; i < DEPTH; i++) {
                    double *sum = &out[(text * QUERIES + row) * WIDTH + head * DEPTH + i];
                    for (size_t j = 0; j < KEYS; j++) *sum += p[j] * at(v, text, j, head, i);
                }
            }
}

static void check_attention(const char *variant, bool mask) {
    tf_array q = random_array(tf_dims(TEXTS, QUERIES, WIDTH), -2, 2, 1), y;
    tf_array k = random_array(tf_dims(TEXTS, KEYS, WIDTH), -2, 2, 2);
    tf_array v = random_array(tf_dims(TEXTS, KEYS, WIDTH), -2, 2, 3);
    float ones[TEXTS * KEYS] = {1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0};
    tf_array in[] = {q, k, v, {tf_dims(TEXTS, KEYS), ones}};
    double *wanted = doubles(TEXTS * QUERIES * WIDTH);
    attention(variant, &q, &k, &v, mask ? ones : NULL, wanted);
    cr_assert_eq(run_plain("attention", variant, mask ? 4 : 3, in, TF_ATTRS({"heads", HEADS}), &y), TF_OK, "%s",
                 tf_error());
    check_values(y, q.shape, wanted, 2e-6);
    free(q.data);
    free(k.data);
    free(v.data);
    free(wanted);
}

Test(attention, every_variant) {
    static const char *const variants[] = {"exact", "relu", "relu_n", "2quad", "power"};
    for (int i = 0; i < 5; i++)
        for (int mask = 0; mask < 2; mask++) check_attention(variants[i], mask);
}

/* The buckets of distances as Hugging Face's MPNet makes them: a table with one large row picks its bucket's keys. */
Test(attention, biases_by_distance) {
    enum { LENGTH = 140, ROWS = 32 };
    static const size_t first[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91, LENGTH};
    float zero[2 * LENGTH] = {0}, place[2 * LENGTH], bias[ROWS * 2];
    tf_shape shape = tf_dims(1, LENGTH, 2);
    tf_array q = {shape, zero}, v = {shape, place}, table = {tf_dims(ROWS, 2), bias}, y;
    const tf_attr attr[] = {{"heads", 2}, {"relative", 1}};
    for (size_t i = 0; i < 2 * LENGTH; i++) place[i] = (float)(i / 2);
    for (size_t row = 1; row < 16; row++) { /* the first head: keys after; the second: keys before */
        memset(bias, 0, sizeof bias);
        bias[(16 + row) * 2] = bias[row * 2 + 1] = 60;
        cr_assert_eq(run_plain("attention", "", ARRAYS(q, q, v, table), 2, attr, &y), TF_OK, "%s", tf_error());
        double mean = (double)(first[row] + first[row + 1] - 1) / 2;
        cr_assert_float_eq((double)y.data[0], mean, 1e-4, "row %zu: %g, not %g", row, (double)y.data[0], mean);
        cr_assert_float_eq((double)y.data[2 * LENGTH - 1], LENGTH - 1 - mean, 1e-4, "row %zu before", row);
        free(y.data);
    }
    tf_array narrow = {tf_dims(ROWS, 1), bias}, short_q = {tf_dims(1, 3, 2), zero};
    check_refused("attention", ARRAYS(q, q, v, narrow), 2, attr, "the table of distances has shape 32x1, not 32x2");
    check_refused("attention", ARRAYS(short_q, q, v, table), 2, attr, "3 queries of 140 keys have no distances");
    check_refused("attention", ARRAYS(q, q, v, table, table), 1, attr, "a fifth input");
    check_refused("attention", ARRAYS(q, q, table), 2, attr, "v has shape");
}

Test(attention, refuses_what_does_not_fit) {
    float zero[256] = {0};
    tf_array q = {tf_dims(2, 5, 12), zero}, k = {tf_dims(2, 7, 12), zero}, narrow = {tf_dims(2, 7, 10), zero};
    tf_array matrix = {tf_dims(5, 12), zero}, mask = {tf_dims(2, 5), zero};
    tf_attr heads = {"heads", 3}, uneven = {"heads", 5}, half = {"heads", 1.5};
    check_refused("attention", ARRAYS(q, narrow, k), 1, &heads, "k has shape 2x7x10, not 2x7x12");
    check_refused("attention", ARRAYS(q, k, q), 1, &heads, "v has shape 2x5x12, not 2x7x12");
    check_refused("attention", ARRAYS(matrix, k, k), 1, &heads, "q has shape 5x12, which is not of rank 3");
    check_refused("attention", ARRAYS(q, k, k, mask), 1, &heads, "the mask has shape 2x5, not 2x7");
    check_refused("attention", ARRAYS(q, k, k), 1, &uneven, "cannot be divided among 5 heads");
    check_refused("attention", ARRAYS(q, k, k), 1, &half, "attribute heads");
    check_refused("attention", ARRAYS(q, k, k), TF_NO_ATTRS, "attribute heads");
}
