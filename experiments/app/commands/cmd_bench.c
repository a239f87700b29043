#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/measure/bench.h"
#include "experiments/app/parties/threads.h"

/* A directory's model comes with its weights, an architecture with random ones. */
static tf_status open_model(const command_line *o, const private_session *session, model_files *model, bench_job *job) {
    model_settings named = settings_of_model(o);
    TF_TRY(model_open(&named, model));
    tf_status status = TF_OK;
    if (job->length + job->tokens > model->config.positions)
        status = tf_fail(TF_INVALID, "--seq %zu: the model has %zu positions", job->length, model->config.positions);
    else if (model->config.head != TF_HEAD_CAUSAL && (o->tokens || job->proposed))
        status = tf_fail(TF_INVALID, "--tokens and --draft-tokens: the model generates no text");
    else if (o->model && (private_plays(session, o->model_owner) || o->public_weights))
        status = model_open_weights(model);
    if (status != TF_OK) model_close(model);
    job->config = &model->config;
    job->approx = &model->approx;
    job->ranges = model_ranges(model);
    job->weights = model->weights;
    return status;
}

/* The op that KIND=VARIANT names; the kind alone is its first variant. */
static tf_status find_op(const command_line *o, bench_job *job) {
    char kind[64];
    const char *sign = strchr(o->op, '=');
    const model_settings settings = settings_of_model(o);
    TF_TRY(register_ops(&settings));
    snprintf(kind, sizeof kind, "%.*s", sign ? (int)(sign - o->op) : (int)strlen(o->op), o->op);
    job->op = tf_registry_find(kind, sign ? sign + 1 : NULL);
    for (; job->op_shape.rank < 4 && o->dimension[job->op_shape.rank]; job->op_shape.rank++)
        job->op_shape.dim[job->op_shape.rank] = o->dimension[job->op_shape.rank];
    return job->op ? TF_OK : tf_fail(TF_INVALID, "--op '%s' is not known: trefoil ops lists kinds and variants", o->op);
}

/* What a figure must be read with. */
static void describe(const command_line *o, const bench_job *job, const char *made, char *text, size_t size) {
    char approx[TF_APPROX_TEXT];
    int used = 0, threads = party_threads(&o->links);
    if (job->config)
        used += snprintf(text, size, "approx %.200s, %zu tokens, batch %zu, ", tf_approx_text(job->approx, approx),
                         job->length, job->texts);
    snprintf(text + used, size - (size_t)used, "%s, %s, %d thread%s a party", made,
             o->links.shaped ? "simulated network" : "this host's own network", threads, threads == 1 ? "" : "s");
}

static tf_status measure(const command_line *o, private_session *session) {
    model_files model = {0};
    run_settings settings = settings_of_run(o);
    share_settings parts = settings_of_shares(o);
    report_form form = settings_of_report(o);
    bench_job job = {
        .settings = &settings,
        .link = o->link,
        .link_bytes = o->elements,
        .step = o->step,
        .elements = o->elements ? o->elements : 65536,
        .matmul = o->matmul[0] ? o->matmul : NULL,
        .texts = o->batch ? o->batch : 1,
        .length = o->sequence ? o->sequence : 128,
        .tokens = o->tokens ? o->tokens - 1 : 0,
        .proposed = settings_proposed(&o->generate),
        .runs = o->runs               ? o->runs
                : o->arch || o->model ? 1
                                      : 5,
        .parties_here = private_parties_here(session),
        .profile = o->profile,
    };
    if (o->op) TF_TRY(find_op(o, &job));
    if (o->arch || o->model) TF_TRY(open_model(o, session, &model, &job));
    bench_report report = {0};
    party_shares shares[TF_PARTIES] = {{0}};
    tf_status status = TF_OK;
    for (int p = 0; p < TF_PARTIES && o->model_shares && status == TF_OK; p++)
        if (private_plays(session, p))
            status = party_shares_open(&parts, o->fraction_bits, &model.config, p, &shares[p]);
    if (o->model_shares) job.shares = shares;
    if (status == TF_OK) status = private_bench(session, &job, &report);
    if (status == TF_OK && private_plays(session, 0)) {
        const char *made = o->links.local       ? "threads, not encrypted"
                           : o->links.plaintext ? "not encrypted"
                                                : "encrypted";
        describe(o, &job, made, report.how, sizeof report.how);
        const char *name = o->model ? o->model : o->arch ? o->arch : o->step ? o->step : o->op ? o->op : "matmul";
        status = o->link ? link_report_print(&form, made, job.runs, &report.link)
                         : bench_report_print(&form,
                                              o->model  ? "model"
                                              : o->arch ? "arch"
                                              : o->op   ? "op"
                                                        : "step",
                                              name, job.runs, o->profile, &report);
    }
    free(report.profile.row);
    for (int p = 0; p < TF_PARTIES; p++) party_shares_close(&shares[p]);
    model_close(&model);
    return status;
}

static tf_status run(const command_line *o) {
    private_session *session;
    TF_TRY(private_open(&o->links, &session));
    tf_status status = measure(o, session);
    private_close(session, status);
    return status;
}

static tf_status check(const command_line *o) {
    bool whole = o->arch || o->model;
    if (o->link + !!o->step + !!o->op + !!o->matmul[0] + !!o->arch + !!o->model != 1)
        return tf_fail(TF_INVALID,
                       "bench needs one of --step, --op, --matmul, --arch, --model and --link (see --help)");
    if (o->dimension[0] && !o->op)
        return tf_fail(TF_INVALID, "--shape: dimensions go with --op only, otherwise it names a network (see --help)");
    if (o->layers && !o->arch) return tf_fail(TF_INVALID, "--layers: with --arch only (see --help)");
    if (o->model_shares && !o->arch) return tf_fail(TF_INVALID, "--model-shares: with --arch only (see --help)");
    TF_TRY(settings_check_draft(o));
    if (o->profile && !whole) return tf_fail(TF_INVALID, "--report: with --arch or --model (see --help)");
    return settings_check_shares(o);
}

const trefoil_command command_bench = {
    .name = "bench",
    .summary = "measure a protocol step, an op, a matrix product, a model or the link",
    .description =
        "Measures seconds, bytes and rounds of a protocol step, an op (with the round in which its input is put in), a "
        "matrix product, or a model (that of a directory, or "
        "a "
        "named architecture with random weights) on random tokens, or the speed of the link between the parties (--n "
        "is then the bytes of a message): mpirun "
        "-n 3 trefoil bench ..., or with --local in one process. Of a decoder it is the pass over a prompt of --seq "
        "tokens, or with --tokens N those for the N - 1 tokens after its first, together. Party 0 prints.",
    .example = {"mpirun -n 3 trefoil bench --step relu --n 393216",
                "trefoil bench --local --arch bert-base --seq 128 --report"},
    .defaults = "batch=1",
    .accepts =
        (const char[]){
            OPTION_QUIET,
            OPTION_LINK,
            OPTION_OP,
            OPTION_STEP,
            OPTION_ELEMENTS,
            OPTION_MATMUL,
            OPTION_ARCH,
            OPTION_LAYERS,
            OPTION_SEQUENCE,
            OPTION_BATCH,
            OPTION_RUNS,
            OPTION_APPROX,
            OPTION_PUBLIC_WEIGHTS,
            OPTION_FRACTION_BITS,
            OPTION_MODEL_OWNER,
            OPTION_DATA_OWNER,
            OPTION_PLUGIN,
            OPTION_MODEL_SHARES,
            OPTION_STREAM,
            OPTION_TOKENS,
            OPTION_DRAFT_TOKENS,
            OPTION_PROFILE,
            OPTION_MODEL,
            OPTION_NO_RANGES,
            OPTION_NO_GUARD,
            OPTION_CHECK_COPIES,
            OPTION_NETWORK,
            LINK_OPTIONS,
            0,
        },
    .requires = "",
    .check = check,
    .secrets = true,
    .run = run,
};
