/* What each party receives while decoders generate: prefill, and tokens that lengthen the caches; once with one set of
 * prompts and tokens, once with others of the same lengths. (test_view_model looks at the sharing of weights.) */
#include <math.h>

#include "models/decoding.h"
#include "runtime/program/step.h"
#include "tests/support/scratch.h"
#include "tests/support/tiny.h"
#include "tests/support/view.h"

TestSuite(view_decoder, .init = scratch_make, .fini = scratch_remove);

enum { TEXTS = 2, PROMPT = 5, TOKENS = 4, PASSES = 1 + TOKENS, ROOM = 32, PROPOSED = 3 };

static const char llama[] =
    "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"hidden_act\": \"silu\","
    " \"hidden_size\": 16, \"intermediate_size\": 24, \"num_hidden_layers\": 2, \"num_attention_heads\": 2,"
    " \"num_key_value_heads\": 1, \"max_position_embeddings\": 64, \"vocab_size\": 40, \"rms_norm_eps\": 1e-5}";
static const char gpt2[] =
    "{\"architectures\": [\"GPT2LMHeadModel\"], \"model_type\": \"gpt2\", \"activation_function\": \"gelu_new\","
    " \"n_embd\": 16, \"n_layer\": 2, \"n_head\": 2, \"n_positions\": 64, \"vocab_size\": 40}";

/* The second prompt has padding in front. */
static const size_t padding[TEXTS] = {0, 2};

typedef struct words {
    int32_t prompt[TEXTS * PROMPT], next[TOKENS][TEXTS];
} words;
static const words some = {{1, 2, 3, 4, 5, 0, 0, 39, 7, 20}, {{1, 2}, {30, 4}, {5, 6}, {17, 8}}};
static const words other = {{9, 9, 9, 9, 9, 0, 0, 9, 9, 9}, {{9, 9}, {9, 9}, {9, 9}, {9, 9}}};

typedef struct watched {
    const tf_config *config;
    const words *words;
    bool token;  /* what is revealed: the likeliest token, or logits */
    size_t keep; /* rows of the prompts that stay; 0: all */
    bool drafts; /* tokens are proposed in each pass, and the caches cut back to one row more */
    view seen[TF_PARTIES];
    uint64_t received[TF_PARTIES][PASSES][TF_PARTIES]; /* by passes and peers */
    tf_session_stats stats[TF_PARTIES][PASSES];
} watched;

typedef struct eye {
    view *seen;
    uint64_t *received;
    size_t undefined; /* messages with uninitialised bytes, under valgrind */
    view first;       /* of each peer in a pass: a digest of the public inputs travels with it */
    bool blind;
} eye;

static void look(void *context, int peer, const void *data, uint64_t length) {
    eye *e = context;
    e->undefined += VALGRIND_CHECK_MEM_IS_DEFINED(data, length) != 0;
    e->received[peer] += length;
    for (size_t i = 0; i <= e->first.messages; i++) {
        if (i == e->first.messages) {
            view_observe(&e->first, peer, data, length);
            return;
        }
        if (e->first.message[i].peer == peer) break;
    }
    view_observe(e->seen, peer, data, length);
}

static tf_status make_graph(const watched *w, int id, const tf_decoding *d, const int32_t *ids, tf_graph *graph) {
    tf_approx approx;
    tf_batch batch = {.texts = TEXTS, .length = d->rows, .ids = id == TINY_DATA_OWNER ? ids : NULL, .decoding = d};
    TF_TRY(tf_approx_parse("exact", &approx));
    TF_TRY(tf_model_build(w->config, &approx, &batch, NULL, false, graph));
    for (int i = 0; i < graph->nodes && id == TINY_MODEL_OWNER; i++)
        if (graph->node[i].leaf == TF_LEAF_WEIGHT)
            graph->node[i].data = tiny_weight(graph->node[i].name, tf_shape_count(graph->node[i].shape));
    if (!w->token) return TF_OK;
    tf_id best = tf_graph_op(graph, "argmax", "", "next_token", TF_IN(graph->output[0].id), TF_NO_ATTRS);
    graph->outputs = 0;
    if (!d->every_row) return tf_graph_finish(graph, best);
    tf_id read = 0;
    while (graph->node[read].leaf != TF_LEAF_TOKENS || strcmp(graph->node[read].name, "tokens") != 0) read++;
    tf_id given = tf_graph_op(graph, "given", "", "read_tokens", TF_IN(read), TF_ATTRS({"frac", 0}, {"bound", 40}));
    return tf_graph_finish(graph, tf_graph_op(graph, "accepted", "", "accepted", TF_IN(best, given), TF_NO_ATTRS));
}

/* Both peers say the same of the public inputs, one of them nothing else. The rest of the other's message
 * is looked at. */
static tf_status end_pass(eye *e) {
    view_message *a = e->first.message, *b = a + 1;
    if (e->first.messages == 2 && b->length < a->length) a = b, b = e->first.message;
    uint64_t size = sizeof(tf_digest), at = 0;
    if (e->first.messages != 2 || a->length != size) return tf_fail(TF_INTERNAL, "a pass begins otherwise");
    while (at + size <= b->length && memcmp(b->data + at, a->data, size) != 0) at += 8;
    if (at + size > b->length) return tf_fail(TF_INTERNAL, "the peers' public inputs differ");
    if (at) view_observe(e->seen, b->peer, b->data, at);
    if (at + size < b->length) view_observe(e->seen, b->peer, b->data + at + size, b->length - at - size);
    view_free(&e->first);
    return TF_OK;
}

/* What the parties compare before a program first runs is public: only the run itself is looked at. */
static tf_status run_graph(tf_session *session, watched *w, const tf_graph *graph, eye *own, size_t pass) {
    const tf_compiled *compiled;
    int id = session->party.id;
    double out[TEXTS * 40], *slot[] = {out};
    TF_TRY(tf_session_compile(session, graph, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER, &compiled));
    own->received = w->received[id][pass];
    tf_link_observe(session->party.link, own->blind ? NULL : look, own);
    tf_status status =
        tf_session_execute(session, compiled, graph, &(tf_slots){.output = slot}, &w->stats[id][pass], NULL);
    tf_link_observe(session->party.link, NULL, NULL);
    return status || own->blind ? status : end_pass(own);
}

static tf_status take_pass(tf_session *session, watched *w, eye *own, size_t pass) {
    size_t rows = !pass       ? PROMPT
                  : w->drafts ? 1 + PROPOSED
                              : 1,
           cached = w->keep ? w->keep : PROMPT, length = pass ? cached + pass - 1 : 0;
    const int32_t *ids =
        !pass ? w->words->prompt : w->words->next[w->drafts ? 0 : pass - 1]; /* of drafts all at once */
    tf_decoding d;
    tf_graph graph;
    tf_graph_init(&graph);
    tf_status status = tf_decoding_make(w->config, TEXTS, rows, pass ? ROOM : PROMPT, &d);
    d.reads = w->keep && !pass, d.keep = pass ? 0 : w->keep;
    d.every_row = w->drafts && pass;
    if (pass && w->keep) d.kept = w->keep, d.evicted = PROMPT - w->keep;
    if (!status) tf_decoding_set(w->config, &d, padding, length);
    if (!status) status = make_graph(w, session->party.id, &d, ids, &graph);
    if (!status) status = run_graph(session, w, &graph, own, pass);
    if (w->drafts && pass) tf_session_truncate(session, length + 1);
    tf_graph_free(&graph);
    tf_decoding_free(&d);
    return status;
}

static tf_status generate(tf_link *link, int id, void *context) {
    watched *w = context;
    eye own = {.seen = &w->seen[id]};
    tf_session session;
    tf_status status = TF_OK;
    TF_TRY(tf_session_open(&session, link));
    own.blind = true;
    status = take_pass(&session, w, &own, 0); /* shares the weights */
    tf_session_truncate(&session, 0);
    tf_session_drop(&session, TF_OF_PROMPT);
    own.blind = false;
    for (size_t pass = 0; pass < PASSES && !status; pass++) status = take_pass(&session, w, &own, pass);
    tf_session_close(&session);
    return status || !own.undefined ? status
                                    : tf_fail(TF_INTERNAL, "%zu messages had uninitialised bytes", own.undefined);
}

/* Number and lengths of the messages from each peer, in order. */
static void check_lengths(const view *a, const view *b) {
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        size_t i = 0, k = 0;
        while (true) {
            while (i < a->messages && a->message[i].peer != peer) i++;
            while (k < b->messages && b->message[k].peer != peer) k++;
            if (i == a->messages || k == b->messages) break;
            cr_assert_eq(a->message[i++].length, b->message[k++].length);
        }
        cr_assert(i == a->messages && k == b->messages, "other tokens are other messages");
    }
}

/* A token moves what was forecast, the same for each of a bucket; weights are shared before the prompt alone. */
static void check_bytes(const watched *w, int p) {
    for (size_t pass = 1; pass < PASSES; pass++) {
        cr_assert_arr_eq(w->received[p][pass], w->received[p][1], sizeof w->received[p][1]);
        cr_assert_eq(w->stats[p][pass].rounds, w->stats[0][1].rounds);
        for (int peer = 0; peer < TF_PARTIES; peer++)
            cr_assert_eq(w->received[p][pass][peer], w->stats[p][pass].bytes[peer][p], "party %d, pass %zu: %zu of %zu",
                         p, pass, (size_t)w->received[p][pass][peer], (size_t)w->stats[p][pass].bytes[peer][p]);
    }
}

static void check(const char *config_text, bool token, size_t keep, bool drafts) {
    tf_config config;
    cr_assert_eq(tf_ops_register(), TF_OK);
    scratch_write("config.json", config_text, strlen(config_text));
    cr_assert_eq(tf_config_read(scratch, &config), TF_OK, "%s", tf_error());
    watched one = {.config = &config, .words = &some, .token = token, .keep = keep, .drafts = drafts}, two = one;
    two.words = &other;
    three_outcome outcome;
    cr_assert_eq(three_do(generate, &one, &outcome), TF_OK, "%s", tf_error());
    cr_assert_eq(three_do(generate, &two, &outcome), TF_OK, "%s", tf_error());
    for (int p = 0; p < TF_PARTIES; p++) {
        char why[160];
        check_lengths(&one.seen[p], &two.seen[p]);
        check_bytes(&one, p);
        check_bytes(&two, p);
        for (size_t i = 0; i < two.seen[p].messages; i++) {
            const view_message *m = &two.seen[p].message[i];
            view_observe(&one.seen[p], m->peer, m->data, m->length);
        }
        double all = view_overall(&one.seen[p]);
        cr_assert_lt(all, view_limit, "party %d: %g", p, all);
        cr_assert_not(view_repeats(&one.seen[p]), "party %d received a block of 16 bytes twice", p);
        cr_assert_null(view_tells(&one.seen[p], why), "party %d: %s", p, why);
        view_free(&one.seen[p]);
        view_free(&two.seen[p]);
    }
    tf_config_free(&config);
}

Test(view_decoder, tokens_of_llama, .timeout = 300) {
    check(llama, true, 0, false);
}

Test(view_decoder, tokens_of_gpt2, .timeout = 300) {
    check(gpt2, true, 0, false);
}

Test(view_decoder, logits_of_llama, .timeout = 300) {
    check(llama, false, 0, false);
}

/* How many proposals are right is told to the data owner alone. */
Test(view_decoder, proposed_tokens_of_llama, .timeout = 300) {
    check(llama, true, 0, true);
}

/* Which rows stay depends on the tokens; what is sent tells nobody. */
Test(view_decoder, evicted_prompts_of_llama, .timeout = 300) {
    check(llama, true, 3, false);
}
