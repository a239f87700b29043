#include "experiments/app/service/writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const writer_settings *settings_of(const writer *w, size_t text) {
    return &w->settings[w->each ? text : 0];
}

static tf_status begin_text(const writer *w, const tf_tokenizer *tokenizer, const prompt_batch *batch, size_t row) {
    size_t i = w->prompts->order[batch->first + row], length = batch->lengths[row];
    generated_text *t = &w->text[i];
    size_t tokens = settings_of(w, i)->max_tokens, noted = settings_of(w, i)->logprobs;
    t->prompt_tokens = length;
    t->token = calloc(length + tokens, sizeof *t->token);
    if (noted) t->chance = calloc(tokens, (1 + noted) * sizeof *t->chance);
    if (!t->token || (noted && !t->chance))
        return tf_fail(TF_NOMEM, "no memory for a text of %zu tokens", length + tokens);
    memcpy(t->token, batch->ids + (row + 1) * batch->longest - length, length * sizeof *t->token);
    return tf_decoder_open(tokenizer, true, &w->growing[i].decoder);
}

tf_status writer_open(const writer_settings *settings, bool each, const tf_config *config,
                      const tf_tokenizer *tokenizer, pass_reveal reveal, const prompt_list *prompts, writer *w) {
    *w = (writer){.settings = settings, .each = each, .config = config, .prompts = prompts, .texts = prompts->texts};
    w->text = calloc(prompts->texts, sizeof *w->text);
    w->growing = calloc(prompts->texts, sizeof *w->growing);
    tf_status status = w->text && w->growing ? TF_OK : tf_fail(TF_NOMEM, "no memory for %zu texts", prompts->texts);
    if (status == TF_OK && reveal == REVEAL_LOGITS)
        status = sampler_open(&settings->sampler, config->vocabulary, &w->sampler);
    for (size_t b = 0; status == TF_OK && b < prompts->batches; b++)
        for (size_t row = 0; status == TF_OK && row < prompts->batch[b].texts; row++)
            status = begin_text(w, tokenizer, &prompts->batch[b], row);
    if (status != TF_OK) writer_close(w);
    return status;
}

void writer_close(writer *w) {
    for (size_t i = 0; w->text && w->growing && i < w->texts; i++) {
        tf_decoder_close(w->growing[i].decoder);
        free(w->text[i].token);
        free(w->text[i].text);
        free(w->text[i].chance);
    }
    free(w->text);
    free(w->growing);
    sampler_close(w->sampler);
    *w = (writer){.texts = 0};
}

/* Text ------------------------------------------------------------------------------------------------------------- */

static tf_status append(generated_text *t, const char *more, size_t length) {
    char *grown = realloc(t->text, t->length + length + 1);
    if (!grown) return tf_fail(TF_NOMEM, "no memory for a text of %zu bytes", t->length + length);
    memcpy(grown + t->length, more, length);
    t->text = grown;
    t->length += length;
    grown[t->length] = '\0';
    return TF_OK;
}

/* Cuts the text before the first stop string in it. */
static bool cut_at_stop(const writer_settings *settings, generated_text *t) {
    const char *first = NULL;
    for (size_t i = 0; t->text && i < settings->stops; i++) {
        const char *found = strstr(t->text, settings->stop[i]);
        if (found && (!first || found < first)) first = found;
    }
    if (!first) return false;
    t->length = (size_t)(first - t->text);
    t->text[t->length] = '\0';
    return true;
}

/* How many bytes at the end could be the beginning of a stop string. */
static size_t held_back(const writer_settings *settings, const generated_text *t) {
    size_t most = 0;
    for (size_t i = 0; i < settings->stops; i++) {
        size_t length = strlen(settings->stop[i]);
        for (size_t n = length < t->length ? length : t->length; n > most; n--)
            if (!memcmp(t->text + t->length - n, settings->stop[i], n)) most = n;
    }
    return most;
}

static void show(writer *w, size_t i, size_t end) {
    growing_text *g = &w->growing[i];
    const writer_settings *settings = settings_of(w, i);
    if (end <= g->shown) return;
    if (settings->show) settings->show(settings->context, i, w->text[i].text + g->shown, end - g->shown);
    g->shown = end;
}

/* Hands out what was held back of a text that grows no more. */
static void finish_text(writer *w, size_t i) {
    const char *more;
    size_t length;
    generated_text *t = &w->text[i];
    growing_text *g = &w->growing[i];
    if (g->finished) return;
    g->finished = true;
    if (!g->stopped && tf_decoder_finish(g->decoder, &more, &length) == TF_OK && append(t, more, length) == TF_OK)
        (void)cut_at_stop(settings_of(w, i), t);
    show(w, i, t->length);
}

/* Tokens ----------------------------------------------------------------------------------------------------------- */

static bool ends_text(const writer *w, int32_t token) {
    for (size_t i = 0; i < w->config->generation.ends; i++)
        if (w->config->generation.end[i] == token) return true;
    return false;
}

static tf_status choose(writer *w, size_t i, const double *values, int32_t *token) {
    generated_text *t = &w->text[i];
    const writer_settings *settings = settings_of(w, i);
    size_t vocabulary = w->config->vocabulary, all = t->prompt_tokens + t->count, noted = settings->logprobs;
    if (!w->sampler) {
        *token = (int32_t)lrint(values[0]);
        if (*token >= 0 && (size_t)*token < vocabulary) return TF_OK;
        return tf_fail(TF_INTERNAL, "a token that is not in the vocabulary was chosen");
    }
    sampler_use(w->sampler, &settings->sampler);
    TF_TRY(sampler_choose(w->sampler, values, t->token, all, token));
    if (!noted) return TF_OK;
    token_chance *chance = t->chance + t->count * (1 + noted);
    *chance = (token_chance){*token, sampler_log_probability(w->sampler, values, *token)};
    sampler_likeliest(w->sampler, values, noted, chance + 1);
    return TF_OK;
}

/* Takes a token in, and says whether the text is done. */
static tf_status take_token(writer *w, size_t i, int32_t token) {
    generated_text *t = &w->text[i];
    growing_text *g = &w->growing[i];
    const writer_settings *settings = settings_of(w, i);
    const char *more;
    size_t length;
    if (!settings->ignore_end && ends_text(w, token)) {
        g->done = true;
        t->finish = FINISH_STOP;
        return TF_OK;
    }
    t->token[t->prompt_tokens + t->count++] = token;
    TF_TRY(tf_decoder_push(g->decoder, token, &more, &length));
    TF_TRY(append(t, more, length));
    g->stopped = cut_at_stop(settings, t);
    g->done = g->stopped || t->count == settings->max_tokens;
    if (g->done)
        t->finish = g->stopped ? FINISH_STOP : FINISH_LENGTH;
    else
        show(w, i, t->length - held_back(settings, t));
    return TF_OK;
}

static tf_status write_token(writer *w, size_t i, const double *values, int32_t *next) {
    TF_TRY(choose(w, i, values, next));
    TF_TRY(take_token(w, i, *next));
    if (w->growing[i].done) finish_text(w, i);
    return TF_OK;
}

static void begin(void *context, const prompt_batch *batch) {
    ((writer *)context)->batch = batch;
}

static tf_status step(void *context, const double *values, int32_t *next, bool *go_on) {
    writer *w = context;
    const size_t *text = w->prompts->order + w->batch->first;
    size_t width = w->sampler ? w->config->vocabulary : 1;
    *go_on = false;
    for (size_t row = 0; row < w->batch->texts; row++) {
        if (w->growing[text[row]].done)
            next[row] = 0; /* nobody looks at what follows */
        else
            TF_TRY(write_token(w, text[row], values + row * width, &next[row]));
        if (!w->growing[text[row]].done) *go_on = true;
    }
    return TF_OK;
}

generate_watch writer_watch(writer *w) {
    bool unseen = w->settings && !w->settings->show; /* a party without prompts has no settings */
    return (generate_watch){.begin = begin, .step = step, .context = w, .unseen = unseen ? w->settings->max_tokens : 0};
}

bool writer_begun(const writer *w) {
    for (size_t i = 0; i < w->texts; i++)
        if (w->text[i].count) return true;
    return false;
}

void writer_finish(writer *w) {
    for (size_t i = 0; i < w->texts; i++) finish_text(w, i);
}
