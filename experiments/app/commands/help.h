/** What is told about commands and their options: help, completion, and the manual. All come from the option table. */
#ifndef TF_APP_HELP_H
#define TF_APP_HELP_H

#include <stdio.h>

#include "experiments/app/commands/options.h"

/** Prints the list of commands. */
void help_commands(FILE *to, const trefoil_command *const *commands, size_t count);

/** Prints the help of one command, as wide as the terminal (COLUMNS). */
void help_command(const trefoil_command *command);

/** The command whose name is nearest to a mistyped one, or NULL. */
const trefoil_command *help_nearest(const trefoil_command *const *commands, size_t count, const char *typed);

/** Prints what completes the command line in a shell, "bash" or "zsh"; false for another shell. */
bool help_completion(const trefoil_command *const *commands, size_t count, const char *shell);

/** Prints the manual page, in roff. */
void help_manual(const trefoil_command *const *commands, size_t count);

#endif
