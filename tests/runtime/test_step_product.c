/* Products of elements, dot products and matrix products, with and without truncation, against plain integers. */
#include "tests/support/rig.h"

/* got is z / 2^shift to a unit and a half in the last place: one is lost to the floors, half to their mean. */
static void check_rounded(int64_t got, __int128 z, unsigned shift, const char *what) {
    __int128 unit = (__int128)1 << shift, error = got * unit - z;
    if (shift == 0 ? error != 0 : 2 * error > 3 * unit || 2 * error < -3 * unit)
        cr_assert_fail("%s: %lld is %g units away", what, (long long)got, (double)error / (double)unit);
}

/* What a product is asked for: operands below 2^bits in a ring, and the result. */
typedef struct product {
    const char *name;
    unsigned bits, ring;
    int frac; /* of the operands */
    tf_result result;
    unsigned result_ring;
} product;

static const product products[] = {
    {"Z_2^64 wide", 30, 64, 16, {16, 0x1p28, true}, 64},
    {"Z_2^64 wide, 12 bits", 30, 64, 12, {12, 0x1p36, true}, 64},
    {"Z_2^64 wide, 18 bits", 30, 64, 18, {18, 0x1p24, true}, 64},
    {"Z_2^64 wide, from Z_2^32", 30, 32, 20, {20, 0x1p20, true}, 64},
    {"Z_2^64 to Z_2^48", 31, 64, 16, {16, 0x1p30, false}, 48},
    {"Z_2^48 to Z_2^32", 23, 48, 16, {16, 0x1p14, false}, 32},
    {"Z_2^48 to Z_2^32, from Z_2^64", 23, 64, 16, {16, 0x1p14, false}, 32},
    {"Z_2^48 to Z_2^32, from Z_2^32", 23, 32, 16, {16, 0x1p14, false}, 32},
    {"12 bits", 21, 48, 12, {12, 0x1p18, false}, 32},
    {"18 bits", 24, 64, 18, {18, 0x1p12, false}, 32},
    {"odd rings", 20, 41, 13, {9, 0x1p14, false}, 31},
    {"small result", 9, 48, 16, {16, 0x1p-14, false}, 8},
    {"no truncation, Z_2^64", 31, 64, 8, {16, 0x1p46, false}, 64},
    {"no truncation, Z_2^48", 23, 48, 8, {16, 0x1p30, false}, 48},
    {"no truncation, wide", 31, 64, 8, {16, 0x1p46, true}, 64},
};
enum { PRODUCTS = sizeof products / sizeof *products };

static unsigned shift_of(const product *c) {
    return (unsigned)(2 * c->frac - c->result.frac);
}

Test(step_product, multiplies) {
    for (const product *c = products; c < products + PRODUCTS; c++)
        for (int s = 0; s < RIG_SIZES; s++) {
            size_t n = rig_size[s];
            int64_t *a = rig_integers(n, c->bits), *b = rig_integers(n, c->bits);
            double bound = ldexp(1, (int)c->bits - c->frac);
            rig r = rig_open(c->frac);
            tf_value x = rig_put(&r, tf_dims(n), a, c->frac, c->ring, bound),
                     y = rig_put(&r, tf_dims(n), b, c->frac, c->ring, bound);
            int z = rig_take(&r, tf_mul(&r.program, x, y, c->result)),
                square = rig_take(&r, tf_mul(&r.program, y, y, c->result));
            rig_run(&r);
            cr_assert_geq(r.type[z].bits, c->result_ring, "%s: %u", c->name, r.type[z].bits);
            cr_assert_eq(r.type[z].frac, c->result.frac);
            for (size_t i = 0; i < n; i++) {
                check_rounded(rig_result(&r, z)[i], (__int128)a[i] * b[i], shift_of(c), c->name);
                check_rounded(rig_result(&r, square)[i], (__int128)b[i] * b[i], shift_of(c), c->name);
            }
            rig_close(&r);
            free(a), free(b);
        }
}

Test(step_product, has_no_mean_error) {
    enum { N = 200000 };
    for (const product *c = products; c < products + PRODUCTS; c++) {
        if (shift_of(c) < 12) continue; /* the mean error is 2^-shift units */
        int64_t *a = rig_integers(N, c->bits), *b = rig_integers(N, c->bits);
        double bound = ldexp(1, (int)c->bits - c->frac), sum = 0;
        rig r = rig_open(c->frac);
        r.sharing = RIG_UNIFORM;
        tf_value x = rig_put(&r, tf_dims(N), a, c->frac, c->ring, bound),
                 y = rig_put(&r, tf_dims(N), b, c->frac, c->ring, bound);
        int z = rig_take(&r, tf_mul(&r.program, x, y, c->result));
        rig_run(&r);
        for (size_t i = 0; i < N; i++)
            sum += (double)(rig_result(&r, z)[i] * ((__int128)1 << shift_of(c)) - (__int128)a[i] * b[i]);
        double mean = ldexp(sum / N, -(int)shift_of(c)); /* of N errors with a deviation of at most 0.5 */
        cr_assert_lt(fabs(mean), 6 * 0.5 / sqrt(N) + 0.0003, "%s: %g", c->name, mean);
        rig_close(&r);
        free(a), free(b);
    }
}

Test(step_product, broadcasts) {
    enum { A = 7, B = 300 };
    int64_t *a = rig_integers(A * B, 23), *b = rig_integers(A, 23);
    rig r = rig_open(16);
    tf_value x = rig_put(&r, tf_dims(A, B), a, 16, 48, 128), y = rig_put(&r, tf_dims(A, 1), b, 16, 32, 128);
    int left = rig_take(&r, tf_mul(&r.program, x, y, (tf_result){16, 0, false}));
    int right = rig_take(&r, tf_mul(&r.program, y, x, (tf_result){16, 0, false}));
    rig_run(&r);
    for (size_t i = 0; i < A * B; i++) {
        check_rounded(rig_result(&r, left)[i], (__int128)a[i] * b[i / B], 16, "left");
        check_rounded(rig_result(&r, right)[i], (__int128)a[i] * b[i / B], 16, "right");
    }
    rig_close(&r);
    free(a), free(b);
}

/* Rows, columns and the middle of a tensor, in more elements than a block has, whose thirds end within rows. */
Test(step_product, reads_operands_as_they_are_repeated) {
    enum { A = 9, B = 11, C = 65, N = A * B * C };
    const tf_shape shape[] = {tf_dims(C),    tf_dims(A, B, 1), tf_dims(A, 1, 1),
                              tf_dims(B, 1), tf_dims(1),       tf_dims(A, 1, C)};
    int64_t *a = rig_integers(N, 23), *b = rig_integers(N, 23), *more = rig_integers(C, 28);
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++) {
        rig r = rig_open(16);
        tf_value x = rig_put(&r, tf_dims(A, B, C), a, 16, 48, 128), y = rig_put(&r, shape[s], b, 16, 48, 128),
                 z = rig_put(&r, tf_dims(C), more, 16, 32, 4096);
        int both = rig_take(&r, tf_mul_add(&r.program, x, y, z, (tf_result){16, 0, false}));
        int sum = rig_take(&r, tf_sub(&r.program, x, y)), dot = -1;
        if (s == 0) dot = rig_take(&r, tf_dot(&r.program, y, x, (tf_result){16, 0x1p21, false}));
        rig_run(&r);
        for (size_t i = 0; i < N; i++) {
            size_t of[] = {i % C, i / C, i / C / B, i / C % B, 0, i / C / B * C + i % C};
            int64_t other = b[of[s]];
            check_rounded(rig_result(&r, both)[i] - more[i % C], (__int128)a[i] * other, 16, "a product and more");
            cr_assert_eq(rig_result(&r, sum)[i], a[i] - other);
        }
        for (size_t i = 0; i < A * B && s == 0; i++) {
            __int128 all = 0;
            for (size_t k = 0; k < C; k++) all += (__int128)a[i * C + k] * b[k];
            check_rounded(rig_result(&r, dot)[i], all, 16, "sums with one row");
        }
        rig_close(&r);
    }
    free(a), free(b), free(more);
}

Test(step_product, takes_dot_products) {
    const size_t rows[] = {1, 127, 129, 385, 2500}, inner[] = {1, 2, 31, 128};
    for (const product *c = products; c < products + PRODUCTS; c++)
        for (int s = 0; s < 5; s++) {
            size_t n = rows[s], k = inner[(s + c - products) % 4];
            unsigned bits = c->bits - 4; /* 128 products of operands 4 bits shorter are no larger than one */
            int64_t *a = rig_integers(n * k, bits), *b = rig_integers(n * k, bits);
            double bound = ldexp(1, (int)bits - c->frac);
            rig r = rig_open(c->frac);
            tf_value x = rig_put(&r, tf_dims(n, k), a, c->frac, c->ring, bound),
                     y = rig_put(&r, tf_dims(n, k), b, c->frac, c->ring, bound);
            int z = rig_take(&r, tf_dot(&r.program, x, y, c->result));
            cr_assert(tf_shape_equal(r.type[z].shape, tf_dims(n)));
            rig_run(&r);
            for (size_t i = 0; i < n; i++) {
                __int128 sum = 0;
                for (size_t j = i * k; j < (i + 1) * k; j++) sum += (__int128)a[j] * b[j];
                check_rounded(rig_result(&r, z)[i], sum, shift_of(c), c->name);
            }
            rig_close(&r);
            free(a), free(b);
        }
}

/* One of the products in exact integers; `at` tells where its operands begin. */
static void check_one(const rig *r, int z, const product *c, const char *name, const tf_matmul_layout *l,
                      const int64_t *a, const int64_t *b, const int64_t *bias, size_t c_at) {
    for (size_t i = 0; i < l->m; i++)
        for (size_t j = 0; j < l->n; j++) {
            __int128 sum = bias ? bias[j] : 0;
            for (size_t k = 0; k < l->k; k++) sum += (__int128)a[i * l->a_row + k] * b[k * l->b_row + j * l->b_col];
            check_rounded(rig_result(r, z)[c_at + i * l->c_row + j], sum, shift_of(c), name);
        }
}

/* The products of a layout, of which all three axes are given; a and b have so many elements. */
static void check_matmul(const product *c, const char *name, tf_matmul_layout l, size_t a_count, size_t b_count,
                         bool biased) {
    size_t batches = l.batch[0] * l.batch[1] * l.batch[2], count = batches * l.m * l.n;
    unsigned bits = c->bits - 4;
    int64_t *a = rig_integers(a_count, bits), *b = rig_integers(b_count, bits), *bias = rig_integers(l.n, 2 * bits);
    double bound = ldexp(1, (int)bits - c->frac);
    rig r = rig_open(c->frac);
    tf_value x = rig_put(&r, tf_dims(a_count), a, c->frac, c->ring, bound),
             y = rig_put(&r, tf_dims(b_count), b, c->frac, c->ring, bound);
    tf_value added = biased ? rig_put(&r, tf_dims(l.n), bias, 2 * c->frac, 2 * bits + 2, bound * bound) : -1;
    int z = rig_take(&r, tf_matmul(&r.program, x, y, added, l, tf_dims(count), c->result));
    rig_run(&r);
    for (size_t i = 0; i < batches; i++) {
        size_t at[] = {i / (l.batch[1] * l.batch[2]), i / l.batch[2] % l.batch[1], i % l.batch[2]};
        size_t in_a = 0, in_b = 0, in_c = 0;
        for (int axis = 0; axis < 3; axis++) {
            in_a += at[axis] * l.a_batch[axis];
            in_b += at[axis] * l.b_batch[axis];
            in_c += at[axis] * l.c_batch[axis];
        }
        check_one(&r, z, c, name, &l, a + in_a, b + in_b, biased ? bias : NULL, in_c);
    }
    rig_close(&r);
    free(a), free(b), free(bias);
}

Test(step_product, multiplies_matrices) {
    const size_t size[][3] = {{1, 1, 1}, {1, 5, 130}, {130, 3, 1}, {2, 64, 2}, {17, 40, 33}, {64, 16, 65}, {5, 1, 400}};
    for (const product *c = products; c < products + PRODUCTS; c++)
        for (size_t s = 0; s < sizeof size / sizeof *size; s++) {
            size_t m = size[s][0], k = size[s][1], n = size[s][2];
            tf_matmul_layout l = {
                .batch = {1, 1, 1}, .m = m, .k = k, .n = n, .a_row = k, .b_row = n, .b_col = 1, .c_row = n};
            check_matmul(c, c->name, l, m * k, k * n, s % 2);
            l.b_row = 1, l.b_col = k;
            check_matmul(c, "b transposed", l, m * k, k * n, s % 2 == 0);
        }
}

static void check_batches(const product *c, size_t m, size_t b0, size_t b1) {
    enum { K = 12, N = 9 };
    size_t batches = b0 * b1, width = b1 * K;
    tf_matmul_layout dense = {.batch = {b0, b1, 1},
                              .m = m,
                              .k = K,
                              .n = N,
                              .a_batch = {b1 * m * K, m * K},
                              .a_row = K,
                              .b_batch = {b1 * K * N, K * N},
                              .b_row = N,
                              .b_col = 1,
                              .c_batch = {b1 * m * N, m * N},
                              .c_row = N};
    check_matmul(c, "dense batches", dense, batches * m * K, batches * K * N, true);
    dense.b_batch[0] = dense.b_batch[1] = 0;
    check_matmul(c, "one b for all", dense, batches * m * K, K * N, false);
    /* heads side by side in rows of a and b, as attention has them: c is texts x queries x heads x keys */
    tf_matmul_layout heads = {.batch = {b0, b1, 1},
                              .m = m,
                              .k = K,
                              .n = N,
                              .a_batch = {m * width, K},
                              .a_row = width,
                              .b_batch = {N * width, K},
                              .b_row = 1,
                              .b_col = width,
                              .c_batch = {m * b1 * N, N},
                              .c_row = b1 * N};
    check_matmul(c, "heads", heads, b0 * m * width, b0 * N * width, false);
}

/* Of few rows, which meet the other operand where it lies, and of more, for which it is packed. */
Test(step_product, multiplies_batches_of_matrices) {
    for (size_t b0 = 1; b0 <= 4; b0++)
        for (size_t b1 = 1; b1 <= 3; b1++) {
            check_batches(&products[5], 2, b0, b1);
            check_batches(&products[5], 5, b0, b1);
        }
}

/* Heads in groups that share their keys, as in models with grouped queries: texts x groups x heads of a group. */
Test(step_product, multiplies_grouped_heads) {
    enum { M = 3, K = 10, N = 7, TEXTS = 2 };
    const product *c = &products[5];
    for (size_t groups = 1; groups <= 3; groups++)
        for (size_t heads = 1; heads <= 3; heads++) {
            size_t queries = groups * heads * K, keys = groups * K, scores = groups * heads * N;
            tf_matmul_layout l = {.batch = {TEXTS, groups, heads},
                                  .m = M,
                                  .k = K,
                                  .n = N,
                                  .a_batch = {M * queries, heads * K, K},
                                  .a_row = queries,
                                  .b_batch = {N * keys, K, 0},
                                  .b_row = 1,
                                  .b_col = keys,
                                  .c_batch = {M * scores, heads * N, N},
                                  .c_row = scores};
            check_matmul(c, "grouped heads", l, TEXTS * M * queries, TEXTS * N * keys, heads == 2);
        }
}

/* A product whose reader wants a wider ring comes in it at once where a round is worth that, and its operands are
 * lifted further; so does what is truncated, sliced and added up on the way. */
Test(step_product, comes_in_a_wider_ring) {
    enum { N = 300 };
    int64_t *a = rig_integers(N, 20), *b = rig_integers(N, 20);
    for (int worth = 0; worth < 2; worth++) {
        rig r = rig_open(16);
        tf_program *p = &r.program;
        p->round_bytes = worth ? 1e12 : -1e12;
        tf_value x = rig_put(&r, tf_dims(N), a, 16, 32, 1 << 14), y = rig_put(&r, tf_dims(N), b, 16, 32, 1 << 14);
        tf_value z = tf_mul(p, x, y, (tf_result){16, 1 << 14, false});
        tf_value sum = tf_add(p, tf_slice(p, z, 0, 0, N / 2), tf_slice(p, z, 0, N / 2, N / 2));
        tf_value half = tf_trunc(p, sum, 12), lifted = tf_lift(p, half, 44);
        cr_assert_eq(lifted == half, worth);
        int out = rig_take(&r, lifted);
        rig_run(&r);
        cr_assert_eq(r.t.plan.rounds, worth ? 4 : 5, "%d rounds", r.t.plan.rounds);
        for (int i = 0; i < N / 2; i++) {
            double wanted = ((double)a[i] * (double)b[i] + (double)a[i + N / 2] * (double)b[i + N / 2]) / (1 << 20);
            cr_assert_float_eq((double)rig_result(&r, out)[i], wanted, 1.5, "%d: %lld", i,
                               (long long)rig_result(&r, out)[i]);
        }
        rig_close(&r);
    }
    free(a), free(b);
}
