/* Requests that cannot be met say so when the program is made, not by wrong results when it runs. */
#include "tests/support/rig.h"

static rig r;

static void setup(void) {
    r = rig_open(16);
}
static void teardown(void) {
    rig_close(&r);
}

TestSuite(step_errors, .init = setup, .fini = teardown);

static int64_t zeros[4096];

static tf_value input(tf_shape shape, int frac, unsigned bits, double bound) {
    return rig_put(&r, shape, zeros, frac, bits, bound);
}

/* Appending has failed with this status and these words; the program stays failed and its plan cannot be made. */
static void check_failed(tf_value v, tf_status status, const char *reason) {
    cr_assert_eq(v, -1);
    cr_assert_eq(tf_program_status(&r.program), status, "%s", tf_error());
    cr_assert(strstr(tf_error(), reason) != NULL, "%s", tf_error());
    int nodes = r.program.nodes;
    cr_assert_eq(tf_add_const(&r.program, 0, 1), -1);
    cr_assert_eq(tf_relu(&r.program, v), -1);
    cr_assert_eq(r.program.nodes, nodes);
    cr_assert(strstr(r.program.error, reason) != NULL, "the first failure stays");
    tf_plan plan;
    cr_assert_eq(tf_plan_make(&r.program, &plan), status);
    tf_program_free(&r.program);
    tf_program_init(&r.program, 16, 0, 1);
    for (; r.inputs > 0; r.inputs--)
        for (int j = 0; j < TF_PARTIES; j++) free(r.component[r.inputs - 1][j]);
}

#define P (&r.program)

Test(step_errors, shapes_that_do_not_fit) {
    const char *broadcast = "2x3", *reason = "broadcast";
    check_failed(tf_add(P, input(tf_dims(2, 3), 16, 32, 9), input(tf_dims(4), 16, 32, 9)), TF_INVALID, broadcast);
    check_failed(tf_mul(P, input(tf_dims(2, 3), 16, 64, 9), input(tf_dims(4), 16, 64, 9), (tf_result){16, 0, false}),
                 TF_INVALID, broadcast);
    check_failed(tf_dot(P, input(tf_dims(2, 3), 16, 64, 9), input(tf_dims(2, 4), 16, 64, 9), (tf_result){16, 0, false}),
                 TF_INVALID, broadcast);
    check_failed(tf_expand(P, input(tf_dims(2, 3), 16, 32, 9), tf_dims(3, 3)), TF_INVALID, reason);
    check_failed(tf_expand(P, input(tf_dims(2, 3), 16, 32, 9), tf_dims(3)), TF_INVALID, reason);
    check_failed(tf_add_public(P, input(tf_dims(2, 3), 16, 32, 9), tf_dims(2), (double[]){1, 2}), TF_INVALID, reason);
    check_failed(tf_mul_public(P, input(tf_dims(3), 16, 32, 9), tf_dims(2, 3), (double[]){1, 2, 3, 4, 5, 6}, 0),
                 TF_INVALID, reason);
    check_failed(tf_reshape(P, input(tf_dims(2, 3), 16, 32, 9), tf_dims(5)), TF_INVALID, "number of elements");
    check_failed(tf_sum_axis(P, input(tf_dims(2, 3), 16, 32, 9), 2, 9), TF_INVALID, "missing axis");
    check_failed(tf_sum_axis(P, input(tf_dims(2, 3), 16, 32, 9), -3, 9), TF_INVALID, "missing axis");
    check_failed(tf_slice(P, input(tf_dims(2, 3), 16, 32, 9), 1, 2, 2), TF_INVALID, "leaves its tensor");
    check_failed(tf_slice(P, input(tf_dims(2, 3), 16, 32, 9), 1, SIZE_MAX, 2), TF_INVALID, "leaves its tensor");
    check_failed(tf_slice(P, input(tf_dims(2, 3), 16, 32, 9), 1, 0, 0), TF_INVALID, "leaves its tensor");
    check_failed(tf_slice(P, input(tf_dims(2, 3), 16, 32, 9), 2, 0, 1), TF_INVALID, "leaves its tensor");
    size_t row[3] = {0, 1, 2};
    check_failed(tf_relative(P, input(tf_dims(2, 3), 16, 32, 9), 2, row), TF_INVALID, "row 2 of a table of 2");
    check_failed(tf_relative(P, input(tf_dims(6), 16, 32, 9), 2, row), TF_INVALID, "cannot be read by distances");
    tf_node tokens = {.name = "tokens", .leaf = TF_LEAF_TOKENS, .shape = tf_dims(2)};
    check_failed(tf_embed(P, input(tf_dims(6), 16, 32, 9), &tokens, 0), TF_INVALID, "table of rows");
    check_failed(tf_embed(P, input(tf_dims(6, 2), 16, 32, 9), &tokens, 3), TF_INVALID, "party 3");
    check_failed(tf_reciprocal(P, input(tf_dims(2), 16, 32, 9), 1e-20, 1e20, 16), TF_RANGE, "inverse");
    static const double one[] = {1};
    check_failed(tf_thresholds(P, input(tf_dims(2), 16, 32, 9), 0, one, 0), TF_INVALID, "0 thresholds");
    check_failed(tf_thresholds(P, input(tf_dims(2), 16, 64, 0x1p41), 1, one, 0), TF_RANGE, "over 57 bits");
    const tf_power ones = {1, 1, (double[]){0, 1, 2}, 2};
    check_failed(tf_pieces(P, input(tf_dims(2), 16, 32, 9), 0, 1, &ones, (tf_result){16, 4, false}, 0), TF_INVALID,
                 "the bits of 1 thresholds");
    check_failed(tf_input(P, 0, tf_dims(2, 0), 16, 32, 9, 0), TF_INVALID, "is zero");
    check_failed(tf_input(P, 3, tf_dims(2), 16, 32, 9, 0), TF_INVALID, "party 3");
    check_failed(tf_output(P, input(tf_dims(2), 16, 32, 9), 3, 0), TF_INVALID, "party 3");
}

Test(step_errors, layouts_that_leave_their_operands) {
    tf_matmul_layout l = {.batch = {2, 1},
                          .m = 3,
                          .k = 4,
                          .n = 5,
                          .a_batch = {12, 0},
                          .a_row = 4,
                          .b_batch = {20, 0},
                          .b_row = 5,
                          .b_col = 1,
                          .c_batch = {15, 0},
                          .c_row = 5};
    tf_result result = {16, 100, false};
    for (int wrong = 0; wrong < 10; wrong++) {
        tf_matmul_layout bad = l;
        size_t a = 24, b = 40, c = 30, bias = 5;
        int frac = 32;
        switch (wrong) {
        case 0: a = 23; break;
        case 1: b = 39; break;
        case 2: c = 31; break;
        case 3: bias = 4; break;
        case 4: bad.a_row = 5; break;
        case 5: bad.b_col = SIZE_MAX; break;
        case 6: bad.c_row = 6; break;
        case 7: bad.k = 0; break;
        case 8: frac = 16; break;
        default: bad.batch[0] = SIZE_MAX;
        }
        tf_value x = input(tf_dims(a), 16, 64, 9), y = input(tf_dims(b), 16, 64, 9),
                 z = input(tf_dims(bias), frac, 64, 9);
        check_failed(tf_matmul(P, x, y, z, bad, tf_dims(c), result), TF_INVALID,
                     wrong == 3 || wrong == 8 ? "bias" : "layout");
    }
}

Test(step_errors, rings_that_are_too_wide) {
    const tf_result wide = {16, 0x1p30, true}, narrow = {16, 0x1p40, false};
    const char *reason = "fewer --frac-bits";
    check_failed(tf_mul(P, input(tf_dims(2), 16, 64, 9), input(tf_dims(2), 16, 64, 9), wide), TF_RANGE, reason);
    check_failed(tf_mul(P, input(tf_dims(2), 16, 64, 9), input(tf_dims(2), 16, 64, 9), narrow), TF_RANGE, reason);
    check_failed(tf_dot(P, input(tf_dims(2), 24, 64, 9), input(tf_dims(2), 24, 64, 9), (tf_result){16, 0x1p20, true}),
                 TF_RANGE, reason);
    check_failed(tf_trunc_wide(P, input(tf_dims(2), 32, 64, 0x1p30), 16), TF_RANGE, reason);
    check_failed(tf_trunc(P, input(tf_dims(2), 32, 48, 0x1p20), 16), TF_RANGE, reason);
    check_failed(tf_trunc(P, input(tf_dims(2), 16, 48, 9), 17), TF_INVALID, "truncation by -1");
    check_failed(tf_trunc_wide(P, input(tf_dims(2), 70, 64, 0x1p-20), 0), TF_INVALID, "truncation by 70");
    check_failed(tf_lift(P, input(tf_dims(2), 16, 32, 9), 65), TF_RANGE, reason);
    check_failed(tf_lift(P, input(tf_dims(2), 16, 32, 0x1p15), 48), TF_RANGE, "cannot be lifted");
    check_failed(tf_scale_int(P, input(tf_dims(2), 16, 64, 0x1p30), 1 << 20), TF_RANGE, reason);
    check_failed(tf_scale_real(P, input(tf_dims(2), 16, 64, 0x1p30), 1e6 + 0.1, 30), TF_RANGE, reason);
    check_failed(tf_add_const(P, input(tf_dims(2), 16, 64, 0x1p46), 0x1p46), TF_RANGE, reason);
    check_failed(tf_negative(P, input(tf_dims(2), 16, 64, 0x1p39), 0), TF_RANGE, "55 bits");
    check_failed(tf_below(P, input(tf_dims(2), 16, 32, 9), 4, (double[4]){0}, 0, false), TF_INVALID, "4 numbers");
    check_failed(tf_bit_plane(P, tf_negative(P, input(tf_dims(2), 16, 32, 9), 0), 1), TF_INVALID, "plane 1");
    check_failed(tf_exp2(P, input(tf_dims(2), 29, 64, 16), 16, 16), TF_RANGE, "29 fractional bits");
    check_failed(tf_exp2(P, input(tf_dims(2), 3, 64, 16), 16, 16), TF_RANGE, "3 fractional bits");
    check_failed(tf_input(P, 0, tf_dims(2), 16, 65, 9, 0), TF_RANGE, "65 bits");
    check_failed(tf_input(P, 0, tf_dims(2), 16, 0, 9, 0), TF_RANGE, "0 bits");
    check_failed(tf_bit_to_share(P, tf_negative(P, input(tf_dims(2), 16, 32, 9), 0), 66, false), TF_RANGE, "66 bits");
    check_failed(tf_lookup(P, input(tf_dims(2), 0, 32, 9), 17, NULL, 16, 9), TF_INVALID, "2^17");
    check_failed(tf_lookup(P, input(tf_dims(2), 0, 32, 9), 0, NULL, 16, 9), TF_INVALID, "2^0");
    check_failed(tf_lookup(P, input(tf_dims(2), 0, 3, 1), 4, NULL, 16, 9), TF_INVALID, "2^4");
    check_failed(tf_polynomial(P, input(tf_dims(2), 16, 32, 2), 7, (double[8]){0}, (tf_result){16, 9, false}),
                 TF_INVALID, "degree 7");
}

Test(step_errors, bits_are_no_shares) {
    const char *reason = "split bit";
    tf_node tokens = {.name = "tokens", .leaf = TF_LEAF_TOKENS, .shape = tf_dims(2)};
    for (int k = 0; k < 12; k++) {
        tf_value x = input(tf_dims(2, 2), 16, 32, 9), bit = tf_negative(P, x, 0), v = 0;
        switch (k) {
        case 0: v = tf_add(P, x, bit); break;
        case 1: v = tf_mul(P, bit, x, (tf_result){16, 9, false}); break;
        case 2: v = tf_output(P, bit, 0, 0); break;
        case 3: v = tf_keep(P, bit, 0); break;
        case 4: v = tf_negative(P, bit, 0); break;
        case 5: v = tf_lift(P, bit, 32); break;
        case 6: v = tf_slice(P, bit, 0, 0, 1); break;
        case 7: v = tf_expand(P, bit, tf_dims(3, 2, 2)); break;
        case 8: v = tf_sum_axis(P, bit, 0, 9); break;
        case 9: v = tf_add_const(P, bit, 1); break;
        case 10: v = tf_embed(P, bit, &tokens, 0); break;
        default: v = tf_dot(P, bit, bit, (tf_result){16, 9, false});
        }
        check_failed(v, TF_INVALID, reason);
    }
    tf_value x = input(tf_dims(2), 16, 32, 9);
    check_failed(tf_bit_to_share(P, x, 32, false), TF_INVALID, reason);
}

Test(step_errors, selections_that_do_not_fit) {
    const char *reason = "differ in shape or scale";
    tf_value x = input(tf_dims(2), 16, 32, 9), y = input(tf_dims(3), 16, 32, 9), bit = tf_negative(P, x, 0);
    check_failed(tf_select(P, 2, (tf_term[]){{bit, x, false}, {bit, y, false}}), TF_INVALID, reason);
    x = input(tf_dims(2), 16, 32, 9), y = input(tf_dims(2), 15, 32, 9), bit = tf_negative(P, x, 0);
    check_failed(tf_select(P, 2, (tf_term[]){{bit, x, false}, {bit, y, false}}), TF_INVALID, reason);
    x = input(tf_dims(2), 16, 32, 9);
    check_failed(tf_select(P, 1, (tf_term[]){{x, x, false}}), TF_INVALID, reason);
    x = input(tf_dims(2), 16, 32, 9), bit = tf_negative(P, x, 0);
    check_failed(tf_select(P, 1, (tf_term[]){{bit, bit, false}}), TF_INVALID, reason);
    x = input(tf_dims(2), 16, 32, 9), bit = tf_negative(P, x, 0);
    check_failed(tf_select(P, 8, (tf_term[8]){{bit, x, 0}}), TF_INVALID, "8 terms");
    x = input(tf_dims(2), 16, 32, 9);
    check_failed(tf_select(P, 0, NULL), TF_INVALID, "0 terms");
}

Test(step_errors, leaves_where_values_are_wanted) {
    float data[2] = {1, 2};
    tf_node constant = {.name = "shift", .leaf = TF_LEAF_CONSTANT, .shape = tf_dims(2), .data = data};
    tf_node weight = {.name = "gamma", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(2)};
    check_failed(tf_relu(P, tf_program_leaf(P, &weight)), TF_INTERNAL, "is a leaf");
    check_failed(tf_add(P, input(tf_dims(2), 16, 32, 9), tf_program_leaf(P, &weight)), TF_INTERNAL, "is a leaf");
    check_failed(tf_weight(P, tf_program_leaf(P, &constant), 16, 32), TF_INVALID, "secret weight");
    check_failed(tf_weight(P, input(tf_dims(2), 16, 32, 9), 16, 32), TF_INVALID, "secret weight");
    check_failed(tf_add_leaf(P, input(tf_dims(2), 16, 32, 9), tf_program_leaf(P, &weight), tf_dims(2)), TF_INVALID,
                 "gamma");
    check_failed(tf_mul_leaf(P, input(tf_dims(2), 16, 32, 9), tf_program_leaf(P, &constant), tf_dims(3), 0), TF_INVALID,
                 "shift");
    check_failed(tf_add(P, input(tf_dims(2), 16, 32, 9), 99), TF_INTERNAL, "does not exist");
}
