#include "experiments/cli/options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/link.h"
#include "runtime/program.h"

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
     "exact, paper, or a list such as gelu=relu,softmax=exact,layernorm@11=exact (what the model was trained for, or "
     "exact)",
     0},
    {"public-weights", OPTION_PUBLIC_WEIGHTS, NULL, 0, "The weights of linear layers are public: cheaper", 0},
    {"frac-bits", OPTION_FRACTION_BITS, "BITS", 0, "Fractional bits of fixed-point numbers (16)", 0},
    {"model-owner", OPTION_MODEL_OWNER, "PARTY", 0, "The party that holds the weights (0)", 0},
    {"data-owner", OPTION_DATA_OWNER, "PARTY", 0, "The party that holds the texts and gets the result (1)", 0},
    {"local", OPTION_LOCAL, NULL, 0, "Run the three parties as threads of this process, without mpirun", 0},
    {"timeout", OPTION_TIMEOUT, "SECONDS", 0, "How long to wait for a silent party (30)", 0},
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
    {"data", OPTION_DATA, "FILE", 0, "Labelled texts: .tsv with the columns \"text\" or \"sentence\", and \"label\"",
     0},
    {"out", OPTION_OUT, "DIR", 0, "The model directory to write", 0},
    {"step", OPTION_STEP, "NAME", 0, "A protocol step", 0},
    {"n", OPTION_ELEMENTS, "N", 0, "Elements of the step's input (65536)", 0},
    {"matmul", OPTION_MATMUL, "MxKxN", 0, "A matrix product of these dimensions", 0},
    {"arch", OPTION_ARCH, "NAME", 0, "bert-tiny, -mini, -small, -medium, -base or -large, with random weights", 0},
    {"seq", OPTION_SEQUENCE, "N", 0, "Tokens a text (128)", 0},
    {"layers", OPTION_LAYERS, "N", 0, "Only the first N layers of the architecture", 0},
    {"runs", OPTION_RUNS, "N", 0, "Measured runs; medians are reported (5; with --arch: 1)", 0},
    {"plugin", OPTION_PLUGIN, "FILE", 0, "Load more ops from a shared object; may be given several times", 0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON", 0},
    {"help", OPTION_HELP, NULL, 0, "Print this help", 0},
};

enum { TABLE_SIZE = sizeof table / sizeof table[0], MOST_BITS = 24, FEWEST_BITS = 8 };
static const size_t most = (size_t)1 << 32; /* of any count */

typedef struct parser {
    const cli_command *command;
    cli_options *options;
    bool given[128];       /* by key */
    const char *offending; /* what argp could not make sense of */
    tf_status status;
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

static tf_status read_seconds(const char *name, const char *text, double *seconds) {
    char *end;
    *seconds = strtod(text, &end);
    if (end == text || *end || !(*seconds > 0 && *seconds <= 1e6))
        return tf_fail(TF_INVALID, "--%s '%s' is not a number of seconds above 0", name, text);
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

static tf_status set(cli_options *o, int key, const char *value) {
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
    case OPTION_LOCAL: o->local = true; break;
    case OPTION_TIMEOUT: return read_seconds("timeout", value, &o->timeout);
    case OPTION_CHECK: o->check = true; break;
    case OPTION_PLUGIN: return append(&o->plugin, &o->plugins, value);
    case OPTION_JSON: o->json = true; break;
    case OPTION_DATA: o->data = value; break;
    case OPTION_OUT: o->out = value; break;
    case OPTION_STEP: o->step = value; break;
    case OPTION_ELEMENTS: return read_count("n", value, &o->elements);
    case OPTION_MATMUL: return read_matmul(value, o->matmul);
    case OPTION_ARCH: o->arch = value; break;
    case OPTION_SEQUENCE: return read_count("seq", value, &o->sequence);
    case OPTION_LAYERS: return read_count("layers", value, &o->layers);
    case OPTION_RUNS: return read_count("runs", value, &o->runs);
    case OPTION_MODEL_SHARES: o->model_shares = value; break;
    case OPTION_INPUT_SHARES: o->input_shares = value; break;
    case OPTION_RESULT_SHARES: return append(&o->result_shares, &o->results, value);
    case OPTION_STREAM: o->stream = true; break;
    case OPTION_HELP: o->help = true; break;
    }
    return TF_OK;
}

static error_t on_option(int key, char *value, struct argp_state *state) {
    parser *parse = state->input;
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

static bool accepts(const cli_command *command, int key) {
    return key == OPTION_JSON || key == OPTION_HELP || strchr(command->accepts, key);
}

/* Picks a command's options from the table; `picked` has room for all and a closing zero. */
static struct argp make_argp(const cli_command *command, struct argp_option picked[TABLE_SIZE + 1]) {
    int count = 0;
    for (int i = 0; i < TABLE_SIZE; i++)
        if (accepts(command, table[i].key)) picked[count++] = table[i];
    picked[count] = (struct argp_option){0};
    return (struct argp){.options = picked, .parser = on_option, .doc = command->description};
}

void options_help(const cli_command *command) {
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

tf_status options_parse(const cli_command *command, int argc, char **argv, cli_options *o) {
    *o = (cli_options){.fraction_bits = 16, .data_owner = 1, .timeout = 30};
    struct argp_option picked[TABLE_SIZE + 1];
    struct argp argp = make_argp(command, picked);
    parser parse = {.command = command, .options = o, .offending = ""};
    /* argp's own messages take several lines; this reports in one. */
    error_t error = argp_parse(&argp, argc, argv, ARGP_NO_ERRS | ARGP_NO_HELP, NULL, &parse);
    TF_TRY(parse.status);
    if (error)
        return tf_fail(TF_INVALID,
                       "'%s' is not an option of trefoil %s, or its value is missing or unwanted (see --help)",
                       parse.offending, command->name);
    if (o->help) return TF_OK;
    for (const char *key = command->requires; *key; key++)
        if (!parse.given[(int)*key])
            return tf_fail(TF_INVALID, "%s needs --%s (see --help)", command->name, name_of(*key));
    if (accepts(command, OPTION_TEXT) &&
        parse.given[OPTION_TEXT] + parse.given[OPTION_INPUT] + parse.given[OPTION_INPUT_SHARES] != 1)
        return tf_fail(TF_INVALID, "%s needs either --text or --input%s (see --help)", command->name,
                       accepts(command, OPTION_INPUT_SHARES) ? " or --input-shares" : "");
    if ((o->model_shares && parse.given[OPTION_MODEL_OWNER]) || (o->input_shares && parse.given[OPTION_DATA_OWNER]))
        return tf_fail(TF_INVALID, "with share files the owner is none of the parties: no --%s-owner (see --help)",
                       o->model_shares && parse.given[OPTION_MODEL_OWNER] ? "model" : "data");
    if (o->model_shares) o->model_owner = TF_OUTSIDE;
    if (o->input_shares) o->data_owner = TF_OUTSIDE;
    return command->check ? command->check(o) : TF_OK;
}

void options_free(cli_options *o) {
    free(o->text);
    free(o->plugin);
    free(o->result_shares);
}
