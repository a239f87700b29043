/* ranges.json: written and read back, refused when malformed, applied to a graph. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "models/ranges.h"
#include "net/base/file.h"
#include "ops/ops.h"

static char directory[] = "/tmp/trefoil-test-XXXXXX", path[64];

static void set_up(void) {
    cr_assert(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/ranges.json", directory);
    cr_assert_eq(tf_ops_register(), TF_OK);
}

static void remove_private(void) {
    char own[300];
    cr_assert_eq(tf_path_join(directory, TF_RANGES_PRIVATE_FILE, own, sizeof own), TF_OK);
    cr_assert_eq(unlink(own), 0);
}

static void tear_down(void) {
    unlink(path);
    rmdir(directory);
}

TestSuite(ranges, .init = set_up, .fini = tear_down);

static void put(const char *text) {
    FILE *file = fopen(path, "w");
    cr_assert(file);
    fputs(text, file);
    fclose(file);
}

Test(ranges, are_read_as_they_were_written) {
    tf_ranges made = {.factor = 2, .texts = 7, .approx = "gelu=relu,softmax=exact,layernorm=exact"}, read;
    bool found;
    memset(made.model, 'a', 64);
    cr_assert_eq(tf_ranges_note(&made, "x", 1.5), TF_OK);
    cr_assert_eq(tf_ranges_note(&made, "y", 0), TF_OK);
    cr_assert_eq(tf_ranges_note(&made, "x", 1.25), TF_OK); /* no larger than before */
    tf_ranges_note_row(&made, "x", 2e6);
    tf_ranges_note_row(&made, "x", 0.5);
    cr_assert_eq(tf_ranges_write(directory, &made), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_ranges_read(directory, made.approx, &read, &found), TF_OK, "%s", tf_error());
    cr_assert(found);
    cr_assert_eq(read.entry[0].square, 0x1p23, "8e6 with its room, rounded up");
    cr_assert_eq(read.entry[1].square, 0, "its rows are not guarded");
    cr_assert_eq(read.count, 2);
    cr_assert_eq(tf_ranges_find(&read, "x"), 4, "3 with its room, rounded up");
    cr_assert_eq(tf_ranges_find(&read, "y"), 1);
    cr_assert_eq(tf_ranges_find(&read, "z"), 0);
    cr_assert(read.rounded);
    cr_assert_str_eq(read.id, made.id);
    cr_assert_str_empty(read.model);
    bool match;
    cr_assert_eq(tf_ranges_match(directory, &read, made.model, &match), TF_OK, "%s", tf_error());
    cr_assert(match);
    made.model[5] = 'b';
    cr_assert_eq(tf_ranges_match(directory, &read, made.model, &match), TF_OK);
    cr_assert_not(match, "other weights");
    made.model[5] = 'a', read.id[7] ^= 1;
    cr_assert_eq(tf_ranges_match(directory, &read, made.model, &match), TF_OK);
    cr_assert_not(match, "another calibration");
    remove_private();
    cr_assert_eq(tf_ranges_match(directory, &read, made.model, &match), TF_IO);
    cr_assert_str_eq(read.approx, made.approx);
    tf_ranges_free(&made);
    tf_ranges_free(&read);
}

/* What all parties get tells neither the weights nor what their owner calibrated on. */
Test(ranges, do_not_show_what_they_were_made_of) {
    tf_ranges made = {.factor = 3, .texts = 7654321, .approx = "gelu=relu"};
    char *text;
    size_t size;
    struct stat info;
    memset(made.model, 'a', 64);
    cr_assert_eq(tf_ranges_note(&made, "x", 1.2345), TF_OK);
    cr_assert_eq(tf_ranges_write(directory, &made), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_file_read(path, 4096, &text, &size), TF_OK);
    const char *const secret[] = {"aaaaaaaa", "7654321", "1.23", "factor", "texts", "model"};
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++) cr_assert_null(strstr(text, secret[i]), "%s", text);
    cr_assert_not_null(strstr(text, "4.0"));
    free(text);
    char first[TF_DIGEST_TEXT];
    strcpy(first, made.id);
    cr_assert_eq(tf_ranges_write(directory, &made), TF_OK);
    cr_assert_str_neq(first, made.id, "the id is not drawn anew");
    char own[300];
    cr_assert_eq(tf_path_join(directory, TF_RANGES_PRIVATE_FILE, own, sizeof own), TF_OK);
    cr_assert(!stat(own, &info) && (info.st_mode & 0777) == 0600);
    remove_private();
    tf_ranges_free(&made);
}

Test(ranges, need_not_be_there) {
    tf_ranges ranges;
    bool found = true;
    cr_assert_eq(tf_ranges_read(directory, "", &ranges, &found), TF_OK);
    cr_assert_not(found);
}

/* A calibration for each approximation, of the same weights; those of other weights go. */
Test(ranges, are_kept_for_each_approximation) {
    static const char *const approx[] = {"gelu=exact", "gelu=relu", "gelu=exact"};
    tf_ranges read;
    bool found, match;
    char model[TF_DIGEST_TEXT] = {0};
    memset(model, 'a', 64);
    for (int i = 0; i < 3; i++) {
        tf_ranges made = {.factor = 1};
        strcpy(made.approx, approx[i]);
        strcpy(made.model, model);
        cr_assert_eq(tf_ranges_note(&made, "x", 3 << i), TF_OK);
        cr_assert_eq(tf_ranges_write(directory, &made), TF_OK, "%s", tf_error());
        tf_ranges_free(&made);
    }
    const double expected[] = {16, 8}; /* the newest of each */
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(tf_ranges_read(directory, approx[i], &read, &found), TF_OK, "%s", tf_error());
        cr_assert(found);
        cr_assert_str_eq(read.approx, approx[i]);
        cr_assert_eq(tf_ranges_find(&read, "x"), expected[i]);
        cr_assert_eq(tf_ranges_match(directory, &read, model, &match), TF_OK);
        cr_assert(match);
        tf_ranges_free(&read);
    }
    cr_assert_eq(tf_ranges_read(directory, "gelu=quad", &read, &found), TF_OK);
    cr_assert_not(found);
    cr_assert_eq(read.count, 0);
    cr_assert(!strcmp(read.approx, "gelu=relu") || !strcmp(read.approx, "gelu=exact"), "names one that is there");

    tf_ranges other = {.factor = 1, .approx = "gelu=quad"};
    memset(other.model, 'b', 64);
    cr_assert_eq(tf_ranges_note(&other, "x", 1), TF_OK);
    cr_assert_eq(tf_ranges_write(directory, &other), TF_OK);
    tf_ranges_free(&other);
    cr_assert_eq(tf_ranges_read(directory, "gelu=relu", &read, &found), TF_OK);
    cr_assert_not(found, "that of other weights stays");
    remove_private();
}

/* A file that is one calibration, as it once was, serves as long as it is there. */
Test(ranges, may_be_the_whole_file) {
    tf_ranges read;
    bool found;
    put("{\"id\": \"0123456789012345678901234567890123456789012345678901234567890123\", \"approx\": \"gelu=relu\", "
        "\"ranges\": {\"x\": 8}, \"rows\": {}}");
    cr_assert_eq(tf_ranges_read(directory, "gelu=relu", &read, &found), TF_OK, "%s", tf_error());
    cr_assert(found);
    cr_assert_eq(tf_ranges_find(&read, "x"), 8);
    tf_ranges_free(&read);
    cr_assert_eq(tf_ranges_read(directory, "gelu=exact", &read, &found), TF_OK);
    cr_assert_not(found);
}

#define DIGEST "0123456789012345678901234567890123456789012345678901234567890123"

Test(ranges, that_are_malformed_are_refused) {
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"calibrations\": {}}",
        "{\"calibrations\": [1]}",
        "{\"id\": \"12\", \"approx\": \"\", \"ranges\": {}}",
        "{\"id\": \"" DIGEST "\", \"ranges\": {}}",
        "{\"id\": \"" DIGEST "\", \"approx\": \"\", \"ranges\": [1]}",
        "{\"id\": \"" DIGEST "\", \"approx\": \"\", \"ranges\": {\"x\": -1}}",
        "{\"id\": \"" DIGEST "\", \"approx\": \"\", \"ranges\": {\"x\": 0.5}}",
        "{\"id\": \"" DIGEST "\", \"approx\": \"\", \"ranges\": {\"x\": 3}}",
        "{\"id\": \"" DIGEST "\", \"approx\": \"\", \"ranges\": {\"x\": \"1\"}}",
        "{\"id\": \"" DIGEST "\", \"approx\": \"\", \"ranges\": {\"x\": 1e300}}",
        "{\"id\": \"" DIGEST "\", \"approx\": \"\", \"ranges\": {\"x\\u0007\": 1}}",
        "{\"id\": \"" DIGEST "\", \"approx\": \"\", \"ranges\": {\"x\": 1}}",
        "{\"id\": \"" DIGEST "\", \"approx\": \"\", \"ranges\": {\"x\": 1}, \"rows\": {\"x\": 3}}",
        "{\"id\": \"" DIGEST "\", \"approx\": \"\", \"ranges\": {\"x\": 1}, \"rows\": {\"y\": 1}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tf_ranges ranges;
        bool found;
        put(bad[i]);
        cr_assert_eq(tf_ranges_read(directory, "", &ranges, &found), TF_FORMAT, "%s", bad[i]);
        cr_assert(strstr(tf_error(), path), "%s", tf_error());
    }
    char text[512];
    snprintf(text, sizeof text, "{\"id\": \"" DIGEST "\", \"approx\": \"\", \"ranges\": {\"%0100d\": 1}}", 1);
    tf_ranges ranges;
    bool found;
    put(text);
    cr_assert_eq(tf_ranges_read(directory, "", &ranges, &found), TF_FORMAT);
}

Test(ranges, of_a_floating_point_run_declare_those_of_the_private_one) {
    const float data[] = {-3, 0.25f, 2};
    tf_graph graph;
    tf_array out;
    tf_ranges ranges = {.factor = 2};
    tf_ranges_watch watch = {.ranges = &ranges};
    tf_graph_init(&graph);
    tf_id x = tf_graph_leaf(&graph, TF_LEAF_CONSTANT, "x", tf_dims(3), data);
    tf_id y = tf_graph_op(&graph, "scale", "", "y", TF_IN(x), TF_ATTRS({"factor", 2}));
    tf_id z = tf_graph_op(&graph, "scale", "", "z", TF_IN(y), TF_ATTRS({"factor", 0.015625}));
    cr_assert_eq(tf_graph_finish(&graph, z), TF_OK);
    cr_assert_eq(tf_graph_plain(&graph, &out, tf_ranges_watch_node, &watch), TF_OK);
    free(out.data);
    cr_assert_eq(watch.status, TF_OK);
    cr_assert_eq(tf_ranges_find(&ranges, "y"), 6);
    tf_ranges_apply(&ranges, &graph);
    cr_assert_eq(graph.node[x].range, 0);
    cr_assert_eq(graph.node[y].range, 16, "12 with its room, rounded up");
    cr_assert_eq(graph.node[z].range, 1, "a range is at least 1");
    tf_graph_free(&graph);
    tf_ranges_free(&ranges);
}

Test(ranges, must_be_finite) {
    float data[] = {1, __builtin_nanf("")};
    tf_ranges ranges = {.factor = 2};
    tf_ranges_watch watch = {.ranges = &ranges};
    tf_graph graph = {.node = &(tf_node){.name = "x"}, .nodes = 1};
    tf_ranges_watch_node(&watch, &graph, 0, &(tf_array){tf_dims(2), data});
    cr_assert_eq(watch.status, TF_RANGE);
    cr_assert_eq(ranges.count, 0);
}

/* Two rows that a norm divides by, of which the second's elements are `size` from their mean, and a flat one. */
static tf_ranges calibrated(const char *kind, const char *variant, float size) {
    enum { ROWS = 3, WIDTH = 32 };
    static const int32_t tokens[ROWS] = {0, 1, 2};
    float table[ROWS * WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++)
        table[i] = (i % 2 ? 1 : -1) * (i < WIDTH ? 4 : i < 2 * WIDTH ? size : 0) + (strcmp(kind, "rmsnorm") ? 0.5f : 0);
    tf_ranges ranges = {.factor = 2};
    tf_ranges_watch watch = {.ranges = &ranges};
    tf_graph graph;
    tf_array plain;
    tf_graph_init(&graph);
    tf_id x = tf_graph_op(&graph, "embedding", "", "rows",
                          TF_IN(tf_graph_leaf(&graph, TF_LEAF_TOKENS, "ids", tf_dims(1, ROWS), tokens),
                                tf_graph_leaf(&graph, TF_LEAF_WEIGHT, "table", tf_dims(ROWS, WIDTH), table)),
                          TF_NO_ATTRS);
    cr_assert_eq(tf_graph_finish(&graph, tf_graph_op(&graph, kind, variant, "norm", TF_IN(x), TF_NO_ATTRS)), TF_OK);
    cr_assert_eq(tf_graph_plain(&graph, &plain, tf_ranges_watch_node, &watch), TF_OK, "%s", tf_error());
    cr_assert_eq(watch.status, TF_OK);
    free(plain.data);
    tf_graph_free(&graph);
    return ranges;
}

/* Squared norms of 512, with their room 2048, bounded by 8192: four doublings, sums of squares from 2^-15 on. */
Test(ranges, are_refused_where_rows_are_too_flat) {
    const char *kind[] = {"layernorm", "rmsnorm", "layernorm"}, *variant[] = {"exact", "exact", "center"};
    for (int k = 0; k < 3; k++)
        for (int flat = 0; flat < 2; flat++) {
            tf_ranges ranges = calibrated(kind[k], variant[k], flat ? 0x1p-11f : 0x1p-9f);
            bool refused = flat && k < 2;
            cr_assert_eq(tf_ranges_check_rows(&ranges, tf_norm_resolves), refused ? TF_RANGE : TF_OK, "%s, %d", kind[k],
                         flat);
            if (refused) cr_assert(strstr(tf_error(), "rows: a row's squares add up to 7.6e-06"), "%s", tf_error());
            double least = 0;
            for (size_t i = 0; i < ranges.count; i++) least = ranges.entry[i].least > 0 ? ranges.entry[i].least : least;
            cr_assert_eq(least, k == 2 ? 0 : flat ? 0x1p-17 : 0x1p-13);
            tf_ranges_free(&ranges);
        }
}
