/*
 * Which element of a group is the largest, from the split bits of all its pairs: b_q = [x_i < x_j], i < j. Element i is
 * the first of the largest if all pairs (i, j) have b_q = 0 and all (h, i) have b_q = 1: a product of g - 1 literals
 * delta_q ^ rho_q, where delta_q is known to L and R and rho_q to S. S deals the products of all sets of its rho_q that
 * meet in an element; L and R have the rest, so a product of any number of split bits takes no interaction.
 *
 * tf_winners makes split bits of them: S deals XOR shares, L and R open their shares of the products under masks rho'
 * that S knows from the start. tf_select_winner does without opening: S deals shares mod 2^l of the products, and of
 * the products times v, so that L and R have the winner itself, and reshare: more bytes, and one exchange less than a
 * selection by opened bits.
 *
 * What the receivers learn. R gets what S deals less, or XOR, streams of k_s that it does not hold. L and R swap bits
 * under streams that the other does not hold (L: k_s, R: k_(s+1)), or parts less streams shared with S alone. All
 * uniform to their receivers. tests/reference/few_rounds.py is its executable reference.
 */
#include <string.h>

#include "runtime/steps/steps.h"

enum { DEAL = 1, OPEN, MU }; /* purposes */
enum { BLOCK_WORDS = TF_BLOCK / 64, MOST_SETS = 1 << (TF_WINNERS_MOST - 1), SELECT_SETS = 1 << (TF_SELECT_MOST - 1) };
enum { FEW = TF_BLOCK / 8 }; /* elements at a time where there are many sets */

typedef struct winners_args {
    int64_t group;
} winners_args;

static size_t group_of(const tf_step_node *node) {
    return (size_t)tf_args(winners_args, node)->group;
}

static size_t pairs_of(size_t group) {
    return group * (group - 1) / 2;
}

/** Sets of two and more of `group` - 1 literals. */
static size_t larger_sets(size_t group) {
    return ((size_t)1 << (group - 1)) - group;
}

static bool is_large(size_t set) {
    return (set & (set - 1)) != 0;
}

/** The pair of i and j, i < j: (0, 1), (0, 2), .., (1, 2), .. */
static size_t pair_of(size_t group, size_t i, size_t j) {
    return i * (2 * group - i - 1) / 2 + j - i - 1;
}

/** The pair behind literal k of element i; `negate`: whether its bit must be 0. */
static size_t literal(size_t group, size_t i, size_t k, bool *negate) {
    *negate = k >= i;
    return k >= i ? pair_of(group, i, k + 1) : pair_of(group, k, i);
}

/* Split bits of all elements but the first ------------------------------------------------------------------------- */

static size_t dealt_planes(size_t group) {
    return pairs_of(group) + (group - 1) * larger_sets(group);
}

static void winners_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape), g = group_of(node);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    for (int k = 0; k < TF_PARTS; k++) {
        uint64_t bytes = tf_words(tf_span_count(tf_part_span(n, program->cut, k))) * 8;
        traffic->dealt[k] = bytes * dealt_planes(g);
        traffic->swapped[0][k] = bytes * (g - 1);
    }
}

/** Plane k of the result from a block's first word on. */
static uint64_t *winner_plane(const tf_call *call, size_t k, size_t from) {
    return call->out.bit + k * tf_words(tf_shape_count(call->node->type.shape)) + from;
}

static void open_masks(tf_call *call, int which, size_t from, size_t words, uint64_t *out) {
    size_t planes = group_of(call->node) - 1;
    tf_stream(call->party, which, call->index, OPEN, planes * from, out, planes * words);
}

TF_MULTIVERSION static tf_status winners_solo(tf_call *call) {
    size_t g = group_of(call->node), pairs = pairs_of(g), planes = dealt_planes(g);
    int own = call->part.own;
    tf_for_blocks(call, at, count) {
        size_t words = tf_words(count), from = at / 64;
        uint64_t deal[planes * words], stream[planes * words], left[(g - 1) * words], right[(g - 1) * words];
        for (size_t q = 0; q < pairs; q++) memcpy(deal + q * words, call->in[q].bit + from, words * 8);
        uint64_t *out = deal + pairs * words;
        for (size_t i = 1; i < g; i++, out += larger_sets(g) * words)
            for (size_t w = 0; w < words; w++) {
                uint64_t of[MOST_SETS] = {0}, *to = out + w;
                for (size_t set = 1; set < (size_t)1 << (g - 1); set++) {
                    bool negate;
                    size_t q = literal(g, i, (size_t)__builtin_ctzll(set), &negate);
                    of[set] = is_large(set) ? of[set & (set - 1)] & deal[q * words + w] : deal[q * words + w];
                    if (is_large(set)) *to = of[set], to += words;
                }
            }
        tf_stream(call->party, own, call->index, DEAL, planes * from, stream, planes * words);
        for (size_t w = 0; w < planes * words; w++) deal[w] ^= stream[w];
        memcpy(call->message + (at - call->part.span.begin) / 64 * planes * 8, deal, planes * words * 8);
        open_masks(call, own, from, words, left);
        open_masks(call, 1 - own, from, words, right);
        for (size_t k = 0; k + 1 < g; k++)
            for (size_t w = 0; w < words; w++)
                winner_plane(call, k, from)[w] = left[k * words + w] ^ right[k * words + w];
    }
    return TF_OK;
}

/** This side's share of element i's product in word w: what was dealt of each set, times the delta of the others. */
static inline uint64_t product_bit(const tf_call *call, size_t i, const uint64_t *dealt, size_t words, size_t w,
                                   size_t from, uint64_t both) {
    size_t g = group_of(call->node), large = pairs_of(g) + (i - 1) * larger_sets(g);
    uint64_t term[MOST_SETS] = {both};
    for (size_t set = 1; set < (size_t)1 << (g - 1); set++) {
        bool negate;
        size_t q = is_large(set) ? large++ : literal(g, i, (size_t)__builtin_ctzll(set), &negate);
        term[set] = dealt[q * words + w];
    }
    for (size_t k = g - 1; k-- > 0;) {
        bool negate;
        size_t q = literal(g, i, k, &negate);
        uint64_t delta = call->in[q].bit[from + w] ^ (negate ? ~UINT64_C(0) : 0);
        for (size_t set = 0; set < (size_t)1 << k; set++)
            term[set] = term[set + ((size_t)1 << k)] ^ (delta & term[set]);
    }
    return term[0];
}

TF_MULTIVERSION static tf_status winners_pair(tf_call *call, int phase) {
    size_t g = group_of(call->node), planes = dealt_planes(g);
    bool left = call->part.role == TF_LEFT;
    tf_for_blocks(call, at, count) {
        size_t words = tf_words(count), from = at / 64, skip = (at - call->part.span.begin) / 64;
        if (phase == 1) {
            uint64_t other[(g - 1) * words];
            memcpy(other, call->received + skip * (g - 1) * 8, sizeof other);
            for (size_t k = 0; k + 1 < g; k++)
                for (size_t w = 0; w < words; w++) winner_plane(call, k, from)[w] ^= other[k * words + w];
            continue;
        }
        uint64_t dealt[planes * words], mask[(g - 1) * words];
        if (left)
            tf_stream(call->party, call->part.own, call->index, DEAL, planes * from, dealt, planes * words);
        else
            memcpy(dealt, call->dealt + skip * planes * 8, sizeof dealt);
        open_masks(call, call->part.own, from, words, mask);
        for (size_t k = 0; k + 1 < g; k++)
            for (size_t w = 0; w < words; w++) {
                mask[k * words + w] ^= product_bit(call, k + 1, dealt, words, w, from, left ? ~UINT64_C(0) : 0);
                winner_plane(call, k, from)[w] = mask[k * words + w];
            }
        memcpy(call->message + skip * (g - 1) * 8, mask, sizeof mask);
    }
    return TF_OK;
}

static const tf_step winners_step = {.name = "winners",
                                     .summary = "which element of a group is the largest, as split bits",
                                     .takes_bits = true,
                                     .elementwise = true,
                                     .cost = winners_cost,
                                     .shares_work = true,
                                     .solo = winners_solo,
                                     .pair = winners_pair};

/* The winner itself ------------------------------------------------------------------------------------------------ */

/* Inputs: the pairs' bits, and of each element but the first what it adds to the first. Dealt: all rho_q, the products
 * of the larger sets of each element, and of all its sets times its v. */

static size_t dealt_elements(size_t group) {
    size_t sets = (size_t)1 << (group - 1);
    return dealt_planes(group) + (group - 1) * (sets - 1);
}

static void select_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape), bytes = tf_bytes_of(node->type.bits);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, dealt_elements(group_of(node)) * bytes);
    tf_traffic_swap(traffic, 0, n, bytes);
}

static void element_stream(tf_call *call, size_t number, size_t at, size_t count, uint64_t *out) {
    size_t n = tf_even(tf_shape_count(call->node->type.shape));
    tf_stream(call->party, call->part.own, call->index, DEAL, number * n + at, out, count);
}

/** Where S's message has element `number` of the block. */
static size_t in_message(const tf_call *call, size_t number, size_t at) {
    size_t n = tf_span_count(call->part.span);
    return (number * n + at - call->part.span.begin) * tf_bytes_of(call->node->type.bits);
}

/** S: puts the bits, or what they select of v, into the message. */
static void deal(tf_call *call, size_t number, size_t at, size_t count, const uint64_t *all, const uint64_t *v) {
    uint64_t m[TF_BLOCK];
    element_stream(call, number, at, count, m);
    for (size_t i = 0; i < count; i++) m[i] = (all[i] & (v ? v[i] : 1)) - m[i];
    call->party->kernels->pack_bytes(m, count, tf_bytes_of(call->node->type.bits),
                                     call->message + in_message(call, number, at));
}

/** L or R: its share of a dealt element. */
static void take(tf_call *call, size_t number, size_t at, size_t count, uint64_t *out) {
    if (call->part.role == TF_LEFT)
        element_stream(call, number, at, count, out);
    else
        call->party->kernels->unpack_bytes(call->dealt + in_message(call, number, at), count,
                                           tf_bytes_of(call->node->type.bits), out);
}

TF_MULTIVERSION static tf_status select_solo(tf_call *call) {
    size_t g = group_of(call->node), pairs = pairs_of(g), sets = (size_t)1 << (g - 1);
    tf_for_blocks(call, at, count) {
        uint64_t rho[TF_BLOCK], v[TF_BLOCK];
        size_t large = pairs, times = dealt_planes(g);
        for (size_t q = 0; q < pairs; q++) {
            tf_expand_bits(call->in[q].bit, at, count, false, rho);
            deal(call, q, at, count, rho, NULL);
        }
        for (size_t i = 1; i < g; i++) {
            const tf_view *x = &call->in[pairs + i - 1];
            for (size_t e = 0; e < count; e++) v[e] = x->c[0][at + e] + x->c[1][at + e];
            for (size_t set = 1; set < sets; set++) {
                uint64_t all[TF_BLOCK];
                for (size_t e = 0; e < count; e++) all[e] = ~UINT64_C(0);
                for (size_t k = 0; k + 1 < g; k++) {
                    bool negate;
                    if (!(set >> k & 1)) continue;
                    tf_expand_bits(call->in[literal(g, i, k, &negate)].bit, at, count, false, rho);
                    for (size_t e = 0; e < count; e++) all[e] &= rho[e];
                }
                if (is_large(set)) deal(call, large++, at, count, all, NULL);
                deal(call, times++, at, count, all, v);
            }
        }
        tf_reshare_solo(call, (tf_reshare){MU, 0}, at, count);
    }
    return TF_OK;
}

/** part += element i's product of literals times what it adds to the first, of FEW elements at most. */
TF_MULTIVERSION static void add_element(tf_call *call, size_t i, size_t at, size_t count, uint64_t *part) {
    size_t g = group_of(call->node), pairs = pairs_of(g), sets = (size_t)1 << (g - 1);
    size_t large = pairs + (i - 1) * larger_sets(g), times = dealt_planes(g) + (i - 1) * (sets - 1);
    int own = call->part.own;
    const uint64_t *half = call->in[pairs + i - 1].c[own] + at, *c = call->in[pairs + i - 1].c[1 - own] + at;
    uint64_t term[SELECT_SETS][FEW], m[FEW], delta[FEW];
    uint64_t left = call->part.role == TF_LEFT ? ~UINT64_C(0) : 0; /* one side counts c */
    for (size_t e = 0; e < count; e++) term[0][e] = half[e] + (c[e] & left);
    for (size_t set = 1; set < sets; set++) {
        bool negate;
        take(call, is_large(set) ? large++ : literal(g, i, (size_t)__builtin_ctzll(set), &negate), at, count, m);
        take(call, times++, at, count, term[set]);
        for (size_t e = 0; e < count; e++) term[set][e] += c[e] * m[e];
    }
    for (size_t k = g - 1; k-- > 0;) {
        bool negate;
        size_t q = literal(g, i, k, &negate);
        tf_expand_bits(call->in[q].bit, at, count, negate, delta);
        for (size_t set = 0; set < (size_t)1 << k; set++) {
            uint64_t *whole = term[set], *once = term[set + ((size_t)1 << k)];
            for (size_t e = 0; e < count; e++) whole[e] = ((once[e] ^ delta[e]) - delta[e]) + (delta[e] & whole[e]);
        }
    }
    for (size_t e = 0; e < count; e++) part[e] += term[0][e];
}

static tf_status select_pair(tf_call *call, int phase) {
    tf_for_blocks(call, at, count) {
        if (phase == 1) {
            tf_reshare_receive(call, at, count);
            continue;
        }
        uint64_t part[TF_BLOCK] = {0};
        for (size_t few = 0; few < count; few += FEW)
            for (size_t i = 1; i < group_of(call->node); i++)
                add_element(call, i, at + few, count - few < FEW ? count - few : FEW, part + few);
        tf_reshare_send(call, (tf_reshare){MU, 0}, at, count, part);
    }
    return TF_OK;
}

static const tf_step select_step = {.name = "select_winner",
                                    .summary = "what the largest element of a group adds to the first",
                                    .takes_bits = true,
                                    .elementwise = true,
                                    .cost = select_cost,
                                    .shares_work = true,
                                    .solo = select_solo,
                                    .pair = select_pair};

/* Builders --------------------------------------------------------------------------------------------------------- */

double tf_winners_bytes(size_t group) {
    return (double)(dealt_planes(group) + 2 * (group - 1)) / 8;
}

double tf_select_winner_elements(size_t group) {
    return (double)dealt_elements(group) + 2;
}

/** Whether these are the bits of a group's pairs, all of one shape. */
static bool are_pairs(tf_program *p, size_t group, const tf_value *bit, size_t most) {
    if (p->status) return false;
    bool fit = group >= 2 && group <= most;
    for (size_t q = 0; fit && q < pairs_of(group); q++) {
        const tf_type *type = tf_type_of(p, bit[q]);
        fit = type->kind == TF_BIT && type->bits == 1 && tf_shape_equal(type->shape, tf_type_of(p, bit[0])->shape);
    }
    if (!fit) tf_program_fail(p, tf_fail(TF_INVALID, "the bits of all pairs of %zu elements are expected", group));
    return fit;
}

tf_value tf_winners(tf_program *p, size_t group, const tf_value *bit) {
    if (!are_pairs(p, group, bit, TF_WINNERS_MOST)) return -1;
    tf_type type = *tf_type_of(p, bit[0]);
    type.bits = (unsigned)group - 1;
    winners_args args = {.group = (int64_t)group};
    return tf_append_args(p, &winners_step, type, (int)pairs_of(group), bit, &args, sizeof args);
}

tf_value tf_select_winner(tf_program *p, size_t group, const tf_value *bit, const tf_value *more) {
    if (!are_pairs(p, group, bit, TF_SELECT_MOST)) return -1;
    size_t pairs = pairs_of(group);
    tf_value input[TF_STEP_INPUTS];
    memcpy(input, bit, pairs * sizeof *input);
    memcpy(input + pairs, more, (group - 1) * sizeof *input);
    tf_type type = *tf_type_of(p, more[0]);
    for (size_t i = 1; i + 1 < group; i++)
        if (tf_type_of(p, more[i])->bits < type.bits) type.bits = tf_type_of(p, more[i])->bits;
    type.zero = -1;
    winners_args args = {.group = (int64_t)group};
    return tf_append_args(p, &select_step, type, (int)(pairs + group - 1), input, &args, sizeof args);
}
