#include "experiments/app/gateway/prompting.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TOKENS = 128 };

void prompting_open(prompting *p, gateway_desk *desk, const generation_settings *settings, const model_files *model) {
    size_t positions = model->config.positions;
    *p = (prompting){.desk = desk,
                     .settings = settings,
                     .model = model,
                     .context = settings->context ? settings->context : positions};
}

void prompting_free(prompting *p) {
    writer_close(&p->writer);
    prompts_free(&p->prompts);
    for (size_t i = 0; i < p->texts; i++) encoded_text_free(&p->text[i]);
    free(p->text);
    free(p->owner);
    free(p->writing);
    *p = (prompting){.texts = 0};
}

/* Tokens ----------------------------------------------------------------------------------------------------------- */

static tf_status encode(const prompting *p, const gateway_request *r, size_t i, encoded_text *out) {
    tf_encoding e;
    if (!r->messages) {
        TF_TRY(text_encode(&r->texts, i, p->model->tokenizer, p->context, false, out));
    } else {
        TF_TRY(tf_chat_encode(p->model->chat, p->model->tokenizer, r->message, r->messages, true, p->context, &e));
        *out = (encoded_text){.length = e.count, .ids = e.ids, .types = e.types, .place = e.place};
    }
    return out->length ? TF_OK : tf_fail(TF_INVALID, "prompt %zu is empty", i);
}

/* How many tokens are generated, where the request does not say. */
static size_t settle_tokens(const prompting *p, const gateway_request *r, size_t length) {
    size_t proposed = p->model->config.generation.max_new_tokens, room = p->context - length;
    size_t tokens = r->writing.max_tokens ? r->writing.max_tokens : proposed ? proposed : DEFAULT_TOKENS;
    return r->writing.max_tokens || tokens <= room ? tokens : room ? room : 1;
}

static tf_status check(const prompting *p, const encoded_text *text, size_t tokens) {
    prompt_batch alone = {.texts = 1, .longest = text->length, .lengths = &text->length, .ids = text->ids};
    return generate_check(&p->model->config, &alone, tokens, p->context);
}

/* What one request brings. */
typedef struct brought {
    encoded_text *text;
    size_t prompts, tokens, longest, most_tokens;
} brought;

static void drop(brought *b) {
    for (size_t i = 0; b->text && i < b->prompts; i++) encoded_text_free(&b->text[i]);
    free(b->text);
}

static tf_status bring(const prompting *p, const gateway_request *r, brought *b) {
    *b = (brought){.prompts = r->messages ? 1 : r->texts.count};
    b->text = calloc(b->prompts, sizeof *b->text);
    if (!b->text) return tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < b->prompts; i++) {
        TF_TRY(encode(p, r, i, &b->text[i]));
        size_t length = b->text[i].length, tokens = settle_tokens(p, r, length);
        TF_TRY(check(p, &b->text[i], tokens));
        b->tokens += length;
        if (length > b->longest) b->longest = length;
        if (tokens > b->most_tokens) b->most_tokens = tokens;
    }
    return TF_OK;
}

static bool goes_with(const prompting *p, const gateway_request *r, const brought *b) {
    if (!p->texts) return true;
    const tf_sampling *drawn = &p->writing[0].sampler.sampling, *asked = &r->writing.sampler.sampling;
    bool alike = p->settings->reveal == REVEAL_LOGITS ||
                 (drawn->temperature == asked->temperature && drawn->top_k == asked->top_k &&
                  drawn->top_p == asked->top_p && drawn->min_p == asked->min_p);
    size_t longest = b->longest > p->longest ? b->longest : p->longest;
    size_t tokens = b->most_tokens > p->most_tokens ? b->most_tokens : p->most_tokens;
    return alike && longest + tokens <= p->context;
}

/* Adding ----------------------------------------------------------------------------------------------------------- */

/* More of an answer's text, from the writer. */
static void take_text(void *context, size_t text, const char *more, size_t length) {
    prompting *p = context;
    pthread_mutex_lock(&p->desk->lock);
    answer_text *a = &p->owner[text].request->answer[p->owner[text].answer];
    char *grown = realloc(a->text, a->length + length + 1);
    if (grown) {
        memcpy(grown + a->length, more, length);
        a->text = grown;
        a->length += length;
        grown[a->length] = '\0';
    }
    pthread_cond_broadcast(&p->desk->changed);
    pthread_mutex_unlock(&p->desk->lock);
}

static tf_status grow(prompting *p, size_t texts) {
    encoded_text *text = reallocarray(p->text, texts, sizeof *text);
    if (text) p->text = text;
    prompt_owner *owner = reallocarray(p->owner, texts, sizeof *owner);
    if (owner) p->owner = owner;
    writer_settings *writing = reallocarray(p->writing, texts, sizeof *writing);
    if (writing) p->writing = writing;
    return text && owner && writing ? TF_OK : tf_fail(TF_NOMEM, "no memory for %zu prompts", texts);
}

/* A copy of tokens, as each prompt's are freed by themselves. */
static tf_status duplicate(const encoded_text *from, encoded_text *to) {
    *to = (encoded_text){.length = from->length, .ids = calloc(from->length, sizeof *to->ids)};
    if (!to->ids) return tf_fail(TF_NOMEM, "no memory for %zu tokens", from->length);
    memcpy(to->ids, from->ids, from->length * sizeof *to->ids);
    return TF_OK;
}

static tf_status append(prompting *p, gateway_request *r, const brought *b) {
    size_t count = b->prompts * r->copies;
    TF_TRY(grow(p, p->texts + count));
    if (!r->answer) r->answer = calloc(count, sizeof *r->answer);
    if (!r->answer) return tf_fail(TF_NOMEM, "no memory for %zu answers", count);
    r->answers = count;
    r->prompt_tokens = b->tokens;
    for (size_t i = 0; i < count; i++) {
        size_t at = p->texts, length = b->text[i / r->copies].length;
        TF_TRY(duplicate(&b->text[i / r->copies], &p->text[at]));
        p->text[at].text = at;
        p->owner[at] = (prompt_owner){r, i};
        p->writing[at] = r->writing;
        p->writing[at].max_tokens = settle_tokens(p, r, length);
        p->writing[at].show = take_text;
        p->writing[at].context = p;
        p->texts++;
    }
    if (b->longest > p->longest) p->longest = b->longest;
    if (b->most_tokens > p->most_tokens) p->most_tokens = b->most_tokens;
    return TF_OK;
}

tf_status prompting_add(prompting *p, gateway_request *r, bool *added) {
    brought b;
    size_t before = p->texts;
    tf_status status = bring(p, r, &b);
    *added = status == TF_OK && goes_with(p, r, &b);
    if (*added) {
        pthread_mutex_lock(&p->desk->lock); /* its connection's thread may look at the answers */
        status = append(p, r, &b);
        pthread_mutex_unlock(&p->desk->lock);
    }
    while (status != TF_OK && p->texts > before) encoded_text_free(&p->text[--p->texts]);
    drop(&b);
    return status;
}

/* Writing ---------------------------------------------------------------------------------------------------------- */

static void begin(void *context, const prompt_batch *batch) {
    prompting *p = context;
    p->inner.begin(p->inner.context, batch);
}

/* Texts that nobody waits for grow no more. The lock is held. */
static void give_up(prompting *p) {
    for (size_t i = 0; i < p->texts; i++)
        if (p->owner[i].request->dropped) p->writer.growing[i].done = true;
}

/* Tells the requests how far they have come; those that are complete need not wait for the others. The lock is held. */
static void tell(prompting *p, bool go_on) {
    for (size_t i = 0; i < p->texts; i++) {
        gateway_request *r = p->owner[i].request;
        answer_text *a = &r->answer[p->owner[i].answer];
        a->tokens = p->writer.text[i].count;
        a->finish = p->writer.text[i].finish;
        a->done = p->writer.growing[i].done;
    }
    for (size_t i = 0; go_on && i < p->texts; i++) {
        gateway_request *r = p->owner[i].request;
        bool complete = r->state == REQUEST_RUNS && !r->dropped;
        for (size_t k = 0; complete && k < r->answers; k++) complete = r->answer[k].done;
        if (complete) desk_end(p->desk, r, END_ANSWERED, NULL);
    }
    pthread_cond_broadcast(&p->desk->changed);
}

static tf_status step(void *context, const double *values, int32_t *next, bool *go_on) {
    prompting *p = context;
    pthread_mutex_lock(&p->desk->lock);
    give_up(p);
    pthread_mutex_unlock(&p->desk->lock);
    TF_TRY(p->inner.step(p->inner.context, values, next, go_on));
    pthread_mutex_lock(&p->desk->lock);
    tell(p, *go_on);
    pthread_mutex_unlock(&p->desk->lock);
    return TF_OK;
}

tf_status prompting_begin(prompting *p) {
    TF_TRY(prompts_pack(p->text, p->texts, 0, &p->prompts));
    TF_TRY(writer_open(p->writing, true, &p->model->config, p->model->tokenizer, p->settings->reveal, &p->prompts,
                       &p->writer));
    p->inner = writer_watch(&p->writer);
    p->watch = (generate_watch){.begin = begin, .step = step, .context = p};
    return TF_OK;
}

resident_request prompting_request(const prompting *p) {
    return (resident_request){.prompts = p->prompts.batch,
                              .prompt_batches = p->prompts.batches,
                              .watch = &p->watch,
                              .sampling = &p->writing[0].sampler.sampling};
}
