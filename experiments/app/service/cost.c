#include "experiments/app/service/cost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/service/computing.h"
#include "experiments/app/service/likelihood.h"
#include "runtime/lower/lower.h"
#include "runtime/program/critical.h"
#include "runtime/session/store.h"

/** Bytes of the shared weights on the party that holds most. */
static uint64_t weight_bytes(const tf_program *program) {
    uint64_t sum = 0;
    for (int i = 0; i < program->params; i++) sum += tf_store_bytes(program, &program->param[i]);
    return sum;
}

/** Of a round's message, the first `ahead` bytes of which leave while the round before travels. */
static double message_seconds(const tf_network *network, uint64_t bytes, uint64_t ahead) {
    const double late = (double)ahead / network->rate - network->round_trip / 2;
    return (late > 0 ? late : 0) + tf_network_seconds(network, bytes - ahead);
}

/** Each round takes as long as its slowest message; computing is not in it. */
static double network_seconds(const tf_plan *plan, const tf_network *network) {
    double sum = 0;
    for (int round = 0; round < plan->rounds; round++) {
        const int after = plan->first_entry[round] + plan->early[round];
        double longest = 0;
        for (int i = 0; i < TF_PARTIES; i++)
            for (int j = 0; j < TF_PARTIES; j++) {
                const uint64_t bytes = plan->round_bytes[round][i][j];
                const bool all = after == plan->first_entry[round + 1];
                const uint64_t ahead = all ? bytes : plan->place[after][i][j];
                const double seconds = message_seconds(network, bytes, round ? ahead : 0);
                if (seconds > longest) longest = seconds;
            }
        sum += longest;
    }
    return sum;
}

/* The op of this name and kind among those that are counted already, or a new one. */
static op_cost *find_op(cost_report *report, const char *name, const char *kind) {
    for (size_t i = 0; i < report->ops; i++)
        if (!strcmp(report->op[i].name, name) && !strcmp(report->op[i].kind, kind)) return &report->op[i];
    op_cost *cost = &report->op[report->ops++];
    *cost = (op_cost){.kind = kind};
    snprintf(cost->name, sizeof cost->name, "%s", name);
    return cost;
}

/* Adds what the ops of a program move that is run so many times. */
static tf_status add_ops(const tf_graph *graph, const tf_program *program, const tf_plan *plan, size_t times,
                         cost_report *report) {
    op_cost *grown = realloc(report->op, (report->ops + (size_t)graph->nodes + 4) * sizeof *grown);
    tf_op_moves *moves = malloc(((size_t)graph->nodes + 1) * sizeof *moves);
    if (grown) report->op = grown;
    tf_status status = grown && moves ? tf_plan_ops(program, plan, graph->nodes, moves)
                                      : tf_fail(TF_NOMEM, "no memory for the cost of %d ops", graph->nodes);
    for (int i = 0; i < graph->nodes && !status; i++) {
        const tf_node *node = &graph->node[i];
        if (!node->op) continue;
        op_cost *cost = find_op(report, node->name, node->op->kind);
        cost->rounds += times * (uint64_t)moves[i].rounds;
        cost->bytes += times * moves[i].bytes;
    }
    uint64_t rest = status ? 0 : times * moves[graph->nodes].bytes;
    free(moves);
    if (status) return status;
    uint64_t copies = program->copies ? times * tf_plan_node_bytes(plan, program->copies) : 0;
    uint64_t selections = program->selections ? times * tf_plan_node_bytes(plan, program->selections) : 0;
    if (copies) find_op(report, "copies", "check")->bytes += copies;
    if (selections) find_op(report, "tokens of an owner outside", "check")->bytes += selections;
    if (program->guard) find_op(report, "beyond the ranges", "guard")->bytes += rest - copies - selections;
    return TF_OK;
}

/* The chain that decides the rounds of a program takes the place of the one before. */
static tf_status find_critical(const tf_graph *graph, const tf_program *program, const tf_plan *plan,
                               cost_report *report) {
    tf_critical *chain;
    int count;
    TF_TRY(tf_plan_critical(program, plan, &chain, &count));
    critical_step *grown = realloc(report->critical, ((size_t)count + 1) * sizeof *grown);
    for (int i = 0; i < count && grown; i++) {
        const tf_step_node *node = &program->node[chain[i].node];
        const tf_node *op = node->op < 0 ? NULL : &graph->node[node->op];
        critical_step *step = &grown[i];
        *step = (critical_step){.kind = op && op->op ? op->op->kind : "check",
                                .step = node->step->name,
                                .late = chain[i].late < 0 ? NULL : program->node[chain[i].late].step->name,
                                .begin = chain[i].begin,
                                .end = chain[i].end};
        if (op) snprintf(step->op, sizeof step->op, "%s", op->name);
    }
    free(chain);
    if (!grown) return tf_fail(TF_NOMEM, "no memory for a chain of %d steps", count);
    report->critical = grown;
    report->criticals = (size_t)count;
    return TF_OK;
}

static uint64_t memory_of(const tf_program *program, const tf_plan *plan) {
    return plan->arena_words * sizeof(uint64_t) + plan->buffer_bytes + weight_bytes(program);
}

tf_status cost_memory(const tf_program *program, uint64_t *bytes) {
    tf_plan plan;
    TF_TRY(tf_plan_make(program, &plan));
    *bytes = memory_of(program, &plan);
    tf_plan_free(&plan);
    return TF_OK;
}

/* Adds a program that is run so many times. */
static tf_status add_program(const tf_graph *graph, const tf_program *program, const tf_plan *plan, size_t times,
                             cost_report *report) {
    report->rounds += times * (uint64_t)plan->rounds;
    const uint64_t memory = memory_of(program, plan);
    if (memory > report->memory) report->memory = memory;
    if (report->network) {
        const machine *here;
        TF_TRY(machine_measure(&here));
        double seconds = (double)times * machine_seconds(here, program, plan);
        report->network_seconds += (double)times * network_seconds(plan, report->network);
        report->computing_apart += machine_elapsed(here, seconds, 1);
        report->computing_together += machine_elapsed(here, seconds, TF_PARTIES);
        report->cores = here->cores;
    }
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) report->links[i][j] += times * plan->bytes[i][j];
    return add_ops(graph, program, plan, times, report);
}

static tf_status add_graph(const run_settings *o, const tf_graph *graph, size_t times, cost_report *report) {
    tf_program program;
    tf_plan plan;
    TF_TRY(tf_lower(graph, o->fraction_bits, o->model_owner, o->data_owner, &program, &plan));
    tf_status status = add_program(graph, &program, &plan, times, report);
    if (status == TF_OK && report->explains) status = find_critical(graph, &program, &plan, report);
    tf_plan_free(&plan);
    tf_program_free(&program);
    return status;
}

tf_status cost_forecast(const run_settings *o, const tf_config *config, const tf_approx *approx,
                        const tf_ranges *ranges, size_t texts, size_t length, bool hidden, const tf_network *network,
                        cost_report *report) {
    size_t *lengths = malloc(texts * sizeof *lengths);
    if (!lengths) return tf_fail(TF_NOMEM, "no memory for %zu texts", texts);
    for (size_t i = 0; i < texts; i++) lengths[i] = length;
    tf_batch batch = {.texts = texts, .length = length, .lengths = lengths, .hidden = hidden, .picks = 1};
    tf_graph graph;
    tf_graph_init(&graph);
    report->network = network;
    tf_status status = tf_model_build(config, approx, &batch, NULL, o->public_weights, &graph);
    if (status == TF_OK && ranges) tf_ranges_apply(ranges, &graph);
    graph.check_copies = o->check_copies;
    graph.round_bytes = o->round_bytes;
    if (status == TF_OK) status = add_graph(o, &graph, 1, report);
    tf_graph_free(&graph);
    free(lengths);
    return status;
}

static tf_status add_batch(const private_job *job, const tf_batch *batch, size_t times, cost_report *report) {
    tf_batch taken = *batch;
    tf_decoding decoding = {.texts = 0};
    tf_graph graph;
    tf_graph_init(&graph);
    tf_status status = job->scores ? likelihood_batch(job->config, &taken, &decoding) : TF_OK;
    if (status == TF_OK)
        status = tf_model_build(job->config, job->approx, &taken, NULL, job->settings->public_weights, &graph);
    if (status == TF_OK && job->ranges) tf_ranges_apply(job->ranges, &graph);
    graph.check_copies = job->settings->check_copies;
    graph.round_bytes = job->settings->round_bytes;
    if (status == TF_OK) status = add_graph(job->settings, &graph, times, report);
    tf_graph_free(&graph);
    tf_decoding_free(&decoding);
    return status;
}

tf_status cost_batches(const private_job *job, cost_report *report) {
    const tf_batch *batch = job->batches->batch;
    for (size_t b = 0; b < job->batches->count; b++) {
        size_t times = 0, earlier = 0;
        for (size_t i = 0; i < job->batches->count; i++) {
            bool alike = batch[i].texts == batch[b].texts && batch[i].length == batch[b].length &&
                         batch[i].picks == batch[b].picks;
            times += alike;
            earlier += alike && i < b;
        }
        if (!earlier) TF_TRY(add_batch(job, &batch[b], times, report));
    }
    return TF_OK;
}

static tf_status add_pass(const private_job *job, pass_shape shape, size_t times, cost_report *report) {
    pass one;
    pass_choice choice = pass_choice_of(job->settings);
    TF_TRY(pass_make(job, &shape, &choice, false, NULL, &one));
    tf_status status = add_graph(job->settings, &one.graph, times, report);
    if (shape.reveal != REVEAL_NOTHING) { /* the data owner tells whether there is a next pass */
        int from = job->settings->data_owner;
        for (int j = 0; j < TF_PARTIES; j++)
            if (j != from) report->links[from][j] += times * GO_ON_BYTES / 2;
        report->rounds += times;
    }
    pass_free(&one);
    return status;
}

tf_status cost_generation(const private_job *job, pass_reveal reveal, size_t texts, size_t prompt, size_t piece,
                          size_t tokens, size_t proposed, const tf_network *network, cost_report *report) {
    report->network = network;
    report->tokens = tokens;
    size_t context = job->config->positions;
    for (size_t read = 0; read < prompt; read += piece ? piece : prompt)
        TF_TRY(add_pass(job, pass_reading(job, reveal, texts, prompt, read, piece), 1, report));
    report->prefill_bytes = links_total(report->links);
    report->prefill_rounds = report->rounds;
    for (size_t length = prompt, end = prompt + tokens - 1, times; length < end; length += times * (1 + proposed)) {
        pass_shape shape = pass_decoding(job, reveal, texts, prompt, length, proposed, context);
        uint64_t bytes = links_total(report->links), rounds = report->rounds;
        for (times = 1; length + times * (1 + proposed) < end; times++) {
            pass_shape next =
                pass_decoding(job, reveal, texts, prompt, length + times * (1 + proposed), proposed, context);
            if (next.capacity != shape.capacity || next.rows != shape.rows) break;
        }
        TF_TRY(add_pass(job, shape, times, report));
        report->token_bytes = (links_total(report->links) - bytes) / times;
        report->token_rounds = (report->rounds - rounds) / times;
    }
    return TF_OK;
}
