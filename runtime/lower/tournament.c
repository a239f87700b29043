/** Tournaments along the last axis, each level of which is chosen by its bytes and rounds. */
#include "runtime/lower/tournament.h"

#include <math.h>

#include "runtime/program/step.h"
#include "runtime/steps/compare_tree.h"
#include "runtime/steps/steps.h"

/*
 * A tournament of groups. Its state: the elements that are left, texts x count, and of each the digits of where in the
 * row it stood: the place in its first group, in its second one, and so on, each in a ring of its own few bits.
 */
enum { WIDEST = 64, MOST_LEVELS = 24, DIGIT_RING = 8 };

typedef struct tournament {
    tf_value x, digit[MOST_LEVELS];
    size_t group[MOST_LEVELS];
    int levels;
    size_t rows, count;
    double bound;  /* of elements */
    bool position; /* which is wanted rather than the largest element itself */
} tournament;

/* How the winner of a group is found once all its pairs have met. */
typedef enum ending {
    BY_BITS, /* split bits of each element, and a selection */
    AT_ONCE, /* the winner itself: more bytes */
    BY_TABLE /* by how many each is beaten, and a lookup: for wide groups */
} ending;

/* How a level is played: in groups of how many, and how. */
typedef struct level {
    size_t group;
    int exchanges; /* of its comparisons */
    ending ending;
    double cost;
} level;

enum { KNOWN = 1024 };

/** Bytes of a comparison of w bits in so many exchanges, nearly. */
static double comparison(unsigned w, int exchanges) {
    if (exchanges == 1) return w <= TF_TREE_SINGLE_BITS ? ldexp(1, (int)w - 3) : INFINITY;
    return exchanges == 2 ? 0.042 * w * w + 1 : 0.6 * w;
}

/** What the choice of a level looks at, and the choices made so far. */
typedef struct search {
    size_t rows, found, count[KNOWN];
    level best[KNOWN];
    unsigned width; /* bits that a comparison looks at */
    bool position;
    double round;
} search;

/** Whether a group of so many can be played in this way. A pair's winner is told by one bit. */
static bool is_playable(const search *s, size_t g, ending how) {
    if (how == BY_BITS) return g <= TF_WINNERS_MOST;
    return how == AT_ONCE ? g > 2 && g <= TF_SELECT_MOST && !s->position : g > 2;
}

/** Whether S knows its thirds of a level's comparisons before the others know what is compared: where thirds of groups
 *  are thirds of elements, and nothing fills the last group up. */
static bool runs_ahead(const search *s, size_t count, size_t groups, size_t g) {
    enum { ALIGNED = 3 * 128 };
    return count == groups * g && s->rows * groups % ALIGNED == 0;
}

static double level_cost(const search *s, size_t groups, size_t g, int exchanges, ending how, int digits) {
    size_t pairs = g * (g - 1) / 2, entries = 2;
    double element = (s->width + 8) / 8, rounds = exchanges + 1,
           bytes = (double)pairs * comparison(s->width, exchanges);
    while (entries < g) entries *= 2;
    if (how == BY_BITS) {
        bytes += (double)(2 * g) * element + (double)digits * (double)(2 * g) + (s->position ? 3 * (double)g : 0);
        if (g > 2) rounds++, bytes += tf_winners_bytes(g);
    } else if (how == AT_ONCE) {
        bytes += tf_select_winner_elements(g) * element;
    } else {
        rounds += 2;
        bytes += 3 * (double)pairs + (double)(g * (entries + 2) + 3) * element + 3 * digits;
    }
    return bytes * (double)(groups * s->rows) + rounds * s->round;
}

/** The level for `count` elements that costs least with all that follow. All pairs of a group meet: wide groups are for
 *  when few are left. */
static level best_level(search *s, size_t count, int digits) {
    static const size_t widths[] = {2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64};
    for (size_t k = 0; k < s->found; k++)
        if (s->count[k] == count) return s->best[k];
    level best = {.cost = count > 1 ? -1 : 0};
    for (size_t k = 0; k < sizeof widths / sizeof *widths && count > 1; k++) {
        size_t g = widths[k], groups = (count + g - 1) / g;
        if (k && widths[k - 1] >= count) break;
        double rest = best_level(s, groups, s->position ? digits + 1 : 0).cost;
        for (int way = 0; way < 9; way++) {
            int exchanges = way % 3 + 1;
            ending how = (ending)(way / 3);
            if (!is_playable(s, g, how)) continue;
            double cost = level_cost(s, groups, g, exchanges, how, digits) + rest;
            if (!runs_ahead(s, count, groups, g)) cost += s->round;
            if (best.cost < 0 || cost < best.cost) best = (level){g, exchanges, how, cost};
        }
    }
    if (s->found < KNOWN) s->best[s->found] = best, s->count[s->found++] = count;
    return best;
}

static search search_of(const tf_program *p, const tf_type *type, size_t rows, bool position) {
    tf_type difference = *type;
    difference.bound *= 2;
    return (search){.rows = rows,
                    .width = tf_compared_bits(&difference, 0, 0).width,
                    .position = position,
                    .round = tf_round_worth(p)};
}

static level level_of(const tf_program *p, const tournament *t) {
    tf_type type = *tf_type_of(p, t->x);
    type.bound = t->bound;
    search s = search_of(p, &type, t->rows, t->position);
    return best_level(&s, t->count, t->levels);
}

double tf_max_last_cost(const tf_program *p, const tf_type *type) {
    size_t n = tf_shape_last(type->shape);
    search s = search_of(p, type, tf_shape_count(type->shape) / n, false);
    return best_level(&s, n, 0).cost;
}

/** [a < b] */
static tf_value less(tf_program *p, tf_value a, tf_value b, double bound, int exchanges) {
    tf_value difference = tf_assume(p, tf_add_within(p, a, tf_scale_int(p, b, -1), bound), 2 * bound);
    return tf_negative_in(p, difference, 0, exchanges);
}

/** Puts any number of tensors together along the last axis. */
static tf_value join(tf_program *p, size_t count, tf_value *part) {
    while (count > 1 && !p->status) {
        size_t made = 0;
        for (size_t at = 0; at < count; at += TF_STEP_INPUTS) {
            size_t rest = count - at;
            part[made++] = tf_concat(p, (int)(rest < TF_STEP_INPUTS ? rest : TF_STEP_INPUTS), part + at, -1);
        }
        count = made;
    }
    return p->status ? -1 : part[0];
}

/** As many zeros on the last axis as x has there at least. */
static tf_value zeros(tf_program *p, tf_value x, size_t count) {
    return tf_scale_int(p, tf_slice(p, x, -1, 0, count), 0);
}

/** By how many others of its group each of x (..., g) is beaten: by the larger ones, and by equal ones before it. */
static tf_value losses(tf_program *p, tf_value x, size_t g, double bound, int exchanges) {
    tf_value left[WIDEST], right[WIDEST], sum = -1;
    double before[WIDEST];
    for (size_t d = 1; d < g; d++) {
        left[d - 1] = tf_slice(p, x, -1, 0, g - d);
        right[d - 1] = tf_slice(p, x, -1, d, g - d);
    }
    tf_value bit = less(p, join(p, g - 1, left), join(p, g - 1, right), bound, exchanges);
    tf_value beaten = tf_bit_to_share(p, bit, DIGIT_RING, false);
    for (size_t d = 1, at = 0; d < g && !p->status; at += g - d, d++) {
        tf_value pairs = tf_slice(p, beaten, -1, at, g - d), none = zeros(p, beaten, d);
        tf_value first = tf_concat(p, 2, (tf_value[]){pairs, none}, -1);
        tf_value second = tf_concat(p, 2, (tf_value[]){none, pairs}, -1);
        tf_value both = tf_add_within(p, first, tf_scale_int(p, second, -1), 1);
        sum = sum < 0 ? both : tf_add_within(p, sum, both, WIDEST);
    }
    for (size_t i = 0; i < g; i++) before[i] = (double)i; /* each of these beats it unless it is beaten by it */
    return tf_add_public_within(p, sum, tf_dims(g), before, WIDEST);
}

/** One element of each group: the first, and what one of the bits adds to it. Its ring has room for differences, though
 *  not for lifting them. */
static tf_value choose(tf_program *p, tf_value x, size_t g, const tf_value *winner, double bound) {
    tf_term term[TF_WINNERS_MOST];
    tf_value first = tf_slice(p, x, -1, 0, 1);
    for (size_t i = 1; i < g; i++) {
        tf_value change = tf_add_within(p, tf_slice(p, x, -1, i, 1), tf_scale_int(p, first, -1), bound);
        term[i - 1] = (tf_term){winner[i - 1], tf_assume(p, change, 2 * bound), false};
    }
    tf_value more = tf_assume(p, tf_select_within(p, (int)g - 1, term, bound), 2 * bound);
    return tf_add_within(p, first, more, bound);
}

/** Leaves the first of the largest of each group: of all pairs' bits, S deals the products that tell which it is. */
static void play_few(tf_program *p, tournament *t, size_t g, int exchanges, bool at_once) {
    tf_value x[TF_WINNERS_MOST], pair[TF_STEP_INPUTS], more[TF_WINNERS_MOST], winner[TF_WINNERS_MOST];
    size_t pairs = 0;
    for (size_t i = 0; i < g; i++) x[i] = tf_slice(p, t->x, -1, i, 1);
    for (size_t i = 0; i < g; i++)
        for (size_t j = i + 1; j < g; j++) pair[pairs++] = less(p, x[i], x[j], t->bound, exchanges);
    for (size_t i = 1; i < g && at_once; i++)
        more[i - 1] = tf_assume(p, tf_add_within(p, x[i], tf_scale_int(p, x[0], -1), t->bound), 2 * t->bound);
    if (at_once) {
        t->x = tf_add_within(p, x[0], tf_select_winner(p, g, pair, more), t->bound);
        return;
    }
    tf_value planes = g > 2 ? tf_winners(p, g, pair) : -1;
    for (size_t i = 0; i + 1 < g; i++) winner[i] = g > 2 ? tf_bit_plane(p, planes, i) : pair[0];
    if (t->count > g || !t->position) t->x = choose(p, t->x, g, winner, t->bound);
    if (!t->position) return;
    for (int k = 0; k < t->levels; k++) t->digit[k] = choose(p, t->digit[k], g, winner, WIDEST);
    tf_value digit = -1;
    for (size_t i = 1; i < g; i++) {
        tf_value is = tf_scale_int(p, tf_bit_to_share(p, winner[i - 1], DIGIT_RING, false), (int64_t)i);
        digit = digit < 0 ? is : tf_add_within(p, digit, is, WIDEST);
    }
    t->digit[t->levels] = digit;
}

/** Leaves the winner of each group. One element is beaten by none: a table tells which. */
static void play_wide(tf_program *p, tournament *t, size_t g, int exchanges) {
    /* the ring has room for differences, in whole bytes */
    int frac = tf_type_of(p, t->x)->frac;
    unsigned log = 1, ring = (tf_width(frac, t->bound) + 7) / 8 * 8;
    double room = ldexp(1, (int)ring - 2 - frac), table[WIDEST] = {1}, inside[WIDEST];
    while ((size_t)1 << log < g) log++;
    for (size_t i = 0; i < g; i++) inside[i] = (double)i;
    tf_value winner = tf_lookup(p, losses(p, t->x, g, t->bound, exchanges), log, table, 0, ldexp(1, (int)ring - 2));
    winner = tf_assume(p, winner, 1);
    if (t->count > g || !t->position)
        t->x = tf_assume(p, tf_dot(p, winner, t->x, (tf_result){frac, room, false}), t->bound);
    if (!t->position) return;
    for (int k = 0; k < t->levels; k++) t->digit[k] = tf_dot(p, winner, t->digit[k], (tf_result){0, WIDEST, false});
    t->digit[t->levels] = tf_sum_axis(p, tf_mul_public(p, winner, tf_dims(g), inside, 0), -1, WIDEST);
}

/** Plays one level. What fills the last group up is no larger than any, and stands last. */
static void play(tf_program *p, tournament *t) {
    level how = level_of(p, t);
    size_t g = how.group, groups = (t->count + g - 1) / g, missing = groups * g - t->count;
    if (t->levels == MOST_LEVELS) tf_program_fail(p, tf_fail(TF_RANGE, "rows of too many elements"));
    if (p->status) return;
    for (int k = -1; k < (t->position ? t->levels : 0); k++) {
        tf_value *v = k < 0 ? &t->x : &t->digit[k];
        if (missing) {
            tf_value fill = zeros(p, *v, missing);
            if (k < 0) fill = tf_add_const_within(p, fill, -t->bound, t->bound);
            *v = tf_concat(p, 2, (tf_value[]){*v, fill}, -1);
        }
        *v = tf_reshape(p, *v, tf_dims(t->rows, groups, g));
    }
    if (how.ending == BY_TABLE)
        play_wide(p, t, g, how.exchanges);
    else
        play_few(p, t, g, how.exchanges, how.ending == AT_ONCE);
    for (int k = -1; k <= (t->position ? t->levels : -1) && !p->status; k++) {
        tf_value *v = k < 0 ? &t->x : &t->digit[k];
        if (groups > 1 || k >= 0 || !t->position) *v = tf_reshape(p, *v, tf_dims(t->rows, groups));
    }
    t->group[t->levels++] = g;
    t->count = groups;
}

/** What the digits of the winner say, the last of which counts the most. */
static tf_value position_of(tf_program *p, const tournament *t, double n) {
    unsigned ring = tf_width(0, n);
    tf_value sum = -1;
    for (int k = t->levels; k-- > 0 && !p->status;) {
        tf_value digit = tf_assume(p, tf_lift(p, tf_assume(p, t->digit[k], (double)t->group[k]), ring), n);
        if (sum >= 0) digit = tf_add_within(p, digit, tf_scale_int(p, sum, (int64_t)t->group[k]), n);
        sum = tf_assume(p, digit, n);
    }
    return sum;
}

static tournament enter(const tf_program *p, tf_value a, bool position) {
    tf_type type = *tf_type_of(p, a);
    return (tournament){.x = a,
                        .rows = tf_shape_count(type.shape) / tf_shape_last(type.shape),
                        .count = tf_shape_last(type.shape),
                        .bound = type.bound,
                        .position = position};
}

tf_value tf_argmax_last(tf_program *p, tf_value a) {
    if (p->status) return -1;
    tf_shape shape = tf_type_of(p, a)->shape;
    tournament t = enter(p, a, true);
    double n = (double)t.count;
    shape.rank--;
    if (t.count == 1) return tf_reshape(p, tf_scale_int(p, a, 0), shape);
    t.x = tf_reshape(p, a, tf_dims(t.rows, t.count));
    while (t.count > 1 && !p->status) play(p, &t);
    return tf_reshape(p, position_of(p, &t, n), shape);
}

tf_value tf_max_last_soon(tf_program *p, tf_value a) {
    if (p->status) return -1;
    tf_shape shape = tf_type_of(p, a)->shape;
    tournament t = enter(p, a, false);
    shape.dim[shape.rank - 1] = 1;
    t.x = tf_reshape(p, a, tf_dims(t.rows, t.count));
    while (t.count > 1 && !p->status) play(p, &t);
    return tf_reshape(p, t.x, shape);
}
