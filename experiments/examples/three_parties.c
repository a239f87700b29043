/**
 * An embedded program: three parties as threads of one process run a small network of their own. Party 0 owns the
 * weights, party 1 the words and the result, party 2 helps. On three hosts each would run `party` on its end of a TCP
 * link (net/link_tcp.h, net/link_secure.h) or under MPI (net/link_mpi.h); nothing else would change.
 *
 *     cc three_parties.c $(pkg-config --cflags --libs trefoil) -o three_parties && ./three_parties
 */
#include <stdio.h>

#include "models/library/trefoil.h"
#include "net/local.h"

enum { WORDS = 4, WIDTH = 3, CLASSES = 2, MODEL_OWNER = 0, DATA_OWNER = 1 };

static const float table[WORDS * WIDTH] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0.5f, 0.5f, 0.5f};
static const float weight[CLASSES * WIDTH] = {1, 2, 3, -1, 0.5f, 4}, bias[CLASSES] = {0.25f, -0.25f};
static const int32_t words[] = {2, 3};

/* gelu(W table[word] + b) for each word. Every party builds the same graph; data are attached where they are owned. */
static tf_status build(int party, tf_graph *graph) {
    bool model = party == MODEL_OWNER, data = party == DATA_OWNER;
    tf_graph_init(graph);
    tf_id word = tf_graph_leaf(graph, TF_LEAF_TOKENS, "words", tf_dims(1, 2), data ? words : NULL);
    tf_id rows = tf_graph_leaf(graph, TF_LEAF_WEIGHT, "table", tf_dims(WORDS, WIDTH), model ? table : NULL);
    tf_id w = tf_graph_leaf(graph, TF_LEAF_WEIGHT, "weight", tf_dims(CLASSES, WIDTH), model ? weight : NULL);
    tf_id b = tf_graph_leaf(graph, TF_LEAF_WEIGHT, "bias", tf_dims(CLASSES), model ? bias : NULL);
    tf_id x = tf_graph_op(graph, "embedding", "", "lookup", TF_IN(word, rows), TF_NO_ATTRS);
    tf_id y = tf_graph_op(graph, "linear", "", "dense", TF_IN(x, w, b), TF_NO_ATTRS);
    return tf_graph_finish(graph, tf_graph_op(graph, "gelu", "exact", "gelu", TF_IN(y), TF_NO_ATTRS));
}

static tf_status party(tf_link *link, int id, void *context) {
    trefoil_settings settings = trefoil_default_settings();
    trefoil_session *session;
    trefoil_cost cost;
    tf_graph graph;
    double result[2 * CLASSES], *output[] = {id == DATA_OWNER ? result : NULL};
    TF_TRY(trefoil_session_open(link, &settings, &session));
    tf_status status = build(id, &graph);
    if (!status) status = trefoil_session_run(session, &graph, output, &cost);
    if (!status && id == DATA_OWNER) {
        for (int i = 0; i < 2; i++) printf("word %d: %.2f %.2f\n", words[i], result[2 * i], result[2 * i + 1]);
        printf("%lu rounds\n", (unsigned long)cost.rounds);
    }
    tf_graph_free(&graph);
    trefoil_session_close(session);
    return status;
}

int main(void) {
    if (tf_run_local(party, NULL, NULL) == TF_OK) return 0;
    fprintf(stderr, "%s\n", tf_error());
    return 1;
}
