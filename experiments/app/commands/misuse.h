/** Words that are no command, options that do not fit, jobs that are too large: said once, with EXIT_MISUSED. */
#ifndef TF_APP_MISUSE_H
#define TF_APP_MISUSE_H

#include <stddef.h>

#include "experiments/app/commands/options.h"

/** The command of that name, or NULL. */
const trefoil_command *misuse_find(const trefoil_command *const *commands, size_t count, const char *name);

/** Says that there is no such command, in one line that helps; without a name, lists all. */
int misuse_word(const trefoil_command *const *commands, size_t count, const char *name);

/** Says why options_parse has failed, unless a process of the job before this one fails likewise and says it. */
int misuse_options(const trefoil_command *command, int argc, char **argv);

/** Whether a command that runs in one process was started in several by `launcher`; one of them says so. */
bool misuse_place(const trefoil_command *command, const command_line *options, const char *launcher);

/** Looks at what trefoil run is to start, argv[0] being the command, before it is started: whether there is nothing to
 *  start, for help was asked for or something is wrong. *code is then the exit status. */
bool misuse_run(const trefoil_command *const *commands, size_t count, int argc, char **argv, int *code);

#endif
