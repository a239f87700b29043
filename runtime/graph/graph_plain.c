#include <stdlib.h>
#include <string.h>

#include "runtime/graph/noise.h"
#include "runtime/graph/plain_state.h"

/* The state of one run: the values of the nodes, NULL where not yet computed or no longer needed. */
typedef struct run {
    const tf_graph *graph;
    tf_plain_state *state;
    tf_array *value;
    tf_id *last; /* the last node that uses the value; -1 where nothing on the way to an output or a state does */
} run;

static bool needed(const run *r, tf_id id) {
    return r->last[id] >= 0;
}

static void find_last_uses(run *r) {
    const tf_graph *graph = r->graph;
    for (tf_id id = 0; id < graph->nodes; id++) r->last[id] = -1;
    for (int k = 0; k < graph->outputs; k++) r->last[graph->output[k].id] = graph->nodes; /* outlives the run */
    for (tf_id id = graph->nodes - 1; id >= 0; id--) {
        const tf_node *node = &graph->node[id];
        if (node->leaf == TF_LEAF_HELD && node->inputs && !needed(r, id)) r->last[id] = id; /* appended all the same */
        if (!needed(r, id)) continue;
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

static tf_status load_held(const run *r, const tf_node *node, tf_array *value) {
    tf_plain_held *held;
    TF_TRY(tf_plain_state_open(r->state, node, &held));
    if (node->inputs) TF_TRY(tf_plain_state_append(held, node, &r->value[node->input[0]]));
    *value = (tf_array){node->shape, held->data}; /* only read */
    return TF_OK;
}

static tf_status load_leaf(const tf_node *node, tf_array *value) {
    if (node->tokens) {
        TF_TRY(allocate(node, value));
        size_t count = tf_shape_count(node->shape);
        for (size_t i = 0; i < count; i++) value->data[i] = (float)node->tokens[i];
        return TF_OK;
    }
    if (node->leaf == TF_LEAF_NOISE) {
        TF_TRY(allocate(node, value));
        return tf_gumbel(tf_shape_count(node->shape), value->data);
    }
    if (!node->data) return tf_fail(TF_INVALID, "%s has no data here", node->name);
    *value = (tf_array){node->shape, (float *)node->data}; /* only read */
    return TF_OK;
}

/* Weights, constants and state are borrowed; everything else is the run's own. */
static bool owned(const tf_node *node) {
    return !node->data && node->leaf != TF_LEAF_HELD;
}

static void release(run *r, tf_id id) {
    if (owned(&r->graph->node[id])) free(r->value[id].data);
    r->value[id].data = NULL;
}

static tf_status compute(run *r, tf_id id) {
    const tf_node *node = &r->graph->node[id];
    if (node->leaf == TF_LEAF_HELD) {
        TF_TRY(load_held(r, node, &r->value[id]));
    } else if (!node->op) {
        return load_leaf(node, &r->value[id]);
    } else {
        tf_array in[TF_MAX_INPUTS];
        for (int i = 0; i < node->inputs; i++) in[i] = r->value[node->input[i]];
        TF_TRY(allocate(node, &r->value[id]));
        tf_status status = node->op->plain(node, in, &r->value[id]);
        if (status != TF_OK) return tf_fail_in(status, "%s (%s)", node->name, node->op->kind);
    }
    for (int i = 0; i < node->inputs; i++)
        if (r->last[node->input[i]] == id && r->value[node->input[i]].data) release(r, node->input[i]);
    return TF_OK;
}

/* Copies the outputs: some may be borrowed, or the same. */
static tf_status take_outputs(const run *r, tf_array *out) {
    for (int k = 0; k < r->graph->outputs; k++) {
        tf_id id = r->graph->output[k].id;
        TF_TRY(allocate(&r->graph->node[id], &out[k]));
        memcpy(out[k].data, r->value[id].data, tf_shape_count(out[k].shape) * sizeof(float));
    }
    return TF_OK;
}

static tf_status execute(run *r, tf_array *out, tf_plain_watch *watch, void *context) {
    for (tf_id id = 0; id < r->graph->nodes; id++) {
        if (!needed(r, id)) continue;
        TF_TRY(compute(r, id));
        if (watch && r->graph->node[id].op) watch(context, r->graph, id, &r->value[id]);
    }
    return take_outputs(r, out);
}

tf_status tf_graph_plain_with(const tf_graph *graph, tf_plain_state *state, tf_array *out, tf_plain_watch *watch,
                              void *context) {
    for (int k = 0; k < graph->outputs; k++) out[k] = (tf_array){.data = NULL};
    if (graph->status != TF_OK) return tf_fail(graph->status, "%s", graph->error);
    if (!graph->outputs) return tf_fail(TF_INVALID, "the graph has no output: it is not finished");

    size_t nodes = (size_t)graph->nodes;
    run r = {graph, state, calloc(nodes, sizeof *r.value), calloc(nodes, sizeof *r.last)};
    tf_status status = TF_OK;
    if (!r.value || !r.last) {
        status = tf_fail(TF_NOMEM, "no memory for a run of %zu nodes", nodes);
    } else {
        find_last_uses(&r);
        status = execute(&r, out, watch, context);
        for (tf_id id = 0; id < graph->nodes; id++) release(&r, id);
    }
    for (int k = 0; k < graph->outputs && status != TF_OK; k++) {
        free(out[k].data);
        out[k].data = NULL;
    }
    if (status == TF_OK)
        tf_plain_state_commit(state);
    else
        tf_plain_state_roll_back(state);
    free(r.value);
    free(r.last);
    return status;
}

tf_status tf_graph_plain(const tf_graph *graph, tf_array *out, tf_plain_watch *watch, void *context) {
    tf_array all[TF_MAX_OUTPUTS] = {{.data = NULL}};
    tf_plain_state state = {0};
    tf_status status = tf_graph_plain_with(graph, &state, all, watch, context);
    *out = all[0];
    for (int k = 1; k < graph->outputs; k++) free(all[k].data);
    tf_plain_state_free(&state);
    return status;
}
