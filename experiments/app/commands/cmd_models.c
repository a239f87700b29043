#include "experiments/app/commands/commands.h"
#include "experiments/app/report/models_report.h"

static tf_status run(const command_line *o) {
    report_form form = settings_of_report(o);
    return models_report(&form);
}

const trefoil_command command_models = {
    .name = "models",
    .summary = "list which model directories run",
    .description = "Lists the families of models, their architectures, what is refused of them and with what each has "
                   "been compared, as Markdown.",
    .example = {"trefoil models", "trefoil models --json"},
    .accepts = "",
    .requires = "",
    .run = run,
};
