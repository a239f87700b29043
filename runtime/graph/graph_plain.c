#include <stdlib.h>
#include <string.h>

#include "runtime/graph/graph.h"

/* The state of one run: the values of the nodes, NULL where not yet computed or no longer needed. */
typedef struct run {
    const tf_graph *graph;
    tf_array *value;
    tf_id *last; /* the last node that uses the value; -1 where nothing on the way to the output does */
} run;

static bool needed(const run *r, tf_id id) {
    return r->last[id] >= 0;
}

static void find_last_uses(run *r) {
    const tf_graph *graph = r->graph;
    for (tf_id id = 0; id < graph->nodes; id++) r->last[id] = -1;
    r->last[graph->output] = graph->nodes; /* outlives the run */
    for (tf_id id = graph->nodes - 1; id >= 0; id--) {
        if (!needed(r, id)) continue;
        const tf_node *node = &graph->node[id];
        for (int i = 0; i < node->inputs; i++)
            if (r->last[node->input[i]] < id) r->last[node->input[i]] = id;
    }
}

static tf_status allocate(const tf_node *node, tf_array *array) {
    size_t bytes = tf_shape_count(node->shape) * sizeof(float);
    array->shape = node->shape;
    array->data = malloc(bytes);
    return array->data ? TF_OK : tf_fail(TF_NOMEM, "%s: no memory for %zu bytes", node->name, bytes);
}

static tf_status load_leaf(const tf_node *node, tf_array *value) {
    if (node->tokens) {
        TF_TRY(allocate(node, value));
        size_t count = tf_shape_count(node->shape);
        for (size_t i = 0; i < count; i++) value->data[i] = (float)node->tokens[i];
        return TF_OK;
    }
    if (!node->data) return tf_fail(TF_INVALID, "%s has no data here", node->name);
    *value = (tf_array){node->shape, (float *)node->data}; /* only read */
    return TF_OK;
}

/* Weights and constants are borrowed from their leaves; everything else is the run's own. */
static bool owned(const tf_node *node) {
    return !node->data;
}

static void release(run *r, tf_id id) {
    if (owned(&r->graph->node[id])) free(r->value[id].data);
    r->value[id].data = NULL;
}

static tf_status compute(run *r, tf_id id) {
    const tf_node *node = &r->graph->node[id];
    if (!node->op) return load_leaf(node, &r->value[id]);

    tf_array in[TF_MAX_INPUTS];
    for (int i = 0; i < node->inputs; i++) in[i] = r->value[node->input[i]];
    TF_TRY(allocate(node, &r->value[id]));
    tf_status status = node->op->plain(node, in, &r->value[id]);
    if (status != TF_OK) return tf_fail_in(status, "%s (%s)", node->name, node->op->kind);
    for (int i = 0; i < node->inputs; i++)
        if (r->last[node->input[i]] == id && r->value[node->input[i]].data) release(r, node->input[i]);
    return TF_OK;
}

/* Hands the output over; one that is a borrowed leaf is copied. */
static tf_status take_output(run *r, tf_array *out) {
    const tf_node *node = &r->graph->node[r->graph->output];
    tf_array *value = &r->value[r->graph->output];
    if (owned(node)) {
        *out = *value;
        value->data = NULL;
        return TF_OK;
    }
    TF_TRY(allocate(node, out));
    memcpy(out->data, node->data, tf_shape_count(node->shape) * sizeof(float));
    return TF_OK;
}

static tf_status execute(run *r, tf_array *out, tf_plain_watch *watch, void *context) {
    for (tf_id id = 0; id < r->graph->nodes; id++) {
        if (!needed(r, id)) continue;
        TF_TRY(compute(r, id));
        if (watch && r->graph->node[id].op) watch(context, r->graph, id, &r->value[id]);
    }
    return take_output(r, out);
}

tf_status tf_graph_plain(const tf_graph *graph, tf_array *out, tf_plain_watch *watch, void *context) {
    *out = (tf_array){0};
    if (graph->status != TF_OK) return tf_fail(graph->status, "%s", graph->error);
    if (graph->output < 0) return tf_fail(TF_INVALID, "the graph has no output: it is not finished");

    size_t nodes = (size_t)graph->nodes;
    run r = {graph, calloc(nodes, sizeof *r.value), calloc(nodes, sizeof *r.last)};
    tf_status status = TF_OK;
    if (!r.value || !r.last) {
        status = tf_fail(TF_NOMEM, "no memory for a run of %zu nodes", nodes);
    } else {
        find_last_uses(&r);
        status = execute(&r, out, watch, context);
        for (tf_id id = 0; id < graph->nodes; id++) release(&r, id);
    }
    free(r.value);
    free(r.last);
    return status;
}
