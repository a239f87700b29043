#include "experiments/app/commands/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/commands/option_table.h"
#include "experiments/app/commands/version.h"
#include "experiments/app/log/terminal.h"
#include "experiments/app/report/form.h"

enum { INDENT = 30, WIDEST = 120, USUAL = 80 };

/* The option's help with the default at this command. */
static void describe(const trefoil_command *command, const option_row *row, char *text, size_t size) {
    char buffer[64];
    const char *fallback = option_fallback(command, row, buffer);
    snprintf(text, size, "%s%s%s%s", row->help, fallback ? " (default " : "", fallback ? fallback : "",
             fallback ? ")" : "");
}

static int option_text(const option_row *row, char *text, size_t size) {
    char letter[8] = "    ";
    if (row->key < 128) snprintf(letter, sizeof letter, "-%c, ", row->key);
    return snprintf(text, size, "  %s--%s%s%s", letter, row->name, row->placeholder ? " " : "",
                    row->placeholder ? row->placeholder : "");
}

void help_command(const trefoil_command *command) {
    int width = terminal_columns(USUAL) < WIDEST ? terminal_columns(USUAL) : WIDEST;
    printf("Usage: trefoil %s%s%s%s\n\n", command->name, command->start ? "" : " [OPTION...]",
           command->argument ? " " : "", command->argument ? command->argument : "");
    print_words(stdout, command->description, 0, 0, width);
    printf("\nExamples:\n");
    for (size_t i = 0; i < 2; i++)
        if (command->example[i]) printf("  %s\n", command->example[i]);
    puts(command->start ? "" : "\nOptions:");
    for (size_t i = 0; i < option_rows; i++) {
        const option_row *row = &option_table[i];
        char name[80], text[1024];
        if (!option_accepted(command, row)) continue;
        int used = option_text(row, name, sizeof name);
        describe(command, row, text, sizeof text);
        printf("%s", name);
        if (used > INDENT - 2)
            printf("\n%*s", INDENT, "");
        else
            printf("%*s", INDENT - used, "");
        print_words(stdout, text, INDENT, INDENT, width);
    }
    putchar('\n');
    print_words(stdout, "Exit status: 0, 1 after a failure, 2 for a wrong command line, 130 interrupted.", 0, 0, width);
}

void help_commands(FILE *to, const trefoil_command *const *commands, size_t count) {
    enum { SUMMARIES = 14 };
    int width = terminal_columns(USUAL) < WIDEST ? terminal_columns(USUAL) : WIDEST;
    fputs("Usage: trefoil COMMAND [OPTION...]\n", to);
    print_words(to, "Private transformer inference between three parties that do not collude.", 0, 0, width);
    fputc('\n', to);
    for (size_t i = 0; i < count; i++) {
        fprintf(to, "  %-11s ", commands[i]->name);
        print_words(to, commands[i]->summary, SUMMARIES, SUMMARIES, width);
    }
    fputc('\n', to);
    print_words(
        to,
        "trefoil COMMAND --help tells more. Private commands run under mpirun -n 3 (trefoil run starts them so), "
        "or with --local in one process; trefoil party starts one party alone.",
        0, 0, width);
}

const trefoil_command *help_nearest(const trefoil_command *const *commands, size_t count, const char *typed) {
    const trefoil_command *found = NULL;
    size_t best = 3;
    for (size_t i = 0; i < count; i++) {
        size_t distance = word_distance(typed, commands[i]->name);
        if (distance >= best) continue;
        best = distance;
        found = commands[i];
    }
    return found;
}

/* Completion ------------------------------------------------------------------------------------------------------- */

static void bash_values(const trefoil_command *command) {
    for (size_t i = 0; i < option_rows; i++) {
        const option_row *row = &option_table[i];
        if (!option_accepted(command, row) || row->type == OPTION_FLAG) continue;
        printf("        %s:--%s", command->name, row->name);
        if (row->key < 128) printf("|%s:-%c", command->name, row->key);
        const char *how = row->source == FROM_FILES ? "-f" : row->source == FROM_DIRECTORIES ? "-d" : "-W ''";
        if (row->choices)
            printf(") COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", row->choices);
        else
            printf(") COMPREPLY=($(compgen %s -- \"$word\")); return ;;\n", how);
    }
}

static void complete_bash(const trefoil_command *const *commands, size_t count) {
    puts("# bash completion of trefoil: source <(trefoil completion bash)\n"
         "_trefoil() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} options=\n"
         "    compopt -o filenames 2>/dev/null");
    printf("    if [ \"$COMP_CWORD\" = 1 ]; then COMPREPLY=($(compgen -W '");
    for (size_t i = 0; i < count; i++) printf("%s ", commands[i]->name);
    puts("' -- \"$word\")); return; fi\n    case $command:${COMP_WORDS[COMP_CWORD - 1]} in");
    for (size_t i = 0; i < count; i++) bash_values(commands[i]);
    puts("    esac\n    case $command in");
    for (size_t i = 0; i < count; i++) {
        printf("        %s) options='", commands[i]->name);
        for (size_t k = 0; k < option_rows; k++)
            if (option_accepted(commands[i], &option_table[k])) printf("--%s ", option_table[k].name);
        puts("' ;;");
    }
    puts("    esac\n    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n}\ncomplete -F _trefoil trefoil");
}

/* Help as zsh's _arguments takes it: without what would end it. */
static void print_plain(const char *text) {
    for (; *text; text++)
        if (!strchr("'[]:\\", *text)) putchar(*text);
}

static void complete_zsh(const trefoil_command *const *commands, size_t count) {
    puts("#compdef trefoil\n_trefoil() {\n    local -a commands\n    commands=(");
    for (size_t i = 0; i < count; i++) {
        printf("        '%s:", commands[i]->name);
        print_plain(commands[i]->summary);
        puts("'");
    }
    puts("    )\n    if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
         "    local command=$words[2]\n    shift words; (( CURRENT-- ))\n    case $command in");
    for (size_t i = 0; i < count; i++) {
        printf("        %s) _arguments", commands[i]->name);
        for (size_t k = 0; k < option_rows; k++) {
            const option_row *row = &option_table[k];
            if (!option_accepted(commands[i], row)) continue;
            printf(" \\\n            '%s--%s[", row->type == OPTION_STRINGS ? "*" : "", row->name);
            print_plain(row->help);
            printf("]");
            if (row->placeholder) printf(":%.*s:", (int)strcspn(row->placeholder, ":"), row->placeholder);
            if (row->choices)
                printf("(%s)", row->choices);
            else if (row->source == FROM_FILES)
                printf("_files");
            else if (row->source == FROM_DIRECTORIES)
                printf("_files -/");
            putchar('\'');
        }
        puts(" ;;");
    }
    puts("    esac\n}\n_trefoil \"$@\"");
}

bool help_completion(const trefoil_command *const *commands, size_t count, const char *shell) {
    bool bash = !strcmp(shell, "bash"), zsh = !strcmp(shell, "zsh");
    if (bash) complete_bash(commands, count);
    if (zsh) complete_zsh(commands, count);
    return bash || zsh;
}

/* The manual ------------------------------------------------------------------------------------------------------- */

static void roff(const char *text) {
    if (*text == '.' || *text == '\'') fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
    }
}

static void manual_of(const trefoil_command *command) {
    printf(".SS trefoil %s%s%s\n", command->name, command->argument ? " " : "",
           command->argument ? command->argument : "");
    roff(command->description);
    printf("\n.PP\n.nf\n");
    for (size_t i = 0; i < 2; i++) {
        if (!command->example[i]) continue;
        roff(command->example[i]);
        putchar('\n');
    }
    puts(".fi");
    for (size_t i = 0; i < option_rows; i++) {
        const option_row *row = &option_table[i];
        char text[1024];
        if (!option_accepted(command, row)) continue;
        describe(command, row, text, sizeof text);
        printf(".TP\n.B ");
        if (row->key < 128) printf("\\-%c, ", row->key);
        printf("\\-\\-");
        roff(row->name);
        if (row->placeholder) printf(" \\fI%s\\fR", row->placeholder);
        putchar('\n');
        roff(text);
        putchar('\n');
    }
}

void help_manual(const trefoil_command *const *commands, size_t count) {
    printf(".TH TREFOIL 1 \"\" \"trefoil %s\" \"User Commands\"\n.SH NAME\ntrefoil \\- private transformer inference "
           "between "
           "three parties\n.SH SYNOPSIS\n.B trefoil\n\\fICOMMAND\\fR [\\fIOPTION\\fR...]\n.SH COMMANDS\n",
           trefoil_version);
    for (size_t i = 0; i < count; i++) manual_of(commands[i]);
    puts(".SH EXIT STATUS\n0, or 1 after a failure, 2 for a wrong command line, 130 when interrupted.");
}
