/*
 * Rows of a shared table at indices that one party, the data owner S, knows. L and R both know the component c of the
 * whole table. S gives L a random bit vector q (a stream of k_s) and R the same vector with bit t flipped. L adds the
 * rows of c that its vector selects, R subtracts those that its vector selects: all cancel but +c[t] or -c[t], the sign
 * being known to S. L and R swap these under masks that S knows; S deals shares of the sign and, while they add up, of
 * its own part of the row less the masks; L and R combine and reshare.
 *
 * Where its reader wants a wider ring, Z_2^n, than the table's, Z_2^m, the row comes lifted. With e = 1 where the sign
 * is positive, else 0, and s = 1 or -1, the row is s M + w mod 2^m, M being what was opened and w what S knows. As in a
 * lift, |row| < 2^(m-2), o = 2^(m-2) is added, and as integers, with M' = M + o and M" = o - M reduced mod 2^m,
 *     row = e M' + (1 - e) M" - o + w - 2^m + 2^m nw (e nc' + (1 - e) nc"),
 * nw, nc' and nc" telling that the top bits of w, M' and M" are zero. S deals e and w mod 2^n and, as multiples of 2^m,
 * nw and e nw.
 *
 * What S reads of its own memory does not depend on the tokens either: it passes over the whole table for each, as L
 * and R do, so that whoever shares its processor's caches learns nothing.
 *
 * What the receivers learn. R's bit vectors are uniform: it does not hold q. The dealt elements are masked by streams
 * of k_s. L's sum is masked by a stream of k_s, R's by one of k_(s+1), the reshared parts likewise. S receives nothing.
 */
#include <math.h>
#include <string.h>

#include "net/base/secret.h"
#include "runtime/graph/graph.h"
#include "runtime/kernels/unit_vector.h"
#include "runtime/steps/lookup/lookup.h"

enum { Q = 1, SIGN, ROW, MU, OUT, POSITIVE, BOTH }; /* purposes */

/** S, and the table's bits where the rows come lifted, else 0. Input: the table; leaf: the tokens. The output is tokens
 * x H. */
typedef struct embed_args {
    int64_t owner, from;
} embed_args;

typedef struct sizes {
    size_t tokens, rows, columns, words; /* words: of one bit vector */
    unsigned bytes, wide, more;          /* of the table's elements, of the result's, and of what a lift deals */
    unsigned from;
    int s, left, right;
} sizes;

static sizes sizes_of(const tf_program *program, const tf_step_node *node) {
    tf_shape table = program->node[node->input[0]].type.shape;
    int s = (int)tf_args(embed_args, node)->owner;
    const unsigned from = (unsigned)tf_args(embed_args, node)->from, bits = node->type.bits;
    return (sizes){.tokens = tf_shape_count(node->leaf->shape),
                   .rows = table.dim[0],
                   .columns = table.dim[1],
                   .words = tf_words(table.dim[0]),
                   .bytes = tf_bytes_of(from ? from : bits),
                   .wide = tf_bytes_of(bits),
                   .more = from ? tf_bytes_of(bits - from) : 0,
                   .from = from,
                   .s = s,
                   .left = tf_previous(s),
                   .right = tf_next(s)};
}

static size_t vector_bytes(const sizes *z) {
    return (z->rows + 7) / 8;
}

static void embed_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    sizes z = sizes_of(program, node);
    uint64_t elements = z.tokens * z.columns;
    traffic->dealt_at = -1;
    traffic->exchanges = 3;
    traffic->whole[0][z.s][z.right] = z.tokens * (vector_bytes(&z) + z.wide);
    traffic->whole[1][z.s][z.right] = elements * (z.wide + 2 * z.more);
    for (int e = 1; e < 3; e++) {
        traffic->whole[e][z.left][z.right] = elements * (e == 1 ? z.bytes : z.wide);
        traffic->whole[e][z.right][z.left] = traffic->whole[e][z.left][z.right];
    }
}

/** Shares of sign and of S's part of the row; then the swapped sum. */
static size_t embed_state(const tf_program *program, const tf_step_node *node) {
    sizes z = sizes_of(program, node);
    return tf_even(z.tokens) + z.tokens * z.columns;
}

static void bit_vector(tf_call *call, int which, const sizes *z, size_t token, uint64_t *q) {
    tf_stream(call->party, which, call->index, Q, token * z->words, q, z->words);
}

static tf_status check_tokens(const int32_t *token, const sizes *z, int id) {
    if (!token) return tf_fail(TF_INVALID, "party %d was given no token ids", id);
    for (size_t i = 0; i < z->tokens; i++)
        if (token[i] < 0 || (size_t)token[i] >= z->rows)
            return tf_fail(TF_RANGE, "a token id is outside the vocabulary of %zu", z->rows);
    return TF_OK;
}

/** S: the bit vectors and shares of the signs, which are kept. */
static tf_status deal_vectors(tf_call *call, const sizes *z) {
    const int32_t *token = tf_call_leaf(call)->tokens;
    TF_TRY(check_tokens(token, z, call->party->id));
    uint8_t *message = call->send[z->right], *signs = message + z->tokens * vector_bytes(z);
    const size_t room = z->words * sizeof(uint64_t);
    uint64_t *q = tf_secret_alloc(room), sign_stream[2];
    if (!q) return tf_fail(TF_NOMEM, "no memory for a lookup");
    for (size_t i = 0; i < z->tokens; i++) {
        bit_vector(call, 0, z, i, q);
        uint64_t positive = tf_flip_bit(q, z->words, (uint64_t)token[i]), sign = call->state[i] = 2 * positive - 1;
        memcpy(message + i * vector_bytes(z), q, vector_bytes(z));
        tf_stream(call->party, 0, call->index, SIGN, 2 * i, sign_stream, 2);
        uint64_t dealt = (z->from ? positive : sign) - sign_stream[0];
        call->party->kernels->pack_bytes(&dealt, 1, z->wide, signs + i * z->wide);
    }
    tf_secret_free(q, room);
    return TF_OK;
}

/** S: of a token's row w, what a lift is dealt: nw and e nw, less what masks them. `stream` is room for a row. */
static void deal_wraps(tf_call *call, const sizes *z, size_t token, const uint64_t *w, uint64_t *stream) {
    const size_t n = z->columns, elements = z->tokens * n;
    uint8_t *message = call->send[z->right] + elements * z->wide + token * n * z->more;
    const uint64_t positive = call->state[token] + 1; /* 2 or 0 */
    for (int k = 0; k < 2; k++, message += elements * z->more) {
        tf_stream(call->party, 0, call->index, k ? BOTH : POSITIVE, token * tf_even(n), stream, n);
        for (size_t i = 0; i < n; i++) {
            uint64_t not_wrapped = 1 - (w[i] >> (z->from - 1));
            stream[i] = (k ? not_wrapped & positive >> 1 : not_wrapped) - stream[i];
        }
        call->party->kernels->pack_bytes(stream, n, z->more, message);
    }
}

/** S: its part of the rows, by all workers, less masks. */
static tf_status deal_rows(tf_call *call, const sizes *z) {
    const size_t room = 3 * z->columns * sizeof(uint64_t), pitch = tf_even(z->columns);
    const uint64_t reduced = z->from ? tf_mask(z->from) : ~UINT64_C(0);
    uint64_t *row = call->state + tf_even(z->tokens);
    if (call->worker == 0) memset(row, 0, z->tokens * z->columns * sizeof *row);
    TF_TRY(tf_pick_rows(call, tf_call_leaf(call)->tokens, z->tokens, row));
    if (call->worker) return TF_OK;
    uint64_t *mu[2] = {tf_secret_alloc(room)}, *mask;
    if (!mu[0]) return tf_fail(TF_NOMEM, "no memory for a lookup");
    mu[1] = mu[0] + z->columns, mask = mu[1] + z->columns;
    for (size_t i = 0; i < z->tokens; i++, row += z->columns) {
        tf_stream(call->party, 0, call->index, MU, i * pitch, mu[0], z->columns);
        tf_stream(call->party, 1, call->index, MU, i * pitch, mu[1], z->columns);
        for (size_t k = 0; k < z->columns; k++) row[k] = (row[k] - call->state[i] * (mu[0][k] + mu[1][k])) & reduced;
        if (z->from) deal_wraps(call, z, i, row, mask);
        tf_stream(call->party, 0, call->index, ROW, i * pitch, mask, z->columns);
        for (size_t k = 0; k < z->columns; k++) row[k] -= mask[k];
        call->party->kernels->pack_bytes(row, z->columns, z->wide, call->send[z->right] + i * z->columns * z->wide);
    }
    tf_secret_free(mu[0], room);
    return TF_OK;
}

/** L's or R's sum over the table, by all workers. */
static tf_status sum_table(tf_call *call, const sizes *z, bool left) {
    uint64_t *sum = call->state + tf_even(z->tokens);
    size_t pitch, room;
    uint64_t *q = tf_own_vectors(call, left ? 1 : -1, Q, call->receive[z->s], z->rows, z->tokens, &pitch, &room);
    if (call->worker == 0) memset(sum, 0, z->tokens * z->columns * sizeof *sum);
    tf_status status = tf_select_rows(call, left ? 0 : 1, q, pitch, z->tokens, sum);
    tf_secret_free(q, room);
    return status;
}

/** The sum is kept masked in the state and sent to the other. */
static void send_sum(tf_call *call, const sizes *z, bool left) {
    uint64_t *sum = call->state + tf_even(z->tokens), mu[TF_BLOCK];
    for (size_t i = 0; i < z->tokens; i++) {
        tf_for_blocks_of(at, count, ((tf_span){0, z->columns})) {
            uint64_t *to = sum + i * z->columns + at;
            tf_stream(call->party, left, call->index, MU, i * tf_even(z->columns) + at, mu, count);
            for (size_t k = 0; k < count; k++) to[k] = (left ? to[k] : 0 - to[k]) + mu[k];
        }
    }
    uint8_t *message = call->send[left ? z->right : z->left];
    call->party->kernels->pack_bytes(sum, z->tokens * z->columns, z->bytes, message);
}

/** This side's part of row i, `row`, from its share of w and the opened sum. */
static void add_row(const uint64_t *opened, uint64_t sign, size_t count, uint64_t *row) {
    for (size_t k = 0; k < count; k++) row[k] += sign * opened[k];
}

/** The same, lifted. `both` has this side's share of e nw. */
TF_MULTIVERSION static void add_lifted_row(const sizes *z, bool left, const uint64_t *opened, uint64_t positive,
                                           const uint64_t *nw, const uint64_t *both, uint64_t *row) {
    const unsigned m = z->from;
    const uint64_t mask = tf_mask(m), offset = UINT64_C(1) << (m - 2), one = -(uint64_t)left;
    for (size_t k = 0; k < z->columns; k++) {
        uint64_t plus = (offset + opened[k]) & mask, minus = (offset - opened[k]) & mask;
        uint64_t above = 1 - (plus >> (m - 1)), below = 1 - (minus >> (m - 1));
        row[k] += positive * (plus - minus) + ((both[k] * (above - below) + nw[k] * below) << m);
        row[k] += (minus - offset - (UINT64_C(1) << m)) & one; /* one side counts what both know */
    }
}

/** L or R: its shares of what S deals for a token's lift: nw and e nw. */
static void take_wraps(tf_call *call, const sizes *z, bool left, size_t token, uint64_t *nw, uint64_t *both) {
    const size_t n = z->columns, elements = z->tokens * n;
    const uint8_t *message = left ? NULL : call->receive[z->s] + elements * z->wide + token * n * z->more;
    for (int k = 0; k < 2; k++)
        if (left)
            tf_stream(call->party, 1, call->index, k ? BOTH : POSITIVE, token * tf_even(n), k ? both : nw, n);
        else
            call->party->kernels->unpack_bytes(message + (size_t)k * elements * z->more, n, z->more, k ? both : nw);
}

/** L or R, once sums were swapped and the common component holds the other's: its parts of all rows. */
static tf_status add_rows(tf_call *call, const sizes *z, bool left, uint64_t *common, uint64_t *mine) {
    const uint64_t *sign = call->state, *sum = sign + tf_even(z->tokens);
    const size_t room = 2 * z->columns * sizeof(uint64_t);
    uint64_t *nw = z->from ? tf_secret_alloc(room) : NULL;
    if (z->from && !nw) return tf_fail(TF_NOMEM, "no memory for a lookup");
    if (!left) call->party->kernels->unpack_bytes(call->receive[z->s], z->tokens * z->columns, z->wide, mine);
    for (size_t i = 0; i < z->tokens; i++, common += z->columns, mine += z->columns, sum += z->columns) {
        for (size_t k = 0; k < z->columns; k++) common[k] += sum[k];
        if (z->from) {
            take_wraps(call, z, left, i, nw, nw + z->columns);
            add_lifted_row(z, left, common, sign[i], nw, nw + z->columns, mine);
        } else {
            add_row(common, sign[i], z->columns, mine);
        }
        memcpy(common, mine, z->columns * sizeof *common);
        tf_stream(call->party, left, call->index, OUT, i * tf_even(z->columns), mine, z->columns);
        for (size_t k = 0; k < z->columns; k++) common[k] -= mine[k];
    }
    tf_secret_free(nw, room);
    return TF_OK;
}

static tf_status embed_whole(tf_call *call, int phase) {
    sizes z = sizes_of(call->program, call->node);
    const tf_kernels *kernels = call->party->kernels;
    size_t elements = z.tokens * z.columns, pitch = tf_even(z.columns);
    if (phase == 1)
        TF_TRY(call->party->id == z.s ? deal_rows(call, &z) : sum_table(call, &z, call->party->id == z.left));
    if (call->worker) return TF_OK;
    if (call->party->id == z.s) {
        if (phase == 0) TF_TRY(deal_vectors(call, &z));
        for (int j = 0; j < 2 && phase == 0; j++)
            for (size_t i = 0; i < z.tokens; i++)
                tf_stream(call->party, j, call->index, OUT, i * pitch, call->out.c[j] + i * z.columns, z.columns);
        return TF_OK;
    }
    bool left = call->party->id == z.left;
    int own = left, partner = left ? z.right : z.left;
    uint64_t *common = call->out.c[1 - own], *mine = call->out.c[own], *sign = call->state;
    if (phase == 1) {
        if (!left) { /* what S dealt, kept until the sums were swapped */
            const uint8_t *message = call->receive[z.s] + z.tokens * vector_bytes(&z);
            kernels->unpack_bytes(message, z.tokens, z.wide, sign);
        } else {
            for (size_t i = 0; i < z.tokens; i++) {
                uint64_t pair[2];
                tf_stream(call->party, own, call->index, SIGN, 2 * i, pair, 2);
                sign[i] = pair[0];
                tf_stream(call->party, own, call->index, ROW, i * pitch, mine + i * z.columns, z.columns);
            }
        }
        send_sum(call, &z, left);
        return TF_OK;
    }
    if (phase == 2) {
        kernels->unpack_bytes(call->receive[partner], elements, z.bytes, common);
        TF_TRY(add_rows(call, &z, left, common, mine));
        kernels->pack_bytes(common, elements, z.wide, call->send[partner]);
    } else if (phase == 3) {
        uint64_t *other = call->state;
        kernels->unpack_bytes(call->receive[partner], elements, z.wide, other);
        for (size_t k = 0; k < elements; k++) common[k] += other[k];
    }
    return TF_OK;
}

/** Bytes of an element: of rows that come lifted from `from` to `to` bits, or not. */
static double row_bytes(unsigned from, unsigned to) {
    const unsigned more = to > from ? tf_bytes_of(to - from) : 0;
    return 2 * tf_bytes_of(from) + 3 * tf_bytes_of(to) + 2 * more;
}

/** From a table that has the bits, or lifted. */
static double embed_widen(tf_program *p, tf_value value, unsigned bits, bool now) {
    tf_step_node *node = &p->node[value];
    const tf_type *table = tf_type_of(p, node->input[0]);
    const double elements = (double)tf_shape_count(node->type.shape), wider = tf_widen(p, node->input[0], bits, now);
    if (wider < INFINITY)
        return wider + elements * (row_bytes(bits, bits) - row_bytes(node->type.bits, node->type.bits));
    if (tf_width(table->frac, table->bound) > table->bits) return INFINITY;
    if (now) ((embed_args *)node->arg)->from = table->bits;
    return elements * (row_bytes(table->bits, bits) - row_bytes(table->bits, node->type.bits));
}

static const tf_step embed_step = {.name = "embed",
                                   .summary = "rows of a shared table at indices known to one party",
                                   .widen = embed_widen,
                                   .cost = embed_cost,
                                   .state = embed_state,
                                   .shares_work = true,
                                   .whole = embed_whole};

tf_value tf_embed(tf_program *p, tf_value table, const tf_node *tokens, int owner) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, table);
    if (type.shape.rank != 2 || tokens->shape.rank >= TF_MAX_RANK)
        return tf_program_fail(p, tf_fail(TF_INVALID, "a lookup wants a table of rows"));
    if (owner < TF_OUTSIDE || owner >= TF_PARTIES)
        return tf_program_fail(p, tf_fail(TF_INVALID, "a lookup for party %d", owner));
    size_t columns = type.shape.dim[1];
    type.shape = tokens->shape;
    type.shape.dim[type.shape.rank++] = columns;
    type.zero = -1;
    embed_args args = {.owner = owner};
    const tf_step *step = owner == TF_OUTSIDE                              ? &tf_embed_shared_step
                          : tf_shape_count(tokens->shape) < TF_BATCH_LEAST ? &embed_step
                                                                           : &tf_embed_batch_step;
    tf_value v = tf_append_args(p, step, type, 1, &table, &args, sizeof args);
    if (v >= 0) p->node[v].leaf = tokens;
    return v;
}
