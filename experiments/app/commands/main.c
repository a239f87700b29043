/* trefoil: dispatches to the sub-commands and reports their errors in one line. */
#include <stdio.h>
#include <string.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/commands/error.h"
#include "experiments/app/commands/sweep.h"
#include "experiments/app/commands/version.h"
#include "experiments/app/parties/hardening.h"
#include "net/link_mpi.h"

static const trefoil_command *const commands[] = {
    &command_infer,       &command_eval,        &command_party,    &command_plain,     &command_cost,
    &command_ops,         &command_bench,       &command_fit_head, &command_calibrate, &command_tokenize,
    &command_share_model, &command_share_input, &command_reveal,   &command_keygen,    &command_fingerprint};
enum { COMMANDS = sizeof commands / sizeof commands[0], USAGE_ERROR = 2 };

static void print_help(void) {
    puts("Usage: trefoil COMMAND [OPTION...]\n"
         "Private transformer inference between three parties that do not collude.\n");
    for (int i = 0; i < COMMANDS; i++) printf("  %-11s %s\n", commands[i]->name, commands[i]->summary);
    printf("  %-11s %s\n", "sweep", "Batches of experiments, here or on a cluster, with tables and a report");
    puts(
        "\ntrefoil COMMAND --help tells more. Private commands run under mpirun -n 3, or with --local in one process;\n"
        "trefoil party starts one party alone.");
}

static int run_command(const trefoil_command *command, int argc, char **argv) {
    command_line options;
    int code = 0;
    if (options_parse(command, argc, argv, &options) != TF_OK) {
        print_error(tf_error());
        code = USAGE_ERROR;
    } else if (options.help) {
        options_help(command);
    } else {
        if (command->secrets) harden_process();
        if (command->run(&options) != TF_OK) {
            print_error(tf_error());
            code = 1;
        }
    }
    options_free(&options);
    return code;
}

static int run_program(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        print_help();
        return 0;
    }
    if (!strcmp(name, "--version")) {
        printf("trefoil %s%s%s%s\n", trefoil_version, *trefoil_commit ? " (" : "", trefoil_commit,
               *trefoil_commit ? ")" : "");
        return 0;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(name, commands[i]->name)) return run_command(commands[i], argc - 1, argv + 1);
    if (!strcmp(name, "sweep") && sweep_start(argc - 1, argv + 1)) {
        print_error(tf_error());
        return 1;
    }
    char message[256];
    snprintf(message, sizeof message,
             name[0] ? "'%.100s' is not a command (see trefoil --help)"
                     : "a command is missing (see trefoil --help)%.0s",
             name);
    print_error(message);
    return USAGE_ERROR;
}

int main(int argc, char **argv) {
    int code = run_program(argc, argv);
    tf_mpi_leave(code != 0);
    return code;
}
