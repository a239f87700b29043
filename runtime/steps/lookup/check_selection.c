/*
 * Whether what an owner outside dealt selects one row for each token, the same of all three components of the table.
 *
 * Of component j, L = party j holds the vector a_j and R = j - 1 holds b_j; d_j = a_j + b_j over GF(2) must be the unit
 * vector of one t for all j, and sign_j, which is shared mod 2^64, must be a_j[t] - b_j[t]. With r and s random in
 * GF(2^64) for each row, tossed by the parties where the owner cannot know them, it is so but for a probability of some
 * 2^-62 if all of this holds:
 *
 * (1) <r, d_0> <s, d_0> = <rs, d_0>: then d_0 has at most one bit, for the difference is the sum of r_i s_k over pairs
 * of other bits, a polynomial of degree 2. (Squares, s = r, would always pass: squaring is linear here.)
 * (2) <r, d_0> = <r, d_1> = <r, d_2>: then all d_j are the same.
 * (3) sign_j is the number of ones of a_j less that of b_j, and exactly one of these is odd: d_j has a bit.
 *
 * (2) and (3) are equations between what L holds and what R holds. (1) needs a product: parties 0 and 2 open x = <r,
 * d_0> and y = <s, d_0> to each other under masks v that party 1 knows, c = x + v; then x y has three parts, each a
 * party's own. `tests/reference/unit_vectors.py` has it all, with every value made from what its party holds.
 *
 * What the receivers learn where the owner is honest. Round 1: nothing; what party 0 opens is masked by a stream of
 * k_1, which party 2 lacks, and the other way round by one of k_2. Round 2: nothing new; for each j its two holders
 * send each other one sum of these equations' sides, under factors from k_j, so they receive what they hold. Where x_1
 * and x_2 are compared with x_0, parties 0 and 2 put in c, and party 1 puts in v: whatever one of them opened wrongly,
 * both others notice, whatever the token is, and send nothing more. Also each party V sends its part of w, the sum of
 * gamma (x y - <rs, d_0>) over the tokens, to party V + 1, under a mask of k_V. Round 3: whether w = 0; for each V the
 * two others now share w, and send V their shares times rho, plus sigma, both of k_(V+2), which V lacks. So a party
 * that deviates finds out nothing from whether the run goes on: it does if, and only if, the party changed nothing.
 */
#include <string.h>

#include "runtime/graph/graph.h"
#include "runtime/steps/field.h"
#include "runtime/steps/lookup/lookup.h"

/* Purposes of streams: of the parties' keys, and of the coin. */
enum { MASK = 1, EQUAL, MU, RHO };
enum { ROW_R = 1, ROW_S, GAMMA };

/** Inputs: lookups by tf_embed_shared_step, whose selections are checked. */

/** Sums over the rows that a vector selects: of r, s and rs, and how many there are. */
typedef struct tally {
    uint64_t x, y, z, ones;
} tally;

/** What is kept between the phases. */
typedef struct state {
    tally *tally;        /* tokens x 2: of the vectors for components id and id + 1 */
    uint64_t *opened[2]; /* of component 0: c of x and y at parties 0 and 2, v at party 1 */
    uint64_t *part;      /* of w */
    uint64_t *sum;       /* 2: compared with the previous and the next party */
} state;

static size_t tokens_of(const tf_program *program, const tf_step_node *node) {
    size_t tokens = 0;
    for (int k = 0; k < node->inputs; k++) tokens += tf_shape_count(program->node[node->input[k]].leaf->shape);
    return tokens;
}

static size_t check_state(const tf_program *program, const tf_step_node *node) {
    return 10 * tokens_of(program, node) + 4;
}

static state state_of(const tf_call *call, size_t tokens) {
    uint64_t *rest = call->state + 8 * tokens;
    return (state){.tally = (tally *)call->state,
                   .opened = {rest, rest + tokens},
                   .part = rest + 2 * tokens,
                   .sum = rest + 2 * tokens + 1};
}

static void check_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    const size_t word = sizeof(uint64_t);
    traffic->dealt_at = -1;
    traffic->exchanges = 3;
    traffic->whole[0][0][2] = traffic->whole[0][2][0] = 2 * word * tokens_of(program, node);
    for (int i = 0; i < TF_PARTIES; i++) {
        traffic->whole[1][i][tf_next(i)] = 2 * word;
        traffic->whole[1][i][tf_previous(i)] = word;
        traffic->whole[2][i][tf_next(i)] = traffic->whole[2][i][tf_previous(i)] = word;
    }
}

/** What this party holds for lookup k; the lookup itself, which ran before, has checked that it is there and fits. */
static const tf_selection *selection_of(const tf_call *call, int k) {
    return tf_leaf_now(call, call->program->node[call->node->input[k]].leaf)->selection;
}

static bool read_coin(const tf_call *call, tf_prf *coin, unsigned purpose, size_t at, size_t words, uint64_t *out) {
    return tf_prf_words(coin, (uint64_t)call->party->run << 32 | call->index, purpose, at, out, words);
}

/** Adds the rows of a block, a multiple of 64 in number, that a vector selects. */
TF_MULTIVERSION static void add_selected(const uint64_t *vector, size_t rows, uint64_t (*random)[TF_BLOCK], tally *to) {
    uint64_t x = 0, y = 0, z = 0, ones = 0;
    for (size_t w = 0; w < rows / 64; w++)
        for (size_t b = 0; b < 64; b++) {
            uint64_t selected = 0 - (vector[w] >> b & 1), at = 64 * w + b;
            x ^= random[0][at] & selected;
            y ^= random[1][at] & selected;
            z ^= random[2][at] & selected;
            ones -= selected;
        }
    *to = (tally){to->x ^ x, to->y ^ y, to->z ^ z, to->ones + ones};
}

/** r, s and r s of rows [at, at + count), zero up to a multiple of 64. */
TF_MULTIVERSION static bool draw_rows(const tf_call *call, tf_prf *coin, size_t at, size_t count,
                                      uint64_t (*random)[TF_BLOCK]) {
    for (size_t i = count / 64 * 64; i < (count + 63) / 64 * 64; i++) random[0][i] = random[1][i] = 0;
    bool drawn =
        read_coin(call, coin, ROW_R, at, count, random[0]) && read_coin(call, coin, ROW_S, at, count, random[1]);
    for (size_t i = 0; i < count; i += 64) tf_field_mul_each(random[0] + i, random[1] + i, 64, random[2] + i);
    return drawn;
}

/** This worker's tokens of one lookup. */
static bool tally_lookup(const tf_call *call, tf_prf *coin, const tf_selection *selection, tally *to) {
    uint64_t random[3][TF_BLOCK];
    tf_span own = tf_worker_items(call, selection->tokens);
    bool drawn = true;
    memset(to + 2 * own.begin, 0, 2 * tf_span_count(own) * sizeof *to);
    tf_for_blocks_of(at, count, ((tf_span){0, selection->rows})) {
        drawn &= draw_rows(call, coin, at, count, random);
        for (size_t i = own.begin; i < own.end; i++)
            for (int k = 0; k < 2; k++)
                add_selected(selection->vector[k] + i * tf_words(selection->rows) + at / 64, (count + 63) / 64 * 64,
                             random, &to[2 * i + (size_t)k]);
    }
    return drawn;
}

static tf_status tally_all(tf_call *call, const state *s) {
    tf_prf *coin;
    TF_TRY(tf_party_coin(call->party, &coin));
    bool drawn = true;
    size_t first = 0;
    for (int k = 0; k < call->node->inputs; k++) {
        const tf_selection *selection = selection_of(call, k);
        drawn &= tally_lookup(call, coin, selection, s->tally + 2 * first);
        first += selection->tokens;
    }
    tf_prf_free(coin);
    return drawn ? TF_OK : tf_fail(TF_INTERNAL, "AES-128-CTR failed");
}

/** The masks of token i's x and y: party 1 has both, 0 and 2 their own. */
static void masks_of(tf_call *call, size_t i, uint64_t mask[2]) {
    uint64_t other[2];
    tf_stream(call->party, call->party->id == 0, call->index, MASK, 2 * i, mask, 2);
    if (call->party->id != 1) return;
    tf_stream(call->party, 1, call->index, MASK, 2 * i, other, 2);
    mask[0] ^= other[0], mask[1] ^= other[1];
}

/** Round 1, by the first worker once all have added up. */
static void open_first(tf_call *call, const state *s, size_t tokens) {
    int id = call->party->id;
    for (size_t i = 0; i < tokens; i++) {
        uint64_t x[2];
        const tally *own = &s->tally[2 * i + (id == 2)];
        masks_of(call, i, x);
        if (id != 1) x[0] ^= own->x, x[1] ^= own->y;
        for (int k = 0; k < 2; k++) s->opened[k][i] = x[k];
        if (id != 1) memcpy(call->send[2 - id] + i * sizeof x, x, sizeof x);
    }
}

/** c = x + v at parties 0 and 2. */
static void receive_first(const tf_call *call, const state *s, size_t tokens) {
    int id = call->party->id;
    for (size_t i = 0; i < tokens && id != 1; i++) {
        uint64_t x[2];
        memcpy(x, call->receive[2 - id] + i * sizeof x, sizeof x);
        for (int k = 0; k < 2; k++) s->opened[k][i] ^= x[k];
    }
}

/** This party's part of w, the sum of gamma (x y - <rs, d_0>). */
static tf_status multiply_opened(tf_call *call, const state *s, size_t tokens) {
    int id = call->party->id;
    tf_prf *coin;
    bool drawn = true;
    TF_TRY(tf_party_coin(call->party, &coin));
    *s->part = 0;
    for (size_t i = 0; i < tokens; i++) {
        uint64_t x = s->opened[0][i], y = s->opened[1][i], mask[2], gamma[2], part = 0;
        masks_of(call, i, mask);
        drawn &= read_coin(call, coin, GAMMA, 2 * i, 2, gamma);
        if (id != 2) part ^= tf_field_mul(x, y);
        if (id != 1) part ^= tf_field_mul(x, mask[1]) ^ tf_field_mul(y, mask[0]) ^ s->tally[2 * i + (id == 2)].z;
        *s->part ^= tf_field_mul(gamma[0], part);
    }
    tf_prf_free(coin);
    return drawn ? TF_OK : tf_fail(TF_INTERNAL, "AES-128-CTR failed");
}

/** What is the same with this party and the other holder of component id + k, of one token, under factors of theirs. */
static uint64_t compared(tf_call *call, const state *s, const tf_selection *selection, int k, size_t i, size_t number) {
    size_t j = (size_t)tf_component_of(call->party->id, k), sign = 3 * i + j;
    const tally *own = &s->tally[2 * number + (size_t)k];
    uint64_t factor[4], signs = k ? 0 - selection->sign[0][sign] : selection->sign[0][sign] + selection->sign[1][sign];
    tf_stream(call->party, k, call->index, EQUAL, 4 * number, factor, 4);
    uint64_t sum = tf_field_mul(factor[0], signs - own->ones) ^ tf_field_mul(factor[1], (own->ones ^ (uint64_t)k) & 1);
    if (j == 0) return sum;
    return sum ^ tf_field_mul(factor[2], own->x ^ s->opened[0][number]) ^
           tf_field_mul(factor[3], own->y ^ s->opened[1][number]);
}

/** One element of a stream that has no others. */
static uint64_t single(tf_call *call, int which, unsigned purpose) {
    uint64_t word[2];
    tf_stream(call->party, which, call->index, purpose, 0, word, 2);
    return word[0];
}

/** Round 2. */
static void send_second(tf_call *call, const state *s) {
    int id = call->party->id;
    s->sum[0] = s->sum[1] = 0;
    size_t number = 0;
    for (int lookup = 0; lookup < call->node->inputs; lookup++) {
        const tf_selection *selection = selection_of(call, lookup);
        for (size_t i = 0; i < selection->tokens; i++, number++)
            for (int k = 0; k < 2; k++) s->sum[k] ^= compared(call, s, selection, k, i, number);
    }
    uint64_t to_next[2] = {s->sum[1], *s->part ^ single(call, 0, MU)};
    memcpy(call->send[tf_next(id)], to_next, sizeof to_next);
    memcpy(call->send[tf_previous(id)], s->sum, sizeof *s->sum);
}

static tf_status refuse(void) {
    return tf_fail_public(TF_MISMATCH, "the shares of the texts do not select one row of a table for each token, the "
                                       "same by all three files: the run is void. Share the texts anew");
}

/** A share of w times rho, plus sigma, for the party that compares it with the other share. */
static void send_share(tf_call *call, int peer, int which, uint64_t share) {
    uint64_t key[2];
    tf_stream(call->party, which, call->index, RHO, 0, key, 2);
    share = tf_field_mul(key[0], share) ^ key[1];
    memcpy(call->send[peer], &share, sizeof share);
}

/** Round 3, if what was compared is the same. */
static tf_status send_third(tf_call *call, const state *s) {
    int previous = tf_previous(call->party->id), next = tf_next(call->party->id);
    uint64_t from_previous[2], from_next;
    memcpy(from_previous, call->receive[previous], sizeof from_previous);
    memcpy(&from_next, call->receive[next], sizeof from_next);
    if (from_previous[0] != s->sum[0] || from_next != s->sum[1]) return refuse();
    send_share(call, previous, 1, *s->part ^ from_previous[1]);
    send_share(call, next, 0, *s->part ^ single(call, 1, MU));
    return TF_OK;
}

static tf_status check_whole(tf_call *call, int phase) {
    size_t tokens = tokens_of(call->program, call->node);
    state s = state_of(call, tokens);
    if (phase == 0) {
        tf_status status = tally_all(call, &s);
        tf_meet(call);
        if (!call->worker && !status) open_first(call, &s, tokens);
        return status;
    }
    if (call->worker) return TF_OK;
    if (phase == 1) {
        receive_first(call, &s, tokens);
        TF_TRY(multiply_opened(call, &s, tokens));
        send_second(call, &s);
        return TF_OK;
    }
    if (phase == 2) return send_third(call, &s);
    if (memcmp(call->receive[tf_next(call->party->id)], call->receive[tf_previous(call->party->id)], sizeof(uint64_t)))
        return refuse();
    call->out.c[0][0] = call->out.c[1][0] = 0;
    return TF_OK;
}

static const tf_step check_step = {.name = "check_selection",
                                   .summary = "checks that shared tokens select one row each",
                                   .cost = check_cost,
                                   .state = check_state,
                                   .shares_work = true,
                                   .whole = check_whole};

void tf_check_selections(tf_program *p) {
    tf_value lookup[TF_STEP_INPUTS];
    int count = 0;
    for (int i = 0; i < p->nodes && !p->status; i++) {
        if (p->node[i].step != &tf_embed_shared_step) continue;
        bool again = false;
        for (int k = 0; k < count; k++) again |= p->node[lookup[k]].leaf == p->node[i].leaf;
        if (!again && count == TF_STEP_INPUTS)
            tf_program_fail(p, tf_fail(TF_INVALID, "an owner outside shares at most %d inputs", TF_STEP_INPUTS));
        else if (!again)
            lookup[count++] = i;
    }
    tf_type type = {.shape = tf_dims(1), .kind = TF_SHARE, .bits = 1, .bound = 1, .zero = -1};
    if (count && !p->status) p->selections = tf_append(p, &check_step, type, count, lookup);
}
