/*
 * Real models on real text: what three parties compute against floating point, on 200 sentences each. The models are
 * fetched by the set-up (MiniLM) or stand in the shared directory (bert-tiny); without them a test is skipped.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SENTENCES = 200 };

static const double TOLERANCE = 0.005, CLEAR_MARGIN = 0.05;

/** Runs `trefoil` with these arguments and parses what it prints. */
static json_t *trefoil(const char *arguments) {
    char command[4 * 4096];
    snprintf(command, sizeof command, "%s/trefoil %s", TREFOIL_BINARY_DIR, arguments);
    FILE *pipe = popen(command, "r");
    cr_assert(pipe);
    json_error_t error;
    json_t *object = json_loadf(pipe, JSON_REJECT_DUPLICATES, &error);
    cr_assert_eq(pclose(pipe), 0, "%s", command);
    cr_assert(object, "%s: %s", command, error.text);
    return object;
}

static bool readable(const char *path) {
    return access(path, R_OK) == 0;
}

static const char *minilm(void) {
    const char *given = getenv("TREFOIL_MINILM"), *path = given ? given : TREFOIL_SOURCE_DIR "/.cache/minilm";
    char file[4096];
    snprintf(file, sizeof file, "%s/model.safetensors", path);
    if (!readable(file)) cr_skip_test("MiniLM is not there: the set-up step fetches it");
    return path;
}

static const char *shared(const char *path) {
    static char file[2][4096];
    static int turn;
    const char *given = getenv("TREFOIL_SHARED");
    turn = !turn;
    snprintf(file[turn], sizeof file[turn], "%s/%s", given ? given : TREFOIL_SOURCE_DIR "/../shared", path);
    if (!readable(file[turn])) cr_skip_test("%s is not there", path);
    return file[turn];
}

/** The first SENTENCES texts of a labelled table (a header, then text and label or label and text), one a line. */
static void first_texts(const char *table, int column, const char *out) {
    FILE *from = fopen(table, "r"), *to = fopen(out, "w");
    char line[8192];
    int written = 0;
    cr_assert(from && to && fgets(line, sizeof line, from));
    while (written < SENTENCES && fgets(line, sizeof line, from)) {
        char *field = strtok(line, "\t\n");
        for (int i = 0; i < column && field; i++) field = strtok(NULL, "\t\n");
        cr_assert(field);
        fprintf(to, "%s\n", field);
        written++;
    }
    cr_assert_eq(written, SENTENCES);
    fclose(from);
    fclose(to);
}

/** Every number of every text within the tolerance; the same label wherever the plain model's choice is clear. */
static void compare(const json_t *private, const json_t *plain, const char *key) {
    const json_t *a = json_object_get(private, "results"), *b = json_object_get(plain, "results");
    cr_assert_eq(json_array_size(a), SENTENCES);
    cr_assert_eq(json_array_size(b), SENTENCES);
    double worst = 0;
    for (size_t i = 0; i < SENTENCES; i++) {
        const json_t *x = json_array_get(a, i), *y = json_array_get(b, i);
        const json_t *u = json_object_get(x, key), *v = json_object_get(y, key);
        cr_assert(json_array_size(u) > 1 && json_array_size(u) == json_array_size(v));
        double best = -INFINITY, second = -INFINITY;
        for (size_t k = 0; k < json_array_size(u); k++) {
            double value = json_number_value(json_array_get(v, k));
            worst = fmax(worst, fabs(json_number_value(json_array_get(u, k)) - value));
            if (value > best)
                second = best, best = value;
            else if (value > second)
                second = value;
        }
        const char *label = json_string_value(json_object_get(x, "label"));
        if (label && best - second > CLEAR_MARGIN)
            cr_assert_str_eq(label, json_string_value(json_object_get(y, "label")), "text %zu", i);
    }
    fprintf(stderr, "largest difference of %s over %d texts: %.6f\n", key, SENTENCES, worst);
    cr_assert_leq(worst, TOLERANCE);
    const json_t *forecast = json_object_get(private, "forecast"), *bytes = json_object_get(private, "bytes");
    cr_assert(json_equal(json_object_get(forecast, "bytes"), json_object_get(bytes, "total")));
    cr_assert(json_equal(json_object_get(forecast, "rounds"), json_object_get(private, "rounds")));
}

static void run(const char *model, const char *texts, const char *key) {
    char arguments[3 * 4096];
    snprintf(arguments, sizeof arguments, "infer --local --json --timeout 300 --model %s --input %s", model, texts);
    json_t *private = trefoil(arguments);
    snprintf(arguments, sizeof arguments, "plain --json --model %s --input %s", model, texts);
    json_t *plain = trefoil(arguments);
    compare(private, plain, key);
    json_decref(private);
    json_decref(plain);
}

static char directory[] = "/tmp/trefoil-end-XXXXXX";

static const char *in_directory(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void set_up(void) {
    cr_assert(mkdtemp(directory));
}

static void tear_down(void) {
    char command[4096];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(end_to_end, .init = set_up, .fini = tear_down, .timeout = 1200);

Test(end_to_end, bert_tiny_on_film_reviews) {
    first_texts(shared("data/sst2/dev.tsv"), 0, in_directory("texts.txt"));
    run(shared("models/bert-tiny-sst2"), in_directory("texts.txt"), "logits");
}

Test(end_to_end, minilm_embeddings_of_customer_messages) {
    const char *model = minilm();
    first_texts(TREFOIL_SOURCE_DIR "/experiments/data/banking77_sample.tsv", 0, in_directory("texts.txt"));
    run(model, in_directory("texts.txt"), "embedding");
}

Test(end_to_end, minilm_with_a_fitted_head) {
    char command[4096];
    const char *model = minilm(), *sample = TREFOIL_SOURCE_DIR "/experiments/data/banking77_sample.tsv";
    snprintf(command, sizeof command, "%s/trefoil fit-head --model %s --data %s --out %s/head >/dev/null",
             TREFOIL_BINARY_DIR, model, sample, directory);
    cr_assert_eq(system(command), 0);
    first_texts(sample, 0, in_directory("texts.txt"));
    char head[4096];
    snprintf(head, sizeof head, "%s/head", directory);
    run(head, in_directory("texts.txt"), "logits");
}
