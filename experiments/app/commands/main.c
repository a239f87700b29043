/* trefoil: dispatches to the sub-commands and reports their errors in one line. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/commands/help.h"
#include "experiments/app/commands/launch.h"
#include "experiments/app/commands/misuse.h"
#include "experiments/app/commands/settings.h"
#include "experiments/app/commands/version.h"
#include "experiments/app/log/log.h"
#include "experiments/app/log/progress.h"
#include "experiments/app/parties/hardening.h"
#include "experiments/app/parties/links.h"
#include "experiments/app/report/form.h"

static const trefoil_command *const commands[] = {
    &command_infer,       &command_generate,    &command_embed,    &command_similarity, &command_eval,
    &command_party,       &command_gateway,     &command_plain,    &command_cost,       &command_ops,
    &command_models,      &command_bench,       &command_fit_head, &command_calibrate,  &command_tokenize,
    &command_share_model, &command_share_input, &command_reveal,   &command_keygen,     &command_verify,
    &command_fingerprint, &command_certify,     &command_run,      &command_sweep,      &command_completion,
    &command_man};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int run_parsed(const trefoil_command *command, const command_line *options) {
    log_settings log = settings_of_log(options);
    log.service |= command->stays;
    log_open(&log);
    log_party(options->plays);
    if (command->secrets) harden_process();
    if (options->quiet) progress_silence();
    if (links_check(&options->links, options->plays) == TF_OK && command->run(options) == TF_OK) return 0;
    if (!links_told_elsewhere(&options->links, options->plays == 0)) log_failure();
    return tf_link_interrupted() == SIGINT ? EXIT_INTERRUPTED : EXIT_FAILED;
}

static int run_command(const trefoil_command *command, int argc, char **argv) {
    command_line options;
    int code = EXIT_MISUSED, processes, rank;
    launch_place(&processes, &rank);
    if (processes >= TF_PARTIES) log_party(rank % TF_PARTIES);
    if (options_parse(command, argc, argv, &options) != TF_OK) {
        code = misuse_options(command, argc, argv);
    } else if (options.help) {
        help_command(command);
        code = 0;
    } else if (!misuse_place(command, &options, "mpirun")) {
        code = run_parsed(command, &options);
    }
    options_free(&options);
    return code;
}

static int start(const trefoil_command *command, int argc, char **argv) {
    bool asks = argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
    if (!command->start) return run_command(command, argc, argv);
    if (!asks || command == &command_sweep) return command->start(commands, COMMANDS, argc, argv);
    help_command(command);
    return 0;
}

static int run_program(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        help_commands(stdout, commands, COMMANDS);
        return 0;
    }
    if (!strcmp(name, "--version")) {
        printf("trefoil %s%s%s%s\n", trefoil_version, *trefoil_commit ? " (" : "", trefoil_commit,
               *trefoil_commit ? ")" : "");
        return 0;
    }
    const trefoil_command *command = misuse_find(commands, COMMANDS, name);
    return command ? start(command, argc - 1, argv + 1) : misuse_word(commands, COMMANDS, name);
}

int main(int argc, char **argv) {
    int code = run_program(argc, argv);
    if (code == 0 && finish_output() != TF_OK) { /* help, the manual: whatever has not looked itself */
        log_failure();
        code = EXIT_FAILED;
    }
    links_leave(code);
    return code;
}
