#include <stdio.h>
#include <stdlib.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/data/directory.h"
#include "experiments/app/report/range_report.h"
#include "experiments/app/report/results.h"
#include "experiments/app/service/infer.h"
#include "experiments/app/service/plain.h"
#include "net/base/clock.h"

/* What this process holds during a run. */
typedef struct holdings {
    model_files model;
    text_list texts;
    text_batches batches;
    token_settings tokens;
    decoys decoys;
    tf_digest offered; /* of the model owner's tokenizer */
    float *values, *plain;
    tf_ranges seen; /* in floating point, with --check-ranges */
    tf_range_check *range_check;
    char directory[DIRECTORY_PATH]; /* of the model */
    party_shares shares[TF_PARTIES];
} holdings;

static void release(holdings *h) {
    free(h->values);
    free(h->plain);
    tf_ranges_free(&h->seen);
    tf_range_check_free(h->range_check);
    decoys_free(&h->decoys);
    batches_free(&h->batches);
    texts_free(&h->texts);
    for (int p = 0; p < TF_PARTIES; p++) party_shares_close(&h->shares[p]);
    model_close(&h->model);
}

/* Every party opens what is its own only; what is wrong with a text or a weight file is found before the run. */
static tf_status open_own(const command_line *o, private_session *session, holdings *h) {
    bool model_owner = private_plays(session, o->model_owner), data_owner = private_plays(session, o->data_owner);
    model_settings settings = settings_of_model(o);
    share_settings parts = settings_of_shares(o);
    text_source source = settings_of_texts(o);
    int party = private_plays(session, 0) ? 0 : private_plays(session, 1) ? 1 : 2;
    if (o->model)
        snprintf(h->directory, sizeof h->directory, "%s", o->model);
    else
        TF_TRY(directory_of_party(o->model_shares, party, h->directory, sizeof h->directory));
    TF_TRY(model_open_at(&settings, h->directory, &h->model));
    for (int p = 0; p < TF_PARTIES; p++)
        if (private_plays(session, p))
            TF_TRY(party_shares_open(&parts, o->fraction_bits, &h->model.config, p, &h->shares[p]));
    if (model_owner || o->public_weights || (data_owner && o->check)) TF_TRY(model_open_weights(&h->model));
    if (model_owner) h->offered = model_offered_tokenizer(&h->model);
    if (!data_owner) return TF_OK;
    model_warn(&h->model);
    TF_TRY(model_open_tokenizer(&h->model));
    TF_TRY(texts_read(&source, &h->texts));
    TF_TRY(settings_mix_decoys(o, &h->model, &h->texts, &h->decoys));
    batch_settings cut = settings_of_batches(o, EMPTY_MARKED);
    TF_TRY(batches_make(&h->texts, h->model.tokenizer, &h->model.config, &cut, &h->batches));
    return batches_allocate(&h->batches, &h->model.config, &h->values);
}

static tf_status infer(const command_line *o, private_session *session, holdings *h, double start) {
    bool model_owner = private_plays(session, o->model_owner), data_owner = private_plays(session, o->data_owner);
    run_report report = {0};
    TF_TRY(settings_of_tokens(o, &h->tokens));
    TF_TRY(open_own(o, session, h));
    if (o->check_ranges) TF_TRY(tf_range_check_make(&h->range_check));
    run_settings settings = settings_of_run(o);
    report_form form = settings_of_report(o);
    private_job job = {
        .settings = &settings,
        .config = &h->model.config,
        .approx = &h->model.approx,
        .weights = model_owner || o->public_weights ? h->model.weights : NULL,
        .batches = data_owner ? &h->batches : NULL,
        .ranges = model_ranges(&h->model),
        .range_check = h->range_check,
        .directory = h->model.directory,
        .offered_tokenizer = h->offered,
        .pinned_tokenizer = model_pinned_tokenizer(&h->model),
        .shares = h->shares,
    };
    TF_TRY(private_infer(session, &job, h->values, &report));
    double end = tf_clock();
    TF_TRY(decoys_take_out(&h->decoys, &h->texts, &h->batches, h->values));
    bool reports = o->input_shares ? private_plays(session, 0) : data_owner;
    if (!reports) return TF_OK;
    text_list unknown = {.count = h->shares[0].texts.texts};
    if (o->check || o->check_ranges) {
        TF_TRY(batches_allocate(&h->batches, &h->model.config, &h->plain));
        TF_TRY(plain_run(&h->model, &h->batches, o->check_ranges ? &h->seen : NULL, h->plain));
    }
    TF_TRY(results_print(&(result_report){.form = &form,
                                          .local = o->links.local,
                                          .verbose = o->verbose,
                                          .checked = o->check,
                                          .model_owner = o->model_owner,
                                          .data_owner = o->data_owner,
                                          .kept_in = o->results ? o->result_shares[0] : NULL,
                                          .model = &h->model,
                                          .texts = o->input_shares ? &unknown : &h->texts,
                                          .batches = o->input_shares ? NULL : &h->batches,
                                          .tokens = &h->tokens,
                                          .values = h->values,
                                          .plain = o->check ? h->plain : NULL,
                                          .private = true,
                                          .decoys = h->decoys.count,
                                          .decoys_off = h->decoys.off,
                                          .seconds_total = end - start,
                                          .run = report}));
    return o->check_ranges ? range_report(&form, o->report, h->range_check, &h->seen) : TF_OK;
}

static tf_status run(const command_line *o) {
    double start = tf_clock();
    private_session *session;
    holdings h = {0};
    TF_TRY(private_open(&o->links, &session));
    tf_status status = infer(o, session, &h, start);
    private_close(session, status);
    release(&h);
    return status;
}

static tf_status check(const command_line *o) {
    if (!o->model && !o->model_shares) return tf_fail(TF_INVALID, "infer needs --model or --model-shares (see --help)");
    if (o->check && (o->input_shares || (o->model_shares && !o->model)))
        return tf_fail(TF_INVALID, "--check needs --model and --input or --text (see --help)");
    TF_TRY(settings_check_masks(o));
    TF_TRY(settings_check_decoys(o));
    return settings_check_shares(o);
}

const trefoil_command command_infer = {
    .name = "infer",
    .summary = "run a model privately between three parties",
    .description =
        "Runs a model privately: mpirun -n 3 trefoil infer ..., or with --local in one process. Only the model owner "
        "opens the weights (the others need config.json alone); only the data owner opens the texts and prints the "
        "result. Public to all are the architecture, the number of texts and their lengths in tokens. With "
        "--model-shares no party knows the model, with --input-shares none knows texts and results.",
    .example = {"mpirun -n 3 trefoil infer --model DIR --input texts.txt --approx paper",
                "trefoil infer --local --model DIR --text \"a good film\" --check"},
    .accepts =
        (const char[]){
            OPTION_QUIET,
            OPTION_VERBOSE,
            OPTION_FILL_MASK,
            OPTION_REVEAL,
            OPTION_AGGREGATION,
            OPTION_TOP,
            OPTION_MODEL,
            OPTION_TEXT,
            OPTION_INPUT,
            OPTION_LIMIT,
            OPTION_TRUNCATE,
            OPTION_MAX_LENGTH,
            OPTION_FORMAT,
            OPTION_STRICT,
            OPTION_COLUMNS,
            OPTION_BATCH,
            OPTION_APPROX,
            OPTION_FRACTION_BITS,
            OPTION_MODEL_OWNER,
            OPTION_DATA_OWNER,
            OPTION_PUBLIC_WEIGHTS,
            OPTION_CHECK,
            OPTION_CHECK_RANGES,
            OPTION_REPORT,
            OPTION_NO_RANGES,
            OPTION_NO_GUARD,
            OPTION_CHECK_COPIES,
            OPTION_NETWORK,
            OPTION_PLUGIN,
            OPTION_TOKENIZER,
            OPTION_TOKENIZER_DIGEST,
            OPTION_PAD_TO,
            OPTION_DECOYS,
            OPTION_CERTIFIED,
            OPTION_TOLERANCE,
            OPTION_MODEL_SHARES,
            OPTION_STREAM,
            OPTION_MODEL_ROOT,
            OPTION_INPUT_SHARES,
            OPTION_RESULT_SHARES,
            LINK_OPTIONS,
            0,
        },
    .requires = "",
    .secrets = true,
    .check = check,
    .run = run,
};
