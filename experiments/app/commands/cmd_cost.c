#include <stdlib.h>
#include <string.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/measure/cost.h"

static tf_status forecast_generation(const command_line *o, const run_settings *settings, const model_files *model,
                                     size_t length, cost_report *report) {
    size_t tokens = o->tokens ? o->tokens : 1;
    bool logits = o->generate.reveal && !strcmp(o->generate.reveal, "logits");
    private_job job = {
        .settings = settings, .config = &model->config, .approx = &model->approx, .ranges = model_ranges(model)};
    if (tokens > model->config.positions - length + 1)
        return tf_fail(TF_INVALID, "%zu tokens and %zu more do not fit the model's %zu positions", length, tokens,
                       model->config.positions);
    return cost_generation(&job, logits ? REVEAL_LOGITS : REVEAL_TOKEN, o->batch ? o->batch : 1, length,
                           o->generate.piece, tokens, o->is_network ? &o->network : NULL, report);
}

static tf_status forecast(const command_line *o, const model_files *model) {
    const tf_config *config = &model->config;
    size_t length = o->pad_to ? strtoul(o->pad_to, NULL, 10) : o->sequence ? o->sequence : 128;
    if (!length) return tf_fail(TF_INVALID, "--pad-to %.20s: cost wants a number of tokens", o->pad_to);
    if (length > config->positions)
        return tf_fail(TF_INVALID, "%zu tokens are more than the model's %zu positions", length, config->positions);
    cost_report report = {0};
    run_settings settings = settings_of_run(o);
    report_form form = settings_of_report(o);
    tf_status status =
        config->head == TF_HEAD_CAUSAL
            ? forecast_generation(o, &settings, model, length, &report)
            : cost_forecast(&settings, config, &model->approx, model_ranges(model), o->batch ? o->batch : 1, length,
                            o->pad_to != NULL, o->is_network ? &o->network : NULL, &report);
    if (status == TF_OK) status = cost_report_print(&form, &report, o->ops);
    free(report.op);
    return status;
}

static tf_status run(const command_line *o) {
    model_files model;
    model_settings settings = settings_of_model(o);
    TF_TRY(model_open(&settings, &model));
    tf_status status = forecast(o, &model);
    model_close(&model);
    return status;
}

static tf_status check(const command_line *o) {
    if (!o->model == !o->arch) return tf_fail(TF_INVALID, "cost needs either --model or --arch (see --help)");
    return TF_OK;
}

const trefoil_command command_cost = {
    .name = "cost",
    .summary = "forecast bytes, rounds and memory without running",
    .description = "Forecasts exactly what a private run moves: bytes on each link, rounds, and memory, by kind of op, "
                   "with --ops op by op, and in total. Runs nothing.",
    .example = {"trefoil cost --arch bert-base --seq 128 --network wan", "trefoil cost --model DIR --batch 32 --json"},
    .defaults = "batch=1",
    .accepts =
        (const char[]){
            OPTION_FILL_MASK,
            OPTION_MODEL,
            OPTION_ARCH,
            OPTION_LAYERS,
            OPTION_SEQUENCE,
            OPTION_PAD_TO,
            OPTION_TOKENS,
            OPTION_PREFILL,
            OPTION_REVEAL,
            OPTION_BATCH,
            OPTION_APPROX,
            OPTION_NO_RANGES,
            OPTION_NO_GUARD,
            OPTION_CHECK_COPIES,
            OPTION_PUBLIC_WEIGHTS,
            OPTION_FRACTION_BITS,
            OPTION_MODEL_OWNER,
            OPTION_DATA_OWNER,
            OPTION_PLUGIN,
            OPTION_NETWORK,
            OPTION_OPS,
            0,
        },
    .requires = "",
    .check = check,
    .run = run,
};
