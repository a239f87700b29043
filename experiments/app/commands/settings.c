#include "experiments/app/commands/settings.h"

#include <string.h>

#include "experiments/app/data/batches.h"
#include "experiments/app/parties/threads.h"
#include "ops/draft.h"

static bool reveals_logits(const command_line *o) {
    return o->plain || (o->generate.reveal && !strcmp(o->generate.reveal, "logits"));
}

model_settings settings_of_model(const command_line *o) {
    return (model_settings){.directory = o->model,
                            .architecture = o->arch,
                            .layers = o->layers,
                            .approx = o->approx,
                            .plugin = o->plugin,
                            .plugins = o->plugins,
                            .chat = o->generate.chat,
                            .pin = {o->tokenizer, o->tokenizer_digest},
                            .fills_masks = o->fill_mask,
                            .best_only = o->fill_mask && !reveals_logits(o),
                            .ranges = o->takes_ranges && !o->no_ranges && !o->plain,
                            .unguarded = o->no_guard};
}

log_settings settings_of_log(const command_line *o) {
    log_settings log = {.level = o->verbose ? LOG_DEBUG
                                 : o->quiet ? LOG_WARNING
                                            : LOG_INFO,
                        .json = o->log_json,
                        .service = o->serve};
    if (o->log_level && log_level_find(o->log_level, &log.level) != TF_OK) log.level = LOG_INFO; /* was checked */
    return log;
}

text_source settings_of_texts(const command_line *o) {
    return (text_source){.path = o->input,
                         .format = o->format,
                         .columns = o->columns,
                         .text = o->text,
                         .texts = o->texts,
                         .limit = o->limit};
}

text_source settings_of_data(const command_line *o) {
    return (text_source){.path = o->data, .format = o->format, .columns = o->columns, .limit = o->limit};
}

share_settings settings_of_shares(const command_line *o) {
    return (share_settings){o->model_shares, o->input_shares, o->results ? o->result_shares[0] : NULL, o->model_root};
}

/* How tokens are chosen: as the command line says, otherwise as llama.cpp does once a temperature is given. */
static tf_sampling settings_of_sampling(const generate_line *g) {
    if (!(g->temperature > 0)) return (tf_sampling){.top_p = 1};
    return (tf_sampling){.temperature = g->temperature,
                         .top_k = g->top_k >= 0 ? (size_t)g->top_k : 40,
                         .top_p = g->top_p >= 0 ? g->top_p : 0.95,
                         .min_p = g->min_p >= 0 ? g->min_p : 0.05};
}

run_settings settings_of_run(const command_line *o) {
    return (run_settings){.fraction_bits = o->fraction_bits,
                          .model_owner = o->model_owner,
                          .data_owner = o->data_owner,
                          .public_weights = o->public_weights,
                          .check_copies = o->check_copies,
                          .network = o->is_network && !o->measures ? o->network : (tf_network){0},
                          .measures = o->measures,
                          .round_bytes = o->is_network && !o->measures ? tf_network_round_bytes(&o->network) : 0,
                          .stream = o->stream,
                          .threads = party_threads(&o->links),
                          .keep = o->generate.keep,
                          .repeat_penalty = o->generate.repeat_penalty > 0 ? o->generate.repeat_penalty : 1,
                          .sampling = settings_of_sampling(&o->generate)};
}

report_form settings_of_report(const command_line *o) {
    return (report_form){.json = o->json, .setting = o->setting, .settings = o->settings, .warns = o->each != NULL};
}

/* Texts are packed by what padding and rounds cost on the network that is told or simulated, unless it was said how
 * many go together. On one host a round costs little. */
enum { ON_ONE_HOST = 16000 };

static double round_bytes_of_batches(const command_line *o) {
    if (o->batch) return 0;
    if (o->is_network && !o->measures) return tf_network_round_bytes(&o->network);
    return o->links.shaped ? tf_network_round_bytes(&o->links.network) : ON_ONE_HOST;
}

batch_settings settings_of_batches(const command_line *o, empty_texts empty) {
    return (batch_settings){.most = o->batch ? o->batch : TEXTS_A_BATCH,
                            .tokens = o->batch ? 0 : TOKENS_A_BATCH,
                            .round_bytes = round_bytes_of_batches(o),
                            .longest = o->max_length,
                            .truncate = o->truncate,
                            .pad_to = o->pad_to,
                            .empty = o->strict ? EMPTY_FAILS : empty};
}

tf_status settings_mix_decoys(const command_line *o, const model_files *model, text_list *texts, decoys *out) {
    const decoy_settings settings = {.count = o->decoys, .file = o->certified, .tolerance = o->tolerance};
    *out = (decoys){0};
    if (!o->decoys) return TF_OK;
    return decoys_mix(&settings, &model->config, &model->approx, strtoul(o->pad_to, NULL, 10), texts, out);
}

tf_status settings_check_decoys(const command_line *o) {
    if (!o->decoys != !o->certified) return tf_fail(TF_INVALID, "--decoys and --certified go together (see --help)");
    if (o->decoys && (!o->pad_to || !strtoul(o->pad_to, NULL, 10)))
        return tf_fail(TF_INVALID, "--decoys needs --pad-to N: by their lengths the others could tell them apart");
    if (o->decoys && (o->check || o->check_ranges || o->serve || o->input_shares || o->max_length))
        return tf_fail(TF_INVALID, "--decoys goes with none of --check, --check-ranges, --serve, --input-shares and "
                                   "--max-length");
    return TF_OK;
}

tf_status settings_of_tokens(const command_line *o, token_settings *tokens) {
    *tokens = (token_settings){.how = AGGREGATE_SIMPLE, .top = o->top};
    return o->aggregation ? aggregation_find(o->aggregation, &tokens->how) : TF_OK;
}

tf_status settings_check_shares(const command_line *o) {
    if (o->stream && !o->model_shares) return tf_fail(TF_INVALID, "--stream needs --model-shares (see --help)");
    if (o->model_shares && o->public_weights)
        return tf_fail(TF_INVALID, "--public-weights: the weights of --model-shares are secret (see --help)");
    if (!o->input_shares != !o->results || o->results > 1)
        return tf_fail(TF_INVALID, "--input-shares needs one --result-shares, and only there (see --help)");
    return TF_OK;
}

tf_status settings_check_masks(const command_line *o) {
    const char *reveal = o->generate.reveal;
    if (reveal && !o->fill_mask) return tf_fail(TF_INVALID, "--reveal is for --fill-mask here (see --help)");
    if (reveal && strcmp(reveal, "token") && strcmp(reveal, "logits"))
        return tf_fail(TF_INVALID, "--reveal '%.40s' is neither token nor logits", reveal);
    if (!o->fill_mask || reveals_logits(o)) return TF_OK;
    if (o->top > 1) return tf_fail(TF_INVALID, "--top %zu needs --reveal logits: one word comes out", o->top);
    return o->check ? tf_fail(TF_INVALID, "--check compares logits, which --reveal logits gives") : TF_OK;
}

/* Generation ------------------------------------------------------------------------------------------------------- */

/* What is put in front of choosing a token. */
static sampler_settings sampling(const generate_line *g) {
    return (sampler_settings){.repeat_penalty = g->repeat_penalty > 0 ? g->repeat_penalty : 1,
                              .sampling = settings_of_sampling(g),
                              .seeded = g->seed > 0,
                              .seed = g->seed};
}

size_t settings_proposed(const generate_line *g) {
    enum { DEFAULT_PROPOSED = 4 };
    return g->draft_tokens ? g->draft_tokens : g->draft ? DEFAULT_PROPOSED : 0;
}

tf_status settings_check_draft(const command_line *o) {
    size_t proposed = settings_proposed(&o->generate);
    if (!proposed) return TF_OK;
    if (proposed > TF_MOST_PROPOSED)
        return tf_fail(TF_INVALID, "--draft-tokens %zu: at most %d", proposed, (int)TF_MOST_PROPOSED);
    if (o->plain) return tf_fail(TF_INVALID, "--draft saves rounds, of which --plain has none (see --help)");
    if (reveals_logits(o)) return tf_fail(TF_INVALID, "--draft: logits of wrong proposals are not for --reveal logits");
    if (o->batch > 1) return tf_fail(TF_INVALID, "--draft continues one prompt after the other: no --batch");
    return TF_OK;
}

generation_settings settings_of_generation(const command_line *o, const report_form *form) {
    const generate_line *g = &o->generate;
    size_t proposed = settings_proposed(g);
    return (generation_settings){.reveal = reveals_logits(o) ? REVEAL_LOGITS : REVEAL_TOKEN,
                                 .context = g->context,
                                 .piece = g->piece,
                                 .batch = proposed ? 1 : o->batch,
                                 .draft = g->draft   ? g->draft
                                          : proposed ? DRAFT_NGRAM
                                                     : NULL,
                                 .proposed = proposed,
                                 .max_tokens = g->max_tokens,
                                 .private = !o->plain,
                                 .form = form,
                                 .writing = {.ignore_end = g->ignore_end,
                                             .stop = g->stop,
                                             .stops = g->stops,
                                             .logprobs = g->logprobs,
                                             .sampler = sampling(g)}};
}

resident_settings settings_of_resident(const command_line *o, int party, const generation_settings *prompts) {
    return (resident_settings){.party = party,
                               .run = settings_of_run(o),
                               .model = settings_of_model(o),
                               .parts = settings_of_shares(o),
                               .generation = prompts,
                               .parties_here = parties_here(&o->links),
                               .ready_file = o->ready_file,
                               .rests = o->serve};
}

tf_status settings_check_generation(const command_line *o) {
    const generate_line *g = &o->generate;
    if (g->reveal && strcmp(g->reveal, "token") && strcmp(g->reveal, "logits"))
        return tf_fail(TF_INVALID, "--reveal '%.40s' is neither token nor logits", g->reveal);
    if (g->seed && !o->plain) return tf_fail(TF_INVALID, "--seed needs --plain: private samples must not repeat");
    if (!reveals_logits(o) && g->logprobs)
        return tf_fail(TF_INVALID, "--logprobs needs --reveal logits, or --plain (see --help)");
    if (g->repeat_penalty > 0 && g->repeat_penalty < 0.01)
        return tf_fail(TF_INVALID, "--repeat-penalty %g: from 0.01 on", g->repeat_penalty);
    if (g->temperature > 0) {
        tf_sampling draws = settings_of_sampling(g);
        TF_TRY(tf_sampling_check(&draws));
        if (!reveals_logits(o) && draws.top_k > TF_MOST_CANDIDATES)
            return tf_fail(TF_INVALID, "--top-k %zu: at most %d with --reveal token", draws.top_k,
                           (int)TF_MOST_CANDIDATES);
    }
    if (!(g->temperature > 0) && (g->top_k >= 0 || g->top_p >= 0 || g->min_p >= 0))
        return tf_fail(TF_INVALID, "--top-k, --top-p and --min-p need a --temperature (see --help)");
    for (size_t i = 0; i < g->stops; i++)
        if (!*g->stop[i]) return tf_fail(TF_INVALID, "--stop is empty");
    return settings_check_draft(o);
}
