/*
 * What each party receives in each step: uniform whatever the input, never the same twice, of lengths that do not
 * depend on the input. Inputs are shared without any randomness, so only a step's own masks can make its messages
 * uniform. Three steps without proper masks, defined here, show that the checks would notice.
 */
#include "tests/support/rig.h"
#include "tests/support/selection.h"
#include "tests/support/view.h"

enum { STEP_N = 3 * 128 * 200 + 70 }; /* the smallest messages of a comparison still have bytes enough */

#include "tests/support/each_step.h"

/* All bytes from one peer, in order. */
static uint8_t *bytes_from(const view *v, int peer, uint64_t *length) {
    *length = 0;
    for (size_t m = 0; m < v->messages; m++)
        if (v->message[m].peer == peer) *length += v->message[m].length;
    uint8_t *bytes = malloc(*length + 1), *end = bytes;
    for (size_t m = 0; m < v->messages; m++)
        if (v->message[m].peer == peer) {
            memcpy(end, v->message[m].data, v->message[m].length);
            end += v->message[m].length;
        }
    return bytes;
}

/* What arrives are pieces of one message a round from each peer. Cuts it into what each phase of each step sent. */
static void cut(const view *whole, const tf_plan *plan, int id, view *out) {
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        uint64_t length, at = 0;
        uint8_t *bytes = bytes_from(whole, peer, &length);
        while (at < length)
            for (int e = 0; e < plan->first_entry[plan->rounds]; e++) {
                tf_traffic_matrix sent;
                if (!tf_plan_emission(plan, plan->entry[e], sent) || !sent[peer][id]) continue;
                cr_assert_leq(at + sent[peer][id], length);
                view_observe(out, peer, bytes + at, sent[peer][id]);
                at += sent[peer][id];
            }
        free(bytes);
    }
}

/* `deviating`: a party that changes all that it sends, or -1. */
static void run(append_step *append, const int64_t *x, int runs, int deviating, view seen[TF_PARTIES]) {
    rig r = rig_open(8);
    view whole[TF_PARTIES] = {{0}};
    r.sharing = RIG_BARE;
    append(&r, x);
    for (int p = 0; p < TF_PARTIES; p++)
        r.t.party[p].observer = view_observe, r.t.party[p].observer_context = &whole[p];
    r.t.runs = runs;
    if (deviating >= 0) {
        r.t.tampers[deviating] = true;
        cr_assert_eq(rig_try(&r), TF_OK, "%s", tf_error()); /* what comes out is wrong, which nobody checks here */
    } else {
        rig_run(&r);
    }
    for (int p = 0; p < TF_PARTIES; p++) {
        cut(&whole[p], &r.t.plan, p, &seen[p]);
        view_free(&whole[p]);
    }
    rig_close(&r);
}

/* Messages from each peer have the same lengths in all three runs. */
static bool lengths_repeat(const view *v) {
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        size_t count = 0, number = 0;
        for (size_t i = 0; i < v->messages; i++) count += v->message[i].peer == peer;
        uint64_t *length = calloc(count + 1, sizeof *length);
        for (size_t i = 0; i < v->messages; i++)
            if (v->message[i].peer == peer) length[number++] = v->message[i].length;
        bool same = count % 3 == 0;
        for (size_t i = count / 3; i < count; i++) same &= length[i] == length[i - count / 3];
        free(length);
        if (!same) return false;
    }
    return true;
}

/* Twice with one input, keys kept; then with another. What is wrong with what some party saw, or NULL. */
static const char *step_tells(append_step *append, int deviating, char *why) {
    int64_t *first = malloc(STEP_N * sizeof *first), *second = malloc(STEP_N * sizeof *second);
    for (int i = 0; i < STEP_N; i++) first[i] = 5, second[i] = i % 1000 - 500;
    view seen[TF_PARTIES] = {{0}};
    run(append, first, 2, deviating, seen);
    run(append, second, 1, deviating, seen);
    const char *wrong = NULL;
    for (int p = 0; p < TF_PARTIES; p++) {
        if (deviating >= 0 && p != deviating) continue; /* what a deviating party sends is no longer masked by itself */
        if (!wrong) wrong = view_tells(&seen[p], why);
        if (!wrong && view_repeats(&seen[p])) wrong = "a block of 16 bytes occurs twice";
        if (!wrong && !lengths_repeat(&seen[p])) wrong = "lengths depend on the input";
        view_free(&seen[p]);
    }
    free(first), free(second);
    return wrong;
}

static void check_cases(const step_case *c) {
    char why[160];
    for (; c->name; c++) {
        const char *wrong = step_tells(c->append, -1, why);
        cr_assert_null(wrong, "%s: %s", c->name, wrong);
    }
}

/* Whatever a party sends, what it receives stays uniform: it is masked under a key of the two others. */
static void check_deviating(const step_case *c) {
    char why[160];
    for (; c->name; c++)
        for (int p = 0; p < TF_PARTIES; p++) {
            const char *wrong = step_tells(c->append, p, why);
            cr_assert_null(wrong, "%s, party %d deviating: %s", c->name, p, wrong);
        }
}

Test(view, of_a_deviating_party_in_products) {
    check_deviating(step_products);
}
Test(view, of_a_deviating_party_in_truncations_and_lifts) {
    check_deviating(step_truncations);
}
Test(view, of_a_deviating_party_in_comparisons_and_selections) {
    check_deviating(step_selections);
}
Test(view, of_a_deviating_party_in_tables) {
    check_deviating(step_tables);
}

Test(view, of_products) {
    check_cases(step_products);
}
Test(view, of_truncations_and_lifts) {
    check_cases(step_truncations);
}
Test(view, of_comparisons_and_selections) {
    check_cases(step_selections);
}
Test(view, of_tables) {
    check_cases(step_tables);
}

/* Inputs, outputs, embedding: only some parties receive anything --------------------------------------------------- */

typedef struct party_step {
    const char *name;
    int party; /* that puts in, or knows the tokens, or gets the output */
} party_step;

static int chosen;
static tf_node tokens;

static void embed_some(rig *r, const int64_t *x, size_t columns, size_t count) {
    enum { V = 300, MOST = 150 };
    static int32_t id[MOST];
    for (int i = 0; i < MOST; i++) id[i] = x[i] == 5 ? 7 : i % V;
    tokens = (tf_node){.name = "tokens", .leaf = TF_LEAF_TOKENS, .shape = tf_dims(count), .tokens = id};
    tf_embed(&r->program, rig_put(r, tf_dims(V, columns), x, 8, 32, 64), &tokens, chosen);
}

/* Tokens of which each adds up the table for itself, and one or two groups of those that do so at once. */
static void embed(rig *r, const int64_t *x) {
    embed_some(r, x, 160, 15);
}

static void embed_many(rig *r, const int64_t *x) {
    embed_some(r, x, 40, 70);
}

static void embed_groups(rig *r, const int64_t *x) {
    embed_some(r, x, 20, 150);
}

/* In a wider ring than the table's. */
static void embed_lifted(rig *r, const int64_t *x) {
    r->program.round_bytes = 1e12;
    embed(r, x);
    tf_lift(&r->program, r->program.nodes - 1, 48);
}

static selection_rig shared_tokens;

static void embed_shared(rig *r, const int64_t *x) {
    enum { V = 300, H = 40, TOKENS = 70 };
    int32_t id[TOKENS];
    for (int i = 0; i < TOKENS; i++) id[i] = x[i] == 5 ? 7 : i % V;
    if (shared_tokens.program[0].node) selection_close(&shared_tokens);
    selection_embed(r, &shared_tokens, rig_put(r, tf_dims(V, H), x, 8, 32, 64), tf_dims(TOKENS), id);
    selection_bind(r, &shared_tokens);
}

static void input(rig *r, const int64_t *x) {
    static float real[STEP_N];
    static const float *slot[] = {real};
    for (int i = 0; i < STEP_N; i++) real[i] = (float)x[i];
    tf_input(&r->program, chosen, tf_dims(STEP_N), 8, 37, 1 << 20, 0);
    for (int p = 0; p < TF_PARTIES; p++) r->t.party[p].slots.input = slot;
}

/* What is opened is uniform because the shares are: the missing component is one. */
static void output(rig *r, const int64_t *x) {
    static double real[TF_PARTIES][STEP_N], *slot[TF_PARTIES][1];
    r->sharing = RIG_UNIFORM;
    tf_value v = tf_mul(&r->program, step_put(r, x, 64, 64), step_put(r, x, 64, 64), RESULT(8, 0x1p22, false));
    tf_output(&r->program, v, chosen, 0);
    for (int p = 0; p < TF_PARTIES; p++) slot[p][0] = real[p], r->t.party[p].slots.output = slot[p];
}

Test(view, of_inputs_outputs_and_embeddings) {
    char why[160];
    for (chosen = 0; chosen < TF_PARTIES; chosen++) {
        const step_case cases[] = {{"input", input},
                                   {"embed", embed},
                                   {"embed many", embed_many},
                                   {"embed groups", embed_groups},
                                   {"embed lifted", embed_lifted},
                                   {"output", output},
                                   {0}};
        check_cases(cases);
    }
    const step_case outside[] = {{"embed for an owner outside", embed_shared}, {0}};
    check_cases(outside);
    selection_close(&shared_tokens);
    chosen = TF_EVERYONE;
    cr_assert_null(step_tells(output, -1, why), "%s", why);
}

Test(view, of_the_party_that_deals_is_empty) {
    int64_t *x = calloc(STEP_N, sizeof *x);
    for (chosen = 0; chosen < TF_PARTIES; chosen++) {
        view seen[TF_PARTIES] = {{0}};
        run(embed, x, 1, -1, seen);
        cr_assert_eq(seen[chosen].messages, 0, "the tokens' owner learns nothing of the table");
        for (int p = 0; p < TF_PARTIES; p++) view_free(&seen[p]);
        run(input, x, 1, -1, seen);
        for (int p = 0; p < TF_PARTIES; p++) {
            cr_assert_eq(seen[p].messages, p == tf_next(chosen), "an input is sent to one party");
            view_free(&seen[p]);
        }
        run(output, x, 1, -1, seen);
        size_t digests = 0;
        for (int p = 0; p < TF_PARTIES; p++) {
            for (size_t i = 0; i < seen[p].messages; i++) digests += seen[p].message[i].length == 16;
            view_free(&seen[p]);
        }
        cr_assert_eq(digests, 1);
    }
    free(x);
}

/* What S deals of a product is complete, and leaves, before L and R have made what they swap in the same round; and so
 * does each part of that. */
Test(view, a_round_arrives_in_pieces) {
    enum { LARGE = 3 * 128 * 800 };
    int64_t *x = calloc(LARGE, sizeof *x);
    view seen[TF_PARTIES] = {{0}};
    rig r = rig_open(16);
    tf_value v = rig_put(&r, tf_dims(LARGE), x, 16, 48, 1 << 14);
    tf_mul(&r.program, v, v, (tf_result){16, 0x1p14, false});
    for (int p = 0; p < TF_PARTIES; p++) r.t.party[p].observer = view_observe, r.t.party[p].observer_context = &seen[p];
    rig_run(&r);
    cr_assert_eq(r.t.plan.rounds, 1);
    for (int p = 0; p < TF_PARTIES; p++) {
        cr_assert_eq(seen[p].messages, 6, "party %d: %zu messages", p, seen[p].messages);
        for (size_t m = 0; m < seen[p].messages; m++) /* dealt of a sixth, 32 bits each; swapped of two, as many each */
            cr_assert_eq(seen[p].message[m].length, LARGE / 6 * 4);
        view_free(&seen[p]);
    }
    rig_close(&r);
    free(x);
}

/* Steps without proper masks --------------------------------------------------------------------------------------- */

typedef enum flaw { NO_MASK, ONE_MASK_TWICE, OLD_MASK } flaw;

static void flawed_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    traffic->dealt_at = 0;
    tf_traffic_deal(traffic, tf_shape_count(node->type.shape), 16);
}

static tf_status flawed_solo(tf_call *call) {
    size_t whole = 8 * tf_span_count(call->part.span);
    tf_for_blocks(call, at, count) {
        uint64_t v[TF_BLOCK], mask[2][TF_BLOCK], old = at + 1;
        for (unsigned k = 0; k < 2; k++) {
            tf_element_stream(call, call->part.own, call->node->arg[0] == ONE_MASK_TWICE ? 1 : 1 + k, at, count,
                              mask[k]);
            for (size_t i = 0; i < count; i++) {
                old = (old + k + 1) * UINT64_C(0xda942042e4dd58b5); /* a generator that is the same in every run */
                old ^= old >> 29;
                if (call->node->arg[0] == NO_MASK) mask[k][i] = 0;
                if (call->node->arg[0] == OLD_MASK) mask[k][i] = old * UINT64_C(0x9e3779b97f4a7c15);
                v[i] = call->in[0].c[0][at + i] + call->in[0].c[1][at + i] + k + mask[k][i];
            }
            call->party->kernels->pack_bytes(v, count, 8, call->message + k * whole + 8 * (at - call->part.span.begin));
        }
    }
    return TF_OK;
}

static tf_status flawed_pair(tf_call *call, int phase) {
    return TF_OK;
}

static const tf_step flawed_step = {.name = "flawed",
                                    .summary = "a lesson",
                                    .elementwise = true,
                                    .cost = flawed_cost,
                                    .solo = flawed_solo,
                                    .pair = flawed_pair};

static flaw which;

static void flawed(rig *r, const int64_t *x) {
    tf_value in = step_put(r, x, 64, 64);
    tf_value v = tf_append(&r->program, &flawed_step, *tf_type_of(&r->program, in), 1, &in);
    r->program.node[v].arg[0] = which;
}

Test(view, shows_steps_that_are_not_masked) {
    char why[160];
    for (which = NO_MASK; which <= OLD_MASK; which++) {
        const char *wrong = step_tells(flawed, -1, why);
        cr_assert_not_null(wrong, "flaw %d went unnoticed", which);
        cr_assert(which || strstr(wrong, "bytes are not uniform") != NULL, "%s", wrong);
    }
    view seen[TF_PARTIES] = {{0}};
    int64_t *x = calloc(STEP_N, sizeof *x);
    which = OLD_MASK;
    run(flawed, x, 2, -1, seen);
    for (int p = 0; p < TF_PARTIES; p++) {
        cr_assert(view_repeats(&seen[p]));
        view_free(&seen[p]);
    }
    free(x);
}
