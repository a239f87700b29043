#include "experiments/app/report/ops_report.h"

#include <stdio.h>

static json_t *op_json(const op_row *row) {
    const tf_op *op = row->op;
    json_t *object = json_pack("{s:s,s:s,s:b,s:s,s:s,s:[f,f],s:f}", "kind", op->kind, "variant", op->variant, "default",
                               row->is_default, "summary", op->summary, "source", op->source, "range", op->low,
                               op->high, "private_error", op->private_error);
    json_object_set_new(object, "approximates", op->truth ? json_string(op->truth) : json_null());
    json_object_set_new(object, "approximation_error", op->truth ? json_real(op->approximation_error) : json_null());
    json_object_set_new(object, "rounds", row->priced ? json_integer(row->price.rounds) : json_null());
    json_object_set_new(object, "bytes_per_element", row->priced ? json_real(row->price.bytes) : json_null());
    return object;
}

/* Widths at which a range has a column, and a summary stands beside the numbers; and where it then begins. */
enum { RANGE_BESIDE = 76, SUMMARY_BESIDE = 116, SUMMARY_AT = 77, INDENT = 4 };

/* One line: numbers first, since the summaries are of any length. */
static void print_op(const op_row *row) {
    const tf_op *op = row->op;
    const int width = report_columns();
    char range[32], summary[512];
    snprintf(range, sizeof range, "%g..%g", op->low, op->high);
    printf("%-14s %-11s ", op->kind, op->variant[0] ? op->variant : "-");
    if (row->priced)
        printf("%6d %8.1f", row->price.rounds, row->price.bytes);
    else
        printf("%6s %8s", "-", "-");
    if (width >= RANGE_BESIDE) printf(" %14s", range);
    printf(" %8.1g ", op->private_error);
    if (op->truth)
        printf("%8.2g", op->approximation_error);
    else
        printf("%8s", "-");
    snprintf(summary, sizeof summary, "%s%s%s%s [%s]", width < RANGE_BESIDE ? "over " : "",
             width < RANGE_BESIDE ? range : "", width < RANGE_BESIDE ? ": " : "", op->summary, op->source);
    const int at = width >= SUMMARY_BESIDE ? SUMMARY_AT : INDENT;
    if (at == SUMMARY_AT)
        printf("  ");
    else
        printf("\n%*s", INDENT, "");
    print_words(stdout, summary, at, at, width);
}

static tf_status print_table(const op_row *row, size_t rows) {
    const int width = report_columns();
    printf("%-14s %-11s %6s %8s", "kind", "variant", "rounds", "B/elem.");
    if (width >= RANGE_BESIDE) printf(" %14s", "range");
    printf(" %8s %8s%s\n", "private", "formula", width >= SUMMARY_BESIDE ? "  what it computes [source]" : "");
    for (size_t i = 0; i < rows; i++) print_op(&row[i]);
    putchar('\n');
    print_words(
        stdout,
        "Rounds and bytes: of the op alone on inputs of BERT-tiny's sizes for 4 texts of 128 tokens; bytes over all "
        "links, per element of the output. Range: of inputs, over which the error bounds hold. Private: error of "
        "the private computation at 16 fractional bits; formula: of what it computes against the exact variant. "
        "The first variant of a kind is its default.",
        0, 0, report_columns());
    return finish_output();
}

tf_status ops_report_print(const report_form *form, const op_row *row, size_t rows) {
    if (!form->json) return print_table(row, rows);
    json_t *list = json_array();
    for (size_t i = 0; i < rows; i++) json_array_append_new(list, op_json(&row[i]));
    return form_print(form, json_pack("{s:o}", "ops", list));
}

static json_t *fidelity_json(const tf_op *op, const fidelity *f) {
    json_t *formula = f->truth ? json_pack("{s:s,s:f,s:f}", "truth", f->truth->variant, "max", f->formula.max, "mean",
                                           f->formula.mean)
                               : json_null();
    return json_pack("{s:s,s:s,s:[f,f],s:b,s:f,s:i,s:f,s:o,s:{s:f,s:f}}", "kind", op->kind, "variant", op->variant,
                     "range", op->low, op->high, "trained", op->trained, "bytes_per_element", f->price.bytes, "rounds",
                     f->price.rounds, "bound", f->bound, "formula", formula, "private", "max", f->private.max, "mean",
                     f->private.mean);
}

/* What does not depend on the run's fresh keys comes first. */
static void fidelity_row(const tf_op *op, const fidelity *f) {
    printf("| %s | %s | %g..%g | %.1f | %d | ", op->kind, op->variant[0] ? op->variant : "-", op->low, op->high,
           f->price.bytes, f->price.rounds);
    if (f->truth)
        printf("%.2g | %.2g", f->formula.max, f->formula.mean);
    else
        printf("- | -");
    printf(" | %s | %.2g | %.2g | %.2g |\n", op->trained ? "itself" : "true", f->bound, f->private.max,
           f->private.mean);
}

static void print_introduction(int seed, int bits) {
    printf(
        "# Fidelity\n\nMade by `trefoil ops --fidelity`: every op of the registry over its declared range, inputs from "
        "seed %d, at %d\nfractional bits, in floating point and between three parties in one process. Errors are "
        "absolute differences.\n\n"
        "- **bytes**: over all links, per element of the output, and **rounds**: of the op alone, for 4 texts of 128 "
        "tokens and a\n  width of 128.\n"
        "- **formula**: the variant in floating point against its kind's true function (the first variant); - for "
        "the true\n  function itself.\n"
        "- **private**: what the three parties get, against the true function, or, where weights are to be trained for "
        "a variant,\n  against the variant itself (**against**). **bound**: the most that is declared; tests hold ops "
        "to "
        "it. Fresh keys round\n  differently, so the last two columns vary a little from run to run. Where a row is "
        "divided by its sum or its norm, a unit\n  of 2^-16 counts for more as these shrink: softmax relu is within "
        "its bound for sums from 1/16.\n\n"
        "| kind | variant | range | bytes | rounds | formula max | formula mean | against | bound | private max | "
        "private mean |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
        seed, bits);
}

tf_status fidelity_report_print(const report_form *form, int seed, int bits, const fidelity *result, size_t ops) {
    if (form->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < ops; i++) json_array_append_new(list, fidelity_json(result[i].op, &result[i]));
        return form_print(form, json_pack("{s:i,s:o}", "seed", seed, "fidelity", list));
    }
    print_introduction(seed, bits);
    for (size_t i = 0; i < ops; i++) fidelity_row(result[i].op, &result[i]);
    return finish_output();
}
