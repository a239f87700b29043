#include "runtime/party/comparison_key.h"

#include <string.h>

#include "runtime/kernels/multiversion.h"
#include "runtime/party/key_tree.h"

/*
 * A tree of seeds: a seed's children, and what it is worth, are hashes of it under different tweaks. Along the path to
 * alpha the two holders have independent seeds, and control bits of which one is set; elsewhere both have the same, so
 * that what they add and subtract cancels. Who has the control bit corrects by the body: the child off the path becomes
 * the same for both, and what is added where a point turns right becomes the payload if alpha turns left there.
 */
enum { LEFT, RIGHT, WORTH, HASHES = WORTH + TF_PAYLOAD }; /* tweaks */

/* The two lowest bits of a seed are zero; in a body they correct the control bits of the left and the right child. */
static const uint64_t SEED = ~UINT64_C(3);

tf_prf *tf_comparison_hash(void) {
    static const unsigned char key[TF_KEY_BYTES + 1] = "trefoil compares";
    return tf_prf_new(key);
}

/** The path to alpha as both holders know it. */
typedef struct path {
    uint64_t seed[2][2], control[2];
} path;

/** Writes the corrections of a level's seeds, of whose children, the left one first, `made` are the hashes for either
 *  holder, and goes on to where alpha's bit points. */
static void correct(path *at, uint64_t bit, uint64_t (*const made[2])[2], uint64_t *corrections) {
    uint64_t keep[2][2], lose[2][2];
    for (unsigned b = 0; b < 2; b++)
        for (int w = 0; w < 2; w++) {
            keep[b][w] = tf_choose(bit, made[b][LEFT][w], made[b][RIGHT][w]);
            lose[b][w] = tf_choose(bit, made[b][RIGHT][w], made[b][LEFT][w]);
        }
    uint64_t left = (made[0][LEFT][0] ^ made[1][LEFT][0] ^ bit ^ 1) & 1,
             right = (made[0][RIGHT][0] ^ made[1][RIGHT][0] ^ bit) & 1;
    corrections[0] = ((lose[0][0] ^ lose[1][0]) & SEED) | left | right << 1;
    corrections[1] = lose[0][1] ^ lose[1][1];
    for (unsigned b = 0; b < 2; b++) {
        uint64_t own = -at->control[b];
        at->seed[b][0] = (keep[b][0] ^ (corrections[0] & own)) & SEED;
        at->seed[b][1] = keep[b][1] ^ (corrections[1] & own);
        at->control[b] = (keep[b][0] ^ (tf_choose(bit, left, right) & own)) & 1;
    }
}

static path begin_path(const uint64_t *root_0, const uint64_t *root_1) {
    return (path){{{root_0[0] & SEED, root_0[1]}, {root_1[0] & SEED, root_1[1]}}, {0, 1}};
}

/** Writes a level of the body, and goes on to where alpha's bit points. */
static bool make_level(const tf_prf *hash, path *at, uint64_t bit, const tf_wide *payload, uint64_t *body) {
    uint64_t made[2][HASHES][2];
    bool ok = true;
    for (unsigned b = 0; b < 2; b++) {
        for (unsigned k = 0; k < HASHES; k++) tf_tweak(at->seed[b], k, made[b][k]);
        ok &= tf_prf_hash(hash, made[b][0], HASHES);
    }
    for (unsigned k = 0; k < TF_PAYLOAD; k++) {
        tf_wide flip = -(tf_wide)at->control[1], worth = payload[k] & ((tf_wide)bit - 1);
        worth += tf_wide_of(made[1][WORTH + k]) - tf_wide_of(made[0][WORTH + k]);
        worth = (worth ^ flip) - flip;
        tf_wide_put(worth, body + 2 + 2 * k);
    }
    correct(at, bit, (uint64_t(*const[2])[2]){made[0], made[1]}, body);
    return ok;
}

bool tf_comparison_make(const tf_prf *hash, const uint64_t *root_0, const uint64_t *root_1, unsigned bits,
                        uint64_t alpha, const tf_wide payload[TF_PAYLOAD], uint64_t *body) {
    path at = begin_path(root_0, root_1);
    bool ok = true;
    for (unsigned i = bits + 1; i-- > 0; body += TF_KEY_LEVEL_WORDS)
        ok &= make_level(hash, &at, alpha >> i & 1, payload, body);
    return ok;
}

/*
 * The points base + offset lie close together where their offsets are small. Of its upper bits, those above the highest
 * one of the offset, each has what the base has, or one more. So two walks serve all on their way down: BASE, and NEXT
 * to it, which turns right from BASE where that turns left, and left from itself where BASE turns right.
 */
enum { BASE, NEXT, FIRST, MOST_WALKS = FIRST + TF_KEY_POINTS };

/* What a turn is worth: a vector of numbers, their lower words first. */
typedef uint64_t numbers __attribute__((vector_size(TF_PAYLOAD * sizeof(tf_wide))));
#define INLINE static inline __attribute__((always_inline))

/** Where the points' paths have come to, and what the turns so far are worth. */
typedef struct walks {
    numbers share[MOST_WALKS];
    uint64_t seed[MOST_WALKS][2], control[MOST_WALKS];
} walks;

/** Those that go down a level: BASE, NEXT, and `count` in all; of the others the first `skip` have come to their ends.
 *  Where they turn to; the hashes of that child, and of what the turn is worth. */
typedef struct turns {
    size_t count, skip;
    uint64_t bit[MOST_WALKS], child[MOST_WALKS][2];
    numbers worth[MOST_WALKS];
} turns;

INLINE size_t walk_of(const turns *t, size_t k) {
    return k < FIRST ? k : k + t->skip;
}

/** Walk k goes on from BASE where the bit is 0, from NEXT where it is 1. */
static void go_on_from(walks *at, uint64_t bit, size_t k) {
    for (int w = 0; w < 2; w++) at->seed[k][w] = tf_choose(bit, at->seed[BASE][w], at->seed[NEXT][w]);
    at->control[k] = tf_choose(bit, at->control[BASE], at->control[NEXT]);
    at->share[k] = at->share[BASE] ^ ((at->share[BASE] ^ at->share[NEXT]) & -bit);
}

/* Of each number its upper word. */
static const numbers UPPER = {0, ~UINT64_C(0), 0, ~UINT64_C(0), 0, ~UINT64_C(0), 0, ~UINT64_C(0)};

/** What is to be hashed. */
TF_MULTIVERSION static void look(const walks *at, turns *t) {
    const numbers tweaks = {WORTH, 0, WORTH + 1, 0, WORTH + 2, 0, WORTH + 3, 0};
    for (size_t k = 0; k < t->count; k++) {
        const uint64_t *seed = at->seed[walk_of(t, k)];
        tf_tweak(seed, t->bit[k], t->child[k]);
        const numbers lower = (numbers){0} + seed[0], upper = (numbers){0} + seed[1];
        t->worth[k] = ((lower & ~UPPER) | (upper & UPPER)) ^ tweaks;
    }
}

/** Adds numbers mod 2^128: what is below an addend has wrapped. */
INLINE void add(numbers *sum, const numbers *x) {
    *sum += *x;
    const numbers wrapped = (numbers)(*sum < *x);
    *sum -= __builtin_shufflevector(wrapped, wrapped, 0, 0, 2, 2, 4, 4, 6, 6) & UPPER;
}

TF_MULTIVERSION static void turn(walks *at, const turns *t, const uint64_t *body) {
    numbers correction;
    memcpy(&correction, body + 2, sizeof correction);
    for (size_t k = 0; k < t->count; k++) {
        const size_t i = walk_of(t, k);
        const uint64_t bit = t->bit[k], own = -at->control[i], *made = t->child[k];
        const numbers worth = t->worth[k] & -bit, corrected = correction & (own & -bit);
        add(&at->share[i], &worth);
        add(&at->share[i], &corrected);
        at->control[i] = (made[0] ^ (body[0] >> bit & own)) & 1;
        at->seed[i][0] = (made[0] ^ (body[0] & own)) & SEED;
        at->seed[i][1] = made[1] ^ (body[1] & own);
    }
}

/** Takes these walks down a level of the body. */
static bool descend(const tf_prf *hash, const uint64_t *body, turns *t, walks *at) {
    go_on_from(at, t->bit[BASE], NEXT);
    look(at, t);
    bool ok = tf_prf_hash(hash, t->child[0], t->count);
    ok &= tf_prf_hash(hash, (uint64_t *)t->worth, t->count * TF_PAYLOAD);
    turn(at, t, body);
    return ok;
}

/** From the root, whose left child alpha lies under, to there; a turn to the right is worth the payload. */
static bool begin_walks(const tf_prf *hash, int holder, const uint64_t *root, const uint64_t *body, turns *t, walks *at,
                        tf_wide *everything) {
    for (size_t k = BASE; k < FIRST; k++) {
        at->seed[k][0] = root[0] & SEED;
        at->seed[k][1] = root[1];
        at->control[k] = (uint64_t)holder;
        at->share[k] = (numbers){0};
        t->bit[k] = k == NEXT;
    }
    t->count = FIRST;
    const bool ok = descend(hash, body, t, at);
    memcpy(everything, &at->share[NEXT], sizeof at->share[NEXT]);
    go_on_from(at, 0, NEXT);
    return ok;
}

bool tf_comparison_at(const tf_prf *hash, int holder, const uint64_t *root, unsigned bits, const uint64_t *body,
                      uint64_t base, size_t points, const tf_comparison_point *point, tf_wide (*share)[TF_PAYLOAD]) {
    walks at;
    turns t;
    size_t begin = 0, end = 0; /* of the points that walk by themselves */
    bool ok = begin_walks(hash, holder, root, body, &t, &at, share[0]);
    for (unsigned left = bits; left-- > 0;) { /* bits below the one that is turned to */
        uint64_t above = UINT64_C(2) << left;
        for (; end < points && tf_bit_length(point[end].offset) > left; end++)
            go_on_from(&at, ((base & (above - 1)) + point[end].offset) >> (left + 1) & 1, FIRST + end);
        while (begin < end && point[begin].low > left) begin++;
        t.bit[BASE] = base >> left & 1;
        t.bit[NEXT] = t.bit[BASE] ^ 1;
        for (size_t j = begin; j < end; j++) t.bit[FIRST + j - begin] = (base + point[j].offset) >> left & 1;
        t.skip = begin;
        t.count = FIRST + end - begin;
        body += TF_KEY_LEVEL_WORDS;
        ok &= descend(hash, body, &t, &at);
    }
    memcpy(share[1], &at.share[BASE], sizeof at.share[BASE]);
    memcpy(share + 2, at.share + FIRST, points * sizeof *at.share);
    return ok;
}

/* Equality: at the end of the path both seeds are independent, and one control bit is set; elsewhere they are the same.
 * Half a seed, which nothing else uses, is what a leaf is worth, and the last word makes of the difference 1. */

bool tf_equality_make(const tf_prf *hash, const uint64_t *root_0, const uint64_t *root_1, unsigned bits, uint64_t alpha,
                      uint64_t *body) {
    path at = begin_path(root_0, root_1);
    bool ok = true;
    for (unsigned i = bits; i-- > 0; body += 2) {
        uint64_t made[2][2][2];
        for (unsigned b = 0; b < 2; b++)
            for (unsigned k = 0; k < 2; k++) tf_tweak(at.seed[b], k, made[b][k]);
        ok &= tf_prf_hash(hash, made[0][0], 4);
        correct(&at, alpha >> i & 1, (uint64_t(*const[2])[2]){made[0], made[1]}, body);
    }
    uint64_t flip = -at.control[1];
    *body = ((1 - at.seed[0][1] + at.seed[1][1]) ^ flip) - flip;
    return ok;
}

bool tf_equality_at(const tf_prf *hash, int holder, size_t count, const uint64_t *root, unsigned bits,
                    const uint64_t *body, const uint64_t *point, uint64_t *share) {
    uint64_t seed[TF_EQUALITY_POINTS][2], made[TF_EQUALITY_POINTS][2], control[TF_EQUALITY_POINTS];
    const size_t words = tf_equality_words(bits);
    bool ok = count <= TF_EQUALITY_POINTS;
    for (size_t k = 0; k < count && ok; k++) {
        seed[k][0] = root[2 * k] & SEED;
        seed[k][1] = root[2 * k + 1];
        control[k] = (uint64_t)holder;
    }
    for (unsigned i = bits; i-- > 0 && ok;) {
        for (size_t k = 0; k < count; k++) tf_tweak(seed[k], point[k] >> i & 1, made[k]);
        ok = tf_prf_hash(hash, made[0], count);
        for (size_t k = 0; k < count; k++) {
            const uint64_t *correction = body + k * words + 2 * (bits - 1 - i), own = -control[k];
            control[k] = (made[k][0] ^ (correction[0] >> (point[k] >> i & 1) & own)) & 1;
            seed[k][0] = (made[k][0] ^ (correction[0] & own)) & SEED;
            seed[k][1] = made[k][1] ^ (correction[1] & own);
        }
    }
    for (size_t k = 0; k < count && ok; k++) share[k] = seed[k][1] + (body[k * words + words - 1] & -control[k]);
    return ok;
}
