/* Linear layers whose result is rotated before it is truncated: right, and for nothing. */
#include "runtime/program/plan.h"
#include "runtime/session/session.h"
#include "tests/support/rig.h"

typedef struct layer {
    int owner, frac; /* of the model: TF_OUTSIDE is not among them, weights have to be put in */
    size_t rows, in, out, rotated, depth;
    bool open;     /* public weights */
    tf_leaf table; /* constant, or public and given with the run */
    int threads;
    float *x, *w, *b, *angles;
    double *y;
    tf_session_stats stats[TF_PARTIES];
} layer;

typedef struct leaves {
    tf_node x, w, b, table;
} leaves;

static leaves leaves_of(const layer *l, bool holds) {
    tf_leaf kind = l->open ? TF_LEAF_PUBLIC_WEIGHT : TF_LEAF_WEIGHT;
    return (leaves){
        .x = {.name = "x", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(l->rows, l->in), .data = holds ? l->x : NULL},
        .w = {.name = "w", .leaf = kind, .shape = tf_dims(l->out, l->in), .data = holds || l->open ? l->w : NULL},
        .b = {.name = "b", .leaf = kind, .shape = tf_dims(l->out), .data = holds || l->open ? l->b : NULL},
        .table = {
            .name = "angles", .leaf = l->table, .shape = tf_dims(l->rows, l->depth), .range = 1, .data = l->angles}};
}

/** The layer, x in a ring of `bits`; without a rotation where there is none to make. */
static tf_value append_layer(tf_program *p, const layer *l, const leaves *of, unsigned bits, bool rotated) {
    tf_value x = tf_weight(p, tf_program_leaf(p, &of->x), l->frac, bits), w = tf_program_leaf(p, &of->w),
             b = tf_program_leaf(p, &of->b);
    tf_result result = {l->frac, 0, false};
    return rotated ? tf_linear_rotated(p, x, w, b, tf_program_leaf(p, &of->table), l->rotated, result)
                   : tf_linear(p, x, w, b, result);
}

static tf_status play(tf_link *link, int id, void *context) {
    layer *l = context;
    int user = tf_next(l->owner);
    leaves of = leaves_of(l, id == l->owner);
    tf_program program;
    tf_program_init(&program, l->frac, l->owner, user);
    tf_output(&program, append_layer(&program, l, &of, 32, true), user, 0);
    tf_session session;
    tf_status status = tf_session_open(&session, link);
    if (!status) status = tf_party_set_threads(&session.party, l->threads);
    tf_slots slots = {.output = id == user ? &l->y : NULL};
    if (!status) status = tf_session_run_program(&session, &program, &slots, &l->stats[id], NULL);
    tf_session_close(&session);
    tf_program_free(&program);
    return status;
}

static float *floats(size_t n, double scale) {
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)rig_uniform(-scale, scale);
    return x;
}

static void fill(layer *l) {
    l->x = floats(l->rows * l->in, 2), l->w = floats(l->out * l->in, 1), l->b = floats(l->out, 3);
    l->angles = malloc(l->rows * l->depth * sizeof *l->angles);
    for (size_t i = 0; i < l->rows * l->depth; i++) {
        double angle = 0.7 * (double)(i / l->depth) / (double)(1 + i % (l->depth / 2));
        l->angles[i] = (float)(i % l->depth < l->depth / 2 ? cos(angle) : sin(angle));
    }
}

static double fixed(float x, int frac) {
    return ldexp(rint(ldexp(x, frac)), -frac);
}

/** Before the rotation. */
static double sum_at(const layer *l, size_t row, size_t column) {
    double sum = fixed(l->b[column], 2 * l->frac);
    for (size_t i = 0; i < l->in; i++)
        sum += fixed(l->x[row * l->in + i], l->frac) * fixed(l->w[column * l->in + i], l->frac);
    return sum;
}

static void check_layer(layer l) {
    three_outcome outcome;
    fill(&l);
    l.y = malloc(l.rows * l.out * sizeof *l.y);
    cr_assert_eq(three_do(play, &l, &outcome), TF_OK, "%s", tf_error());
    double unit = ldexp(1, -l.frac);
    size_t half = l.depth / 2;
    for (size_t r = 0; r < l.rows; r++)
        for (size_t o = 0; o < l.out; o++) {
            double a = sum_at(&l, r, o), expected = a, bound = (l.open ? 2 : 1.501) * unit;
            if (o < l.rotated) {
                bool first = o % l.depth < half;
                double other = sum_at(&l, r, first ? o + half : o - half);
                const float *angle = l.angles + r * l.depth + o % l.depth % half;
                expected = a * angle[0] + (first ? -other : other) * angle[half];
                bound = ldexp(fabs(a) + fabs(other), -15) + 2 * unit;
            }
            double y = l.y[r * l.out + o];
            cr_assert_leq(fabs(y - expected), bound, "%zu x %zu x %zu at %zu: %g, not %g", l.rows, l.in, l.out, o, y,
                          expected);
        }
    free(l.x), free(l.w), free(l.b), free(l.angles), free(l.y);
}

static void check_sizes(bool open) {
    const size_t size[][5] = {
        {1, 70, 96, 64, 32}, {1, 33, 8, 8, 8}, {7, 64, 66, 4, 2}, {33, 29, 40, 0, 10}, {130, 20, 150, 96, 48}};
    for (size_t s = 0; s < sizeof size / sizeof *size; s++)
        for (int owner = 0; owner < TF_PARTIES; owner++)
            check_layer((layer){.owner = owner,
                                .frac = owner ? 16 : 12,
                                .rows = size[s][0],
                                .in = size[s][1],
                                .out = size[s][2],
                                .rotated = size[s][3],
                                .depth = size[s][4],
                                .open = open,
                                .table = owner == 1 ? TF_LEAF_PUBLIC : TF_LEAF_CONSTANT,
                                .threads = 1 + owner});
}

Test(step_rotated, secret_weights) {
    check_sizes(false);
}

Test(step_rotated, public_weights) {
    check_sizes(true);
}

/* Much enough for several threads to share one row by columns, and rows. */
Test(step_rotated, by_threads) {
    check_layer((layer){.owner = 2,
                        .frac = 16,
                        .rows = 1,
                        .in = 150,
                        .out = 320,
                        .rotated = 256,
                        .depth = 64,
                        .table = TF_LEAF_CONSTANT,
                        .threads = 3});
    check_layer((layer){.owner = 0,
                        .frac = 16,
                        .rows = 40,
                        .in = 150,
                        .out = 320,
                        .rotated = 256,
                        .depth = 64,
                        .table = TF_LEAF_PUBLIC,
                        .threads = 3});
}

static void measure(const layer *l, bool rotated, int model_owner, uint64_t *bytes, int *rounds) {
    leaves of = leaves_of(l, true);
    tf_program program;
    tf_plan plan;
    tf_program_init(&program, l->frac, model_owner, 1);
    cr_assert_geq(append_layer(&program, l, &of, 62, rotated), 0, "%s", program.error);
    cr_assert_eq(tf_plan_make(&program, &plan), TF_OK, "%s", tf_error());
    *bytes = plan.total_bytes;
    *rounds = plan.rounds;
    tf_plan_free(&plan);
    tf_program_free(&program);
}

Test(step_rotated, costs_what_a_plain_layer_does) {
    layer l = {.frac = 16, .rows = 5, .in = 64, .out = 96, .rotated = 64, .depth = 16, .table = TF_LEAF_CONSTANT};
    fill(&l);
    for (int owner = -1; owner < TF_PARTIES; owner++) {
        uint64_t bytes[2];
        int rounds[2];
        for (int rotated = 0; rotated < 2; rotated++)
            measure(&l, rotated, owner < 0 ? TF_OUTSIDE : owner, &bytes[rotated], &rounds[rotated]);
        cr_assert_eq(bytes[1], bytes[0]);
        cr_assert_eq(bytes[1], 12 * l.rows * l.out, "%zu", (size_t)bytes[1]);
        cr_assert_eq(rounds[1], rounds[0]);
        cr_assert_eq(rounds[1], 1);
    }
    free(l.x), free(l.w), free(l.b), free(l.angles);
}

static void check_refused(const layer *l, const char *reason) {
    leaves of = leaves_of(l, true);
    tf_program program;
    tf_program_init(&program, l->frac, 0, 1);
    of.table.shape = tf_dims(4, 8);
    cr_assert_eq(append_layer(&program, l, &of, 48, true), -1);
    cr_assert_neq(tf_program_status(&program), TF_OK);
    cr_assert(strstr(tf_error(), reason) != NULL, "%s", tf_error());
    tf_program_free(&program);
}

Test(step_rotated, refuses_what_does_not_fit) {
    layer l = {.frac = 16, .rows = 4, .in = 6, .out = 24, .rotated = 16, .depth = 8, .table = TF_LEAF_CONSTANT};
    fill(&l);
    layer bad = l;
    bad.rotated = 12;
    check_refused(&bad, "12 of 24 columns cannot be rotated as heads of 8");
    bad.rotated = 32;
    check_refused(&bad, "32 of 24 columns");
    bad = l;
    bad.rows = 5;
    check_refused(&bad, "the table angles has 4 rows, where 5");
    bad = l;
    bad.table = TF_LEAF_WEIGHT;
    check_refused(&bad, "public table of cosines and sines");
    bad = l;
    bad.frac = 25;
    check_refused(&bad, "no room for cosines");
    free(l.x), free(l.w), free(l.b), free(l.angles);
}
