#include "runtime/lower/compiled.h"

#include <stdlib.h>
#include <string.h>

/* Keys ------------------------------------------------------------------------------------------------------------- */

static void add_node(tf_hash *hash, const tf_node *node) {
    struct {
        int32_t leaf, inputs, input[TF_MAX_INPUTS], attrs, rank, axis;
        uint64_t dim[TF_MAX_RANK];
        double range, square, value[TF_MAX_ATTRS];
    } facts;
    memset(&facts, 0, sizeof facts); /* padding is part of it */
    facts.leaf = (int32_t)node->leaf;
    facts.inputs = node->inputs;
    for (int i = 0; i < node->inputs; i++) facts.input[i] = node->input[i];
    facts.attrs = node->attrs;
    for (int i = 0; i < node->attrs; i++) facts.value[i] = node->attr[i].value;
    facts.rank = node->shape.rank;
    for (int i = 0; i < node->shape.rank; i++) facts.dim[i] = node->shape.dim[i];
    facts.axis = node->axis;
    facts.range = node->range;
    facts.square = node->square;
    tf_hash_add(hash, &facts, sizeof facts);
    tf_hash_add_text(hash, node->name);
    if (node->op) tf_hash_add_text(hash, node->op->kind);
    if (node->op) tf_hash_add_text(hash, node->op->variant);
    for (int i = 0; i < node->attrs; i++) tf_hash_add_text(hash, node->attr[i].name);
    if (node->leaf == TF_LEAF_CONSTANT) tf_hash_add(hash, node->data, tf_shape_count(node->shape) * sizeof *node->data);
}

tf_status tf_compiled_key(const tf_graph *graph, int frac, int model_owner, int data_owner, tf_digest *key) {
    int32_t facts[] = {frac, model_owner, data_owner, graph->nodes, graph->outputs, graph->check_copies};
    tf_hash hash;
    tf_hash_begin(&hash);
    tf_hash_add(&hash, facts, sizeof facts);
    tf_hash_add(&hash, &graph->round_bytes, sizeof graph->round_bytes);
    for (int i = 0; i < graph->nodes; i++) add_node(&hash, &graph->node[i]);
    for (int k = 0; k < graph->outputs; k++) {
        int32_t output[] = {graph->output[k].id, (int32_t)graph->output[k].to};
        tf_hash_add(&hash, output, sizeof output);
    }
    return tf_hash_end(&hash, key);
}

/* Compiling -------------------------------------------------------------------------------------------------------- */

static tf_status compile(const tf_graph *graph, int frac, int model_owner, int data_owner, tf_compiled *c) {
    TF_TRY(tf_graph_copy(graph, &c->graph));
    TF_TRY(tf_lower(&c->graph, frac, model_owner, data_owner, &c->program, &c->plan));
    TF_TRY(tf_program_digest(&c->program, &c->digest));
    TF_TRY(tf_compiled_key(graph, frac, model_owner, data_owner, &c->key));
    for (tf_id i = 0; i < c->graph.nodes; i++) { /* each run brings its own */
        tf_node *node = &c->graph.node[i];
        node->tokens = NULL;
        node->selection = NULL;
        if (node->leaf != TF_LEAF_CONSTANT) node->data = NULL;
    }
    return TF_OK;
}

tf_status tf_compiled_make(const tf_graph *graph, int frac, int model_owner, int data_owner, tf_compiled **compiled) {
    tf_compiled *c = *compiled = calloc(1, sizeof *c);
    if (!c) return tf_fail(TF_NOMEM, "no memory for a program");
    tf_status status = compile(graph, frac, model_owner, data_owner, c);
    if (!status) return TF_OK;
    tf_compiled_free(c);
    *compiled = NULL;
    return status;
}

void tf_compiled_free(tf_compiled *compiled) {
    if (!compiled) return;
    tf_plan_free(&compiled->plan);
    tf_program_free(&compiled->program);
    tf_graph_free(&compiled->graph);
    free(compiled);
}

tf_status tf_compiled_fits(const tf_compiled *compiled, const tf_graph *graph) {
    bool fits = compiled->graph.nodes == graph->nodes;
    for (int i = 0; fits && i < graph->nodes; i++) {
        const tf_node *a = &compiled->graph.node[i], *b = &graph->node[i];
        fits = a->leaf == b->leaf && tf_shape_equal(a->shape, b->shape);
    }
    return fits ? TF_OK : tf_fail(TF_INVALID, "the graph is not of the shape that the program was compiled for");
}

const tf_type *tf_compiled_output(const tf_compiled *compiled, int slot) {
    return tf_type_of(&compiled->program, compiled->program.result[compiled->graph.output[slot].id]);
}

/* The programs of a session ---------------------------------------------------------------------------------------- */

tf_compiled *tf_cache_find(tf_cache *cache, const tf_digest *key) {
    for (size_t i = 0; i < cache->count; i++)
        if (tf_digest_equal(&cache->item[i]->key, key)) {
            cache->item[i]->used = ++cache->clock;
            return cache->item[i];
        }
    return NULL;
}

static void drop_oldest(tf_cache *cache) {
    size_t oldest = 0;
    for (size_t i = 1; i < cache->count; i++)
        if (cache->item[i]->used < cache->item[oldest]->used) oldest = i;
    tf_compiled_free(cache->item[oldest]);
    cache->item[oldest] = cache->item[--cache->count];
}

tf_status tf_cache_add(tf_cache *cache, tf_compiled *compiled) {
    size_t most = cache->most ? cache->most : TF_CACHE_MOST;
    tf_compiled **grown = realloc(cache->item, most * sizeof(tf_compiled *));
    if (!grown) return tf_fail(TF_NOMEM, "no memory for %zu programs", most);
    cache->item = grown;
    while (cache->count >= most) drop_oldest(cache);
    compiled->used = ++cache->clock;
    cache->item[cache->count++] = compiled;
    return TF_OK;
}

tf_digest tf_cache_digest(const tf_cache *cache) {
    struct {
        tf_digest before, program;
        uint64_t used;
    } facts = {.used = 0};
    for (size_t i = 0; i < cache->count; i++) {
        facts.program = cache->item[i]->digest;
        facts.used = cache->item[i]->used;
        facts.before = tf_digest_of(&facts, sizeof facts);
    }
    return facts.before;
}

void tf_cache_forget(tf_cache *cache) {
    for (size_t i = 0; i < cache->count; i++) tf_compiled_free(cache->item[i]);
    free(cache->item);
    *cache = (tf_cache){.most = cache->most};
}
