/*
 * Component j of a value is held by parties j and j - 1, and in each third L and R hold the same half of a split bit.
 * Both hash what they hold, node by node, with a seed that the third party lacks; before an output opens each sends the
 * other the hashes of all nodes so far, 8 B each. The first that differs is named.
 *
 * This finds faults, diverging programs, and a party that tells the two others different things. It does not find a lie
 * that ends in the same error on both copies.
 */
#include "runtime/steps/copies.h"

#include <string.h>
#include <xxhash.h>

#include "runtime/graph/graph.h"

enum { SEED = 1 };

void tf_copies_seed(tf_party *party, int node, uint64_t seed[2]) {
    uint64_t word[2];
    for (int j = 0; j < 2; j++) {
        tf_stream(party, j, (uint32_t)node, SEED, 0, word, 2);
        seed[j] = word[0];
    }
    explicit_bzero(word, sizeof word);
}

/** Words less what is above the ring. */
static uint64_t hash_words(uint64_t hash, const uint64_t *x, size_t n, uint64_t mask) {
    tf_for_blocks_of(at, count, ((tf_span){0, n})) {
        uint64_t word[TF_BLOCK];
        for (size_t i = 0; i < count; i++) word[i] = x[at + i] & mask;
        hash = XXH3_64bits_withSeed(word, count * sizeof *word, hash);
    }
    return hash;
}

/** The planes' words of a third. */
static uint64_t hash_bits(uint64_t hash, const uint64_t *bit, size_t n, unsigned planes, int s) {
    tf_span third = tf_third(n, s);
    size_t begin = third.begin / 64, words = (third.end + 63) / 64 - begin;
    for (unsigned p = 0; p < planes && tf_span_count(third); p++)
        hash = XXH3_64bits_withSeed(bit + p * tf_words(n) + begin, words * sizeof *bit, hash);
    return hash;
}

void tf_copies_hash(int id, const tf_type *type, const tf_view *view, const uint64_t seed[2], uint64_t hash[2]) {
    size_t n = tf_shape_count(type->shape);
    for (int j = 0; j < 2; j++) /* component id is shared with the previous party, id + 1 with the next */
        hash[j] = type->kind == TF_BIT ? hash_bits(seed[j], view->bit, n, type->bits, j ? tf_previous(id) : tf_next(id))
                                       : hash_words(seed[j], view->c[j], n, tf_mask(type->bits));
}

static size_t message_bytes(const tf_program *program, const tf_step_node *node) {
    return (size_t)(node - program->node) * sizeof(uint64_t);
}

static void compare_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    traffic->dealt_at = -1;
    traffic->exchanges = 1;
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) traffic->whole[0][i][j] = i == j ? 0 : message_bytes(program, node);
}

static tf_status complain(const tf_call *call, int peer, int node) {
    const tf_step_node *n = &call->program->node[node];
    const tf_graph *graph = call->program->graph;
    return tf_fail_public(
        TF_MISMATCH, "parties %d and %d hold different copies of %s, at step %d (%s): the run is void", call->party->id,
        peer, graph && n->op >= 0 ? graph->node[n->op].name : "a value", node, n->step->name);
}

static tf_status compare_whole(tf_call *call, int phase) {
    int peer[2] = {tf_previous(call->party->id), tf_next(call->party->id)}, nodes = (int)call->index;
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < nodes; i++) {
            uint64_t theirs, own = call->copies[i][j];
            if (phase == 0) {
                memcpy(call->send[peer[j]] + (size_t)i * sizeof own, &own, sizeof own);
                continue;
            }
            memcpy(&theirs, call->receive[peer[j]] + (size_t)i * sizeof own, sizeof theirs);
            if (theirs != own) return complain(call, peer[j], i);
        }
    if (phase > 0) call->out.c[0][0] = call->out.c[1][0] = 0;
    return TF_OK;
}

static const tf_step compare_step = {.name = "compare_copies",
                                     .summary = "checks that both holders of each component hold the same",
                                     .takes_bits = true,
                                     .cost = compare_cost,
                                     .whole = compare_whole};

void tf_compare_copies(tf_program *p, int count, const tf_value *before) {
    tf_type type = {.shape = tf_dims(1), .kind = TF_SHARE, .bits = 1, .bound = 1, .zero = -1};
    if (p->status) return;
    if (count > TF_STEP_INPUTS)
        tf_program_fail(p, tf_fail(TF_INVALID, "copies are compared before at most %d outputs", TF_STEP_INPUTS));
    else
        p->copies = tf_append(p, &compare_step, type, count, before);
}
