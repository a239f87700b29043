/*
 * What every step costs, exactly: bytes on each directed link, and rounds. The numbers are those of the protocols'
 * formulas, in bits that an element makes S deal to R, and L and R swap each way; with parts of one size every link
 * carries dealt for a sixth of the elements and swapped for a third of them.
 */
#include "runtime/steps/powers.h"
#include "runtime/steps/steps.h"
#include "tests/support/rig.h"

enum { N = 3 * 128 * 16 };

static int64_t some[2 * N];

static tf_value put(rig *r, tf_shape shape, int frac, unsigned bits, double bound) {
    return rig_put(r, shape, some, frac, bits, bound);
}
static tf_value narrow(rig *r) {
    return put(r, tf_dims(N), 16, 32, 1 << 14);
}
static tf_value middle(rig *r) {
    return put(r, tf_dims(N), 16, 48, 1 << 14);
}
static tf_value whole(rig *r) {
    return put(r, tf_dims(N), 16, 64, 1 << 14);
}
static tf_value a_bit(rig *r) {
    return tf_negative(&r->program, put(r, tf_dims(N), 0, 8, 3), 0);
}

enum { M = 48, K = 16, COLUMNS = 128 };
static const tf_matmul_layout layout = {
    .batch = {1, 1}, .m = M, .k = K, .n = COLUMNS, .a_row = K, .b_row = COLUMNS, .b_col = 1, .c_row = COLUMNS};
static tf_value left(rig *r, unsigned bits) {
    return put(r, tf_dims(M, K), 16, bits, 1 << 14);
}
static tf_value right(rig *r, unsigned bits) {
    return put(r, tf_dims(K, COLUMNS), 16, bits, 1 << 14);
}
static tf_value product(rig *r, unsigned bits, tf_result result) {
    return tf_matmul(&r->program, left(r, bits), right(r, bits), -1, layout, tf_dims(M, COLUMNS), result);
}
static const tf_result to_32 = {16, 0x1p14, false}, to_48 = {16, 0x1p30, false}, wide = {16, 0x1p28, true},
                       all = {32, 0x1p28, false};

#define STEP(name, ...)                                                                                                \
    static tf_value name(rig *r) {                                                                                     \
        tf_program *p = &r->program;                                                                                   \
        (void)p;                                                                                                       \
        return __VA_ARGS__;                                                                                            \
    }
STEP(multiply_wide, tf_mul(p, whole(r), whole(r), wide))
STEP(multiply_to_48, tf_mul(p, whole(r), whole(r), to_48))
STEP(multiply_to_32, tf_mul(p, middle(r), middle(r), to_32))
STEP(multiply_whole, tf_mul(p, whole(r), whole(r), all))
STEP(dot_many,
     tf_dot(p, tf_reshape(p, middle(r), tf_dims(N / 8, 8)), tf_reshape(p, middle(r), tf_dims(N / 8, 8)), to_32))
STEP(matmul_wide, product(r, 64, wide))
STEP(matmul_to_48, product(r, 64, to_48))
STEP(matmul_to_32, product(r, 48, to_32))
STEP(matmul_whole, product(r, 64, all))
STEP(matmul_relu, tf_relu(p, product(r, 48, to_32)))
STEP(truncate_wide, tf_trunc_wide(p, whole(r), 0))
STEP(truncate_wide_by_12, tf_trunc_wide(p, whole(r), 4))
STEP(truncate_to_48, tf_trunc(p, put(r, tf_dims(N), 16, 64, 0x1p46), 0))
STEP(truncate_to_32, tf_trunc(p, put(r, tf_dims(N), 16, 48, 0x1p30), 0))
STEP(lift_48_64, tf_lift(p, middle(r), 64))
STEP(lift_32_64, tf_lift(p, narrow(r), 64))
STEP(lift_32_48, tf_lift(p, narrow(r), 48))
STEP(lift_41_64, tf_lift(p, put(r, tf_dims(N), 16, 41, 1 << 14), 64))
STEP(lift_a_product, tf_lift(p, multiply_to_32(r), 64))
STEP(compare_31, tf_negative(p, put(r, tf_dims(N), 16, 32, 0x1p15), 0))
STEP(compare_31_drop_8, tf_negative(p, put(r, tf_dims(N), 16, 32, 0x1p14), 8))
STEP(compare_at_once, tf_negative_in(p, put(r, tf_dims(N), 4, 16, 16), 0, 1))
STEP(compare_soon, tf_negative_soon(p, tf_assume(p, narrow(r), 0x1p7), 0))
STEP(compare_30, tf_negative(p, narrow(r), 0))
STEP(compare_twice, tf_below(p, narrow(r), 2, (double[]){4, -4}, 10, false))
STEP(select_32, tf_select(p, 1, &(tf_term){a_bit(r), narrow(r), false}))
STEP(select_48, tf_select(p, 1, &(tf_term){a_bit(r), put(r, tf_dims(N), 16, 48, 0x1p30), true}))
STEP(select_64, tf_select(p, 1, &(tf_term){a_bit(r), put(r, tf_dims(N), 16, 64, 0x1p46), false}))
STEP(select_two, tf_select(p, 2, (tf_term[]){{a_bit(r), narrow(r), false}, {a_bit(r), narrow(r), true}}))
STEP(bit_to_32, tf_bit_to_share(p, a_bit(r), 32, false))
STEP(bit_to_64, tf_bit_to_share(p, a_bit(r), 64, true))
STEP(relu, tf_relu(p, narrow(r)))
STEP(two_relus, tf_relu(p, tf_sub(p, tf_relu(p, narrow(r)), narrow(r))))
STEP(multiply_relu, tf_relu(p, multiply_to_32(r)))
STEP(spline, tf_spline(p, narrow(r), fabs, (tf_window){4, 7}, (tf_result){16, 1 << 14, false}))
STEP(exponential, tf_exp2(p, put(r, tf_dims(2 * N), 16, 32, 16), 16, p->frac))
STEP(powers, tf_powers(p, (tf_lowered){put(r, tf_dims(N), 12, 32, 100), -1}, 1.25, TF_POWERS_TO_252, 19, 0))
STEP(powers_fine, tf_powers(p, (tf_lowered){put(r, tf_dims(N), 12, 32, 100), -1}, 1.25, TF_POWERS_TO_508, 26, 0))
static tf_value ceiling_of(rig *r, tf_powers_range range) {
    tf_value x = put(r, tf_dims(N / 8, 8), 12, 32, 100);
    tf_lowered below = tf_below_ceiling(&r->program, x, -1, tf_dims(1), range, false);
    return tf_expand(&r->program, below.row, tf_dims(N / 8, 8));
}
STEP(ceiling, ceiling_of(r, TF_POWERS_TO_252))
STEP(ceiling_far, ceiling_of(r, TF_POWERS_TO_508))
static tf_value ceiling_keyed(rig *r) {
    r->program.round_bytes = 1e12;
    return ceiling_of(r, TF_POWERS_TO_252);
}
STEP(powers_once,
     tf_powers_at_once(p, (tf_lowered){put(r, tf_dims(N), 12, 32, 100), -1}, 1.25, TF_POWERS_TO_252, 19, 61))
STEP(exponential_few, tf_exp2(p, put(r, tf_dims(N / 8), 16, 32, 16), 16, p->frac))
STEP(open_weights, tf_trunc(p, tf_mul_public(p, middle(r), tf_dims(1), (double[]){0.3}, 16), 16))
STEP(local, tf_sum_axis(p, tf_slice(p, tf_add(p, narrow(r), narrow(r)), 0, 0, 99), 0, 9))

static tf_value select_lifted(rig *r) {
    r->program.round_bytes = 1e9;
    return tf_lift(&r->program, tf_select(&r->program, 1, &(tf_term){a_bit(r), narrow(r), false}), 48);
}

static const double threshold[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
STEP(thresholds_12, tf_thresholds(p, put(r, tf_dims(N), 8, 16, 16), 10, threshold, 0))
static tf_value pieces_of(rig *r, int degree, unsigned ring) {
    static const double ends[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16};
    tf_power square = {1, 2, ends, 11};
    tf_value x = put(r, tf_dims(N), 8, 16, 16);
    return tf_pieces(&r->program, tf_thresholds(&r->program, x, 10, threshold, 0), x, degree, &square,
                     (tf_result){16, 1 << 14, false}, ring);
}
static tf_value lines(rig *r) {
    return pieces_of(r, 1, 0);
}
static tf_value cubics(rig *r) {
    return pieces_of(r, 3, 40);
}
static tf_value winners(rig *r) {
    return tf_winners(&r->program, 3, (tf_value[]){a_bit(r), a_bit(r), a_bit(r)});
}
static tf_value the_winner(rig *r) {
    return tf_select_winner(&r->program, 3, (tf_value[]){a_bit(r), a_bit(r), a_bit(r)},
                            (tf_value[]){narrow(r), narrow(r)});
}
static tf_value curve(rig *r) {
    static const double ends[] = {1, 2, 4, 15};
    tf_power root = {1, -0.5, ends, 3};
    return tf_curve(&r->program, put(r, tf_dims(N), 4, 16, 15), &root, (tf_result){16, 4, false}, 40);
}
STEP(thresholds_30, tf_thresholds(p, narrow(r), 10, threshold, 0))
STEP(threshold_keys, tf_thresholds_soon(p, narrow(r), 10, threshold, 0))

static tf_value lookup(rig *r) {
    double table[16] = {0};
    return tf_lookup(&r->program, put(r, tf_dims(N), 0, 32, 16), 4, table, 16, 1 << 14);
}

/* Comparisons of w bits in m blocks: 2^b - 1 bits of a unit vector for each block are dealt, and for each group of
   blocks the products of masks: 1 of two blocks, or 5 of three, and 1 or 3 more where equality is wanted too. Opened
   are 2 wires of two blocks, 4 of three, one more for equality, and the result. Seven blocks or eight are two groups of
   three and the rest, and then these; nine are three groups. Six are pairs, and then these, here for two numbers. */
enum {
    PLANES_4 = 6 + 1,
    OPEN_4 = 2 + 1,
    PLANES_20 = 45 + 5 + 8 + 5,
    OPEN_20 = 4 + 5 + 4 + 1,
    PLANES_23 = 52 + 5 + 8 + 2 + 5,
    OPEN_23 = 4 + 5 + 3 + 4 + 1,
    PLANES_30 = 87 + 5 + 8 + 8 + 5,
    PLANES_31 = 95 + 5 + 8 + 8 + 5,
    OPEN_9_BLOCKS = 4 + 5 + 5 + 4 + 1,
    PLANES_21_TWICE = 66 + 2 * (1 + 2 + 2 + 5),
    OPEN_21_TWICE = 2 * (2 + 3 + 3 + 4 + 1),
    SOON_20 = 75 + 37,
    SOON_23 = 123 + 37,
    OPEN_SOON = 9
};

/* Thresholds over 12 bits in two blocks of 6: their unit vectors, and one product of masks for each threshold. */
enum { THRESHOLDS_12 = 2 * 64 + 10 };

/* Ceilings, of a row and 24 buckets: products of masks of eight triples and seven fours, and numbers of 6 or 7 bits for
   the seven sets of the last three; 40, 12 and 3 wires are opened. A number of 8 bits is reshared. A row has 8 columns.
 */
enum { CEILING_NEAR = 8 * 4 + 7 * 11 + 7 * 6, CEILING_FAR = 8 * 4 + 7 * 11 + 7 * 7, CEILING_WIRES = 40 + 12 + 3 };

typedef struct price {
    const char *name;
    tf_value (*append)(rig *r);
    size_t elements;
    unsigned dealt, swapped, rounds; /* bits of an element */
    double limit;                    /* bytes an element that the protocols promise at most; 0: no more than that */
} price;

/* a_bit takes 2 bits, of which comparisons make one block of 2: 3 dealt, 1 opened; bits of a_bit are in the sums */
enum { BIT_DEALT = 3, BIT_OPEN = 1 };

static const price prices[] = {
    {"multiply, Z_2^64 wide", multiply_wide, N, 64 + 16, 64 + 16, 2, 30},
    {"multiply, Z_2^64 to Z_2^48", multiply_to_48, N, 48, 48, 1, 18},
    {"multiply, Z_2^48 to Z_2^32", multiply_to_32, N, 32, 32, 1, 12},
    {"multiply, Z_2^64 untruncated", multiply_whole, N, 64, 64, 1, 24},
    {"dot, Z_2^48 to Z_2^32", dot_many, N / 8, 32, 32, 1, 12},
    {"matmul, Z_2^64 wide", matmul_wide, M *COLUMNS, 64 + 16, 64 + 16, 2, 30},
    {"matmul, Z_2^64 to Z_2^48", matmul_to_48, M *COLUMNS, 48, 48, 1, 18},
    {"matmul, Z_2^48 to Z_2^32", matmul_to_32, M *COLUMNS, 32, 32, 1, 12},
    {"matmul, Z_2^64 untruncated", matmul_whole, M *COLUMNS, 64, 64, 1, 24},
    {"matmul and ReLU", matmul_relu, M *COLUMNS, 32 + PLANES_23 + 64, 32 + OPEN_23 + 32, 5, 12 + 30.4},
    {"truncate, wide", truncate_wide, N, 64 + 16, 16, 2, 14},
    {"truncate, wide, by 12", truncate_wide_by_12, N, 64 + 16, 16, 2, 14},
    {"truncate, Z_2^64 to Z_2^48", truncate_to_48, N, 48, 0, 1, 6},
    {"truncate, Z_2^48 to Z_2^32", truncate_to_32, N, 32, 0, 1, 4},
    {"truncate after a public product", open_weights, N, 32, 0, 1, 14},
    {"lift, Z_2^48 to Z_2^64", lift_48_64, N, 32, 16, 2, 8},
    {"lift, Z_2^32 to Z_2^64", lift_32_64, N, 64, 32, 2, 16},
    {"lift, Z_2^32 to Z_2^48", lift_32_48, N, 32, 16, 2, 8},
    {"lift, Z_2^41 to Z_2^64", lift_41_64, N, 48, 24, 2, 12},
    {"lift after a product", lift_a_product, N, 32 + 64, 32 + 32, 2, 28},
    {"compare, 31 bits", compare_31, N, PLANES_31, OPEN_9_BLOCKS, 4, 20.2},
    {"compare, 31 bits, 8 dropped", compare_31_drop_8, N, PLANES_23, OPEN_23, 4, 14.4},
    {"compare, 23 bits, in one exchange", compare_soon, N, SOON_23, OPEN_SOON, 3, 22.25},
    {"compare, 8 bits, by a single block", compare_at_once, N, 255, 1, 2, 32.125},
    {"compare, 30 bits", compare_30, N, PLANES_30, OPEN_9_BLOCKS, 4, 20.2},
    {"compare with two numbers, 21 bits", compare_twice, N, PLANES_21_TWICE, OPEN_21_TWICE, 4, 17.25},
    {"10 thresholds, 12 bits", thresholds_12, N, THRESHOLDS_12, 10 * 3, 3, 24.75},
    {"10 thresholds, 30 bits", thresholds_30, N, 4 * 256 + 10 * 15, 10 * 7, 3, 164.25},
    {"10 thresholds, 30 bits, their keys to L and to R", threshold_keys, N, 2 * (30 - 7 + 1) * 128, 10, 2, 770.5},
    {"lines between 10 thresholds", lines, N, THRESHOLDS_12 + (2 + 4) * 128, 10 * 3 + 32, 4, 128.75},
    {"cubics between these, in Z_2^40", cubics, N, THRESHOLDS_12 + (2 + 4 * 3) * 128, 10 * 3 + 40, 4, 258.75},
    {"curve of 16 bits, in Z_2^40, its keys to L and to R", curve, N, 2 * 17 * 640, 40, 2, 2730},
    {"winners of three", winners, N, 3 * BIT_DEALT + 5, 3 * BIT_OPEN + 2, 3, 5},
    {"the winner of three, Z_2^32", the_winner, N, 3 * BIT_DEALT + 11 * 32, 3 * BIT_OPEN + 32, 3, 56},
    {"select, Z_2^32", select_32, N, BIT_DEALT + 64, BIT_OPEN + 32, 3, 16.7},
    {"select, Z_2^48", select_48, N, BIT_DEALT + 96, BIT_OPEN + 48, 3, 24.7},
    {"select, Z_2^64", select_64, N, BIT_DEALT + 128, BIT_OPEN + 64, 3, 32.7},
    {"select, Z_2^32 to Z_2^48", select_lifted, N, BIT_DEALT + 2 * 48 + 3 * 16, BIT_OPEN + 48, 3, 30.7},
    {"select of two terms, Z_2^32", select_two, N, 2 * BIT_DEALT + 128, 2 * BIT_OPEN + 32, 3, 25.3},
    {"bit to share, Z_2^32", bit_to_32, N, BIT_DEALT + 32, BIT_OPEN + 32, 3, 12.7},
    {"bit to share, Z_2^64", bit_to_64, N, BIT_DEALT + 64, BIT_OPEN + 64, 3, 24.7},
    {"ReLU, Z_2^32", relu, N, PLANES_23 + 64, OPEN_23 + 32, 5, 30.4},
    {"two ReLUs in a row", two_relus, N, 2 * (PLANES_23 + 64), 2 * (OPEN_23 + 32), 9, 60.8},
    {"multiply and ReLU", multiply_relu, N, 32 + PLANES_23 + 64, 32 + OPEN_23 + 32, 5, 42.4},
    {"2^x", exponential, 2 * N, PLANES_20 + 128, OPEN_20 + 24, 5, 34},
    {"spline of 128 segments, Z_2^32", spline, N, 128 + 3 * 40, 2 * 40 + 32, 3, 59},
    {"2^x by segments", powers, N, 64 + 2 * 40, 40 + 24, 3, 34},
    {"2^x by 128 segments, to 26 bits", powers_fine, N, 128 + 2 * 48, 48 + 32, 3, 48},
    {"rows of 8 less their ceilings", ceiling, N, 64 + 3 * CEILING_NEAR, 3 * CEILING_WIRES + 1, 5, 106.25},
    {"the same in a farther range", ceiling_far, N, 128 + 3 * CEILING_FAR, 3 * CEILING_WIRES + 1, 5, 116.875},
    {"rows of 8 less their ceilings, by keys", ceiling_keyed, N, 2 * (64 + 24 * 81 * 8), 3 * 40 + 1, 3, 3934.25},
    {"2^x in one exchange, in Z_2^61", powers_once, N, 64 * 80, 64, 2, 656},
    {"2^x, few", exponential_few, N / 8, SOON_20 + 128, OPEN_SOON + 24, 4, 38.25},
    {"table of 16 entries, Z_2^32", lookup, N, 16 * 32, 32, 2, 72},
    {"local steps", local, 1, 0, 0, 0, 0},
};

static void check_price(const price *c) {
    rig r = rig_open(16);
    r.program.round_bytes = 16000;
    tf_value v = c->append(&r);
    cr_assert(v >= 0, "%s: %s", c->name, r.program.error);
    cr_assert_eq(c->elements, tf_shape_count(tf_type_of(&r.program, v)->shape));
    rig_run(&r); /* measured = forecast on every link, and rounds */
    const tf_plan *plan = &r.t.plan;
    cr_assert_eq((unsigned)plan->rounds, c->rounds, "%s: %d rounds", c->name, plan->rounds);
    uint64_t load = (c->elements / 6 * c->dealt + c->elements / 3 * c->swapped) / 8;
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++)
            cr_assert_eq(plan->bytes[i][j], i == j ? 0 : load, "%s, %d to %d: %zu bytes, not %zu", c->name, i, j,
                         (size_t)plan->bytes[i][j], (size_t)load);
    cr_assert_eq(plan->total_bytes, 6 * load);
    double bytes = (c->dealt + 2.0 * c->swapped) / 8;
    cr_assert_leq(bytes, c->limit, "%s: %g bytes an element, %g are promised", c->name, bytes, c->limit);
    rig_close(&r);
}

Test(cost, of_every_step_is_its_formula) {
    for (size_t i = 0; i < sizeof prices / sizeof *prices; i++) check_price(&prices[i]);
}

Test(cost, of_inputs_and_outputs) {
    static float x[N];
    static double y[TF_PARTIES][N];
    const float *input[] = {x};
    const int receiver[] = {TF_EVERYONE, 0, 1, 2};
    for (int owner = 0; owner < TF_PARTIES; owner++)
        for (int k = 0; k < 4; k++)
            for (unsigned bits = 32; bits <= 64; bits += 16) {
                rig r = rig_open(16);
                int to = receiver[k];
                tf_output(&r.program, tf_input(&r.program, owner, tf_dims(N), 16, bits, 1, 0), to, 0);
                double *output[TF_PARTIES][1] = {{y[0]}, {y[1]}, {y[2]}};
                for (int p = 0; p < TF_PARTIES; p++)
                    r.t.party[p].slots = (tf_slots){.input = input, .output = output[p]};
                rig_run(&r);
                tf_traffic_matrix wanted = {{0}};
                wanted[owner][tf_next(owner)] = N * bits / 8;
                for (int t = 0; t < TF_PARTIES; t++)
                    if (to == t || to == TF_EVERYONE)
                        wanted[tf_next(t)][t] += N * bits / 8, wanted[tf_previous(t)][t] += 16;
                cr_assert_arr_eq(r.t.plan.bytes, wanted, sizeof wanted);
                cr_assert_eq(r.t.plan.rounds, 2);
                rig_close(&r);
            }
}

Test(cost, of_an_embedding) {
    const size_t size[][2] = {{1000, 64}, {64, 32}, {30522, 8}, {7, 5}};
    const unsigned rings[] = {32, 48, 64, 32};
    enum { TOKENS = 12 };
    int32_t ids[TOKENS] = {0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 1, 2};
    for (int owner = 0; owner < TF_PARTIES; owner++)
        for (size_t k = 0; k < 4; k++) {
            size_t rows = size[k][0], columns = size[k][1], bytes = rings[k] / 8, elements = TOKENS * columns;
            int64_t *table = calloc(rows * columns, sizeof *table);
            tf_node tokens = {.name = "tokens", .leaf = TF_LEAF_TOKENS, .shape = tf_dims(TOKENS), .tokens = ids};
            rig r = rig_open(16);
            tf_embed(&r.program, rig_put(&r, tf_dims(rows, columns), table, 8, rings[k], 1 << 14), &tokens, owner);
            rig_run(&r);
            int left_party = tf_previous(owner), right_party = tf_next(owner);
            tf_traffic_matrix wanted = {{0}};
            wanted[owner][right_party] = elements * bytes + TOKENS * ((rows + 7) / 8 + bytes); /* row, vector, sign */
            wanted[left_party][right_party] = wanted[right_party][left_party] = 2 * elements * bytes;
            cr_assert_arr_eq(r.t.plan.bytes, wanted, sizeof wanted);
            cr_assert_eq(r.t.plan.total_bytes, elements * 5 * bytes + TOKENS * ((rows + 7) / 8 + bytes));
            cr_assert_eq(r.t.plan.rounds, 3);
            rig_close(&r);
            free(table);
        }
}

/* Of many tokens at once: four bits a row for each group, as many buckets' sums as it has buckets, and shares of which
 * token has which. */
Test(cost, of_many_tokens_at_once) {
    enum { ROWS = 1000, WIDTH = 24 };
    const struct {
        size_t tokens, groups, buckets;
        unsigned ring;
    } size[] = {{16, 1, 72, 32}, {128, 1, 184, 48}, {129, 2, 124, 32}, {512, 4, 184, 64}};
    static int64_t table[ROWS * WIDTH];
    static int32_t ids[512];
    for (int i = 0; i < 512; i++) ids[i] = i / 2;
    for (int owner = 0; owner < TF_PARTIES; owner++)
        for (size_t k = 0; k < sizeof size / sizeof *size; k++) {
            const size_t tokens = size[k].tokens, bytes = size[k].ring / 8, elements = tokens * WIDTH;
            const size_t buckets = size[k].groups * size[k].buckets;
            tf_node leaf = {.name = "tokens", .leaf = TF_LEAF_TOKENS, .shape = tf_dims(tokens), .tokens = ids};
            rig r = rig_open(16);
            tf_embed(&r.program, rig_put(&r, tf_dims(ROWS, WIDTH), table, 8, size[k].ring, 1 << 14), &leaf, owner);
            rig_run(&r);
            const int left_party = tf_previous(owner), right_party = tf_next(owner);
            tf_traffic_matrix wanted = {{0}};
            wanted[owner][right_party] =
                size[k].groups * 4 * ROWS / 8 + 16 + (tokens * size[k].buckets + elements) * bytes;
            wanted[left_party][right_party] = wanted[right_party][left_party] = (buckets * WIDTH + elements) * bytes;
            cr_assert_arr_eq(r.t.plan.bytes, wanted, sizeof wanted);
            cr_assert_eq(r.t.plan.rounds, 3);
            rig_close(&r);
        }
}

/* From 32 to 48 bits: S deals 6 B, and 2 B twice; 6 B are reshared. */
Test(cost, of_an_embedding_that_comes_lifted) {
    enum { TOKENS = 12, ROWS = 100, WIDTH = 24, ELEMENTS = TOKENS * WIDTH };
    int32_t ids[TOKENS] = {0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 1, 2};
    static int64_t table[ROWS * WIDTH];
    tf_node tokens = {.name = "tokens", .leaf = TF_LEAF_TOKENS, .shape = tf_dims(TOKENS), .tokens = ids};
    for (int worth = 0; worth < 2; worth++) {
        rig r = rig_open(16);
        r.program.round_bytes = worth ? 1e6 : 0;
        tf_value x = tf_embed(&r.program, rig_put(&r, tf_dims(ROWS, WIDTH), table, 8, 32, 1 << 14), &tokens, 1);
        cr_assert_eq(tf_lift(&r.program, x, 48) == x, worth);
        rig_run(&r);
        uint64_t vectors = TOKENS * ((ROWS + 7) / 8);
        cr_assert_eq(r.t.plan.total_bytes, worth ? ELEMENTS * (2 * 4 + 3 * 6 + 2 * 2) + vectors + TOKENS * 6
                                                 : ELEMENTS * (5 * 4 + 4 * 2) + vectors + TOKENS * 4);
        cr_assert_eq(r.t.plan.rounds, worth ? 3 : 5);
        rig_close(&r);
    }
}

/* Any size: every element of the last, shorter third is counted, and the three parties' loads are close
 * for large ones. */
Test(cost, is_balanced_between_the_parties) {
    for (size_t i = 0; i < sizeof prices / sizeof *prices; i++) {
        if (prices[i].elements != N) continue;
        rig r = rig_open(16);
        prices[i].append(&r);
        rig_run(&r);
        uint64_t load[TF_PARTIES], sum = 0;
        for (int p = 0; p < TF_PARTIES; p++)
            load[p] = r.t.plan.bytes[p][0] + r.t.plan.bytes[p][1] + r.t.plan.bytes[p][2], sum += load[p];
        for (int p = 0; p < TF_PARTIES; p++) cr_assert_eq(3 * load[p], sum, "%s", prices[i].name);
        rig_close(&r);
    }
    for (size_t n = 100000; n < 100400; n += 37) { /* thirds are cut at multiples of 128 */
        tf_program program;
        tf_program_init(&program, 16, 0, 1);
        tf_plan plan;
        tf_relu(&program, tf_input(&program, 0, tf_dims(n), 16, 32, 1 << 14, 0));
        cr_assert_eq(tf_plan_make(&program, &plan), TF_OK);
        plan.bytes[0][1] -= n * 4; /* the input */
        double load[TF_PARTIES], sum = 0;
        for (int p = 0; p < TF_PARTIES; p++)
            load[p] = (double)(plan.bytes[p][0] + plan.bytes[p][1] + plan.bytes[p][2]), sum += load[p];
        for (int p = 0; p < TF_PARTIES; p++)
            cr_assert_lt(fabs(3 * load[p] / sum - 1), 0.02, "%zu elements, party %d", n, p);
        tf_plan_free(&plan);
        tf_program_free(&program);
    }
}

/* Small and odd sizes: forecast and measurement agree there too, and whoever has no elements sends nothing. */
Test(cost, of_any_size_is_forecast) {
    for (int s = 0; s < RIG_SIZES; s++) {
        size_t n = rig_size[s];
        int64_t *zero = calloc(n, sizeof *zero);
        rig r = rig_open(16);
        tf_program *p = &r.program;
        tf_value x = rig_put(&r, tf_dims(n), zero, 16, 48, 1 << 14);
        tf_value y = tf_relu(p, tf_mul(p, x, x, to_32));
        y = tf_exp2(p, tf_assume(p, tf_scale_int(p, y, -1), 16), 16, p->frac);
        rig_take(&r, tf_mul(p, tf_lift(p, y, 64), x, wide));
        rig_run(&r);
        if (n <= 128)
            cr_assert_eq(r.t.plan.bytes[1][0] + r.t.plan.bytes[2][0], 0,
                         "only party 0 is solo, and it receives nothing");
        rig_close(&r);
        free(zero);
    }
}
