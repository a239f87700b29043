/* trefoil: dispatches to the sub-commands and reports their errors in one line. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/commands/help.h"
#include "experiments/app/commands/launch.h"
#include "experiments/app/commands/settings.h"
#include "experiments/app/commands/sweep.h"
#include "experiments/app/commands/version.h"
#include "experiments/app/log/log.h"
#include "experiments/app/log/progress.h"
#include "experiments/app/parties/hardening.h"
#include "experiments/app/parties/links.h"
#include "net/link_mpi.h"

static const trefoil_command *const commands[] = {
    &command_infer,       &command_generate,    &command_embed,    &command_similarity, &command_eval,
    &command_party,       &command_gateway,     &command_plain,    &command_cost,       &command_ops,
    &command_models,      &command_bench,       &command_fit_head, &command_calibrate,  &command_tokenize,
    &command_share_model, &command_share_input, &command_reveal,   &command_keygen,     &command_verify,
    &command_fingerprint, &command_certify};
enum { COMMANDS = sizeof commands / sizeof commands[0], USAGE_ERROR = 2, INTERRUPTED = 130 };

/* What runs in one process is refused in a job of several, by one of them. */
static bool is_misplaced(const trefoil_command *command, const command_line *options, int processes, int rank) {
    bool alone = options->links.local || options->plain || !strchr(command->accepts, OPTION_TIMEOUT);
    if (processes < 2 || !alone) return false;
    char message[128];
    snprintf(message, sizeof message, "%s%s runs in one process: start it without mpirun", command->name,
             options->links.local ? " --local"
             : options->plain     ? " --plain"
                                  : "");
    log_party(-1);
    if (rank == 0) log_line(LOG_ERROR, "%s", message);
    return true;
}

static int run_parsed(const trefoil_command *command, const command_line *options) {
    log_settings log = settings_of_log(options);
    log.service |= command->stays;
    log_open(&log);
    log_party(options->plays);
    if (command->secrets) harden_process();
    if (options->quiet) progress_silence();
    if (links_check(&options->links, options->plays) == TF_OK && command->run(options) == TF_OK) return 0;
    log_failure();
    return tf_link_interrupted() == SIGINT ? INTERRUPTED : 1;
}

static int run_command(const trefoil_command *command, int argc, char **argv) {
    command_line options;
    int code = USAGE_ERROR, processes, rank;
    launch_place(&processes, &rank);
    if (processes >= TF_PARTIES) log_party(rank % TF_PARTIES);
    if (options_parse(command, argc, argv, &options) != TF_OK) {
        log_line(LOG_ERROR, "%s", tf_error());
    } else if (options.help) {
        help_command(command);
        code = 0;
    } else if (!is_misplaced(command, &options, processes, rank)) {
        code = run_parsed(command, &options);
    }
    options_free(&options);
    return code;
}

/* A wrong or missing command, in one line that helps. */
static int refuse(const char *name) {
    const trefoil_command *near = help_nearest(commands, COMMANDS, name);
    char message[512];
    if (name[0]) {
        snprintf(message, sizeof message, "'%.100s' is not a command (%s%s%ssee trefoil --help)", name,
                 near ? "did you mean " : "", near ? near->name : "", near ? "? " : "");
    } else {
        int used = snprintf(message, sizeof message, "a command is missing:");
        for (int i = 0; i < COMMANDS; i++)
            used += snprintf(message + used, sizeof message - (size_t)used, " %s", commands[i]->name);
        snprintf(message + used, sizeof message - (size_t)used, " (see trefoil --help)");
    }
    log_line(LOG_ERROR, "%s", message);
    return USAGE_ERROR;
}

static int complete(const char *shell) {
    if (help_completion(commands, COMMANDS, shell)) return 0;
    log_line(LOG_ERROR, "completion is there for bash and zsh: trefoil completion bash");
    return USAGE_ERROR;
}

static int run_parties(int argc, char **argv) {
    int code;
    tf_status status = launch_parties(argc, argv, &code);
    if (status == TF_OK) return code;
    log_failure();
    return status == TF_INVALID ? USAGE_ERROR : 1;
}

static int run_program(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        help_commands(commands, COMMANDS);
        return 0;
    }
    if (!strcmp(name, "--version")) {
        printf("trefoil %s%s%s%s\n", trefoil_version, *trefoil_commit ? " (" : "", trefoil_commit,
               *trefoil_commit ? ")" : "");
        return 0;
    }
    if (!strcmp(name, "completion")) return complete(argc > 2 ? argv[2] : "");
    if (!strcmp(name, "man")) {
        help_manual(commands, COMMANDS);
        return 0;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(name, commands[i]->name)) return run_command(commands[i], argc - 1, argv + 1);
    if (!strcmp(name, "sweep") && sweep_start(argc - 1, argv + 1)) {
        log_line(LOG_ERROR, "%s", tf_error());
        return 1;
    }
    if (!strcmp(name, "run")) return run_parties(argc - 1, argv + 1);
    return refuse(name);
}

int main(int argc, char **argv) {
    int code = run_program(argc, argv);
    tf_mpi_leave(code != 0);
    return code;
}
