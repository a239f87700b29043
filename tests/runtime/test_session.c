/* Sessions: weights shared once, agreement before anything runs, and failures that end all three parties alike. */
#include "tests/support/tiny.h"

#include "net/link_internal.h"
#include "runtime/program/step.h"

static void setup(void) {
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
}

TestSuite(session, .init = setup);

/* All parties ended; `origin` with `status` and its reason, the others with its report of the same. */
static void check_ended(const three_outcome *o, int origin, tf_status status, const char *reason) {
    for (int p = 0; p < TF_PARTIES; p++) {
        cr_assert_eq(o->status[p], p == origin ? status : TF_PEER, "party %d: %s", p, o->error[p]);
        cr_assert(strstr(o->error[p], reason) != NULL, "party %d: %s", p, o->error[p]);
    }
}

/* Weights ---------------------------------------------------------------------------------------------------------- */

typedef struct several {
    double logits[3][TINY_TEXTS * TINY_LABELS];
    uint64_t beyond[3][TF_PARTIES]; /* bytes that each party sent in each run beyond the run's forecast */
} several;

static uint64_t sent(const tf_link *link) {
    tf_link_counters c = tf_link_read_counters(link);
    return c.bytes_sent[0] + c.bytes_sent[1] + c.bytes_sent[2];
}

/* Three graphs in one session: all texts, two of them, all of them again. */
static tf_status run_several(tf_link *link, int id, void *context) {
    several *s = context;
    tf_session session;
    TF_TRY(tf_session_open(&session, link));
    tf_status status = TF_OK;
    for (int k = 0; k < 3 && !status; k++) {
        tf_graph graph;
        tf_session_stats stats;
        uint64_t before = sent(link);
        tf_graph_init(&graph);
        status = tiny_graph(&graph, "exact", k == 1 ? 2 : 3, tiny_ids, id);
        if (!status)
            status = tf_session_run(&session, &graph, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER,
                                    id == TINY_DATA_OWNER ? s->logits[k] : NULL, &stats, NULL);
        s->beyond[k][id] = sent(link) - before - stats.bytes[id][0] - stats.bytes[id][1] - stats.bytes[id][2];
        tf_graph_free(&graph);
    }
    tf_session_close(&session);
    return status;
}

Test(session, shares_weights_once) {
    static several s;
    three_outcome outcome;
    cr_assert_eq(three_do(run_several, &s, &outcome), TF_OK, "%s", tf_error());
    tf_graph graph;
    tf_program program;
    uint64_t weights = 0;
    cr_assert_eq(tiny_graph(&graph, "exact", 3, NULL, 2), TF_OK);
    cr_assert_eq(tf_lower(&graph, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER, &program, NULL), TF_OK);
    for (int i = 0; i < program.params; i++) {
        const tf_type *type = tf_type_of(&program, program.param[i].value);
        weights += tf_shape_count(type->shape) * tf_bytes_of(type->bits);
    }
    for (int p = 0; p < TF_PARTIES; p++) {
        uint64_t agreement = s.beyond[1][p];
        cr_assert_eq(s.beyond[2][p], 0, "a program that was agreed upon needs nothing but its run");
        cr_assert_gt(agreement, 0);
        cr_assert_lt(agreement, 200);
        cr_assert_eq(s.beyond[0][p] - agreement, p == TINY_MODEL_OWNER ? weights : 0,
                     "each weight goes from its owner to one party");
    }
    for (int k = 0; k < 3; k++) {
        double worst = tiny_error(s.logits[k], "exact", k == 1 ? 2 : 3, tiny_ids);
        cr_assert_lt(worst, 0.02, "run %d: %g", k, worst);
    }
    tf_program_free(&program);
    tf_graph_free(&graph);
}

/* y = x * weight, element by element: a graph is not needed for every test. */
typedef struct product {
    tf_shape shape[2]; /* of a weight with one name, in two programs of one session */
    float *data[2];
    double y[2][64];
} product;

static tf_status run_products(tf_link *link, int id, void *context) {
    product *c = context;
    tf_session session;
    TF_TRY(tf_session_open(&session, link));
    tf_status status = TF_OK;
    for (int k = 0; k < 2 && !status; k++) {
        tf_node w = {
            .name = "weight", .leaf = TF_LEAF_WEIGHT, .shape = c->shape[k], .data = id == 0 ? c->data[k] : NULL};
        tf_program p;
        tf_program_init(&p, 16, 0, 1);
        tf_value v = tf_weight(&p, tf_program_leaf(&p, &w), 16, 48);
        tf_output(&p, tf_mul(&p, v, v, (tf_result){16, 0, false}), 1, 0);
        double *out = c->y[k];
        status = tf_session_run_program(&session, &p, &(tf_slots){.output = &out}, NULL, NULL);
        tf_program_free(&p);
    }
    tf_session_close(&session);
    return status;
}

enum { CHUNK = 1 << 16, REST = 5 }; /* elements of a message of the set-up, and of the one that fails */

typedef struct failing {
    float *data;
    bool holds;                    /* the link does not let go of memory */
    uint64_t kept;                 /* bytes of messages that the owner still has */
    bool abandoned[TF_PARTIES];    /* after the failure */
    size_t weights[2][TF_PARTIES]; /* that are there then, and at the session's end */
} failing;

static bool lets_go_of_nothing(tf_link *link) {
    return false;
}

/* A set-up that fails at the weight's owner while a message of it is under way. */
static tf_status fail_to_share(tf_link *link, int id, void *context) {
    failing *f = context;
    tf_session session;
    tf_link_table table = *link->table;
    const tf_link_table *own = link->table;
    if (f->holds) table.abandon = lets_go_of_nothing, link->table = &table;
    TF_TRY(tf_session_open(&session, link));
    tf_node w = {.name = "weight", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(CHUNK + REST), .data = id ? NULL : f->data};
    tf_program p;
    tf_program_init(&p, 16, 0, 1);
    tf_value v = tf_weight(&p, tf_program_leaf(&p, &w), 16, 48);
    tf_output(&p, tf_mul(&p, v, v, (tf_result){16, 0, false}), 1, 0);
    tf_status status = tf_session_run_program(&session, &p, &(tf_slots){.output = NULL}, NULL, NULL);
    tf_program_free(&p);
    for (int k = 0; k < 2 && id == 0; k++) f->kept += session.party.message[0][k][id].capacity;
    f->abandoned[id] = session.party.abandoned;
    f->weights[0][id] = session.store.count;
    tf_session_close(&session);
    f->weights[1][id] = session.store.count;
    link->table = own;
    return status;
}

/* A set-up that fails leaves nothing behind, neither of the weights nor of the messages. */
Test(session, wipes_everything_when_the_set_up_fails) {
    failing f = {.data = calloc(CHUNK + REST, sizeof(float))};
    three_outcome outcome;
    f.data[CHUNK] = NAN;
    cr_assert_eq(three_do(fail_to_share, &f, &outcome), TF_RANGE, "%s", tf_error());
    for (int p = 0; p < 2; p++) { /* party 2 derives its share alone, and may be in the run already */
        cr_expect_not(f.abandoned[p]);
        cr_expect_eq(f.weights[0][p], 0, "party %d", p);
    }
    for (int p = 0; p < TF_PARTIES; p++) cr_expect_eq(f.weights[1][p], 0, "party %d", p);
    cr_expect_eq(f.kept, 0);
    free(f.data);
}

/* Memory that the link may still touch is given back later, when the session resumes over another link: not never. */
Test(session, keeps_hold_of_what_the_link_holds_when_the_set_up_fails) {
    failing f = {.data = calloc(CHUNK + REST, sizeof(float)), .holds = true};
    three_outcome outcome;
    f.data[CHUNK] = NAN;
    cr_assert_eq(three_do(fail_to_share, &f, &outcome), TF_RANGE, "%s", tf_error());
    cr_expect(f.abandoned[0]);
    cr_expect_eq(f.kept, (CHUNK + REST) * 6);
    cr_expect_eq(f.weights[0][0], 0);
    for (int k = 0; k < 2; k++) /* the receiver, if it came so far */
        cr_expect_eq(f.weights[k][1], f.abandoned[1]);
    free(f.data);
}

Test(session, tells_weights_of_one_name_apart_by_their_shape) {
    product c = {.shape = {tf_dims(2, 3), tf_dims(8, 5)}};
    three_outcome outcome;
    for (int k = 0; k < 2; k++) {
        c.data[k] = malloc(64 * sizeof(float));
        for (int i = 0; i < 64; i++) c.data[k][i] = (float)(i % 7 - 3 * k);
    }
    cr_assert_eq(three_do(run_products, &c, &outcome), TF_OK, "%s", tf_error());
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < tf_shape_count(c.shape[k]); i++)
            cr_assert_lt(fabs(c.y[k][i] - c.data[k][i] * c.data[k][i]), 1e-4);
    free(c.data[0]), free(c.data[1]);
}

/* Agreement -------------------------------------------------------------------------------------------------------- */

typedef struct difference {
    int party; /* the one that differs */
    int frac, data_owner;
    const char *approximations;
    size_t texts;
    const char *name; /* of what the error names */
} difference;

static tf_status run_difference(tf_link *link, int id, void *context) {
    const difference *d = context;
    bool other = id == d->party;
    double logits[TINY_TEXTS * TINY_LABELS];
    tf_session session;
    tf_graph graph;
    TF_TRY(tf_session_open(&session, link));
    tf_graph_init(&graph);
    tf_status status = tiny_graph(&graph, other ? d->approximations : "exact", other ? d->texts : 3, tiny_ids, id);
    if (!status)
        status = tf_session_run(&session, &graph, other ? d->frac : 16, TINY_MODEL_OWNER,
                                other ? d->data_owner : TINY_DATA_OWNER, logits, NULL, NULL);
    tf_graph_free(&graph);
    tf_session_close(&session);
    return status;
}

Test(session, ends_where_parties_differ) {
    difference cases[] = {
        {.frac = 15, .data_owner = 1, .approximations = "exact", .texts = 3, .name = "fractional bits"},
        {.frac = 16,
         .data_owner = 2,
         .approximations = "exact",
         .texts = 3,
         .name = "who owns the model and who the data"},
        {.frac = 16, .data_owner = 1, .approximations = "gelu=relu", .texts = 3, .name = "the lowered program"},
        {.frac = 16, .data_owner = 1, .approximations = "exact", .texts = 2, .name = "the lowered program"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int party = 0; party < TF_PARTIES; party++) {
            three_outcome o;
            cases[k].party = party;
            cr_assert_eq(three_do(run_difference, &cases[k], &o), TF_MISMATCH);
            for (int p = 0; p < TF_PARTIES; p++) { /* every party sees it, or is told by one that did */
                cr_assert(o.status[p] == TF_MISMATCH || o.status[p] == TF_PEER, "party %d: %s", p, o.error[p]);
                cr_assert(strstr(o.error[p], "the parties differ in ") && strstr(o.error[p], cases[k].name),
                          "party %d: %s", p, o.error[p]);
            }
        }
}

/* A public weight that one party holds another version of. */
static tf_status run_open_weight(tf_link *link, int id, void *context) {
    int other = *(int *)context;
    float x[2] = {1, 2}, w[2] = {3, id == other ? 4.5f : 4};
    double y[1], *out = y;
    tf_node open = {.name = "open", .leaf = TF_LEAF_PUBLIC_WEIGHT, .shape = tf_dims(1, 2), .data = w};
    tf_node in = {.name = "x", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(1, 2), .data = id == 0 ? x : NULL};
    tf_program p;
    tf_session session;
    TF_TRY(tf_session_open(&session, link));
    tf_program_init(&p, 16, 0, 1);
    tf_value v = tf_weight(&p, tf_program_leaf(&p, &in), 16, 48);
    tf_output(&p, tf_linear(&p, v, tf_program_leaf(&p, &open), -1, (tf_result){16, 0, false}), TF_EVERYONE, 0);
    tf_status status = tf_session_run_program(&session, &p, &(tf_slots){.output = &out}, NULL, NULL);
    tf_program_free(&p);
    tf_session_close(&session);
    return status ? status : fabs(y[0] - 11) < 1e-4 ? TF_OK : tf_fail(TF_INTERNAL, "%g", y[0]);
}

Test(session, ends_where_public_weights_differ) {
    three_outcome o;
    int other = -1;
    cr_assert_eq(three_do(run_open_weight, &other, &o), TF_OK, "%s", tf_error());
    for (other = 0; other < TF_PARTIES; other++) {
        cr_assert_eq(three_do(run_open_weight, &other, &o), TF_MISMATCH);
        for (int p = 0; p < TF_PARTIES; p++)
            cr_assert(strstr(o.error[p], "the parties differ in the lowered program") != NULL, "%s", o.error[p]);
    }
}

static tf_status run_facts(tf_link *link, int id, void *context) {
    tf_session session;
    char text[8] = "nothing";
    const int other = *(int *)context;
    TF_TRY(tf_session_open(&session, link));
    char own[4] = {'v', (char)('0' + id), '\n'};
    tf_fact facts[] = {{.name = "the first fact", .digest = tf_digest_of("same", 4)},
                       other == TF_PARTIES  ? tf_fact_of("the told fact", own)
                       : other > TF_PARTIES ? tf_fact_of("the told fact", id == other - 4 ? "paper" : "exact")
                                            : tf_fact_of("the told fact", "same"),
                       {.name = "the second fact", .digest = tf_digest_of(id == other ? "this" : "that", 4)}};
    if (id == 2) snprintf(text, sizeof text, "text");
    tf_status status = tf_session_publish(&session, 2, text, sizeof text);
    if (!status && strcmp(text, "text")) status = tf_fail(TF_INTERNAL, "published: %s", text);
    if (!status) status = tf_session_agree(&session, facts, 3);
    tf_session_close(&session);
    return status;
}

Test(session, compares_facts_and_publishes) {
    three_outcome o;
    int other = -1;
    cr_assert_eq(three_do(run_facts, &other, &o), TF_OK, "%s", tf_error());
    for (other = 0; other < TF_PARTIES; other++) {
        cr_assert_eq(three_do(run_facts, &other, &o), TF_MISMATCH);
        for (int p = 0; p < TF_PARTIES; p++)
            cr_assert(strstr(o.error[p], "the parties differ in the second fact: ") != NULL, "%s", o.error[p]);
    }
}

/* Who has what, on all three; a peer's control characters do not come through. */
Test(session, says_who_has_which_value) {
    static const char *const wanted[] = {
        "the told fact: party 0 v0?, party 1 v1?, party 2 v2?", "the told fact: party 0 paper, parties 1 and 2 exact",
        "the told fact: party 1 paper, parties 0 and 2 exact", "the told fact: party 2 paper, parties 0 and 1 exact"};
    three_outcome o;
    for (int k = 0; k < 4; k++) {
        int other = TF_PARTIES + k;
        cr_assert_eq(three_do(run_facts, &other, &o), TF_MISMATCH);
        for (int p = 0; p < TF_PARTIES; p++)
            cr_assert(strstr(o.error[p], wanted[k]) != NULL, "party %d: %s", p, o.error[p]);
    }
    const int digests = 1;
    tf_digest this = tf_digest_of("this", 4), that = tf_digest_of("that", 4);
    char text[200], a[TF_DIGEST_TEXT], b[TF_DIGEST_TEXT];
    snprintf(text, sizeof text, "party 1 %.8s..., parties 0 and 2 %.8s...", tf_digest_text(&this, a),
             tf_digest_text(&that, b));
    cr_assert_eq(three_do(run_facts, (void *)&digests, &o), TF_MISMATCH);
    cr_assert(strstr(o.error[0], text) != NULL, "%s", o.error[0]);
}

/* One party fails -------------------------------------------------------------------------------------------------- */

typedef struct failure {
    enum { BAD_WEIGHT, LARGE_WEIGHT, NO_WEIGHT, NO_TOKENS, BAD_TOKEN, BAD_FRACTION } kind;
    int party;
} failure;

static tf_status run_failure(tf_link *link, int id, void *context) {
    const failure *f = context;
    double logits[TINY_TEXTS * TINY_LABELS];
    tf_session session;
    tf_graph graph;
    int32_t ids[TINY_TEXTS * TINY_LENGTH];
    memcpy(ids, tiny_ids, sizeof ids);
    TF_TRY(tf_session_open(&session, link));
    tf_graph_init(&graph);
    tf_status status = tiny_graph(&graph, "paper", 3, ids, id);
    for (int i = 0; i < graph.nodes && !status; i++) {
        tf_node *node = &graph.node[i];
        if (node->data && !strcmp(node->name, "encoder.layer.1.output.dense.weight.folded")) {
            if (f->kind == BAD_WEIGHT) ((float *)node->data)[17] = NAN;
            if (f->kind == LARGE_WEIGHT) ((float *)node->data)[17] = 1e6f;
            if (f->kind == NO_WEIGHT) node->data = NULL;
        }
        if (node->leaf == TF_LEAF_TOKENS && f->kind == NO_TOKENS) node->tokens = NULL;
    }
    if (f->kind == BAD_TOKEN) ids[3] = 70; /* after the graph was built, which would have refused it */
    if (!status)
        status = tf_session_run(&session, &graph, f->kind == BAD_FRACTION && id == f->party ? 7 : 16, TINY_MODEL_OWNER,
                                TINY_DATA_OWNER, logits, NULL, NULL);
    tf_graph_free(&graph);
    tf_session_close(&session);
    return status;
}

Test(session, ends_all_parties_with_the_first_cause) {
    const struct {
        failure f;
        tf_status status;
        const char *reason;
    } cases[] = {
        {{BAD_WEIGHT, TINY_MODEL_OWNER},
         TF_RANGE,
         "weight encoder.layer.1.output.dense.weight.folded: a value put in is not a number"},
        {{LARGE_WEIGHT, TINY_MODEL_OWNER},
         TF_RANGE,
         "weight encoder.layer.1.output.dense.weight.folded: a value put in is not a number or too large"},
        {{NO_WEIGHT, TINY_MODEL_OWNER},
         TF_INVALID,
         "weight encoder.layer.1.output.dense.weight.folded: party 0 was given no data"},
        {{NO_TOKENS, TINY_DATA_OWNER}, TF_INVALID, "party 1 was given no token ids"},
        {{BAD_TOKEN, TINY_DATA_OWNER}, TF_RANGE, "outside the vocabulary of 70"},
        {{BAD_FRACTION, 2}, TF_INVALID, "7 fractional bits"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        three_outcome o;
        cr_assert_eq(three_do(run_failure, (void *)&cases[k].f, &o), cases[k].status, "%s", tf_error());
        check_ended(&o, cases[k].f.party, cases[k].status, cases[k].reason);
    }
}

/* Shares that do not agree ----------------------------------------------------------------------------------------- */

/* Adds one to a component where one of its two holders keeps it: arg[0] is the party, arg[1] the component, arg[2] the
   element. */
static tf_status corrupt_local(tf_call *call) {
    const int64_t *arg = call->node->arg;
    size_t bytes = tf_shape_count(call->node->type.shape) * sizeof(uint64_t);
    for (int j = 0; j < 2; j++) memcpy(call->out.c[j], call->in[0].c[j], bytes);
    if (call->party->id == arg[0]) call->out.c[arg[1]][arg[2]]++;
    return TF_OK;
}

static const tf_step corrupt_step = {.name = "corrupt", .summary = "a fault", .local = corrupt_local};

typedef struct fault {
    int holder, component, receiver;
    size_t element;
} fault;

enum { FAULTY = 5000 };

static tf_status run_fault(tf_link *link, int id, void *context) {
    const fault *f = context;
    static float zeros[FAULTY];
    static double y[TF_PARTIES][FAULTY];
    double *out = y[id];
    tf_node w = {.name = "w", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(FAULTY), .data = id == 0 ? zeros : NULL};
    tf_program p;
    tf_session session;
    TF_TRY(tf_session_open(&session, link));
    tf_program_init(&p, 16, 0, 1);
    tf_value v = tf_weight(&p, tf_program_leaf(&p, &w), 16, 48);
    v = tf_mul(&p, v, v, (tf_result){16, 0, false});
    v = tf_append(&p, &corrupt_step, *tf_type_of(&p, v), 1, &v);
    int64_t *arg = p.node[v].arg;
    arg[0] = f->holder, arg[1] = f->component, arg[2] = (int64_t)f->element;
    tf_output(&p, v, f->receiver, 0);
    tf_status status = tf_session_run_program(&session, &p, &(tf_slots){.output = &out}, NULL, NULL);
    tf_program_free(&p);
    tf_session_close(&session);
    return status;
}

Test(session, finds_shares_that_do_not_agree) {
    const size_t element[] = {0, 2047, 2048, FAULTY - 1};
    for (int receiver = 0; receiver < TF_PARTIES; receiver++)
        for (int k = 0; k < 4; k++) {
            three_outcome o;
            /* the component that the receiver lacks is the second of the party after it and the first of
             * the one before */
            fault f = {.receiver = receiver,
                       .element = element[k],
                       .holder = (receiver + 1 + k % 2) % 3,
                       .component = 1 - k % 2};
            cr_assert_eq(three_do(run_fault, &f, &o), TF_MISMATCH, "%s", tf_error());
            cr_assert_eq(o.status[receiver], TF_MISMATCH);
            cr_assert(strstr(o.error[receiver], "hold different shares of an output: the run is void") != NULL, "%s",
                      o.error[receiver]);
        }
    three_outcome o;
    cr_assert_eq(three_do(run_fault, &(fault){.receiver = TF_EVERYONE, .holder = 2}, &o), TF_MISMATCH);
    cr_assert_eq(three_do(run_fault, &(fault){.receiver = 0, .holder = 3}, &o), TF_OK, "nobody at fault: %s",
                 tf_error());
}
