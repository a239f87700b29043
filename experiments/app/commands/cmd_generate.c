#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/service/prompts.h"
#include "experiments/app/service/writer.h"
#include "net/base/clock.h"

enum { DEFAULT_TOKENS = 128 };

/* What this process holds during a run. */
typedef struct holdings {
    model_files model;
    text_list texts;
    prompt_list prompts;
    writer_settings settings;
    writer writer;
    size_t context;
    bool streams; /* text is shown as it grows */
} holdings;

static void release(holdings *h) {
    writer_close(&h->writer);
    prompts_free(&h->prompts);
    texts_free(&h->texts);
    model_close(&h->model);
}

static bool reveals_logits(const command_line *o) {
    return o->plain || (o->generate.reveal && !strcmp(o->generate.reveal, "logits"));
}

/* How tokens are chosen: as the command line says, otherwise as llama.cpp does once a temperature is given. */
static sampler_settings sampling(const generate_line *g) {
    bool sampled = g->temperature > 0;
    return (sampler_settings){.repeat_penalty = g->repeat_penalty > 0 ? g->repeat_penalty : 1,
                              .top_k = g->top_k  ? g->top_k
                                       : sampled ? 40
                                                 : 0,
                              .top_p = g->top_p > 0 ? g->top_p
                                       : sampled    ? 0.95
                                                    : 1,
                              .min_p = g->min_p > 0 ? g->min_p
                                       : sampled    ? 0.05
                                                    : 0,
                              .temperature = g->temperature,
                              .seeded = g->seed > 0,
                              .seed = g->seed};
}

/* Texts, tokens and what is to be made of them: of the data owner alone. */
static tf_status open_prompts(const command_line *o, holdings *h) {
    const generate_line *g = &o->generate;
    text_source source = settings_of_texts(o);
    model_warn_untrained(&h->model);
    TF_TRY(model_open_tokenizer(&h->model));
    TF_TRY(texts_read(&source, &h->texts));
    TF_TRY(prompts_make(&h->texts, h->model.tokenizer, h->context, &h->prompts));
    size_t room = h->context - h->prompts.batch.longest, tokens = g->max_tokens;
    if (!tokens)
        tokens = h->model.config.generation.max_new_tokens ? h->model.config.generation.max_new_tokens : DEFAULT_TOKENS;
    if (!g->max_tokens && tokens > room) tokens = room ? room : 1;
    TF_TRY(generate_check(&h->model.config, &h->prompts.batch, tokens, h->context));
    h->streams = !o->json && h->texts.count == 1;
    h->settings = (writer_settings){.max_tokens = tokens,
                                    .ignore_end = g->ignore_end,
                                    .stop = g->stop,
                                    .stops = g->stops,
                                    .logprobs = g->logprobs,
                                    .sampler = sampling(g),
                                    .show = h->streams ? generation_stream : NULL};
    return writer_open(&h->settings, &h->model.config, h->model.tokenizer,
                       reveals_logits(o) ? REVEAL_LOGITS : REVEAL_TOKEN, &h->prompts.batch, &h->writer);
}

static tf_status open_model(const command_line *o, holdings *h) {
    model_settings settings = settings_of_model(o);
    TF_TRY(model_open(&settings, &h->model));
    if (h->model.config.head != TF_HEAD_CAUSAL)
        return tf_fail(TF_INVALID, "%s holds a model that generates no text", o->model);
    h->context = o->generate.context ? o->generate.context : h->model.config.positions;
    if (h->context > h->model.config.positions)
        return tf_fail(TF_INVALID, "--context %zu: the model has %zu positions", h->context, h->model.config.positions);
    return TF_OK;
}

/* After the run or its failure: what was generated so far is kept, and marked as cut. */
static tf_status report(const command_line *o, holdings *h, const generate_report *run, double start) {
    report_form form = settings_of_report(o);
    writer_finish(&h->writer);
    return generation_print(&(generation_report){.form = &form,
                                                 .text = h->writer.text,
                                                 .texts = h->writer.texts,
                                                 .logprobs = o->generate.logprobs,
                                                 .private = !o->plain,
                                                 .streamed = h->streams,
                                                 .revealed = reveals_logits(o) ? "logits" : "token",
                                                 .seconds_total = tf_clock() - start,
                                                 .run = *run});
}

/* Reports also what a failed run has left; its error stays. */
static tf_status conclude(const command_line *o, holdings *h, const generate_report *run, double start,
                          tf_status status) {
    char message[1024];
    if (!h->writer.texts) return status;
    if (status == TF_OK) return report(o, h, run, start);
    snprintf(message, sizeof message, "%s", tf_error());
    (void)!report(o, h, run, start);
    return tf_fail(status, "%s", message);
}

static tf_status run_plain(const command_line *o, holdings *h, double start) {
    run_settings settings = settings_of_run(o);
    generate_report run = {0};
    TF_TRY(open_model(o, h));
    TF_TRY(model_open_weights(&h->model));
    TF_TRY(open_prompts(o, h));
    private_job base = {
        .settings = &settings, .config = &h->model.config, .approx = &h->model.approx, .weights = h->model.weights};
    generate_watch watch = writer_watch(&h->writer);
    generate_job job = {&base, REVEAL_LOGITS, h->context, &h->prompts.batch, &watch};
    run.seconds_setup = tf_clock() - start;
    return conclude(o, h, &run, start, generate_plain(&job, &run));
}

static tf_status run_private(const command_line *o, private_session *session, holdings *h, double start) {
    bool model_owner = private_plays(session, o->model_owner), data_owner = private_plays(session, o->data_owner);
    run_settings settings = settings_of_run(o);
    generate_report run = {0};
    TF_TRY(open_model(o, h));
    if (model_owner || o->public_weights) TF_TRY(model_open_weights(&h->model));
    if (data_owner) TF_TRY(open_prompts(o, h));
    private_job base = {.settings = &settings,
                        .config = &h->model.config,
                        .approx = &h->model.approx,
                        .weights = model_owner || o->public_weights ? h->model.weights : NULL,
                        .ranges = model_ranges(&h->model),
                        .offered_tokenizer = h->model.offered,
                        .pinned_tokenizer = h->model.pinned};
    generate_watch watch = writer_watch(&h->writer);
    generate_job job = {&base, reveals_logits(o) ? REVEAL_LOGITS : REVEAL_TOKEN, h->context,
                        data_owner ? &h->prompts.batch : NULL, &watch};
    return conclude(o, h, &run, start, private_generate(session, &job, &run));
}

static tf_status run(const command_line *o) {
    double start = tf_clock();
    private_session *session = NULL;
    holdings h = {.context = 0};
    if (!o->plain) TF_TRY(private_open(&o->links, &session));
    tf_status status = o->plain ? run_plain(o, &h, start) : run_private(o, session, &h, start);
    private_close(session, status);
    release(&h);
    return status;
}

static tf_status check(const command_line *o) {
    const generate_line *g = &o->generate;
    if (!o->texts == !o->input) return tf_fail(TF_INVALID, "generate needs either --prompt or --input (see --help)");
    if (g->reveal && strcmp(g->reveal, "token") && strcmp(g->reveal, "logits"))
        return tf_fail(TF_INVALID, "--reveal '%.40s' is neither token nor logits", g->reveal);
    if (g->seed && !o->plain) return tf_fail(TF_INVALID, "--seed needs --plain: private samples must not repeat");
    if (!reveals_logits(o) && g->logprobs)
        return tf_fail(TF_INVALID, "--logprobs needs --reveal logits, or --plain (see --help)");
    if (!reveals_logits(o) && (g->temperature > 0 || g->repeat_penalty > 0))
        return tf_fail(TF_INVALID, "--temperature and --repeat-penalty need --reveal logits, or --plain (see --help)");
    if (!(g->temperature > 0) && (g->top_k || g->top_p > 0 || g->min_p > 0))
        return tf_fail(TF_INVALID, "--top-k, --top-p and --min-p need a --temperature (see --help)");
    for (size_t i = 0; i < g->stops; i++)
        if (!*g->stop[i]) return tf_fail(TF_INVALID, "--stop is empty");
    return TF_OK;
}

const trefoil_command command_generate = {
    .name = "generate",
    .summary = "continue a private prompt, token by token",
    .description =
        "Continues prompts between three parties: mpirun -n 3 trefoil generate ..., or with --local in one process. "
        "The data owner alone learns prompts and tokens; public are the number of prompts, their lengths in tokens and "
        "how "
        "many tokens are generated. Of each step the data owner learns the most likely token (--reveal token), or all "
        "logits (--reveal logits: cheaper, and says more about the model). Without --temperature always the most "
        "likely token follows; with it the defaults are llama.cpp's: --top-k 40 --top-p 0.95 --min-p 0.05.",
    .accepts = (const char[]){OPTION_MODEL,
                              OPTION_PROMPT,
                              OPTION_INPUT,
                              OPTION_LIMIT,
                              OPTION_MAX_TOKENS,
                              OPTION_CONTEXT,
                              OPTION_REVEAL,
                              OPTION_PLAIN,
                              OPTION_TEMPERATURE,
                              OPTION_TOP_K,
                              OPTION_TOP_P,
                              OPTION_MIN_P,
                              OPTION_REPEAT,
                              OPTION_SEED,
                              OPTION_STOP,
                              OPTION_IGNORE_END,
                              OPTION_LOGPROBS,
                              OPTION_APPROX,
                              OPTION_FRACTION_BITS,
                              OPTION_MODEL_OWNER,
                              OPTION_DATA_OWNER,
                              OPTION_PUBLIC_WEIGHTS,
                              OPTION_NO_RANGES,
                              OPTION_NO_GUARD,
                              OPTION_PLUGIN,
                              OPTION_TOKENIZER,
                              OPTION_TOKENIZER_DIGEST,
                              LINK_OPTIONS,
                              0},
    .example = {"mpirun -n 3 trefoil generate --model DIR --prompt \"Once upon a time\" --max-tokens 40",
                "trefoil generate --plain --model DIR --prompt \"Once upon a time\" --temperature 0.8 --seed 1"},
    .requires = (const char[]){OPTION_MODEL, 0},
    .secrets = true,
    .check = check,
    .run = run,
};
