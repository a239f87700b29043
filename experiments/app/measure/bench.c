#include "experiments/app/measure/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/data/model_files.h"
#include "experiments/app/log/progress.h"
#include "experiments/app/measure/bench_link.h"
#include "experiments/app/measure/bench_steps.h"
#include "experiments/app/measure/op_sample.h"
#include "experiments/app/service/memory.h"
#include "experiments/app/service/party_infer.h"
#include "experiments/app/service/passes.h"
#include "ops/draft.h"
#include "runtime/session/measure.h"

/* Inputs that cost no accuracy to anyone: a fixed linear congruential sequence. They are no secret and mask nothing. */
static float *sequence(size_t count, double scale, double shift) {
    float *data = malloc(count * sizeof *data);
    uint64_t state = 1;
    for (size_t i = 0; data && i < count; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        data[i] = (float)(shift + scale * ((double)(state >> 11) * 0x1p-52 - 1));
    }
    return data;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *value, size_t n) {
    qsort(value, n, sizeof *value, by_value);
    return n % 2 ? value[n / 2] : (value[n / 2 - 1] + value[n / 2]) / 2;
}

/** The option that says how much is computed. */
static const char *size_option(const bench_job *job) {
    return job->config ? "--batch and --seq" : job->op ? "--shape" : job->step ? "--n" : "--matmul";
}

/** Runs the program `runs` times, each time with the first `held` rows of what stays shared, and fills the report from
 * the last run, with the median of the seconds. */
static tf_status measure(tf_session *session, const bench_job *job, const tf_program *program, size_t held,
                         const float *const *input, double *output, tf_profile *profile, bench_report *report) {
    const size_t runs = job->runs;
    if (held == 0) TF_TRY(memory_check_program(size_option(job), program, job->parties_here)); // nothing is here yet
    double *seconds = malloc(runs * sizeof *seconds), setup = 0;
    tf_session_stats stats = {0};
    tf_slots slots = {.input = input, .output = &output};
    if (!seconds) return tf_fail(TF_NOMEM, "no memory for %zu runs", runs);
    tf_status status = TF_OK;
    progress_line line;
    progress_begin(&line, "measured", runs, (double)runs);
    line.quiet |= session->party.id != 0;
    for (size_t i = 0; i < runs && status == TF_OK; i++) {
        tf_session_truncate(session, held);
        status = tf_session_run_program(session, program, &slots, &stats, profile);
        if (i == 0) setup = stats.setup_seconds;
        seconds[i] = stats.online.seconds;
        progress_step(&line, 1, 1); /* between the runs, which nothing disturbs */
    }
    progress_end(&line);
    if (status == TF_OK && session->party.id == 0) {
        run_report *run = &report->run;
        for (int i = 0; i < TF_PARTIES; i++)
            for (int j = 0; j < TF_PARTIES; j++) run->forecast_bytes += run->links[i][j] = stats.bytes[i][j];
        run->rounds = run->forecast_rounds = stats.rounds;
        run->seconds_online = median(seconds, runs);
        report->fastest = seconds[0], report->slowest = seconds[runs - 1];
        run->seconds_setup = setup;
    }
    free(seconds);
    return status;
}

/** A step, or a matrix product: on two shared inputs that are put in before the clock runs. */
static tf_status bench_small(tf_session *session, const bench_job *job, bench_report *report) {
    const run_settings *o = job->settings;
    const bench_step *step = NULL;
    if (job->step) TF_TRY(bench_step_find(job->step, &step));
    tf_shape x_shape = tf_dims(job->elements), y_shape = x_shape;
    if (!step) x_shape = tf_dims(job->matmul[0], job->matmul[1]), y_shape = tf_dims(job->matmul[2], job->matmul[1]);
    const double elements = job->step ? 2.0 * (double)job->elements
                                      : (double)job->matmul[1] * ((double)job->matmul[0] + (double)job->matmul[2]);
    TF_TRY(memory_check_bytes(size_option(job), elements * sizeof(uint64_t), job->parties_here)); // at least
    tf_node x = {.name = "x", .leaf = TF_LEAF_WEIGHT, .shape = x_shape},
            y = {.name = "y", .leaf = TF_LEAF_WEIGHT, .shape = y_shape};
    float *data[2] = {NULL, NULL};
    if (session->party.id == o->model_owner) {
        data[0] = sequence(tf_shape_count(x_shape), step ? step->scale : 1, step ? step->shift : 0);
        data[1] = sequence(tf_shape_count(y_shape), step ? step->scale : 1, step ? step->shift : 0);
        if (!data[0] || !data[1]) {
            free(data[0]), free(data[1]);
            return tf_fail(TF_NOMEM, "no memory for %zu elements", job->elements);
        }
        x.data = data[0], y.data = data[1];
    }
    tf_program program;
    tf_program_init(&program, o->fraction_bits, o->model_owner, o->data_owner);
    double bound = tf_default_bound(&program);
    unsigned narrow = tf_width(program.frac, bound), bits = step && step->bits ? step->bits
                                                            : step             ? narrow
                                                                               : tf_width(2 * program.frac, bound);
    tf_value a = tf_weight(&program, tf_program_leaf(&program, &x), program.frac, bits), result;
    if (step) {
        tf_value b = tf_weight(&program, tf_program_leaf(&program, &y), program.frac, bits);
        result = step->append(&program, a, b);
    } else {
        result = tf_linear(&program, a, tf_program_leaf(&program, &y), -1, (tf_result){program.frac, 0, false});
    }
    tf_status status = tf_program_status(&program);
    if (status == TF_OK) {
        report->shape = tf_type_of(&program, result)->shape;
        status = measure(session, job, &program, 0, NULL, NULL, NULL, report);
    }
    tf_program_free(&program);
    free(data[0]), free(data[1]);
    return status;
}

/** What the letters of an op's example stand for where its inputs have this shape: texts, tokens and width. */
static tf_example_sizes sizes_of(const tf_shape *shape) {
    const size_t width = shape->dim[shape->rank - 1], texts = shape->rank > 2 ? shape->dim[0] : 1;
    return (tf_example_sizes){.texts = texts,
                              .tokens = tf_shape_count(*shape) / width / texts,
                              .width = width,
                              .rows = 30522,
                              .heads = width % 64 ? 1 : width / 64};
}

/** An op by itself, on inputs that the data owner puts in. */
static tf_status bench_op(tf_session *session, const bench_job *job, bench_report *report) {
    const run_settings *o = job->settings;
    const tf_example_sizes sizes = job->op_shape.rank ? sizes_of(&job->op_shape) : (tf_example_sizes){0};
    const float *input[TF_MAX_INPUTS];
    tf_sample sample;
    tf_program program;
    const double elements = job->op_shape.rank ? tf_example_elements(tf_example_of(job->op), &sizes) : 0;
    TF_TRY(memory_check_bytes(size_option(job), elements * 2 * sizeof(uint64_t), job->parties_here)); // at least
    tf_status status = op_sample_make(job->op, job->op_shape.rank ? &sizes : NULL, 1, &sample);
    if (status == TF_OK) {
        for (int i = 0; i < sample.node.inputs; i++) input[i] = sample.leaf[i].data;
        tf_program_init(&program, o->fraction_bits, o->model_owner, o->data_owner);
        op_sample_append(&sample, &program);
        status = tf_program_status(&program);
        report->shape = sample.node.shape;
        if (status == TF_OK) status = measure(session, job, &program, 0, input, NULL, NULL, report);
        tf_program_free(&program);
    }
    tf_sample_free(&sample);
    return status;
}

/** Gives every weight leaf random data, all from one sequence as long as the largest. */
tf_status bench_random_weights(tf_graph *graph, float **data) {
    size_t largest = 0;
    tf_leaf leaf = TF_LEAF_WEIGHT;
    for (int i = 0; i < graph->nodes; i++)
        if (graph->node[i].leaf == leaf || graph->node[i].leaf == TF_LEAF_PUBLIC_WEIGHT) {
            size_t count = tf_shape_count(graph->node[i].shape);
            if (count > largest) largest = count;
        }
    *data = sequence(largest, 0.05, 0);
    if (!*data) return tf_fail(TF_NOMEM, "no memory for %zu random weights", largest);
    for (int i = 0; i < graph->nodes; i++)
        if (graph->node[i].leaf == leaf || graph->node[i].leaf == TF_LEAF_PUBLIC_WEIGHT) graph->node[i].data = *data;
    return TF_OK;
}

static tf_status measure_model(tf_session *session, const tf_graph *graph, const tf_program *program, size_t held,
                               const bench_job *job, double *output, bench_report *report) {
    if (!job->profile || session->party.id != 0)
        return measure(session, job, program, held, NULL, output, NULL, report);
    tf_profile profile = {.op = calloc((size_t)graph->nodes + 1, sizeof *profile.op)};
    if (!profile.op) return tf_fail(TF_NOMEM, "no memory for the times of %d ops", graph->nodes);
    tf_status status = measure(session, job, program, held, NULL, output, &profile, report);
    if (status == TF_OK) status = profile_report_make(graph, program, &profile, job->runs, &report->profile);
    free(profile.op);
    return status;
}

static tf_status bench_model(tf_session *session, const bench_job *job, bench_report *report) {
    const run_settings *o = job->settings;
    size_t cells = job->texts * job->length, width = tf_model_width(job->config);
    size_t *lengths = malloc(job->texts * sizeof *lengths);
    int32_t *ids = malloc(cells * sizeof *ids);
    double *output = malloc(job->texts * width * sizeof *output);
    float *data = NULL;
    tf_graph graph;
    tf_program program;
    tf_graph_init(&graph);
    tf_status status = lengths && ids && output ? TF_OK : tf_fail(TF_NOMEM, "no memory for %zu tokens", cells);
    if (status == TF_OK) {
        bool data_owner = session->party.id == o->data_owner;
        for (size_t i = 0; i < job->texts; i++) lengths[i] = job->length;
        for (size_t i = 0; i < cells; i++) ids[i] = (int32_t)((i * 7919) % job->config->vocabulary);
        tf_batch batch = {
            .texts = job->texts, .length = job->length, .lengths = lengths, .ids = data_owner ? ids : NULL};
        bool owns = session->party.id == o->model_owner || o->public_weights;
        status =
            tf_model_build(job->config, job->approx, &batch, owns ? job->weights : NULL, o->public_weights, &graph);
        if (status == TF_OK && job->ranges) tf_ranges_apply(job->ranges, &graph);
        graph.check_copies = o->check_copies;
        graph.round_bytes = o->round_bytes;
        if (status == TF_OK && owns && !job->weights) status = bench_random_weights(&graph, &data);
        if (status == TF_OK) status = tf_lower(&graph, o->fraction_bits, o->model_owner, o->data_owner, &program, NULL);
        if (status == TF_OK) {
            report->shape = tf_dims(job->texts, width);
            status = measure_model(session, &graph, &program, 0, job, data_owner ? output : NULL, report);
            tf_program_free(&program);
        }
    }
    tf_graph_free(&graph);
    free(lengths), free(ids), free(output), free(data);
    return status;
}

/* Passes of a decoder ---------------------------------------------------------------------------------------------- */

static void add_report(bench_report *sum, const bench_report *one) {
    run_report *all = &sum->run;
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) all->links[i][j] += one->run.links[i][j];
    all->forecast_bytes += one->run.forecast_bytes;
    all->forecast_rounds = all->rounds += one->run.rounds;
    all->seconds_online += one->run.seconds_online;
    all->seconds_setup += one->run.seconds_setup;
    sum->fastest += one->fastest, sum->slowest += one->slowest;
    if (one->profile.row) sum->profile = one->profile;
}

/** `passes` passes of one shape, the first after `length` rows; a profile is the last one's. */
static tf_status measure_passes(tf_session *session, const bench_job *job, const private_job *base, pass *one,
                                size_t length, size_t passes, bench_report *report) {
    const run_settings *o = job->settings;
    size_t none[1] = {0};
    double output[1 + TF_MOST_PROPOSED];
    tf_program program;
    pass_set(base, one, none, length, NULL, 0);
    TF_TRY(tf_lower(&one->graph, o->fraction_bits, o->model_owner, o->data_owner, &program, NULL));
    tf_status status = TF_OK;
    for (size_t i = 0; i < passes && status == TF_OK; i++) {
        bench_report own = {.fastest = 0};
        bench_job once = *job;
        once.profile = job->profile && i + 1 == passes;
        size_t held = length + i * one->shape.rows;
        pass_set(base, one, none, held, NULL, 0);
        status = measure_model(session, &one->graph, &program, held, &once, output, &own);
        add_report(report, &own);
    }
    tf_program_free(&program);
    return status;
}

static tf_status bench_passes(tf_session *session, const bench_job *job, pass_shape shape, size_t length, size_t passes,
                              bench_report *report) {
    const run_settings *o = job->settings;
    bool model_owner = session->party.id == o->model_owner || o->public_weights;
    private_job base = {.settings = o, .config = job->config, .approx = job->approx, .ranges = job->ranges};
    float *data = NULL;
    pass one;
    pass_choice choice = pass_choice_of(o);
    TF_TRY(
        pass_make(&base, &shape, &choice, session->party.id == o->data_owner, model_owner ? job->weights : NULL, &one));
    tf_status status = model_owner && !job->shares && !job->weights ? bench_random_weights(&one.graph, &data) : TF_OK;
    if (status == TF_OK) status = measure_passes(session, job, &base, &one, length, passes, report);
    pass_free(&one);
    free(data);
    return status;
}

/** The pass over a prompt of job->length tokens or, with job->tokens, those for the tokens after it. */
static tf_status bench_generation(tf_session *session, const bench_job *job, bench_report *report) {
    private_job base = {.settings = job->settings, .config = job->config};
    bench_report prompt = {0};
    bench_job once = *job;
    size_t length = job->length, end = length + job->tokens, most = job->config->positions, passes;
    pass_shape shape = pass_reading(&base, REVEAL_TOKEN, 1, length, 0, 0);
    report->shape = tf_dims(1, job->tokens ? job->tokens : 1);
    if (!job->tokens) return bench_passes(session, job, shape, 0, 1, report);
    once.runs = 1, once.profile = false;
    TF_TRY(bench_passes(session, &once, shape, 0, 1, &prompt));
    for (once = *job; length < end; length += passes * shape.rows) {
        shape = pass_decoding(&base, REVEAL_TOKEN, 1, job->length, length, job->proposed, most);
        for (passes = 1; length + passes * shape.rows < end; passes++) {
            pass_shape next =
                pass_decoding(&base, REVEAL_TOKEN, 1, job->length, length + passes * shape.rows, job->proposed, most);
            if (next.capacity != shape.capacity || next.rows != shape.rows) break;
        }
        once.profile = job->profile && length + passes * shape.rows >= end;
        TF_TRY(bench_passes(session, &once, shape, length, passes, report));
    }
    return TF_OK;
}

static tf_status party_bench(tf_link *link, const bench_job *job, bench_report *report) {
    bench_report dropped = {0}; /* under --local the parties are threads: only party 0 writes the caller's report */
    tf_session session;
    if (tf_link_party(link) != 0) report = &dropped;
    if (job->link) return bench_link(link, job->link_bytes, job->runs, report);
    TF_TRY(tf_session_open(&session, link));
    tf_provider provider;
    if (job->shares) party_shares_lend(&job->shares[session.party.id], job->settings->stream, &provider, &session);
    tf_status status = tf_party_set_threads(&session.party, job->settings->threads);
    run_settings planned = *job->settings;
    bench_job own = *job;
    if (status == TF_OK && planned.measures) status = tf_session_measure(&session);
    if (session.network.rate > 0) planned.round_bytes = tf_network_round_bytes(&session.network);
    own.settings = &planned;
    job = &own;
    report->run.network = party_network(&session, &planned);
    if (status == TF_OK)
        status = job->op                               ? bench_op(&session, job, report)
                 : !job->config                        ? bench_small(&session, job, report)
                 : job->config->head == TF_HEAD_CAUSAL ? bench_generation(&session, job, report)
                                                       : bench_model(&session, job, report);
    tf_session_close(&session);
    return status;
}

typedef struct bench_call {
    const bench_job *job;
    bench_report *report;
} bench_call;

static tf_status bench_as(tf_link *link, void *argument) {
    const bench_call *call = argument;
    return party_bench(link, call->job, call->report);
}

tf_status private_bench(private_session *session, const bench_job *job, bench_report *report) {
    bench_call call = {job, report};
    return private_each(session, bench_as, &call);
}
