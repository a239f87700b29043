#include <stdio.h>
#include <stdlib.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/service/private.h"

static json_t *report_json(const cli_options *o, const bench_report *report, size_t runs) {
    json_t *shape = json_array();
    for (int i = 0; i < report->shape.rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)report->shape.dim[i]));
    const run_report *run = &report->run;
    const char *what = o->arch ? "arch" : "step", *name = o->arch ? o->arch : o->step ? o->step : "matmul";
    json_t *object =
        json_pack("{s:s,s:o,s:I,s:I,s:{s:f,s:f,s:f,s:f,s:f},s:o,s:I,s:o}", what, name, "shape", shape, "elements",
                  (json_int_t)tf_shape_count(report->shape), "runs", (json_int_t)runs, "seconds", "total",
                  run->seconds_setup + run->seconds_online, "setup", run->seconds_setup, "online", run->seconds_online,
                  "fastest", report->fastest, "slowest", report->slowest, "bytes", json_bytes(run->links), "rounds",
                  (json_int_t)run->rounds, "forecast", json_forecast(run->forecast_bytes, run->forecast_rounds));
    if (o->profile) json_object_set_new(object, "profile", profile_report_json(&report->profile));
    return object;
}

static void print_table(const cli_options *o, const bench_report *report, size_t runs) {
    char shape[96], text[32];
    const run_report *run = &report->run;
    uint64_t total = links_total(run->links), elements = tf_shape_count(report->shape);
    printf("%s, output %s, median of %zu run%s\n",
           o->arch   ? o->arch
           : o->step ? o->step
                     : "matmul",
           tf_shape_text(report->shape, shape), runs, runs == 1 ? "" : "s");
    printf("  online %.6f s (%.6f to %.6f), set-up %.6f s\n", run->seconds_online, report->fastest, report->slowest,
           run->seconds_setup);
    printf("  %s (%.2f B an element of the output) in %llu rounds\n", bytes_text(total, text),
           (double)total / (double)elements, (unsigned long long)run->rounds);
    if (o->profile) profile_report_print(&report->profile);
}

static json_t *link_json(const link_report *l, size_t runs) {
    return json_pack("{s:I,s:I,s:{s:f,s:f,s:f},s:f}", "link", (json_int_t)l->bytes, "runs", (json_int_t)runs,
                     "bytes_per_second", "one_way", l->one_way, "all_ways", l->all_ways, "cipher", l->cipher,
                     "round_seconds", l->round_seconds);
}

static void print_link(const cli_options *o, const link_report *l, size_t runs) {
    printf("link (%s), messages of %llu bytes, median of %zu run%s\n",
           o->links.local       ? "threads, not encrypted"
           : o->links.plaintext ? "not encrypted"
                                : "encrypted",
           (unsigned long long)l->bytes, runs, runs == 1 ? "" : "s");
    printf("  party 0 to party 1 alone   %.2f GB/s\n", l->one_way / 1e9);
    printf("  all to all, each sends     %.2f GB/s\n", l->all_ways / 1e9);
    printf("  a round of 8 bytes         %.1f us\n", 1e6 * l->round_seconds);
    printf("  AES-128-GCM on one core    %.2f GB/s\n", l->cipher / 1e9);
}

static tf_status measure(const cli_options *o, private_session *session) {
    model_files model = {0};
    bench_job job = {
        .link = o->link,
        .link_bytes = o->elements,
        .step = o->step,
        .elements = o->elements ? o->elements : 65536,
        .matmul = o->matmul[0] ? o->matmul : NULL,
        .texts = o->batch ? o->batch : 1,
        .length = o->sequence ? o->sequence : 128,
        .runs = o->runs   ? o->runs
                : o->arch ? 1
                          : 5,
        .profile = o->profile,
    };
    if (o->arch) {
        TF_TRY(model_open_named(o, &model));
        job.config = &model.config;
        job.approx = &model.approx;
    }
    bench_report report = {0};
    party_shares shares[TF_PARTIES] = {{0}};
    tf_status status = TF_OK;
    for (int p = 0; p < TF_PARTIES && o->model_shares && status == TF_OK; p++)
        if (private_plays(session, p)) status = party_shares_open(o, &model.config, p, &shares[p]);
    if (o->model_shares) job.shares = shares;
    if (status == TF_OK) status = private_bench(session, &job, &report);
    if (status == TF_OK && private_plays(session, 0)) {
        if (o->link) {
            if (o->json) return json_print(link_json(&report.link, job.runs));
            print_link(o, &report.link, job.runs);
            return finish_output();
        }
        if (o->json) {
            status = json_print(report_json(o, &report, job.runs));
        } else {
            print_table(o, &report, job.runs);
            status = finish_output();
        }
    }
    free(report.profile.row);
    for (int p = 0; p < TF_PARTIES; p++) party_shares_close(&shares[p]);
    model_close(&model);
    return status;
}

static tf_status run(const cli_options *o) {
    private_session *session;
    TF_TRY(private_open(o, &session));
    tf_status status = measure(o, session);
    private_close(session, status);
    return status;
}

static tf_status check(const cli_options *o) {
    if (o->link + !!o->step + !!o->matmul[0] + !!o->arch != 1)
        return tf_fail(TF_INVALID, "bench needs one of --step, --matmul, --arch and --link (see --help)");
    if (o->model_shares && !o->arch) return tf_fail(TF_INVALID, "--model-shares: with --arch only (see --help)");
    if (o->profile && !o->arch) return tf_fail(TF_INVALID, "--report: with --arch only (see --help)");
    return party_shares_check(o);
}

const cli_command command_bench = {
    .name = "bench",
    .summary = "measure a protocol step, a matrix product, a model or the link",
    .description = "Measures seconds, bytes and rounds of a protocol step, a matrix product, or a model with random "
                   "weights, or the speed of the link between the parties (--n is then the bytes of a message): mpirun "
                   "-n 3 trefoil bench ..., or with --local in one process. Party 0 prints.",
    .accepts = (const char[]){OPTION_LINK, OPTION_STEP, OPTION_ELEMENTS, OPTION_MATMUL, OPTION_ARCH, OPTION_LAYERS,
                              OPTION_SEQUENCE, OPTION_BATCH, OPTION_RUNS, OPTION_APPROX, OPTION_PUBLIC_WEIGHTS,
                              OPTION_FRACTION_BITS, OPTION_MODEL_OWNER, OPTION_DATA_OWNER, OPTION_PLUGIN,
                              OPTION_MODEL_SHARES, OPTION_STREAM, OPTION_PROFILE, 0},
    .requires = "",
    .check = check,
    .links = true,
    .secrets = true,
    .run = run,
};
