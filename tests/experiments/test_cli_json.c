/* The JSON of the command line, as experiments/JSON.md describes it, from the built program with a tiny model. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/trefoil-test-XXXXXX";

/* Runs a shell command in which $trefoil is the program, $work the temporary directory and $tests this room. */
static int shell(const char *command, char *output, size_t size) {
    setenv("trefoil", TREFOIL_BINARY_DIR "/trefoil", 1);
    setenv("work", directory, 1);
    setenv("tests", TREFOIL_SOURCE_DIR "/tests/experiments", 1);
    FILE *pipe = popen(command, "r");
    cr_assert(pipe);
    size_t used = fread(output, 1, size - 1, pipe);
    output[used] = 0;
    cr_assert(used < size - 1, "output too long for this test");
    return pclose(pipe);
}

static json_t *run(const char *command) {
    static char output[1 << 20];
    json_error_t error;
    cr_assert_eq(shell(command, output, sizeof output), 0, "%s", command);
    json_t *object = json_loads(output, JSON_REJECT_DUPLICATES, &error);
    cr_assert(object, "%s: %s in %s", command, error.text, output);
    return object;
}

static void set_up(void) {
    char output[4096];
    cr_assert(mkdtemp(directory));
    cr_assert_eq(shell("bash -c '. $tests/../support/tiny_model.sh && make_tiny_model $work/tiny && cp -r $work/tiny "
                       "$work/embed && "
                       "sed -i s/ForSequenceClassification/Model/ $work/embed/config.json'",
                       output, sizeof output),
                 0);
}

static void tear_down(void) {
    char output[4096];
    shell("rm -rf $work", output, sizeof output);
}

TestSuite(cli_json, .init = set_up, .fini = tear_down);

static double real(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    cr_assert(json_is_real(value), "%s is not a real", key);
    return json_real_value(value);
}

static json_int_t integer(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    cr_assert(json_is_integer(value), "%s is not an integer", key);
    return json_integer_value(value);
}

static void check_seconds(const json_t *object) {
    const json_t *seconds = json_object_get(object, "seconds");
    double total = real(seconds, "total");
    cr_assert(real(seconds, "setup") >= 0);
    cr_assert(real(seconds, "online") >= 0);
    cr_assert(total >= real(seconds, "online"));
}

/* bytes.total is the sum of the 3x3 matrix bytes.links, whose diagonal is 0. */
static json_int_t check_bytes(const json_t *object) {
    const json_t *bytes = json_object_get(object, "bytes"), *links = json_object_get(bytes, "links");
    json_int_t sum = 0;
    cr_assert_eq(json_array_size(links), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *row = json_array_get(links, i);
        cr_assert_eq(json_array_size(row), 3);
        for (size_t j = 0; j < 3; j++) {
            cr_assert(json_is_integer(json_array_get(row, j)));
            sum += json_integer_value(json_array_get(row, j));
        }
        cr_assert_eq(json_integer_value(json_array_get(row, i)), 0);
    }
    cr_assert_eq(integer(bytes, "total"), sum);
    return sum;
}

static void check_logits(const json_t *results, size_t texts) {
    static const char *const name[] = {"red", "green", "blue"};
    cr_assert_eq(json_array_size(results), texts);
    for (size_t i = 0; i < texts; i++) {
        const json_t *result = json_array_get(results, i), *logits = json_object_get(result, "logits");
        cr_assert_eq(integer(result, "index"), (json_int_t)i);
        cr_assert_eq(json_array_size(logits), 3);
        size_t top = 0;
        double sum = 0, value[3];
        for (size_t k = 0; k < 3; k++) {
            value[k] = json_real_value(json_array_get(logits, k));
            if (value[k] > value[top]) top = k;
            sum += exp(value[k]);
        }
        cr_assert_str_eq(json_string_value(json_object_get(result, "label")), name[top]);
        cr_assert_float_eq(real(result, "score"), exp(value[top]) / sum, 1e-6);
        cr_assert_null(json_object_get(result, "embedding"));
    }
}

Test(cli_json, plain_classifies) {
    json_t *object = run("$trefoil plain --json --model $work/tiny --text 'hello world' --text 'a good film' --text a");
    check_logits(json_object_get(object, "results"), 3);
    check_seconds(object);
    cr_assert_eq(check_bytes(object), 0);
    cr_assert_eq(integer(object, "rounds"), 0);
    cr_assert_eq(integer(json_object_get(object, "forecast"), "bytes"), 0);
    cr_assert_eq(integer(json_object_get(object, "forecast"), "rounds"), 0);
    cr_assert_null(json_object_get(object, "max_abs_error"));
    json_decref(object);
}

Test(cli_json, plain_embeds) {
    json_t *object = run("$trefoil plain --json --model $work/embed --text 'hello world'");
    const json_t *result = json_array_get(json_object_get(object, "results"), 0);
    const json_t *embedding = json_object_get(result, "embedding");
    cr_assert_eq(json_array_size(embedding), 8);
    double squares = 0;
    for (size_t i = 0; i < 8; i++) squares += pow(json_real_value(json_array_get(embedding, i)), 2);
    cr_assert_float_eq(squares, 1, 1e-5);
    cr_assert(json_is_null(json_object_get(result, "label")));
    cr_assert(json_is_null(json_object_get(result, "score")));
    cr_assert_null(json_object_get(result, "logits"));
    json_decref(object);
}

Test(cli_json, the_approximation_counts) {
    json_t *exact = run("$trefoil plain --json --model $work/tiny --text 'hello world'");
    json_t *paper = run("$trefoil plain --json --model $work/tiny --text 'hello world' --approx paper");
    cr_assert_not(json_equal(json_object_get(exact, "results"), json_object_get(paper, "results")));
    json_decref(exact);
    json_decref(paper);
}

Test(cli_json, fit_head_reports) {
    json_t *object =
        run("printf 'label\\ttext\\nx\\thello\\ny\\tworld\\nx\\thello !\\ny\\tworld !\\n' >$work/data.tsv && "
            "$trefoil fit-head --json --model $work/tiny --data $work/data.tsv --out $work/head");
    cr_assert_eq(integer(object, "texts"), 4);
    cr_assert_eq(integer(object, "labels"), 2);
    cr_assert(real(object, "train_accuracy") >= 0.5);
    cr_assert(real(json_object_get(object, "seconds"), "total") >= 0);
    json_decref(object);
    object = run("$trefoil plain --json --model $work/head --text hello");
    const json_t *result = json_array_get(json_object_get(object, "results"), 0);
    cr_assert_eq(json_array_size(json_object_get(result, "logits")), 2);
    json_decref(object);
}

Test(cli_json, ops_are_listed) {
    json_t *object = run("$trefoil ops --json");
    const json_t *ops = json_object_get(object, "ops"), *op;
    size_t i;
    bool gelu = false;
    json_array_foreach(ops, i, op) {
        cr_assert(json_is_string(json_object_get(op, "summary")));
        cr_assert(json_is_string(json_object_get(op, "source")));
        cr_assert_gt(real(op, "private_error"), 0);
        cr_assert_geq(integer(op, "rounds"), 0);
        cr_assert_geq(real(op, "bytes_per_element"), 0);
        gelu |= !strcmp(json_string_value(json_object_get(op, "kind")), "gelu");
    }
    cr_assert(gelu);
    json_decref(object);
}

Test(cli_json, fidelity_of_every_op) {
    json_t *object = run("$trefoil ops --fidelity --json");
    const json_t *list = json_object_get(object, "fidelity"), *op;
    size_t i, formulas = 0;
    cr_assert_eq(integer(object, "seed"), 1);
    cr_assert_gt(json_array_size(list), 30);
    json_array_foreach(list, i, op) {
        const json_t *formula = json_object_get(op, "formula"), *private = json_object_get(op, "private");
        cr_assert(json_is_boolean(json_object_get(op, "trained")));
        cr_assert_geq(integer(op, "rounds"), 0);
        cr_assert_geq(real(op, "bytes_per_element"), 0);
        cr_assert_leq(real(private, "max"), real(op, "bound"));
        cr_assert_leq(real(private, "mean"), real(private, "max"));
        if (json_is_null(formula)) continue;
        formulas++;
        cr_assert_str_eq(json_string_value(json_object_get(formula, "truth")), "exact");
        cr_assert_gt(real(formula, "mean"), 0);
        cr_assert_gt(real(formula, "max"), real(formula, "mean"));
    }
    cr_assert_geq(formulas, 13);
    json_decref(object);
}

Test(cli_json, tokens_are_a_line_of_json_a_text) {
    char output[4096];
    cr_assert_eq(shell("printf '\"hello\"\\n[\"hello\", \"a world\"]\\n' >$work/texts.jsonl && "
                       "$trefoil tokenize --model $work/tiny --input $work/texts.jsonl",
                       output, sizeof output),
                 0);
    cr_assert_str_eq(output, "[2, 5, 3]\n[2, 5, 3, 7, 6, 3]\n");
}

Test(cli_json, infer_does_what_cost_forecasts) {
    json_t *object = run("$trefoil infer --local --check --json --model $work/tiny --text 'hello world'");
    const json_t *forecast = json_object_get(object, "forecast");
    check_logits(json_object_get(object, "results"), 1);
    check_seconds(object);
    json_int_t bytes = check_bytes(object), rounds = integer(object, "rounds");
    cr_assert_gt(bytes, 0);
    cr_assert_gt(rounds, 0);
    cr_assert_gt(integer(json_object_get(object, "bytes"), "setup"), 0);
    cr_assert_eq(integer(forecast, "bytes"), bytes);
    cr_assert_eq(integer(forecast, "rounds"), rounds);
    cr_assert_lt(real(object, "max_abs_error"), 0.02);
    json_decref(object);

    object = run("$trefoil cost --json --model $work/tiny --seq 4"); /* two words and two special tokens */
    cr_assert_eq(check_bytes(object), bytes);
    cr_assert_eq(integer(object, "rounds"), rounds);
    cr_assert_gt(integer(object, "memory"), 0);
    json_decref(object);
}

Test(cli_json, cost_names_every_op) {
    json_t *object = run("$trefoil cost --json --arch bert-tiny --seq 16 --batch 2");
    const json_t *ops = json_object_get(object, "ops"), *op;
    json_int_t bytes = 0;
    size_t i;
    bool gelu = false;
    json_array_foreach(ops, i, op) {
        cr_assert(json_is_string(json_object_get(op, "name")));
        bytes += integer(op, "bytes");
        cr_assert_geq(integer(op, "rounds"), 0);
        gelu |= !strcmp(json_string_value(json_object_get(op, "kind")), "gelu");
    }
    cr_assert(gelu);
    cr_assert_gt(bytes, 0);
    cr_assert_leq(bytes, check_bytes(object));
    json_decref(object);
}

static void check_critical(const char *command, bool last_pass) {
    json_t *object = run(command);
    const json_t *step;
    json_int_t time = 0;
    size_t i;
    json_array_foreach(json_object_get(object, "critical"), i, step) {
        cr_assert(json_is_string(json_object_get(step, "op")) && json_is_string(json_object_get(step, "step")));
        cr_assert_eq(integer(step, "begin"), time);
        time = integer(step, "end");
    }
    cr_assert_gt(i, 10);
    cr_assert_eq(time,
                 last_pass ? integer(json_object_get(object, "per_token"), "rounds") - 1 : integer(object, "rounds"));
    json_decref(object);
}

Test(cli_json, cost_tells_what_decides_the_rounds) {
    check_critical("$trefoil cost --json --critical --arch bert-tiny --seq 16", false);
    /* the data owner tells in a round of its own whether there is a next token */
    check_critical("$trefoil cost --json --critical --arch gpt2 --layers 1 --seq 8 --tokens 2", true);
    char output[1 << 16];
    cr_assert_eq(shell("$trefoil cost --critical --arch bert-base --seq 32", output, sizeof output), 0);
    cr_assert_not_null(strstr(output, "rounds 12 times"), "a layer is shown once");
    cr_assert_lt(strlen(output), 8192);
}

static void check_bench(const char *command, const char *key, const char *name, json_int_t elements) {
    json_t *object = run(command);
    const json_t *forecast = json_object_get(object, "forecast");
    cr_assert_str_eq(json_string_value(json_object_get(object, key)), name);
    cr_assert(json_is_array(json_object_get(object, "shape")));
    cr_assert_eq(integer(object, "elements"), elements);
    cr_assert_eq(integer(object, "runs"), 2);
    check_seconds(object);
    cr_assert_eq(integer(forecast, "bytes"), check_bytes(object));
    cr_assert_eq(integer(forecast, "rounds"), integer(object, "rounds"));
    const json_t *seconds = json_object_get(object, "seconds");
    cr_assert_leq(real(seconds, "fastest"), real(seconds, "online"));
    cr_assert_geq(real(seconds, "slowest"), real(seconds, "online"));
    json_decref(object);
}

Test(cli_json, bench_reports) {
    check_bench("$trefoil bench --local --json --step sign --n 300 --runs 2", "step", "sign", 300);
    check_bench("$trefoil bench --local --json --matmul 5x6x7 --runs 2", "step", "matmul", 35);
    check_bench("$trefoil bench --local --json --arch bert-tiny --layers 1 --seq 8 --runs 2", "arch", "bert-tiny", 128);
}

/* What a profile counts; seconds are only summed. */
static json_int_t check_times(const json_t *row) {
    static const char *const activity[] = {"local", "prf", "encryption", "packing", "waiting"};
    const json_t *seconds = json_object_get(row, "seconds"), *product = json_object_get(row, "product");
    double sum = 0;
    for (size_t i = 0; i < sizeof activity / sizeof *activity; i++) {
        cr_assert_geq(real(seconds, activity[i]), -1e-6);
        sum += real(seconds, activity[i]);
    }
    cr_assert_float_eq(real(seconds, "total"), sum, 1e-6 + 1e-6 * sum);
    cr_assert_geq(integer(row, "ops"), 0);
    cr_assert_geq(integer(row, "rounds"), 0);
    if (!product) return 0;
    cr_assert_gt(real(product, "peak_seconds"), 0);
    cr_assert_float_eq(real(product, "efficiency") * real(product, "seconds"), real(product, "peak_seconds"), 1e-6);
    return integer(product, "multiplications");
}

Test(cli_json, bench_says_where_the_time_goes) {
    json_t *object =
        run("$trefoil bench --local --json --threads 1 --arch bert-tiny --layers 1 --seq 8 --runs 2 --report");
    const json_t *profile = json_object_get(object, "profile"), *ops = json_object_get(profile, "ops"), *op;
    const json_t *total = json_object_get(profile, "total"), *rest = json_object_get(profile, "rest");
    json_int_t bytes = integer(rest, "bytes"), multiplications = check_times(rest), linear = 0;
    size_t i;
    json_array_foreach(ops, i, op) {
        cr_assert(json_is_string(json_object_get(op, "variant")));
        bytes += integer(op, "bytes");
        multiplications += check_times(op);
        const char *kind = json_string_value(json_object_get(op, "kind"));
        if (!strcmp(kind, "linear") || !strcmp(kind, "residual")) linear += check_times(op);
    }
    /* one product of three is this party's: the four of attention, and the two of the feed-forward layers; two of
     * the six with what is left to be added */
    cr_assert_eq(linear, 8 * (4 * 128 * 128 + 2 * 128 * 512));
    cr_assert_gt(multiplications, linear);
    cr_assert_eq(check_times(total), multiplications);
    cr_assert_eq(integer(total, "bytes"), bytes);
    cr_assert_eq(bytes, check_bytes(object));
    cr_assert_eq(integer(total, "rounds"), integer(object, "rounds"));
    cr_assert_gt(real(json_object_get(profile, "peak"), "64"), 0);
    json_decref(object);

    char output[1024];
    cr_assert_neq(shell("$trefoil bench --local --step relu --report 2>&1", output, sizeof output), 0);
    cr_assert(strstr(output, "--report: with --arch or --model"), "%s", output);
}

Test(cli_json, settings_tell_what_results_depend_on) {
    json_t *object = run("$trefoil infer --local --json --model $work/tiny --text 'a secret text' --frac-bits 15 "
                         "--approx paper");
    const json_t *settings = json_object_get(object, "settings");
    cr_assert_eq(integer(settings, "frac_bits"), 15);
    cr_assert(json_is_null(json_object_get(settings, "batch")), "batches are packed unless they are asked for");
    cr_assert_eq(integer(settings, "data_owner"), 1);
    cr_assert_str_eq(json_string_value(json_object_get(settings, "approx")), "paper");
    cr_assert(json_is_true(json_object_get(settings, "local")));
    cr_assert(json_is_null(json_object_get(settings, "limit")));
    cr_assert_null(json_object_get(settings, "text"));
    cr_assert_null(json_object_get(settings, "model"));
    json_decref(object);
}
