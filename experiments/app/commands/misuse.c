#include "experiments/app/commands/misuse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/commands/help.h"
#include "experiments/app/commands/launch.h"
#include "experiments/app/log/log.h"

const trefoil_command *misuse_find(const trefoil_command *const *commands, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(name, commands[i]->name)) return commands[i];
    return NULL;
}

int misuse_word(const trefoil_command *const *commands, size_t count, const char *name) {
    const trefoil_command *near = help_nearest(commands, count, name);
    int processes, rank;
    launch_place(&processes, &rank);
    if (launch_alike() && rank > 0) return EXIT_MISUSED;
    if (name[0])
        log_line(LOG_ERROR, "'%.100s' is not a command (%s%s%ssee trefoil --help)", name, near ? "did you mean " : "",
                 near ? near->name : "", near ? "? " : "");
    else
        help_commands(stderr, commands, count);
    return EXIT_MISUSED;
}

/* Whether the process of that number would fail likewise. */
static bool fails_at(const trefoil_command *command, int argc, char **argv, int rank) {
    command_line options;
    launch_pretend(rank);
    tf_status status = options_parse(command, argc, argv, &options);
    launch_pretend(-1);
    options_free(&options);
    return status != TF_OK;
}

int misuse_options(const trefoil_command *command, int argc, char **argv) {
    int processes, rank;
    tf_failure failure;
    launch_place(&processes, &rank);
    tf_failure_keep(TF_INVALID, &failure);
    for (int earlier = 0; launch_alike() && earlier < rank; earlier++)
        if (fails_at(command, argc, argv, earlier)) return EXIT_MISUSED;
    (void)tf_failure_raise(&failure);
    log_line(LOG_ERROR, "%s", tf_error());
    return EXIT_MISUSED;
}

bool misuse_place(const trefoil_command *command, const command_line *options, const char *launcher) {
    bool alone = options->links.local || options->plain || !strchr(command->accepts, OPTION_TIMEOUT);
    int processes, rank;
    char message[128];
    launch_place(&processes, &rank);
    if (processes < 2 || !alone) return false;
    snprintf(message, sizeof message, "%s%s runs in one process: start it without %s", command->name,
             options->links.local ? " --local"
             : options->plain     ? " --plain"
                                  : "",
             launcher);
    log_party(-1);
    if (rank == 0) log_line(LOG_ERROR, "%s", message);
    return true;
}

/* As the data owner's process sees it, which needs the most. */
static bool refuses(const trefoil_command *command, int argc, char **argv, int *code) {
    command_line options;
    launch_pretend(launch_reader(argc, argv));
    bool failed = options_parse(command, argc, argv, &options) != TF_OK;
    launch_pretend(0);
    *code = EXIT_MISUSED;
    if (failed) log_line(LOG_ERROR, "%s", tf_error());
    bool stops = failed || options.help || misuse_place(command, &options, "run");
    if (!failed && options.help) {
        help_command(command);
        *code = 0;
    }
    launch_pretend(-1);
    options_free(&options);
    return stops;
}

bool misuse_run(const trefoil_command *const *commands, size_t count, int argc, char **argv, int *code) {
    const trefoil_command *command = argc > 0 ? misuse_find(commands, count, argv[0]) : NULL;
    char **copy = calloc((size_t)argc + 1, sizeof *copy); /* parsing takes secrets out of its arguments */
    bool stops = true;
    for (int i = 0; copy && i < argc; i++) copy[i] = strdup(argv[i]);
    *code = EXIT_MISUSED;
    if (argc <= 0)
        log_line(LOG_ERROR, "run needs a command: trefoil run -- infer --model DIR --input FILE");
    else if (!command)
        (void)misuse_word(commands, count, argv[0]);
    else if (command->start)
        log_line(LOG_ERROR, "%s runs in one process: start it without run", command->name);
    else
        stops = refuses(command, argc, copy, code);
    for (int i = 0; copy && i < argc; i++) {
        explicit_bzero(copy[i], strlen(copy[i]));
        free(copy[i]);
    }
    free(copy);
    return stops;
}
