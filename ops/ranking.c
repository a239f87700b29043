#include "ops/ranking.h"

#include <math.h>
#include <stdlib.h>

enum { GROUP = 5, MOST_LEVELS = 12 };

/** Zeros of the shape (rows, n), in x's ring and scale: x is (rows, at least n). */
static tf_value zeros(tf_program *p, tf_value x, size_t n) {
    return tf_scale_int(p, tf_slice(p, x, -1, 0, n), 0);
}

tf_value tf_negative_of(tf_program *p, tf_value a) {
    enum { FEW = 30000 }; /* two rounds for some ten bytes an element */
    if (p->status) return -1;
    bool few = tf_shape_count(tf_type_of(p, a)->shape) <= FEW;
    return few ? tf_negative_soon(p, a, 0) : tf_negative(p, a, 0);
}

/* Pairs are laid out by the distance r = 1..n/2 of their elements, the row being closed to a circle: entry (r, i) is
 * the pair of i and i + r mod n. Every pair occurs once, but twice where 2 r = n. */

/** x (rows, n) turned by 1..turns: entry (r, i) is x[i + r mod n]. Rows that are one longer than the circle do it. */
static tf_value turned(tf_program *p, tf_value x, size_t rows, size_t n, size_t turns) {
    tf_value all = tf_expand(p, tf_reshape(p, x, tf_dims(rows, 1, n)), tf_dims(rows, turns + 2, n));
    all = tf_slice(p, tf_reshape(p, all, tf_dims(rows, (turns + 2) * n)), -1, n + 1, turns * (n + 1));
    return tf_slice(p, tf_reshape(p, all, tf_dims(rows, turns, n + 1)), -1, 0, n);
}

/** x (rows, turns, n), row r of it turned back by r. */
static tf_value turned_back(tf_program *p, tf_value x, size_t rows, size_t n, size_t turns) {
    tf_value all = tf_concat(p, 2, (tf_value[]){x, x}, -1);
    all = tf_reshape(p, all, tf_dims(rows, turns * 2 * n));
    all = tf_concat(p, 2, (tf_value[]){all, zeros(p, all, n)}, -1);
    all = tf_slice(p, all, -1, n - 1, turns * (2 * n - 1));
    return tf_slice(p, tf_reshape(p, all, tf_dims(rows, turns, 2 * n - 1)), -1, 0, n);
}

/** The public numbers of pairs. `sign`: -1 where i + r has passed the end, so that it stands before i, else 1;
 *  `factor`, `offset`: make of [the earlier one is smaller] whether i loses; `counted`: 0 for a pair's second time. */
typedef struct circle {
    double *sign, *factor, *offset, *counted;
} circle;

static void describe(const circle *c, size_t n, size_t turns) {
    for (size_t r = 1, at = 0; r <= turns; r++)
        for (size_t i = 0; i < n; i++, at++) {
            bool passed = i + r >= n, again = 2 * r == n && passed;
            c->sign[at] = passed ? -1 : 1;
            c->factor[at] = again ? 0 : c->sign[at];
            c->offset[at] = passed && !again;
            c->counted[at] = !again;
        }
}

static tf_value losses(tf_program *p, tf_value x, size_t rows, size_t n, double bound, const circle *c) {
    size_t turns = n / 2;
    double most = (double)n;
    tf_shape pairs = tf_dims(turns, n);
    tf_value other = tf_scale_int(p, turned(p, x, rows, n, turns), -1);
    tf_value less = tf_add_within(p, other, tf_reshape(p, x, tf_dims(rows, 1, n)), bound);
    less = tf_mul_public(p, tf_assume(p, less, 2 * bound), pairs, c->sign, 0);
    tf_value lost = tf_bit_to_share(p, tf_negative_of(p, less), tf_width(0, most), false);
    lost = tf_add_public_within(p, tf_mul_public(p, lost, pairs, c->factor, 0), pairs, c->offset, 1);
    tf_value won = tf_add_public_within(p, tf_scale_int(p, lost, -1), pairs, c->counted, 1);
    won = turned_back(p, won, rows, n, turns);
    return tf_add_within(p, tf_sum_axis(p, lost, 1, most), tf_sum_axis(p, won, 1, most), most);
}

tf_value tf_losses(tf_program *p, tf_value x, double bound) {
    if (p->status) return -1;
    tf_shape shape = tf_type_of(p, x)->shape;
    size_t rows = shape.dim[0], n = shape.dim[1], count = n / 2 * n;
    if (n < 2) return tf_scale_int(p, x, 0);
    double *room = malloc(4 * count * sizeof *room);
    if (!room) return tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for %zu pairs", count));
    circle c = {room, room + count, room + 2 * count, room + 3 * count};
    describe(&c, n, n / 2);
    tf_value v = losses(p, x, rows, n, bound, &c);
    free(room);
    return v;
}

/** 1 where the losses are 0, else 0, with room in the ring for products with such values. */
static tf_value is_zero(tf_program *p, tf_value lost, size_t n, unsigned ring) {
    unsigned log = 1;
    while ((size_t)1 << log < n) log++;
    double *table = calloc((size_t)1 << log, sizeof *table);
    if (!table) return tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for a table"));
    table[0] = 1;
    tf_value v = tf_assume(p, tf_lookup(p, lost, log, table, 0, ldexp(1, (int)ring - 2)), 1);
    free(table);
    return v;
}

static unsigned room_for(const tf_program *p, tf_value x, double bound) {
    return p->status ? 64 : tf_width(tf_type_of(p, x)->frac, 2 * bound);
}

tf_value tf_at_largest(tf_program *p, tf_value x, tf_value value, double bound) {
    if (p->status) return -1;
    size_t n = tf_shape_last(tf_type_of(p, x)->shape);
    int frac = tf_type_of(p, value)->frac;
    if (n == 1) return tf_reshape(p, value, tf_dims(tf_type_of(p, x)->shape.dim[0]));
    tf_value lost = tf_losses(p, x, tf_type_of(p, x)->bound);
    return tf_dot(p, is_zero(p, lost, n, room_for(p, value, bound)), value, (tf_result){frac, bound, false});
}

/* The largest of several ------------------------------------------------------------------------------------------- */

/** Rows that are reduced level by level: level 0 are the elements, level l + 1 the largest of each group of level l. */
typedef struct tree {
    tf_value level[MOST_LEVELS];
    int levels;
    size_t rows, count; /* of groups at the top level */
    double bound;
    int frac;
} tree;

/** One level more. */
static void reduce(tf_program *p, tree *t) {
    t->count /= GROUP;
    tf_value x = tf_reshape(p, t->level[t->levels - 1], tf_dims(t->rows * t->count, GROUP));
    tf_value first = is_zero(p, tf_losses(p, x, t->bound), GROUP, room_for(p, x, t->bound));
    /* with room for differences, so that nothing is lifted next */
    tf_value most = tf_assume(p, tf_dot(p, first, x, (tf_result){t->frac, 2 * t->bound, false}), t->bound);
    t->level[t->levels++] = tf_reshape(p, most, tf_dims(t->rows, t->count));
}

/** Entry (j, i) is 1 where element i of the row has rank j < count, else 0: (rows, count, n). What is at most j less
 * what is less than j; a table of n entries would save rounds, but each entry of the result would cost one of the
 * table. */
static tf_value chosen(tf_program *p, const tree *t, tf_value lost, size_t n, size_t count, unsigned ring) {
    double *end = malloc(count * sizeof *end);
    if (!end) return tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for %zu ranks", count));
    for (size_t j = 0; j < count; j++) end[j] = -(double)(j + 1);
    tf_value all = tf_expand(p, tf_reshape(p, lost, tf_dims(t->rows, 1, n)), tf_dims(t->rows, count, n));
    all = tf_add_public_within(p, all, tf_dims(count, 1), end, (double)n);
    free(end);
    tf_value most = tf_bit_to_share(p, tf_negative_of(p, all), ring, false);
    if (count == 1) return most;
    tf_value none = tf_scale_int(p, tf_slice(p, most, 1, 0, 1), 0);
    tf_value less = tf_concat(p, 2, (tf_value[]){none, tf_slice(p, most, 1, 0, count - 1)}, 1);
    return tf_add_within(p, most, tf_scale_int(p, less, -1), 1);
}

tf_value tf_choose_largest(tf_program *p, tf_value x, size_t count) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, x);
    size_t n = type.shape.dim[1];
    tree t = {.rows = type.shape.dim[0]};
    return chosen(p, &t, tf_losses(p, x, type.bound), n, count, tf_width(0, 1));
}

/** Those rows of x (rows, n, width) that were chosen: (rows, count, width). */
static tf_value pick(tf_program *p, const tree *t, tf_value choice, tf_value x, size_t n, size_t count, size_t width,
                     tf_result result) {
    tf_matmul_layout layout = {.batch = {t->rows},
                               .m = count,
                               .k = n,
                               .n = width,
                               .a_batch = {count * n},
                               .a_row = n,
                               .b_batch = {n * width},
                               .b_row = width,
                               .b_col = 1,
                               .c_batch = {count * width},
                               .c_row = width};
    return tf_matmul(p, choice, x, -1, layout, tf_dims(t->rows, count, width), result);
}

/** Public positions, or those of which `choice` chooses some: (rows, count). */
static tf_value pick_positions(tf_program *p, const tree *t, tf_value choice, tf_value position, size_t n, size_t count,
                               double bound) {
    if (position >= 0)
        return tf_reshape(p, pick(p, t, choice, position, n, count, 1, (tf_result){0, bound, false}),
                          tf_dims(t->rows, count));
    double *at = malloc(n * sizeof *at);
    if (!at) return tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for %zu positions", n));
    for (size_t i = 0; i < n; i++) at[i] = (double)i;
    tf_value v = tf_sum_axis(p, tf_mul_public(p, choice, tf_dims(n), at, 0), -1, (double)n);
    free(at);
    return tf_assume(p, v, bound);
}

/** The positions of the members of groups, one level down: (rows, groups * GROUP). */
static tf_value members(tf_program *p, const tree *t, tf_value group, size_t groups, double bound) {
    double inside[GROUP];
    for (int i = 0; i < GROUP; i++) inside[i] = i;
    tf_value v = tf_assume(p, tf_scale_int(p, group, GROUP), bound);
    v = tf_expand(p, tf_reshape(p, v, tf_dims(t->rows, groups, 1)), tf_dims(t->rows, groups, GROUP));
    v = tf_add_public_within(p, v, tf_dims(GROUP), inside, bound);
    return tf_reshape(p, v, tf_dims(t->rows, groups * GROUP));
}

/** Chooses the best of the candidates at the top, and opens their groups up, down to the elements. */
static tf_largest descend(tf_program *p, tree *t, size_t wanted) {
    size_t n = t->count, below = 1; /* elements of level 0 beneath a candidate */
    double most = (double)n;
    tf_value position = -1;
    unsigned ring = room_for(p, t->level[0], t->bound);
    for (int l = 1; l < t->levels; l++) below *= GROUP;
    most *= (double)below;
    if (ring < tf_width(0, GROUP * most)) ring = tf_width(0, GROUP * most);
    tf_result same = {t->frac, 2 * t->bound, false};
    for (int top = t->levels - 1;; top--) {
        size_t count = wanted < n ? wanted : n;
        tf_value choice = chosen(p, t, tf_losses(p, t->level[top], t->bound), n, count, ring);
        position = pick_positions(p, t, choice, position, n, count, GROUP * most);
        if (top == 0) {
            tf_value value = pick(p, t, choice, t->level[0], n, count, 1, same);
            return (tf_largest){tf_assume(p, tf_reshape(p, value, tf_dims(t->rows, count)), t->bound),
                                tf_assume(p, position, most)};
        }
        for (int l = 0, width = (int)below; l < top; l++, width /= GROUP) {
            tf_value some = pick(p, t, choice, t->level[l], n, count, (size_t)width, same);
            t->level[l] = tf_assume(p, tf_reshape(p, some, tf_dims(t->rows, count * (size_t)width)), t->bound);
        }
        position = members(p, t, position, count, GROUP * most);
        below /= GROUP;
        n = count * GROUP;
        if (p->status) return (tf_largest){-1, -1};
    }
}

tf_largest tf_largest_of(tf_program *p, tf_value x, size_t count) {
    if (p->status) return (tf_largest){-1, -1};
    tf_type type = *tf_type_of(p, x);
    size_t n = type.shape.dim[1], whole = 1;
    tree t = {.level = {x}, .levels = 1, .rows = type.shape.dim[0], .bound = type.bound, .frac = type.frac};
    /* groups of groups are whole at every level, so that what lies beneath one is adjacent */
    for (t.count = n; t.count > TF_RANKED && (t.count + GROUP - 1) / GROUP > count; whole *= GROUP)
        t.count = (t.count + GROUP - 1) / GROUP;
    size_t missing = t.count * whole - n;
    if (missing) {
        tf_value least = tf_add_const_within(p, zeros(p, x, missing), -t.bound, t.bound);
        t.level[0] = tf_concat(p, 2, (tf_value[]){x, least}, -1);
    }
    for (t.count *= whole; whole > 1 && !p->status; whole /= GROUP) reduce(p, &t);
    return descend(p, &t, count);
}
