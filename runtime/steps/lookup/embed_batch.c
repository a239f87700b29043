/*
 * Rows of a shared table at many indices that one party, the data owner S, knows. Each row lies in four of B buckets,
 * by hashes that all parties know, and S gives each distinct token t a bucket of its own, b (see buckets.h). L and R
 * both know the component c of the whole table. S gives L four random bit vectors (streams of k_s), one for each choice
 * of a row's bucket, and R the same with one bit flipped for each token: that of row t and its bucket. L adds the rows
 * of c to the buckets that its vectors tell, R subtracts them from those that its own tell: all cancels but D_b = s_b
 * c[t], the sign s_b = +-1 being known to S; in buckets without a token all does. So a table is read once however many
 * tokens there are, and a row of it costs four bits.
 *
 * L and R swap the sums under masks mu that S knows: both have M = D + mu. S deals shares of Q, which for the token of
 * each position has s_b in the column of its bucket, and zeros; and, while they add up, of W, its own part of the rows
 * less Q mu. Shares of Q M + W are then a product that each of L and R makes alone, and they reshare. More tokens than
 * a group has have buckets, vectors and a Q of their own for each group.
 *
 * What S does depends on the tokens in no branch, address or duration: it passes over all buckets for each move of a
 * token into one, adds every row of its own to all its buckets under masks, and multiplies by all of Q.
 *
 * The hashes' key comes from a stream of k_s, and R is told it: who chooses the tokens does not know it, so that nobody
 * can choose some for which there is no assignment.
 *
 * What the receivers learn. R's bit vectors and its share of Q are uniform: it does not hold the streams of k_s that
 * mask them; nor that of the hashes' key, which says nothing of the tokens. Its share of W is masked by a stream of
 * k_s. L's sums are masked by a stream of k_s, R's by one of k_(s+1), the reshared parts likewise. S receives nothing.
 */
#include <math.h>
#include <string.h>

#include "net/base/secret.h"
#include "runtime/graph/graph.h"
#include "runtime/steps/lookup/lookup.h"

enum { BITS = 1, KEY, MATRIX, ROW, MU, OUT }; /* purposes */

/** S. Input: the table; leaf: the tokens. The output is tokens x H. */
typedef struct batch_args {
    int64_t owner;
} batch_args;

typedef struct sizes {
    tf_buckets b;
    size_t buckets, vectors; /* of all groups */
    size_t rows, columns;
    size_t vector_bytes, matrix; /* of a bit vector in a message; elements of Q */
    unsigned bits, bytes;        /* of an element */
    int s, left, right;
} sizes;

static sizes sizes_of(const tf_program *program, const tf_step_node *node) {
    const tf_shape table = program->node[node->input[0]].type.shape;
    const int s = (int)tf_args(batch_args, node)->owner;
    const tf_buckets b = tf_buckets_of(tf_shape_count(node->leaf->shape));
    return (sizes){.b = b,
                   .buckets = b.groups * b.count,
                   .vectors = b.groups * TF_CHOICES,
                   .rows = table.dim[0],
                   .columns = table.dim[1],
                   .vector_bytes = (table.dim[0] + 7) / 8,
                   .matrix = b.tokens * b.count,
                   .bits = node->type.bits,
                   .bytes = tf_bytes_of(node->type.bits),
                   .s = s,
                   .left = tf_previous(s),
                   .right = tf_next(s)};
}

static void batch_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    const sizes z = sizes_of(program, node);
    const uint64_t elements = z.b.tokens * z.columns;
    traffic->dealt_at = -1;
    traffic->exchanges = 3;
    traffic->whole[0][z.s][z.right] = z.vectors * z.vector_bytes + z.matrix * z.bytes + TF_KEY_BYTES;
    traffic->whole[1][z.s][z.right] = elements * z.bytes;
    for (int e = 1; e < 3; e++) {
        traffic->whole[e][z.left][z.right] = (e == 1 ? z.buckets * z.columns : elements) * z.bytes;
        traffic->whole[e][z.right][z.left] = traffic->whole[e][z.left][z.right];
    }
}

/** Sums of the table by buckets; Q, or L's and R's shares of it; and S's buckets and their signs. */
static size_t batch_state(const tf_program *program, const tf_step_node *node) {
    const sizes z = sizes_of(program, node);
    return z.buckets * z.columns + z.matrix + 2 * z.buckets; /* streams may fill an even number of words */
}

static uint64_t *sums_of(const tf_call *call) {
    return call->state;
}

static uint64_t *matrix_of(const tf_call *call, const sizes *z) {
    return call->state + z->buckets * z->columns;
}

/** S: all ones where a bucket's sign is positive, */
static uint64_t *signs_of(const tf_call *call, const sizes *z) {
    return matrix_of(call, z) + z->matrix;
}

/** and the tokens of its buckets. */
static int32_t *wants_of(const tf_call *call, const sizes *z) {
    return (int32_t *)(signs_of(call, z) + z->buckets);
}

/** The first position of a group, and how many it has. */
static tf_span positions_of(const sizes *z, size_t group) {
    const size_t begin = group * z->b.group, end = begin + z->b.group;
    return (tf_span){begin, end < z->b.tokens ? end : z->b.tokens};
}

/** The hash of this run; R must have had S's message. NULL without memory. */
static tf_prf *hash_of(tf_call *call, const sizes *z) {
    uint64_t key[2];
    const int id = call->party->id;
    if (id == z->right)
        memcpy(key, call->receive[z->s] + z->vectors * z->vector_bytes + z->matrix * z->bytes, sizeof key);
    else
        tf_stream(call->party, id == z->left, call->index, KEY, 0, key, 2);
    return tf_prf_new((const unsigned char *)key);
}

static tf_status check_tokens(const int32_t *token, const sizes *z, int id) {
    if (!token) return tf_fail(TF_INVALID, "party %d was given no token ids", id);
    for (size_t i = 0; i < z->b.tokens; i++)
        if (token[i] < 0 || (size_t)token[i] >= z->rows)
            return tf_fail(TF_RANGE, "a token id is outside the vocabulary of %zu", z->rows);
    return TF_OK;
}

/* S: buckets, vectors and Q ---------------------------------------------------------------------------------------- */

/** A group's buckets and vectors; `word` has room for the rows' hash words, `vector` for the vectors. */
static tf_status deal_group(tf_call *call, const sizes *z, const tf_prf *hash, size_t group, uint64_t *word,
                            uint64_t *vector) {
    const tf_span own = positions_of(z, group);
    const size_t words = tf_words(z->rows), first = group * TF_CHOICES;
    const int32_t *token = tf_call_leaf(call)->tokens + own.begin;
    int32_t *want = wants_of(call, z) + group * z->b.count;
    uint64_t its_word[TF_BATCH_GROUP] = {0};
    TF_TRY(tf_hash_rows(hash, group, 0, z->rows, word));
    tf_find_words(word, z->rows, token, tf_span_count(own), its_word);
    uint32_t found;
    TF_TRY(tf_assign_buckets(token, its_word, tf_span_count(own), &z->b, want, &found));
    if (!found) /* under this run's hashes */
        return tf_fail(TF_RANGE, "a lookup's tokens found no buckets, which happens once in 2^48 times: run it again");
    tf_stream(call->party, 0, call->index, BITS, first * words, vector, TF_CHOICES * words);
    tf_flip_bits(word, z->rows, &z->b, want, vector, words, signs_of(call, z) + group * z->b.count);
    for (size_t j = 0; j < TF_CHOICES; j++)
        memcpy(call->send[z->right] + (first + j) * z->vector_bytes, vector + j * words, z->vector_bytes);
    return TF_OK;
}

/** Q, which is kept, and R's share of it. */
static void deal_matrix(tf_call *call, const sizes *z, uint64_t *share) {
    const int32_t *token = tf_call_leaf(call)->tokens;
    uint8_t *message = call->send[z->right] + z->vectors * z->vector_bytes;
    const size_t n = z->b.count;
    for (size_t i = 0; i < z->b.tokens; i++) {
        const size_t first = i / z->b.group * n;
        uint64_t *row = matrix_of(call, z) + i * n;
        tf_fill_row(wants_of(call, z) + first, signs_of(call, z) + first, token[i], n, row);
        tf_stream(call->party, 0, call->index, MATRIX, i * n, share, n); /* n is even */
        for (size_t b = 0; b < n; b++) share[b] = row[b] - share[b];
        call->party->kernels->pack_bytes(share, n, z->bytes, message + i * n * z->bytes);
    }
}

static tf_status deal_vectors(tf_call *call, const sizes *z) {
    const size_t words = tf_words(z->rows), bytes = (z->rows + TF_CHOICES * words) * sizeof(uint64_t);
    const size_t room = z->b.count * sizeof(uint64_t);
    TF_TRY(check_tokens(tf_call_leaf(call)->tokens, z, call->party->id));
    uint64_t *word = tf_secret_alloc(bytes), *share = tf_secret_alloc(room), key[2];
    tf_prf *hash = hash_of(call, z);
    tf_status status = word && share && hash ? TF_OK : tf_fail(TF_NOMEM, "no memory for a lookup");
    memset(signs_of(call, z), 0, z->buckets * sizeof(uint64_t));
    for (size_t g = 0; g < z->b.groups && !status; g++) status = deal_group(call, z, hash, g, word, word + z->rows);
    if (!status) {
        deal_matrix(call, z, share);
        tf_stream(call->party, 0, call->index, KEY, 0, key, 2);
        memcpy(call->send[z->right] + z->vectors * z->vector_bytes + z->matrix * z->bytes, key, sizeof key);
        for (int j = 0; j < 2; j++)
            for (size_t i = 0; i < z->b.tokens; i++)
                tf_stream(call->party, j, call->index, OUT, i * tf_even(z->columns), call->out.c[j] + i * z->columns,
                          z->columns);
    }
    tf_prf_free(hash);
    tf_secret_free(share, room), tf_secret_free(word, bytes);
    return status;
}

/* All: products, and sums ------------------------------------------------------------------------------------------ */

/** to (positions x columns) += Q, or this party's share of it, (positions x buckets) times the group's sums. */
static tf_status multiply(tf_call *call, const sizes *z, size_t group, uint64_t *to) {
    const tf_kernels *kernels = call->party->kernels;
    const tf_span own = positions_of(z, group);
    const size_t m = tf_span_count(own), n = z->b.count;
    const uint64_t *sum = sums_of(call) + group * n * z->columns, *q = matrix_of(call, z) + own.begin * n;
    tf_packed *packed = kernels->pack(sum, NULL, n, z->columns, z->columns, 1, z->bits);
    if (!packed) return tf_fail(TF_NOMEM, "no memory for a product of a lookup");
    kernels->matmul(m, q, NULL, n, packed, to + own.begin * z->columns, z->columns, call->scratch);
    tf_packed_free(packed);
    return TF_OK;
}

/** S: s v - mu of each bucket, v being its part of the row, in place of v. */
static void mask_sums(tf_call *call, const sizes *z) {
    const uint64_t *positive = signs_of(call, z);
    uint64_t *sum = sums_of(call), mu[2][TF_BLOCK];
    for (size_t b = 0; b < z->buckets; b++, sum += z->columns) tf_for_blocks_of(at, count, ((tf_span){0, z->columns})) {
            const uint64_t sign = (positive[b] & 2) - 1;
            for (int j = 0; j < 2; j++)
                tf_stream(call->party, j, call->index, MU, b * tf_even(z->columns) + at, mu[j], count);
            for (size_t k = 0; k < count; k++) sum[at + k] = sign * sum[at + k] - mu[0][k] - mu[1][k];
        }
}

/** S: R's share of W, of one group. */
static tf_status deal_rows(tf_call *call, const sizes *z, size_t group, uint64_t *row) {
    const tf_span own = positions_of(z, group);
    TF_TRY(multiply(call, z, group, row));
    for (size_t i = own.begin; i < own.end; i++) tf_for_blocks_of(at, count, ((tf_span){0, z->columns})) {
            uint64_t mask[TF_BLOCK], *to = row + i * z->columns + at;
            tf_stream(call->party, 0, call->index, ROW, i * tf_even(z->columns) + at, mask, count);
            for (size_t k = 0; k < count; k++) to[k] -= mask[k];
        }
    return TF_OK;
}

/** S: its part of the rows, by all workers, as R's shares of W. */
static tf_status deal_all_rows(tf_call *call, const sizes *z) {
    const size_t elements = z->b.tokens * z->columns, room = elements * sizeof(uint64_t);
    if (call->worker == 0) memset(sums_of(call), 0, z->buckets * z->columns * sizeof(uint64_t));
    tf_prf *hash = hash_of(call, z);
    tf_status status = tf_pick_to_buckets(call, &z->b, hash, wants_of(call, z), sums_of(call));
    tf_prf_free(hash);
    if (call->worker || status) return status;
    uint64_t *row = tf_secret_alloc(room);
    if (!row) return tf_fail(TF_NOMEM, "no memory for a lookup");
    memset(row, 0, room);
    mask_sums(call, z);
    for (size_t g = 0; g < z->b.groups && !status; g++) status = deal_rows(call, z, g, row);
    if (!status) call->party->kernels->pack_bytes(row, elements, z->bytes, call->send[z->right]);
    tf_secret_free(row, room);
    return status;
}

/* L and R ---------------------------------------------------------------------------------------------------------- */

/** Sums over the table, by all workers. */
static tf_status sum_table(tf_call *call, const sizes *z, bool left) {
    size_t pitch, room;
    tf_prf *hash = hash_of(call, z);
    uint64_t *q = tf_own_vectors(call, left ? 1 : -1, BITS, call->receive[z->s], z->rows, z->vectors, &pitch, &room);
    if (call->worker == 0) memset(sums_of(call), 0, z->buckets * z->columns * sizeof(uint64_t));
    tf_status status = tf_select_to_buckets(call, &z->b, hash, left ? 0 : 1, q, pitch, sums_of(call));
    tf_secret_free(q, room);
    tf_prf_free(hash);
    return status;
}

/** The sums are kept masked and sent to the other; and what S dealt is kept until they were swapped. */
static void send_sums(tf_call *call, const sizes *z, bool left, uint64_t *mine) {
    const tf_kernels *kernels = call->party->kernels;
    uint64_t *sum = sums_of(call), mu[TF_BLOCK];
    for (size_t b = 0; b < z->buckets; b++, sum += z->columns) tf_for_blocks_of(at, count, ((tf_span){0, z->columns})) {
            tf_stream(call->party, left, call->index, MU, b * tf_even(z->columns) + at, mu, count);
            for (size_t k = 0; k < count; k++) sum[at + k] = (left ? sum[at + k] : 0 - sum[at + k]) + mu[k];
        }
    kernels->pack_bytes(sums_of(call), z->buckets * z->columns, z->bytes, call->send[left ? z->right : z->left]);
    if (left) {
        tf_stream(call->party, 1, call->index, MATRIX, 0, matrix_of(call, z), z->matrix);
        for (size_t i = 0; i < z->b.tokens; i++)
            tf_stream(call->party, 1, call->index, ROW, i * tf_even(z->columns), mine + i * z->columns, z->columns);
    } else {
        kernels->unpack_bytes(call->receive[z->s] + z->vectors * z->vector_bytes, z->matrix, z->bytes,
                              matrix_of(call, z));
    }
}

/** This side's parts of all rows, once sums were swapped, less the masks of a reshare. */
static tf_status combine(tf_call *call, const sizes *z, bool left, uint64_t *common, uint64_t *mine) {
    const tf_kernels *kernels = call->party->kernels;
    const int partner = left ? z->right : z->left;
    const size_t elements = z->b.tokens * z->columns;
    if (!left) kernels->unpack_bytes(call->receive[z->s], elements, z->bytes, mine);
    tf_for_blocks_of(at, count, ((tf_span){0, z->buckets * z->columns})) {
        uint64_t other[TF_BLOCK], *sum = sums_of(call) + at;
        kernels->unpack_bytes(call->receive[partner] + at * z->bytes, count, z->bytes, other);
        for (size_t k = 0; k < count; k++) sum[k] += other[k];
    }
    for (size_t g = 0; g < z->b.groups; g++) TF_TRY(multiply(call, z, g, mine));
    for (size_t i = 0; i < z->b.tokens; i++, common += z->columns, mine += z->columns) {
        memcpy(common, mine, z->columns * sizeof *common);
        tf_stream(call->party, left, call->index, OUT, i * tf_even(z->columns), mine, z->columns);
        for (size_t k = 0; k < z->columns; k++) common[k] -= mine[k];
    }
    return TF_OK;
}

static tf_status batch_whole(tf_call *call, int phase) {
    const sizes z = sizes_of(call->program, call->node);
    const tf_kernels *kernels = call->party->kernels;
    const bool left = call->party->id == z.left;
    const size_t elements = z.b.tokens * z.columns;
    if (call->party->id == z.s) {
        if (phase == 1) return deal_all_rows(call, &z);
        return phase || call->worker ? TF_OK : deal_vectors(call, &z);
    }
    if (phase == 1) TF_TRY(sum_table(call, &z, left));
    if (call->worker) return TF_OK;
    const int partner = left ? z.right : z.left;
    uint64_t *common = call->out.c[1 - left], *mine = call->out.c[left];
    if (phase == 1) {
        send_sums(call, &z, left, mine);
    } else if (phase == 2) {
        TF_TRY(combine(call, &z, left, common, mine));
        kernels->pack_bytes(common, elements, z.bytes, call->send[partner]);
    } else if (phase == 3) {
        tf_for_blocks_of(at, count, ((tf_span){0, elements})) {
            uint64_t other[TF_BLOCK];
            kernels->unpack_bytes(call->receive[partner] + at * z.bytes, count, z.bytes, other);
            for (size_t k = 0; k < count; k++) common[at + k] += other[k];
        }
    }
    return TF_OK;
}

/** The table must have the bits too. */
static double batch_widen(tf_program *p, tf_value value, unsigned bits, bool now) {
    const tf_step_node *node = &p->node[value];
    const sizes z = sizes_of(p, node);
    const double more = tf_bytes_of(bits) - z.bytes;
    return tf_widen(p, node->input[0], bits, now) +
           more * (double)((2 * z.buckets + 3 * z.b.tokens) * z.columns + z.matrix);
}

const tf_step tf_embed_batch_step = {.name = "embed_batch",
                                     .summary = "rows of a shared table at many indices known to one party",
                                     .widen = batch_widen,
                                     .cost = batch_cost,
                                     .state = batch_state,
                                     .shares_work = true,
                                     .whole = batch_whole};
