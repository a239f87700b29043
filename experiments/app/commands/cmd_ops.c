#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/log/log.h"
#include "experiments/app/measure/fidelity.h"
#include "experiments/app/measure/op_cost.h"
#include "experiments/app/measure/op_sample.h"
#include "experiments/app/report/ops_report.h"

static size_t count_ops(void) {
    int count = 0;
    while (tf_registry_at(count)) count++;
    return (size_t)count;
}

static tf_status no_such_kind(const char *kind) {
    return tf_fail(TF_INVALID, "'%.60s' is no kind of op (trefoil ops lists them)", kind);
}

/* Those of one kind, or (NULL) all. */
static tf_status list_ops(const report_form *form, const char *kind) {
    size_t ops = count_ops(), rows = 0;
    op_row *row = calloc(ops, sizeof *row);
    if (!row) return tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < ops; i++) {
        const tf_op *op = tf_registry_at((int)i);
        if (kind && strcmp(kind, op->kind)) continue;
        row[rows] = (op_row){.op = op, .is_default = tf_registry_find(op->kind, NULL) == op};
        row[rows].priced = op_price_find(op, &row[rows].price) == TF_OK;
        if (!row[rows].priced && op->lower)
            log_line(LOG_WARNING, "%s %s has no price: %s", op->kind, op->variant, tf_error());
        rows++;
    }
    tf_status status = rows ? ops_report_print(form, row, rows) : no_such_kind(kind);
    free(row);
    return status;
}

/* Measures every op that has a private form, or those of one kind; `ops` says how many. */
static tf_status measure_all(const char *kind, fidelity *result, size_t *ops) {
    private_session *session;
    TF_TRY(private_open(&(link_settings){.local = true, .timeout = 30, .id = -1}, &session));
    tf_status status = TF_OK;
    for (int i = 0; tf_registry_at(i) && status == TF_OK; i++) {
        const tf_op *op = tf_registry_at(i);
        if (op->lower && (!kind || !strcmp(kind, op->kind))) status = fidelity_measure(session, op, &result[(*ops)++]);
    }
    private_close(session, status);
    return status == TF_OK && !*ops ? no_such_kind(kind) : status;
}

/* Fails, with all that was measured printed as a table, if an op is farther off than it declares. */
static tf_status report_fidelity(const report_form *form, const char *kind) {
    size_t ops = 0;
    char outside[512] = "";
    fidelity *result = calloc(count_ops(), sizeof *result);
    tf_status status = result ? measure_all(kind, result, &ops) : tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < ops && status == TF_OK && !*outside; i++)
        if (fidelity_check(&result[i]) != TF_OK) snprintf(outside, sizeof outside, "%s", tf_error());
    if (status == TF_OK && (!*outside || !form->json))
        status = fidelity_report_print(form, FIDELITY_SEED, SAMPLE_FRACTION_BITS, result, ops);
    if (status == TF_OK && *outside) status = tf_fail(TF_RANGE, "%s", outside);
    free(result);
    return status;
}

static tf_status run(const command_line *o) {
    model_settings settings = settings_of_model(o);
    report_form form = settings_of_report(o);
    TF_TRY(register_ops(&settings));
    return o->fidelity ? report_fidelity(&form, o->argument) : list_ops(&form, o->argument);
}

const trefoil_command command_ops = {
    .name = "ops",
    .summary = "list the registry of ops",
    .description =
        "Lists the ops, or those of a kind: variants, source, rounds, bytes and error bounds; or measures the errors.",
    .example = {"trefoil ops gelu", "trefoil ops attention --fidelity"},
    .accepts =
        (const char[]){
            OPTION_FIDELITY,
            OPTION_PLUGIN,
            0,
        },
    .requires = "",
    .argument = "[KIND]",
    .run = run,
};
