/* What the parties find about their network, and that graphs are planned for it. */
#include "tests/support/tiny.h"

#include "net/link_shaped.h"
#include "runtime/session/measure.h"

static void setup(void) {
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
}

TestSuite(measure, .init = setup);

static double figure[TF_PARTIES];

static tf_status find_middle(tf_link *link, int id, void *context) {
    return tf_agree_middle(link, &figure[id]);
}

Test(measure, nonsense_moves_a_figure_no_further_than_the_others) {
    static const double nonsense[] = {0, -1, 1e-300, 1e300, INFINITY, NAN};
    for (size_t k = 0; k < sizeof nonsense / sizeof *nonsense; k++)
        for (int liar = 0; liar < TF_PARTIES; liar++) {
            three_outcome outcome;
            for (int p = 0; p < TF_PARTIES; p++) figure[p] = p == (liar + 1) % 3 ? 2 : 4;
            figure[liar] = nonsense[k];
            cr_assert_eq(three_do(find_middle, NULL, &outcome), TF_OK, "%s", tf_error());
            for (int p = 0; p < TF_PARTIES; p++) {
                cr_assert(figure[p] == figure[0]);
                cr_assert(figure[p] == 2 || figure[p] == 4, "%g: %g", nonsense[k], figure[p]);
            }
        }
}

/* A session over a link that is as slow as `network`; what was agreed, and the rounds of a graph that is told and of
 * one that is not. */
typedef struct slow_session {
    tf_network network, found[TF_PARTIES];
    int rounds[2][TF_PARTIES];
    bool one_host[TF_PARTIES];
} slow_session;

/* `told`: of the graph itself; 0: nothing. */
static tf_status count_rounds(tf_session *session, double told, int *rounds) {
    const tf_compiled *compiled;
    tf_graph graph;
    tf_graph_init(&graph);
    tf_status status = tiny_graph(&graph, "exact", 3, tiny_ids, session->party.id);
    graph.round_bytes = told;
    if (!status) status = tf_session_compile(session, &graph, 16, TINY_MODEL_OWNER, TINY_DATA_OWNER, &compiled);
    if (!status) *rounds = compiled->plan.rounds;
    tf_graph_free(&graph);
    return status;
}

static tf_status measure_slow(tf_link *link, int id, void *context) {
    slow_session *s = context;
    tf_session session;
    TF_TRY(tf_session_open(&session, link));
    tf_status status = tf_session_on_one_host(&session, &s->one_host[id]);
    if (!status) status = tf_session_measure(&session);
    s->found[id] = session.network;
    if (!status) status = count_rounds(&session, 1, &s->rounds[0][id]);
    if (!status) status = count_rounds(&session, 0, &s->rounds[1][id]);
    tf_session_close(&session);
    return status;
}

static tf_status on_slow_links(slow_session *s, tf_party_body *body) {
    tf_link *link[TF_PARTIES];
    TF_TRY(tf_link_memory(link));
    for (int p = 0; p < TF_PARTIES; p++) TF_TRY(tf_link_shaped(link[p], &s->network, &link[p]));
    tf_status status = tf_run_on_links(link, body, s, NULL);
    for (int p = 0; p < TF_PARTIES; p++) tf_link_close(link[p]);
    return status;
}

/* No message comes sooner than the network brings it, so that no figure is better than it but by half an octave. */
Test(measure, parties_agree_and_plan_for_what_they_found) {
    static slow_session s = {.network = {.round_trip = 20e-3, .rate = 20e6}};
    cr_assert_eq(on_slow_links(&s, measure_slow), TF_OK, "%s", tf_error());
    for (int p = 0; p < TF_PARTIES; p++) {
        cr_assert(s.one_host[p]);
        cr_assert_eq(memcmp(&s.found[p], &s.found[0], sizeof *s.found), 0);
        cr_assert_geq(s.found[p].round_trip, 0.84 * s.network.round_trip);
        cr_assert_leq(s.found[p].rate, 1.2 * s.network.rate);
        cr_assert_gt(s.found[p].work, 0);
        cr_assert_eq(s.rounds[1][p], s.rounds[1][0]);
        cr_assert_lt(s.rounds[1][p], s.rounds[0][p], "where a round takes 10 ms, fewer are chosen");
    }
}

/* Of what others tell of a figure, party 0 reads the most and party 1 the least. */
static void read_extremes(void *context, int peer, const void *data, uint64_t length) {
    if (length == 1) *(int8_t *)data = *(const int *)context ? -128 : 127;
}

static tf_status measure_deceived(tf_link *link, int id, void *context) {
    tf_session session;
    TF_TRY(tf_session_open(&session, link));
    if (id < 2) tf_link_observe(link, read_extremes, &id);
    tf_status status = tf_session_measure(&session);
    tf_link_observe(link, NULL, NULL);
    tf_session_close(&session);
    return status;
}

Test(measure, whoever_tells_two_things_ends_the_run) {
    three_outcome outcome;
    cr_assert_neq(three_do(measure_deceived, NULL, &outcome), TF_OK);
    for (int p = 0; p < TF_PARTIES; p++) cr_assert_neq(outcome.status[p], TF_OK);
}

/* What a party has received since it was looked at. */
typedef struct sluggish {
    int id, words;
} sluggish;

/* Of nine rounds party 0 is late at the end of every other from the first on, five in all, and keeps party 2 waiting
 * for its message to be taken. Party 1 has to wait in the round after each, of which it counts four. Bursts take all
 * long. */
static void be_late(void *context, int peer, const void *data, uint64_t length) {
    sluggish *s = context;
    bool round = length == 8 && s->words++ % 2 == 1, late = round && s->id == 0 && s->words % 4 == 0;
    if (late || (length >= 64 << 10 && peer == tf_next(s->id)))
        nanosleep(&(struct timespec){.tv_nsec = 40000000}, NULL);
}

static tf_status measure_late(tf_link *link, int id, void *context) {
    tf_session session;
    sluggish s = {.id = id};
    TF_TRY(tf_session_open(&session, link));
    tf_link_observe(link, be_late, &s);
    tf_status status = tf_session_measure(&session);
    tf_link_observe(link, NULL, NULL);
    tf_session_close(&session);
    return status;
}

Test(measure, parties_that_see_different_delays_send_equally_many_bursts) {
    three_outcome outcome;
    cr_assert_eq(three_do(measure_late, NULL, &outcome), TF_OK, "%s", tf_error());
}
