#include "runtime/lower/lower.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "runtime/program/step.h"

tf_status tf_lower(const tf_graph *graph, int frac, int model_owner, int data_owner, tf_program *program) {
    tf_program_init(program, frac, model_owner, data_owner);
    if (frac < 8 || frac > 24) return tf_fail(TF_INVALID, "%d fractional bits; 8 to 24 are possible", frac);
    tf_value *value = program->result = malloc(((size_t)graph->nodes + 1) * sizeof *value);
    program->graph = graph;
    if (!value) return tf_fail(TF_NOMEM, "no memory for %d nodes", graph->nodes);
    for (int i = 0; i < graph->nodes && !program->status; i++) {
        const tf_node *node = &graph->node[i];
        program->op = i;
        if (!node->op) {
            value[i] = tf_program_leaf(program, node);
            continue;
        }
        tf_value in[TF_MAX_INPUTS];
        for (int k = 0; k < node->inputs; k++) in[k] = value[node->input[k]];
        if (!node->op->lower) {
            tf_program_fail(program, tf_fail(TF_INVALID, "op %s %s cannot run privately: it has no lowering",
                                             node->op->kind, node->op->variant));
            break;
        }
        value[i] = node->op->lower(program, node, in);
        if (node->range > 0 && node->range < tf_type_of(program, value[i])->bound)
            value[i] = tf_assume(program, value[i], node->range);
        if (!program->status && !tf_shape_equal(tf_type_of(program, value[i])->shape, node->shape))
            tf_program_fail(program, tf_fail(TF_INTERNAL, "op %s %s lowered to another shape than it declares",
                                             node->op->kind, node->op->variant));
        if (program->status) { /* say where */
            tf_fail(program->status, "%s: %s", node->name, program->error);
            strncpy(program->error, tf_error(), sizeof program->error - 1);
        }
    }
    program->op = graph->output;
    if (!program->status && data_owner == TF_OUTSIDE)
        tf_keep(program, value[graph->output], 0);
    else if (!program->status)
        tf_output(program, value[graph->output], data_owner, 0);
    tf_status status = tf_program_status(program);
    if (status) tf_program_free(program);
    return status;
}

tf_status tf_program_digest(const tf_program *program, tf_digest *digest) {
    XXH3_state_t *state = XXH3_createState();
    if (!state) return tf_fail(TF_NOMEM, "no memory for a digest");
    XXH3_128bits_reset(state);
    XXH3_128bits_update(state, &program->frac, sizeof program->frac);
    XXH3_128bits_update(state, &program->model_owner, sizeof program->model_owner);
    XXH3_128bits_update(state, &program->data_owner, sizeof program->data_owner);
    for (int i = 0; i < program->nodes; i++) {
        const tf_step_node *node = &program->node[i];
        const char *name = node->step ? node->step->name : "leaf";
        XXH3_128bits_update(state, name, strlen(name) + 1);
        if (node->leaf) XXH3_128bits_update(state, node->leaf->name, strlen(node->leaf->name) + 1);
        int64_t facts[6 + TF_MAX_RANK] = {node->type.class, node->type.bits, node->type.frac,
                                          node->type.zero,  node->inputs,    node->type.shape.rank};
        for (int k = 0; k < node->type.shape.rank; k++) facts[6 + k] = (int64_t)node->type.shape.dim[k];
        XXH3_128bits_update(state, facts, sizeof facts);
        XXH3_128bits_update(state, &node->type.bound, sizeof node->type.bound);
        XXH3_128bits_update(state, node->input, sizeof node->input[0] * (size_t)node->inputs);
        XXH3_128bits_update(state, node->arg, sizeof node->arg);
        if (node->leaf && node->leaf->leaf == TF_LEAF_PUBLIC_WEIGHT && node->leaf->data)
            XXH3_128bits_update(state, node->leaf->data, tf_shape_count(node->leaf->shape) * sizeof(float));
        if (node->data) XXH3_128bits_update(state, node->data, node->data_count * sizeof *node->data);
    }
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    XXH3_freeState(state);
    memcpy(digest->byte, canonical.digest, sizeof digest->byte);
    return TF_OK;
}

tf_digest tf_digest_of(const void *data, size_t size) {
    tf_digest digest;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, size));
    memcpy(digest.byte, canonical.digest, sizeof digest.byte);
    return digest;
}
