#include <stdio.h>
#include <string.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/measure/fidelity.h"
#include "experiments/app/measure/op_sample.h"
#include "experiments/app/report/results.h"

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
    printf("%-12s %-12s ", op->kind, op->variant[0] ? op->variant : "-");
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
    printf("%-12s %-12s %6s %8s %10s %8s %8s  %s\n", "kind", "variant", "rounds", "B/elem.", "range", "private",
           "formula", "what it computes [source]");
    for (int i = 0; tf_registry_at(i); i++) print_op(tf_registry_at(i));
    puts(
        "\nRounds and bytes: of the op alone on inputs of BERT-tiny's sizes for 4 texts of 128 tokens; bytes over all "
        "links, per\nelement of the output. Range: of inputs, over which the error bounds hold. Private: error of the "
        "private computation at\n16 fractional bits; formula: of what it computes against the exact variant. The first "
        "variant of a kind is its default.");
    return finish_output();
}

/* Measures every op and hands it to `each`; fails, after all of them, if one has left its bound. */
static tf_status measure_all(const cli_options *o, void (*each)(const tf_op *, const fidelity *, json_t *),
                             json_t *list) {
    cli_options local = *o;
    private_session *session;
    const tf_op *outside = NULL;
    local.links.local = true;
    TF_TRY(private_open(&local, &session));
    tf_status status = TF_OK;
    for (int i = 0; status == TF_OK && tf_registry_at(i); i++) {
        const tf_op *op = tf_registry_at(i);
        fidelity result;
        status = fidelity_measure(session, op, &result);
        if (status != TF_OK) break;
        if (!(result.private.max <= result.bound)) outside = op;
        each(op, &result, list);
    }
    private_close(session, status);
    if (status == TF_OK && outside)
        status = tf_fail(TF_RANGE, "%s %s is farther off than its declared bound", outside->kind, outside->variant);
    return status;
}

static void fidelity_json(const tf_op *op, const fidelity *f, json_t *list) {
    json_t *formula = f->truth ? json_pack("{s:s,s:f,s:f}", "truth", f->truth->variant, "max", f->formula.max, "mean",
                                           f->formula.mean)
                               : json_null();
    json_array_append_new(list,
                          json_pack("{s:s,s:s,s:[f,f],s:b,s:f,s:i,s:f,s:o,s:{s:f,s:f}}", "kind", op->kind, "variant",
                                    op->variant, "range", op->low, op->high, "trained", op->trained,
                                    "bytes_per_element", f->price.bytes, "rounds", f->price.rounds, "bound", f->bound,
                                    "formula", formula, "private", "max", f->private.max, "mean", f->private.mean));
}

/* What does not depend on the run's fresh keys comes first. */
static void fidelity_row(const tf_op *op, const fidelity *f, json_t *list) {
    printf("| %s | %s | %g..%g | %.1f | %d | ", op->kind, op->variant[0] ? op->variant : "-", op->low, op->high,
           f->price.bytes, f->price.rounds);
    if (f->truth)
        printf("%.2g | %.2g", f->formula.max, f->formula.mean);
    else
        printf("- | -");
    printf(" | %s | %.2g | %.2g | %.2g |\n", op->trained ? "itself" : "true", f->bound, f->private.max,
           f->private.mean);
}

static tf_status print_fidelity(const cli_options *o) {
    if (o->json) {
        json_t *list = json_array();
        tf_status status = measure_all(o, fidelity_json, list);
        json_t *object = json_pack("{s:i,s:o}", "seed", FIDELITY_SEED, "fidelity", list);
        if (status == TF_OK) return json_print(object);
        json_decref(object);
        return status;
    }
    printf(
        "# Fidelity\n\nMade by `trefoil ops --fidelity`: every op of the registry over its declared range, inputs from "
        "seed %d, at %d\nfractional bits, in floating point and between three parties in one process. Errors are "
        "absolute "
        "differences.\n\n"
        "- **bytes**: over all links, per element of the output, and **rounds**: of the op alone, for 4 texts of 128 "
        "tokens and a\n  width of 128.\n"
        "- **formula**: the variant in floating point against its kind's true function (the first variant); - for "
        "the "
        "true\n  function itself.\n"
        "- **private**: what the three parties get, against the true function, or, where weights are to be trained for "
        "a "
        "variant,\n  against the variant itself (**against**). **bound**: the most that is declared; tests hold ops to "
        "it. Fresh keys round\n  differently, so the last two columns vary a little from run to run. Where a row is "
        "divided by its sum or its norm, a unit\n  of 2^-16 counts for more as these shrink: softmax relu is within "
        "its "
        "bound for sums from 1/16.\n\n"
        "| kind | variant | range | bytes | rounds | formula max | formula mean | against | bound | private max | "
        "private "
        "mean |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
        FIDELITY_SEED, SAMPLE_FRACTION_BITS);
    tf_status status = measure_all(o, fidelity_row, NULL);
    return status == TF_OK ? finish_output() : status;
}

static tf_status run(const cli_options *o) {
    TF_TRY(register_ops(o));
    if (o->fidelity) return print_fidelity(o);
    return o->json ? print_json() : print_table();
}

const cli_command command_ops = {
    .name = "ops",
    .summary = "list the registry of ops",
    .description = "Lists the ops: kind, variants, source, rounds, bytes and error bounds; or measures the errors.",
    .accepts = (const char[]){OPTION_FIDELITY, OPTION_PLUGIN, 0},
    .requires = "",
    .run = run,
};
