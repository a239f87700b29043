#include "experiments/app/commands/settings.h"

#include "experiments/app/data/batches.h"
#include "experiments/app/parties/links.h"

model_settings settings_of_model(const command_line *o) {
    return (model_settings){.directory = o->model,
                            .architecture = o->arch,
                            .layers = o->layers,
                            .approx = o->approx,
                            .plugin = o->plugin,
                            .plugins = o->plugins,
                            .pin = {o->tokenizer, o->tokenizer_digest},
                            .fills_masks = o->fill_mask,
                            .ranges = o->takes_ranges && !o->no_ranges && !o->plain,
                            .unguarded = o->no_guard};
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
    return (share_settings){o->model_shares, o->input_shares, o->results ? o->result_shares[0] : NULL};
}

run_settings settings_of_run(const command_line *o) {
    return (run_settings){.fraction_bits = o->fraction_bits,
                          .model_owner = o->model_owner,
                          .data_owner = o->data_owner,
                          .public_weights = o->public_weights,
                          .stream = o->stream,
                          .threads = links_threads(&o->links)};
}

report_form settings_of_report(const command_line *o) {
    return (report_form){.json = o->json, .setting = o->setting, .settings = o->settings};
}

batch_settings settings_of_batches(const command_line *o, empty_texts empty) {
    return (batch_settings){.most = o->batch ? o->batch : TEXTS_A_BATCH,
                            .longest = o->max_length,
                            .truncate = o->truncate,
                            .empty = o->strict ? EMPTY_FAILS : empty};
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
