/*
 * Rows of a shared table at indices that no party knows: their owner, outside of the three, is the dealer, ahead of
 * time. For each component j of the table, party L = j and party R = j - 1 hold it whole, and bit vectors that differ
 * at the token alone. L adds up the rows that its vector selects, R those that its own does: the difference is +row or
 * -row of the component, and the sign is shared. L and R swap their sums under masks that the third party S = j + 1
 * knows, which makes replicated shares of the difference D_j; the three products sign_j D_j are added up in one.
 *
 * What the receivers learn. Of the vectors a party holds two, for different components, chosen independently: each is
 * uniform, and so is the pair. L's sum is masked by a stream of k_(j+1) that R does not hold, R's by one of k_(j+2)
 * that L does not hold. The parts of the products are masked by a sharing of zero: party i - 1, who receives i's, does
 * not hold k_(i+1).
 */
#include <string.h>

#include "runtime/graph/graph.h"
#include "runtime/steps/lookup/lookup.h"

enum { DIFFERENCE = 1, ZERO = 4 }; /* purposes; the first three for the components */

/* inputs: table; leaf: tokens. The output is tokens x H. */

static size_t tokens_of(const tf_step_node *node) {
    return tf_shape_count(node->leaf->shape);
}

static int zero_of(const tf_program *program, const tf_step_node *node) {
    return program->node[node->input[0]].type.zero;
}

static void embed_shared_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    uint64_t bytes = (uint64_t)tf_shape_count(node->type.shape) * tf_bytes_of(node->type.bits);
    traffic->dealt_at = -1;
    traffic->exchanges = 2;
    for (int j = 0; j < TF_PARTIES; j++) {
        int before = tf_previous(j);
        traffic->whole[1][j][before] = bytes;
        if (j == zero_of(program, node)) continue;
        traffic->whole[0][j][before] = traffic->whole[0][before][j] = bytes;
    }
}

/** The components of D_id and D_(id+1) that this party has in common with its partner. */
static size_t embed_shared_state(const tf_program *program, const tf_step_node *node) {
    return 2 * tf_shape_count(node->type.shape);
}

/** This party's sums over its two components of the table, masked and sent. */
static tf_status sum_tables(tf_call *call) {
    const tf_selection *selection = tf_call_leaf(call)->selection;
    tf_shape table = call->program->node[call->node->input[0]].type.shape;
    const tf_kernels *kernels = call->party->kernels;
    int id = call->party->id;
    size_t tokens = tokens_of(call->node), rows = table.dim[0], columns = table.dim[1], n = tokens * columns;
    unsigned bytes = tf_bytes_of(call->node->type.bits);
    if (!selection) return tf_fail(TF_INVALID, "party %d was given no shares of the tokens", id);
    if (selection->tokens != tokens || selection->rows != rows)
        return tf_fail(TF_INVALID, "the shared tokens are %zu over %zu words, where the model takes %zu over %zu",
                       selection->tokens, selection->rows, tokens, rows);
    if (call->worker == 0) memset(call->state, 0, 2 * n * sizeof *call->state);
    tf_status status = TF_OK; /* all workers go through both, whatever happens to one: they meet on the way */
    for (int k = 0; k < 2; k++) {
        int j = tf_component_of(id, k); /* this party is L for its first one, R for its second */
        uint64_t *sum = call->state + (size_t)k * n, mask[TF_BLOCK];
        if (j == zero_of(call->program, call->node)) continue;
        const uint64_t *q = selection->vector[k] + tf_selected_rows(call, rows).begin / 64;
        tf_status selected = tf_select_rows(call, k, q, tf_words(rows), tokens, sum);
        if (selected) status = selected;
        if (call->worker || status) continue;
        tf_for_blocks_of(at, count, ((tf_span){0, n})) {
            tf_element_stream(call, 1 - k, DIFFERENCE + (unsigned)j, at, count, mask);
            for (size_t i = 0; i < count; i++) sum[at + i] = (k ? 0 - sum[at + i] : sum[at + i]) - mask[i];
        }
        kernels->pack_bytes(sum, n, bytes, call->send[k ? j : tf_previous(id)]);
    }
    return status;
}

/** Both components of D_j for the block. */
static void difference(tf_call *call, int k, size_t n, size_t at, size_t count, uint64_t *d0, uint64_t *d1) {
    unsigned purpose = DIFFERENCE + (unsigned)tf_component_of(call->party->id, k);
    if (k == 0)
        memcpy(d0, call->state + at, count * sizeof *d0);
    else
        tf_element_stream(call, 0, purpose, at, count, d0);
    if (k == 1)
        memcpy(d1, call->state + n + at, count * sizeof *d1);
    else
        tf_element_stream(call, 1, purpose, at, count, d1);
}

/** This party's part of the sum of sign_j D_j, less a sharing of zero, sent to the party before. */
TF_MULTIVERSION static void multiply_signs(tf_call *call) {
    const tf_selection *selection = tf_call_leaf(call)->selection;
    const tf_kernels *kernels = call->party->kernels;
    int id = call->party->id, zero = zero_of(call->program, call->node);
    size_t n = tf_shape_count(call->node->type.shape), columns = tf_shape_last(call->node->type.shape);
    unsigned bytes = tf_bytes_of(call->node->type.bits);
    for (int k = 0; k < 2; k++) {
        int j = tf_component_of(id, k);
        if (j == zero) continue;
        const uint8_t *message = call->receive[k ? j : tf_previous(id)];
        tf_for_blocks_of(at, count, ((tf_span){0, n})) {
            uint64_t other[TF_BLOCK], *common = call->state + (size_t)k * n + at;
            kernels->unpack_bytes(message + at * bytes, count, bytes, other);
            for (size_t i = 0; i < count; i++) common[i] += other[i];
        }
    }
    tf_for_blocks_of(at, count, ((tf_span){0, n})) {
        uint64_t d0[TF_BLOCK], d1[TF_BLOCK], *z = call->out.c[0] + at;
        tf_element_stream(call, 0, ZERO, at, count, d0);
        tf_element_stream(call, 1, ZERO, at, count, d1);
        for (size_t i = 0; i < count; i++) z[i] = d0[i] - d1[i];
        for (int k = 0; k < TF_PARTIES; k++) {
            int j = tf_component_of(id, k);
            if (j == zero) continue;
            difference(call, k, n, at, count, d0, d1);
            for (size_t i = 0; i < count; i++) {
                size_t sign = (at + i) / columns * 3 + (size_t)j;
                uint64_t s0 = selection->sign[0][sign], s1 = selection->sign[1][sign];
                z[i] += s0 * (d0[i] + d1[i]) + s1 * d0[i];
            }
        }
        kernels->pack_bytes(z, count, bytes, call->send[tf_previous(id)] + at * bytes);
    }
}

static tf_status embed_shared_whole(tf_call *call, int phase) {
    if (phase == 0) return sum_tables(call);
    if (call->worker) return TF_OK;
    if (phase == 1) {
        multiply_signs(call);
        return TF_OK;
    }
    size_t n = tf_shape_count(call->node->type.shape);
    call->party->kernels->unpack_bytes(call->receive[tf_next(call->party->id)], n, tf_bytes_of(call->node->type.bits),
                                       call->out.c[1]);
    return TF_OK;
}

const tf_step tf_embed_shared_step = {.name = "embed_shared",
                                      .summary = "rows of a shared table at indices that are shared",
                                      .cost = embed_shared_cost,
                                      .state = embed_shared_state,
                                      .shares_work = true,
                                      .whole = embed_shared_whole};
