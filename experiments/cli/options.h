/** The command line: one table of options for all sub-commands, each of which accepts some of them. */
#ifndef TF_CLI_OPTIONS_H
#define TF_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/status.h"

/** The options' keys, which are also their short forms. */
enum option_key {
    OPTION_MODEL = 'm',
    OPTION_TEXT = 't',
    OPTION_INPUT = 'i',
    OPTION_TRUNCATE = 'u',
    OPTION_LIMIT = 'k',
    OPTION_BATCH = 'b',
    OPTION_APPROX = 'a',
    OPTION_PUBLIC_WEIGHTS = 'w',
    OPTION_FRACTION_BITS = 'f',
    OPTION_MODEL_OWNER = 'M',
    OPTION_DATA_OWNER = 'D',
    OPTION_LOCAL = 'l',
    OPTION_TIMEOUT = 'T',
    OPTION_CHECK = 'c',
    OPTION_PLUGIN = 'p',
    OPTION_JSON = 'j',
    OPTION_DATA = 'd',
    OPTION_OUT = 'o',
    OPTION_STEP = 's',
    OPTION_ELEMENTS = 'n',
    OPTION_MATMUL = 'x',
    OPTION_ARCH = 'A',
    OPTION_SEQUENCE = 'S',
    OPTION_LAYERS = 'L',
    OPTION_RUNS = 'r',
    OPTION_MODEL_SHARES = 'W',
    OPTION_INPUT_SHARES = 'I',
    OPTION_RESULT_SHARES = 'R',
    OPTION_STREAM = 'Z',
    OPTION_HELP = 'h'
};

typedef struct cli_options {
    const char *model, *input, *approx, *data, *out, *step, *arch; /**< NULL where not given */
    const char *model_shares, *input_shares;                       /**< likewise */
    const char **text, **plugin, **result_shares;
    size_t texts, plugins, results;
    size_t limit, batch, elements, sequence, layers, runs;
    size_t matmul[3];                           /**< all 0 where not given */
    int fraction_bits, model_owner, data_owner; /**< owners: TF_OUTSIDE with --model-shares, --input-shares */
    double timeout;
    bool truncate, public_weights, local, check, stream, json, help;
} cli_options;

/** A sub-command. */
typedef struct cli_command {
    const char *name, *summary, *description;
    const char *accepts;                            /**< option keys; --json and --help are understood by all */
    const char *requires;                           /**< the keys among them that must be given; "" for none */
    tf_status (*check)(const cli_options *options); /**< of combinations of options; may be NULL */
    tf_status (*run)(const cli_options *options);
} cli_command;

/**
 * Reads the arguments of a sub-command, argv[0] being its name, over the defaults. Fails with TF_INVALID and one line.
 * Strings point into argv.
 */
TF_CHECKED tf_status options_parse(const cli_command *command, int argc, char **argv, cli_options *options);
void options_free(cli_options *options);

/** Prints a sub-command's help. */
void options_help(const cli_command *command);

#endif
