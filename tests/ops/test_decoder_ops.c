/* Ops that decoders need: attention over a cache with grouped heads and causal masks, rotary positions, slices. */
#include <math.h>

#include "tests/support/private.h"

enum { TEXTS = 2, KEYS = 6, CAPACITY = 9, HEADS = 4, KV_HEADS = 2, DEPTH = 4, WIDTH = HEADS * DEPTH };
enum { KV_WIDTH = KV_HEADS * DEPTH };

/* Query i of n looks at the keys up to KEYS - n + i, but not at the first `padding` of the second text. */
static tf_array causal(size_t queries, size_t padding) {
    tf_array mask = {tf_dims(TEXTS, queries, KEYS), calloc(TEXTS * queries * KEYS, sizeof(float))};
    for (size_t text = 0; text < TEXTS; text++)
        for (size_t i = 0; i < queries; i++)
            for (size_t j = text ? padding : 0; j <= KEYS - queries + i; j++)
                mask.data[(text * queries + i) * KEYS + j] = 1;
    return mask;
}

static void attend(const float *q, const tf_array *k, const tf_array *v, const float *mask, size_t text, size_t head,
                   double *out) {
    double weight[KEYS], sum = 0;
    size_t at = text * CAPACITY * KV_WIDTH + head / (HEADS / KV_HEADS) * DEPTH;
    for (size_t j = 0; j < KEYS; j++) {
        double score = 0;
        for (size_t i = 0; i < DEPTH; i++) score += (double)q[i] * k->data[at + j * KV_WIDTH + i];
        sum += weight[j] = mask[j] != 0 ? exp(score / sqrt(DEPTH)) : 0;
    }
    for (size_t j = 0; j < KEYS; j++)
        for (size_t i = 0; i < DEPTH; i++) out[i] += weight[j] / sum * v->data[at + j * KV_WIDTH + i];
}

Test(decoder_ops, attention_over_a_cache_with_grouped_heads) {
    for (size_t queries = 1; queries < 4; queries++) {
        tf_array q = random_array(tf_dims(TEXTS, queries, WIDTH), -2, 2, 1), y;
        tf_array k = random_array(tf_dims(TEXTS, CAPACITY, KV_WIDTH), -2, 2, 2);
        tf_array v = random_array(tf_dims(TEXTS, CAPACITY, KV_WIDTH), -2, 2, 3), mask = causal(queries, 2);
        double *wanted = doubles(TEXTS * queries * WIDTH);
        for (size_t row = 0; row < TEXTS * queries; row++)
            for (size_t head = 0; head < HEADS; head++)
                attend(q.data + row * WIDTH + head * DEPTH, &k, &v, mask.data + row * KEYS, row / queries, head,
                       wanted + row * WIDTH + head * DEPTH);
        cr_assert_eq(
            run_plain("attention", "", ARRAYS(q, k, v, mask), TF_ATTRS({"heads", HEADS}, {"kv_heads", KV_HEADS}), &y),
            TF_OK, "%s", tf_error());
        check_values(y, q.shape, wanted, 2e-6);
        free(q.data), free(k.data), free(v.data), free(mask.data), free(wanted);
    }
}

static private_op cached_attention(size_t queries, size_t kv_heads, const char *variant) {
    private_op run = {.kind = "attention", .variant = variant, .inputs = 4, .attrs = 2};
    run.attr[0] = (tf_attr){"heads", HEADS}, run.attr[1] = (tf_attr){"kv_heads", (double)kv_heads};
    run.input[0].array = random_array(tf_dims(TEXTS, queries, WIDTH), -4, 4, 5);
    for (int i = 1; i < 3; i++)
        run.input[i].array = random_array(tf_dims(TEXTS, CAPACITY, kv_heads * DEPTH), -4, 4, 5 + (uint64_t)i);
    run.input[3] = (private_input){TF_LEAF_CONSTANT, causal(queries, 2)};
    return run;
}

static void check_cached_attention(private_op run) {
    cr_assert_eq(private_run(&run), TF_OK, "%s", tf_error());
    double error = 0;
    for (size_t i = 0; i < tf_shape_count(run.plain.shape); i++)
        error = fmax(error, fabs(run.result[i] - (double)run.plain.data[i]));
    cr_assert_leq(error, run.op->private_error, "%s with %zu queries: %g", run.variant, run.input[0].array.shape.dim[1],
                  error);
    private_free(&run);
}

Test(decoder_ops, private_attention_over_a_cache) {
    static const char *const variants[] = {"exact", "relu", "relu_n", "2quad", "power"};
    for (int i = 0; i < 5; i++) {
        check_cached_attention(cached_attention(1, KV_HEADS, variants[i]));
        check_cached_attention(cached_attention(3, KV_HEADS, variants[i]));
        check_cached_attention(cached_attention(3, HEADS, variants[i]));
    }
}

/* How much keys are attended to, over all heads, by the queries that count. */
Test(decoder_ops, attention_tells_what_is_attended_to) {
    static const char *const variants[] = {"exact", "relu", "relu_n", "2quad", "power"};
    for (int i = 0; i < 5; i++) {
        enum { QUERIES = 3 };
        private_op run = cached_attention(QUERIES, KV_HEADS, variants[i]);
        run.inputs = 5;
        run.attr[run.attrs++] = (tf_attr){"tells", 1};
        run.input[4] = (private_input){TF_LEAF_CONSTANT, {tf_dims(TEXTS, QUERIES), calloc(TEXTS * QUERIES, 4)}};
        run.input[4].array.data[1] = run.input[4].array.data[2] = run.input[4].array.data[5] = 1;
        cr_assert_eq(private_run(&run), TF_OK, "%s", tf_error());
        cr_assert(tf_shape_equal(run.plain.shape, tf_dims(TEXTS, QUERIES * WIDTH + KEYS)));
        for (size_t text = 0; text < TEXTS; text++) {
            const float *told = run.plain.data + text * (QUERIES * WIDTH + KEYS) + QUERIES * WIDTH;
            double sum = 0;
            for (size_t key = 0; key < KEYS; key++) sum += (double)told[key];
            if (i == 0) cr_assert_float_eq(sum, text ? HEADS : 2 * HEADS, 1e-4, "%g", sum);
            if (text) cr_assert_eq(told[0] + told[1], 0, "padding is attended to");
        }
        double error = 0;
        for (size_t k = 0; k < tf_shape_count(run.plain.shape); k++)
            error = fmax(error, fabs(run.result[k] - (double)run.plain.data[k]));
        cr_assert_leq(error, HEADS * run.op->private_error, "%s: %g", variants[i], error);
        private_free(&run);
    }
}

/* The largest come first, and rows follow; what is masked comes last. */
Test(decoder_ops, rows_that_are_attended_to_most) {
    enum { ROWS = 40, KEPT = 7, OF = 3 };
    private_op most = {.kind = "most_attended", .variant = "", .inputs = 2, .attrs = 3};
    most.attr[0] = (tf_attr){"count", KEPT}, most.attr[1] = (tf_attr){"frac", 8}, most.attr[2] = (tf_attr){"bound", 41};
    most.input[0].array = random_array(tf_dims(TEXTS, ROWS), 0, 40, 3);
    most.input[1] = (private_input){TF_LEAF_CONSTANT, {tf_dims(TEXTS, 1, ROWS), calloc(TEXTS * ROWS, sizeof(float))}};
    for (size_t i = 0; i < TEXTS * ROWS; i++) { /* no two alike when rounded */
        most.input[0].array.data[i] = (float)((i * 13 + 5) % ROWS);
        most.input[1].array.data[i] = i < ROWS || i % ROWS >= ROWS - KEPT + 2;
    }
    cr_assert_eq(private_run(&most), TF_OK, "%s", tf_error());
    for (size_t i = 0; i < TEXTS * KEPT * ROWS; i++) cr_assert_eq(most.result[i], (double)most.plain.data[i]);
    for (size_t k = 0; k < KEPT; k++) { /* the first text has no mask: 39, 38, ... */
        size_t at = 0;
        while (at < ROWS && most.plain.data[k * ROWS + at] == 0) at++;
        cr_assert_eq((at * 13 + 5) % ROWS, ROWS - 1 - k);
    }
    for (size_t k = 0; k < KEPT - 2; k++) /* the second one has so many that count */
        for (size_t i = 0; i < ROWS - KEPT + 2; i++) cr_assert_eq(most.plain.data[(KEPT + k) * ROWS + i], 0);
    private_op pick = {.kind = "pick", .variant = "", .inputs = 2};
    pick.input[0].array = (tf_array){most.plain.shape, calloc(TEXTS * KEPT * ROWS, sizeof(float))};
    memcpy(pick.input[0].array.data, most.plain.data, TEXTS * KEPT * ROWS * sizeof(float));
    pick.input[1].array = random_array(tf_dims(TEXTS, ROWS, OF), -30, 30, 9);
    cr_assert_eq(private_run(&pick), TF_OK, "%s", tf_error());
    for (size_t i = 0; i < TEXTS * KEPT * OF; i++) cr_assert_float_eq(pick.result[i], (double)pick.plain.data[i], 1e-3);
    private_free(&most);
    private_free(&pick);
    tf_array x = {tf_dims(1, 4), (float[]){0, 0, 0, 0}};
    check_refused("most_attended", ARRAYS(x), TF_ATTRS({"count", 5}), "5 rows are to be kept of 4");
}

Test(decoder_ops, repeated_tokens_are_penalised) {
    tf_array x = {tf_dims(1, 1, 4), (float[]){4, -4, 3, -1}}, seen = {tf_dims(1, 4), (float[]){1, 1, 0, 0}}, y;
    cr_assert_eq(run_plain("repeat_penalty", "", ARRAYS(x, seen), TF_ATTRS({"penalty", 2}), &y), TF_OK, "%s",
                 tf_error());
    check_values(y, x.shape, (double[]){2, -8, 3, -1}, 1e-6);
    check_refused("repeat_penalty", ARRAYS(x, seen), TF_ATTRS({"penalty", 0}), "attribute penalty is 0");
}

Test(decoder_ops, attention_refuses_groups_that_do_not_fit) {
    float zero[512] = {0};
    tf_array q = {tf_dims(2, 1, 16), zero}, k = {tf_dims(2, 9, 8), zero}, mask = {tf_dims(2, 1, 10), zero};
    check_refused("attention", ARRAYS(q, k, k), TF_ATTRS({"heads", 4}, {"kv_heads", 3}),
                  "4 heads cannot share 3 heads");
    check_refused("attention", ARRAYS(q, k, k), TF_ATTRS({"heads", 4}, {"kv_heads", 1}),
                  "k has shape 2x9x8, not 2x9x4");
    check_refused("attention", ARRAYS(q, k, k, mask), TF_ATTRS({"heads", 4}, {"kv_heads", 2}),
                  "the mask has shape 2x1x10, not 2x1x9");
}

Test(decoder_ops, rotary_layer_turns_pairs_of_halves) {
    /* one token, two inputs, six outputs: a head of four that is turned by 90 and 60 degrees, and two that are not */
    float weight[] = {1, 0, 0, 1, 1, 1, 2, 0, 3, 0, 0, 3}, root = sqrtf(3) / 2;
    tf_array x = {tf_dims(1, 1, 2), (float[]){5, 7}}, w = {tf_dims(6, 2), weight}, y;
    tf_array table = {tf_dims(1, 1, 4), (float[]){0, 0.5f, 1, root}}, bias = {tf_dims(6), (float[]){1, 0, 0, 0, 0, 2}};
    cr_assert_eq(run_plain("rotary_linear", "", ARRAYS(x, w, table, bias), TF_ATTRS({"rotated", 4}), &y), TF_OK, "%s",
                 tf_error());
    check_values(y, tf_dims(1, 1, 6),
                 (double[]){-12, 7 * 0.5 - 10 * (double)root, 6, 10 * 0.5 + 7 * (double)root, 15, 23}, 1e-5);
    check_refused("rotary_linear", ARRAYS(x, w, table), TF_ATTRS({"rotated", 6}), "6 of 6 outputs cannot be cut");
    check_refused("rotary_linear", ARRAYS(x, w, table), TF_NO_ATTRS, "attribute rotated");
}

Test(decoder_ops, slices) {
    tf_array x = {tf_dims(2, 2, 3), (float[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}, y;
    cr_assert_eq(run_plain("columns", "", ARRAYS(x), TF_ATTRS({"first", 1}, {"count", 2}), &y), TF_OK);
    check_values(y, tf_dims(2, 2, 2), (double[]){1, 2, 4, 5, 7, 8, 10, 11}, 0);
    cr_assert_eq(run_plain("last_token", "", ARRAYS(x), TF_NO_ATTRS, &y), TF_OK);
    check_values(y, tf_dims(2, 1, 3), (double[]){3, 4, 5, 9, 10, 11}, 0);
    cr_assert_eq(run_plain("first_tokens", "", ARRAYS(x), TF_ATTRS({"count", 1}), &y), TF_OK);
    check_values(y, tf_dims(2, 1, 3), (double[]){0, 1, 2, 6, 7, 8}, 0);
    check_refused("first_tokens", ARRAYS(x), TF_ATTRS({"count", 3}), "3 tokens wanted of texts of 2");
    check_refused("columns", ARRAYS(x), TF_ATTRS({"first", 2}, {"count", 2}), "2 columns from column 2 wanted of 3");
}
