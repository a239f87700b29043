#include <stdio.h>
#include <string.h>

#include "experiments/cli/commands.h"
#include "experiments/cli/model_files.h"
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
    return object;
}

static tf_status print_json(void) {
    json_t *list = json_array();
    for (int i = 0; tf_registry_at(i); i++) json_array_append_new(list, op_json(tf_registry_at(i)));
    return json_print(json_pack("{s:o}", "ops", list));
}

static tf_status print_table(void) {
    const tf_op *op;
    printf("%-12s %-10s %14s %9s %9s  %s\n", "kind", "variant", "range", "private", "approx.", "");
    for (int i = 0; (op = tf_registry_at(i)); i++) {
        char range[32];
        snprintf(range, sizeof range, "%g..%g", op->low, op->high);
        printf("%-12s %-10s %14s %9.1g ", op->kind, op->variant[0] ? op->variant : "-", range, op->private_error);
        if (op->truth)
            printf("%9.3g", op->approximation_error);
        else
            printf("%9s", "-");
        printf("  %s\n%60s%s\n", op->summary, "", op->source);
    }
    puts("\nRange: of inputs, over which the bounds hold. Private: the largest error of the private computation at 16\n"
         "fractional bits; approx.: of the formula itself. The first variant of a kind is its default.");
    return finish_output();
}

static tf_status run(const cli_options *o) {
    TF_TRY(register_ops(o));
    return o->json ? print_json() : print_table();
}

const cli_command command_ops = {
    .name = "ops",
    .summary = "list the registry of ops",
    .description = "Lists the ops: kind, variants, source and error bounds.",
    .accepts = (const char[]){OPTION_PLUGIN, 0},
    .requires = "",
    .run = run,
};
