/* Table lookup, rows of a secret table, and powers of two. */
#include "runtime/steps/lookup/buckets.h"
#include "tests/support/rig.h"
#include "tests/support/selection.h"

Test(step_lookup, finds_every_entry) {
    for (unsigned k = 1; k <= 10; k++)
        for (int s = 0; s < RIG_SIZES; s++) {
            size_t n = rig_size[s], entries = (size_t)1 << k;
            if (n * entries > 1 << 18) continue;
            int64_t *a = malloc(n * sizeof *a);
            double *table = malloc(entries * sizeof *table);
            for (size_t i = 0; i < n; i++) a[i] = i < entries ? (int64_t)i : (int64_t)(rig_random() % entries);
            for (size_t i = 0; i < entries; i++) table[i] = rint(rig_uniform(-1, 1) * 0x1p20) / 0x1p12;
            rig r = rig_open(16);
            tf_value x = rig_put(&r, tf_dims(n), a, 0, k + 2 + (unsigned)s, 1 << k);
            int y = rig_take(&r, tf_lookup(&r.program, x, k, table, 12, 256));
            rig_run(&r);
            cr_assert_eq(r.type[y].bits, 22);
            for (size_t i = 0; i < n; i++) cr_assert_eq(rig_real(&r, y, i), table[a[i]], "entry %lld", (long long)a[i]);
            rig_close(&r);
            free(a), free(table);
        }
}

Test(step_lookup, takes_tables_of_2_to_16_entries) {
    enum { N = 3, K = 16 };
    int64_t a[N] = {0, 65535, 40000};
    double *table = malloc(sizeof *table << K);
    for (int i = 0; i < 1 << K; i++) table[i] = i - 30000;
    rig r = rig_open(16);
    int y = rig_take(&r, tf_lookup(&r.program, rig_put(&r, tf_dims(N), a, 0, 20, 1 << K), K, table, 16, 1 << 16));
    rig_run(&r);
    for (size_t i = 0; i < N; i++) cr_assert_eq(rig_real(&r, y, i), table[a[i]]);
    rig_close(&r);
    free(table);
}

Test(step_embed, finds_every_row) {
    const size_t size[][2] = {{1, 1},    {2, 5},   {3, 64},    {63, 65},   {64, 3},
                              {65, 128}, {127, 1}, {128, 130}, {1000, 20}, {1234, 31}};
    for (int owner = 0; owner < TF_PARTIES; owner++)
        for (size_t s = 0; s < sizeof size / sizeof *size; s++) {
            size_t rows = size[s][0], columns = size[s][1], lines = 1 + (s + (size_t)owner) % 5 % 2;
            size_t tokens = lines == 1 ? 1 : 2 * (1 + (s + (size_t)owner) % 3 * 9);
            unsigned ring = (unsigned[]){32, 48, 64, 21}[(s + (size_t)owner) % 4];
            int64_t *table = rig_integers(rows * columns, ring - 2);
            int32_t *ids = malloc(tokens * sizeof *ids);
            for (size_t i = 0; i < tokens; i++)
                ids[i] = (int32_t)(i == 0 ? 0 : i == 1 ? rows - 1 : rig_random() % rows);
            tf_node leaf = {
                .name = "tokens", .leaf = TF_LEAF_TOKENS, .shape = tf_dims(lines, tokens / lines), .tokens = ids};
            rig r = rig_open(16);
            tf_value x = rig_put(&r, tf_dims(rows, columns), table, 4, ring, ldexp(1, (int)ring - 6));
            r.t.threads = s % 2 ? 3 : 1; /* the last sizes are large enough to be shared among them */
            int y = rig_take(&r, tf_embed(&r.program, x, &leaf, owner)), wide = y;
            tf_value lifted = tf_embed(&r.program, x, &leaf, owner); /* in its own exchange */
            r.program.round_bytes = 1e12;
            if (ring < 64) wide = rig_take(&r, tf_lift(&r.program, lifted, (unsigned)rig_uniform(ring + 1, 65)));
            cr_assert(tf_shape_equal(r.type[y].shape, tf_dims(lines, tokens / lines, columns)));
            rig_run(&r);
            cr_assert_eq(r.t.plan.rounds, tokens < TF_BATCH_LEAST || ring == 64 ? 3 : 5); /* of many, rows are lifted */
            for (size_t i = 0; i < tokens * columns; i++) {
                int64_t wanted = table[(size_t)ids[i / columns] * columns + i % columns];
                cr_assert_eq(rig_result(&r, y)[i], wanted, "%zu x %zu", rows, columns);
                cr_assert_eq(rig_result(&r, wide)[i], wanted, "%zu x %zu, lifted", rows, columns);
            }
            rig_close(&r);
            free(table), free(ids);
        }
}

/* Groups of tokens, the last of which has fewer; the same token again and again; tables of few rows. */
Test(step_embed, finds_the_rows_of_many_tokens) {
    const struct {
        size_t rows, columns, tokens, distinct;
    } size[] = {{1, 3, 16, 1}, {40, 33, 129, 40}, {500, 5, 128, 500}, {3000, 2, 300, 3000}, {1000, 600, 64, 3}};
    for (size_t s = 0; s < sizeof size / sizeof *size; s++)
        for (int owner = 0; owner < TF_PARTIES; owner++) {
            const size_t columns = size[s].columns, tokens = size[s].tokens;
            const unsigned ring = (unsigned[]){32, 48, 64}[(s + (size_t)owner) % 3];
            int64_t *table = rig_integers(size[s].rows * columns, ring - 2);
            int32_t *ids = malloc(tokens * sizeof *ids);
            for (size_t i = 0; i < tokens; i++)
                ids[i] = (int32_t)(i < size[s].distinct && size[s].distinct > 400 ? size[s].rows - 1 - i
                                                                                  : rig_random() % size[s].distinct);
            tf_node leaf = {.name = "tokens", .leaf = TF_LEAF_TOKENS, .shape = tf_dims(tokens), .tokens = ids};
            rig r = rig_open(16);
            tf_value x = rig_put(&r, tf_dims(size[s].rows, columns), table, 4, ring, ldexp(1, (int)ring - 6));
            r.t.threads = s % 2 ? 3 : 1;
            int y = rig_take(&r, tf_embed(&r.program, x, &leaf, owner));
            rig_run(&r);
            for (size_t i = 0; i < tokens * columns; i++)
                cr_assert_eq(rig_result(&r, y)[i], table[(size_t)ids[i / columns] * columns + i % columns],
                             "%zu tokens", tokens);
            rig_close(&r);
            free(table), free(ids);
        }
}

/* Every token that there is a place for gets one of its own among its choices; five that have the same four do not. */
Test(step_embed, assigns_buckets) {
    for (size_t tokens = TF_BATCH_LEAST; tokens <= TF_BATCH_GROUP; tokens++) {
        const tf_buckets b = tf_buckets_of(tokens);
        int32_t token[TF_BATCH_GROUP], want[4 * TF_BATCH_GROUP];
        uint64_t word[TF_BATCH_GROUP];
        uint32_t found;
        cr_assert(b.groups == 1 && b.group == tokens && b.count == TF_CHOICES * b.quarter);
        for (size_t i = 0; i < tokens; i++) {
            const bool known = i % 7 == 6; /* is there several times */
            token[i] = known ? token[i / 2] : (int32_t)(1000 - 3 * i);
            word[i] = known ? word[i / 2] : rig_random();
        }
        cr_assert_eq(tf_assign_buckets(token, word, tokens, &b, want, &found), TF_OK);
        cr_assert_eq(found, 1, "%zu tokens", tokens);
        for (size_t i = 0; i < tokens; i++) {
            size_t places = 0, own = 0;
            for (size_t k = 0; k < b.count; k++) places += want[k] == token[i];
            for (size_t j = 0; j < TF_CHOICES; j++) own += want[tf_bucket_of(word[i], j, b.quarter)] == token[i];
            cr_assert(places == 1 && own == 1, "token %zu of %zu", i, tokens);
        }
        for (size_t i = 0; i <= TF_CHOICES; i++) token[tokens - 1 - i] = (int32_t)i, word[tokens - 1 - i] = 77;
        cr_assert_eq(tf_assign_buckets(token, word, tokens, &b, want, &found), TF_OK);
        cr_assert_eq(found, 0, "%zu tokens", tokens);
        token[tokens - 1] = token[tokens - 2];
        cr_assert_eq(tf_assign_buckets(token, word, tokens, &b, want, &found), TF_OK);
        cr_assert_eq(found, 1, "%zu tokens", tokens);
    }
}

Test(step_embed_shared, finds_every_row_for_an_owner_outside) {
    const size_t size[][2] = {{1, 1},    {2, 5},   {3, 64},    {63, 65},   {64, 3},
                              {65, 128}, {127, 1}, {128, 130}, {1000, 20}, {1234, 31}};
    for (int zero = -1; zero < TF_PARTIES; zero++)
        for (size_t s = 0; s < sizeof size / sizeof *size; s++) {
            size_t rows = size[s][0], columns = size[s][1], lines = s < 8 ? 2 : 1;
            size_t tokens = lines == 1 ? 1 : 2 * (1 + (s + (size_t)zero + 1) % 3 * 9);
            unsigned ring = (unsigned[]){32, 48, 64, 21}[(s + (size_t)zero + 1) % 4], bytes = (ring + 7) / 8;
            int64_t *table = rig_integers(rows * columns, ring - 2);
            int32_t *ids = malloc(tokens * sizeof *ids);
            for (size_t i = 0; i < tokens; i++)
                ids[i] = (int32_t)(i == 0 ? 0 : i == 1 ? rows - 1 : rig_random() % rows);
            rig r = rig_open(16);
            selection_rig own;
            tf_value x = rig_put(&r, tf_dims(rows, columns), table, 4, ring, ldexp(1, (int)ring - 6));
            if (zero >= 0) { /* as if the table had been put in by the party after next */
                for (size_t i = 0; i < rows * columns; i++) {
                    r.component[0][tf_next(zero)][i] += r.component[0][zero][i];
                    r.component[0][zero][i] = 0;
                }
                r.program.node[x].type.zero = zero;
            }
            r.t.threads = s % 2 ? 3 : 1;
            int y = rig_take(&r, selection_embed(&r, &own, x, tf_dims(lines, tokens / lines), ids));
            cr_assert(tf_shape_equal(r.type[y].shape, tf_dims(lines, tokens / lines, columns)));
            selection_bind(&r, &own);
            rig_run(&r);
            cr_assert_eq(r.t.plan.rounds, 2);
            cr_assert_eq(r.t.plan.total_bytes, (zero < 0 ? 9 : 7) * tokens * columns * bytes);
            for (size_t i = 0; i < tokens * columns; i++)
                cr_assert_eq(rig_result(&r, y)[i], table[(size_t)ids[i / columns] * columns + i % columns], "%zu x %zu",
                             rows, columns);
            selection_close(&own);
            rig_close(&r);
            free(table), free(ids);
        }
}

Test(step_embed_shared, refuses_tokens_that_are_missing_or_do_not_fit) {
    for (int k = 0; k < 3; k++) {
        int64_t table[10] = {0};
        int32_t ids[2] = {1, 0};
        rig r = rig_open(16);
        selection_rig own;
        rig_take(&r, selection_embed(&r, &own, rig_put(&r, tf_dims(5, 2), table, 0, 32, 100), tf_dims(2), ids));
        selection_bind(&r, &own);
        if (k == 0) own.leaf[1].selection = NULL;
        if (k == 1) own.selection[1].tokens = 3;
        if (k == 2) own.selection[1].rows = 6;
        cr_assert_eq(rig_try(&r), TF_INVALID);
        cr_assert(
            strstr(r.t.outcome.error[1], k ? "where the model takes 2 over 5" : "was given no shares of the tokens"),
            "%s", r.t.outcome.error[1]);
        selection_close(&own);
        rig_close(&r);
    }
}

Test(step_embed, refuses_tokens_that_are_missing_or_outside) {
    const int32_t bad[] = {-1, 5, INT32_MAX, INT32_MIN};
    for (int owner = 0; owner < TF_PARTIES; owner++)
        for (int k = 0; k < 5; k++) {
            int64_t table[10] = {0};
            int32_t ids[2] = {1, k < 4 ? bad[k] : 0};
            tf_node leaf = {
                .name = "tokens", .leaf = TF_LEAF_TOKENS, .shape = tf_dims(2), .tokens = k < 4 ? ids : NULL};
            rig r = rig_open(16);
            rig_take(&r, tf_embed(&r.program, rig_put(&r, tf_dims(5, 2), table, 0, 32, 100), &leaf, owner));
            cr_assert_eq(rig_try(&r), k < 4 ? TF_RANGE : TF_INVALID);
            for (int p = 0; p < TF_PARTIES; p++)
                cr_assert(strstr(r.t.outcome.error[p],
                                 k < 4 ? "outside the vocabulary of 5" : "was given no token ids") != NULL,
                          "%s", r.t.outcome.error[p]);
            rig_close(&r);
        }
}

/* The greatest error of 2^x over n points of its range, ends included. */
static double exp2_error(int frac, int to, size_t n) {
    int64_t *a = malloc(n * sizeof *a), least = (INT64_C(-16) * (1 << frac)) + 1;
    for (size_t i = 0; i < n; i++) a[i] = -(int64_t)(rig_random() % (uint64_t)-least);
    a[0] = 0;
    if (n > 8)
        a[1] = least, a[2] = -1, a[3] = least / 2, a[4] = -(INT64_C(1) << frac), a[5] = 1 - (INT64_C(1) << frac),
        a[6] = -15 * (INT64_C(1) << frac);
    rig r = rig_open(to);
    tf_value x = rig_put(&r, tf_dims(n), a, frac, 32 < frac + 6 ? (unsigned)frac + 6 : 32, 16);
    tf_value power = tf_exp2(&r.program, x, 16, r.program.frac);
    int y = rig_take(&r, power), lifted = rig_take(&r, tf_lift(&r.program, power, 64));
    rig_run(&r);
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs(rig_real(&r, y, i) - exp2(ldexp((double)a[i], -frac))));
        cr_assert_eq(rig_result(&r, y)[i], rig_result(&r, lifted)[i], "2^%g is within its own range",
                     ldexp((double)a[i], -frac));
    }
    rig_close(&r);
    free(a);
    return worst;
}

Test(step_exp2, is_accurate_over_its_range) {
    for (int s = 0; s < RIG_SIZES; s++) {
        double worst = exp2_error(16, 16, rig_size[s]);
        cr_assert_lt(worst, 1e-4, "%g", worst);
    }
}

Test(step_exp2, at_every_precision) {
    for (int frac = 8; frac <= 24; frac++) {
        double worst = exp2_error(frac, frac, 20000);
        /* x is rounded to 2^-frac and one unit is lost in centring it; the result is off by two of its
         * units at most */
        cr_assert_lt(worst, 1e-4 + 3 * ldexp(1, -frac), "%d fractional bits: %g", frac, worst);
    }
    cr_assert_lt(exp2_error(20, 12, 5000), 1e-4 + 3 * 0x1p-12);
    cr_assert_lt(exp2_error(12, 20, 5000), 1e-4 + 3 * 0x1p-12);
}

/* 2^0 comes out a little above 1 at times, and must be liftable even so. */
Test(step_exp2, has_room_above_one) {
    enum { N = 300000 };
    int64_t *zero = calloc(N, sizeof *zero);
    for (int frac = 12; frac <= 22; frac += 2) {
        rig r = rig_open(frac);
        r.sharing = RIG_UNIFORM;
        tf_value power = tf_exp2(&r.program, rig_put(&r, tf_dims(N), zero, frac, 32, 16), 16, r.program.frac);
        int y = rig_take(&r, tf_lift(&r.program, power, 64));
        rig_run(&r);
        for (size_t i = 0; i < N; i++)
            cr_assert_lt(fabs(rig_real(&r, y, i) - 1), 1e-4 + 2 * ldexp(1, -frac), "%g", rig_real(&r, y, i));
        rig_close(&r);
    }
    free(zero);
}
