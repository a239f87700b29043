/* Several outputs, public inputs and held state. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/lower/lower.h"
#include "runtime/program/step.h"
#include "tests/support/decoder.h"

static void setup(void) {
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
}

TestSuite(outputs, .init = setup);

Test(outputs, state_of_plain_runs_grows_and_is_cut) {
    decoder d = decoder_make(NEW, CAPACITY);
    tf_plain_state state = {0};
    tf_array out[2];
    for (int k = 0; k < 2; k++) {
        tf_graph_bind(&d.graph, d.tokens, decoder_tokens[k]);
        tf_graph_bind(&d.graph, d.mask, decoder_shift[k]);
        cr_assert_eq(tf_graph_plain_with(&d.graph, &state, out, NULL, NULL), TF_OK, "%s", tf_error());
        cr_assert_eq(tf_plain_length(&state, "cache"), (size_t)(k + 1) * NEW);
        for (size_t i = 0; i < BATCH * CAPACITY * 2; i++)
            cr_assert_eq((double)out[0].data[i], decoder_expected(k, i / CAPACITY / 2, i / 2 % CAPACITY, i % 2), "%zu",
                         i);
        cr_assert_eq(out[1].data[0], decoder_table[decoder_tokens[k][0]][0]);
        for (int o = 0; o < 2; o++) free(out[o].data);
    }
    cr_assert_eq(tf_graph_plain_with(&d.graph, &state, out, NULL, NULL), TF_INVALID, "it is full");
    cr_assert(strstr(tf_error(), "cache: 4 rows and 2 more do not fit into a capacity of 5") != NULL, "%s", tf_error());
    cr_assert_null(out[0].data);
    cr_assert_eq(tf_plain_length(&state, "cache"), 4);
    tf_plain_truncate(&state, 3);
    cr_assert_eq(tf_plain_length(&state, "cache"), 3);
    cr_assert_eq(tf_graph_plain_with(&d.graph, &state, out, NULL, NULL), TF_OK, "%s", tf_error());
    cr_assert_eq(out[0].data[3 * 2], 0 + 7 + 2 * 8, "the third row is overwritten");
    for (int o = 0; o < 2; o++) free(out[o].data);
    tf_graph_free(&d.graph);

    d = decoder_make(NEW, 9); /* the next bucket */
    static const float zeros[9];
    tf_graph_bind(&d.graph, d.tokens, decoder_tokens[0]);
    tf_graph_bind(&d.graph, d.mask, zeros);
    cr_assert_eq(tf_graph_plain_with(&d.graph, &state, out, NULL, NULL), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_plain_length(&state, "cache"), 7);
    cr_assert_eq(out[0].data[6 * 2], 3 + 2 * 4);
    for (int o = 0; o < 2; o++) free(out[o].data);
    tf_plain_state_free(&state);
    tf_graph_free(&d.graph);
}

Test(outputs, a_state_must_be_there_to_be_read_and_stay_as_it_was_made) {
    tf_graph graph;
    tf_array out;
    tf_graph_init(&graph);
    tf_id held = tf_graph_held(&graph, "cache", tf_dims(2, CAPACITY, 2), 1);
    cr_assert_eq(tf_graph_finish(&graph, held), TF_OK);
    cr_assert_eq(tf_graph_plain(&graph, &out, NULL, NULL), TF_INVALID);
    cr_assert(strstr(tf_error(), "cache: there is no such state") != NULL, "%s", tf_error());
    tf_graph_free(&graph);

    decoder d = decoder_make(NEW, CAPACITY);
    cr_assert_eq(tf_graph_append(&d.graph, "cache", d.weight, 0, 9), -1, "a state stands in a graph once");
    cr_assert_neq(tf_graph_check(&d.graph), TF_OK);
    tf_graph_free(&d.graph);
    d = decoder_make(NEW, CAPACITY);
    cr_assert_eq(tf_graph_append(&d.graph, "other", d.weight, 0, 1), -1, "two rows do not fit into one");
    cr_assert_neq(tf_graph_check(&d.graph), TF_OK);
    tf_graph_free(&d.graph);
}

/* Lowering */

Test(outputs, state_is_kept_in_the_ring_that_its_reader_wants) {
    decoder d = decoder_make(NEW, CAPACITY);
    d.graph.round_bytes = 1; /* so that rows are lifted, and do not come wider */
    tf_program program;
    cr_assert_eq(tf_lower(&d.graph, 16, 0, 1, &program, NULL), TF_OK, "%s", tf_error());
    cr_assert_eq(program.helds, 1);
    const tf_step_node *held = &program.node[program.held[0].value];
    cr_assert_eq(held->type.bits, 48, "%u", held->type.bits);
    cr_assert_eq(held->lifted, -1, "what is read is not lifted again");
    size_t lifted = 0;
    for (int i = 0; i < program.nodes; i++)
        if (program.node[i].step && !strcmp(program.node[i].step->name, "lift"))
            lifted += tf_shape_count(program.node[i].type.shape);
    cr_assert_eq(lifted, BATCH * NEW * 2, "the new rows alone are");
    tf_program_free(&program);
    tf_graph_free(&d.graph);
}

Test(outputs, nobody_outside_receives) {
    tf_program program;
    tf_program_init(&program, 16, 0, 1);
    tf_value x = tf_input(&program, 0, tf_dims(3), 16, 32, 1, 0);
    cr_assert_eq(tf_output(&program, x, TF_OUTSIDE, 0), -1);
    cr_assert_eq(tf_program_status(&program), TF_INVALID);
    cr_assert_neq((int)TF_OUTSIDE, (int)TF_EVERYONE);
    tf_program_free(&program);
}
