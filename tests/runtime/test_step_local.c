/* Steps without communication, against plain integers, in rings of 32, 48 and 64 bits. */
#include "tests/support/rig.h"

static const unsigned ring[] = {32, 48, 64};

/* Integers that leave two bits of headroom in the ring, so that sums of two fit it. */
static int64_t *small_integers(size_t n, unsigned bits) {
    return rig_integers(n, bits - 3);
}

static double bound_of(unsigned bits, int frac) {
    return ldexp(1, (int)bits - 3 - frac);
}

Test(step_local, adds_subtracts_scales) {
    for (int w = 0; w < 3; w++)
        for (int s = 0; s < RIG_SIZES; s++) {
            size_t n = rig_size[s];
            unsigned bits = ring[w];
            int64_t *a = small_integers(n, bits - 4), *b = small_integers(n, bits - 4);
            rig r = rig_open(16);
            tf_program *p = &r.program;
            tf_value x = rig_put(&r, tf_dims(n), a, 16, bits, bound_of(bits - 4, 16));
            tf_value y = rig_put(&r, tf_dims(n), b, 16, bits, bound_of(bits - 4, 16));
            int sum = rig_take(&r, tf_add(p, x, y)), difference = rig_take(&r, tf_sub(p, x, y));
            int shifted = rig_take(&r, tf_add_const(p, x, -0.75)), scaled = rig_take(&r, tf_scale_int(p, y, -13));
            int itself = rig_take(&r, tf_sub(p, x, x)), halved = rig_take(&r, tf_scale_real(p, x, 0.5, 1));
            rig_run(&r);
            cr_assert_eq(r.t.plan.rounds, 0);
            cr_assert_eq(r.t.plan.total_bytes, 0);
            for (size_t i = 0; i < n; i++) {
                cr_assert_eq(rig_result(&r, sum)[i], a[i] + b[i]);
                cr_assert_eq(rig_result(&r, difference)[i], a[i] - b[i]);
                cr_assert_eq(rig_result(&r, shifted)[i], a[i] - 3 * (1 << 14));
                cr_assert_eq(rig_result(&r, scaled)[i], -13 * b[i]);
                cr_assert_eq(rig_result(&r, itself)[i], 0);
                cr_assert_eq(rig_real(&r, halved, i), ldexp((double)a[i], -17));
            }
            rig_close(&r);
            free(a), free(b);
        }
}

Test(step_local, keeps_rings_when_operands_differ) {
    enum { N = 500 };
    for (int w = 0; w < 3; w++)
        for (int v = 0; v < 3; v++) {
            int64_t *a = rig_integers(N, 20), *b = rig_integers(N, 20);
            rig r = rig_open(16);
            tf_value x = rig_put(&r, tf_dims(N), a, 16, ring[w], 16), y = rig_put(&r, tf_dims(N), b, 18, ring[v], 4);
            int sum = rig_take(&r, tf_add(&r.program, x, y)), difference = rig_take(&r, tf_sub(&r.program, y, x));
            rig_run(&r);
            unsigned narrow = ring[w] + 2 < ring[v] ? ring[w] + 2 : ring[v];
            cr_assert_eq(r.type[sum].bits, narrow > 64 ? 64 : narrow);
            cr_assert_eq(r.type[sum].frac, 18);
            for (int i = 0; i < N; i++) {
                cr_assert_eq(rig_result(&r, sum)[i], 4 * a[i] + b[i]);
                cr_assert_eq(rig_result(&r, difference)[i], b[i] - 4 * a[i]);
            }
            rig_close(&r);
            free(a), free(b);
        }
}

Test(step_local, lifts_what_is_too_narrow_for_a_sum) {
    enum { N = 400 };
    int64_t *a = rig_integers(N, 30), *b = rig_integers(1, 30);
    rig r = rig_open(0);
    tf_value x = rig_put(&r, tf_dims(N), a, 0, 32, ldexp(1, 30)), y = rig_put(&r, tf_dims(1), b, 20, 52, ldexp(1, 10));
    int sum = rig_take(&r, tf_add(&r.program, x, y)), scaled = rig_take(&r, tf_scale_int(&r.program, x, 1000));
    rig_run(&r);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(rig_result(&r, sum)[i], a[i] * (1 << 20) + b[0]);
        cr_assert_eq(rig_result(&r, scaled)[i], 1000 * a[i]);
    }
    rig_close(&r);
    free(a), free(b);
}

Test(step_local, broadcasts) {
    enum { A = 5, B = 131, C = 7 };
    for (int w = 0; w < 3; w++) {
        int64_t *a = small_integers(A * B * C, ring[w]), *b = small_integers(B, ring[w]),
                *c = small_integers(A * C, ring[w]);
        double bound = bound_of(ring[w], 10);
        rig r = rig_open(10);
        tf_program *p = &r.program;
        tf_value x = rig_put(&r, tf_dims(A, B, C), a, 10, ring[w], bound),
                 y = rig_put(&r, tf_dims(B, 1), b, 10, ring[w], bound);
        tf_value z = rig_put(&r, tf_dims(A, 1, C), c, 10, ring[w], bound);
        int row = rig_take(&r, tf_add(p, x, y)), column = rig_take(&r, tf_sub(p, z, x));
        int outer = rig_take(&r, tf_add(p, y, z)), wide = rig_take(&r, tf_expand(p, y, tf_dims(A, B, C)));
        rig_run(&r);
        for (size_t i = 0; i < A * B * C; i++) {
            int64_t in_row = b[i / C % B], in_column = c[i / C / B * C + i % C];
            cr_assert_eq(rig_result(&r, row)[i], a[i] + in_row);
            cr_assert_eq(rig_result(&r, column)[i], in_column - a[i]);
            cr_assert_eq(rig_result(&r, outer)[i], in_row + in_column);
            cr_assert_eq(rig_result(&r, wide)[i], in_row);
        }
        rig_close(&r);
        free(a), free(b), free(c);
    }
}

Test(step_local, adds_and_multiplies_public_tensors) {
    for (int s = 0; s < RIG_SIZES; s++) {
        size_t n = rig_size[s];
        int64_t *a = rig_integers(2 * n, 24);
        double *row = malloc(n * sizeof *row), pair[2] = {-1.25, 3};
        for (size_t i = 0; i < n; i++) row[i] = (double)((int64_t)(rig_random() % 4000) - 2000) / 64;
        rig r = rig_open(16);
        tf_program *p = &r.program;
        tf_value x = rig_put(&r, tf_dims(2, n), a, 12, 48, ldexp(1, 12));
        int sum = rig_take(&r, tf_add_public(p, x, tf_dims(n), row));
        int product = rig_take(&r, tf_mul_public(p, x, tf_dims(n), row, 6));
        int column = rig_take(&r, tf_mul_public(p, x, tf_dims(2, 1), pair, 2));
        tf_node constant = {
            .name = "constant", .leaf = TF_LEAF_CONSTANT, .shape = tf_dims(2), .data = (float[]){0.5, -7}};
        tf_value leaf = tf_program_leaf(p, &constant);
        int from_leaf = rig_take(&r, tf_add_leaf(p, x, leaf, tf_dims(2, 1)));
        int times_leaf = rig_take(&r, tf_mul_leaf(p, x, leaf, tf_dims(2, 1), 1));
        rig_run(&r);
        cr_assert_eq(r.t.plan.total_bytes, 0);
        for (size_t i = 0; i < 2 * n; i++) {
            double real = ldexp((double)a[i], -12);
            cr_assert_eq(rig_real(&r, sum, i), real + row[i % n]);
            cr_assert_eq(rig_real(&r, product, i), real * row[i % n]);
            cr_assert_eq(rig_real(&r, column, i), real * pair[i / n]);
            cr_assert_eq(rig_real(&r, from_leaf, i), real + (i < n ? 0.5 : -7));
            cr_assert_eq(rig_real(&r, times_leaf, i), real * (i < n ? 0.5 : -7));
        }
        rig_close(&r);
        free(a), free(row);
    }
}

Test(step_local, scales_by_reals_to_the_asked_precision) {
    enum { N = 300 };
    const double factor[] = {1.4426950408889634, -0.3, 1e-3, 12345.678, -1, 0.125, 0, 1};
    for (size_t k = 0; k < sizeof factor / sizeof *factor; k++)
        for (int precision = 4; precision <= 16; precision += 6) {
            int64_t *a = rig_integers(N, 24);
            rig r = rig_open(16);
            int y =
                rig_take(&r, tf_scale_real(&r.program, rig_put(&r, tf_dims(N), a, 16, 32, 256), factor[k], precision));
            rig_run(&r);
            for (int i = 0; i < N; i++) {
                double wanted = ldexp((double)a[i], -16) * factor[k];
                cr_assert_leq(fabs(rig_real(&r, y, (size_t)i) - wanted), ldexp(fabs(wanted), -precision), "%g",
                              factor[k]);
            }
            rig_close(&r);
            free(a);
        }
}

Test(step_local, sums_over_any_axis) {
    enum { A = 3, B = 130, C = 5 };
    for (int w = 0; w < 3; w++) {
        int64_t *a = rig_integers(A * B * C, ring[w] - 11), sum[3][A * B * C] = {0};
        for (size_t i = 0; i < A * B * C; i++) {
            sum[0][i % (B * C)] += a[i];
            sum[1][i / C / B * C + i % C] += a[i];
            sum[2][i / C] += a[i];
        }
        double bound = ldexp(1, (int)ring[w] - 11 - 8);
        rig r = rig_open(8);
        tf_value x = rig_put(&r, tf_dims(A, B, C), a, 8, ring[w], bound);
        int take[3];
        for (int axis = 0; axis < 3; axis++) take[axis] = rig_take(&r, tf_sum_axis(&r.program, x, axis, 256 * bound));
        int last = rig_take(&r, tf_sum_axis(&r.program, x, -1, 8 * bound));
        tf_value all = tf_sum_axis(&r.program, tf_reshape(&r.program, x, tf_dims(A * B * C)), 0, 2048 * bound / 4);
        cr_assert_eq(tf_type_of(&r.program, all)->shape.rank, 0);
        rig_run(&r);
        const size_t length[3] = {B * C, A * C, A * B};
        for (int axis = 0; axis < 3; axis++)
            for (size_t i = 0; i < length[axis]; i++) cr_assert_eq(rig_result(&r, take[axis])[i], sum[axis][i]);
        for (size_t i = 0; i < A * B; i++) cr_assert_eq(rig_result(&r, last)[i], sum[2][i]);
        rig_close(&r);
        free(a);
    }
}

Test(step_local, slices_and_reshapes) {
    enum { A = 4, B = 133, C = 6 };
    int64_t *a = rig_integers(A * B * C, 40);
    rig r = rig_open(16);
    tf_program *p = &r.program;
    tf_value x = rig_put(&r, tf_dims(A, B, C), a, 16, 48, ldexp(1, 24));
    int first = rig_take(&r, tf_slice(p, x, 0, 2, 1)), middle = rig_take(&r, tf_slice(p, x, 1, 100, 33));
    int last = rig_take(&r, tf_slice(p, x, -1, 5, 1)), all = rig_take(&r, tf_slice(p, x, 1, 0, B));
    tf_value flat = tf_reshape(p, x, tf_dims(A * B * C)); /* an alias of an input */
    int tail = rig_take(&r, tf_slice(p, flat, 0, A * B * C - 3, 3)), same = rig_take(&r, tf_assume(p, flat, 2));
    int once_more = rig_take(&r, tf_slice(p, tf_slice(p, x, 2, 1, 4), 2, 2, 2));
    rig_run(&r);
    for (size_t i = 0; i < B * C; i++) cr_assert_eq(rig_result(&r, first)[i], a[2 * B * C + i]);
    for (size_t i = 0; i < A * 33 * C; i++)
        cr_assert_eq(rig_result(&r, middle)[i], a[i / (33 * C) * B * C + (100 + i / C % 33) * C + i % C]);
    for (size_t i = 0; i < A * B; i++) cr_assert_eq(rig_result(&r, last)[i], a[i * C + 5]);
    for (size_t i = 0; i < A * B * C; i++) cr_assert_eq(rig_result(&r, all)[i], a[i]);
    for (size_t i = 0; i < 3; i++) cr_assert_eq(rig_result(&r, tail)[i], a[A * B * C - 3 + i]);
    for (size_t i = 0; i < A * B * C; i++) cr_assert_eq(rig_result(&r, same)[i], a[i]);
    for (size_t i = 0; i < A * B * 2; i++) cr_assert_eq(rig_result(&r, once_more)[i], a[i / 2 * C + 3 + i % 2]);
    rig_close(&r);
    free(a);
}

Test(step_local, rows_by_distance) {
    enum { ROWS = 5, HEADS = 3, LENGTH = 37 };
    int64_t *a = rig_integers(ROWS * HEADS, 40);
    size_t row[2 * LENGTH - 1];
    for (size_t i = 0; i < 2 * LENGTH - 1; i++) row[i] = i * i % ROWS;
    rig r = rig_open(16);
    int taken =
        rig_take(&r, tf_relative(&r.program, rig_put(&r, tf_dims(ROWS, HEADS), a, 16, 48, ldexp(1, 24)), LENGTH, row));
    rig_run(&r);
    for (size_t i = 0; i < LENGTH; i++)
        for (size_t h = 0; h < HEADS; h++)
            for (size_t j = 0; j < LENGTH; j++)
                cr_assert_eq(rig_result(&r, taken)[(i * HEADS + h) * LENGTH + j],
                             a[row[j - i + LENGTH - 1] * HEADS + h]);
    rig_close(&r);
    free(a);
}
