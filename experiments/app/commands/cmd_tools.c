/* What goes with the program: three parties at once, batches of experiments, completion and the manual. */
#include <stdio.h>
#include <string.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/commands/help.h"
#include "experiments/app/commands/launch.h"
#include "experiments/app/commands/misuse.h"
#include "experiments/app/commands/sweep.h"
#include "experiments/app/log/log.h"

static int fail(tf_status status) {
    log_failure();
    return status == TF_INVALID ? EXIT_MISUSED : EXIT_FAILED;
}

static int start_run(const trefoil_command *const *commands, size_t count, int argc, char **argv) {
    int code, first = launch_command(argc, argv);
    if (misuse_run(commands, count, argc - first, argv + first, &code)) return code;
    tf_status status = launch_parties(argc, argv, &code);
    return status == TF_OK ? code : fail(status);
}

static int start_sweep(const trefoil_command *const *commands, size_t count, int argc, char **argv) {
    return fail(sweep_start(argc, argv)); /* which returns after a failure alone */
}

static int start_completion(const trefoil_command *const *commands, size_t count, int argc, char **argv) {
    if (argc == 2 && help_completion(commands, count, argv[1])) return 0;
    return fail(tf_fail(TF_INVALID, "completion is there for bash and zsh: trefoil completion bash"));
}

static int start_man(const trefoil_command *const *commands, size_t count, int argc, char **argv) {
    if (argc > 1) return fail(tf_fail(TF_INVALID, "man takes no arguments (see --help)"));
    help_manual(commands, count);
    return 0;
}

const trefoil_command command_run = {
    .name = "run",
    .summary = "start the three parties of a command on this host",
    .description =
        "Starts three processes of a private command on this host by mpirun, with what Open MPI needs there: as root, "
        "with fewer cores than parties, without copying between processes. Standard input goes to the data owner. What "
        "the parties say on standard error names them.",
    .example = {"trefoil run -- infer --model DIR --input texts.txt",
                "trefoil run -- generate --model DIR --prompt \"Once upon a time\""},
    .accepts = "",
    .requires = "",
    .argument = "-- COMMAND [OPTION...]",
    .start = start_run,
};

const trefoil_command command_sweep = {
    .name = "sweep",
    .summary = "batches of experiments, here or on a cluster, with tables and a report",
    .description =
        "Checks, runs and resumes all combinations that a file declares, here or as jobs of Slurm, and makes "
        "tables and a report of the results. trefoil sweep --help lists its options.",
    .example = {"trefoil sweep experiments/sweep/specs/quick.toml --out results",
                "trefoil sweep results --table md --by model,approx"},
    .accepts = "",
    .requires = "",
    .argument = "SPEC|STORE [OPTION...]",
    .start = start_sweep,
};

const trefoil_command command_completion = {
    .name = "completion",
    .summary = "print what completes the command line in bash or zsh",
    .description =
        "Prints a script that completes commands, options and values; for the shell at hand: source <(trefoil "
        "completion bash).",
    .example = {"trefoil completion bash >~/.local/share/bash-completion/completions/trefoil",
                "trefoil completion zsh >~/.zfunc/_trefoil"},
    .accepts = "",
    .requires = "",
    .argument = "bash|zsh",
    .start = start_completion,
};

const trefoil_command command_man = {
    .name = "man",
    .summary = "print the manual page",
    .description = "Prints the manual page of all commands, in roff.",
    .example = {"trefoil man | man -l -", "trefoil man >/usr/local/share/man/man1/trefoil.1"},
    .accepts = "",
    .requires = "",
    .start = start_man,
};
