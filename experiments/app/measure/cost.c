#include "experiments/app/measure/cost.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/lower/lower.h"
#include "runtime/program/plan.h"
#include "runtime/session/store.h"

/** Bytes of the shared weights on the party that holds most. */
static uint64_t weight_bytes(const tf_program *program) {
    uint64_t sum = 0;
    for (int i = 0; i < program->params; i++) sum += tf_store_bytes(program, &program->param[i]);
    return sum;
}

/** Each round takes as long as its longest message; computing is not in it. */
static double network_seconds(const tf_plan *plan, const tf_network *network) {
    double sum = 0;
    for (int round = 0; round < plan->rounds; round++) {
        uint64_t longest = 0;
        for (int i = 0; i < TF_PARTIES; i++)
            for (int j = 0; j < TF_PARTIES; j++)
                if (plan->round_bytes[round][i][j] > longest) longest = plan->round_bytes[round][i][j];
        sum += tf_network_seconds(network, longest);
    }
    return sum;
}

static tf_status fill(const tf_graph *graph, const tf_program *program, const tf_plan *plan, cost_report *report) {
    report->op = calloc((size_t)graph->nodes + 1, sizeof *report->op);
    if (!report->op) return tf_fail(TF_NOMEM, "no memory for the cost of %d ops", graph->nodes);
    report->rounds = (uint64_t)plan->rounds;
    report->memory = plan->arena_words * sizeof(uint64_t) + plan->buffer_bytes + weight_bytes(program);
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) report->links[i][j] = plan->bytes[i][j];
    for (int i = 0; i < graph->nodes; i++) {
        const tf_node *node = &graph->node[i];
        if (!node->op) continue;
        op_cost *cost = &report->op[report->ops++];
        snprintf(cost->name, sizeof cost->name, "%s", node->name);
        cost->kind = node->op->kind;
        cost->rounds = (uint64_t)tf_plan_op_rounds(program, plan, i);
        for (int k = 0; k < program->nodes; k++)
            if (program->node[k].op == i) cost->bytes += tf_plan_node_bytes(plan, k);
    }
    return TF_OK;
}

tf_status cost_forecast(const run_settings *o, const tf_config *config, const tf_approx *approx,
                        const tf_ranges *ranges, size_t texts, size_t length, const tf_network *network,
                        cost_report *report) {
    size_t *lengths = malloc(texts * sizeof *lengths);
    if (!lengths) return tf_fail(TF_NOMEM, "no memory for %zu texts", texts);
    for (size_t i = 0; i < texts; i++) lengths[i] = length;
    tf_batch batch = {.texts = texts, .length = length, .lengths = lengths};
    tf_graph graph;
    tf_program program;
    tf_plan plan;
    tf_graph_init(&graph);
    tf_status status = tf_model_build(config, approx, &batch, NULL, o->public_weights, &graph);
    if (status == TF_OK && ranges) tf_ranges_apply(ranges, &graph);
    if (status == TF_OK) status = tf_lower(&graph, o->fraction_bits, o->model_owner, o->data_owner, &program);
    if (status == TF_OK) {
        status = tf_plan_make(&program, &plan);
        if (status == TF_OK) {
            report->network = network;
            if (network) report->network_seconds = network_seconds(&plan, network);
            status = fill(&graph, &program, &plan, report);
            tf_plan_free(&plan);
        }
        tf_program_free(&program);
    }
    tf_graph_free(&graph);
    free(lengths);
    return status;
}
