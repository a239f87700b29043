/* One party, started by its own operator: it finds the other two over the network. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/data/directory.h"
#include "experiments/app/log/log.h"
#include "experiments/app/parties/links.h"
#include "experiments/app/parties/party_files.h"
#include "experiments/app/report/results.h"
#include "experiments/app/service/generation.h"
#include "experiments/app/service/party_infer.h"
#include "net/base/clock.h"

enum { WAIT_SECONDS = 60, ATTEMPTS = 3 };

/* What this party holds. */
typedef struct holdings {
    const command_line *options;
    run_settings settings;
    model_settings model_settings;
    share_settings parts;
    report_form form;
    token_settings tokens;
    generation_settings generation_settings;
    bool model_owner, data_owner;
    unsigned needs;                 /* of the model owner's public files, on every connection */
    char directory[DIRECTORY_PATH]; /* of the model, or of this party's part of it; empty where it has none */
    model_files model;
    party_shares shares[TF_PARTIES]; /* this party's own, where owners are outside */
    tf_provider provider;            /* of weights from there */
    tf_session session;              /* with the shared weights, kept from connection to connection */

    /* The data owner's, for the request at hand. */
    text_reader *reader; /* with --serve */
    text_list texts;
    text_batches batches;
    float *values;
    generation generation; /* in place of batches and values, where the model generates text */
    generate_report generated;
    size_t answered; /* requests */
    int attempts;    /* at this one */
    bool warned;
} holdings;

static void drop_request(holdings *h) {
    free(h->values);
    h->values = NULL;
    batches_free(&h->batches);
    generation_close(&h->generation);
    h->generated = (generate_report){0};
    texts_free(&h->texts);
    h->attempts = 0;
}

static void release(holdings *h) {
    drop_request(h);
    text_reader_close(h->reader);
    tf_session_close(&h->session); /* before the files that its weights are read from */
    party_shares_close(&h->shares[h->options->links.id]);
    model_close(&h->model);
}

/* The data owner's requests ---------------------------------------------------------------------------------------- */

static tf_status print_refusal(const holdings *h) {
    char reason[1024];
    snprintf(reason, sizeof reason, "%s", tf_error());
    return results_print_refusal(&(result_report){.form = &h->form, .offset = h->answered}, reason);
}

static bool generates(const holdings *h) {
    return h->model.config.head == TF_HEAD_CAUSAL;
}

static bool has_request(const holdings *h) {
    return h->batches.count > 0 || generation_is_open(&h->generation);
}

/* Tokens of the texts at hand, and room for their results. */
static tf_status prepare_texts(holdings *h) {
    const command_line *o = h->options;
    if (generates(h) && o->pad_to)
        return tf_fail(TF_INVALID, "--pad-to is for texts that are read: the lengths of prompts are public");
    if (generates(h)) {
        TF_TRY(generation_open(&h->generation_settings, &h->texts, &h->model, &h->generation));
        h->generation.offset = o->serve ? h->answered : 0;
        return TF_OK;
    }
    batch_settings cut = settings_of_batches(o, EMPTY_MARKED);
    TF_TRY(batches_make(&h->texts, h->model.tokenizer, &h->model.config, &cut, &h->batches));
    return batches_allocate(&h->batches, &h->model.config, &h->values);
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
static tf_status next_request(holdings *h) {
    if (h->options->serve) return next_text(h);
    if (h->answered || has_request(h)) return TF_OK;
    text_source source = settings_of_texts(h->options);
    if (!h->texts.count) TF_TRY(texts_read(&source, &h->texts));
    return prepare_texts(h);
}

static tf_status print_answer(const holdings *h, const text_list *texts, const run_report *report, double seconds) {
    result_report results = {.form = &h->form,
                             .model_owner = h->settings.model_owner,
                             .data_owner = h->settings.data_owner,
                             .kept_in = h->parts.results,
                             .model = &h->model,
                             .texts = texts,
                             .batches = texts == &h->texts ? &h->batches : NULL,
                             .tokens = &h->tokens,
                             .values = h->values,
                             .private = true,
                             .seconds_total = seconds,
                             .offset = h->options->serve ? h->answered : 0,
                             .run = *report};
    return h->options->serve ? results_print_line(&results, h->answered == 0) : results_print(&results);
}

/* A connection ----------------------------------------------------------------------------------------------------- */

/* Where the requests of a connection have come. */
typedef struct round_of_requests {
    bool first, rests; /* rests: the data owner may think before it asks */
    double opened;     /* seconds before the first */
    party_counters before;
} round_of_requests;

/* Texts of an owner who is no party: the results go to files, and party 0 tells what it took. */
static tf_status answer_shared(holdings *h, const private_job *job, double start) {
    run_report report = {0};
    TF_TRY(party_answer_shared(&h->session, job, tf_clock() - start, &report));
    text_list unknown = {.count = h->shares[h->options->links.id].texts.texts};
    return h->options->links.id == 0 ? print_answer(h, &unknown, &report, tf_clock() - start) : TF_OK;
}

/* One request of the data owner, or the end of all. */
static tf_status infer_request(holdings *h, private_job *job, const round_of_requests *at, double asked_at,
                               bool *asked) {
    run_report report = {0};
    if (h->data_owner) job->batches = &h->batches;
    TF_TRY(party_answer(&h->session, job, h->values, at->opened, &at->before, at->rests, &report, asked));
    return h->data_owner && *asked ? print_answer(h, &h->texts, &report, tf_clock() - asked_at) : TF_OK;
}

static tf_status generate_request(holdings *h, const private_job *base, const round_of_requests *at, double asked_at,
                                  bool *asked) {
    generation *g = &h->generation;
    generate_watch watch = writer_watch(&g->writer);
    generate_job job = {
        .job = base, .reveal = h->generation_settings.reveal, .piece = h->generation_settings.piece, .watch = &watch};
    TF_TRY(generation_context(&h->generation_settings, &h->model, &job.context));
    if (at->first) TF_TRY(party_agree_generation(&h->session, &job));
    if (h->data_owner) job.batch = g->prompts.batch, job.batches = g->prompts.batches;
    h->generated = (generate_report){0};
    tf_status status = party_continue(&h->session, &job, at->opened, &at->before, at->rests, &h->generated, asked);
    double seconds = tf_clock() - asked_at;
    if (status != TF_OK) generation_conclude_cut(g, &h->generated, seconds, status);
    if (status != TF_OK) return status;
    return h->data_owner && *asked ? generation_conclude(g, &h->generated, seconds) : TF_OK;
}

static tf_status answer_requests(holdings *h, tf_link *link, double start) {
    const command_line *o = h->options;
    private_job job = {
        .settings = &h->settings,
        .config = &h->model.config,
        .approx = &h->model.approx,
        .weights = h->model.weights,
        .ranges = model_ranges(&h->model),
        .directory = h->model.directory,
        .pinned_tokenizer = model_pinned_tokenizer(&h->model),
        .shares = h->shares,
    };
    TF_TRY(party_agree(&h->session, &job));
    if (o->input_shares && generates(h))
        return tf_fail(TF_INVALID, "--input-shares: prompts come from a data owner among the three parties");
    if (o->input_shares) return answer_shared(h, &job, start);
    uint64_t rests = o->serve; /* the data owner may think between requests; otherwise silence is a fault */
    TF_TRY(party_doing(tf_session_publish(&h->session, o->data_owner, &rests, sizeof rests), "comparing settings"));
    round_of_requests at = {.first = true, .rests = rests != 0, .opened = tf_clock() - start};
    for (bool asked = true; asked;) {
        double asked_at = start;
        if (h->data_owner) {
            TF_TRY(next_request(h));
            if (h->answered) asked_at = tf_clock();
            h->attempts++;
        }
        TF_TRY(generates(h) ? generate_request(h, &job, &at, asked_at, &asked)
                            : infer_request(h, &job, &at, asked_at, &asked));
        if (h->data_owner && asked) {
            drop_request(h);
            h->answered++;
        }
        at = (round_of_requests){.rests = at.rests, .before = party_read_counters(link)};
    }
    return TF_OK;
}

/* This party's parts of what owners outside have shared. */
static tf_status open_shares(holdings *h) {
    party_shares *own = &h->shares[h->options->links.id];
    TF_TRY(party_shares_open(&h->parts, h->settings.fraction_bits, &h->model.config, h->options->links.id, own));
    if (!own->weights) return TF_OK;
    h->provider = tf_share_weights_provider(own->weights);
    h->session.store.provider = &h->provider;
    h->session.store.stream = h->options->stream;
    return TF_OK;
}

/* Once: whoever chooses the vocabulary can have the lengths of texts, which all see, tell what they speak of. */
static void warn_unpinned(holdings *h) {
    char digest[TF_DIGEST_TEXT];
    if (h->warned || !(h->needs & PARTY_NEEDS_TOKENIZER) || tokenizer_is_pinned(&h->model_settings.pin)) return;
    h->warned = true;
    log_line(LOG_WARNING,
             "the vocabulary is the model owner's, who could make lengths of texts tell about their words: hold to one "
             "that you trust, by --tokenizer DIR or --tokenizer-digest %s",
             tf_digest_text(&h->model.told, digest));
}

/* With a link to both others, until the data owner has no more requests. */
static tf_status work(holdings *h, tf_link *link, double start) {
    const command_line *o = h->options;
    tf_status status = tf_session_resume(&h->session, link);
    if (status != TF_OK) return party_doing(status, "making keys");
    TF_TRY(tf_party_set_threads(&h->session.party, h->settings.threads));
    TF_TRY(party_agree_owners(&h->session, &h->settings));
    if (h->needs) model_close(&h->model);
    if (!o->model_shares) TF_TRY(party_files(link, &h->model_settings, o->model_owner, o->model, h->needs, &h->model));
    if (h->needs) TF_TRY(open_shares(h));
    if (h->data_owner && !h->model.tokenizer) TF_TRY(model_open_tokenizer(&h->model));
    warn_unpinned(h);
    return answer_requests(h, link, start);
}

static tf_status connect_and_work(holdings *h, bool *fatal) {
    tf_link *links[TF_PARTIES];
    double start = tf_clock();
    tf_status status = links_open(&h->options->links, NULL, links);
    *fatal = status != TF_OK && status != TF_PEER && status != TF_MISMATCH; /* what no other connection would mend */
    if (status != TF_OK) return status;
    tf_link *link = links[h->options->links.id];
    status = work(h, link, start);
    if (status != TF_OK) tf_link_announce_failure(link, tf_error_for_peers(status));
    tf_link_close(link); /* which keeps the message */
    return status;
}

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
    for (;;) {
        bool fatal;
        tf_status status = connect_and_work(h, &fatal);
        if (h->data_owner && status == TF_OK) return TF_OK;
        if (status == TF_OK) continue;
        bool cut = drop_cut(h), asks = cut || (has_request(h) && h->attempts < ATTEMPTS);
        bool again = !fatal && (!h->data_owner || (status == TF_PEER && asks));
        if (!again || tf_link_interrupted()) return status;
        log_line(LOG_ERROR, "%s", tf_error());
        sleep(1); /* so that a lasting fault does not fill the log */
    }
}

/* What is wrong with a party's own files is found before the others are called. */
static tf_status open_own(holdings *h) {
    const command_line *o = h->options;
    if (o->model)
        snprintf(h->directory, sizeof h->directory, "%s", o->model);
    else if (o->model_shares)
        TF_TRY(directory_of_party(o->model_shares, o->links.id, h->directory, sizeof h->directory));
    bool has_model = h->directory[0];
    bool needs_tokenizer = h->data_owner && !o->tokenizer;
    if (!has_model) h->needs = PARTY_NEEDS_CONFIG | (needs_tokenizer ? PARTY_NEEDS_TOKENIZER : 0);
    if (has_model) TF_TRY(model_open_at(&h->model_settings, h->directory, &h->model));
    if (has_model) TF_TRY(open_shares(h));
    if (h->model_owner || o->public_weights) TF_TRY(model_open_weights(&h->model));
    if (!h->data_owner) return TF_OK;
    if (has_model) TF_TRY(model_open_tokenizer(&h->model));
    text_source source = settings_of_texts(o);
    if (o->serve) return text_reader_open(&source, &h->reader);
    TF_TRY(texts_read(&source, &h->texts));
    return has_model ? prepare_texts(h) : TF_OK;
}

static tf_status run(const command_line *given) {
    command_line o = *given;
    if (o.links.wait == 0) o.links.wait = o.serve && o.links.id != o.data_owner ? INFINITY : WAIT_SECONDS;
    holdings h = {.options = &o,
                  .settings = settings_of_run(&o),
                  .model_settings = settings_of_model(&o),
                  .parts = settings_of_shares(&o),
                  .form = settings_of_report(&o),
                  .model_owner = o.links.id == o.model_owner,
                  .data_owner = o.links.id == o.data_owner};
    h.generation_settings = settings_of_generation(&o, &h.form);
    bool fatal;
    log_party(o.links.id);
    TF_TRY(settings_of_tokens(&o, &h.tokens));
    tf_status status = open_own(&h);
    links_guard();
    if (status == TF_OK) status = o.serve ? serve(&h) : connect_and_work(&h, &fatal);
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
    if (o->serve && o->input_shares)
        return tf_fail(TF_INVALID, "--serve answers a data owner's requests: no --input-shares (see --help)");
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
            OPTION_LOG_LEVEL,
            OPTION_LOG_JSON,
            OPTION_FILL_MASK,
            OPTION_AGGREGATION,
            OPTION_TOP,
            OPTION_TOKENIZER,
            OPTION_TOKENIZER_DIGEST,
            OPTION_PAD_TO,
            OPTION_ID,
            OPTION_SERVE,
            OPTION_LISTEN,
            OPTION_WAIT,
            OPTION_MODEL,
            OPTION_TEXT,
            OPTION_PROMPT,
            OPTION_MAX_TOKENS,
            OPTION_CONTEXT,
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
            OPTION_TIMEOUT,
            OPTION_PARTIES,
            OPTION_IDENTITY,
            OPTION_SHAPE,
            OPTION_THREADS,
            0,
        },
    .requires = (const char[]){OPTION_ID, 0},
    .secrets = true,
    .texts_optional = true,
    .check = check,
    .run = run,
};
