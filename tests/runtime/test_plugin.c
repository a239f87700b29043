/* Loading ops from shared objects. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "models/model.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
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

/* The plugin's op on its example, between three parties as in floating point. */
static void check_example(const tf_op *op) {
    static const tf_example_sizes sizes = {.texts = 2, .tokens = 7, .width = 8, .rows = 1, .heads = 2};
    const float *input[TF_MAX_INPUTS];
    float plain[2 * 7 * 8];
    double private[2 * 7 * 8], *output[] = {private};
    tf_value value[TF_MAX_INPUTS];
    tf_sample sample;
    tf_program program;
    cr_assert_eq(tf_sample_make(op, tf_example_of(op), &sizes, 0, 1, &sample), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_sample_plain(&sample, op, plain), TF_OK);
    tf_program_init(&program, 16, 0, 1);
    double bound = tf_default_bound(&program);
    for (int i = 0; i < sample.node.inputs; i++) {
        const tf_node *leaf = &sample.leaf[i];
        input[i] = leaf->data;
        value[i] = leaf->leaf == TF_LEAF_NONE ? tf_input(&program, 1, leaf->shape, 16, 64, bound, i)
                                              : tf_program_leaf(&program, leaf);
    }
    tf_output(&program, op->lower(&program, &sample.node, value), 1, 0);
    cr_assert_eq(tf_program_status(&program), TF_OK, "%s", tf_error());
    three run = {.program = &program, .party[1] = {.slots = {.input = input, .output = output}}};
    cr_assert_eq(three_parties(&run), TF_OK, "%s", tf_error());
    three_free(&run);
    for (size_t i = 0; i < tf_shape_count(sample.node.shape); i++)
        cr_assert_float_eq(private[i], plain[i], op -> private_error, "%s: element %zu is %g, not %g", op->kind, i,
                           private[i], (double)plain[i]);
    tf_program_free(&program);
    tf_sample_free(&sample);
}

/* One registration makes both ops. */
Test(plugin, a_softmax_brings_its_attention) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    cr_assert_eq(tf_registry_load(TREFOIL_BINARY_DIR "/trefoil_plugin_softmax.so"), TF_OK, "%s", tf_error());
    const tf_op *softmax = tf_registry_find("softmax", "relu2"), *attention = tf_registry_find("attention", "relu2");
    cr_assert(softmax && attention);
    check_example(softmax);
    check_example(attention);
    float scores[] = {-3, 1, 2, 9}, mask[] = {1, 1, 1, 0}, row[4];
    tf_node node = {.op = softmax, .inputs = 2, .shape = tf_dims(4)};
    tf_array in[] = {{tf_dims(4), scores}, {tf_dims(4), mask}}, out = {tf_dims(4), row};
    cr_assert_eq(softmax->plain(&node, in, &out), TF_OK);
    const double wanted[] = {0, 1 / 5.001, 4 / 5.001, 0};
    for (int i = 0; i < 4; i++) cr_assert_float_eq(row[i], wanted[i], 1e-7);
}

/* A kind of which --approx may choose the variant need not be built in. */
Test(plugin, a_new_kind_can_be_chosen) {
    static tf_op first, second;
    tf_approx approx;
    char text[TF_APPROX_TEXT];
    cr_assert_eq(tf_ops_register(), TF_OK);
    first = *tf_registry_find("gelu", "exact");
    first.kind = "bump";
    first.places = 0;
    second = first;
    second.variant = "flat";
    cr_assert_eq(tf_registry_add(&first), TF_OK);
    cr_assert_eq(tf_registry_add(&second), TF_OK);
    cr_assert_eq(tf_approx_parse("bump=flat", &approx), TF_INVALID);
    cr_assert(strstr(tf_error(), "unknown kind 'bump'"), "%s", tf_error());
    first.places = 2;
    cr_assert_eq(tf_approx_parse("bump2=flat,gelu=relu", &approx), TF_OK, "%s", tf_error());
    cr_assert_str_eq(tf_approx_variant(&approx, "bump1", 3), "");
    cr_assert_str_eq(tf_approx_variant(&approx, "bump2", 3), "flat");
    cr_assert_str_eq(tf_approx_text(&approx, text), "gelu=relu,softmax=exact,layernorm=exact,bump2=flat");
    first.like = "gelu";
    second.variant = "relu";
    cr_assert_eq(tf_approx_parse("gelu@1=relu", &approx), TF_OK, "%s", tf_error());
    cr_assert_str_eq(tf_approx_variant(&approx, "bump", 1), "relu", "it follows the kind that it is like");
    cr_assert_str_eq(tf_approx_variant(&approx, "bump", 0), "exact");
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
