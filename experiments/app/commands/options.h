/** The command line: one table of options for all sub-commands, each of which accepts some of them. */
#ifndef TF_APP_OPTIONS_H
#define TF_APP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/app/parties/settings.h"
#include "experiments/app/report/form.h"
#include "net/base/status.h"

/** The options' keys, which are also their short forms where they are characters. */
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
    OPTION_HELP = 'h',
    OPTION_QUIET = 'q',
    OPTION_VERBOSE = 'v',
    OPTION_LOCAL = 'l',
    OPTION_TIMEOUT = 'T',
    OPTION_PARTIES = 'P',
    OPTION_IDENTITY = 'I',
    OPTION_PLAINTEXT = 'X',
    OPTION_SHAPE = 'H',
    OPTION_THREADS = 'J',
    /* without a short form */
    OPTION_FIDELITY = 128,
    OPTION_COLUMNS,
    OPTION_METRIC,
    OPTION_PLAIN,
    OPTION_NO_RANGES,
    OPTION_NO_GUARD,
    OPTION_CHECK_COPIES,
    OPTION_CHECK_RANGES,
    OPTION_REPORT,
    OPTION_FACTOR,
    OPTION_LINK,
    OPTION_OP,
    OPTION_PARTY,
    OPTION_ID,
    OPTION_SERVE,
    OPTION_LISTEN,
    OPTION_WAIT,
    OPTION_NETWORK,
    OPTION_MODEL_SHARES,
    OPTION_INPUT_SHARES,
    OPTION_RESULT_SHARES,
    OPTION_STREAM,
    OPTION_PACKED,
    OPTION_PROFILE,
    OPTION_FORCE,
    OPTION_OPS,
    OPTION_CRITICAL,
    OPTION_PROMPT,
    OPTION_MAX_TOKENS,
    OPTION_CONTEXT,
    OPTION_REVEAL,
    OPTION_TEMPERATURE,
    OPTION_TOP_K,
    OPTION_TOP_P,
    OPTION_MIN_P,
    OPTION_REPEAT,
    OPTION_SEED,
    OPTION_STOP,
    OPTION_IGNORE_END,
    OPTION_LOGPROBS,
    OPTION_TOKENS,
    OPTION_PREFILL,
    OPTION_KEEP,
    OPTION_CHAT,
    OPTION_DRAFT,
    OPTION_DRAFT_TOKENS,
    OPTION_TOKENIZER,
    OPTION_PAD_TO,
    OPTION_MODEL_ROOT,
    OPTION_TOKENIZER_DIGEST,
    OPTION_FORMAT,
    OPTION_STRICT,
    OPTION_MAX_LENGTH,
    OPTION_FILL_MASK,
    OPTION_AGGREGATION,
    OPTION_TOP,
    OPTION_DIMENSIONS,
    OPTION_QUERY,
    OPTION_VECTORS,
    OPTION_HTTP,
    OPTION_TOKEN,
    OPTION_TLS,
    OPTION_NAME,
    OPTION_QUEUE,
    OPTION_LOG_LEVEL,
    OPTION_LOG_JSON,
    OPTION_READY_FILE,
    OPTION_EACH,
    OPTION_DRY_RUN,
    OPTION_DECOYS,
    OPTION_CERTIFIED,
    OPTION_TOLERANCE
};

enum { MOST_SETTINGS = 48 };

/** How text is generated; 0 and NULL where not given, of top_k, top_p and min_p a number below 0. */
typedef struct generate_line {
    const char *reveal, *draft, **stop;
    size_t stops, max_tokens, context, piece, keep, logprobs, seed, draft_tokens;
    int top_k;
    double temperature, top_p, min_p, repeat_penalty;
    bool ignore_end, chat;
} generate_line;

typedef struct command_line {
    const char *model, *input, *approx, *data, *out, *step, *op, *arch, *columns, *format, *aggregation, *vectors,
        *metric, *report, *log_level, *ready_file, *model_shares, *input_shares, *tokenizer, *tokenizer_digest, *pad_to,
        *each, *model_root;                /**< NULL where not given */
    const char *http, *token, *tls, *name; /**< of the gateway; likewise */
    const char *certified;                 /**< of decoys, as are the next two */
    size_t decoys;
    double tolerance;
    const char *argument; /**< the one that is no option */
    const char **text, **query, **plugin, **result_shares;
    size_t texts, queries, plugins, results;
    size_t limit, batch, queue, max_length, top, dimensions, elements, sequence, tokens, layers, runs;
    size_t matmul[3];    /**< all 0 where not given */
    size_t dimension[4]; /**< of an op's input, ended by 0 */
    int fraction_bits, model_owner, data_owner, party;
    int plays; /**< the party that this process plays, as --id or a launcher says; -1: any, all, or none */
    double factor;
    generate_line generate;
    link_settings links;
    bool is_network, measures; /**< whether `network` was given, or is to be measured */
    tf_network network;
    bool serve; /**< of a party that is started by itself */
    bool truncate, strict, fill_mask, public_weights, link, check, check_copies, check_ranges, plain, no_ranges,
        no_guard, stream, packed, fidelity, profile, dry_run, force, ops, critical, quiet, verbose, log_json, json,
        help;
    bool takes_ranges;                     /**< whether the command knows --no-ranges */
    report_setting setting[MOST_SETTINGS]; /**< what results depend on */
    size_t settings;
} command_line;

/** The options of how parties are connected, for lists of what a command accepts. */
#define LINK_OPTIONS                                                                                                   \
    OPTION_LOCAL, OPTION_PARTIES, OPTION_IDENTITY, OPTION_PLAINTEXT, OPTION_SHAPE, OPTION_TIMEOUT, OPTION_THREADS

/** A sub-command. */
typedef struct trefoil_command trefoil_command;
struct trefoil_command {
    const char *name, *summary, *description;
    const char *example[2];
    const char *accepts;  /**< option keys; --help is understood by all, --json by all that have options */
    const char *requires; /**< the keys among them that must be given; "" for none */
    const char *argument; /**< what a single argument is, needed unless it is in brackets; or NULL */
    const char *defaults; /**< where they are not the table's: "batch=1 seq=" (none) */
    bool secrets;         /**< keys or shares are in its memory: see hardening.h */
    bool stays;           /**< it is a service, whose lines are for a log */
    bool texts_optional;  /**< --text or --input need not be given, as not by all parties */
    tf_status (*check)(const command_line *options); /**< of combinations of options; may be NULL */
    tf_status (*run)(const command_line *options);
    /** Of a command that reads its arguments by itself, in place of `run`: its exit status. argv[0] is its name. */
    int (*start)(const trefoil_command *const *commands, size_t count, int argc, char **argv);
};

/** The exit statuses, beside 0. */
enum { EXIT_FAILED = 1, EXIT_MISUSED = 2, EXIT_INTERRUPTED = 130 };

/**
 * Reads the arguments of a sub-command, argv[0] being its name, over the defaults. Fails with TF_INVALID and one line.
 * Strings point into argv, but texts, whose place there is overwritten: they leave the process list.
 */
TF_CHECKED tf_status options_parse(const trefoil_command *command, int argc, char **argv, command_line *options);
void options_free(command_line *options);

#endif
