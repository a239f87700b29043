/*
 * Component j of a value is held by parties j and j - 1, and in each third L and R hold the same half of a split bit.
 * Both hash what they hold, node by node, under a key that the third party lacks; before an output opens each sends the
 * other the hashes of all nodes so far, 8 B each. The first that differs is named. Two values have one hash with a
 * probability of 2^-30.
 *
 * This finds faults, diverging programs, and a party that tells the two others different things. It does not find a lie
 * that ends in the same error on both copies.
 */
#include "runtime/steps/copies.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "net/base/secret.h"
#include "runtime/graph/graph.h"

enum { KEY = 1, MUCH = 1 << 16 }; /* MUCH: elements that are worth waking threads for */

tf_status tf_copies_open(tf_party *party, int node, tf_copies *copies) {
    const size_t words = TF_BLOCK + 2;
    *copies = (tf_copies){.hash = calloc((size_t)node, sizeof *copies->hash)};
    uint64_t *key = tf_secret_alloc(2 * words * sizeof *key);
    copies->key[0] = key;
    copies->key[1] = key ? key + words : NULL;
    if (!key || !copies->hash) return tf_fail(TF_NOMEM, "no memory for the hashes of %d steps", node);
    for (int j = 0; j < 2; j++) tf_stream(party, j, (uint32_t)node, KEY, 0, copies->key[j], words);
    return TF_OK;
}

void tf_copies_close(tf_copies *copies) {
    tf_secret_free(copies->key[0], 2 * (TF_BLOCK + 2) * sizeof(uint64_t));
    free(copies->hash);
    *copies = (tf_copies){0};
}

/** The sum over the blocks of a span of words, each hashed together with its place. */
static uint64_t hash_blocks(const tf_kernels *kernels, const uint64_t *x, tf_span span, uint64_t mask,
                            const uint64_t *key) {
    uint64_t sum = 0;
    tf_for_blocks_of(at, count, span) {
        uint64_t digest = kernels->digest_words(x + at, key, count, mask);
        sum += XXH3_64bits_withSeed(&digest, sizeof digest, key[TF_BLOCK] + at);
    }
    return sum;
}

/** Words of which several threads hash their blocks. */
typedef struct shared_words {
    const tf_party *party;
    const uint64_t *x;
    size_t blocks, n;
    uint64_t mask;
    const uint64_t *key;
    _Atomic uint64_t sum;
} shared_words;

static void hash_share(void *context, int k) {
    shared_words *s = context;
    size_t threads = (size_t)tf_workers_count(s->party->workers), number = (size_t)k;
    size_t begin = s->blocks * number / threads * TF_BLOCK, end = s->blocks * (number + 1) / threads * TF_BLOCK;
    s->sum += hash_blocks(s->party->kernels, s->x, (tf_span){begin, end < s->n ? end : s->n}, s->mask, s->key);
}

static uint64_t hash_words(const tf_party *party, const uint64_t *x, size_t n, uint64_t mask, const uint64_t *key) {
    if (!party->workers || n < MUCH) return hash_blocks(party->kernels, x, (tf_span){0, n}, mask, key);
    shared_words shared = {
        .party = party, .x = x, .blocks = (n + TF_BLOCK - 1) / TF_BLOCK, .n = n, .mask = mask, .key = key};
    tf_workers_run(party->workers, hash_share, &shared);
    return shared.sum;
}

/** The planes' words of a third. */
static uint64_t hash_bits(const tf_party *party, const uint64_t *bit, size_t n, tf_span third, unsigned planes,
                          const uint64_t *key) {
    size_t begin = third.begin / 64, words = (third.end + 63) / 64 - begin;
    uint64_t hash = 0;
    for (unsigned p = 0; p < planes && tf_span_count(third); p++) {
        uint64_t digest = hash_words(party, bit + p * tf_words(n) + begin, words, UINT64_MAX, key);
        hash = XXH3_64bits_withSeed(&digest, sizeof digest, hash);
    }
    return hash;
}

void tf_copies_hash(const tf_party *party, const tf_program *program, int node, const tf_view *view,
                    tf_copies *copies) {
    const tf_type *type = tf_type_of(program, node);
    size_t n = tf_shape_count(type->shape);
    for (int j = 0; j < 2; j++) { /* component id is shared with the previous party, id + 1 with the next */
        int other = j ? tf_previous(party->id) : tf_next(party->id);
        tf_span third = tf_third(n, program->cut, other);
        copies->hash[node][j] = type->kind == TF_BIT
                                    ? hash_bits(party, view->bit, n, third, type->bits, copies->key[j])
                                    : hash_words(party, view->c[j], n, tf_mask(type->bits), copies->key[j]);
    }
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
            uint64_t theirs, own = call->copies->hash[i][j];
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
