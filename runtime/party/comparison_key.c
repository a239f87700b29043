#include "runtime/party/comparison_key.h"

#include <string.h>

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

static void tweak(const uint64_t *seed, uint64_t which, uint64_t *block) {
    block[0] = seed[0] ^ which;
    block[1] = seed[1];
}

/** a where the bit is 0, b where it is 1. */
static uint64_t choose(uint64_t bit, uint64_t a, uint64_t b) {
    return a ^ ((a ^ b) & -bit);
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
            keep[b][w] = choose(bit, made[b][LEFT][w], made[b][RIGHT][w]);
            lose[b][w] = choose(bit, made[b][RIGHT][w], made[b][LEFT][w]);
        }
    uint64_t left = (made[0][LEFT][0] ^ made[1][LEFT][0] ^ bit ^ 1) & 1,
             right = (made[0][RIGHT][0] ^ made[1][RIGHT][0] ^ bit) & 1;
    corrections[0] = ((lose[0][0] ^ lose[1][0]) & SEED) | left | right << 1;
    corrections[1] = lose[0][1] ^ lose[1][1];
    for (unsigned b = 0; b < 2; b++) {
        uint64_t own = -at->control[b];
        at->seed[b][0] = (keep[b][0] ^ (corrections[0] & own)) & SEED;
        at->seed[b][1] = keep[b][1] ^ (corrections[1] & own);
        at->control[b] = (keep[b][0] ^ (choose(bit, left, right) & own)) & 1;
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
        for (unsigned k = 0; k < HASHES; k++) tweak(at->seed[b], k, made[b][k]);
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

/* Where a point's path has come to, and what it has passed. */
typedef struct walk {
    uint64_t seed[2], control;
    tf_wide share[TF_PAYLOAD];
} walk;

/* All that is hashed there: the child that it turns to, and what it is worth. */
enum { HASHED = 1 + TF_PAYLOAD };

static void look(const walk *at, uint64_t bit, uint64_t made[HASHED][2]) {
    tweak(at->seed, bit, made[0]);
    for (unsigned k = 0; k < TF_PAYLOAD; k++) tweak(at->seed, WORTH + k, made[1 + k]);
}

static void turn(walk *at, uint64_t bit, const uint64_t made[HASHED][2], const uint64_t *body) {
    const uint64_t own = -at->control;
    const tf_wide adds = -(tf_wide)bit, corrects = -(tf_wide)at->control & adds;
    for (unsigned k = 0; k < TF_PAYLOAD; k++)
        at->share[k] += (tf_wide_of(made[1 + k]) & adds) + (tf_wide_of(body + 2 + 2 * k) & corrects);
    at->control = (made[0][0] ^ (body[0] >> bit & own)) & 1;
    at->seed[0] = (made[0][0] ^ (body[0] & own)) & SEED;
    at->seed[1] = made[0][1] ^ (body[1] & own);
}

static walk choose_walk(uint64_t bit, const walk *a, const walk *b) {
    walk chosen;
    const tf_wide mask = -(tf_wide)bit;
    for (int w = 0; w < 2; w++) chosen.seed[w] = choose(bit, a->seed[w], b->seed[w]);
    chosen.control = choose(bit, a->control, b->control);
    for (unsigned k = 0; k < TF_PAYLOAD; k++) chosen.share[k] = a->share[k] ^ ((a->share[k] ^ b->share[k]) & mask);
    return chosen;
}

/*
 * The points base + offset lie close together where their offsets are small. Of its upper bits, those above the highest
 * one of the offset, each has what the base has, or one more. So two walks serve all on their way down: BASE, and NEXT
 * to it, which turns right from BASE where that turns left, and left from itself where BASE turns right.
 */
enum { BASE, NEXT, FIRST };

static unsigned length_of(uint64_t x) {
    return 64 - (unsigned)__builtin_clzll(x | 1);
}

/** Takes BASE, NEXT and the walks at `own` down a level of the body, where they turn to the bits at `turns`. */
static bool descend(const tf_prf *hash, const uint64_t *body, const uint64_t *turns, walk *at, walk *own,
                    size_t count) {
    uint64_t made[FIRST + TF_KEY_POINTS][HASHED][2];
    at[NEXT] = choose_walk(turns[BASE], &at[BASE], &at[NEXT]);
    for (size_t k = 0; k < count; k++) look(k < FIRST ? &at[k] : &own[k - FIRST], turns[k], made[k]);
    bool ok = tf_prf_hash(hash, made[0][0], count * HASHED);
    for (size_t k = 0; k < count; k++) turn(k < FIRST ? &at[k] : &own[k - FIRST], turns[k], made[k], body);
    return ok;
}

/** From the root, whose left child alpha lies under, to there; a turn to the right is worth the payload. */
static bool begin_walks(const tf_prf *hash, walk root, const uint64_t *body, walk *at, tf_wide *everything) {
    walk both[FIRST] = {root, root};
    bool ok = descend(hash, body, (uint64_t[]){0, 1}, both, NULL, FIRST);
    at[BASE] = at[NEXT] = both[BASE];
    memcpy(everything, both[NEXT].share, sizeof both[NEXT].share);
    return ok;
}

bool tf_comparison_at(const tf_prf *hash, int holder, const uint64_t *root, unsigned bits, const uint64_t *body,
                      uint64_t base, size_t points, const tf_comparison_point *point, tf_wide (*share)[TF_PAYLOAD]) {
    walk at[FIRST + TF_KEY_POINTS], *own = at + FIRST;
    uint64_t turns[FIRST + TF_KEY_POINTS];
    size_t begin = 0, end = 0; /* of the points that walk by themselves */
    bool ok = begin_walks(hash, (walk){{root[0] & SEED, root[1]}, (uint64_t)holder, {0}}, body, at, share[0]);
    for (unsigned left = bits; left-- > 0;) { /* bits below the one that is turned to */
        uint64_t above = UINT64_C(2) << left;
        for (; end < points && length_of(point[end].offset) > left; end++)
            own[end] = choose_walk(((base & (above - 1)) + point[end].offset) >> (left + 1) & 1, &at[BASE], &at[NEXT]);
        while (begin < end && point[begin].low > left) begin++;
        turns[BASE] = base >> left & 1;
        turns[NEXT] = turns[BASE] ^ 1;
        for (size_t j = begin; j < end; j++) turns[FIRST + j - begin] = (base + point[j].offset) >> left & 1;
        body += TF_KEY_LEVEL_WORDS;
        ok &= descend(hash, body, turns, at, own + begin, FIRST + end - begin);
    }
    memcpy(share[1], at[BASE].share, sizeof at[BASE].share);
    for (size_t j = 0; j < points; j++) memcpy(share[2 + j], own[j].share, sizeof own[j].share);
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
            for (unsigned k = 0; k < 2; k++) tweak(at.seed[b], k, made[b][k]);
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
        for (size_t k = 0; k < count; k++) tweak(seed[k], point[k] >> i & 1, made[k]);
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
