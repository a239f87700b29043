#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/data/directory.h"
#include "experiments/app/service/generation.h"
#include "experiments/app/service/private.h"
#include "net/base/clock.h"

/* What this process holds during a run. */
typedef struct holdings {
    run_settings run;
    report_form form;
    generation_settings settings;
    model_files model;
    char directory[DIRECTORY_PATH]; /* of the model */
    tf_digest offered;              /* of the model owner's tokenizer */
    party_shares shares[TF_PARTIES];
    size_t context;
    text_list texts;
    generation generation; /* of the data owner alone */
} holdings;

static void release(holdings *h) {
    generation_close(&h->generation);
    texts_free(&h->texts);
    for (int p = 0; p < TF_PARTIES; p++) party_shares_close(&h->shares[p]);
    model_close(&h->model);
}

/* Texts, tokens and what is to be made of them. */
static tf_status open_prompts(const command_line *o, holdings *h) {
    text_source source = settings_of_texts(o);
    model_warn(&h->model);
    TF_TRY(model_open_tokenizer(&h->model));
    TF_TRY(texts_read(&source, &h->texts));
    return generation_open(&h->settings, &h->texts, &h->model, &h->generation);
}

/* Every party opens what is its own only. */
static tf_status open_own(const command_line *o, private_session *session, holdings *h) {
    model_settings settings = settings_of_model(o);
    share_settings parts = settings_of_shares(o);
    int party = private_plays(session, 0) ? 0 : private_plays(session, 1) ? 1 : 2;
    if (o->model)
        snprintf(h->directory, sizeof h->directory, "%s", o->model);
    else
        TF_TRY(directory_of_party(o->model_shares, party, h->directory, sizeof h->directory));
    TF_TRY(model_open_at(&settings, h->directory, &h->model));
    TF_TRY(generation_context(&h->settings, &h->model, &h->context));
    for (int p = 0; p < TF_PARTIES; p++)
        if (private_plays(session, p))
            TF_TRY(party_shares_open(&parts, o->fraction_bits, &h->model.config, p, &h->shares[p]));
    if (private_plays(session, o->model_owner) || o->public_weights) TF_TRY(model_open_weights(&h->model));
    if (private_plays(session, o->model_owner)) h->offered = model_offered_tokenizer(&h->model);
    return private_plays(session, o->data_owner) ? open_prompts(o, h) : TF_OK;
}

/* Reports also what a failed run has left; its error stays. */
static tf_status conclude(holdings *h, const generate_report *run, double start, tf_status status) {
    if (!generation_is_open(&h->generation)) return status;
    if (status == TF_OK) return generation_conclude(&h->generation, run, tf_clock() - start);
    generation_conclude_cut(&h->generation, run, tf_clock() - start, status);
    return status;
}

static tf_status run_plain(const command_line *o, holdings *h, double start) {
    model_settings settings = settings_of_model(o);
    generate_report run = {0};
    TF_TRY(model_open(&settings, &h->model));
    TF_TRY(generation_context(&h->settings, &h->model, &h->context));
    TF_TRY(model_open_weights(&h->model));
    TF_TRY(open_prompts(o, h));
    h->run.public_weights = true; /* as the file has them: folding normalisations into them is worth some tokens */
    private_job base = {
        .settings = &h->run, .config = &h->model.config, .approx = &h->model.approx, .weights = h->model.weights};
    const prompt_list *prompts = &h->generation.prompts;
    generate_watch watch = writer_watch(&h->generation.writer);
    generate_job job = {.job = &base,
                        .reveal = REVEAL_LOGITS,
                        .context = h->context,
                        .piece = h->settings.piece,
                        .batch = prompts->batch,
                        .batches = prompts->batches,
                        .watch = &watch};
    run.seconds_setup = tf_clock() - start;
    return conclude(h, &run, start, generate_plain(&job, &run));
}

static tf_status run_private(const command_line *o, private_session *session, holdings *h, double start) {
    generate_report run = {0};
    TF_TRY(open_own(o, session, h));
    private_job base = {.settings = &h->run,
                        .config = &h->model.config,
                        .approx = &h->model.approx,
                        .weights = h->model.weights,
                        .ranges = model_ranges(&h->model),
                        .directory = h->model.directory,
                        .offered_tokenizer = h->offered,
                        .pinned_tokenizer = model_pinned_tokenizer(&h->model),
                        .shares = h->shares};
    const prompt_list *prompts = &h->generation.prompts;
    generate_watch watch = writer_watch(&h->generation.writer);
    generate_job job = {.job = &base,
                        .reveal = h->settings.reveal,
                        .context = h->context,
                        .piece = h->settings.piece,
                        .batch = prompts->batch,
                        .batches = prompts->batches,
                        .watch = &watch,
                        .draft = h->generation.draft,
                        .proposed = h->settings.proposed};
    return conclude(h, &run, start, private_generate(session, &job, &run));
}

static tf_status run(const command_line *o) {
    double start = tf_clock();
    private_session *session = NULL;
    holdings h = {.run = settings_of_run(o), .form = settings_of_report(o)};
    h.settings = settings_of_generation(o, &h.form);
    if (!o->plain) TF_TRY(private_open(&o->links, &session));
    tf_status status = o->plain ? run_plain(o, &h, start) : run_private(o, session, &h, start);
    private_close(session, status);
    release(&h);
    return status;
}

static tf_status check(const command_line *o) {
    if (!o->model && !o->model_shares)
        return tf_fail(TF_INVALID, "generate needs --model or --model-shares (see --help)");
    if (o->plain && !o->model) return tf_fail(TF_INVALID, "--plain needs --model (see --help)");
    TF_TRY(settings_check_shares(o));
    return settings_check_generation(o);
}

const trefoil_command command_generate = {
    .name = "generate",
    .summary = "continue a private prompt, token by token",
    .description =
        "Continues prompts between three parties: mpirun -n 3 trefoil generate ..., or with --local in one process. "
        "The data owner alone learns prompts and tokens; public are the number of prompts, their lengths in tokens and "
        "how "
        "many tokens are generated. Of each step the data owner learns the token (--reveal token), or all "
        "logits (--reveal logits: cheaper, and says more about the model). Without --temperature always the most "
        "likely token follows; with it one is drawn, inside; the defaults are llama.cpp's: "
        "--top-k 40 --top-p 0.95 --min-p 0.05.",
    .accepts =
        (const char[]){
            OPTION_QUIET,
            OPTION_VERBOSE,
            OPTION_MODEL,
            OPTION_PROMPT,
            OPTION_INPUT,
            OPTION_LIMIT,
            OPTION_MAX_TOKENS,
            OPTION_CONTEXT,
            OPTION_PREFILL,
            OPTION_KEEP,
            OPTION_CHAT,
            OPTION_DRAFT,
            OPTION_DRAFT_TOKENS,
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
            OPTION_CHECK_COPIES,
            OPTION_NETWORK,
            OPTION_PLUGIN,
            OPTION_MODEL_SHARES,
            OPTION_STREAM,
            OPTION_BATCH,
            OPTION_TOKENIZER,
            OPTION_TOKENIZER_DIGEST,
            LINK_OPTIONS,
            0,
        },
    .defaults = "batch=all",
    .example = {"mpirun -n 3 trefoil generate --model DIR --prompt \"Once upon a time\" --max-tokens 40",
                "trefoil generate --plain --model DIR --prompt \"Once upon a time\" --temperature 0.8 --seed 1"},
    .requires = "",
    .secrets = true,
    .check = check,
    .run = run,
};
