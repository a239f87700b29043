#include "experiments/app/gateway/runs.h"

#include <stdlib.h>
#include <string.h>

#include "experiments/app/gateway/prompting.h"
#include "net/base/clock.h"

enum { ATTEMPTS = 3 };

struct run_of_requests {
    gateway_desk *desk;
    const resident *party;
    const generation_settings *generation;
    const batch_settings *cut;
    bool met;     /* the desk knows that the parties have met */
    bool unfit;   /* the settings do not suit the model */
    draft *draft; /* proposes tokens of a prompt that is alone in its run, while they are connected; or NULL */

    /* The run at hand. */
    gateway_request **request;
    size_t requests;
    double begun;
    text_list texts; /* of all requests, whose strings these are */
    text_batches batches;
    float *values;
    prompting prompts;
};

/* The most tokens of a text, or of a prompt and what follows; fails where the settings do not suit the model. */
static tf_status find_context(const run_of_requests *run, size_t *context) {
    const model_files *model = &run->party->model;
    bool cut;
    if (!resident_generates(run->party))
        return batches_limit(&model->config, model->tokenizer, run->cut, context, &cut);
    if (run->cut->pad_to)
        return tf_fail(TF_INVALID, "--pad-to is for texts that are read: the lengths of prompts are public");
    return generation_context(run->generation, model, context);
}

tf_status runs_open(gateway_desk *desk, const resident *party, const generation_settings *settings,
                    const batch_settings *batches, run_of_requests **out) {
    run_of_requests *run = calloc(1, sizeof *run);
    if (run) *run = (run_of_requests){.desk = desk, .party = party, .generation = settings, .cut = batches};
    if (run) run->request = calloc(desk->settings->texts, sizeof *run->request);
    if (!run || !run->request) {
        free(run);
        return tf_fail(TF_NOMEM, "no memory for runs of %zu texts", desk->settings->texts);
    }
    *out = run;
    size_t context;
    return party->model.tokenizer ? find_context(run, &context) : TF_OK;
}

bool runs_unfit(const run_of_requests *run) {
    return run->unfit;
}

/* Forgets the run's texts and results, not its requests. */
static void forget(run_of_requests *run) {
    if (run->values)
        explicit_bzero(run->values, batches_values(&run->batches, &run->party->model.config) * sizeof(float));
    free(run->values);
    run->values = NULL;
    batches_free(&run->batches);
    free(run->texts.item); /* the strings are the requests' */
    run->texts = (text_list){.item = NULL};
    prompting_free(&run->prompts);
}

void runs_close(run_of_requests *run) {
    if (!run) return;
    forget(run);
    draft_close(run->draft);
    for (size_t i = 0; i < run->requests; i++) request_release(run->request[i]);
    free(run->request);
    free(run);
}

/* Gathering -------------------------------------------------------------------------------------------------------- */

static size_t texts_of(const gateway_request *r) {
    return r->generates ? (r->messages ? 1 : r->texts.count) * r->copies : r->texts.count;
}

/* Whether a waiting request fits into the run beside those that are there. */
static bool fits(const run_of_requests *run, const gateway_request *r, size_t texts) {
    if (run->requests == 0) return true;
    return !r->alone && !run->request[0]->alone && texts + texts_of(r) <= run->desk->settings->texts;
}

/* Takes requests from the queue, in their order; the lock is held. */
static void gather(run_of_requests *run) {
    gateway_desk *d = run->desk;
    size_t texts = 0;
    for (size_t i = 0; i < d->waits && run->requests < d->settings->texts;) {
        if (!fits(run, d->waiting[i], texts)) {
            i++;
            continue;
        }
        gateway_request *r = desk_take(d, i);
        r->state = REQUEST_RUNS;
        texts += texts_of(r);
        run->request[run->requests++] = r;
    }
    d->runs = run->requests;
}

/* Takes a request out of the run, with the reason that is current. The lock is not held. */
static void refuse(run_of_requests *run, size_t i, request_end end) {
    gateway_desk *d = run->desk;
    pthread_mutex_lock(&d->lock);
    desk_end(d, run->request[i], end, tf_error());
    request_release(run->request[i]);
    memmove(run->request + i, run->request + i + 1, (--run->requests - i) * sizeof(gateway_request *));
    d->runs = run->requests;
    pthread_mutex_unlock(&d->lock);
}

/* Puts a request back that does not fit after all. */
static void postpone(run_of_requests *run, size_t i) {
    gateway_desk *d = run->desk;
    pthread_mutex_lock(&d->lock);
    desk_put_back(d, run->request[i]);
    memmove(run->request + i, run->request + i + 1, (--run->requests - i) * sizeof(gateway_request *));
    d->runs = run->requests;
    pthread_mutex_unlock(&d->lock);
}

/* Texts that are read ---------------------------------------------------------------------------------------------- */

static batch_settings cut_for(const run_of_requests *run, bool truncate) {
    batch_settings cut = *run->cut;
    cut.truncate |= truncate;
    cut.empty = EMPTY_FAILS;
    return cut;
}

/* Finds out whether a request's texts can be read at all, by making batches of them alone. */
static tf_status try_texts(const run_of_requests *run, gateway_request *r) {
    const model_files *model = &run->party->model;
    batch_settings cut = cut_for(run, r->truncate);
    text_batches batches;
    size_t tokens = 0;
    TF_TRY(batches_make(&r->texts, model->tokenizer, &model->config, &cut, &batches));
    for (size_t i = 0; i < r->texts.count; i++) tokens += batches.text[i].length;
    batches_free(&batches);
    pthread_mutex_lock(&run->desk->lock); /* whoever asked may have gone, and be noted */
    r->prompt_tokens = tokens;
    pthread_mutex_unlock(&run->desk->lock);
    return TF_OK;
}

static tf_status add_texts(run_of_requests *run, const gateway_request *r) {
    text_list *all = &run->texts;
    text_item *grown = reallocarray(all->item, all->count + r->texts.count, sizeof *grown);
    if (!grown) return tf_fail(TF_NOMEM, "out of memory");
    all->item = grown;
    memcpy(grown + all->count, r->texts.item, r->texts.count * sizeof *grown);
    all->count += r->texts.count;
    return TF_OK;
}

static tf_status prepare_texts(run_of_requests *run) {
    const model_files *model = &run->party->model;
    bool truncate = false;
    for (size_t i = 0; i < run->requests;) {
        truncate |= run->request[i]->truncate;
        if (try_texts(run, run->request[i]) == TF_OK)
            i++;
        else
            refuse(run, i, END_REFUSED);
    }
    if (!run->requests) return TF_OK;
    for (size_t i = 0; i < run->requests; i++) TF_TRY(add_texts(run, run->request[i]));
    batch_settings cut = cut_for(run, truncate);
    TF_TRY(batches_make(&run->texts, model->tokenizer, &model->config, &cut, &run->batches));
    return batches_allocate(&run->batches, &model->config, &run->values);
}

/* Gives each request what was found in its texts. The lock is held. */
static tf_status hand_out_results(run_of_requests *run) {
    const model_files *model = &run->party->model;
    size_t width = tf_model_width(&model->config), text = 0;
    for (size_t i = 0; i < run->requests; i++) {
        gateway_request *r = run->request[i];
        json_decref(r->results);
        r->results = json_array();
        for (size_t k = 0; k < r->texts.count; k++, text++) {
            const encoded_text *tokens = &run->batches.text[text];
            token_result result = {.config = &model->config,
                                   .tokenizer = model->tokenizer,
                                   .settings = &r->tokens,
                                   .text = &run->texts.item[text],
                                   .tokens = tokens,
                                   .values = run->values + tokens->first * width};
            json_t *object = json_object();
            json_array_append_new(r->results, object);
            TF_TRY(token_result_json(&result, object));
        }
    }
    return TF_OK;
}

/* Gives each request its rows. The lock is held. */
static tf_status hand_out_values(run_of_requests *run) {
    size_t width = tf_model_width(&run->party->model.config), row = 0;
    for (size_t i = 0; i < run->requests; i++) {
        gateway_request *r = run->request[i];
        free(r->values);
        r->values = calloc(r->texts.count * width + 1, sizeof *r->values);
        if (!r->values) return tf_fail(TF_NOMEM, "no memory for results");
        r->width = width;
        memcpy(r->values, run->values + row * width, r->texts.count * width * sizeof *r->values);
        row += r->texts.count;
    }
    return TF_OK;
}

/* Prompts that are continued --------------------------------------------------------------------------------------- */

static tf_status prepare_prompts(run_of_requests *run) {
    for (size_t i = 0; i < run->requests;) {
        bool added;
        tf_status status = prompting_add(&run->prompts, run->request[i], &added);
        if (status != TF_OK)
            refuse(run, i, status == TF_NOMEM ? END_FAILED : END_REFUSED);
        else if (added)
            i++;
        else
            postpone(run, i);
    }
    return run->requests ? prompting_begin(&run->prompts) : TF_OK;
}

/* The party's questions -------------------------------------------------------------------------------------------- */

static tf_status meet(run_of_requests *run) {
    const model_files *model = &run->party->model;
    size_t context;
    if (run->met) return TF_OK;
    tf_status status = find_context(run, &context);
    if (status == TF_OK && run->generation->draft && resident_generates(run->party))
        status = draft_open(run->generation->draft, model, &run->draft);
    run->unfit = status != TF_OK;
    if (status != TF_OK) return status;
    TF_TRY(desk_met(run->desk, model, context, run->generation->reveal == REVEAL_LOGITS));
    run->met = true;
    return TF_OK;
}

/* Fails when a peer has gone meanwhile. */
static tf_status look_after(tf_link *link) {
    bool done;
    for (int peer = 0; peer < TF_PARTIES; peer++)
        if (peer != tf_link_party(link)) TF_TRY(tf_link_test(link, (tf_ticket){.peer = peer, .receive = true}, &done));
    return TF_OK;
}

/* Waits until there are requests, and those that come just behind them. */
static tf_status await(run_of_requests *run, tf_link *link) {
    gateway_desk *d = run->desk;
    tf_status status = TF_OK;
    pthread_mutex_lock(&d->lock);
    while (status == TF_OK && !desk_stops(d) && !d->waits) {
        desk_rest(d, NULL);
        pthread_mutex_unlock(&d->lock);
        status = look_after(link);
        pthread_mutex_lock(&d->lock);
    }
    while (status == TF_OK && d->waits && d->waits < d->settings->texts &&
           tf_clock() < d->waiting[0]->arrived + d->settings->window)
        desk_nap(d, d->waiting[0]->arrived + d->settings->window - tf_clock());
    if (status == TF_OK && !desk_stops(d)) gather(run);
    pthread_mutex_unlock(&d->lock);
    return status;
}

static resident_request request_of(const run_of_requests *run, bool generates) {
    if (!generates) return (resident_request){.batches = &run->batches, .values = run->values};
    resident_request request = prompting_request(&run->prompts);
    request.draft = run->draft;
    return request;
}

/* Lessens a run that needs more memory than there is, as its reason, which is current, says: half of its requests wait;
 * one alone is refused. */
static void spare(run_of_requests *run) {
    if (run->requests == 1) {
        refuse(run, 0, END_REFUSED);
        return;
    }
    for (size_t left = run->requests / 2; run->requests > left;) postpone(run, run->requests - 1);
}

static tf_status next_request(void *context, tf_link *link, resident_request *request) {
    run_of_requests *run = context;
    bool generates = resident_generates(run->party);
    TF_TRY(meet(run));
    for (bool fits = false; !fits;) {
        if (!run->requests) TF_TRY(await(run, link));
        if (!run->requests && run->desk->stopping) return TF_OK;
        run->begun = tf_clock();
        if (generates) prompting_open(&run->prompts, run->desk, run->generation, &run->party->model);
        TF_TRY(generates ? prepare_prompts(run) : prepare_texts(run));
        if (run->requests) *request = request_of(run, generates);
        fits = run->requests && resident_fits(run->party, request) == TF_OK;
        if (run->requests && !fits) spare(run);
        if (!fits) forget(run);
    }
    for (size_t i = 0; i < run->requests; i++) run->request[i]->attempts++;
    return TF_OK;
}

/* Its answers ------------------------------------------------------------------------------------------------------ */

static answer_cost cost_of(const run_of_requests *run, const resident_answer *answer) {
    const run_report *r = &answer->run;
    const generate_report *g = &answer->generated;
    answer_cost cost = {.requests = run->requests,
                        .texts = run->texts.count + run->prompts.texts,
                        .seconds_setup = r->seconds_setup + g->seconds_setup,
                        .seconds_online = r->seconds_online + g->prefill.seconds + g->decode.seconds,
                        .bytes_online = r->forecast_bytes + g->prefill.bytes + g->decode.bytes,
                        .bytes_setup = r->bytes_setup + g->bytes_setup,
                        .bytes_encryption = r->bytes_encryption + g->bytes_encryption,
                        .rounds = r->rounds + g->prefill.rounds + g->decode.rounds};
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) {
            cost.sent[i] += r->links[i][j] + g->links[i][j];
            cost.received[j] += r->links[i][j] + g->links[i][j];
        }
    return cost;
}

static void count_run(desk_counts *c, const answer_cost *cost) {
    c->runs++;
    c->texts += cost->texts;
    c->seconds_setup += cost->seconds_setup;
    c->seconds_online += cost->seconds_online;
    c->bytes_online += cost->bytes_online;
    c->bytes_setup += cost->bytes_setup;
    c->bytes_encryption += cost->bytes_encryption;
    c->rounds += cost->rounds;
}

/* Ends the requests of a run that went well, and lets go of them. The lock is held. */
static void conclude(run_of_requests *run, const resident_answer *answer) {
    gateway_desk *d = run->desk;
    answer_cost cost = cost_of(run, answer);
    count_run(&d->counts, &cost);
    for (size_t i = 0; i < run->requests; i++) {
        gateway_request *r = run->request[i];
        if (r->state == REQUEST_RUNS) {
            r->cost = cost;
            r->cost.seconds_queue = run->begun - r->arrived;
            desk_end(d, r, END_ANSWERED, NULL);
        }
        d->counts.prompt_tokens += r->prompt_tokens;
        d->counts.seconds_queue += run->begun - r->arrived;
        for (size_t k = 0; k < r->answers; k++) d->counts.generated_tokens += r->answer[k].tokens;
        request_release(r);
    }
    run->requests = d->runs = 0;
}

/* After a failure: requests that may be asked again wait in front; a run of several may have failed because of one of
 * them, so that each then gets one for itself. The lock is held. */
static void give_back(run_of_requests *run, tf_status status) {
    gateway_desk *d = run->desk;
    for (size_t i = run->requests; i-- > 0;) {
        gateway_request *r = run->request[i];
        bool again = status == TF_PEER || run->requests > 1;
        if (status != TF_PEER) r->alone = true;
        if (r->state == REQUEST_IS_DONE || r->dropped)
            request_release(r);
        else if (again && r->attempts < ATTEMPTS && !d->stopping && request_restart(r))
            desk_put_back(d, r);
        else {
            desk_end(d, r, status == TF_PEER ? END_AWAY : status == TF_RANGE ? END_REFUSED : END_FAILED, tf_error());
            request_release(r);
        }
    }
    run->requests = d->runs = 0;
}

static tf_status take_answer(void *context, const resident_answer *answer) {
    run_of_requests *run = context;
    gateway_desk *d = run->desk;
    pthread_mutex_lock(&d->lock);
    tf_status status = answer->status;
    bool per_token = tf_model_output(&run->party->model.config).per_token;
    if (status == TF_OK && run->values) status = per_token ? hand_out_results(run) : hand_out_values(run);
    if (status == TF_OK)
        conclude(run, answer);
    else
        give_back(run, status);
    pthread_mutex_unlock(&d->lock);
    forget(run);
    return answer->status == TF_OK ? status : TF_OK;
}

void runs_lost(run_of_requests *run, tf_status status) {
    gateway_desk *d = run->desk;
    run->met = false;
    draft_close(run->draft);
    run->draft = NULL;
    desk_lost(d);
    pthread_mutex_lock(&d->lock);
    give_back(run, status == TF_OK ? TF_PEER : status);
    pthread_mutex_unlock(&d->lock);
    forget(run);
}

resident_desk runs_desk(run_of_requests *run) {
    return (resident_desk){next_request, take_answer, run};
}
