#include "experiments/app/commands/options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/commands/link_options.h"
#include "net/link.h"
#include "runtime/program/program.h"

static const struct argp_option table[] = {
    {"model", OPTION_MODEL, "DIR", 0, "Model directory: config.json, model.safetensors, tokenizer.json or vocab.txt",
     0},
    {"text", OPTION_TEXT, "TEXT", 0, "A text; may be given several times", 0},
    {"input", OPTION_INPUT, "FILE", 0,
     "Texts from a file: .jsonl (strings, pairs of strings, or objects with \"text\"), .tsv (a header with \"text\" or "
     "\"sentence\", and maybe \"label\"), otherwise one a line",
     0},
    {"truncate", OPTION_TRUNCATE, NULL, 0, "Cut texts that are longer than the model's positions", 0},
    {"limit", OPTION_LIMIT, "N", 0, "Use the first N texts only", 0},
    {"batch", OPTION_BATCH, "N", 0, "Texts computed together (32; with --arch: 1)", 0},
    {"approx", OPTION_APPROX, "LIST", 0,
     "exact, paper, puma, mpcformer, or a list such as gelu=relu,softmax=power:4,layernorm@11=exact,layernorm1@3=exact "
     "(what the model was trained for, or exact)",
     0},
    {"public-weights", OPTION_PUBLIC_WEIGHTS, NULL, 0, "The weights of linear layers are public: cheaper", 0},
    {"frac-bits", OPTION_FRACTION_BITS, "BITS", 0, "Fractional bits of fixed-point numbers (16)", 0},
    {"model-owner", OPTION_MODEL_OWNER, "PARTY", 0, "The party that holds the weights (0)", 0},
    {"data-owner", OPTION_DATA_OWNER, "PARTY", 0, "The party that holds the texts and gets the result (1)", 0},
    {"check", OPTION_CHECK, NULL, 0,
     "Compare with the plain model afterwards, for development: the data owner then opens the weights too", 0},
    {"model-shares", OPTION_MODEL_SHARES, "DIR", 0,
     "Weights from share files, so that no party knows the model: what share-model wrote, or this party's part of it",
     0},
    {"input-shares", OPTION_INPUT_SHARES, "DIR", 0,
     "Texts from share files, so that no party knows them: what share-input wrote, or this party's part of it", 0},
    {"result-shares", OPTION_RESULT_SHARES, "DIR", 0,
     "Where results are kept as share files; may be given twice to reveal, for the directories of two parties", 0},
    {"stream", OPTION_STREAM, NULL, 0, "Take weights from the share files each time they are used: little memory", 0},
    {"no-ranges", OPTION_NO_RANGES, NULL, 0, "Do not use the model's ranges.json", 0},
    {"check-ranges", OPTION_CHECK_RANGES, NULL, 0,
     "With --local, for development: put every value together and stop at the first that leaves its range", 0},
    {"report", OPTION_REPORT, "FILE", 0, "Write what --check-ranges saw at each node as JSON", 0},
    {"report", OPTION_PROFILE, NULL, 0, "With --arch: where the time goes, op by op", 0},
    {"factor", OPTION_FACTOR, "NUMBER", 0, "By how much values may exceed those of the calibration (2)", 0},
    {"data", OPTION_DATA, "FILE", 0,
     "Labelled texts: .jsonl (objects with \"text\", or \"text_a\" and \"text_b\", and \"label\"), otherwise a "
     "tab-separated table with a header as in GLUE, or CoLA's",
     0},
    {"columns", OPTION_COLUMNS, "LIST", 0,
     "Which columns of the table to take: text=NAME,text_b=NAME,label=NAME by the header's names, or by numbers from 1 "
     "where it has none",
     0},
    {"metric", OPTION_METRIC, "NAME", 0, "accuracy, f1, matthews or pearson (accuracy; for regression: pearson)", 0},
    {"plain", OPTION_PLAIN, NULL, 0, "In floating point in this process, without parties", 0},
    {"out", OPTION_OUT, "PATH", 0, "What to write: a directory, or eval's file of results", 0},
    {"party", OPTION_PARTY, "PARTY", 0, "The party's number, 0 to 2", 0},
    {"id", OPTION_ID, "PARTY", 0, "Which party this is, 0 to 2", 0},
    {"serve", OPTION_SERVE, NULL, 0,
     "Stay: answer one request after another. The data owner reads texts from --input or standard input, and prints a "
     "line for each",
     0},
    {"listen", OPTION_LISTEN, "HOST:PORT", 0, "Where to listen, if not at this party's address in the parties file", 0},
    {"wait", OPTION_WAIT, "SECONDS", 0, "How long to wait for the other parties (60; with --serve: for ever)", 0},
    {"network", OPTION_NETWORK, "NETWORK", 0,
     "Tell how long messages take on lan (1 ms, 5 Gbit/s), wan (40 ms, 400 Mbit/s) or DELAYms,RATEmbit: round-trip "
     "time, and rate of each direction of each pair",
     0},
    {"step", OPTION_STEP, "NAME", 0, "A protocol step", 0},
    {"n", OPTION_ELEMENTS, "N", 0, "Elements of the step's input (65536)", 0},
    {"matmul", OPTION_MATMUL, "MxKxN", 0, "A matrix product of these dimensions", 0},
    {"arch", OPTION_ARCH, "NAME", 0, "bert-tiny, -mini, -small, -medium, -base or -large, with random weights", 0},
    {"link", OPTION_LINK, NULL, 0, "The link itself: bytes a second between two parties, and the time of a round", 0},
    {"seq", OPTION_SEQUENCE, "N", 0, "Tokens a text (128)", 0},
    {"layers", OPTION_LAYERS, "N", 0, "Only the first N layers of the architecture", 0},
    {"runs", OPTION_RUNS, "N", 0, "Measured runs; medians are reported (5; with --arch: 1)", 0},
    {"fidelity", OPTION_FIDELITY, NULL, 0,
     "Measure every op's errors over its range, in floating point and between three parties in this process; prints "
     "Markdown",
     0},
    {"plugin", OPTION_PLUGIN, "FILE", 0, "Load more ops from a shared object; may be given several times", 0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON", 0},
    {"help", OPTION_HELP, NULL, 0, "Print this help", 0},
};

enum { TABLE_SIZE = sizeof table / sizeof table[0], MOST_BITS = 24, FEWEST_BITS = 8 };
static const size_t most = (size_t)1 << 32; /* of any count */

typedef struct parser {
    const trefoil_command *command;
    command_line *options;
    bool given[256];       /* by key */
    const char *offending; /* what argp could not make sense of */
    tf_status status;
    link_input links;
} parser;

static tf_status read_count(const char *name, const char *text, size_t *count) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || value == 0 || value > most)
        return tf_fail(TF_INVALID, "--%s '%s' is not a whole number from 1 to %zu", name, text, most);
    *count = (size_t)value;
    return TF_OK;
}

static tf_status read_small(const char *name, const char *text, long low, long high, int *value) {
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (end == text || *end || errno || number < low || number > high)
        return tf_fail(TF_INVALID, "--%s '%s' is not a whole number from %ld to %ld", name, text, low, high);
    *value = (int)number;
    return TF_OK;
}

static tf_status read_factor(const char *text, double *factor) {
    char *end;
    *factor = strtod(text, &end);
    if (end == text || *end || !(*factor >= 1 && *factor <= 1e6))
        return tf_fail(TF_INVALID, "--factor '%s' is not a number from 1 on", text);
    return TF_OK;
}

static tf_status read_matmul(const char *text, size_t dim[3]) {
    char copy[64], *rest = copy;
    if (strlen(text) >= sizeof copy) return tf_fail(TF_INVALID, "--matmul '%s' is too long", text);
    strcpy(copy, text);
    for (int i = 0; i < 3; i++) {
        char *part = strsep(&rest, "x");
        if (!part || read_count("matmul", part, &dim[i]) != TF_OK)
            return tf_fail(TF_INVALID, "--matmul '%s' is not of the form MxKxN, such as 128x768x768", text);
    }
    if (rest) return tf_fail(TF_INVALID, "--matmul '%s' has more than three dimensions", text);
    return TF_OK;
}

static tf_status append(const char ***list, size_t *count, const char *item) {
    const char **grown = realloc(*list, (*count + 1) * sizeof *grown);
    if (!grown) return tf_fail(TF_NOMEM, "out of memory");
    grown[(*count)++] = item;
    *list = grown;
    return TF_OK;
}

static tf_status set(command_line *o, int key, const char *value) {
    switch ((enum option_key)key) {
    case OPTION_MODEL: o->model = value; break;
    case OPTION_TEXT: return append(&o->text, &o->texts, value);
    case OPTION_INPUT: o->input = value; break;
    case OPTION_TRUNCATE: o->truncate = true; break;
    case OPTION_LIMIT: return read_count("limit", value, &o->limit);
    case OPTION_BATCH: return read_count("batch", value, &o->batch);
    case OPTION_APPROX: o->approx = value; break;
    case OPTION_PUBLIC_WEIGHTS: o->public_weights = true; break;
    case OPTION_FRACTION_BITS: return read_small("frac-bits", value, FEWEST_BITS, MOST_BITS, &o->fraction_bits);
    case OPTION_MODEL_OWNER: return read_small("model-owner", value, 0, TF_PARTIES - 1, &o->model_owner);
    case OPTION_DATA_OWNER: return read_small("data-owner", value, 0, TF_PARTIES - 1, &o->data_owner);
    case OPTION_CHECK: o->check = true; break;
    case OPTION_FIDELITY: o->fidelity = true; break;
    case OPTION_PLUGIN: return append(&o->plugin, &o->plugins, value);
    case OPTION_JSON: o->json = true; break;
    case OPTION_DATA: o->data = value; break;
    case OPTION_COLUMNS: o->columns = value; break;
    case OPTION_METRIC: o->metric = value; break;
    case OPTION_NO_RANGES: o->no_ranges = true; break;
    case OPTION_CHECK_RANGES: o->check_ranges = true; break;
    case OPTION_REPORT: o->report = value; break;
    case OPTION_FACTOR: return read_factor(value, &o->factor);
    case OPTION_PLAIN: o->plain = true; break;
    case OPTION_OUT: o->out = value; break;
    case OPTION_STEP: o->step = value; break;
    case OPTION_ELEMENTS: return read_count("n", value, &o->elements);
    case OPTION_MATMUL: return read_matmul(value, o->matmul);
    case OPTION_ARCH: o->arch = value; break;
    case OPTION_SEQUENCE: return read_count("seq", value, &o->sequence);
    case OPTION_LAYERS: return read_count("layers", value, &o->layers);
    case OPTION_RUNS: return read_count("runs", value, &o->runs);
    case OPTION_LINK: o->link = true; break;
    case OPTION_ID: return read_small("id", value, 0, TF_PARTIES - 1, &o->links.id);
    case OPTION_SERVE: o->serve = true; break;
    case OPTION_LISTEN: o->links.listen = value; break;
    case OPTION_WAIT: return link_read_seconds("wait", value, &o->links.wait);
    case OPTION_NETWORK: o->is_network = true; return tf_network_parse("network", value, &o->network);
    case OPTION_PARTY: return read_small("party", value, 0, TF_PARTIES - 1, &o->party);
    case OPTION_MODEL_SHARES: o->model_shares = value; break;
    case OPTION_INPUT_SHARES: o->input_shares = value; break;
    case OPTION_RESULT_SHARES: return append(&o->result_shares, &o->results, value);
    case OPTION_STREAM: o->stream = true; break;
    case OPTION_PROFILE: o->profile = true; break;
    case OPTION_HELP: o->help = true; break;
    }
    return TF_OK;
}

static error_t on_option(int key, char *value, struct argp_state *state) {
    parser *parse = state->input;
    if (key == ARGP_KEY_INIT) {
        if (parse->command->links) state->child_inputs[0] = &parse->links;
        return 0;
    }
    if (key == ARGP_KEY_ARG && parse->command->argument && !parse->options->argument) {
        parse->options->argument = value;
        return 0;
    }
    if (key == ARGP_KEY_ARG) {
        parse->status =
            tf_fail(TF_INVALID, "'%s' is not an option of trefoil %s (see --help)", value, parse->command->name);
        return EINVAL;
    }
    if (key == ARGP_KEY_ERROR && state->next > 0) parse->offending = state->argv[state->next - 1];
    if (key <= 0 || key >= (int)sizeof parse->given) return ARGP_ERR_UNKNOWN;
    parse->given[key] = true;
    parse->status = set(parse->options, key, value);
    return parse->status == TF_OK ? 0 : EINVAL;
}

static bool accepts(const trefoil_command *command, int key) {
    return key == OPTION_JSON || key == OPTION_HELP || strchr(command->accepts, key);
}

/* Picks a command's options from the table; `picked` has room for all and a closing zero. */
static struct argp make_argp(const trefoil_command *command, struct argp_option picked[TABLE_SIZE + 1]) {
    static const struct argp_child links[] = {{.argp = &link_argp}, {0}};
    int count = 0;
    for (int i = 0; i < TABLE_SIZE; i++)
        if (accepts(command, table[i].key)) picked[count++] = table[i];
    picked[count] = (struct argp_option){0};
    return (struct argp){.options = picked,
                         .parser = on_option,
                         .args_doc = command->argument,
                         .doc = command->description,
                         .children = command->links ? links : NULL};
}

void options_help(const trefoil_command *command) {
    struct argp_option picked[TABLE_SIZE + 1];
    struct argp argp = make_argp(command, picked);
    char name[64];
    snprintf(name, sizeof name, "trefoil %s", command->name);
    argp_help(&argp, stdout, ARGP_HELP_STD_HELP & ~(unsigned)ARGP_HELP_EXIT_OK, name);
}

static const char *name_of(int key) {
    for (int i = 0; i < TABLE_SIZE; i++)
        if (table[i].key == key) return table[i].name;
    return "";
}

/* A parties file says who owns what, so that it need not be said again. */
static tf_status take_owners(const parser *parse, command_line *o) {
    const tf_parties *file = &o->links.file;
    if (!o->links.parties) return TF_OK;
    bool no_model = file->model_owner < 0 && !o->model_shares;
    if (no_model || (file->data_owner < 0 && !o->input_shares))
        return tf_fail(TF_INVALID, "%s: no party has the role \"%s owner\", and there is no --%s-shares",
                       o->links.parties, no_model ? "model" : "data", no_model ? "model" : "input");
    if ((parse->given[OPTION_MODEL_OWNER] && o->model_owner != file->model_owner) ||
        (parse->given[OPTION_DATA_OWNER] && o->data_owner != file->data_owner))
        return tf_fail(TF_INVALID,
                       "%s makes party %d the model owner and party %d the data owner: leave --model-owner "
                       "and --data-owner out",
                       o->links.parties, file->model_owner, file->data_owner);
    o->model_owner = file->model_owner;
    o->data_owner = file->data_owner;
    return TF_OK;
}

tf_status options_parse(const trefoil_command *command, int argc, char **argv, command_line *o) {
    *o = (command_line){.fraction_bits = 16, .data_owner = 1, .factor = 2, .links = link_settings_default()};
    o->takes_ranges = accepts(command, OPTION_NO_RANGES);
    struct argp_option picked[TABLE_SIZE + 1];
    struct argp argp = make_argp(command, picked);
    parser parse = {.command = command, .options = o, .offending = "", .links = {.options = &o->links}};
    /* argp's own messages take several lines; this reports in one. */
    error_t error = argp_parse(&argp, argc, argv, ARGP_NO_ERRS | ARGP_NO_HELP, NULL, &parse);
    TF_TRY(parse.status);
    TF_TRY(parse.links.status);
    if (error)
        return tf_fail(TF_INVALID,
                       "'%s' is not an option of trefoil %s, or its value is missing or unwanted (see --help)",
                       parse.offending, command->name);
    if (o->help) return TF_OK;
    for (const char *key = command->requires; *key; key++)
        if (!parse.given[(unsigned char)*key])
            return tf_fail(TF_INVALID, "%s needs --%s (see --help)", command->name, name_of((unsigned char)*key));
    if (o->check_ranges && !o->links.local)
        return tf_fail(TF_INVALID, "--check-ranges reveals everything to one process: it needs --local");
    if (o->report && !o->check_ranges) return tf_fail(TF_INVALID, "--report needs --check-ranges (see --help)");
    int sources = parse.given[OPTION_TEXT] + parse.given[OPTION_INPUT] + parse.given[OPTION_INPUT_SHARES];
    if (command->texts_optional && sources > 1)
        return tf_fail(TF_INVALID, "--text, --input and --input-shares do not go together");
    if (accepts(command, OPTION_TEXT) && !command->texts_optional && sources != 1)
        return tf_fail(TF_INVALID, "%s needs either --text or --input%s (see --help)", command->name,
                       accepts(command, OPTION_INPUT_SHARES) ? " or --input-shares" : "");
    if (command->argument && !o->argument)
        return tf_fail(TF_INVALID, "%s needs a %s (see --help)", command->name, command->argument);
    TF_TRY(link_settings_finish(&o->links));
    if ((o->model_shares && parse.given[OPTION_MODEL_OWNER]) || (o->input_shares && parse.given[OPTION_DATA_OWNER]))
        return tf_fail(TF_INVALID, "with share files the owner is none of the parties: no --%s-owner (see --help)",
                       o->model_shares && parse.given[OPTION_MODEL_OWNER] ? "model" : "data");
    TF_TRY(take_owners(&parse, o));
    if (o->model_shares) o->model_owner = TF_OUTSIDE;
    if (o->input_shares) o->data_owner = TF_OUTSIDE;
    return command->check ? command->check(o) : TF_OK;
}

void options_free(command_line *o) {
    free(o->text);
    free(o->plugin);
    free(o->result_shares);
}
