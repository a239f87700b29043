/**
 * Every step as a small program on one input of STEP_N elements, for tests that go through all of them. Whoever
 * includes this defines STEP_N, a multiple of 2.
 */
#ifndef TF_TESTS_EACH_STEP_H
#define TF_TESTS_EACH_STEP_H

#include "runtime/steps/powers.h"
#include "runtime/steps/steps.h"
#include "tests/support/rig.h"

enum { STEP_ROWS = 128, STEP_THRESHOLDS = 20 };

typedef void append_step(rig *r, const int64_t *x);

typedef struct step_case {
    const char *name;
    append_step *append;
} step_case;

static inline tf_value step_put(rig *r, const int64_t *x, unsigned bits, double bound) {
    return rig_put(r, tf_dims(STEP_N), x, 8, bits, bound);
}
static inline tf_value step_bit(rig *r, const int64_t *x) {
    return tf_negative(&r->program, rig_put(r, tf_dims(STEP_N), x, 8, 12, 4), 0);
}

#define STEP(name, ...)                                                                                                \
    static void step_##name(rig *r, const int64_t *x) {                                                                \
        tf_program *p = &r->program;                                                                                   \
        __VA_ARGS__;                                                                                                   \
    }
#define RESULT(frac, bound, wide) ((tf_result){frac, bound, wide})
STEP(multiply_wide, tf_mul(p, step_put(r, x, 64, 64), step_put(r, x, 64, 64), RESULT(0, 4096, true)))
STEP(multiply_wide_by_12, tf_mul(p, step_put(r, x, 64, 64), step_put(r, x, 64, 64), RESULT(4, 4096, true)))
STEP(multiply_narrow, tf_mul(p, step_put(r, x, 64, 64), step_put(r, x, 64, 64), RESULT(8, 4096, false)))
STEP(multiply_odd, tf_mul(p, step_put(r, x, 53, 64), step_put(r, x, 53, 64), RESULT(5, 4000000, false)))
STEP(multiply_untruncated, tf_mul(p, step_put(r, x, 64, 64), step_put(r, x, 64, 64), RESULT(16, 4096, false)))
STEP(dot, tf_dot(p, tf_reshape(p, step_put(r, x, 64, 64), tf_dims(STEP_N / 2, 2)),
                 tf_reshape(p, step_put(r, x, 64, 64), tf_dims(STEP_N / 2, 2)), RESULT(8, 8192, false)))
STEP(truncate_narrow, tf_trunc(p, step_put(r, x, 48, 0x1p30), 0))
STEP(truncate_odd, tf_trunc(p, step_put(r, x, 43, 0x1p28), 5))
STEP(truncate_wide, tf_trunc_wide(p, rig_put(r, tf_dims(STEP_N), x, 16, 64, 0x1p30), 0))
STEP(truncate_wide_by_3, tf_trunc_wide(p, step_put(r, x, 64, 0x1p30), 5))
STEP(lift, tf_lift(p, step_put(r, x, 48, 64), 64))
STEP(lift_odd, tf_lift(p, step_put(r, x, 25, 64), 44))
STEP(compare, tf_negative(p, step_put(r, x, 32, 0x1p10), 0))
STEP(compare_low, tf_negative(p, step_put(r, x, 32, 0x1p10), 4))
STEP(compare_soon, tf_negative_soon(p, step_put(r, x, 32, 0x1p10), 0))
STEP(compare_at_once, tf_negative_in(p, step_put(r, x, 32, 0x1p4), 8, 1))
STEP(below, tf_value b = tf_below(p, step_put(r, x, 32, 0x1p10), 3, (double[]){1, -2, 30}, 2, false);
     tf_bit_to_share(p, tf_bit_plane(p, b, 2), 32, false))
STEP(select_one, tf_select(p, 1, &(tf_term){step_bit(r, x), step_put(r, x, 32, 64), false}))
STEP(select_lifted, p->round_bytes = 1e9;
     tf_lift(p, tf_select(p, 1, &(tf_term){step_bit(r, x), step_put(r, x, 32, 64), true}), 48))
STEP(select_two, tf_value b = step_bit(r, x);
     tf_select(p, 2, (tf_term[]){{b, step_put(r, x, 48, 64), true}, {b, step_put(r, x, 48, 64), false}}))
STEP(select_either, tf_value b = step_bit(r, x);
     tf_select_either(p, (tf_term[]){{b, step_put(r, x, 32, 64), true}, {b, step_put(r, x, 32, 64), false}}, 64))
STEP(bit_to_share, tf_bit_to_share(p, step_bit(r, x), 32, false))
STEP(relu, tf_relu(p, step_put(r, x, 32, 0x1p10)))
STEP(exponential, tf_exp2(p, tf_add_const(p, step_put(r, x, 32, 4), -5), 16, p->frac))

static void step_matmul(rig *r, const int64_t *x) {
    enum { STEP_K = STEP_N / STEP_ROWS };
    tf_matmul_layout l = {.batch = {1, 1},
                          .m = STEP_ROWS,
                          .k = STEP_K,
                          .n = STEP_ROWS,
                          .a_row = STEP_K,
                          .b_row = 1,
                          .b_col = STEP_K,
                          .c_row = STEP_ROWS};
    tf_value a = tf_slice(&r->program, step_put(r, x, 64, 64), 0, 0, STEP_ROWS * STEP_K);
    tf_matmul(&r->program, a, a, -1, l, tf_dims(STEP_ROWS, STEP_ROWS), RESULT(8, 0x1p20, true));
}

/* In the widest ring, with a weight of no party, so that the rig's shares of it serve. */
static void step_rotated(rig *r, const int64_t *x) {
    enum { IN = STEP_N / STEP_ROWS, DEPTH = 16 };
    static float angles[STEP_ROWS * DEPTH];
    static tf_node table = {.name = "angles", .leaf = TF_LEAF_CONSTANT, .data = angles};
    tf_program *p = &r->program;
    table.shape = tf_dims(STEP_ROWS, DEPTH);
    for (int i = 0; i < STEP_ROWS * DEPTH; i++)
        angles[i] = (float)(i % DEPTH < DEPTH / 2 ? cos(i / DEPTH) : sin(i / DEPTH));
    p->model_owner = TF_OUTSIDE;
    tf_value a = tf_slice(p, rig_put(r, tf_dims(STEP_N), x, 18, 64, 64), 0, 0, STEP_ROWS * IN);
    rig_put(r, tf_dims(STEP_ROWS, IN), x, 8, 64, 64);
    tf_linear_rotated(p, tf_reshape(p, a, tf_dims(STEP_ROWS, IN)), tf_program_leaf(p, &r->leaf[r->inputs - 1]), -1,
                      tf_program_leaf(p, &table), STEP_ROWS / 2, RESULT(8, 0x1p22, false));
}

/* The same with n gamma added. */
static void step_linear_plus(rig *r, const int64_t *x) {
    enum { IN = STEP_N / STEP_ROWS, OUT = IN < STEP_ROWS ? IN : STEP_ROWS };
    tf_program *p = &r->program;
    p->model_owner = TF_OUTSIDE;
    tf_value a = tf_slice(p, rig_put(r, tf_dims(STEP_N), x, 18, 64, 64), 0, 0, STEP_ROWS * IN);
    tf_value n = rig_put(r, tf_dims(STEP_ROWS, OUT), x, 18, 64, 64);
    rig_put(r, tf_dims(OUT), x, 8, 64, 64);
    tf_value gamma = tf_program_leaf(p, &r->leaf[r->inputs - 1]);
    rig_put(r, tf_dims(OUT, IN), x, 8, 64, 64);
    tf_linear_plus(p, tf_reshape(p, a, tf_dims(STEP_ROWS, IN)), tf_program_leaf(p, &r->leaf[r->inputs - 1]), -1, n,
                   gamma, RESULT(8, 0x1p36, false));
}

static void step_lookup(rig *r, const int64_t *x) {
    static const double table[16];
    tf_value index = rig_put(r, tf_dims(STEP_N / 8), x, 0, 4 + 8, 512); /* all bits but the low four are dropped */
    tf_lookup(&r->program, index, 4, table, 8, 64);
}

/* Two groups of three side by side: bits of their pairs, and their largest. */
static void step_winners(rig *r, const int64_t *x) {
    tf_program *p = &r->program;
    tf_value a = step_put(r, x, 24, 0x1p12), b = tf_scale_int(p, a, 3), c = tf_add_const_within(p, a, 1, 0x1p13);
    tf_value pair[3] = {tf_negative(p, tf_sub(p, a, b), 0), tf_negative(p, tf_sub(p, a, c), 0),
                        tf_negative(p, tf_sub(p, b, c), 0)};
    tf_winners(p, 3, pair);
    tf_select_winner(p, 3, pair, (tf_value[]){b, c});
}

static double step_square(double x) {
    return x * x;
}
STEP(powers, tf_powers(p, (tf_lowered){step_put(r, x, 32, 100), -1}, 1.25, TF_POWERS_TO_252, 19, 0))
STEP(powers_fine, tf_powers(p, (tf_lowered){step_put(r, x, 32, 100), -1}, 1.25, TF_POWERS_TO_508, 26, 0))
static tf_lowered step_rows_below_ceilings(rig *r, const int64_t *x, size_t rows, bool far) {
    tf_value scores = tf_slice(&r->program, step_put(r, x, 32, 100), 0, 0, 10 * rows);
    return tf_below_ceiling(&r->program, tf_reshape(&r->program, scores, tf_dims(rows, 10)), -1, tf_dims(1),
                            far ? TF_POWERS_TO_508 : TF_POWERS_TO_252, far);
}
static void step_ceiling(rig *r, const int64_t *x) {
    tf_powers(&r->program, step_rows_below_ceilings(r, x, STEP_N / 10, false), 1.25, TF_POWERS_TO_252, 19, 0);
}
static void step_ceiling_far(rig *r, const int64_t *x) {
    step_rows_below_ceilings(r, x, STEP_N / 10, true);
}
STEP(powers_once, tf_powers_at_once(p, (tf_lowered){step_put(r, x, 32, 100), -1}, 1.25, TF_POWERS_TO_252, 19, 61))

/* Few rows: the keys of one are large. */
static void step_ceiling_keyed(rig *r, const int64_t *x) {
    r->program.round_bytes = 1e12;
    step_rows_below_ceilings(r, x, (STEP_N + 79) / 80, false);
    step_rows_below_ceilings(r, x, (STEP_N + 79) / 80, true);
}
STEP(spline, tf_spline(p, step_put(r, x, 32, 4), step_square, (tf_window){4, 7}, RESULT(8, 16, false)))
STEP(spline_fine, tf_spline(p, step_put(r, x, 32, 4), step_square, (tf_window){4, 8}, RESULT(8, 16, false)))

/* A multiple of 128 elements, few of them: what S deals is large. */
static void step_pieces(rig *r, const int64_t *x) {
    double threshold[STEP_THRESHOLDS];
    for (int j = 0; j < STEP_THRESHOLDS; j++) threshold[j] = (j + 1) * 0x1p14;
    tf_value a = tf_slice(&r->program, step_put(r, x, 32, 0x1p19), 0, 0, (STEP_N / 16 + 127) / 128 * 128);
    tf_value bits = tf_thresholds(&r->program, a, STEP_THRESHOLDS, threshold, 0);
    double end[STEP_THRESHOLDS + 2];
    for (int j = 0; j < STEP_THRESHOLDS + 2; j++) end[j] = j * 0x1p14;
    tf_power square = {0x1p-19, 2, end, STEP_THRESHOLDS + 1};
    for (int degree = 1; degree <= TF_PIECE_DEGREE; degree++)
        tf_pieces(&r->program, bits, a, degree, &square, RESULT(8, 0x1p20, false), degree > 1 ? 40 : 0);
}

static void step_threshold_keys(rig *r, const int64_t *x) {
    double threshold[STEP_THRESHOLDS];
    for (int j = 0; j < STEP_THRESHOLDS; j++) threshold[j] = (j + 1) * 0x1p14;
    tf_value a = tf_slice(&r->program, step_put(r, x, 32, 0x1p19), 0, 0, (STEP_N / 16 + 127) / 128 * 128);
    tf_thresholds_soon(&r->program, a, STEP_THRESHOLDS, threshold, 0);
    tf_thresholds_soon(&r->program, a, STEP_THRESHOLDS, threshold, 3);
}

static void step_curve(rig *r, const int64_t *x) {
    static const double end[] = {0x1p10, 0x1p14, 0x1p18, 0x1p19};
    tf_power root = {0x1p19, -0.5, end, 3};
    tf_value a = tf_slice(&r->program, step_put(r, x, 32, 0x1p19), 0, 0, (STEP_N / 16 + 127) / 128 * 128);
    tf_curve(&r->program, a, &root, RESULT(8, 0x1p16, false), 40);
}

static const step_case step_products[] = {{"multiply, wide", step_multiply_wide},
                                          {"multiply, wide by 12", step_multiply_wide_by_12},
                                          {"multiply, narrow", step_multiply_narrow},
                                          {"multiply, odd ring", step_multiply_odd},
                                          {"multiply, untruncated", step_multiply_untruncated},
                                          {"dot", step_dot},
                                          {"matmul", step_matmul},
                                          {"rotated linear layer", step_rotated},
                                          {"linear layer with more", step_linear_plus},
                                          {0}};
static const step_case step_truncations[] = {{"truncate", step_truncate_narrow},
                                             {"truncate, odd ring", step_truncate_odd},
                                             {"truncate, wide", step_truncate_wide},
                                             {"truncate, wide by 3", step_truncate_wide_by_3},
                                             {"lift", step_lift},
                                             {"lift, odd rings", step_lift_odd},
                                             {0}};
static const step_case step_selections[] = {{"compare", step_compare},
                                            {"compare, low bits dropped", step_compare_low},
                                            {"compare, in one exchange", step_compare_soon},
                                            {"compare, by a single block", step_compare_at_once},
                                            {"winners of groups", step_winners},
                                            {"compare with three numbers", step_below},
                                            {"select", step_select_one},
                                            {"select, lifted", step_select_lifted},
                                            {"select of two terms", step_select_two},
                                            {"select of either of two", step_select_either},
                                            {"bit to share", step_bit_to_share},
                                            {"relu", step_relu},
                                            {0}};
static const step_case step_tables[] = {{"2^x", step_exponential},
                                        {"powers", step_powers},
                                        {"powers of a far range", step_powers_fine},
                                        {"powers in one exchange", step_powers_once},
                                        {"rows less their ceilings", step_ceiling},
                                        {"ceilings of a far range", step_ceiling_far},
                                        {"ceilings by keys", step_ceiling_keyed},
                                        {"spline", step_spline},
                                        {"spline of 256 segments", step_spline_fine},
                                        {"lookup", step_lookup},
                                        {"thresholds and pieces", step_pieces},
                                        {"thresholds by keys", step_threshold_keys},
                                        {"curve", step_curve},
                                        {0}};

#endif
