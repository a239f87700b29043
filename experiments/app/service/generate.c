#include "experiments/app/service/generate.h"
#include "experiments/app/service/memory.h"

#include <stdlib.h>
#include <string.h>

#include "net/base/clock.h"
#include "net/base/secret.h"
#include "ops/draft.h"

tf_status generate_check(const tf_config *config, const prompt_batch *prompts, size_t tokens, size_t context) {
    if (context > config->positions)
        return tf_fail(TF_INVALID, "a context of %zu tokens is asked for; the model has %zu positions", context,
                       config->positions);
    if (prompts->longest >= context || tokens > context - prompts->longest)
        return tf_fail(
            TF_INVALID,
            "a prompt of %zu tokens and %zu more do not fit a context of %zu: shorten the prompt, or ask for "
            "fewer tokens",
            prompts->longest, tokens, context);
    for (size_t i = 0; i < prompts->texts * prompts->longest; i++)
        if (prompts->ids[i] < 0 || (size_t)prompts->ids[i] >= config->vocabulary)
            return tf_fail(TF_INVALID, "a token id is not below %zu: model and tokenizer do not fit together",
                           config->vocabulary);
    return TF_OK;
}

/* The state of a run ----------------------------------------------------------------------------------------------- */

typedef struct run {
    const generate_job *job;
    tf_session *session;  /* NULL in floating point */
    tf_plain_state state; /* in floating point */
    bool owner;           /* of the data */
    const tf_safetensors *weights;
    tf_sampling sampling; /* of this request */
    double penalty;       /* likewise: on tokens that are in the text, inside; 1: none */
    prompt_batch prompts; /* ids NULL where this party does not hold them */
    size_t *padding;
    int32_t *next;
    int32_t *seen;   /* of the data owner where tokens of the text are penalised inside: texts x rows x vocabulary */
    size_t proposed; /* tokens at once */
    int32_t *text;   /* where tokens are proposed, of the data owner: the only one, as far as it has come, and these */
    size_t tokens;   /* of it */
    size_t advance;  /* tokens that the last pass has brought, of each text */
    double *values;
    pass pass;
    generate_report *report;
    progress_line line; /* of the prompts, and of tokens that are not seen as they come; at the data owner */
} run;

static void release(run *r) {
    pass_free(&r->pass);
    tf_plain_state_free(&r->state);
    free(r->padding);
    free(r->next);
    free(r->seen);
    if (r->text) explicit_bzero(r->text, r->tokens * sizeof *r->text);
    free(r->text);
    free(r->values);
}

/* Numbers of prompts and their lengths, from the data owner to all. */
static tf_status publish_prompts(run *r) {
    enum { MOST = 1 << 20 };
    int from = r->job->job->settings->data_owner;
    uint64_t facts[2] = {r->prompts.texts, r->prompts.longest};
    if (r->session) TF_TRY(tf_session_publish(r->session, from, facts, sizeof facts));
    if (facts[0] < 1 || facts[0] > MOST || facts[1] < 1 || facts[1] > MOST)
        return tf_fail(TF_FORMAT, "party %d announced prompts that cannot be", from);
    size_t texts = r->prompts.texts = (size_t)facts[0];
    r->prompts.longest = (size_t)facts[1];
    uint64_t *all = calloc(texts, sizeof *all);
    r->padding = calloc(texts, sizeof *r->padding);
    r->next = calloc(texts, sizeof *r->next);
    tf_status status = all && r->padding && r->next ? TF_OK : tf_fail(TF_NOMEM, "no memory for %zu prompts", texts);
    for (size_t i = 0; status == TF_OK && r->owner && i < texts; i++) all[i] = r->prompts.lengths[i];
    if (status == TF_OK && r->session) status = tf_session_publish(r->session, from, all, texts * sizeof *all);
    for (size_t i = 0; status == TF_OK && i < texts; i++) {
        if (all[i] < 1 || all[i] > facts[1])
            status = tf_fail(TF_FORMAT, "party %d announced a prompt that cannot be", from);
        r->padding[i] = (size_t)(facts[1] - all[i]);
    }
    free(all);
    return status;
}

/* How tokens are chosen, and how many are proposed at once, from the data owner to all: 48 B to each. */
static tf_status publish_choice(run *r) {
    const run_settings *o = r->job->job->settings;
    tf_sampling *s = &r->sampling;
    *s = r->owner && r->job->sampling ? *r->job->sampling : o->sampling;
    r->penalty = r->session ? o->repeat_penalty : 1; /* in floating point it is the sampler's */
    double choice[] = {s->temperature, (double)s->top_k, s->top_p, s->min_p, r->penalty, 0};
    if (!r->session || r->job->reveal != REVEAL_TOKEN) return TF_OK;
    if (r->job->draft && r->prompts.texts == 1) choice[5] = (double)r->job->proposed;
    TF_TRY(tf_session_publish(r->session, o->data_owner, choice, sizeof choice));
    if (!(choice[1] >= 0 && choice[1] <= TF_MOST_CANDIDATES) || !(choice[4] >= 0 && choice[4] <= 100) ||
        !(choice[5] >= 0 && choice[5] <= (r->prompts.texts == 1 ? TF_MOST_PROPOSED : 0)))
        return tf_fail_public(TF_FORMAT, "party %d announced a draw that cannot be", o->data_owner);
    *s = (tf_sampling){choice[0], (size_t)choice[1], choice[2], choice[3]};
    r->penalty = choice[4];
    r->proposed = (size_t)choice[5];
    if (s->temperature == 0) return TF_OK;
    TF_TRY(tf_sampling_check(s));
    /* The likeliest of n tokens has 1/n at least, so that a nucleus of no more is that token alone. */
    double candidates = (double)tf_sampling_candidates(s, r->job->job->config->vocabulary);
    if (s->top_p * candidates <= 1) *s = (tf_sampling){.top_p = 1};
    return TF_OK;
}

/* Passes ----------------------------------------------------------------------------------------------------------- */

static tf_status make_pass(run *r, pass_shape shape) {
    pass_free(&r->pass);
    pass_choice choice = {&r->sampling, r->penalty, r->seen};
    TF_TRY(pass_make(r->job->job, &shape, &choice, r->owner, r->weights, &r->pass));
    free(r->values);
    r->values = calloc(shape.texts * r->pass.width, sizeof *r->values);
    return r->values ? TF_OK : tf_fail(TF_NOMEM, "no memory for the results of %zu texts", shape.texts);
}

static void note_token(run *r, size_t text, int32_t token) {
    if (r->seen) r->seen[text * r->job->job->config->vocabulary + (size_t)token] = 1;
    if (r->text) r->text[r->tokens++] = token;
}

/* What is penalised inside, the data owner notes. */
static tf_status note_prompts(run *r) {
    size_t texts = r->prompts.texts, longest = r->prompts.longest, vocabulary = r->job->job->config->vocabulary;
    bool penalises = pass_penalises(r->job->reveal, r->penalty);
    if (!r->owner) return TF_OK;
    if (penalises) r->seen = calloc(texts * (1 + r->proposed) * vocabulary, sizeof *r->seen);
    if (r->proposed) r->text = calloc(r->job->context + 1 + r->proposed, sizeof *r->text);
    if ((penalises && !r->seen) || (r->proposed && !r->text))
        return tf_fail(TF_NOMEM, "no memory for the tokens of %zu texts", texts);
    for (size_t text = 0; text < texts; text++)
        for (size_t i = r->padding[text]; i < longest; i++) note_token(r, text, r->prompts.ids[text * longest + i]);
    return TF_OK;
}

static tf_status compute_plain(run *r) {
    tf_array out;
    TF_TRY(tf_graph_plain_with(&r->pass.graph, &r->state, &out, NULL, NULL));
    for (size_t i = 0; i < tf_shape_count(out.shape); i++) r->values[i] = (double)out.data[i];
    free(out.data);
    return TF_OK;
}

/* A piece of a prompt: what comes out stays shared, and is forgotten. */
static tf_status compute_kept(run *r, tf_session_stats *stats) {
    const run_settings *o = r->job->job->settings;
    const tf_compiled *compiled;
    size_t size = r->prompts.texts * r->pass.width * sizeof(uint64_t);
    tf_view view = {.c = {tf_secret_alloc(size), tf_secret_alloc(size)}};
    tf_status status = view.c[0] && view.c[1] ? TF_OK : tf_fail(TF_NOMEM, "no memory for the results of a pass");
    if (status == TF_OK)
        status =
            tf_session_compile(r->session, &r->pass.graph, o->fraction_bits, o->model_owner, o->data_owner, &compiled);
    if (status == TF_OK)
        status = tf_session_execute(r->session, compiled, &r->pass.graph, &(tf_slots){.kept = &view}, stats, NULL);
    for (int j = 0; j < 2; j++) tf_secret_free(view.c[j], size);
    return status;
}

static void show_round(void *context, double part, int op) {
    run *r = context;
    progress_within(&r->line, part, op >= 0 ? r->pass.graph.node[op].name : NULL);
}

static tf_status compute_private(run *r, pass_cost *cost) {
    const run_settings *o = r->job->job->settings;
    tf_session_stats stats;
    r->session->party.watch = r->line.what ? show_round : NULL;
    r->session->party.watch_context = r;
    if (r->pass.graph.output[0].to == TF_KEPT)
        TF_TRY(compute_kept(r, &stats));
    else
        TF_TRY(tf_session_run(r->session, &r->pass.graph, o->fraction_bits, o->model_owner, o->data_owner,
                              r->owner ? r->values : NULL, &stats, NULL));
    r->report->seconds_setup += stats.setup_seconds;
    cost->seconds -= stats.setup_seconds;
    cost->rounds += stats.rounds;
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) {
            cost->bytes += stats.bytes[i][j];
            r->report->links[i][j] += stats.bytes[i][j];
        }
    return TF_OK;
}

/* The data owner tells whether there is a next pass, which counts as a round, and how many tokens this one has brought:
 * only their rows stay in the caches. */
static tf_status publish_end(run *r, bool *go_on, pass_cost *cost) {
    uint8_t more = *go_on ? (uint8_t)r->advance : 0;
    if (!r->session) return TF_OK;
    int from = r->job->job->settings->data_owner;
    cost->bytes += GO_ON_BYTES;
    cost->rounds++;
    r->report->links[from][tf_next(from)] += sizeof more;
    r->report->links[from][tf_previous(from)] += sizeof more;
    TF_TRY(party_doing(tf_session_publish(r->session, from, &more, sizeof more), "waiting for the next token"));
    *go_on = more > 0;
    r->advance = more;
    if (more <= 1 + r->pass.shape.proposed) return TF_OK;
    return tf_fail_public(TF_FORMAT, "party %d announced more tokens than a pass brings", from);
}

/* The next tokens of the text as the data owner guesses them, behind it; each row's marks are those of the one before,
 * and its own token's. */
static tf_status propose(run *r) {
    size_t count = r->pass.shape.proposed, vocabulary = r->job->job->config->vocabulary;
    if (!r->text || !count) return TF_OK;
    TF_TRY(draft_propose(r->job->draft, r->text, r->tokens, count, r->text + r->tokens));
    for (size_t i = 0; r->seen && i < count; i++) {
        int32_t *row = r->seen + (i + 1) * vocabulary;
        memcpy(row, row - vocabulary, vocabulary * sizeof *row);
        row[r->text[r->tokens + i]] = 1;
    }
    return TF_OK;
}

/* A pass over the rows after `length`. */
static tf_status take_pass(run *r, size_t length, const int32_t *ids, size_t stride, pass_cost *cost) {
    double start = tf_clock();
    pass_set(r->job->job, &r->pass, r->padding, length, ids, stride);
    TF_TRY(r->session ? compute_private(r, cost) : compute_plain(r));
    cost->passes++;
    cost->seconds += tf_clock() - start;
    return TF_OK;
}

/* What a pass has brought, and whether to go on. */
static tf_status choose(run *r, pass_cost *cost, bool *go_on) {
    double start = tf_clock();
    size_t rows = 1 + r->pass.shape.proposed;
    *go_on = false;
    r->advance = 0;
    for (size_t row = 0; r->owner && row < rows && (row == 0 || *go_on); row++) {
        double *values = r->values + row; /* of proposals there is one text alone */
        if (rows > 1 && values[0] == 0) break;
        if (rows > 1) values[0] -= 1;
        TF_TRY(r->job->watch->step(r->job->watch->context, values, r->next, go_on));
        for (size_t text = 0; *go_on && text < r->prompts.texts; text++) note_token(r, text, r->next[text]);
        r->advance++;
    }
    cost->tokens += r->advance;
    if (r->line.what) progress_step(&r->line, r->advance, (double)r->advance);
    TF_TRY(publish_end(r, go_on, cost));
    cost->seconds += tf_clock() - start;
    return TF_OK;
}

/* Prompts whose rows most were evicted are not needed as they were. */
static void forget_prompts(run *r) {
    if (r->session)
        tf_session_drop(r->session, TF_OF_PROMPT);
    else
        tf_plain_drop(&r->state, TF_OF_PROMPT);
}

/* The prompts, in pieces if that is asked for: of all but the last only the caches are wanted. */
static tf_status prefill(run *r, bool *go_on) {
    const generate_job *job = r->job;
    size_t longest = r->prompts.longest, length = 0;
    const int32_t *ids = r->prompts.ids;
    size_t pieces = job->piece ? (longest + job->piece - 1) / job->piece : 1;
    if (r->owner && r->session) progress_begin(&r->line, "reading the prompt", pieces, (double)pieces);
    while (length < longest) {
        pass_shape shape = pass_reading(job->job, job->reveal, r->prompts.texts, longest, length, job->piece);
        TF_TRY(make_pass(r, shape));
        TF_TRY(take_pass(r, length, ids ? ids + length : NULL, longest, &r->report->prefill));
        length += shape.rows;
        if (r->line.what && length < longest) progress_step(&r->line, 1, 1);
    }
    if (r->line.what) progress_end(&r->line);
    r->line.what = NULL; /* what follows is seen as it comes */
    if (pass_evicted(job->job, longest)) forget_prompts(r);
    return choose(r, &r->report->prefill, go_on);
}

/* A token at a time, or as many as were proposed well. */
static tf_status decode(run *r) {
    size_t prompt = r->prompts.longest, context = r->job->context;
    bool go_on = true;
    for (size_t length = prompt; go_on; length += r->advance) {
        if (length >= context)
            return tf_fail(TF_FORMAT, "more tokens are asked for than the context of %zu has", context);
        pass_shape shape =
            pass_decoding(r->job->job, r->job->reveal, r->prompts.texts, prompt, length, r->proposed, context);
        bool fits = r->pass.shape.rows == shape.rows && r->pass.shape.capacity == shape.capacity;
        if (r->pass.shape.reads || !fits) TF_TRY(make_pass(r, shape));
        TF_TRY(propose(r));
        TF_TRY(take_pass(r, length, r->text ? r->text + r->tokens - 1 : r->next, shape.rows, &r->report->decode));
        TF_TRY(choose(r, &r->report->decode, &go_on));
        if (shape.proposed && go_on) tf_session_truncate(r->session, length + r->advance - shape.evicted);
    }
    return TF_OK;
}

static tf_status generate(run *r) {
    bool go_on;
    TF_TRY(party_doing(publish_prompts(r), "telling the lengths of prompts"));
    TF_TRY(party_doing(publish_choice(r), "telling how tokens are chosen"));
    TF_TRY(note_prompts(r));
    r->report->texts += r->prompts.texts;
    TF_TRY(prefill(r, &go_on));
    if (!go_on) return TF_OK;
    size_t tokens = r->owner ? r->job->watch->unseen : 0;
    if (tokens) progress_begin(&r->line, "tokens", tokens - 1, (double)(tokens - 1));
    tf_status status = decode(r);
    if (tokens) progress_end(&r->line);
    return status;
}

tf_status generate_plain(const generate_job *job, generate_report *report) {
    tf_status status = TF_OK;
    for (size_t b = 0; status == TF_OK && b < job->batches; b++) {
        run r = {.job = job, .owner = true, .weights = job->job->weights, .prompts = job->batch[b], .report = report};
        job->watch->begin(job->watch->context, &job->batch[b]);
        status = generate(&r);
        release(&r);
    }
    return status;
}

/* Between three parties -------------------------------------------------------------------------------------------- */

/* Every party tells what it sent in all. */
static tf_status add_up(tf_session *session, const party_counters *before, generate_report *report) {
    party_counters now = party_read_counters(session->party.link);
    uint64_t everything = 0, on_wire = 0;
    for (int party = 0; party < TF_PARTIES; party++) {
        uint64_t sent[2][TF_PARTIES];
        for (int j = 0; j < TF_PARTIES; j++) {
            sent[0][j] = now.payload.bytes_sent[j] - before->payload.bytes_sent[j];
            sent[1][j] = now.wire.bytes_sent[j] - before->wire.bytes_sent[j];
        }
        TF_TRY(tf_session_publish(session, party, sent, sizeof sent));
        for (int j = 0; j < TF_PARTIES; j++) everything += sent[0][j], on_wire += sent[1][j];
    }
    report->bytes_setup = everything - report->prefill.bytes - report->decode.bytes;
    report->bytes_encryption = on_wire - everything;
    return TF_OK;
}

tf_status party_agree_generation(tf_session *session, const generate_job *job) {
    char context[32], pieces[32], keep[32];
    snprintf(context, sizeof context, "%zu", job->context);
    snprintf(pieces, sizeof pieces, "%zu", job->piece);
    snprintf(keep, sizeof keep, "%zu", job->job->settings->keep);
    const tf_fact fact[] = {
        tf_fact_of("what is revealed (--reveal)", job->reveal == REVEAL_LOGITS ? "logits" : "token"),
        tf_fact_of("the context (--context)", context),
        tf_fact_of("the pieces of prompts (--prefill)", pieces),
        tf_fact_of("what is kept of prompts (--keep)", keep),
    };
    return party_doing(tf_session_agree(session, fact, sizeof fact / sizeof *fact), "comparing settings");
}

static tf_status continue_batch(tf_session *session, const generate_job *job, size_t b, generate_report *report) {
    const private_job *base = job->job;
    const run_settings *o = base->settings;
    run r = {.job = job, .session = session, .owner = session->party.id == o->data_owner, .report = report};
    if (session->party.id == o->model_owner || o->public_weights) r.weights = base->weights;
    if (r.owner) {
        r.prompts = job->batch[b];
        job->watch->begin(job->watch->context, &job->batch[b]);
    }
    tf_status status = generate(&r);
    tf_session_truncate(session, 0);
    session->party.watch = NULL;
    release(&r);
    return status;
}

tf_status party_continue(tf_session *session, const generate_job *job, double open_seconds,
                         const party_counters *before, bool may_rest, generate_report *report, bool *asked) {
    int data_owner = job->job->settings->data_owner;
    bool owner = session->party.id == data_owner;
    uint64_t batches = owner ? job->batches : 0;
    TF_TRY(party_await_request(session, data_owner, may_rest, &batches));
    *asked = batches > 0;
    if (!*asked) return TF_OK;
    report->began = tf_clock();
    report->seconds_setup = open_seconds;
    for (uint64_t b = 0; b < batches; b++) TF_TRY(continue_batch(session, job, (size_t)b, report));
    report->network = party_network(session, job->job->settings);
    return party_doing(add_up(session, before, report), "adding up what was sent");
}

static tf_status play(tf_session *session, const generate_job *job, double start, generate_report *report) {
    const party_counters none = {0};
    bool asked;
    TF_TRY(party_agree(session, job->job));
    TF_TRY(party_agree_generation(session, job));
    return party_continue(session, job, tf_clock() - start, &none, false, report, &asked);
}

tf_status party_generate(tf_link *link, const generate_job *job, generate_report *report) {
    double start = tf_clock();
    tf_session session;
    tf_provider provider;
    TF_TRY(party_open_session(link, job->job, &provider, &session));
    tf_status status = play(&session, job, start, report);
    tf_session_close(&session);
    return status;
}

typedef struct generate_call {
    const generate_job *job;
    generate_report *report;
} generate_call;

static tf_status generate_as(tf_link *link, void *argument) {
    const generate_call *call = argument;
    generate_report own = {0}; /* with --local the parties are threads: one fills what all could */
    bool owner = tf_link_party(link) == call->job->job->settings->data_owner;
    return party_generate(link, call->job, owner ? call->report : &own);
}

tf_status private_generate(private_session *session, const generate_job *job, generate_report *report) {
    generate_call call = {job, report};
    TF_TRY(memory_check_prompts(job, private_parties_here(session)));
    return private_each(session, generate_as, &call);
}
