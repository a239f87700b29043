/* Draws from softmax: private against plain with the same noise, and against the exact distribution with noise that is
 * dealt. */
#include "ops/nucleus.h"
#include "ops/sample.h"
#include "runtime/graph/noise.h"
#include "tests/support/private.h"
#include "tests/support/view.h"

static int sampling_attrs(const tf_sampling *s, tf_attr attr[4]) {
    attr[0] = (tf_attr){"temperature", s->temperature};
    attr[1] = (tf_attr){"top_k", (double)s->top_k};
    attr[2] = (tf_attr){"top_p", s->top_p};
    attr[3] = (tf_attr){"min_p", s->min_p};
    return 4;
}

/* The same noise --------------------------------------------------------------------------------------------------- */

/* Even steps over low..high, shuffled: what is nearly equal, rounding could order otherwise. */
static tf_array steps(tf_shape shape, double low, double high, uint64_t seed) {
    tf_array x = random_array(shape, 0, 1, seed);
    size_t n = tf_shape_last(shape), rows = tf_shape_count(shape) / n;
    for (size_t row = 0; row < rows; row++) {
        float *value = x.data + row * n, *order = malloc(n * sizeof *order);
        memcpy(order, value, n * sizeof *order);
        for (size_t i = 0; i < n; i++) {
            size_t rank = 0;
            for (size_t k = 0; k < n; k++) rank += order[k] < order[i] || (order[k] == order[i] && k < i);
            value[i] = (float)(low + (high - low) * (double)rank / (double)n);
        }
        free(order);
    }
    return x;
}

static private_op drawing(const tf_sampling *s, size_t rows, size_t n, uint64_t seed) {
    private_op run = {.kind = "sample",
                      .variant = "exact",
                      .inputs = 2,
                      .input = {{TF_LEAF_NONE, steps(tf_dims(rows, n), -20, 20, seed)},
                                {TF_LEAF_NONE, random_array(tf_dims(rows, n), -3, 6, seed + 1)}},
                      .calibrated = true};
    run.attrs = sampling_attrs(s, run.attr);
    return run;
}

static uint64_t sent_in_all(const tf_session_stats *stats) {
    uint64_t sent = 0;
    for (int from = 0; from < TF_PARTIES; from++)
        for (int to = 0; to < TF_PARTIES; to++) sent += stats->bytes[from][to];
    return sent;
}

/* In how many of the rows both differ. */
static size_t differing(tf_sampling s, size_t rows, size_t n) {
    private_op run = drawing(&s, rows, n, n + s.top_k);
    cr_assert_eq(private_run(&run), TF_OK, "%s", tf_error());
    size_t count = 0;
    for (size_t row = 0; row < rows; row++) count += run.result[row] != (double)run.plain.data[row];
    private_free(&run);
    return count;
}

/* Rounding decides where two noisy scores are within 2^-13, which happens about once in ten times that this runs. */
Test(sample, private_equals_plain) {
    size_t wrong = 0;
    static const size_t width[] = {2, 3, 7, 24, 130, 700, 3001};
    for (size_t i = 0; i < sizeof width / sizeof *width; i++) {
        size_t n = width[i], rows = n < 200 ? 20 : 3;
        wrong += differing((tf_sampling){.temperature = 1, .top_p = 1}, rows, n);
        wrong += differing((tf_sampling){.temperature = 2.5, .top_p = 1, .min_p = 0.05}, rows, n);
        for (size_t k = 1; k < 30; k += 6)
            wrong += differing((tf_sampling){.temperature = 3, .top_k = k, .top_p = 1}, rows, n);
        wrong += differing((tf_sampling){.temperature = 4, .top_k = 20, .top_p = 0.8}, rows, n);
        wrong += differing((tf_sampling){.temperature = 5, .top_k = 40, .top_p = 0.9, .min_p = 0.02}, rows, n);
        if (n < 200) wrong += differing((tf_sampling){.temperature = 6, .top_p = 0.7}, rows, n);
        if (n == 700) wrong += differing((tf_sampling){.temperature = 1, .top_p = 0.9, .min_p = 0.02}, rows, n);
    }
    cr_assert_leq(wrong, 3, "%zu rows", wrong);
}

/* The probability at temperature 0.5 of what is not below the edge. */
static double mass_from(const float *x, size_t n, double edge) {
    double sum = 0, all = 0;
    for (size_t i = 0; i < n; i++) all += exp(2 * (double)x[i]);
    for (size_t i = 0; i < n; i++) sum += 2 * (double)x[i] >= edge ? exp(2 * (double)x[i]) : 0;
    return sum / all;
}

/* Noise that undoes the scores and more draws the least likely one that is left: the edge of the nucleus. */
Test(sample, the_edge_of_a_nucleus_is_a_threshold) {
    enum { MANY = 1500, ROWS = 2 };
    static const double top_p[] = {1e-6, 0.3, 0.9, 0.999};
    for (size_t i = 0; i < sizeof top_p / sizeof *top_p; i++) {
        tf_sampling s = {.temperature = 0.5, .top_p = top_p[i]};
        private_op run = drawing(&s, ROWS, MANY, 5 + i);
        for (size_t k = 0; k < (size_t)ROWS * MANY; k++) {
            run.input[0].array.data[k] *= 0.2F; /* -4 to 4, and twice that once divided by the temperature */
            run.input[1].array.data[k] = -2.5F * run.input[0].array.data[k];
        }
        cr_assert_eq(private_run(&run), TF_OK, "%s", tf_error());
        for (size_t row = 0; row < ROWS; row++) {
            const float *x = run.input[0].array.data + row * MANY;
            double edge = 2 * (double)x[(size_t)run.result[row]];
            double from = mass_from(x, MANY, edge), beyond = mass_from(x, MANY, edge + 2 * TF_NUCLEUS_STEP);
            cr_expect(from > s.top_p - 2e-4 && beyond < s.top_p + 2e-4, "top_p %g: %g to %g from %g on", s.top_p,
                      beyond, from, edge);
        }
        private_free(&run);
    }
}

Test(sample, numbers_out_of_range_are_refused) {
    static const tf_sampling wrong[] = {{.temperature = 0, .top_p = 1},
                                        {.temperature = 1e-3, .top_p = 1},
                                        {.temperature = NAN, .top_p = 1},
                                        {.temperature = 1, .top_p = 0},
                                        {.temperature = 1, .top_p = 1, .min_p = 1},
                                        {.temperature = 1, .top_p = 1, .min_p = -1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        private_op run = drawing(&wrong[i], 1, 5, 1);
        cr_assert_eq(private_run(&run), TF_INVALID);
        private_free(&run);
    }
    private_op run = drawing(&(tf_sampling){.temperature = 1, .top_k = TF_MOST_CANDIDATES + 1, .top_p = 1}, 1, 600, 1);
    cr_assert_eq(private_run(&run), TF_INVALID);
    cr_assert(strstr(tf_error(), "smaller one"), "%s", tf_error());
    private_free(&run);
}

/* Dealt noise ------------------------------------------------------------------------------------------------------ */

enum { WORDS = 24, MANY_WORDS = 300, DRAWS = 10000, FEW = 1000, RUNS = 2, HELPER = 2 };

typedef struct drawn {
    tf_sampling sampling;
    int model_owner;
    size_t draws, words;
    float logits[MANY_WORDS];
    double token[RUNS][DRAWS];
    uint64_t beyond[TF_PARTIES]; /* bytes that a party sent beyond the forecast, in all runs */
    view seen[TF_PARTIES];
    uint64_t rounds, bytes;
} drawn;

/* Every text has the same logits, as rows of a table that the model owner puts in. */
static tf_status draw_graph(const drawn *d, int id, tf_graph *g) {
    static const int32_t zeros[DRAWS];
    tf_attr attr[4];
    size_t candidates = tf_sampling_candidates(&d->sampling, d->words);
    tf_graph_init(g);
    tf_id table =
        tf_graph_leaf(g, TF_LEAF_WEIGHT, "table", tf_dims(1, d->words), id == d->model_owner ? d->logits : NULL);
    tf_id token = tf_graph_leaf(g, TF_LEAF_TOKENS, "tokens", tf_dims(d->draws), id == DATA_OWNER ? zeros : NULL);
    tf_id noise = tf_graph_leaf(g, TF_LEAF_NOISE, "noise", tf_dims(d->draws, candidates), NULL);
    tf_id x = tf_graph_op(g, "embedding", "", "logits", TF_IN(token, table), TF_NO_ATTRS);
    if (x >= 0) g->node[x].range = 16;
    int attrs = sampling_attrs(&d->sampling, attr);
    return tf_graph_finish(g, tf_graph_op(g, "sample", "", "next", TF_IN(x, noise), attrs, attr));
}

static uint64_t sent_by(const tf_link *link) {
    tf_link_counters c = tf_link_read_counters(link);
    return c.bytes_sent[0] + c.bytes_sent[1] + c.bytes_sent[2];
}

static tf_status draw_privately(tf_link *link, int id, void *context) {
    drawn *d = context;
    tf_session session;
    tf_graph graph;
    const tf_compiled *compiled;
    TF_TRY(tf_session_open(&session, link));
    tf_status status = draw_graph(d, id, &graph);
    if (!status) status = tf_session_compile(&session, &graph, 16, d->model_owner, DATA_OWNER, &compiled);
    for (int k = 0; k < RUNS && !status; k++) {
        double *out[] = {id == DATA_OWNER ? d->token[k] : NULL};
        tf_session_stats stats;
        if (k) tf_link_observe(link, view_observe, &d->seen[id]); /* the first run shares the table too */
        uint64_t before = sent_by(link);
        status = tf_session_execute(&session, compiled, &graph, &(tf_slots){.output = out}, &stats, NULL);
        tf_link_observe(link, NULL, NULL);
        if (k) d->beyond[id] = sent_by(link) - before;
        for (int p = 0; p < TF_PARTIES && k; p++) d->beyond[id] -= stats.bytes[id][p];
        if (id == DATA_OWNER) d->rounds = stats.rounds, d->bytes = sent_in_all(&stats);
    }
    tf_graph_free(&graph);
    tf_session_close(&session);
    return status;
}

static drawn draw(tf_sampling s, int model_owner, size_t draws, size_t words) {
    drawn d = {.sampling = s, .model_owner = model_owner, .draws = draws, .words = words};
    for (size_t i = 0; i < words; i++)
        d.logits[i] = (float)(3 * sin(2.3 * (double)i) + 0.07 * (double)(i % WORDS) + (i == 11 ? 2 : 0));
    cr_assert_eq(tf_ops_register(), TF_OK);
    cr_assert_eq(tf_run_local(draw_privately, &d, NULL), TF_OK, "%s", tf_error());
    return d;
}

static void draw_free(drawn *d) {
    for (int p = 0; p < TF_PARTIES; p++) view_free(&d->seen[p]);
}

/* The exact distribution, computed anew here. */
static size_t exact(const drawn *d, double probability[MANY_WORDS]) {
    const tf_sampling *s = &d->sampling;
    double weight[MANY_WORDS], best = -INFINITY, all = 0, total = 0, kept[MANY_WORDS];
    size_t words = d->words;
    size_t support = 0;
    for (size_t i = 0; i < words; i++) best = fmax(best, (double)d->logits[i]);
    for (size_t i = 0; i < words; i++) weight[i] = kept[i] = exp(((double)d->logits[i] - best) / s->temperature);
    for (size_t i = 0; i < words && s->top_k; i++) {
        size_t larger = 0;
        for (size_t k = 0; k < words; k++) larger += weight[k] > weight[i];
        if (larger >= s->top_k) kept[i] = 0;
    }
    for (size_t i = 0; i < words; i++) all += kept[i];
    for (size_t i = 0; i < words; i++) {
        double before = 0;
        for (size_t k = 0; k < words; k++) before += weight[k] > weight[i] ? kept[k] : 0;
        probability[i] = before < s->top_p * all && weight[i] >= s->min_p ? kept[i] : 0;
        total += probability[i];
    }
    for (size_t i = 0; i < words; i++) support += (probability[i] /= total) > 0;
    return support;
}

/* What chi-square with so many degrees of freedom exceeds once in a million times (Wilson and Hilferty 1931). */
static double chi_limit(double freedom) {
    double part = 2 / (9 * freedom);
    return freedom * pow(1 - part + 4.76 * sqrt(part), 3);
}

/* Words that are expected less than five times count as one. */
static void check_distribution(const drawn *d, const double *token, const double *probability, const char *what) {
    size_t count[MANY_WORDS + 1] = {0}, cells = 0;
    double expected[MANY_WORDS + 1] = {0}, chi = 0, draws = (double)d->draws;
    for (size_t i = 0; i < d->draws; i++) {
        size_t word = (size_t)token[i];
        cr_assert(token[i] >= 0 && word < d->words && token[i] == (double)word && probability[word] > 0,
                  "%s: %g was drawn", what, token[i]);
        count[probability[word] * draws < 5 ? MANY_WORDS : word]++;
    }
    for (size_t i = 0; i < d->words; i++)
        expected[probability[i] * draws < 5 ? MANY_WORDS : i] += probability[i] * draws;
    for (size_t i = 0; i <= MANY_WORDS; i++) {
        if (!(expected[i] > 0)) continue;
        cells++;
        chi += ((double)count[i] - expected[i]) * ((double)count[i] - expected[i]) / expected[i];
    }
    cr_log_info("%s: chi-square %g with %zu degrees of freedom", what, chi, cells - 1);
    cr_assert(cells == 1 || chi < chi_limit((double)cells - 1), "%s: chi-square %g with %zu degrees of freedom", what,
              chi, cells - 1);
}

static void check_words(const char *what, tf_sampling s, size_t draws, size_t words, size_t support) {
    drawn d = draw(s, MODEL_OWNER, draws, words);
    double probability[MANY_WORDS];
    size_t same = 0;
    cr_assert_eq(exact(&d, probability), support, "%s: %zu of %zu", what, exact(&d, probability), words);
    for (int k = 0; k < RUNS; k++) check_distribution(&d, d.token[k], probability, what);
    for (size_t i = 0; i < draws; i++) same += d.token[0][i] == d.token[1][i];
    double again = 0;
    for (size_t i = 0; i < words; i++) again += probability[i] * probability[i];
    cr_assert_lt((double)same, (double)draws * again + 6 * sqrt((double)draws),
                 "%s: the noise of both runs of a program is the same", what);
    for (int p = 0; p < TF_PARTIES; p++)
        cr_assert_eq(d.beyond[p], 0, "%s: party %d sent %llu bytes more than forecast", what, p,
                     (unsigned long long)d.beyond[p]);
    draw_free(&d);
}

static void check_setting(const char *what, tf_sampling s, size_t support) {
    check_words(what, s, DRAWS, WORDS, support);
}

Test(sample, by_temperature) {
    check_setting("temperature 1", (tf_sampling){.temperature = 1, .top_p = 1}, WORDS);
    check_setting("temperature 0.6", (tf_sampling){.temperature = 0.6, .top_p = 1}, WORDS);
}

Test(sample, of_top_k) {
    check_setting("top-k 5", (tf_sampling){.temperature = 1.3, .top_k = 5, .top_p = 1}, 5);
}

Test(sample, of_top_p) {
    check_setting("top-p 0.8", (tf_sampling){.temperature = 2, .top_p = 0.8}, 11);
}

/* Of more words than are sorted. */
Test(sample, of_top_p_by_a_threshold) {
    check_words("top-p 0.6 of 300", (tf_sampling){.temperature = 0.7, .top_p = 0.6}, FEW, MANY_WORDS, 29);
}

Test(sample, of_top_k_and_top_p) {
    check_setting("top-k 12, top-p 0.8", (tf_sampling){.temperature = 2, .top_k = 12, .top_p = 0.8}, 8);
}

Test(sample, of_min_p) {
    check_setting("min-p 0.2", (tf_sampling){.temperature = 2, .top_p = 1, .min_p = 0.2}, 13);
    check_setting("all", (tf_sampling){.temperature = 2, .top_k = 9, .top_p = 0.95, .min_p = 0.3}, 9);
}

/* In the second run, of a table that is shared already: all that each party is sent. */
static void check_views(int model_owner, int dealer, size_t words, size_t top_k) {
    tf_sampling s = {.temperature = 1.5, .top_k = top_k, .top_p = 0.9, .min_p = 0.01};
    drawn d = draw(s, model_owner, top_k ? FEW : FEW / 20, words);
    tf_program p;
    tf_program_init(&p, 16, model_owner, DATA_OWNER);
    cr_assert_eq(tf_noise_dealer(&p), dealer);
    tf_program_free(&p);
    for (int id = 0; id < TF_PARTIES; id++) {
        char why[160];
        view *seen = &d.seen[id];
        cr_assert_gt(seen->messages, 0);
        cr_assert_lt(view_overall(seen), view_limit, "party %d: %g", id, view_overall(seen));
        cr_assert_null(view_tells(seen, why), "party %d: %s", id, why);
        cr_assert_not(view_repeats(seen), "party %d received a block of 16 bytes twice", id);
    }
    draw_free(&d);
}

Test(sample, nobody_but_the_data_owner_learns_a_token) {
    check_views(MODEL_OWNER, MODEL_OWNER, WORDS, 6); /* which deals the noise */
    check_views(HELPER, HELPER, WORDS, 6);
    check_views(DATA_OWNER, HELPER, WORDS, 6); /* who owns both gets its noise from another */
    check_views(MODEL_OWNER, MODEL_OWNER, MANY_WORDS, 0);
}

/* Costs ------------------------------------------------------------------------------------------------------------ */

static void check_cost_of(tf_sampling s, size_t n, double round_bytes, int rounds, uint64_t bytes) {
    tf_graph g;
    tf_program p;
    tf_plan plan;
    tf_attr attr[4];
    cr_assert_eq(tf_ops_register(), TF_OK);
    tf_graph_init(&g);
    g.round_bytes = round_bytes;
    tf_id table = tf_graph_leaf(&g, TF_LEAF_WEIGHT, "table", tf_dims(1, n), NULL);
    tf_id token = tf_graph_leaf(&g, TF_LEAF_TOKENS, "tokens", tf_dims(1), NULL);
    tf_id noise = tf_graph_leaf(&g, TF_LEAF_NOISE, "noise", tf_dims(1, tf_sampling_candidates(&s, n)), NULL);
    tf_id x = tf_graph_op(&g, "embedding", "", "logits", TF_IN(token, table), TF_NO_ATTRS);
    cr_assert(x >= 0, "%s", g.error);
    g.node[x].range = 64;
    int attrs = sampling_attrs(&s, attr), taken[2] = {0};
    uint64_t sent[2] = {0};
    for (int k = 0; k < 2; k++) { /* the logits alone, and the draw */
        tf_id y = k ? tf_graph_op(&g, "sample", "", "next", TF_IN(x, noise), attrs, attr) : x;
        g.outputs = 0;
        tf_graph_output(&g, y, k ? TF_TO_DATA_OWNER : TF_KEPT);
        cr_assert_eq(tf_graph_check(&g), TF_OK, "%s", tf_error());
        cr_assert_eq(tf_lower(&g, 16, MODEL_OWNER, DATA_OWNER, &p, &plan), TF_OK, "%s", tf_error());
        for (int from = 0; from < TF_PARTIES; from++)
            for (int to = 0; to < TF_PARTIES; to++) sent[k] += plan.bytes[from][to];
        taken[k] = plan.rounds;
        tf_plan_free(&plan);
        tf_program_free(&p);
    }
    tf_graph_free(&g);
    cr_expect_eq(taken[1] - taken[0], rounds, "%zu: %d rounds", n, taken[1] - taken[0]);
    cr_expect_eq(sent[1] - sent[0], bytes, "%zu: %llu bytes", n, (unsigned long long)(sent[1] - sent[0]));
}

static void check_cost(tf_sampling s, size_t n, int rounds, uint64_t bytes) {
    check_cost_of(s, n, 0, rounds, bytes);
}

Test(sample, of_vocabularies_costs) {
    const tf_sampling temperature = {.temperature = 0.8, .top_p = 1},
                      top_k = {.temperature = 0.8, .top_k = 40, .top_p = 1},
                      both = {.temperature = 0.8, .top_k = 40, .top_p = 0.95},
                      top_p = {.temperature = 0.8, .top_p = 0.95};
    check_cost(temperature, 32000, 28, 1958403);
    check_cost(temperature, 50257, 32, 2547745);
    check_cost(top_k, 32000, 70, 5466460);
    check_cost(top_k, 50257, 70, 8023170);
    check_cost(both, 32000, 79, 5487780);
    check_cost(both, 50257, 79, 8044490);
    check_cost(top_p, 32000, 109, 20281759);
    check_cost(top_p, 50257, 117, 30168520);
    check_cost_of(top_p, 32000, 1e6, 100, 29169047);
}
