#include "experiments/app/service/generation.h"

#include <string.h>

enum { DEFAULT_TOKENS = 128 };

tf_status generation_context(const generation_settings *s, const model_files *model, size_t *context) {
    if (model->config.head != TF_HEAD_CAUSAL)
        return tf_fail(TF_INVALID, "%s holds a model that generates no text", model->directory);
    *context = s->context ? s->context : model->config.positions;
    if (*context > model->config.positions)
        return tf_fail(TF_INVALID, "--context %zu: the model has %zu positions", *context, model->config.positions);
    return TF_OK;
}

static tf_status open_prompts(const generation_settings *s, const text_list *texts, const model_files *model,
                              generation *g) {
    size_t context = 0, tokens = s->max_tokens, proposed = model->config.generation.max_new_tokens;
    TF_TRY(generation_context(s, model, &context));
    TF_TRY(prompts_make(texts, model->tokenizer, model->chat, context, s->batch, &g->prompts));
    size_t room = context - g->prompts.longest;
    if (!tokens) {
        tokens = proposed ? proposed : DEFAULT_TOKENS;
        if (tokens > room) tokens = room ? room : 1;
    }
    for (size_t b = 0; b < g->prompts.batches; b++)
        TF_TRY(generate_check(&model->config, &g->prompts.batch[b], tokens, context));
    if (s->draft) TF_TRY(draft_open(s->draft, model, &g->draft));
    g->streams = !s->form->json && texts->count == 1;
    g->writing = s->writing;
    g->writing.max_tokens = tokens;
    g->writing.show = g->streams ? generation_stream : NULL;
    return writer_open(&g->writing, false, &model->config, model->tokenizer, s->reveal, &g->prompts, &g->writer);
}

tf_status generation_open(const generation_settings *s, const text_list *texts, const model_files *model,
                          generation *g) {
    *g = (generation){.settings = s};
    tf_status status = open_prompts(s, texts, model, g);
    if (status != TF_OK) generation_close(g);
    return status;
}

void generation_close(generation *g) {
    writer_close(&g->writer);
    prompts_free(&g->prompts);
    draft_close(g->draft);
    *g = (generation){.settings = NULL};
}

bool generation_is_open(const generation *g) {
    return g->writer.texts > 0;
}

tf_status generation_conclude(generation *g, const generate_report *run, double seconds) {
    const generation_settings *s = g->settings;
    writer_finish(&g->writer);
    return generation_print(&(generation_report){.form = s->form,
                                                 .text = g->writer.text,
                                                 .texts = g->writer.texts,
                                                 .offset = g->offset,
                                                 .logprobs = s->writing.logprobs,
                                                 .private = s->private,
                                                 .proposed = s->draft ? s->proposed : 0,
                                                 .streamed = g->streams,
                                                 .revealed = s->reveal == REVEAL_LOGITS ? "logits" : "token",
                                                 .seconds_total = seconds,
                                                 .run = *run});
}

void generation_conclude_cut(generation *g, const generate_report *run, double seconds, tf_status status) {
    tf_failure failure;
    if (!generation_is_open(g) || !writer_begun(&g->writer)) return;
    tf_failure_keep(status, &failure);
    (void)!generation_conclude(g, run, seconds);
    (void)!tf_failure_raise(&failure);
}
