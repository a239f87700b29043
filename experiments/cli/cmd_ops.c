#include <stdio.h>
#include <string.h>

#include "experiments/cli/commands.h"
#include "experiments/cli/model_files.h"
#include "experiments/cli/op_cost.h"
#include "experiments/cli/results.h"

/* Whether an op is its kind's default variant: the first one registered. */
static bool is_default(const tf_op *op) {
    return tf_registry_find(op->kind, NULL) == op;
}

static json_t *op_json(const tf_op *op) {
    json_t *object = json_pack("{s:s,s:s,s:b,s:s,s:s,s:[f,f],s:f}", "kind", op->kind, "variant", op->variant, "default",
                               is_default(op), "summary", op->summary, "source", op->source, "range", op->low, op->high,
                               "private_error", op->private_error);
    json_object_set_new(object, "approximates", op->truth ? json_string(op->truth) : json_null());
    json_object_set_new(object, "approximation_error", op->truth ? json_real(op->approximation_error) : json_null());
    op_price price;
    bool priced = op_price_find(op, &price) == TF_OK;
    json_object_set_new(object, "rounds", priced ? json_integer(price.rounds) : json_null());
    json_object_set_new(object, "bytes_per_element", priced ? json_real(price.bytes) : json_null());
    return object;
}

static tf_status print_json(void) {
    json_t *list = json_array();
    for (int i = 0; tf_registry_at(i); i++) json_array_append_new(list, op_json(tf_registry_at(i)));
    return json_print(json_pack("{s:o}", "ops", list));
}

/* One line: numbers first, since the summaries are of any length. */
static void print_op(const tf_op *op) {
    op_price price;
    char range[32];
    snprintf(range, sizeof range, "%g..%g", op->low, op->high);
    printf("%-12s %-8s ", op->kind, op->variant[0] ? op->variant : "-");
    if (op_price_find(op, &price) == TF_OK)
        printf("%6d %8.1f", price.rounds, price.bytes);
    else
        printf("%6s %8s", "-", "-");
    printf(" %10s %8.1g ", range, op->private_error);
    if (op->truth)
        printf("%8.2g", op->approximation_error);
    else
        printf("%8s", "-");
    printf("  %s [%s]\n", op->summary, op->source);
}

static tf_status print_table(void) {
    printf("%-12s %-8s %6s %8s %10s %8s %8s  %s\n", "kind", "variant", "rounds", "B/elem.", "range", "private",
           "formula", "what it computes [source]");
    for (int i = 0; tf_registry_at(i); i++) print_op(tf_registry_at(i));
    puts(
        "\nRounds and bytes: of the op alone on inputs of BERT-tiny's sizes for 4 texts of 128 tokens; bytes over all "
        "links, per\nelement of the output. Range: of inputs, over which the error bounds hold. Private: error of the "
        "private computation at\n16 fractional bits; formula: of what it computes against the exact variant. The first "
        "variant of a kind is its default.");
    return finish_output();
}

static tf_status run(const cli_options *o) {
    TF_TRY(register_ops(o));
    return o->json ? print_json() : print_table();
}

const cli_command command_ops = {
    .name = "ops",
    .summary = "list the registry of ops",
    .description = "Lists the ops: kind, variants, source, rounds, bytes and error bounds.",
    .accepts = (const char[]){OPTION_PLUGIN, 0},
    .requires = "",
    .run = run,
};
