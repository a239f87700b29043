/*
 * What valgrind's memcheck can tell about steps, on small inputs; run_memcheck.sh runs it so. Without valgrind this
 * only shows that the steps run.
 *
 * Nothing uninitialised is ever sent. And, with all shares of the inputs marked as uninitialised, memcheck reports any
 * branch and any address that depends on a secret: there must be none.
 */
enum { STEP_N = 700 };

#include "net/base/secret.h"
#include "runtime/steps/lookup/lookup.h"
#include "tests/support/each_step.h"
#include "tests/support/selection.h"

/* Memcheck takes mapped memory for initialised. */
static void setup(void) {
    tf_secret_guard(false);
}

TestSuite(memcheck, .init = setup);

static void check_cases(const step_case *c, bool tainted) {
    int64_t *x = rig_integers(STEP_N, 9);
    for (; c->name; c++) {
        rig r = rig_open(8);
        c->append(&r, x);
        r.t.tainted = tainted;
        rig_run(&r);
        rig_close(&r);
    }
    free(x);
}

static void check_all(bool tainted) {
    check_cases(step_products, tainted);
    check_cases(step_truncations, tainted);
    check_cases(step_selections, tainted);
    check_cases(step_tables, tainted);
}

Test(memcheck, messages_are_initialised) {
    check_all(false);
}

Test(memcheck, nothing_branches_on_shares) {
    check_all(true);
}

Test(memcheck, nothing_branches_on_shares_in_compositions) {
    for (int k = 0; k < 5; k++) {
        int64_t *x = rig_integers(STEP_N, 20);
        rig r = rig_open(16);
        tf_program *p = &r.program;
        tf_value v = rig_put(&r, tf_dims(STEP_N / 10, 10), x, 16, 32, 16);
        switch (k) {
        case 0: tf_max_last(p, v); break;
        case 1: tf_reciprocal(p, v, 0.5, 16, 20); break;
        case 2: tf_rsqrt(p, v, 0.5, 16, 1, 20, 0); break;
        case 3: tf_exp_negative(p, v); break;
        default:
            rig_take(&r,
                     tf_add(p,
                            tf_sum_axis(p, tf_polynomial(p, v, 4, (double[]){1, 2, 3, 4, 5}, (tf_result){16, 0, false}),
                                        1, 100),
                            tf_slice(p, tf_reshape(p, v, tf_dims(STEP_N)), 0, 0, STEP_N / 10)));
        }
        r.t.tainted = true;
        rig_run(&r);
        rig_close(&r);
        free(x);
    }
}

/* The table's shares are secret to all; the tokens are their owner's. */
Test(memcheck, nothing_branches_on_a_table) {
    enum { V = 75, H = 6, MANY = 20 };
    int32_t id[MANY] = {0, 74, 3, 3, 64};
    for (int owner = 0; owner < TF_PARTIES; owner++)
        for (int tainted = 0; tainted < 4; tainted++) {
            tf_node tokens = {
                .name = "tokens", .leaf = TF_LEAF_TOKENS, .shape = tf_dims(tainted < 2 ? 5 : MANY), .tokens = id};
            int64_t *x = rig_integers(V * H, 20);
            rig r = rig_open(16);
            rig_take(&r, tf_embed(&r.program, rig_put(&r, tf_dims(V, H), x, 16, 32, 16), &tokens, owner));
            r.t.tainted = tainted % 2;
            rig_run(&r);
            rig_close(&r);
            free(x);
        }
}

/* Nor where the tokens are an owner's who is outside: what a party got of them are bits of its own. */
Test(memcheck, nothing_branches_on_a_table_for_an_owner_outside) {
    enum { V = 75, H = 6, TOKENS = 5 };
    const int32_t id[TOKENS] = {0, 74, 3, 3, 64};
    for (int tainted = 0; tainted < 2; tainted++) {
        int64_t *x = rig_integers(V * H, 20);
        rig r = rig_open(16);
        selection_rig own;
        tf_value rows = selection_embed(&r, &own, rig_put(&r, tf_dims(V, H), x, 16, 32, 16), tf_dims(TOKENS), id);
        tf_check_selections(&r.program);
        rig_take(&r, rows);
        selection_bind(&r, &own);
        r.t.tainted = tainted;
        rig_run(&r);
        selection_close(&own);
        rig_close(&r);
        free(x);
    }
}

/* What the tokens' owner reads of its own table does not depend on them. */
Test(memcheck, rows_are_picked_without_showing_which) {
    enum { ROWS = 150, COLUMNS = 70, TOKENS = 5 };
    for (unsigned bits = 32; bits <= 48; bits += 16) {
        uint64_t table[2][ROWS * COLUMNS], out[TOKENS * COLUMNS];
        int32_t tokens[TOKENS] = {0, 63, 64, 149, 63}, known[TOKENS];
        for (size_t i = 0; i < 2 * ROWS * COLUMNS; i++) table[i % 2][i / 2] = rig_random();
        memcpy(known, tokens, sizeof known);
        VALGRIND_MAKE_MEM_UNDEFINED(tokens, sizeof tokens);
        tf_party party = {.kernels = tf_kernels_get()};
        tf_step_node node[2] = {{.type = {.shape = tf_dims(ROWS, COLUMNS), .bits = bits}}, {.type.bits = 64}};
        tf_program program = {.node = node};
        tf_call call = {
            .party = &party, .program = &program, .node = &node[1], .in = {{.c = {table[0], table[1]}}}, .workers = 1};
        memset(out, 0, sizeof out);
        cr_assert_eq(tf_pick_rows(&call, tokens, TOKENS, out), TF_OK);
        VALGRIND_MAKE_MEM_DEFINED(out, sizeof out);
        for (size_t i = 0; i < TOKENS * COLUMNS; i++) {
            size_t at = (size_t)known[i / COLUMNS] * COLUMNS + i % COLUMNS;
            cr_assert_eq((out[i] ^ (table[0][at] + table[1][at])) & tf_mask(bits), 0, "element %zu", i);
        }
    }
}

/* Nor does where it puts many, what it reads for them, and what it deals of that. */
Test(memcheck, tokens_get_buckets_without_showing_which) {
    enum { ROWS = 150, COLUMNS = 40, TOKENS = 20 };
    enum { WORDS = (ROWS + 63) / 64 };
    uint64_t table[2][ROWS * COLUMNS], word[ROWS], its_word[TOKENS] = {0};
    uint64_t vector[TF_CHOICES * WORDS], was[TF_CHOICES * WORDS];
    int32_t tokens[TOKENS], known[TOKENS];
    uint32_t assigned;
    const tf_buckets buckets = tf_buckets_of(TOKENS);
    const size_t elements = buckets.count * COLUMNS;
    int32_t *want = malloc(buckets.count * sizeof *want), *wanted = malloc(buckets.count * sizeof *want);
    uint64_t *sum = calloc(elements, sizeof *sum), *positive = calloc(buckets.count, sizeof *positive);
    uint64_t *row = calloc(TOKENS * buckets.count, sizeof *row);
    tf_prf *hash = tf_prf_new((const unsigned char[TF_KEY_BYTES]){1, 2, 3});
    cr_assert(want && wanted && sum && positive && row && hash);
    for (size_t i = 0; i < 2 * ROWS * COLUMNS; i++) table[i % 2][i / 2] = rig_random();
    cr_assert_eq(tf_hash_rows(hash, 0, 0, ROWS, word), TF_OK);
    for (size_t i = 0; i < TOKENS; i++) known[i] = tokens[i] = (int32_t)(i < 18 ? 149 - 8 * i : 13); /* three times */
    for (size_t w = 0; w < TF_CHOICES * WORDS; w++) was[w] = vector[w] = rig_random();
    VALGRIND_MAKE_MEM_UNDEFINED(tokens, sizeof tokens);
    tf_find_words(word, ROWS, tokens, TOKENS, its_word);
    cr_assert_eq(tf_assign_buckets(tokens, its_word, TOKENS, &buckets, want, &assigned), TF_OK);
    VALGRIND_MAKE_MEM_DEFINED(&assigned, sizeof assigned);
    cr_assert_eq(assigned, 1);
    tf_party party = {.kernels = tf_kernels_get()};
    tf_step_node node[2] = {{.type = {.shape = tf_dims(ROWS, COLUMNS), .bits = 48}}, {.type.bits = 48}};
    tf_program program = {.node = node};
    tf_call call = {
        .party = &party, .program = &program, .node = &node[1], .in = {{.c = {table[0], table[1]}}}, .workers = 1};
    cr_assert_eq(tf_pick_to_buckets(&call, &buckets, hash, want, sum), TF_OK);
    tf_flip_bits(word, ROWS, &buckets, want, vector, WORDS, positive);
    for (size_t i = 0; i < TOKENS; i++) tf_fill_row(want, positive, tokens[i], buckets.count, row + i * buckets.count);
    VALGRIND_MAKE_MEM_DEFINED(its_word, sizeof its_word);
    VALGRIND_MAKE_MEM_DEFINED(vector, sizeof vector);
    VALGRIND_MAKE_MEM_DEFINED(row, TOKENS * buckets.count * sizeof *row);
    memcpy(wanted, want, buckets.count * sizeof *want);
    VALGRIND_MAKE_MEM_DEFINED(wanted, buckets.count * sizeof *wanted);
    VALGRIND_MAKE_MEM_DEFINED(sum, elements * sizeof *sum);
    size_t found = 0;
    for (size_t b = 0; b < buckets.count; b++) {
        for (size_t i = 0; i < COLUMNS; i++) {
            const size_t at = (size_t)wanted[b] * COLUMNS + i;
            cr_assert_eq(sum[b * COLUMNS + i], wanted[b] < 0 ? 0 : table[0][at] + table[1][at], "bucket %zu", b);
        }
        for (size_t i = 0; i < 18 && wanted[b] >= 0; i++) found += wanted[b] == known[i];
    }
    cr_assert_eq(found, 18);
    for (size_t i = 0; i < TOKENS; i++) {
        const size_t at = (size_t)known[i] / 64, shift = (size_t)known[i] % 64;
        size_t flipped = 0;
        cr_assert_eq(its_word[i], word[known[i]]);
        for (size_t b = 0; b < buckets.count; b++) {
            const size_t w = b / buckets.quarter * WORDS + at;
            const uint64_t sign = was[w] >> shift & 1 ? 1 : -UINT64_C(1);
            cr_assert_eq(row[i * buckets.count + b], wanted[b] == known[i] ? sign : 0, "bucket %zu", b);
            flipped += wanted[b] == known[i] && ((was[w] ^ vector[w]) >> shift & 1);
        }
        cr_assert_eq(flipped, 1);
    }
    tf_prf_free(hash);
    free(want), free(wanted), free(sum), free(positive), free(row);
}

/* The whole way from a party's input to another's output. */
Test(memcheck, inputs_and_outputs_are_initialised) {
    static float x[STEP_N];
    static double y[TF_PARTIES][STEP_N];
    const float *input[] = {x};
    double *output[TF_PARTIES][1] = {{y[0]}, {y[1]}, {y[2]}};
    for (int owner = 0; owner < TF_PARTIES; owner++) {
        rig r = rig_open(16);
        tf_value v = tf_input(&r.program, owner, tf_dims(STEP_N), 16, 37, 8, 0);
        tf_output(&r.program, tf_relu(&r.program, v), owner == 2 ? TF_EVERYONE : owner, 0);
        for (int p = 0; p < TF_PARTIES; p++) r.t.party[p].slots = (tf_slots){.input = input, .output = output[p]};
        rig_run(&r);
        rig_close(&r);
    }
}

/* A step that sends what it never wrote: the check must notice, or it is worth nothing. */
static void forgetful_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    traffic->dealt_at = -1;
    traffic->exchanges = 1;
    traffic->whole[0][0][1] = 64;
}

static tf_status forgetful_whole(tf_call *call, int phase) {
    return TF_OK;
}

static const tf_step forgetful_step = {
    .name = "forgetful", .summary = "a lesson", .cost = forgetful_cost, .whole = forgetful_whole};

Test(memcheck, uninitialised_messages_are_noticed) {
    rig r = rig_open(16);
    tf_type type = {.shape = tf_dims(4), .kind = TF_SHARE, .bits = 32, .zero = -1};
    tf_append(&r.program, &forgetful_step, type, 0, NULL);
    cr_assert_eq(rig_try(&r), TF_OK, "%s", tf_error());
    cr_assert_eq(r.t.undefined[1], RUNNING_ON_VALGRIND ? 1 : 0);
    rig_close(&r);
}
