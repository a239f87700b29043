#include "runtime/graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/array.h"

void tf_graph_init(tf_graph *graph) {
    *graph = (tf_graph){.node = NULL};
}

void tf_graph_free(tf_graph *graph) {
    for (int i = 0; i < graph->nodes; i++)
        if (graph->node[i].leaf == TF_LEAF_CONSTANT) free((void *)graph->node[i].data);
    free(graph->node);
    tf_graph_init(graph);
}

tf_status tf_graph_copy(const tf_graph *graph, tf_graph *copy) {
    *copy = *graph;
    copy->nodes = 0;
    copy->capacity = 0;
    copy->node = malloc(((size_t)graph->nodes + 1) * sizeof *copy->node);
    if (copy->node) copy->capacity = (size_t)graph->nodes + 1;
    for (; copy->node && copy->nodes < graph->nodes; copy->nodes++) {
        tf_node *node = &copy->node[copy->nodes];
        *node = graph->node[copy->nodes];
        if (node->leaf != TF_LEAF_CONSTANT) continue;
        size_t bytes = tf_shape_count(node->shape) * sizeof(float);
        void *data = malloc(bytes);
        if (!data) break;
        node->data = memcpy(data, node->data, bytes);
    }
    if (copy->nodes == graph->nodes && copy->node) return TF_OK;
    tf_graph_free(copy);
    return tf_fail(TF_NOMEM, "no memory for a graph of %d nodes", graph->nodes);
}

tf_id tf_graph_fail(tf_graph *graph, tf_status status) {
    if (graph->status == TF_OK) {
        graph->status = status;
        snprintf(graph->error, sizeof graph->error, "%.*s", (int)sizeof graph->error - 1, tf_error());
    }
    return -1;
}

void tf_graph_scope(tf_graph *graph, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(graph->scope, sizeof graph->scope, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof graph->scope)
        tf_graph_fail(graph, tf_fail(TF_INVALID, "the scope %s... is too long", graph->scope));
}

/* Fills in the node's full name, which must be new. */
static tf_status set_name(const tf_graph *graph, tf_node *node, const char *name) {
    if (!name || !*name) return tf_fail(TF_INVALID, "a node needs a name");
    int length = snprintf(node->name, sizeof node->name, "%s%s", graph->scope, name);
    if (length < 0 || (size_t)length >= sizeof node->name)
        return tf_fail(TF_INVALID, "the node name %s%s is too long", graph->scope, name);
    for (int i = 0; i < graph->nodes; i++)
        if (!strcmp(graph->node[i].name, node->name))
            return tf_fail(TF_INVALID, "the graph has two nodes named %s", node->name);
    return TF_OK;
}

static tf_status append(tf_graph *graph, const tf_node *node) {
    tf_node *grown = tf_grow(graph->node, &graph->capacity, (size_t)graph->nodes + 1, sizeof *grown);
    if (!grown) return tf_fail(TF_NOMEM, "no memory for a graph of %d nodes", graph->nodes + 1);
    graph->node = grown;
    graph->node[graph->nodes++] = *node;
    return TF_OK;
}

static tf_status add_leaf(tf_graph *graph, tf_leaf leaf, const char *name, tf_shape shape, const void *data) {
    tf_node node = {.leaf = leaf, .shape = shape};
    TF_TRY(set_name(graph, &node, name));
    tf_status status = tf_shape_check(shape);
    if (status != TF_OK) return tf_fail_in(status, "%s", node.name);

    float *copy = NULL;
    switch (leaf) {
    case TF_LEAF_WEIGHT:
    case TF_LEAF_PUBLIC_WEIGHT:
    case TF_LEAF_PUBLIC: node.data = data; break;
    case TF_LEAF_TOKENS: node.tokens = data; break;
    case TF_LEAF_NOISE:
        if (data) return tf_fail(TF_INVALID, "%s: noise takes no data", node.name);
        break;
    case TF_LEAF_CONSTANT: {
        if (!data) return tf_fail(TF_INVALID, "%s: a constant needs data", node.name);
        size_t bytes = tf_shape_count(shape) * sizeof(float);
        if (!(copy = malloc(bytes))) return tf_fail(TF_NOMEM, "%s: no memory for %zu bytes", node.name, bytes);
        node.data = memcpy(copy, data, bytes);
        break;
    }
    default: return tf_fail(TF_INVALID, "%s: not a kind of leaf", node.name);
    }
    status = append(graph, &node);
    if (status != TF_OK) free(copy);
    return status;
}

tf_id tf_graph_leaf(tf_graph *graph, tf_leaf leaf, const char *name, tf_shape shape, const void *data) {
    if (graph->status != TF_OK) return -1;
    tf_status status = add_leaf(graph, leaf, name, shape, data);
    return status == TF_OK ? graph->nodes - 1 : tf_graph_fail(graph, status);
}

tf_id tf_graph_public(tf_graph *graph, const char *name, tf_shape shape, double bound, const float *data) {
    tf_id id = tf_graph_leaf(graph, TF_LEAF_PUBLIC, name, shape, data);
    if (id < 0) return -1;
    if (!(bound > 0 && bound <= 0x1p50))
        return tf_graph_fail(graph,
                             tf_fail(TF_INVALID, "%s: %g is no bound of public data", graph->node[id].name, bound));
    graph->node[id].range = bound;
    return id;
}

/** `x`: what is appended, -1: nothing. */
static tf_status add_held(tf_graph *graph, const char *name, tf_shape shape, int axis, tf_id x) {
    tf_node node = {.leaf = TF_LEAF_HELD, .shape = shape, .axis = axis, .inputs = x >= 0, .input = {x}};
    TF_TRY(set_name(graph, &node, name));
    tf_status status = tf_shape_check(shape);
    if (status == TF_OK && (axis < 0 || axis >= shape.rank))
        status = tf_fail(TF_INVALID, "state of rank %d cannot grow along axis %d", shape.rank, axis);
    if (status == TF_OK && x >= 0 && graph->node[x].shape.dim[axis] > shape.dim[axis])
        status = tf_fail(TF_INVALID, "%zu rows do not fit into a capacity of %zu", graph->node[x].shape.dim[axis],
                         shape.dim[axis]);
    if (status != TF_OK) return tf_fail_in(status, "%s", node.name);
    return append(graph, &node);
}

tf_id tf_graph_append(tf_graph *graph, const char *name, tf_id x, int axis, size_t capacity) {
    if (graph->status != TF_OK) return -1;
    if (x < 0 || x >= graph->nodes || graph->node[x].leaf == TF_LEAF_HELD)
        return tf_graph_fail(
            graph, tf_fail(TF_INVALID, "what is appended to %s%s is no node that was computed", graph->scope, name));
    tf_shape shape = graph->node[x].shape;
    if (axis >= 0 && axis < shape.rank) shape.dim[axis] = capacity;
    tf_status status = add_held(graph, name, shape, axis, x);
    return status == TF_OK ? graph->nodes - 1 : tf_graph_fail(graph, status);
}

tf_id tf_graph_held(tf_graph *graph, const char *name, tf_shape shape, int axis) {
    if (graph->status != TF_OK) return -1;
    tf_status status = add_held(graph, name, shape, axis, -1);
    return status == TF_OK ? graph->nodes - 1 : tf_graph_fail(graph, status);
}

void tf_graph_bind(tf_graph *graph, tf_id leaf, const void *data) {
    if (leaf < 0 || leaf >= graph->nodes) return;
    tf_node *node = &graph->node[leaf];
    switch (node->leaf) {
    case TF_LEAF_WEIGHT:
    case TF_LEAF_PUBLIC_WEIGHT:
    case TF_LEAF_PUBLIC: node->data = data; break;
    case TF_LEAF_TOKENS: node->tokens = data; break;
    default: tf_graph_fail(graph, tf_fail(TF_INVALID, "%s takes no data", node->name));
    }
}

static tf_status find_op(const char *kind, const char *variant, const tf_op **op) {
    if ((*op = tf_registry_find(kind, variant))) return TF_OK;
    if (!tf_registry_find(kind, NULL)) return tf_fail(TF_INVALID, "unknown op '%s'", kind);
    char known[256];
    if (!*tf_registry_variants(kind, known, sizeof known))
        return tf_fail(TF_INVALID, "unknown variant '%s' of %s, which has no variants", variant, kind);
    return tf_fail(TF_INVALID, "unknown variant '%s' of %s: known are %s", variant, kind, known);
}

static tf_status connect(const tf_graph *graph, tf_node *node, int inputs, const tf_id *input, int attrs,
                         const tf_attr *attr) {
    const tf_op *op = node->op;
    if (inputs < op->min_inputs || inputs > op->max_inputs)
        return op->min_inputs == op->max_inputs
                   ? tf_fail(TF_INVALID, "%d inputs given, %d needed", inputs, op->min_inputs)
                   : tf_fail(TF_INVALID, "%d inputs given, %d to %d needed", inputs, op->min_inputs, op->max_inputs);
    if (attrs < 0 || attrs > TF_MAX_ATTRS)
        return tf_fail(TF_INVALID, "%d attributes given, at most %d possible", attrs, (int)TF_MAX_ATTRS);

    tf_shape shape[TF_MAX_INPUTS];
    for (int i = 0; i < inputs; i++) {
        if (input[i] < 0 || input[i] >= graph->nodes)
            return tf_fail(TF_INVALID, "input %d is %d, which is no node of the graph", i, input[i]);
        node->input[i] = input[i];
        shape[i] = graph->node[input[i]].shape;
    }
    node->inputs = inputs;
    for (int i = 0; i < attrs; i++) node->attr[i] = attr[i];
    node->attrs = attrs;
    TF_TRY(op->infer(node, shape, &node->shape));
    return tf_shape_check(node->shape);
}

tf_id tf_graph_op(tf_graph *graph, const char *kind, const char *variant, const char *name, int inputs,
                  const tf_id *input, int attrs, const tf_attr *attr) {
    if (graph->status != TF_OK) return -1;
    tf_node node = {.leaf = TF_LEAF_NONE};
    tf_status status = set_name(graph, &node, name);
    if (status != TF_OK) return tf_graph_fail(graph, status);
    status = find_op(kind, variant, &node.op);
    if (status == TF_OK) status = connect(graph, &node, inputs, input, attrs, attr);
    if (status == TF_OK) status = append(graph, &node);
    if (status != TF_OK) return tf_graph_fail(graph, tf_fail_in(status, "%s (%s)", node.name, kind));
    return graph->nodes - 1;
}

void tf_graph_output(tf_graph *graph, tf_id id, tf_reader to) {
    if (graph->status != TF_OK) return;
    if (id < 0 || id >= graph->nodes)
        tf_graph_fail(graph, tf_fail(TF_INVALID, "the output %d is no node of the graph", id));
    else if (to > TF_KEPT)
        tf_graph_fail(graph, tf_fail(TF_INVALID, "%s: an output to nobody that is known", graph->node[id].name));
    else if (graph->outputs == TF_MAX_OUTPUTS)
        tf_graph_fail(graph, tf_fail(TF_INVALID, "more than %d outputs", (int)TF_MAX_OUTPUTS));
    else
        graph->output[graph->outputs++] = (tf_graph_result){id, to};
}

tf_status tf_graph_check(tf_graph *graph) {
    if (graph->status == TF_OK && !graph->outputs) tf_graph_fail(graph, tf_fail(TF_INVALID, "the graph has no output"));
    return graph->status == TF_OK ? TF_OK : tf_fail(graph->status, "%s", graph->error);
}

tf_status tf_graph_finish(tf_graph *graph, tf_id output) {
    tf_graph_output(graph, output, TF_TO_DATA_OWNER);
    return tf_graph_check(graph);
}

double tf_attr_get(const tf_node *node, const char *name, double fallback) {
    for (int i = 0; i < node->attrs; i++)
        if (!strcmp(node->attr[i].name, name)) return node->attr[i].value;
    return fallback;
}
