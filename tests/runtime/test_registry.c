#include "runtime/graph/registry.h"

#include <criterion/criterion.h>
#include <string.h>

#include "ops/ops.h"
#include "runtime/graph/graph.h"

static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    return TF_OK;
}
static tf_status plain(const tf_node *node, const tf_array *in, tf_array *out) {
    return TF_OK;
}

static tf_op some_op(const char *kind, const char *variant) {
    return (tf_op){.kind = kind,
                   .variant = variant,
                   .summary = "an op",
                   .source = "a book",
                   .min_inputs = 1,
                   .max_inputs = 2,
                   .infer = infer,
                   .plain = plain};
}

static void check_refused(const tf_op *op, const char *reason) {
    cr_assert_eq(tf_registry_add(op), TF_INVALID);
    cr_assert(strstr(tf_error(), reason) != NULL, "%s", tf_error());
    cr_assert_null(tf_registry_at(0));
}

Test(registry, finds_what_was_added) {
    static tf_op first, second, other;
    first = some_op("square", "fast"), second = some_op("square", "slow"), other = some_op("cube", "");
    cr_assert_eq(tf_registry_add(&first), TF_OK);
    cr_assert_eq(tf_registry_add(&second), TF_OK);
    cr_assert_eq(tf_registry_add(&other), TF_OK);

    cr_assert_eq(tf_registry_find("square", "fast"), &first);
    cr_assert_eq(tf_registry_find("square", "slow"), &second);
    cr_assert_eq(tf_registry_find("square", ""), &first, "the first one is the default");
    cr_assert_eq(tf_registry_find("square", NULL), &first);
    cr_assert_eq(tf_registry_find("cube", ""), &other);
    cr_assert_null(tf_registry_find("square", "slower"));
    cr_assert_null(tf_registry_find("root", NULL));

    cr_assert_eq(tf_registry_at(0), &first);
    cr_assert_eq(tf_registry_at(2), &other);
    cr_assert_null(tf_registry_at(3));
    cr_assert_null(tf_registry_at(-1));
}

Test(registry, lists_variants) {
    static tf_op first, second, other;
    first = some_op("square", "fast"), second = some_op("square", "slow"), other = some_op("cube", "");
    cr_assert_eq(tf_registry_add(&first), TF_OK);
    cr_assert_eq(tf_registry_add(&other), TF_OK);
    cr_assert_eq(tf_registry_add(&second), TF_OK);
    char text[32], small[8];
    cr_assert_str_eq(tf_registry_variants("square", text, sizeof text), "fast, slow");
    cr_assert_str_eq(tf_registry_variants("cube", text, sizeof text), "");
    cr_assert_str_eq(tf_registry_variants("root", text, sizeof text), "");
    cr_assert_str_eq(tf_registry_variants("square", small, sizeof small), "fast, s", "cut, never overrun");
}

Test(registry, refuses_duplicates) {
    static tf_op first, second;
    first = some_op("square", "fast"), second = some_op("square", "fast");
    cr_assert_eq(tf_registry_add(&first), TF_OK);
    cr_assert_eq(tf_registry_add(&second), TF_INVALID);
    cr_assert(strstr(tf_error(), "square fast is registered already") != NULL, "%s", tf_error());
    cr_assert_null(tf_registry_at(1));
}

Test(registry, refuses_what_is_incomplete) {
    tf_op op;
    check_refused(NULL, "kind");
    op = some_op(NULL, ""), check_refused(&op, "kind");
    op = some_op("", ""), check_refused(&op, "kind");
    op = some_op("square", NULL), check_refused(&op, "variant");
    op = some_op("square", "fast"), op.summary = NULL, check_refused(&op, "summary");
    op = some_op("square", "fast"), op.source = NULL, check_refused(&op, "source");
    op = some_op("square", "fast"), op.infer = NULL, check_refused(&op, "infer");
    op = some_op("square", "fast"), op.plain = NULL, check_refused(&op, "plain");
    op = some_op("square", "fast"), op.max_inputs = 0, check_refused(&op, "max_inputs");
    op = some_op("square", "fast"), op.min_inputs = 3, check_refused(&op, "inputs");
    op = some_op("square", "fast"), op.max_inputs = TF_MAX_INPUTS + 1, check_refused(&op, "inputs");
}

Test(registry, refuses_names_that_lists_of_variants_cannot_hold) {
    tf_op op;
    op = some_op("square", "fast,slow"), check_refused(&op, "fast,slow");
    op = some_op("square=", "fast"), check_refused(&op, "square=");
    op = some_op("square", "a_variant_of_so_long_a_name"), check_refused(&op, "a_variant_of_so_long_a_name");
}

Test(registry, built_in_ops_register_once) {
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
    int count = 0;
    while (tf_registry_at(count)) count++;
    cr_assert_gt(count, 15);
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
    cr_assert_null(tf_registry_at(count));
    for (int i = 0; i < count; i++) {
        const tf_op *op = tf_registry_at(i);
        cr_assert_eq(tf_registry_find(op->kind, op->variant), op);
        cr_assert(op->low < op->high && op->private_error > 0, "%s %s states no error", op->kind, op->variant);
        cr_assert(!op->truth || tf_registry_find(op->kind, op->truth), "%s approximates an unknown op", op->kind);
        cr_assert(!op->truth || op->approximation_error > 0, "%s states no approximation error", op->kind);
    }
}

Test(registry, defaults_are_exact) {
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
    const char *kinds[] = {"gelu", "softmax", "attention", "layernorm", "tanh"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        cr_assert_str_eq(tf_registry_find(kinds[i], NULL)->variant, "exact");
    char text[64];
    cr_assert_str_eq(tf_registry_variants("gelu", text, sizeof text), "exact, relu, poly4, puma, quad");
    for (int i = 1; i < 3; i++)
        cr_assert_str_eq(tf_registry_variants(kinds[i], text, sizeof text), "exact, relu, relu_n, 2quad, power");
    cr_assert_str_eq(tf_registry_variants("layernorm", text, sizeof text), "exact, center");
}
