/* The plan: memory, rounds, and what they depend on. */
#include "models/model.h"
#include "ops/ops.h"
#include "runtime/lower/lower.h"
#include "runtime/program/critical.h"
#include "tests/support/rig.h"

/* Programs --------------------------------------------------------------------------------------------------------- */

static tf_value in(tf_program *p, size_t n, int slot) {
    return tf_input(p, slot % 3, tf_dims(n), 16, 32, 1 << 14, slot);
}

/* A program of random steps on tensors of random sizes; the same for a seed. */
static void append_random(tf_program *p, uint64_t seed, int steps) {
    enum { LIVE = 8 };
    const tf_result result = {16, 0, false};
    tf_value live[LIVE];
    size_t size[LIVE];
    for (int k = 0; k < LIVE; k++) size[k] = 100 + (seed + (uint64_t)k * 997) % 1200, live[k] = in(p, size[k], k);
    for (int i = 0; i < steps; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int a = (int)(seed >> 33) % LIVE, b = (int)(seed >> 40) % LIVE, kind = (int)(seed >> 50) % 9;
        size_t n = size[a] < size[b] ? size[a] : size[b];
        tf_value x = tf_slice(p, live[a], 0, 0, n), y = tf_slice(p, live[b], 0, 0, n);
        switch (kind) {
        case 0: x = tf_mul(p, x, y, result); break;
        case 1: x = tf_relu(p, x); break;
        case 2: x = tf_add(p, x, y); break;
        case 3: x = tf_max(p, x, y); break;
        case 4: x = tf_trunc(p, tf_lift(p, x, 48), 16); break;
        case 5: x = tf_reshape(p, tf_reshape(p, x, tf_dims(n, 1)), tf_dims(n)); break;
        case 6:
            x = tf_assume(p, tf_mul(p, tf_assume(p, y, 4), tf_assume(p, y, 4), (tf_result){16, 16, true}), 1 << 14);
            break;
        case 7: x = tf_scale_real(p, tf_scale_real(p, tf_assume(p, x, 1 << 12), 4, 1), 0.25, 1); break;
        default:
            x = tf_sub(p, x, tf_select(p, 2, (tf_term[]){{tf_less(p, x, 1), y, false}, {tf_less(p, y, 2), x, true}}));
        }
        live[b] = x, size[b] = n;
    }
    for (int k = 0; k < LIVE; k++) tf_output(p, live[k], k % 3, k);
    cr_assert_eq(tf_program_status(p), TF_OK, "%s", tf_error());
}

static size_t lengths[] = {5, 7};
static const tf_config config = {.hidden = 16,
                                 .layers = 2,
                                 .heads = 2,
                                 .intermediate = 24,
                                 .vocabulary = 70,
                                 .positions = 9,
                                 .types = 2,
                                 .layer_norm_eps = 1e-5,
                                 .labels = 3};

static void build_bert(tf_graph *graph, const char *approximations) {
    tf_approx approx;
    const tf_batch batch = {.texts = 2, .length = 7, .lengths = lengths};
    cr_assert_eq(tf_ops_register(), TF_OK);
    cr_assert_eq(tf_approx_parse(approximations, &approx), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_model_build(&config, &approx, &batch, NULL, false, graph), TF_OK, "%s", tf_error());
}

/* Memory ----------------------------------------------------------------------------------------------------------- */

typedef struct lifetime {
    int first, last; /* times at which some phase of its node, or of one that reads it, runs */
    uint64_t begin, end;
} lifetime;

static bool has_memory(const tf_program *p, int i) {
    return p->node[i].step && !tf_step_is_parameter(&p->node[i]) && !p->node[i].step->alias;
}

static int holder(const tf_program *p, int i) {
    while (p->node[i].step && p->node[i].step->alias) i = p->node[i].input[0];
    return i;
}

/* Of a time first come solo phases, by node, whose inputs are there: of none is a pair phase of this time waited for.
 * Then all others, by node, so that what they read was made before. */
static void check_order(const tf_program *p, const tf_plan *plan) {
    for (int t = 0; t <= plan->rounds; t++) {
        int begin = plan->first_entry[t], end = plan->first_entry[t + 1], others = begin;
        for (int e = begin; e + 1 < end; e++)
            if (plan->entry[e + 1].node < plan->entry[e].node) others = e + 1;
        for (int e = begin + 1; e < end; e++)
            cr_assert(e == others || plan->entry[e - 1].node <= plan->entry[e].node, "time %d, entry %d", t, e - begin);
        for (int e = begin; e < others; e++) {
            const tf_step_node *node = &p->node[plan->entry[e].node];
            cr_assert_eq(plan->entry[e].phase, TF_SOLO_PHASE);
            for (int k = 0; k < node->inputs; k++) {
                int made = holder(p, node->input[k]);
                bool ahead = plan->schedule[made].solo >= 0; /* then its solo phase is what is waited for */
                for (int later = e + 1; later < end; later++)
                    cr_assert(plan->entry[later].node != made || (ahead && plan->entry[later].phase != TF_SOLO_PHASE),
                              "%s waits for what is made later at time %d", node->step->name, t);
            }
        }
    }
}

/* When each value and each state is in use, found from the phases that run rather than from how it was assigned. */
static void check_memory(const tf_program *p, const tf_plan *plan) {
    check_order(p, plan);
    size_t count = 2 * (size_t)p->nodes, n = 0;
    lifetime *life = malloc(count * sizeof *life);
    for (int i = 0; i < p->nodes; i++) life[i] = life[p->nodes + i] = (lifetime){INT32_MAX, -1, 0, 0};
    for (int t = 0; t <= plan->rounds; t++)
        for (int e = plan->first_entry[t]; e < plan->first_entry[t + 1]; e++) {
            int node = plan->entry[e].node;
            int used[TF_STEP_INPUTS + 2] = {node, p->nodes + node}, uses = 2;
            for (int k = 0; k < p->node[node].inputs; k++) used[uses++] = holder(p, p->node[node].input[k]);
            for (int k = 0; k < uses; k++) {
                if (t < life[used[k]].first) life[used[k]].first = t;
                if (t > life[used[k]].last) life[used[k]].last = t;
            }
        }
    for (int i = 0; i < p->nodes; i++) {
        const tf_step_node *node = &p->node[i];
        const tf_schedule *s = &plan->schedule[i];
        if (!has_memory(p, i)) continue;
        size_t elements = tf_shape_count(node->type.shape), state = node->step->state ? node->step->state(p, node) : 0;
        cr_assert_geq(s->words, node->type.kind == TF_BIT ? tf_words(elements) : 2 * elements);
        cr_assert_eq(s->offset % 8, 0);
        life[i].begin = s->offset, life[i].end = s->offset + s->words;
        life[p->nodes + i].begin = s->state, life[p->nodes + i].end = s->state + state;
    }
    for (size_t i = 0; i < count; i++) /* those that have memory, to the front */
        if (life[i].end > life[i].begin) life[n++] = life[i];
    for (size_t i = 0; i < n; i++) {
        cr_assert_leq(life[i].end, plan->arena_words);
        for (size_t k = i + 1; k < n; k++)
            cr_assert(life[i].last < life[k].first || life[k].last < life[i].first || life[i].end <= life[k].begin ||
                          life[k].end <= life[i].begin,
                      "two live values share memory");
    }
    free(life);
}

/* The chain that decides the rounds has no gap, and each of its steps takes what it needs at least. */
static void check_chain(const tf_program *p, const tf_plan *plan) {
    tf_critical *chain;
    int count, time = 0;
    cr_assert_eq(tf_plan_critical(p, plan, &chain, &count), TF_OK, "%s", tf_error());
    for (int i = 0; i < count; i++) {
        const tf_schedule *s = &plan->schedule[chain[i].node];
        cr_assert_eq(chain[i].begin, time);
        cr_assert_gt(chain[i].end, time);
        cr_assert_eq(chain[i].end, s->end);
        cr_assert(chain[i].end - time == s->end - s->pair + (chain[i].late >= 0), "step %s takes from %d to %d",
                  p->node[chain[i].node].step->name, time, chain[i].end);
        time = chain[i].end;
    }
    cr_assert_eq(time, plan->rounds);
    free(chain);
}

Test(plan, live_values_never_overlap) {
    for (uint64_t seed = 1; seed <= 12; seed++) {
        tf_program p;
        tf_plan plan;
        tf_program_init(&p, 16, 0, 1);
        append_random(&p, seed, 10 + 12 * (int)seed);
        cr_assert_eq(tf_plan_make(&p, &plan), TF_OK, "%s", tf_error());
        check_memory(&p, &plan);
        check_chain(&p, &plan);
        tf_plan_free(&plan);
        tf_program_free(&p);
    }
}

Test(plan, memory_of_a_model) {
    const char *kinds[] = {"exact", "paper"};
    for (int k = 0; k < 2; k++) {
        tf_graph graph;
        tf_program p;
        tf_plan plan;
        build_bert(&graph, kinds[k]);
        graph.round_bytes = 1; /* tensors are cut in thirds, as larger ones are */
        cr_assert_eq(tf_lower(&graph, 16, 0, 1, &p, &plan), TF_OK, "%s", tf_error());
        check_memory(&p, &plan);
        check_chain(&p, &plan);
        uint64_t everything = 0;
        for (int i = 0; i < p.nodes; i++) everything += has_memory(&p, i) ? plan.schedule[i].words : 0;
        cr_assert_lt(plan.arena_words, everything / 3, "memory is used again");
        tf_plan_free(&plan);
        tf_program_free(&p);
        tf_graph_free(&graph);
    }
}

Test(plan, random_programs_compute_the_same_twice) {
    /* overlapping memory or misplaced messages would show as differences, or as parties that disagree */
    static float x[8][1400];
    static double y[2][8][1400];
    const float *input[8];
    for (int k = 0; k < 8; k++) {
        input[k] = x[k];
        for (int i = 0; i < 1400; i++) x[k][i] = (float)rig_uniform(-3, 3);
    }
    for (uint64_t seed = 20; seed < 24; seed++) {
        for (int run = 0; run < 2; run++) {
            rig r = rig_open(16);
            append_random(&r.program, seed, 40);
            double *output[8];
            for (int k = 0; k < 8; k++) output[k] = y[run][k];
            for (int p = 0; p < TF_PARTIES; p++) r.t.party[p].slots = (tf_slots){.input = input, .output = output};
            rig_run(&r);
            rig_close(&r);
        }
        int different = 0; /* comparisons next to their threshold may come out either way */
        for (int k = 0; k < 8; k++)
            for (int i = 0; i < 1400; i++) different += !(fabs(y[0][k][i] - y[1][k][i]) < 0.1 * (1 + fabs(y[0][k][i])));
        cr_assert_lt(different, 100, "%d of %d", different, 8 * 1400);
    }
}

/* x is read again, under another name, after much that could have taken its memory. */
Test(plan, other_names_keep_memory) {
    enum { N = 3000 };
    int64_t *a = rig_integers(N, 20);
    rig r = rig_open(16);
    tf_program *p = &r.program;
    tf_value x =
        tf_add_const(p, rig_put(&r, tf_dims(N), a, 16, 32, 1 << 14), 1); /* a value that has memory of its own */
    tf_value name = tf_assume(p, tf_reshape(p, x, tf_dims(N / 10, 10)), 64), y = x;
    for (int i = 0; i < 6; i++) y = tf_relu(p, tf_add_const(p, y, -0.25));
    int late = rig_take(&r, tf_add(p, tf_scale_int(p, y, 0), tf_reshape(p, name, tf_dims(N))));
    rig_run(&r);
    check_memory(p, &r.t.plan);
    for (size_t i = 0; i < N; i++) cr_assert_eq(rig_result(&r, late)[i], a[i] + 65536);
    rig_close(&r);
    free(a);
}

/* Rounds ----------------------------------------------------------------------------------------------------------- */

static int rounds_of(const tf_program *p) {
    tf_plan plan;
    cr_assert_eq(tf_plan_make(p, &plan), TF_OK, "%s", tf_error());
    int rounds = plan.rounds;
    uint64_t sum = 0;
    for (int t = 0; t < rounds; t++) {
        uint64_t bytes = 0;
        for (int i = 0; i < TF_PARTIES; i++)
            for (int j = 0; j < TF_PARTIES; j++) bytes += plan.round_bytes[t][i][j];
        cr_assert_gt(bytes, 0, "round %d carries nothing", t);
        sum += bytes;
    }
    cr_assert_eq(sum, plan.total_bytes);
    uint64_t by_node = 0;
    for (int i = 0; i < p->nodes; i++) by_node += tf_plan_node_bytes(&plan, i);
    cr_assert_eq(by_node, plan.total_bytes);
    check_chain(p, &plan);
    tf_plan_free(&plan);
    return rounds;
}

Test(plan, independent_steps_share_rounds) {
    tf_program p;
    tf_program_init(&p, 16, 0, 1);
    tf_value x = in(&p, 500, 0), y = in(&p, 700, 1), z = in(&p, 500, 2);
    cr_assert_eq(rounds_of(&p), 1, "all inputs at once");
    for (int k = 0; k < 20; k++) tf_mul(&p, x, z, (tf_result){16, 64, false});
    int with_products = rounds_of(&p);
    tf_mul(&p, x, z, (tf_result){16, 64, false});
    cr_assert_eq(rounds_of(&p), with_products, "one product more, no round more");
    tf_relu(&p, y);
    int with_relu = rounds_of(&p);
    tf_relu(&p, x);
    tf_max_last(&p, tf_reshape(&p, y, tf_dims(350, 2)));
    cr_assert_eq(rounds_of(&p), with_relu);
    tf_program_free(&p);
}

Test(plan, solo_phases_run_ahead) {
    int64_t zero[300] = {0};
    for (int k = 1; k <= 5; k++) { /* the first ReLU waits for S's message; after that it has always arrived */
        rig r = rig_open(16);
        tf_value x = rig_put(&r, tf_dims(300), zero, 16, 32, 1 << 14);
        for (int i = 0; i < k; i++) x = tf_relu(&r.program, x);
        cr_assert_eq(rounds_of(&r.program), 4 + 3 * (k - 1));
        rig_close(&r);
    }
    rig r = rig_open(16);
    tf_value x = rig_put(&r, tf_dims(300), zero, 16, 48, 1 << 14);
    tf_value product = tf_mul(&r.program, x, x, (tf_result){16, 0, false});
    cr_assert_eq(rounds_of(&r.program), 1);
    tf_value lifted = tf_lift(&r.program, product, 48);
    cr_assert_eq(rounds_of(&r.program), 2);
    tf_trunc(&r.program, tf_scale_int(&r.program, lifted, 65536), 0);
    tf_plan plan;
    cr_assert_eq(tf_plan_make(&r.program, &plan), TF_OK);
    cr_assert_eq(plan.rounds, 2, "S truncates what it holds while L and R still swap");
    const tf_schedule *s = &plan.schedule[lifted];
    cr_assert(s->solo < s->pair && s->solo >= plan.schedule[product].ready_solo);
    for (int i = 0; i < r.program.nodes; i++) { /* nothing runs before what it needs */
        const tf_schedule *at = &plan.schedule[i];
        for (int k = 0; k < r.program.node[i].inputs; k++) {
            const tf_schedule *before = &plan.schedule[r.program.node[i].input[k]];
            cr_assert_geq(at->pair, before->end);
            if (at->solo >= 0) cr_assert_geq(at->solo, before->ready_solo);
        }
    }
    tf_plan_free(&plan);
    rig_close(&r);
}

Test(plan, rounds_of_an_op_alone) {
    tf_program p;
    tf_program_init(&p, 16, 0, 1);
    tf_value x = in(&p, 500, 0);
    p.op = 1;
    x = tf_relu(&p, x);
    p.op = 2;
    tf_relu(&p, x);
    tf_plan plan;
    cr_assert_eq(tf_plan_make(&p, &plan), TF_OK);
    tf_op_moves moves[5];
    cr_assert_eq(tf_plan_ops(&p, &plan, 4, moves), TF_OK);
    cr_assert_eq(moves[1].rounds, 4);
    cr_assert_eq(moves[2].rounds, 4);
    cr_assert_eq(moves[3].rounds, 0);
    uint64_t all = 0;
    for (int i = 0; i <= 4; i++) all += moves[i].bytes;
    cr_assert_eq(all, plan.total_bytes);
    cr_assert_eq(moves[1].bytes, moves[2].bytes);
    cr_assert_gt(moves[1].bytes, 0);
    tf_plan_free(&plan);
    tf_program_free(&p);
}

Test(plan, programs_without_rounds) {
    rig empty = rig_open(16);
    rig_run(&empty);
    cr_assert_eq(empty.t.plan.rounds, 0);
    rig_close(&empty);
    int64_t a[] = {1, -2, 3};
    rig r = rig_open(16);
    int y = rig_take(&r, tf_scale_int(&r.program, rig_put(&r, tf_dims(3), a, 0, 32, 9), 7));
    rig_run(&r);
    cr_assert_eq(r.t.plan.rounds, 0);
    for (int i = 0; i < 3; i++) cr_assert_eq(rig_result(&r, y)[i], 7 * a[i]);
    rig_close(&r);
}

/* What a plan and a digest depend on ------------------------------------------------------------------------------- */

Test(plan, follows_from_the_program_alone) {
    tf_program p[2];
    tf_plan plan[2];
    tf_digest digest[2];
    for (int k = 0; k < 2; k++) {
        tf_program_init(&p[k], 16, 0, 1);
        append_random(&p[k], 77, 100);
        cr_assert_eq(tf_plan_make(&p[k], &plan[k]), TF_OK);
        cr_assert_eq(tf_program_digest(&p[k], &digest[k]), TF_OK);
    }
    cr_assert_eq(p[0].nodes, p[1].nodes);
    cr_assert_arr_eq(&digest[0], &digest[1], sizeof digest[0]);
    cr_assert_eq(plan[0].rounds, plan[1].rounds);
    cr_assert_eq(plan[0].arena_words, plan[1].arena_words);
    cr_assert_eq(plan[0].buffer_bytes, plan[1].buffer_bytes);
    cr_assert_arr_eq(plan[0].bytes, plan[1].bytes, sizeof plan[0].bytes);
    int entries = plan[0].first_entry[plan[0].rounds + 1];
    cr_assert_eq(entries, plan[1].first_entry[plan[1].rounds + 1]);
    for (int e = 0; e < entries; e++)
        cr_assert(plan[0].entry[e].node == plan[1].entry[e].node && plan[0].entry[e].phase == plan[1].entry[e].phase);
    for (int i = 0; i < p[0].nodes; i++) {
        const tf_schedule *a = &plan[0].schedule[i], *b = &plan[1].schedule[i];
        cr_assert(a->solo == b->solo && a->pair == b->pair && a->end == b->end && a->offset == b->offset &&
                  a->state == b->state);
    }
    for (int k = 0; k < 2; k++) tf_plan_free(&plan[k]), tf_program_free(&p[k]);
}

/* A program with something of every kind that is public; `change` alters one thing. */
static tf_digest digest_of(int change) {
    float w[6] = {1, 2, 3, 4, 5, change == 12 ? 7 : 6};
    tf_node weight = {.name = {change == 13 ? 'v' : 'w'},
                      .leaf = TF_LEAF_WEIGHT,
                      .shape = tf_dims(3),
                      .data = change == 14 ? w : NULL};
    tf_node open = {.name = "open", .leaf = TF_LEAF_PUBLIC_WEIGHT, .shape = tf_dims(2, 3), .data = w};
    tf_program p;
    tf_program_init(&p, change == 1 ? 15 : 16, change == 2 ? 2 : 0, change == 3 ? 2 : 1);
    tf_value x = tf_input(&p, change == 4, tf_dims(change == 5 ? 5 : 4, 3), 16, 32, change == 6 ? 1 << 12 : 1 << 14,
                          change == 7);
    x = tf_add_public(&p, x, tf_dims(3), (double[]){1, 2, change == 8 ? 3.5 : 3});
    x = tf_add_const(&p, x, change == 9 ? 1.5 : 1);
    x = change == 10 ? tf_sub(&p, x, tf_weight(&p, tf_program_leaf(&p, &weight), 16, 48))
                     : tf_add(&p, x, tf_weight(&p, tf_program_leaf(&p, &weight), 16, 48));
    x = tf_linear(&p, x, tf_program_leaf(&p, &open), -1, (tf_result){16, 0, false});
    x = tf_select(&p, 1, &(tf_term){tf_negative(&p, x, 8), x, change == 11});
    tf_output(&p, x, change == 15 ? 2 : 0, 0);
    tf_digest digest;
    cr_assert_eq(tf_program_digest(&p, &digest), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_program_status(&p), TF_OK, "%d: %s", change, tf_error());
    tf_program_free(&p);
    return digest;
}

Test(plan, digest_tells_whatever_is_public) {
    enum { CHANGES = 15, SECRET = 14 /* a secret weight's data */ };
    tf_digest same = digest_of(0);
    for (int change = 0; change <= CHANGES; change++) {
        tf_digest digest = digest_of(change);
        bool equal = !memcmp(&digest, &same, sizeof same);
        cr_assert_eq(equal, change == 0 || change == SECRET, "change %d", change);
    }
}

Test(plan, digest_of_models) {
    const char *kinds[] = {"exact", "paper", "gelu=relu", "layernorm@1=center"};
    tf_digest digest[8];
    for (int k = 0; k < 8; k++) {
        tf_graph graph;
        tf_program p;
        lengths[0] = k < 4 ? 5 : 6; /* a mask more or less */
        build_bert(&graph, kinds[k % 4]);
        cr_assert_eq(tf_lower(&graph, 16, 0, 1, &p, NULL), TF_OK, "%s", tf_error());
        cr_assert_eq(tf_program_digest(&p, &digest[k]), TF_OK);
        for (int j = 0; j < k; j++)
            cr_assert_neq(memcmp(&digest[j], &digest[k], sizeof digest[0]), 0, "%d and %d", j, k);
        tf_program_free(&p);
        tf_graph_free(&graph);
    }
}
