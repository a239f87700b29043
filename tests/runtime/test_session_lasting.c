/* Sessions that last: going on over another link, and request after request. */
#include "tests/support/tiny.h"

#include "runtime/program/step.h"

static void setup(void) {
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
}

TestSuite(session, .init = setup);

static uint64_t sent(const tf_link *link) {
    tf_link_counters c = tf_link_read_counters(link);
    return c.bytes_sent[0] + c.bytes_sent[1] + c.bytes_sent[2];
}

/* Resuming --------------------------------------------------------------------------------------------------------- */

typedef struct resumed {
    tf_session session[TF_PARTIES]; /* kept from link to link */
    double logits[TINY_TEXTS * TINY_LABELS];
    uint64_t sent[TF_PARTIES]; /* over the last link */
    unsigned char key_stream[TF_PARTIES][16];
    bool fails;
} resumed;

static tf_status resume_and_run(tf_link *link, int id, void *context) {
    resumed *r = context;
    tf_session *session = &r->session[id];
    tf_graph graph;
    TF_TRY(tf_session_resume(session, link));
    tf_stream(&session->party, 0, 0, 0, 0, (uint64_t *)r->key_stream[id], 2);
    if (r->fails && id == 2) return tf_fail(TF_IO, "the cable is unplugged");
    tf_graph_init(&graph);
    tf_status status = tiny_graph(&graph, "exact", 3, tiny_ids, id);
    if (!status)
        status = tf_session_run(session, &graph, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER,
                                id == TINY_DATA_OWNER ? r->logits : NULL, NULL, NULL);
    tf_graph_free(&graph);
    r->sent[id] = sent(link);
    return status;
}

Test(session, keeps_weights_from_link_to_link) {
    static resumed r;
    three_outcome outcome;
    unsigned char before[16];
    cr_assert_eq(three_do(resume_and_run, &r, &outcome), TF_OK, "%s", tf_error());
    const uint64_t whole = r.sent[TINY_MODEL_OWNER];
    memcpy(before, r.key_stream[0], sizeof before);

    r.fails = true;
    cr_assert_neq(three_do(resume_and_run, &r, &outcome), TF_OK);
    r.fails = false;
    cr_assert_eq(three_do(resume_and_run, &r, &outcome), TF_OK, "%s", tf_error());
    cr_expect_lt(r.sent[TINY_MODEL_OWNER], whole, "the weights were shared again");
    cr_expect_neq(memcmp(before, r.key_stream[0], sizeof before), 0, "the keys are not fresh");
    cr_expect_lt(tiny_error(r.logits, "exact", 3, tiny_ids), 0.02);
    const uint64_t short_run = r.sent[TINY_MODEL_OWNER];

    tf_session_close(&r.session[2]);
    r.session[2] = (tf_session){0}; // party 2 has started anew
    cr_assert_eq(three_do(resume_and_run, &r, &outcome), TF_OK, "%s", tf_error());
    cr_expect_gt(r.sent[TINY_MODEL_OWNER], short_run, "the weights were not shared again");
    cr_expect_lt(tiny_error(r.logits, "exact", 3, tiny_ids), 0.02);
    for (int i = 0; i < TF_PARTIES; i++) tf_session_close(&r.session[i]);
}

/* Many requests ---------------------------------------------------------------------------------------------------- */

enum { REQUESTS = 40 };

typedef struct requests {
    uint64_t sums[TF_PARTIES][REQUESTS]; /* of what each party received in each */
    uint64_t sent[TF_PARTIES][REQUESTS];
    double logits[REQUESTS][TINY_TEXTS * TINY_LABELS];
} requests;

static void add_up(void *context, int peer, const void *data, uint64_t length) {
    uint64_t *sum = context;
    if (length <= 64) return; /* digests, which are the same each time */
    for (uint64_t i = 0; i < length; i++) *sum = 31 * *sum + ((const unsigned char *)data)[i] + (unsigned)peer;
}

static tf_status run_requests(tf_link *link, int id, void *context) {
    requests *r = context;
    tf_session session;
    TF_TRY(tf_session_open(&session, link));
    tf_status status = TF_OK;
    for (int k = 0; k < REQUESTS && !status; k++) {
        tf_graph graph;
        uint64_t before = sent(link);
        tf_graph_init(&graph);
        status = tiny_graph(&graph, "exact", 3, tiny_ids, id);
        tf_link_observe(link, add_up, &r->sums[id][k]);
        if (!status)
            status = tf_session_run(&session, &graph, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER,
                                    id == TINY_DATA_OWNER ? r->logits[k] : NULL, NULL, NULL);
        r->sent[id][k] = sent(link) - before;
        tf_graph_free(&graph);
    }
    tf_session_close(&session);
    return status;
}

Test(session, requests_move_the_same_bytes_under_fresh_masks) {
    static requests r;
    three_outcome outcome;
    cr_assert_eq(three_do(run_requests, &r, &outcome), TF_OK, "%s", tf_error());
    for (int p = 0; p < TF_PARTIES; p++)
        for (int k = 0; k < REQUESTS; k++) {
            if (k > 1) cr_assert_eq(r.sent[p][k], r.sent[p][1], "party %d, request %d", p, k);
            for (int j = 0; j < k; j++)
                cr_assert_neq(r.sums[p][k], r.sums[p][j], "party %d received the same in %d and %d", p, j, k);
        }
    for (int k = 0; k < REQUESTS; k++) cr_assert_lt(tiny_error(r.logits[k], "exact", 3, tiny_ids), 0.02);
}
