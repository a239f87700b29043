/*
 * What is public and given at each run must be the same on all parties: each sends both others a digest of it, which
 * travels with the messages of the first round. The receivers learn whether what they hold is the same.
 */
#include <math.h>
#include <string.h>

#include "net/base/digest.h"
#include "runtime/graph/graph.h"
#include "runtime/program/step.h"

static void compare_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    traffic->dealt_at = -1;
    traffic->exchanges = 1;
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) traffic->whole[0][i][j] = i == j ? 0 : sizeof(tf_digest);
}

/** The floats of a public leaf, which keep its bound, become part of the digest. */
static tf_status add_leaf(const tf_call *call, const tf_node *leaf, tf_hash *hash) {
    size_t n = tf_shape_count(leaf->shape);
    if (!leaf->data) return tf_fail(TF_INVALID, "party %d was given no data for %s", call->party->id, leaf->name);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)leaf->data[i]) <= leaf->range))
            return tf_fail(TF_RANGE, "%s: %g is not within the bound of %g", leaf->name, (double)leaf->data[i],
                           leaf->range);
    tf_hash_add(hash, leaf->data, n * sizeof *leaf->data);
    return TF_OK;
}

static tf_status add_all(const tf_call *call, tf_hash *hash) {
    const tf_program *program = call->program;
    const tf_graph *graph = call->slots && call->slots->graph ? call->slots->graph : program->graph;
    for (int i = 0; graph && i < graph->nodes; i++)
        if (graph->node[i].leaf == TF_LEAF_PUBLIC) TF_TRY(add_leaf(call, &graph->node[i], hash));
    for (int i = 0; i < program->helds; i++) {
        uint64_t length = call->slots->held[i].length;
        tf_hash_add(hash, &length, sizeof length);
    }
    return TF_OK;
}

static tf_status compare_whole(tf_call *call, int phase) {
    tf_digest own;
    tf_hash hash;
    int next = tf_next(call->party->id), previous = tf_previous(call->party->id);
    tf_hash_begin(&hash);
    tf_status status = add_all(call, &hash);
    if (status) {
        tf_hash_abandon(&hash);
        return status;
    }
    TF_TRY(tf_hash_end(&hash, &own));
    if (phase == 0) {
        memcpy(call->send[next], &own, sizeof own);
        memcpy(call->send[previous], &own, sizeof own);
        return TF_OK;
    }
    if (memcmp(call->receive[next], &own, sizeof own) || memcmp(call->receive[previous], &own, sizeof own))
        return tf_fail_public(TF_MISMATCH,
                              "the parties differ in the public inputs of this run, or in the rows of their state");
    return TF_OK;
}

static const tf_step compare_step = {.name = "compare_public",
                                     .summary = "checks that all parties hold the same public inputs",
                                     .sink = true,
                                     .cost = compare_cost,
                                     .whole = compare_whole};

tf_value tf_compare_public(tf_program *p) {
    tf_type type = {.shape = {.rank = 0}, .kind = TF_SHARE, .bits = 1, .zero = -1};
    return tf_append(p, &compare_step, type, 0, NULL);
}
