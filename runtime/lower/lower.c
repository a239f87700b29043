#include "runtime/lower/lower.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/lower/guard.h"
#include "runtime/program/plan.h"
#include "runtime/program/step.h"

static tf_value lower_op(tf_program *program, const tf_node *node, const tf_value *value) {
    tf_value in[TF_MAX_INPUTS];
    for (int k = 0; k < node->inputs; k++) in[k] = value[node->input[k]];
    if (!node->op->lower)
        return tf_program_fail(program, tf_fail(TF_INVALID, "op %s %s cannot run privately: it has no lowering",
                                                node->op->kind, node->op->variant));
    tf_value v = node->op->lower(program, node, in);
    if (node->range > 0 && node->range < tf_type_of(program, v)->bound) v = tf_assume(program, v, node->range);
    if (!program->status && !tf_shape_equal(tf_type_of(program, v)->shape, node->shape))
        return tf_program_fail(program, tf_fail(TF_INTERNAL, "op %s %s lowered to another shape than it declares",
                                                node->op->kind, node->op->variant));
    return v;
}

static void lower_output(tf_program *program, tf_value value, tf_reader to, int slot) {
    int owner = to == TF_TO_DATA_OWNER ? program->data_owner : program->model_owner;
    if (to == TF_TO_EVERYONE)
        tf_output(program, value, TF_EVERYONE, slot);
    else if (to == TF_KEPT || owner == TF_OUTSIDE)
        tf_keep(program, value, slot);
    else
        tf_output(program, value, owner, slot);
}

/** Whether anything that the parties must compare at each run is in the graph. */
static bool has_public_inputs(const tf_graph *graph) {
    for (int i = 0; i < graph->nodes; i++)
        if (graph->node[i].leaf == TF_LEAF_PUBLIC || graph->node[i].leaf == TF_LEAF_HELD) return true;
    return false;
}

/** Guards the rows of all nodes whose bound is known: the bit that the data owner gets, or -1. */
static tf_value lower_guards(tf_program *program, const tf_value *value) {
    const tf_graph *graph = program->graph;
    tf_value count = -1;
    for (int i = 0; i < graph->nodes && program->data_owner >= 0 && !program->status; i++)
        if (graph->node[i].square > 0 && tf_guarded(graph, i))
            count = tf_guard_rows(program, value[i], graph->node[i].square, count);
    return count < 0 ? -1 : tf_guard_any(program, count);
}

/** Outputs, and in the slot after them what the guard says, once an outside owner's tokens are known to be tokens, and
 *  all copies to agree. */
static void lower_outputs(tf_program *program, const tf_value *value) {
    const tf_graph *graph = program->graph;
    tf_value last[TF_MAX_OUTPUTS + 1];
    int count = graph->outputs;
    for (int k = 0; k < count; k++) last[k] = value[graph->output[k].id];
    program->op = -1;
    tf_value guard = last[count] = lower_guards(program, value);
    tf_check_selections(program);
    if (graph->check_copies) tf_compare_copies(program, count + (guard >= 0), last);
    for (int k = 0; k < count && !program->status; k++) {
        program->op = graph->output[k].id;
        lower_output(program, last[k], graph->output[k].to, k);
    }
    program->op = -1;
    if (guard < 0) return;
    program->guard = count;
    tf_output(program, guard, program->data_owner, count);
}

/** What is the same for all ways to lower a graph, but for `round_bytes`. */
typedef struct settings {
    int frac, model_owner, data_owner;
    double round_bytes;
} settings;

/** `wish`: for each node that holds state, the bits that its readers want. */
static tf_status lower_once(const tf_graph *graph, const settings *s, const unsigned *wish, tf_program *program) {
    tf_program_init(program, s->frac, s->model_owner, s->data_owner);
    program->round_bytes = s->round_bytes;
    tf_value *value = program->result = malloc(((size_t)graph->nodes + 1) * sizeof *value);
    program->graph = graph;
    if (!value) return tf_fail(TF_NOMEM, "no memory for %d nodes", graph->nodes);
    if (has_public_inputs(graph)) tf_compare_public(program);
    for (int i = 0; i < graph->nodes && !program->status; i++) {
        const tf_node *node = &graph->node[i];
        program->op = i;
        if (node->leaf == TF_LEAF_HELD)
            value[i] = tf_hold(program, node, node->inputs ? value[node->input[0]] : -1, wish[i]);
        else
            value[i] = node->op ? lower_op(program, node, value) : tf_program_leaf(program, node);
        if (program->status) { /* say where */
            tf_fail(program->status, "%s: %s", node->name, program->error);
            strncpy(program->error, tf_error(), sizeof program->error - 1);
        }
    }
    if (!program->status) lower_outputs(program, value);
    if (!program->status) tf_leave_out(program);
    return tf_program_status(program);
}

/** Whether a reader has lifted a state, which should rather be kept lifted. */
static bool wishes_grew(const tf_program *program, unsigned *wish) {
    bool grew = false;
    for (int k = 0; k < program->helds; k++) {
        const tf_step_node *node = &program->node[program->held[k].value];
        unsigned bits = node->lifted < 0 ? 0 : program->node[node->lifted].type.bits;
        if (bits <= wish[node->op]) continue;
        wish[node->op] = bits;
        grew = true;
    }
    return grew;
}

/** Holds state in the ring that its readers wish for. */
static tf_status lower(const tf_graph *graph, const settings *s, tf_program *program) {
    unsigned *wish = calloc((size_t)graph->nodes + 1, sizeof *wish);
    if (!wish) return tf_fail(TF_NOMEM, "no memory for %d nodes", graph->nodes);
    tf_status status = lower_once(graph, s, wish, program);
    while (!status && wishes_grew(program, wish)) {
        tf_program_free(program);
        status = lower_once(graph, s, wish, program);
    }
    free(wish);
    if (status) tf_program_free(program);
    return status;
}

/** What a plan's rounds and messages cost, in bytes as the program's planner counts them. Where one wire carries more
 *  than others the rest of it waits, but what is computed stays the same: that counts half. */
static double price_of(const tf_program *program, const tf_plan *plan) {
    double price = plan->rounds * program->round_bytes;
    for (int t = 0; t < plan->rounds; t++) {
        uint64_t longest = 0;
        for (int i = 0; i < TF_PARTIES; i++)
            for (int j = 0; j < TF_PARTIES; j++)
                if (plan->round_bytes[t][i][j] > longest) longest = plan->round_bytes[t][i][j];
        price += (double)longest * TF_PARTIES * (TF_PARTIES - 1) / 2;
    }
    return price + (double)plan->total_bytes / 2;
}

static bool is_cheaper(const tf_program *program, const tf_plan *plan, const tf_plan *than) {
    return price_of(program, plan) < price_of(program, than);
}

static bool has_no_more_rounds(const tf_program *program, const tf_plan *plan, const tf_plan *than) {
    return plan->rounds <= than->rounds;
}

/** Plans the program with another cut, and keeps that if it is `better`. Steps are the same either way. */
static tf_status try_cut(tf_program *program, tf_cut cut,
                         bool (*better)(const tf_program *, const tf_plan *, const tf_plan *), tf_plan *plan) {
    const tf_cut before = program->cut;
    tf_plan other;
    program->cut = cut;
    const tf_status status = tf_plan_make(program, &other);
    if (status) {
        tf_plan_free(plan);
        return status;
    }
    const bool take = better(program, &other, plan);
    tf_plan_free(take ? plan : &other);
    if (take)
        *plan = other;
    else
        program->cut = before;
    return TF_OK;
}

/** Puts small tensors in one third, if that is cheaper: there S runs ahead whatever their shapes become, but it is
 *  always the same party, and the same wire. */
static tf_status cut_small(tf_program *program, tf_plan *plan) {
    enum { SMALL = 1 << 14 };
    tf_cut cut = program->cut;
    cut.small = SMALL;
    return try_cut(program, cut, is_cheaper, plan);
}

static void add_width(tf_cut *cut, size_t width) {
    enum { UNIT = 128 };
    int k = 0;
    while (k < TF_CUT_WIDTHS && cut->width[k] && cut->width[k] != width) k++;
    if (k < TF_CUT_WIDTHS && width % UNIT == 0) cut->width[k] = width;
}

/** Adds cuts between the rows that linear layers read and make, if all of many rows have as many. */
static void add_rows(const tf_program *program, tf_cut *cut) {
    enum { FEWEST = 24 }; /* of fewer thirds would differ too much */
    for (int i = 0; i < program->nodes; i++) {
        const tf_step_node *node = &program->node[i];
        if (node->inputs < 2 || !tf_is_packed_weight(program, node->input[1])) continue;
        const tf_shape in = tf_type_of(program, node->input[0])->shape, out = node->type.shape;
        const size_t rows = tf_shape_count(out) / tf_shape_last(out);
        if (rows < FEWEST || (cut->rows && rows != cut->rows)) continue;
        cut->rows = rows;
        add_width(cut, tf_shape_last(in));
        add_width(cut, tf_shape_last(out));
    }
}

/** Cuts thirds between rows where wires stand still for longer than they carry: S then runs ahead through linear
 *  layers, too, so that what it deals travels in the meantime, but layers meet their weights three times. */
static tf_status cut_rows(tf_program *program, tf_plan *plan) {
    tf_cut cut = program->cut;
    if ((double)plan->total_bytes > plan->rounds * program->round_bytes) return TF_OK;
    add_rows(program, &cut);
    return cut.rows ? try_cut(program, cut, has_no_more_rounds, plan) : TF_OK;
}

static tf_status lower_and_plan(const tf_graph *graph, const settings *s, tf_program *program, tf_plan *plan) {
    TF_TRY(lower(graph, s, program));
    tf_status status = tf_plan_make(program, plan);
    if (!status) status = cut_small(program, plan);
    if (!status && graph->round_bytes > 0) status = cut_rows(program, plan);
    if (status) tf_program_free(program);
    return status;
}

tf_status tf_lower(const tf_graph *graph, int frac, int model_owner, int data_owner, tf_program *program,
                   tf_plan *plan) {
    enum { PARTS = 230 }; /* of what it sends is a round less worth one, where nothing is told */
    tf_plan best;
    *program = (tf_program){0};
    if (plan) *plan = (tf_plan){0};
    if (frac < 8 || frac > 24) return tf_fail(TF_INVALID, "%d fractional bits; 8 to 24 are possible", frac);
    const bool told = graph->round_bytes > 0;
    settings s = {frac, model_owner, data_owner, told ? graph->round_bytes : TF_ROUND_BYTES};
    TF_TRY(lower_and_plan(graph, &s, program, &best));
    if (!told && (double)best.total_bytes > TF_ROUND_BYTES * (double)PARTS) {
        s.round_bytes = (double)best.total_bytes / PARTS;
        tf_plan_free(&best);
        tf_program_free(program);
        TF_TRY(lower_and_plan(graph, &s, program, &best));
    }
    if (plan)
        *plan = best;
    else
        tf_plan_free(&best);
    return TF_OK;
}

tf_status tf_program_digest(const tf_program *program, tf_digest *digest) {
    tf_hash hash;
    tf_hash_begin(&hash);
    tf_hash_add(&hash, &program->frac, sizeof program->frac);
    tf_hash_add(&hash, &program->model_owner, sizeof program->model_owner);
    tf_hash_add(&hash, &program->data_owner, sizeof program->data_owner);
    tf_hash_add(&hash, &program->cut, sizeof program->cut);
    for (int i = 0; i < program->nodes; i++) {
        const tf_step_node *node = &program->node[i];
        tf_hash_add_text(&hash, node->step ? node->step->name : "leaf");
        if (node->leaf) tf_hash_add_text(&hash, node->leaf->name);
        int64_t facts[6 + TF_MAX_RANK] = {node->type.kind, node->type.bits, node->type.frac,
                                          node->type.zero, node->inputs,    node->type.shape.rank};
        for (int k = 0; k < node->type.shape.rank; k++) facts[6 + k] = (int64_t)node->type.shape.dim[k];
        tf_hash_add(&hash, facts, sizeof facts);
        tf_hash_add(&hash, &node->type.bound, sizeof node->type.bound);
        tf_hash_add(&hash, node->input, sizeof node->input[0] * (size_t)node->inputs);
        tf_hash_add(&hash, node->arg, sizeof node->arg);
        if (node->leaf && node->leaf->leaf == TF_LEAF_PUBLIC_WEIGHT && node->leaf->data)
            tf_hash_add(&hash, node->leaf->data, tf_shape_count(node->leaf->shape) * sizeof(float));
        tf_hash_add(&hash, &node->data_count, sizeof node->data_count);
        if (node->data) tf_hash_add(&hash, node->data, node->data_count * sizeof *node->data);
    }
    return tf_hash_end(&hash, digest);
}
