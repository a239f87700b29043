#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/log/log.h"
#include "experiments/app/service/cost.h"

enum { MOST_OF_EACH = 1 << 30 };

/* What messages travel over: not always what is planned for. */
static const tf_network *network_of(const command_line *o) {
    if (o->links.shaped) return &o->links.network;
    return o->is_network ? &o->network : NULL;
}

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
                           o->generate.piece, tokens, settings_proposed(&o->generate), network_of(o), report);
}

static tf_status forecast(const command_line *o, const model_files *model) {
    const tf_config *config = &model->config;
    size_t length = o->pad_to ? strtoul(o->pad_to, NULL, 10) : o->sequence ? o->sequence : 128;
    if (!length) return tf_fail(TF_INVALID, "--pad-to %.20s: cost wants a number of tokens", o->pad_to);
    if (length > config->positions)
        return tf_fail(TF_INVALID, "%zu tokens are more than the model's %zu positions", length, config->positions);
    cost_report report = {.explains = o->critical};
    run_settings settings = settings_of_run(o);
    report_form form = settings_of_report(o);
    tf_status status = config->head == TF_HEAD_CAUSAL
                           ? forecast_generation(o, &settings, model, length, &report)
                           : cost_forecast(&settings, config, &model->approx, model_ranges(model),
                                           o->batch ? o->batch : 1, length, o->pad_to != NULL, network_of(o), &report);
    report.calibration = model->calibrated ? model->ranges.id : NULL;
    if (status == TF_OK) status = cost_report_print(&form, &report, o->ops);
    cost_report_free(&report);
    return status;
}

static tf_status forecast_one(const command_line *o) {
    model_files model;
    model_settings settings = settings_of_model(o);
    TF_TRY(model_open(&settings, &model));
    if (o->model) model_warn(&model);
    tf_status status = forecast(o, &model);
    model_close(&model);
    return status;
}

/* Takes what a line of --each says. */
static tf_status read_point(const json_t *object, command_line *o) {
    struct {
        const char *key, **text;
        size_t *count;
        int *number;
    } known[] = {{"model", &o->model, NULL, NULL},   {"arch", &o->arch, NULL, NULL},
                 {"approx", &o->approx, NULL, NULL}, {"layers", NULL, &o->layers, NULL},
                 {"seq", NULL, &o->sequence, NULL},  {"batch", NULL, &o->batch, NULL},
                 {"tokens", NULL, &o->tokens, NULL}, {"frac_bits", NULL, NULL, &o->fraction_bits}};
    enum { KNOWN = sizeof known / sizeof *known };
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        size_t i = 0;
        while (i < KNOWN && strcmp(known[i].key, key) != 0) i++;
        if (i == KNOWN) return tf_fail(TF_INVALID, "--each takes no \"%.40s\"", key);
        json_int_t number = json_integer_value(value);
        if (known[i].text ? !json_is_string(value) : !json_is_integer(value) || number < 1 || number > MOST_OF_EACH)
            return tf_fail(TF_INVALID, "--each: \"%s\" is to be %s", key,
                           known[i].text ? "a string" : "a whole number from 1 on");
        if (known[i].text) *known[i].text = json_string_value(value);
        if (known[i].count) *known[i].count = (size_t)number;
        if (known[i].number) *known[i].number = (int)number;
    }
    return TF_OK;
}

/* A line that cannot be forecast is answered with its reason, and the next one follows. */
static tf_status forecast_line(const command_line *o, const char *line) {
    command_line one = *o;
    json_error_t error;
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    one.settings = 0;
    one.json = true;
    log_forget();
    tf_status status = json_is_object(object) ? read_point(object, &one) : tf_fail(TF_FORMAT, "no JSON object");
    if (status == TF_OK && !one.model == !one.arch) status = tf_fail(TF_INVALID, "either model or arch is needed");
    if (status == TF_OK) status = forecast_one(&one);
    json_decref(object);
    return status == TF_OK || status == TF_IO ? status : form_print_error(tf_error());
}

static tf_status forecast_each(const command_line *o) {
    bool standard = !strcmp(o->each, "-");
    FILE *file = standard ? stdin : fopen(o->each, "r");
    char *line = NULL;
    size_t capacity = 0;
    tf_status status = file ? TF_OK : tf_fail(TF_IO, "%s: %s", o->each, strerror(errno));
    while (status == TF_OK && getline(&line, &capacity, file) > 0) status = forecast_line(o, line);
    free(line);
    if (file && !standard) fclose(file);
    return status;
}

static tf_status run(const command_line *o) {
    return o->each ? forecast_each(o) : forecast_one(o);
}

static tf_status check(const command_line *o) {
    if (o->measures)
        return tf_fail(TF_INVALID, "--network measured: cost runs nothing; give it the figures that a run has printed");
    if (o->dimension[0]) return tf_fail(TF_INVALID, "--shape names a network here (see --help)");
    if (!o->each && !o->model == !o->arch)
        return tf_fail(TF_INVALID, "cost needs either --model or --arch (see --help)");
    return settings_check_draft(o);
}

const trefoil_command command_cost = {
    .name = "cost",
    .summary = "forecast bytes, rounds and memory without running",
    .description = "Forecasts exactly what a private run moves: bytes on each link, rounds, and memory, by kind of op, "
                   "with --ops op by op, and in total; with --critical what decides the rounds. Runs nothing.",
    .example = {"trefoil cost --arch bert-base --seq 128 --network wan", "trefoil cost --model DIR --batch 32 --json"},
    .defaults = "batch=1",
    .accepts =
        (const char[]){
            OPTION_FILL_MASK,    OPTION_MODEL,          OPTION_ARCH,          OPTION_LAYERS,
            OPTION_SEQUENCE,     OPTION_PAD_TO,         OPTION_TOKENS,        OPTION_PREFILL,
            OPTION_KEEP,         OPTION_REVEAL,         OPTION_REPEAT,        OPTION_DRAFT_TOKENS,
            OPTION_BATCH,        OPTION_APPROX,         OPTION_NO_RANGES,     OPTION_NO_GUARD,
            OPTION_CHECK_COPIES, OPTION_PUBLIC_WEIGHTS, OPTION_FRACTION_BITS, OPTION_MODEL_OWNER,
            OPTION_DATA_OWNER,   OPTION_PLUGIN,         OPTION_NETWORK,       OPTION_OPS,
            OPTION_SHAPE,        OPTION_CRITICAL,       OPTION_EACH,          0,
        },
    .requires = "",
    .check = check,
    .run = run,
};
