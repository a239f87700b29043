/* One party, started by its own operator: it finds the other two over the network. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/log/log.h"
#include "experiments/app/parties/links.h"
#include "experiments/app/report/results.h"
#include "experiments/app/service/resident.h"

enum { WAIT_SECONDS = 60, ATTEMPTS = 3 };

/* What this process holds. */
typedef struct holdings {
    const command_line *options;
    resident party;
    report_form form;
    token_settings tokens;
    generation_settings generation_settings;

    /* The data owner's, for the request at hand. */
    text_reader *reader; /* with --serve */
    text_list texts;
    text_batches batches;
    float *values;
    decoys decoys;
    generation generation; /* in place of batches and values, where the model generates text */
    generate_watch watch;
    size_t answered; /* requests */
    int attempts;    /* at this one */
} holdings;

static void drop_request(holdings *h) {
    free(h->values);
    h->values = NULL;
    batches_free(&h->batches);
    decoys_free(&h->decoys);
    generation_close(&h->generation);
    texts_free(&h->texts);
    h->attempts = 0;
}

static void release(holdings *h) {
    drop_request(h);
    text_reader_close(h->reader);
    resident_close(&h->party);
}

/* The data owner's requests ---------------------------------------------------------------------------------------- */

static tf_status print_refusal(const holdings *h) {
    char reason[1024];
    snprintf(reason, sizeof reason, "%s", tf_error());
    return results_print_refusal(&(result_report){.form = &h->form, .offset = h->answered}, reason);
}

static bool has_request(const holdings *h) {
    return h->batches.count > 0 || generation_is_open(&h->generation);
}

/* The request at hand; empty where there is none. */
static resident_request request_at_hand(const holdings *h) {
    if (generation_is_open(&h->generation))
        return (resident_request){.prompts = h->generation.prompts.batch,
                                  .prompt_batches = h->generation.prompts.batches,
                                  .watch = &h->watch,
                                  .draft = h->generation.draft};
    return h->batches.count ? (resident_request){.batches = &h->batches, .values = h->values}
                            : (resident_request){.batches = NULL};
}

static tf_status check_memory(const holdings *h) {
    resident_request request = request_at_hand(h);
    return resident_fits(&h->party, &request);
}

/* Tokens of the texts at hand, and room for their results. */
static tf_status prepare_texts(holdings *h) {
    const command_line *o = h->options;
    const model_files *model = &h->party.model;
    bool generates = resident_generates(&h->party);
    if (generates && o->pad_to)
        return tf_fail(TF_INVALID, "%s is for texts that are read: the lengths of prompts are public",
                       o->decoys ? "--decoys" : "--pad-to");
    if (generates) {
        TF_TRY(generation_open(&h->generation_settings, &h->texts, model, &h->generation));
        h->generation.offset = o->serve ? h->answered : 0;
        h->watch = writer_watch(&h->generation.writer);
        return check_memory(h);
    }
    batch_settings cut = settings_of_batches(o, EMPTY_MARKED);
    TF_TRY(settings_mix_decoys(o, model, &h->texts, &h->decoys));
    TF_TRY(batches_make(&h->texts, model->tokenizer, &model->config, &cut, &h->batches));
    TF_TRY(batches_allocate(&h->batches, &model->config, &h->values));
    return check_memory(h);
}

/* Reads until there is a text that can be asked about; one that cannot is answered here. */
static tf_status next_text(holdings *h) {
    while (!has_request(h)) {
        bool end;
        if (h->options->limit && h->answered >= h->options->limit) return TF_OK;
        drop_request(h);
        tf_status status = text_reader_next(h->reader, &h->texts, &end);
        if (status == TF_IO || status == TF_NOMEM) return status;
        if (status == TF_OK && end) return TF_OK;
        if (status == TF_OK) status = prepare_texts(h);
        if (status == TF_OK) return TF_OK;
        TF_TRY(print_refusal(h));
        drop_request(h);
        h->answered++;
    }
    return TF_OK;
}

/* The next request in h->batches or h->generation; none when all is asked. One that failed with the connection is asked
 * again. */
static tf_status prepare_request(holdings *h) {
    if (h->options->serve) return next_text(h);
    if (h->answered || has_request(h)) return TF_OK;
    text_source source = settings_of_texts(h->options);
    if (!h->texts.count) TF_TRY(texts_read(&source, &h->texts));
    return prepare_texts(h);
}

static tf_status next_request(void *context, tf_link *link, resident_request *request) {
    holdings *h = context;
    TF_TRY(prepare_request(h));
    h->attempts++;
    *request = request_at_hand(h);
    return TF_OK;
}

static tf_status print_answer(const holdings *h, const text_list *texts, const resident_answer *answer) {
    const resident_settings *s = h->party.settings;
    result_report results = {.form = &h->form,
                             .model_owner = s->run.model_owner,
                             .data_owner = s->run.data_owner,
                             .kept_in = s->parts.results,
                             .model = &h->party.model,
                             .texts = texts,
                             .batches = texts == &h->texts ? &h->batches : NULL,
                             .tokens = &h->tokens,
                             .values = h->values,
                             .private = true,
                             .verbose = h->options->verbose,
                             .decoys = h->decoys.count,
                             .decoys_off = h->decoys.off,
                             .seconds_total = answer->seconds,
                             .offset = h->options->serve ? h->answered : 0,
                             .run = answer->run};
    return h->options->serve ? results_print_line(&results, h->answered == 0) : results_print(&results);
}

static tf_status conclude_request(void *context, const resident_answer *answer) {
    holdings *h = context;
    generation *g = &h->generation;
    if (answer->shared) return print_answer(h, &(text_list){.count = answer->shared}, answer);
    if (answer->status != TF_OK) {
        generation_conclude_cut(g, &answer->generated, answer->seconds, answer->status);
        return TF_OK;
    }
    TF_TRY(decoys_take_out(&h->decoys, &h->texts, &h->batches, h->values));
    TF_TRY(generation_is_open(g) ? generation_conclude(g, &answer->generated, answer->seconds)
                                 : print_answer(h, &h->texts, answer));
    drop_request(h);
    h->answered++;
    return TF_OK;
}

/* Connections ------------------------------------------------------------------------------------------------------ */

/* A request that was printed as cut is not asked again. */
static bool drop_cut(holdings *h) {
    bool cut = generation_is_open(&h->generation) && writer_begun(&h->generation.writer);
    if (!cut) return false;
    drop_request(h);
    h->answered++;
    return true;
}

/* With --serve, connections follow each other: for ever, or until the data owner has nothing more to ask. */
static tf_status serve(holdings *h) {
    bool asks_itself = h->party.data_owner;
    for (;;) {
        bool fatal;
        tf_status status = resident_connect(&h->party, &h->options->links, &fatal);
        if (asks_itself && status == TF_OK) return TF_OK;
        if (status == TF_OK) continue;
        bool cut = drop_cut(h), asks = cut || (has_request(h) && h->attempts < ATTEMPTS);
        bool again = !fatal && (!asks_itself || (status == TF_PEER && asks));
        if (tf_link_interrupted() == SIGTERM) {
            log_line(LOG_INFO, "ended by its operator");
            return TF_OK;
        }
        if (!again || tf_link_interrupted()) return status;
        log_line(LOG_ERROR, "%s", tf_error());
        sleep(1); /* so that a lasting fault does not fill the log */
    }
}

/* What is wrong with a party's own files is found before the others are called. */
static tf_status open_own(holdings *h, const resident_settings *settings, const resident_desk *desk) {
    const command_line *o = h->options;
    TF_TRY(resident_open(settings, desk, &h->party));
    if (!h->party.data_owner) return TF_OK;
    text_source source = settings_of_texts(o);
    if (o->serve) return text_reader_open(&source, &h->reader);
    TF_TRY(texts_read(&source, &h->texts));
    return h->party.directory[0] ? prepare_texts(h) : TF_OK;
}

static tf_status run(const command_line *given) {
    command_line o = *given;
    if (o.links.wait == 0) o.links.wait = o.serve && o.links.id != o.data_owner ? INFINITY : WAIT_SECONDS;
    holdings h = {.options = &o, .form = settings_of_report(&o)};
    h.generation_settings = settings_of_generation(&o, &h.form);
    resident_settings settings = settings_of_resident(&o, o.links.id, &h.generation_settings);
    resident_desk desk = {next_request, conclude_request, &h};
    bool fatal;
    TF_TRY(settings_of_tokens(&o, &h.tokens));
    tf_status status = open_own(&h, &settings, &desk);
    if (o.serve)
        links_guard_service();
    else
        links_guard();
    if (status == TF_OK) status = o.serve ? serve(&h) : resident_connect(&h.party, &o.links, &fatal);
    release(&h);
    return status;
}

static tf_status check(const command_line *o) {
    int id = o->links.id;
    if (!o->links.parties)
        return tf_fail(TF_INVALID, "party needs --parties and --identity, and its links are always encrypted");
    if (id == o->model_owner && !o->model)
        return tf_fail(TF_INVALID, "party %d owns the model: it needs --model (see --help)", id);
    if (o->public_weights && !o->model)
        return tf_fail(TF_INVALID, "with --public-weights every party needs --model (see --help)");
    if (id != o->data_owner && (o->texts || o->input))
        return tf_fail(TF_INVALID, "party %d does not own the data: texts are given at party %d", id, o->data_owner);
    if (id == o->data_owner && o->serve && o->texts)
        return tf_fail(TF_INVALID, "--serve reads texts from --input or standard input, not from --text");
    if (id == o->data_owner && !o->serve && !o->texts && !o->input)
        return tf_fail(TF_INVALID, "party %d owns the data: it needs --text or --input, or --serve (see --help)", id);
    if (o->ready_file && !o->serve)
        return tf_fail(TF_INVALID, "--ready-file is of a party that stays: it needs --serve (see --help)");
    if (o->serve && o->input_shares)
        return tf_fail(TF_INVALID, "--serve answers a data owner's requests: no --input-shares (see --help)");
    if (o->fill_mask) TF_TRY(settings_check_masks(o));
    TF_TRY(settings_check_decoys(o));
    TF_TRY(settings_check_shares(o));
    return settings_check_generation(o);
}

const trefoil_command command_party = {
    .name = "party",
    .summary = "be one of three parties that are started separately",
    .description =
        "Is one party of a private run: each operator starts its own, in any order, and the three find each other "
        "over TCP by the parties file. The model is given at the model owner only, texts at the data owner only, "
        "which prints the results; the others are told the architecture, and the data owner the vocabulary. With "
        "--serve a party stays for one data owner after another, and a data owner asks line by line. With "
        "--model-shares no party knows the model, with --input-shares none knows texts and results. "
        "Where the model generates text, the data owner gives prompts; --context, --prefill and --reveal are then the "
        "same at all "
        "three.",
    .example = {"trefoil party --id 0 --parties parties.json --identity id0 --model DIR --serve",
                "trefoil party --id 1 --parties parties.json --identity id1 --input texts.txt"},
    .accepts =
        (const char[]){
            OPTION_QUIET,
            OPTION_LOG_LEVEL,
            OPTION_LOG_JSON,
            OPTION_READY_FILE,
            OPTION_VERBOSE,
            OPTION_FILL_MASK,
            OPTION_AGGREGATION,
            OPTION_TOP,
            OPTION_TOKENIZER,
            OPTION_TOKENIZER_DIGEST,
            OPTION_PAD_TO,
            OPTION_DECOYS,
            OPTION_CERTIFIED,
            OPTION_TOLERANCE,
            OPTION_ID,
            OPTION_SERVE,
            OPTION_LISTEN,
            OPTION_WAIT,
            OPTION_MODEL,
            OPTION_TEXT,
            OPTION_PROMPT,
            OPTION_MAX_TOKENS,
            OPTION_CONTEXT,
            OPTION_DRAFT,
            OPTION_DRAFT_TOKENS,
            OPTION_PREFILL,
            OPTION_CHAT,
            OPTION_REVEAL,
            OPTION_TEMPERATURE,
            OPTION_TOP_K,
            OPTION_TOP_P,
            OPTION_MIN_P,
            OPTION_REPEAT,
            OPTION_STOP,
            OPTION_IGNORE_END,
            OPTION_LOGPROBS,
            OPTION_INPUT,
            OPTION_LIMIT,
            OPTION_TRUNCATE,
            OPTION_MAX_LENGTH,
            OPTION_FORMAT,
            OPTION_STRICT,
            OPTION_COLUMNS,
            OPTION_BATCH,
            OPTION_APPROX,
            OPTION_FRACTION_BITS,
            OPTION_PUBLIC_WEIGHTS,
            OPTION_PLUGIN,
            OPTION_MODEL_SHARES,
            OPTION_STREAM,
            OPTION_MODEL_ROOT,
            OPTION_INPUT_SHARES,
            OPTION_RESULT_SHARES,
            OPTION_NO_RANGES,
            OPTION_NO_GUARD,
            OPTION_CHECK_COPIES,
            OPTION_NETWORK,
            OPTION_TIMEOUT,
            OPTION_PARTIES,
            OPTION_IDENTITY,
            OPTION_SHAPE,
            OPTION_THREADS,
            OPTION_KEEP,
            0,
        },
    .requires = (const char[]){OPTION_ID, 0},
    .secrets = true,
    .texts_optional = true,
    .check = check,
    .run = run,
};
