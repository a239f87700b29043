#include "runtime/party/bit_key.h"

#include "runtime/party/key_tree.h"

/* Tweaks of the hash: of the children, and of a leaf's block. */
enum { LEFT, RIGHT, LEAF };

/* Of a child's hash the lowest bit is its control bit, and the next, of the right one, what a turn there is worth. In a
 * body the three lowest bits correct the control bits of the left and the right child, and that worth. */
static const uint64_t SEED = ~UINT64_C(7);
enum { WORTH = 1, WORTH_CORRECTION = 2 };

/** Takes both holders a level down alpha's path; writes what corrects the child off it, which becomes the same for
 *  both, the control bits, of which one is set on the path and none or both off it, and what a turn to the right is
 *  worth: 1 if alpha turns left, else nothing. */
static bool make_level(const tf_prf *hash, uint64_t seed[2][2], uint64_t control[2], uint64_t bit, uint64_t *body) {
    uint64_t made[2][2][2], keep[2][2], lose[2][2];
    for (unsigned b = 0; b < 2; b++)
        for (unsigned k = LEFT; k <= RIGHT; k++) tf_tweak(seed[b], k, made[b][k]);
    const bool ok = tf_prf_hash(hash, made[0][0], 4);
    for (unsigned b = 0; b < 2; b++)
        for (int w = 0; w < 2; w++) {
            keep[b][w] = tf_choose(bit, made[b][LEFT][w], made[b][RIGHT][w]);
            lose[b][w] = tf_choose(bit, made[b][RIGHT][w], made[b][LEFT][w]);
        }
    const uint64_t left = (made[0][LEFT][0] ^ made[1][LEFT][0] ^ bit ^ 1) & 1,
                   both = made[0][RIGHT][0] ^ made[1][RIGHT][0], right = (both ^ bit) & 1,
                   worth = (both >> WORTH ^ bit ^ 1) & 1;
    body[0] = ((lose[0][0] ^ lose[1][0]) & SEED) | left | right << RIGHT | worth << WORTH_CORRECTION;
    body[1] = lose[0][1] ^ lose[1][1];
    for (unsigned b = 0; b < 2; b++) {
        const uint64_t own = -control[b];
        seed[b][0] = (keep[b][0] ^ (body[0] & own)) & SEED;
        seed[b][1] = keep[b][1] ^ (body[1] & own);
        control[b] = (keep[b][0] ^ (tf_choose(bit, left, right) & own)) & 1;
    }
    return ok;
}

bool tf_bit_key_make(const tf_prf *hash, const uint64_t *root_0, const uint64_t *root_1, unsigned bits, uint64_t alpha,
                     uint64_t *body) {
    uint64_t seed[2][2] = {{root_0[0] & SEED, root_0[1]}, {root_1[0] & SEED, root_1[1]}}, control[2] = {0, 1};
    uint64_t leaf[2][2];
    bool ok = true;
    for (unsigned i = bits; i-- > TF_BIT_KEY_LEAF; body += 2)
        ok &= make_level(hash, seed, control, alpha >> i & 1, body);
    for (unsigned b = 0; b < 2; b++) tf_tweak(seed[b], LEAF, leaf[b]);
    ok &= tf_prf_hash(hash, leaf[0], 2);
    const uint64_t from = ~UINT64_C(0) << (alpha & 63), upper = alpha >> 6 & 1; /* ones from alpha on */
    body[0] = leaf[0][0] ^ leaf[1][0] ^ (from & ~-upper);
    body[1] = leaf[0][1] ^ leaf[1][1] ^ (from | ~-upper);
    return ok;
}

/* Where points' paths have come to: seeds, all ones where the control bit is set, and this side's shares of what they
 * have passed, in the bit of WORTH. */
typedef struct walks {
    uint64_t seed[TF_KEY_POINTS + 2][2], control[TF_KEY_POINTS + 2], share[TF_KEY_POINTS + 2],
        turn[TF_KEY_POINTS + 2]; /* all ones to the right */
} walks;

static inline void choose_walk(walks *at, uint64_t bit, size_t a, size_t b, size_t to) {
    for (int w = 0; w < 2; w++) at->seed[to][w] = tf_choose(bit, at->seed[a][w], at->seed[b][w]);
    at->control[to] = tf_choose(bit, at->control[a], at->control[b]);
    at->share[to] = tf_choose(bit, at->share[a], at->share[b]);
}

/** Takes walks [begin, end) down a level of the body, to where they turn. */
static bool descend(const tf_prf *hash, const uint64_t *body, walks *at, size_t begin, size_t end) {
    const uint64_t left = (body[0] & SEED) | (body[0] & 1),
                   right = (body[0] & SEED) | (body[0] >> RIGHT & 1) | (body[0] >> WORTH_CORRECTION & 1) << WORTH;
    for (size_t k = begin; k < end; k++) at->seed[k][0] ^= at->turn[k] & RIGHT;
    const bool ok = tf_prf_hash(hash, at->seed[begin], end - begin);
    for (size_t k = begin; k < end; k++) {
        const uint64_t correction = left ^ ((left ^ right) & at->turn[k]);
        const uint64_t made = at->seed[k][0] ^ (correction & at->control[k]);
        at->seed[k][0] = made & SEED;
        at->seed[k][1] ^= body[1] & at->control[k];
        at->share[k] ^= made & at->turn[k];
        at->control[k] = -(made & 1);
    }
    return ok;
}

/** Adds what the leaf's block says of points [begin, end), of whose numbers `mask` has the bits that are left. */
static bool add_leaves(const tf_prf *hash, const uint64_t *body, uint64_t base, uint64_t mask,
                       const tf_comparison_point *point, walks *at, size_t begin, size_t end) {
    for (size_t k = begin; k < end; k++) at->seed[k][0] ^= LEAF;
    const bool ok = begin == end || tf_prf_hash(hash, at->seed[begin], end - begin);
    for (size_t k = begin; k < end; k++) {
        const uint64_t q = (base + point[k].offset) & mask, correct = at->control[k];
        const uint64_t word =
            tf_choose(q >> 6, at->seed[k][0] ^ (body[0] & correct), at->seed[k][1] ^ (body[1] & correct));
        at->share[k] ^= (word >> (q & 63) & 1) << WORTH;
    }
    return ok;
}

/*
 * As in comparison_key.c two walks serve all points on their way down: one to the base, and one next to it, which turns
 * right from the base's where that turns left, and left from itself where that turns right. A point walks by itself
 * from its offset's highest bit on. Both stand behind the points that do, at `end` and after it.
 */
static void begin_walk(walks *at, uint64_t base, uint64_t offset, unsigned bits, size_t end) {
    const uint64_t carry = ((base & ((UINT64_C(1) << bits) - 1)) + offset) >> bits & 1;
    for (size_t k = end + 2; k > end; k--) choose_walk(at, 0, k - 1, k - 1, k);
    choose_walk(at, carry, end + 1, end + 2, end);
}

bool tf_bit_key_at(const tf_prf *hash, int holder, const uint64_t *root, unsigned bits, const uint64_t *body,
                   uint64_t base, size_t points, const tf_comparison_point *point, uint8_t *share) {
    walks at;
    size_t begin = 0, end = 0; /* of the points that walk by themselves */
    unsigned below = bits;     /* bits below those that walks have turned to */
    bool ok = true;
    for (size_t k = 0; k < 2; k++) {
        at.seed[k][0] = root[0] & SEED;
        at.seed[k][1] = root[1];
        at.control[k] = -(uint64_t)holder;
        at.share[k] = 0;
    }
    for (; below > TF_BIT_KEY_LEAF; body += 2) {
        for (; end < points && tf_bit_length(point[end].offset) >= below; end++)
            begin_walk(&at, base, point[end].offset, below, end);
        below--;
        while (begin < end && point[begin].low > below) begin++;
        for (size_t j = begin; j < end; j++) at.turn[j] = -((base + point[j].offset) >> below & 1);
        const uint64_t turn = base >> below & 1;
        choose_walk(&at, turn, end, end + 1, end + 1);
        at.turn[end] = -turn;
        at.turn[end + 1] = ~-turn;
        ok &= descend(hash, body, &at, begin, end + 2);
    }
    for (; end < points; end++) begin_walk(&at, base, point[end].offset, below, end);
    while (begin < end && point[begin].low >= TF_BIT_KEY_LEAF) begin++;
    ok &= add_leaves(hash, body, base, (UINT64_C(1) << below) - 1, point, &at, begin, end);
    for (size_t j = 0; j < points; j++) share[j] = at.share[j] >> WORTH & 1;
    return ok;
}
