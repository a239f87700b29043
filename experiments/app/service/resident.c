#include "experiments/app/service/resident.h"

#include <stdio.h>
#include <unistd.h>

#include "experiments/app/log/log.h"
#include "experiments/app/parties/links.h"
#include "experiments/app/parties/party_files.h"
#include "experiments/app/report/form.h"
#include "experiments/app/service/memory.h"
#include "net/base/clock.h"
#include "net/base/new_file.h"

bool resident_generates(const resident *r) {
    return r->model.config.head == TF_HEAD_CAUSAL;
}

/* What it tells of itself ------------------------------------------------------------------------------------------ */

/* The session's name in the log, which the parties' operators can compare. */
static void name_session(const resident *r) {
    enum { SHOWN = 8 };
    char hex[TF_DIGEST_TEXT];
    tf_digest_text(&r->session.party.session, hex);
    hex[SHOWN] = '\0';
    log_session(hex);
}

/* Where one process plays all three, the data owner speaks for them. */
static bool speaks(const resident *r) {
    return r->data_owner || log_is_party(r->settings->party);
}

/* From now on requests can be answered, or no more. */
static tf_status show_ready(const resident *r, bool ready) {
    const char *path = r->settings->ready_file;
    if (ready && speaks(r)) log_line(LOG_INFO, "ready: all three parties are here and agree");
    if (path && !ready) unlink(path);
    return path && ready ? tf_file_write(path, 0666, "ready\n", 6) : TF_OK;
}

static void log_answer(const resident *r, const resident_answer *a) {
    bool generates = resident_generates(r);
    const generate_report *g = &a->generated;
    uint64_t bytes = generates ? g->prefill.bytes + g->decode.bytes + g->bytes_setup
                               : links_total(a->run.links) + a->run.bytes_setup;
    uint64_t rounds = generates ? g->prefill.rounds + g->decode.rounds : a->run.rounds;
    size_t texts = generates ? g->texts : a->run.texts, passes = generates ? g->decode.passes + 1 : 0;
    double seconds = tf_clock() - (generates ? g->began : a->run.began);
    const log_number number[] = {{"texts", (double)texts},
                                 {"seconds", seconds},
                                 {"bytes", (double)bytes},
                                 {"rounds", (double)rounds},
                                 {"passes", (double)passes}};
    char moved[32], steps[48] = "";
    if (generates) snprintf(steps, sizeof steps, ", %zu tokens each at most", passes);
    log_numbers(LOG_INFO, number, generates ? 5 : 4, "%zu %s%s%s, %.3g s, %s, done", texts,
                generates ? "prompt" : "text", texts == 1 ? "" : "s", steps, seconds, bytes_text(bytes, moved));
}

/* Its own files ---------------------------------------------------------------------------------------------------- */

/* This party's parts of what owners outside have shared. */
static tf_status open_shares(resident *r) {
    const resident_settings *s = r->settings;
    party_shares *own = &r->shares[s->party];
    TF_TRY(party_shares_open(&s->parts, s->run.fraction_bits, &r->model.config, s->party, own));
    party_shares_lend(own, s->run.stream, &r->provider, &r->session);
    return TF_OK;
}

tf_status resident_open(const resident_settings *s, const resident_desk *desk, resident *r) {
    *r = (resident){.settings = s,
                    .desk = desk,
                    .model_owner = s->party == s->run.model_owner,
                    .data_owner = s->party == s->run.data_owner};
    if (s->model.directory)
        snprintf(r->directory, sizeof r->directory, "%s", s->model.directory);
    else if (s->parts.model)
        TF_TRY(directory_of_party(s->parts.model, s->party, r->directory, sizeof r->directory));
    bool has_model = r->directory[0];
    (void)show_ready(r, false); /* an earlier process may have been killed */
    bool needs_tokenizer = r->data_owner && !s->model.pin.directory;
    if (!has_model) r->needs = PARTY_NEEDS_CONFIG | (needs_tokenizer ? PARTY_NEEDS_TOKENIZER : 0);
    if (has_model) TF_TRY(model_open_at(&s->model, r->directory, &r->model));
    size_t context;
    if (has_model && resident_generates(r)) TF_TRY(generation_context(s->generation, &r->model, &context));
    if (has_model) TF_TRY(open_shares(r));
    if (r->model_owner || s->run.public_weights) TF_TRY(model_open_weights(&r->model));
    return r->data_owner && has_model ? model_open_tokenizer(&r->model) : TF_OK;
}

void resident_close(resident *r) {
    if (!r->settings) return;
    tf_session_close(&r->session); /* before the files that its weights are read from */
    party_shares_close(&r->shares[r->settings->party]);
    model_close(&r->model);
}

/* Requests --------------------------------------------------------------------------------------------------------- */

/* Where the requests of a connection have come. */
typedef struct round_of_requests {
    bool first, rests; /* rests: the data owner may think before it asks */
    double opened;     /* seconds before the first */
    party_counters before;
} round_of_requests;

/* Texts of an owner who is no party: the results go to files, and party 0 tells what it took. */
static tf_status answer_shared(resident *r, const private_job *job, double start) {
    resident_answer answer = {.shared = r->shares[r->settings->party].texts.texts};
    if (resident_generates(r))
        return tf_fail(TF_INVALID, "--input-shares: prompts come from a data owner among the three parties");
    TF_TRY(party_answer_shared(&r->session, job, tf_clock() - start, &answer.run));
    answer.seconds = tf_clock() - start;
    log_answer(r, &answer);
    return r->settings->party == 0 ? r->desk->answered(r->desk->context, &answer) : TF_OK;
}

static tf_status infer_request(resident *r, private_job *job, const resident_request *request,
                               const round_of_requests *at, resident_answer *answer, bool *asked) {
    job->batches = request->batches;
    return party_answer(&r->session, job, request->values, at->opened, &at->before, at->rests, &answer->run, asked);
}

static generate_job generation_of(const resident *r, const private_job *base, const resident_request *request) {
    const generation_settings *s = r->settings->generation;
    return (generate_job){.job = base,
                          .reveal = s->reveal,
                          .piece = s->piece,
                          .batch = request->prompts,
                          .batches = request->prompt_batches,
                          .watch = request->watch,
                          .sampling = request->sampling,
                          .draft = request->draft,
                          .proposed = s->proposed};
}

static tf_status generate_request(resident *r, const private_job *base, const resident_request *request,
                                  const round_of_requests *at, resident_answer *answer, bool *asked) {
    generate_job job = generation_of(r, base, request);
    TF_TRY(generation_context(r->settings->generation, &r->model, &job.context));
    if (at->first) TF_TRY(party_agree_generation(&r->session, &job));
    return party_continue(&r->session, &job, at->opened, &at->before, at->rests, &answer->generated, asked);
}

/* Tells the data owner's desk how a request ended; a failure's message stays. */
static tf_status tell(resident *r, const resident_answer *answer) {
    tf_failure failure;
    tf_failure_keep(answer->status, &failure);
    tf_status status = r->desk->answered(r->desk->context, answer);
    return failure.status != TF_OK ? tf_failure_raise(&failure) : status;
}

/* One request of the data owner, or the end of all. */
static tf_status answer_one(resident *r, private_job *job, tf_link *link, double start, const round_of_requests *at,
                            bool *asked) {
    resident_request request = {.batches = NULL};
    resident_answer answer = {.status = TF_OK};
    double asked_at = start;
    *asked = false;
    if (r->data_owner) TF_TRY(r->desk->next(r->desk->context, link, &request));
    if (!at->first) asked_at = tf_clock();
    answer.status = resident_generates(r) ? generate_request(r, job, &request, at, &answer, asked)
                                          : infer_request(r, job, &request, at, &answer, asked);
    answer.seconds = tf_clock() - asked_at;
    bool told = r->data_owner && (request.batches || request.prompt_batches);
    if (told) answer.status = tell(r, &answer);
    bool all_said = r->data_owner && !at->first && !told;
    if (all_said && answer.status == TF_PEER) answer.status = TF_OK; /* who has left need not hear that all is said */
    if (*asked && answer.status == TF_OK && speaks(r)) log_answer(r, &answer);
    links_request(false);
    return answer.status;
}

static private_job job_of(const resident *r) {
    return (private_job){.settings = &r->settings->run,
                         .config = &r->model.config,
                         .approx = &r->model.approx,
                         .weights = r->model.weights,
                         .ranges = model_ranges(&r->model),
                         .directory = r->model.directory,
                         .pinned_tokenizer = model_pinned_tokenizer(&r->model),
                         .shares = r->shares};
}

tf_status resident_fits(const resident *r, const resident_request *request) {
    private_job job = job_of(r);
    generate_job prompts = generation_of(r, &job, request);
    job.batches = request->batches;
    TF_TRY(memory_check(&job, r->settings->parties_here));
    return memory_check_prompts(&prompts, r->settings->parties_here);
}

static tf_status answer_requests(resident *r, tf_link *link, double start) {
    const resident_settings *s = r->settings;
    private_job job = job_of(r);
    TF_TRY(party_agree(&r->session, &job));
    if (s->parts.input) return answer_shared(r, &job, start);
    uint64_t rests = s->rests;
    TF_TRY(party_doing(tf_session_publish(&r->session, s->run.data_owner, &rests, sizeof rests), "comparing settings"));
    round_of_requests at = {.first = true, .rests = rests != 0, .opened = tf_clock() - start};
    TF_TRY(show_ready(r, true));
    for (bool asked = true; asked;) {
        TF_TRY(answer_one(r, &job, link, start, &at, &asked));
        log_request(0);
        at = (round_of_requests){.rests = at.rests, .before = party_read_counters(link)};
    }
    if (speaks(r)) log_line(LOG_INFO, "the data owner has no more requests");
    return TF_OK;
}

/* A connection ----------------------------------------------------------------------------------------------------- */

/* Once: of approximations that the weights do not suit, and that whoever chooses the vocabulary can have the lengths of
 * texts, which all see, tell what they speak of. */
static void warn_data_owner(resident *r) {
    char digest[TF_DIGEST_TEXT];
    if (r->warned || !r->data_owner) return;
    r->warned = true;
    model_warn(&r->model);
    if (!(r->needs & PARTY_NEEDS_TOKENIZER) || tokenizer_is_pinned(&r->settings->model.pin)) return;
    log_line(LOG_WARNING,
             "the vocabulary is the model owner's, who could make lengths of texts tell about their words: hold to one "
             "that you trust, by --tokenizer DIR or --tokenizer-digest %s",
             tf_digest_text(&r->model.told, digest));
}

tf_status resident_answer_all(resident *r, tf_link *link, double start) {
    const resident_settings *s = r->settings;
    tf_status status = tf_session_resume(&r->session, link);
    if (status != TF_OK) return party_doing(status, "making keys");
    name_session(r);
    log_line(LOG_DEBUG, "keys are made, settings are compared");
    TF_TRY(tf_party_set_threads(&r->session.party, s->run.threads));
    TF_TRY(party_agree_owners(&r->session, &s->run));
    if (r->needs) model_close(&r->model);
    if (!s->parts.model)
        TF_TRY(party_files(link, &s->model, s->run.model_owner, s->model.directory, r->needs, &r->model));
    if (r->needs) TF_TRY(open_shares(r));
    if (r->data_owner && !r->model.tokenizer) TF_TRY(model_open_tokenizer(&r->model));
    warn_data_owner(r);
    return answer_requests(r, link, start);
}

tf_status resident_connect(resident *r, const link_settings *settings, bool *fatal) {
    tf_link *links[TF_PARTIES];
    double start = tf_clock();
    log_session(NULL);
    tf_status status = links_open(settings, NULL, links);
    *fatal = status != TF_OK && status != TF_PEER && status != TF_MISMATCH;
    if (status != TF_OK) return status;
    tf_link *link = links[r->settings->party];
    status = resident_answer_all(r, link, start);
    bool leaves = links_leaving(); /* a farewell comes after the last messages, news of a failure might overtake them */
    if (status != TF_OK && !leaves) tf_link_announce_failure(link, tf_error_for_peers(status));
    tf_link_close(link); /* which keeps the message */
    links_request(false);
    (void)show_ready(r, false);
    return status;
}
