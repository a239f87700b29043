/* Loading ops from shared objects. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"
#include "runtime/graph/graph.h"
#include "tests/support/three.h"

static int count_ops(void) {
    int count = 0;
    while (tf_registry_at(count)) count++;
    return count;
}

/* Loading fails with this status, says `reason`, and leaves the registry as it was. */
static void check_refused(const char *path, tf_status status, const char *reason) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    int before = count_ops();
    cr_assert_eq(tf_registry_load(path), status, "%s: %s", path, tf_error());
    cr_assert(strstr(tf_error(), reason) != NULL, "%s", tf_error());
    cr_assert_eq(count_ops(), before);
}

Test(plugin, example_adds_an_activation) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    cr_assert_null(tf_registry_find("gelu", "squared_relu"));
    cr_assert_eq(tf_registry_load(TREFOIL_BINARY_DIR "/trefoil_plugin_example.so"), TF_OK, "%s", tf_error());
    cr_assert_not_null(tf_registry_find("gelu", "squared_relu"));
    cr_assert_str_eq(tf_registry_find("gelu", "")->variant, "exact", "the default stays");

    float x[] = {-2, -0.5f, 0, 0.5f, 3}, square[] = {0, 0, 0, 0.25f, 9};
    tf_graph graph;
    tf_graph_init(&graph);
    tf_id in = tf_graph_leaf(&graph, TF_LEAF_WEIGHT, "x", tf_dims(5), x);
    tf_id out = tf_graph_op(&graph, "gelu", "squared_relu", "y", TF_IN(in), TF_NO_ATTRS);
    cr_assert_eq(tf_graph_finish(&graph, out), TF_OK, "%s", tf_error());
    tf_array y;
    cr_assert_eq(tf_graph_plain(&graph, &y, NULL, NULL), TF_OK, "%s", tf_error());
    for (int i = 0; i < 5; i++) cr_assert_eq(y.data[i], square[i]);
    free(y.data);
    tf_graph_free(&graph);
}

Test(plugin, example_runs_privately) {
    enum { N = 1601 };
    static float x[N];
    static double square[N];
    const float *input[] = {x};
    double *output[] = {square};
    for (int i = 0; i < N; i++) x[i] = (float)(i - 800) / 100;
    cr_assert_eq(tf_registry_load(TREFOIL_BINARY_DIR "/trefoil_plugin_example.so"), TF_OK, "%s", tf_error());
    const tf_op *op = tf_registry_find("gelu", "squared_relu");
    tf_node node = {.op = op, .shape = tf_dims(N)};

    tf_program program;
    tf_program_init(&program, 16, 0, 1);
    tf_value in = tf_input(&program, 1, tf_dims(N), 16, 64, tf_default_bound(&program), 0);
    tf_output(&program, op->lower(&program, &node, &in), 1, 0);
    cr_assert_eq(tf_program_status(&program), TF_OK, "%s", tf_error());
    three run = {.program = &program, .party[1] = {.slots = {.input = input, .output = output}}};
    cr_assert_eq(three_parties(&run), TF_OK, "%s", tf_error());
    three_free(&run);
    for (int i = 0; i < N; i++) {
        double wanted = x[i] > 0 ? (double)x[i] * x[i] : 0;
        cr_assert_float_eq(square[i], wanted, op->private_error, "%g gives %g", (double)x[i], square[i]);
    }
    tf_program_free(&program);
}

Test(plugin, loading_twice_is_refused) {
    cr_assert_eq(tf_registry_load(TREFOIL_BINARY_DIR "/trefoil_plugin_example.so"), TF_OK, "%s", tf_error());
    check_refused(TREFOIL_BINARY_DIR "/trefoil_plugin_example.so", TF_INVALID, "registered already");
    cr_assert_not_null(tf_registry_find("gelu", "squared_relu"), "the first one stays");
}

Test(plugin, wrong_abi_is_refused) {
    check_refused(TREFOIL_BINARY_DIR "/tests/plugin_wrong_abi.so", TF_INVALID, "built for op interface");
}

Test(plugin, without_entry_is_refused) {
    check_refused(TREFOIL_BINARY_DIR "/tests/plugin_no_entry.so", TF_INVALID, "trefoil_plugin");
}

Test(plugin, is_added_whole_or_not_at_all) {
    check_refused(TREFOIL_BINARY_DIR "/tests/plugin_duplicate.so", TF_INVALID, "gelu relu is registered already");
    cr_assert_null(tf_registry_find("fresh", ""));
}

Test(plugin, missing_file) {
    check_refused(TREFOIL_BINARY_DIR "/no_such_plugin.so", TF_IO, "no_such_plugin.so");
    check_refused("no_such_plugin.so", TF_IO, "./no_such_plugin.so");
}

Test(plugin, file_that_is_no_shared_object) {
    check_refused(TREFOIL_SOURCE_DIR "/CMakeLists.txt", TF_IO, "CMakeLists.txt");
}
