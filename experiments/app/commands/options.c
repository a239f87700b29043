#include "experiments/app/commands/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/commands/launch.h"
#include "experiments/app/commands/option_table.h"
#include "experiments/app/log/log.h"
#include "experiments/app/parties/threads.h"
#include "runtime/program/program.h"

enum { MOST_ROWS = 112, KEYS = 256, POSITIONAL = 1 };

typedef struct parser {
    const trefoil_command *command;
    command_line *options;
    bool given[KEYS];
    const char *raw[KEYS]; /* values as they were given */
} parser;

static tf_status read_count(const char *name, const char *text, double most, size_t *count) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || value == 0 || (double)value > most)
        return tf_fail(TF_INVALID, "--%s '%s' is not a whole number from 1 to %.0f", name, text, most);
    *count = (size_t)value;
    return TF_OK;
}

static tf_status read_whole(const option_row *row, const char *text, int *value) {
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (end == text || *end || errno || (double)number < row->low || (double)number > row->high)
        return tf_fail(TF_INVALID, "--%s '%s' is not a whole number from %.0f to %.0f", row->name, text, row->low,
                       row->high);
    *value = (int)number;
    return TF_OK;
}

static tf_status read_number(const option_row *row, const char *text, double *value) {
    char *end;
    bool seconds = row->type == OPTION_SECONDS;
    *value = strtod(text, &end);
    bool whole = end != text && !*end;
    if (seconds && (!whole || !(*value > 0 && *value <= 1e6)))
        return tf_fail(TF_INVALID, "--%s '%s' is not a number of seconds above 0", row->name, text);
    if (!seconds && (!whole || !(*value >= row->low && *value <= row->high)))
        return tf_fail(TF_INVALID, "--%s '%s' is not a number from %g to %g", row->name, text, row->low, row->high);
    return TF_OK;
}

static tf_status read_product(const char *name, const char *text, size_t dim[3]) {
    char copy[64], *rest = copy;
    if (strlen(text) >= sizeof copy) return tf_fail(TF_INVALID, "--%s '%s' is too long", name, text);
    strcpy(copy, text);
    for (int i = 0; i < 3; i++) {
        char *part = strsep(&rest, "x");
        if (!part || read_count(name, part, 0x1p32, &dim[i]) != TF_OK)
            return tf_fail(TF_INVALID, "--%s '%s' is not of the form MxKxN, such as 128x768x768", name, text);
    }
    if (rest) return tf_fail(TF_INVALID, "--%s '%s' has more than three dimensions", name, text);
    return TF_OK;
}

/* Whether a value of --shape are dimensions, such as 128x3072, and no network. */
static bool is_shape(const char *text) {
    return *text && text[strspn(text, "0123456789x")] == '\0';
}

static tf_status read_shape(const char *name, const char *text, size_t dim[4]) {
    char copy[64], *rest = copy, *part;
    int count = 0;
    snprintf(copy, sizeof copy, "%s", text);
    memset(dim, 0, 4 * sizeof *dim);
    while ((part = strsep(&rest, "x")))
        if (count == 3 || read_count(name, part, 0x1p32, &dim[count++]) != TF_OK || !dim[count - 1])
            return tf_fail(TF_INVALID, "--%s '%s' is neither a network nor one to three dimensions, such as 128x3072",
                           name, text);
    return TF_OK;
}

/* A secret value is copied, and its place in the process list overwritten. */
static tf_status append(const option_row *row, char *value, const char ***list, size_t *count) {
    const char **grown = realloc(*list, (*count + 1) * sizeof *grown);
    if (!grown) return tf_fail(TF_NOMEM, "out of memory");
    *list = grown;
    char *item = row->secret ? strdup(value) : value;
    if (!item) return tf_fail(TF_NOMEM, "out of memory");
    if (row->secret) memset(value, '*', strlen(value));
    grown[(*count)++] = item;
    return TF_OK;
}

static tf_status set(const option_row *row, char *value, command_line *o) {
    void *to = (char *)o + row->offset, *companion = (char *)o + row->companion;
    switch (row->type) {
    case OPTION_FLAG: *(bool *)to = true; break;
    case OPTION_STRING: *(const char **)to = value; break;
    case OPTION_STRINGS: return append(row, value, to, companion);
    case OPTION_COUNT: return read_count(row->name, value, row->high, to);
    case OPTION_WHOLE: return read_whole(row, value, to);
    case OPTION_NUMBER:
    case OPTION_SECONDS: return read_number(row, value, to);
    case OPTION_PRODUCT: return read_product(row->name, value, to);
    case OPTION_NETWORKS:
        if (row->key == OPTION_SHAPE && is_shape(value)) return read_shape(row->name, value, o->dimension);
        if (row->key == OPTION_NETWORK) o->measures = strcmp(value, "measured") == 0;
        if (row->key == OPTION_NETWORK && o->measures) return TF_OK;
        *(bool *)companion = true;
        return tf_network_parse(row->name, value, to);
    }
    return TF_OK;
}

static const option_row *row_of(int key) {
    for (size_t i = 0; i < option_rows; i++)
        if (option_table[i].key == key) return &option_table[i];
    return NULL;
}

static tf_status refuse(const parser *p, const char *given) {
    const option_row *near = option_nearest(p->command, given);
    return tf_fail(TF_INVALID,
                   "'%s' is not an option of trefoil %s, or its value is missing or unwanted (%s%s%ssee --help)", given,
                   p->command->name, near ? "did you mean --" : "", near ? near->name : "", near ? "? " : "");
}

/* What getopt_long takes: the long options, and the short ones in `letters`. */
static void list_options(const trefoil_command *command, struct option list[MOST_ROWS], char letters[2 * MOST_ROWS]) {
    size_t count = 0, used = (size_t)sprintf(letters, "-:");
    for (size_t i = 0; i < option_rows; i++) {
        const option_row *row = &option_table[i];
        if (!option_accepted(command, row)) continue;
        int value = row->type == OPTION_FLAG ? no_argument : required_argument;
        list[count++] = (struct option){row->name, value, NULL, row->key};
        if (row->key < 128) used += (size_t)sprintf(letters + used, value == no_argument ? "%c" : "%c:", row->key);
    }
    list[count] = (struct option){0};
}

static tf_status read_all(parser *p, int argc, char **argv) {
    struct option list[MOST_ROWS];
    char letters[3 * MOST_ROWS];
    list_options(p->command, list, letters);
    optind = 0; /* anew, in glibc */
    opterr = 0;
    for (;;) {
        int before = optind ? optind : 1, key = getopt_long(argc, argv, letters, list, NULL);
        if (key < 0) break;
        if (key == POSITIONAL) {
            if (!p->command->argument || p->options->argument)
                return tf_fail(TF_INVALID, "'%s' is not an option of trefoil %s (see --help)", optarg,
                               p->command->name);
            p->options->argument = optarg;
            continue;
        }
        const option_row *row = row_of(key);
        if (key == '?' || key == ':' || !row) return refuse(p, argv[before < argc ? before : argc - 1]);
        p->given[key] = true;
        p->raw[key] = optarg;
        TF_TRY(set(row, optarg, p->options));
    }
    if (optind < argc)
        return tf_fail(TF_INVALID, "'%s' is not an option of trefoil %s (see --help)", argv[optind], p->command->name);
    return TF_OK;
}

/* Whether a command takes an option, by its key. */
static bool accepts(const trefoil_command *command, int key) {
    return strchr(command->accepts, key) != NULL;
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

/* Combinations of the options of links; reads the parties file. */
static tf_status finish_links(link_settings *o) {
    if (o->local && (o->parties || o->identity || o->plaintext))
        return tf_fail(TF_INVALID, "--local connects threads of one process: it goes without --parties, --identity and "
                                   "--plaintext-links");
    if (o->plaintext && (o->parties || o->identity))
        return tf_fail(TF_INVALID, "--plaintext-links proves no identities: leave --parties and --identity out");
    if (!o->parties != !o->identity)
        return tf_fail(TF_INVALID, "--parties and --identity belong together (see trefoil keygen --help)");
    return o->parties ? tf_parties_read(o->parties, &o->file) : TF_OK;
}

/* Which party this process plays, where that is known before it meets the others. */
static int find_party(const command_line *o) {
    int processes, rank;
    launch_place(&processes, &rank);
    if (o->links.id >= 0) return o->links.id;
    return processes < TF_PARTIES || o->links.local || o->plain ? -1 : rank % TF_PARTIES;
}

/* Texts, and what is done with them, are the data owner's alone: another party of a job need not be told. */
static bool is_the_data_owners(const parser *p, int key) {
    const command_line *o = p->options;
    bool theirs = key == OPTION_TEXT || key == OPTION_INPUT || key == OPTION_PROMPT || key == OPTION_DATA ||
                  key == OPTION_OUT || key == OPTION_QUERY;
    return theirs && o->plays >= 0 && o->plays != o->data_owner && accepts(p->command, OPTION_DATA_OWNER);
}

static tf_status check_sources(const parser *p) {
    const trefoil_command *command = p->command;
    int text = accepts(command, OPTION_PROMPT) && !accepts(command, OPTION_TEXT) ? OPTION_PROMPT : OPTION_TEXT;
    int sources =
        (p->given[OPTION_TEXT] || p->given[OPTION_PROMPT]) + p->given[OPTION_INPUT] + p->given[OPTION_INPUT_SHARES];
    if (command->texts_optional && sources > 1)
        return tf_fail(TF_INVALID, "--text, --input and --input-shares do not go together");
    bool wanted = accepts(command, text) && !command->texts_optional && !is_the_data_owners(p, text);
    if (wanted ? sources != 1 : sources > 1)
        return tf_fail(TF_INVALID, "%s needs either --%s or --input%s (see --help)", command->name,
                       text == OPTION_TEXT ? "text" : "prompt",
                       accepts(command, OPTION_INPUT_SHARES) ? " or --input-shares" : "");
    return TF_OK;
}

static tf_status check_required(const parser *p) {
    const trefoil_command *command = p->command;
    for (const char *key = command->requires; *key; key++)
        if (!p->given[(unsigned char)*key] && !is_the_data_owners(p, (unsigned char)*key))
            return tf_fail(TF_INVALID, "%s needs --%s (see --help)", command->name, row_of((unsigned char)*key)->name);
    return check_sources(p);
}

static tf_status check_all(const parser *p) {
    const trefoil_command *command = p->command;
    command_line *o = p->options;
    if (o->check_ranges && !o->links.local)
        return tf_fail(TF_INVALID, "--check-ranges reveals everything to one process: it needs --local");
    log_level level;
    if (o->log_level) TF_TRY(log_level_find(o->log_level, &level));
    if (o->report && !o->check_ranges) return tf_fail(TF_INVALID, "--report needs --check-ranges (see --help)");
    if (command->argument && !o->argument && command->argument[0] != '[')
        return tf_fail(TF_INVALID, "%s needs a %s (see --help)", command->name, command->argument);
    TF_TRY(finish_links(&o->links));
    if ((o->model_shares && p->given[OPTION_MODEL_OWNER]) || (o->input_shares && p->given[OPTION_DATA_OWNER]))
        return tf_fail(TF_INVALID, "with share files the owner is none of the parties: no --%s-owner (see --help)",
                       o->model_shares && p->given[OPTION_MODEL_OWNER] ? "model" : "data");
    TF_TRY(take_owners(p, o));
    if (o->model_shares) o->model_owner = TF_OUTSIDE;
    if (o->input_shares) o->data_owner = TF_OUTSIDE;
    o->plays = find_party(o);
    TF_TRY(check_required(p));
    return command->check ? command->check(o) : TF_OK;
}

/* A count that is not given has the command's default, where that is a number. */
static void describe_count(const trefoil_command *command, const option_row *row, size_t value, report_setting *out) {
    char buffer[64], *end;
    const char *fallback = option_fallback(command, row, buffer);
    double number = value ? (double)value : fallback ? strtod(fallback, &end) : 0;
    if (number > 0) *out = (report_setting){.type = SETTING_WHOLE, .number = number};
}

static report_setting describe(const trefoil_command *command, const option_row *row, const command_line *o) {
    const void *at = (const char *)o + row->offset;
    report_setting out = {.type = SETTING_UNSET};
    switch (row->type) {
    case OPTION_FLAG: out = (report_setting){.type = SETTING_TRUTH, .number = *(const bool *)at}; break;
    case OPTION_STRING:
        if (*(const char *const *)at) out = (report_setting){.type = SETTING_TEXT, .text = *(const char *const *)at};
        break;
    case OPTION_COUNT: describe_count(command, row, *(const size_t *)at, &out); break;
    case OPTION_WHOLE: out = (report_setting){.type = SETTING_WHOLE, .number = *(const int *)at}; break;
    case OPTION_NUMBER:
    case OPTION_SECONDS: out = (report_setting){.type = SETTING_REAL, .number = *(const double *)at}; break;
    default: break;
    }
    return out;
}

/* What results depend on, of the options that the command takes, by their names with underscores. */
static void describe_all(const parser *p) {
    command_line *o = p->options;
    for (size_t i = 0; i < option_rows && o->settings < MOST_SETTINGS; i++) {
        const option_row *row = &option_table[i];
        if (!row->setting || !option_accepted(p->command, row)) continue;
        report_setting *setting = &o->setting[o->settings++];
        *setting = describe(p->command, row, o);
        bool as_given = row->type == OPTION_NETWORKS || row->type == OPTION_PRODUCT;
        if (row->key == OPTION_THREADS) setting->number = party_threads(&o->links);
        if (as_given && p->raw[row->key]) *setting = (report_setting){.type = SETTING_TEXT, .text = p->raw[row->key]};
        snprintf(setting->name, sizeof setting->name, "%s", row->name);
        for (char *c = setting->name; *c; c++)
            if (*c == '-') *c = '_';
    }
}

tf_status options_parse(const trefoil_command *command, int argc, char **argv, command_line *o) {
    *o = (command_line){.fraction_bits = 16,
                        .data_owner = 1,
                        .factor = 2,
                        .tolerance = 0.05,
                        .links = {.timeout = 30, .id = -1},
                        .generate = {.top_k = -1, .top_p = -1, .min_p = -1}};
    o->takes_ranges = accepts(command, OPTION_NO_RANGES);
    parser p = {.command = command, .options = o};
    TF_TRY(read_all(&p, argc, argv));
    if (o->help) return TF_OK;
    TF_TRY(check_all(&p));
    describe_all(&p);
    return TF_OK;
}

void options_free(command_line *o) {
    for (size_t i = 0; i < o->texts; i++) {
        explicit_bzero((char *)o->text[i], strlen(o->text[i]));
        free((char *)o->text[i]);
    }
    for (size_t i = 0; i < o->queries; i++) {
        explicit_bzero((char *)o->query[i], strlen(o->query[i]));
        free((char *)o->query[i]);
    }
    free(o->text);
    free(o->query);
    free(o->plugin);
    free(o->result_shares);
    free(o->generate.stop);
}
