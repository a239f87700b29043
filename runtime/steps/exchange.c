/*
 * Putting values in and taking results out.
 *
 * Input by party o: x_o is a stream of k_o, which party o-1 derives too; x_(o+1) = x - x_o goes to party o+1; the third
 * component is zero. Party o+1 learns x less a stream that it does not hold: uniform.
 *
 * Output to party t: its missing component comes from party t+1; party t-1, who holds the same one, sends a tag of it
 * under a key that party t+1 does not hold, and a mismatch is an error: party t+1 alone cannot change what t gets. The
 * receiver learns the value: that is the purpose.
 */
#include <math.h>
#include <openssl/crypto.h>
#include <string.h>

#include "net/base/digest.h"
#include "runtime/graph/graph.h"
#include "runtime/program/step.h"

enum { MASK = 1, TAG = 2, TAG_BYTES = 16 };

/** The party that puts a value in, or to which it is opened (or TF_EVERYONE), and the caller's slot for it; an input
 *  without a slot is a leaf's integers. */
typedef struct exchange_args {
    int64_t party, slot;
} exchange_args;

/* Input */

static void input_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    int owner = (int)tf_args(exchange_args, node)->party;
    traffic->dealt_at = -1;
    traffic->exchanges = 1;
    traffic->whole[0][owner][tf_next(owner)] = tf_shape_count(node->type.shape) * tf_bytes_of(node->type.bits);
}

/** Elements [at, at + count) of what this party puts in. */
static tf_status read_input(const tf_call *call, size_t at, size_t count, uint64_t *x) {
    const tf_type *type = &call->node->type;
    int id = call->party->id, slot = (int)tf_args(exchange_args, call->node)->slot;
    if (!call->node->leaf) {
        const float *in = call->slots && call->slots->input ? call->slots->input[slot] : NULL;
        return in ? tf_encode(type, in + at, count, x)
                  : tf_fail(TF_INVALID, "party %d was given no data for input %d", id, slot);
    }
    const struct tf_node *leaf = tf_call_leaf(call);
    if (!leaf->tokens) return tf_fail(TF_INVALID, "party %d was given no data for %s", id, leaf->name);
    int64_t most = (int64_t)ldexp(type->bound, type->frac);
    for (size_t i = 0; i < count; i++) {
        x[i] = (uint64_t)(int64_t)leaf->tokens[at + i];
        if (leaf->tokens[at + i] > most || leaf->tokens[at + i] < -most)
            return tf_fail(TF_RANGE, "%s: a number is outside its range", leaf->name);
    }
    return TF_OK;
}

static tf_status input_whole(tf_call *call, int phase) {
    int owner = (int)tf_args(exchange_args, call->node)->party, id = call->party->id, next = tf_next(owner);
    size_t n = tf_shape_count(call->node->type.shape);
    unsigned bytes = tf_bytes_of(call->node->type.bits);
    const tf_kernels *kernels = call->party->kernels;
    if (phase == 0 && id == owner) {
        tf_for_blocks_of(at, count, ((tf_span){0, n})) {
            uint64_t x[TF_BLOCK], *c0 = call->out.c[0] + at, *c1 = call->out.c[1] + at;
            TF_TRY(read_input(call, at, count, x));
            tf_element_stream(call, 0, MASK, at, count, c0);
            for (size_t i = 0; i < count; i++) c1[i] = x[i] - c0[i];
            kernels->pack_bytes(c1, count, bytes, call->send[next] + at * bytes);
        }
    } else if (phase == 1 && id == next) {
        kernels->unpack_bytes(call->receive[owner], n, bytes, call->out.c[0]);
        memset(call->out.c[1], 0, n * sizeof(uint64_t));
    } else if (phase == 0 && id != next) {
        memset(call->out.c[0], 0, n * sizeof(uint64_t));
        tf_for_blocks_of(at, count, ((tf_span){0, n})) tf_element_stream(call, 1, MASK, at, count, call->out.c[1] + at);
    }
    return TF_OK;
}

static const tf_step input_step = {
    .name = "input", .summary = "a party puts in a tensor", .cost = input_cost, .whole = input_whole};

tf_value tf_input(tf_program *p, int owner, tf_shape shape, int frac, unsigned bits, double bound, int slot) {
    if (p->status) return -1;
    if (owner < 0 || owner >= TF_PARTIES) return tf_program_fail(p, tf_fail(TF_INVALID, "an input by party %d", owner));
    tf_type type = {
        .shape = shape, .kind = TF_SHARE, .bits = bits, .frac = frac, .bound = bound, .zero = tf_zero_of(owner)};
    exchange_args args = {.party = owner, .slot = slot};
    return tf_append_args(p, &input_step, type, 0, NULL, &args, sizeof args);
}

tf_value tf_input_leaf(tf_program *p, int owner, tf_value leaf, int frac, double bound) {
    const struct tf_node *tokens = tf_leaf_of(p, leaf);
    if (p->status) return -1;
    if (!tokens || tokens->leaf != TF_LEAF_TOKENS)
        return tf_program_fail(p, tf_fail(TF_INVALID, "an input of something that is no integers of a party's"));
    const unsigned least = 32, bits = tf_width(frac, bound); /* so that sums with activations need no lift */
    tf_value v = tf_input(p, owner, tokens->shape, frac, bits < least ? least : bits, bound, 0);
    if (v >= 0) p->node[v].leaf = tokens;
    return v;
}

/* Output */

static bool receives(const tf_step_node *node, int id) {
    int64_t to = tf_args(exchange_args, node)->party;
    return to == TF_EVERYONE || to == id;
}

static void output_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    traffic->dealt_at = -1;
    traffic->exchanges = 1;
    for (int t = 0; t < TF_PARTIES; t++) {
        if (!receives(node, t)) continue;
        traffic->whole[0][tf_next(t)][t] += tf_shape_count(node->type.shape) * tf_bytes_of(node->type.bits);
        traffic->whole[0][tf_previous(t)][t] += TAG_BYTES;
    }
}

/**
 * The tag of a receiver's missing component: SHA-256 of a key and the packed values, cut to 16 bytes. The key is a
 * piece of the keystream that the receiver shares with party t-1 (keys[which]) and that party t+1, who sends the
 * values, does not hold. All lengths are fixed by the program.
 */
static tf_status make_tag(const tf_call *call, int which, const uint64_t *x, uint8_t tag[TAG_BYTES]) {
    const unsigned bits = call->node->type.bits, bytes = tf_bytes_of(bits);
    uint64_t key[4];
    tf_digest digest;
    tf_hash hash;
    tf_stream(call->party, which, call->index, TAG, 0, key, 4);
    tf_hash_begin(&hash);
    tf_hash_add(&hash, key, sizeof key);
    explicit_bzero(key, sizeof key);
    tf_for_blocks_of(at, count, ((tf_span){0, tf_shape_count(call->node->type.shape)})) {
        uint8_t packed[TF_BLOCK * 8];
        uint64_t word[TF_BLOCK]; /* upper bits of the words are meaningless */
        for (size_t i = 0; i < count; i++) word[i] = x[at + i] & tf_mask(bits);
        call->party->kernels->pack_bytes(word, count, bytes, packed);
        tf_hash_add(&hash, packed, count * bytes);
    }
    TF_TRY(tf_hash_end(&hash, &digest));
    memcpy(tag, digest.byte, TAG_BYTES);
    return TF_OK;
}

static tf_status output_whole(tf_call *call, int phase) {
    int id = call->party->id;
    const tf_type *type = &call->node->type; /* the input may have become wider since: a lift for other readers */
    size_t n = tf_shape_count(type->shape);
    unsigned bytes = tf_bytes_of(type->bits);
    const uint64_t *c0 = call->in[0].c[0], *c1 = call->in[0].c[1];
    if (phase == 0) {
        int before = tf_previous(id), after = tf_next(id);
        if (receives(call->node, before)) { /* its missing component is our second */
            tf_for_blocks_of(at, count, ((tf_span){0, n})) {
                uint64_t word[TF_BLOCK];
                for (size_t i = 0; i < count; i++) word[i] = c1[at + i] & tf_mask(type->bits);
                call->party->kernels->pack_bytes(word, count, bytes, call->send[before] + at * bytes);
            }
        }
        if (receives(call->node, after)) TF_TRY(make_tag(call, 1, c0, call->send[after]));
        return TF_OK;
    }
    if (!receives(call->node, id)) return TF_OK;
    uint64_t *missing = call->state;
    call->party->kernels->unpack_bytes(call->receive[tf_next(id)], n, bytes, missing);
    uint8_t tag[TAG_BYTES];
    TF_TRY(make_tag(call, 0, missing, tag));
    if (CRYPTO_memcmp(tag, call->receive[tf_previous(id)], TAG_BYTES))
        return tf_fail_public(TF_MISMATCH, "parties %d and %d hold different shares of an output: the run is void",
                              tf_next(id), tf_previous(id));
    int slot = (int)tf_args(exchange_args, call->node)->slot;
    double *out = call->slots && call->slots->output ? call->slots->output[slot] : NULL;
    if (!out) return tf_fail(TF_INVALID, "party %d has no room for output %d", id, slot);
    for (size_t i = 0; i < n; i++) {
        uint64_t x = (c0[i] + c1[i] + missing[i]) << (64 - type->bits);
        out[i] = ldexp((double)((int64_t)x >> (64 - type->bits)), -type->frac);
    }
    return TF_OK;
}

static size_t output_state(const tf_program *program, const tf_step_node *node) {
    return tf_shape_count(node->type.shape);
}

static const tf_step output_step = {.name = "output",
                                    .summary = "opens a value to one party or to all",
                                    .sink = true,
                                    .cost = output_cost,
                                    .state = output_state,
                                    .whole = output_whole};

/** What an output takes: the value, and the checks that it waits for. Returns how many. */
static int with_checks(const tf_program *p, tf_value x, tf_value in[3]) {
    int count = 1;
    in[0] = x;
    if (p->copies) in[count++] = p->copies;
    if (p->selections) in[count++] = p->selections;
    return count;
}

tf_value tf_output(tf_program *p, tf_value x, int to, int slot) {
    if (p->status) return -1;
    if (to != TF_EVERYONE && (to < 0 || to >= TF_PARTIES))
        return tf_program_fail(p, tf_fail(TF_INVALID, "an output to party %d", to));
    exchange_args args = {.party = to, .slot = slot};
    tf_value in[3];
    int inputs = with_checks(p, x, in);
    return tf_append_args(p, &output_step, *tf_type_of(p, x), inputs, in, &args, sizeof args);
}

/* Keep */

static tf_status keep_whole(tf_call *call, int phase) {
    const tf_view *kept =
        call->slots && call->slots->kept ? &call->slots->kept[tf_args(exchange_args, call->node)->slot] : NULL;
    if (!kept) return tf_fail_public(TF_INTERNAL, "no room for a kept value");
    size_t bytes = tf_shape_count(call->node->type.shape) * sizeof(uint64_t);
    for (int j = 0; j < 2; j++) memcpy(kept->c[j], call->in[0].c[j], bytes);
    return TF_OK;
}

static const tf_step keep_step = {
    .name = "keep", .summary = "hands a party's components to the caller", .sink = true, .whole = keep_whole};

tf_value tf_keep(tf_program *p, tf_value x, int slot) {
    if (p->status) return -1;
    exchange_args args = {.slot = slot};
    tf_value in[3];
    int inputs = with_checks(p, x, in);
    return tf_append_args(p, &keep_step, *tf_type_of(p, x), inputs, in, &args, sizeof args);
}
