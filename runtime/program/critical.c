#include "runtime/program/critical.h"

#include <stdlib.h>

/* Where a walk back along the chain is: at what all know of a node's result, or at what S does. */
typedef struct place {
    int node; /* -1: at the start */
    bool solo;
} place;

static int time_at(const tf_plan *plan, place at) {
    if (at.node < 0) return 0;
    return at.solo ? plan->schedule[at.node].ready_solo : plan->schedule[at.node].end;
}

/** The input that is there, or of which S knows its part, last. */
static place last_input(const tf_program *program, const tf_plan *plan, int node, bool solo) {
    place last = {-1, solo};
    for (int k = 0; k < program->node[node].inputs; k++) {
        bool third = solo && !tf_step_reads_whole(program, &program->node[node], k);
        place input = {program->node[node].input[k], third};
        if (time_at(plan, input) > time_at(plan, last)) last = input;
    }
    return last;
}

/** Whether a node waits for S's message rather than for what it swaps. */
static bool waits_for_solo(const tf_program *program, const tf_plan *plan, int node) {
    return program->node[node].step->solo &&
           plan->schedule[node].pair > time_at(plan, last_input(program, plan, node, false));
}

static place before(const tf_program *program, const tf_plan *plan, place at) {
    const tf_step_node *node = &program->node[at.node];
    bool ahead = tf_step_keeps_thirds(program, node);
    bool solo = node->step->cost ? waits_for_solo(program, plan, at.node) : at.solo;
    return last_input(program, plan, at.node, solo && ahead);
}

/** What kept S from running ahead to a node that waits for its message. */
static int hindrance(const tf_program *program, const tf_plan *plan, int node) {
    while (tf_step_keeps_thirds(program, &program->node[node])) {
        place input = last_input(program, plan, node, true);
        if (input.node < 0) break;
        node = input.node;
        if (program->node[node].step->cost) break;
    }
    return node;
}

tf_status tf_plan_critical(const tf_program *program, const tf_plan *plan, tf_critical **chain, int *count) {
    place at = {-1, false};
    int found = 0;
    *chain = malloc(((size_t)plan->rounds + 1) * sizeof **chain);
    if (!*chain) return tf_fail(TF_NOMEM, "no memory for a chain of %d rounds", plan->rounds);
    for (int i = 0; i < program->nodes; i++)
        if (plan->schedule[i].end > time_at(plan, at)) at.node = i;
    while (at.node >= 0) {
        place earlier = before(program, plan, at);
        int begin = time_at(plan, earlier), end = time_at(plan, at);
        if (end > begin)
            (*chain)[found++] = (tf_critical){
                at.node, begin, end, waits_for_solo(program, plan, at.node) ? hindrance(program, plan, at.node) : -1};
        at = earlier;
    }
    for (int i = 0; i < found / 2; i++) {
        tf_critical swapped = (*chain)[i];
        (*chain)[i] = (*chain)[found - 1 - i];
        (*chain)[found - 1 - i] = swapped;
    }
    *count = found;
    return TF_OK;
}
