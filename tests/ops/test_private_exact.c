/* The exact variants over inputs as real models have them, and worse. */
#include "tests/support/private.h"

static private_op on(const char *kind, tf_array x) {
    return (private_op){.kind = kind, .variant = "exact", .inputs = 1, .input = {{TF_LEAF_NONE, x}}};
}

Test(private_exact, gelu) {
    enum { N = 1 << 18 };
    double bound = declared("gelu", "exact"), worst = 0;
    worst = fmax(worst, check_private(on("gelu", grid_array(tf_dims(N), -8, 8)), bound, "grid"));
    worst = fmax(worst, check_private(on("gelu", grid_array(tf_dims(4, N / 8), -4, 4)), bound, "fine grid"));
    worst = fmax(worst, check_private(on("gelu", random_array(tf_dims(333), -8, 8, 5)), bound, "random"));
    worst = fmax(worst, check_private(on("gelu", grid_array(tf_dims(9999), -1000, 1000)), bound, "far tails"));
    cr_log_info("gelu exact: %.3g", worst);
    const double far[] = {-16000, -2049, -100, 100, 2049, 16000};
    for (int i = 0; i < 6; i++)
        check_private(on("gelu", grid_array(tf_dims(1), far[i], far[i])), bound, "one far element");
}

Test(private_exact, logistic) {
    static const char *const kinds[] = {"tanh", "sigmoid", "silu"};
    for (int i = 0; i < 3; i++) {
        double bound = declared(kinds[i], "exact");
        double worst = check_private(on(kinds[i], grid_array(tf_dims(3, 21845), -10, 10)), bound, "grid");
        cr_log_info("%s exact: %.3g", kinds[i], worst);
        check_private(on(kinds[i], grid_array(tf_dims(1001), -500, 500)), bound, "far tails");
        check_private(on(kinds[i], grid_array(tf_dims(2), -7000, 7000)), bound, "the ends of the range");
    }
}

/* Its shares travel in two messages. */
Test(private_exact, linear_with_a_large_weight) {
    enum { IN = 520, OUT = 521 };
    check_private((private_op){.kind = "linear",
                               .variant = "",
                               .inputs = 2,
                               .input = {{TF_LEAF_NONE, random_array(tf_dims(5, IN), -1, 1, 3)},
                                         {TF_LEAF_WEIGHT, random_array(tf_dims(OUT, IN), -1, 1, 4)}}},
                  1e-3, "two messages");
}

/* Softmax ---------------------------------------------------------------------------------------------------------- */

static const size_t width[] = {1, 2, 17, 128, 512};

static private_op softmax(tf_array x, bool masked, const char *variant) {
    private_op run = {.kind = "softmax", .variant = variant, .inputs = 1, .input = {{TF_LEAF_NONE, x}}};
    size_t n = tf_shape_last(x.shape);
    if (!masked) return run;
    tf_array mask = grid_array(tf_dims(n), 1, 1); /* padding at the end, as in a batch of texts */
    for (size_t i = n - n / 3; i < n; i++) mask.data[i] = 0;
    run.inputs = 2, run.input[1] = (private_input){TF_LEAF_CONSTANT, mask};
    return run;
}

static void check_softmax(const char *variant) {
    double worst = 0;
    for (int w = 0; w < 5; w++)
        for (int masked = 0; masked < 2; masked++) {
            tf_shape shape = tf_dims(37, width[w]);
            size_t n = width[w], count = 37 * n;
            /* weights below 2^-20 of the largest count as zero: longer rows may miss that many times as much */
            double bound = declared("softmax", variant) * fmax(1, (double)n / 256);
            worst = fmax(
                worst, check_private(softmax(random_array(shape, -48, 48, 3), masked, variant), bound, "wide spread"));
            worst = fmax(
                worst, check_private(softmax(random_array(shape, -2, 2, 4), masked, variant), bound, "narrow spread"));
            /* one entry above all others, which are equal, by 0, 0.5, 1 ...: where many small weights add up */
            tf_array peaks = grid_array(shape, -20, -20);
            for (size_t r = 0; r < 37; r++) peaks.data[r * n + r % n] += (float)r / 2;
            worst = fmax(worst, check_private(softmax(peaks, masked, variant), bound, "peaks"));
            tf_array flat = grid_array(shape, 0, 0);
            for (size_t i = 0; i < count; i++) flat.data[i] = (float)(i / n) * 96 / 36 - 48;
            worst = fmax(worst, check_private(softmax(flat, masked, variant), bound, "equal"));
        }
    cr_log_info("softmax %s: %.3g", variant, worst);
}

Test(private_exact, softmax) {
    check_softmax("exact");
}
Test(private_exact, softmax_of_relu) {
    check_softmax("relu");
}

/* Rows whose weights add up to something, as those of trained models do. */
Test(private_exact, softmax_of_powers) {
    for (double power = 2; power <= 8; power += 2) {
        double range = power == 2 ? 24 : power == 4 ? 7.9 : power == 6 ? 3.9 : 2.8;
        for (int masked = 0; masked < 2; masked++) {
            private_op run = softmax(random_array(tf_dims(37, 128), -range, range, 3), masked, "power");
            run.attrs = 1, run.attr[0] = (tf_attr){"p", power};
            check_private(run, declared("softmax", "power"), "powers");
        }
    }
}

Test(private_exact, other_softmaxes) {
    static const char *const variants[] = {"relu_n", "2quad"};
    for (int i = 0; i < 2; i++)
        for (int w = 0; w < 5; w++)
            for (int masked = 0; masked < 2; masked++)
                check_private(softmax(random_array(tf_dims(37, width[w]), -24, 24, 3), masked, variants[i]),
                              declared("softmax", variants[i]), "random");
}

/* Texts of several lengths in one batch: what a text gets does not depend on the others' lengths. */
Test(private_exact, attention_of_padded_texts) {
    enum { TEXTS = 4, LENGTH = 20, WIDTH = 16 };
    static const size_t lengths[TEXTS] = {20, 2, 7, 13};
    static const char *const variants[] = {"exact", "relu", "relu_n", "2quad", "power"};
    for (int i = 0; i < 5; i++) {
        tf_shape shape = tf_dims(TEXTS, LENGTH, WIDTH);
        tf_array mask = grid_array(tf_dims(TEXTS, LENGTH), 0, 0);
        for (size_t k = 0; k < TEXTS * LENGTH; k++) mask.data[k] = k % LENGTH < lengths[k / LENGTH];
        private_op run = {.kind = "attention", .variant = variants[i], .inputs = 4, .attrs = 1, .attr = {{"heads", 2}}};
        for (int k = 0; k < 3; k++)
            run.input[k] = (private_input){TF_LEAF_NONE, random_array(shape, -4, 4, 5 + (uint64_t)k)};
        run.input[3] = (private_input){TF_LEAF_CONSTANT, mask};
        check_private(run, declared("attention", variants[i]), "padded");
    }
}

static private_op biased_attention(const char *variant, size_t lengths[2]) {
    enum { TEXTS = 2, LENGTH = 30, WIDTH = 16 };
    private_op run = {.kind = "attention", .variant = variant, .inputs = 5, .attrs = 2};
    run.attr[0] = (tf_attr){"heads", 2}, run.attr[1] = (tf_attr){"relative", 1};
    tf_array mask = grid_array(tf_dims(TEXTS, LENGTH), 0, 0);
    for (size_t k = 0; k < TEXTS * LENGTH; k++) mask.data[k] = k % LENGTH < lengths[k / LENGTH];
    for (int k = 0; k < 3; k++)
        run.input[k].array = random_array(tf_dims(TEXTS, LENGTH, WIDTH), -4, 4, 5 + (uint64_t)k);
    run.input[3] = (private_input){TF_LEAF_CONSTANT, mask};
    run.input[4] = (private_input){TF_LEAF_WEIGHT, random_array(tf_dims(32, 2), -6, 6, 9)};
    return run;
}

Test(private_exact, attention_with_biases_by_distance) {
    static const char *const variants[] = {"exact", "relu"};
    for (int i = 0; i < 2; i++)
        check_private(biased_attention(variants[i], (size_t[]){30, 17}), declared("attention", variants[i]), "biased");
    private_op refused = biased_attention("relu_n", (size_t[]){30, 30});
    cr_assert_eq(private_run(&refused), TF_INVALID);
    cr_assert(strstr(tf_error(), "takes no biases") != NULL, "%s", tf_error());
    private_free(&refused);
}

/* LayerNorm: rows like those of trained models, in many sizes of mean, deviation and outliers ---------------------- */

static double normal(uint64_t *seed) {
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(*seed >> 11) / 0x1p53;
    }
    return sum;
}

static private_op layernorm(const char *variant, size_t rows, size_t n, uint64_t seed, bool outliers) {
    tf_array x = grid_array(tf_dims(rows, n), 0, 0), gamma = grid_array(tf_dims(n), 0, 0),
             beta = grid_array(tf_dims(n), 0, 0);
    for (size_t r = 0; r < rows; r++) {
        double t = rows > 1 ? (double)r / (double)(rows - 1) : 0.5, mean = 20 * sin(5 * (double)r),
               deviation = 0.05 * pow(300, t);
        for (size_t i = 0; i < n; i++) x.data[r * n + i] = (float)(mean + deviation * normal(&seed));
        if (outliers) x.data[r * n + r % n] = r % 2 ? 224 : -72, x.data[r * n + (r + 7) % n] = 30;
    }
    for (size_t i = 0; i < n; i++)
        gamma.data[i] = (float)(1 + 0.2 * normal(&seed)), beta.data[i] = (float)(0.2 * normal(&seed));
    return (private_op){.kind = "layernorm",
                        .variant = variant,
                        .inputs = 3,
                        .input = {{TF_LEAF_NONE, x}, {TF_LEAF_WEIGHT, gamma}, {TF_LEAF_WEIGHT, beta}},
                        .attrs = 1,
                        .attr = {{"eps", 1e-12}}};
}

static void check_layernorm(const char *variant) {
    double bound = declared("layernorm", variant), worst = 0;
    const size_t widths[] = {128, 384, 768};
    bool may_have_outliers = !strcmp(variant, "exact"); /* the centring variant is for weights that bound activations */
    for (int w = 0; w < 3; w++)
        for (int outliers = 0; outliers <= may_have_outliers; outliers++) {
            worst = fmax(worst, check_private(layernorm(variant, 64, widths[w], 11 + w, outliers), bound,
                                              outliers ? "outliers" : "normal"));
            check_private(layernorm(variant, 1, widths[w], 17 + w, outliers), bound, "one row");
        }
    cr_log_info("layernorm %s: %.3g", variant, worst);
}

Test(private_exact, layernorm) {
    check_layernorm("exact");
}
Test(private_exact, layernorm_centring) {
    check_layernorm("center");
}

/* Rows of little variance, sums of squares down to 2^-7: what a small model's first layers have. */
Test(private_exact, small_variances) {
    static const double variances[] = {4e-3, 1e-3, 4e-4};
    for (int v = 0; v < 3; v++)
        for (int rms = 0; rms < 2; rms++) {
            enum { ROWS = 8, N = 32 };
            tf_array x = grid_array(tf_dims(ROWS, N), 0, 0);
            uint64_t seed = 5;
            for (size_t i = 0; i < ROWS * N; i++)
                x.data[i] = (float)((rms ? 0 : 1.5) + sqrt(variances[v]) * normal(&seed));
            private_op run = on(rms ? "rmsnorm" : "layernorm", x);
            run.attrs = 1;
            run.attr[0] = (tf_attr){"eps", 1e-12};
            /* a unit of the input counts for as much as the division enlarges it */
            check_private(run, 4 * 0x1p-16 / sqrt(variances[v]), "small variance");
        }
}
