#include <stdio.h>
#include <stdlib.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/service/private.h"

static json_t *report_json(const cli_options *o, const cost_report *report) {
    json_t *ops = json_array();
    for (size_t i = 0; i < report->ops; i++) {
        const op_cost *op = &report->op[i];
        json_array_append_new(ops, json_pack("{s:s,s:s,s:I,s:I}", "name", op->name, "kind", op->kind, "bytes",
                                             (json_int_t)op->bytes, "rounds", (json_int_t)op->rounds));
    }
    json_t *object = json_pack("{s:o,s:I,s:I,s:o}", "bytes", json_bytes(report->links), "rounds",
                               (json_int_t)report->rounds, "memory", (json_int_t)report->memory, "ops", ops);
    if (o->is_network)
        json_object_set_new(object, "network",
                            json_pack("{s:f,s:f,s:f}", "seconds", report->network_seconds, "round_trip",
                                      o->network.round_trip, "bytes_per_second", o->network.rate));
    return object;
}

static void print_table(const cli_options *o, const cost_report *report) {
    char text[32];
    printf("%-56s %-12s %10s %7s\n", "op", "kind", "bytes", "rounds");
    for (size_t i = 0; i < report->ops; i++) {
        const op_cost *op = &report->op[i];
        printf("%-56s %-12s %10s %7llu\n", op->name, op->kind, bytes_text(op->bytes, text),
               (unsigned long long)op->rounds);
    }
    printf("\n%s in %llu rounds (ops side by side share rounds)", bytes_text(links_total(report->links), text),
           (unsigned long long)report->rounds);
    printf("; at most %s of memory a party\n", bytes_text(report->memory, text));
    for (int from = 0; from < TF_PARTIES; from++)
        for (int to = 0; to < TF_PARTIES; to++)
            if (from != to) printf("  party %d to %d: %s\n", from, to, bytes_text(report->links[from][to], text));
    if (o->is_network)
        printf(
            "on a network of %g ms (round trip) and %g Mbit/s (each direction of each pair): %.3g s, and computing\n",
            1e3 * o->network.round_trip, 8e-6 * o->network.rate, report->network_seconds);
}

static tf_status forecast(const cli_options *o, const model_files *model) {
    const tf_config *config = &model->config;
    size_t length = o->sequence ? o->sequence : 128;
    if (length > config->positions)
        return tf_fail(TF_INVALID, "--seq %zu is longer than the model's %zu positions", length, config->positions);
    cost_report report = {0};
    TF_TRY(private_cost(o, config, &model->approx, model_ranges(model), o->batch ? o->batch : 1, length, &report));
    tf_status status = TF_OK;
    if (o->json) {
        status = json_print(report_json(o, &report));
    } else {
        print_table(o, &report);
        status = finish_output();
    }
    free(report.op);
    return status;
}

static tf_status run(const cli_options *o) {
    model_files model;
    TF_TRY(o->arch ? model_open_named(o, &model) : model_open(o, &model));
    tf_status status = forecast(o, &model);
    model_close(&model);
    return status;
}

static tf_status check(const cli_options *o) {
    if (!o->model == !o->arch) return tf_fail(TF_INVALID, "cost needs either --model or --arch (see --help)");
    return TF_OK;
}

const cli_command command_cost = {
    .name = "cost",
    .summary = "forecast bytes, rounds and memory without running",
    .description =
        "Forecasts exactly what a private run moves: bytes on each link, rounds, and memory, for each op and "
        "in total. Runs nothing.",
    .accepts = (const char[]){OPTION_MODEL, OPTION_ARCH, OPTION_LAYERS, OPTION_SEQUENCE, OPTION_BATCH, OPTION_APPROX,
                              OPTION_NO_RANGES, OPTION_PUBLIC_WEIGHTS, OPTION_FRACTION_BITS, OPTION_MODEL_OWNER,
                              OPTION_DATA_OWNER, OPTION_PLUGIN, OPTION_NETWORK, 0},
    .requires = "",
    .check = check,
    .run = run,
};
