#include "runtime/program/plan.h"

#include <stdlib.h>
#include <string.h>

static int max(int a, int b) {
    return a > b ? a : b;
}

bool tf_plan_emission(const tf_plan *plan, tf_entry entry, tf_traffic_matrix sent) {
    memset(sent, 0, sizeof(tf_traffic_matrix));
    int index = plan->schedule[entry.node].traffic;
    if (index < 0) return false;
    const tf_traffic *traffic = &plan->traffic[index];
    if (entry.phase == TF_SOLO_PHASE) {
        for (int k = 0; k < TF_PARTS; k++) {
            sent[tf_solo_of(k)][tf_right_of(k)] += traffic->dealt[k];
            if (traffic->both) sent[tf_solo_of(k)][tf_left_of(k)] += traffic->dealt[k];
        }
        return true;
    }
    if (entry.phase >= traffic->exchanges) return false;
    memcpy(sent, traffic->whole[entry.phase], sizeof(tf_traffic_matrix));
    for (int k = 0; k < TF_PARTS; k++) {
        int left = tf_left_of(k), right = tf_right_of(k);
        sent[left][right] += traffic->swapped[entry.phase][k];
        sent[right][left] += traffic->swapped[entry.phase][k];
    }
    return true;
}

static uint64_t matrix_sum(const tf_traffic_matrix m) {
    uint64_t sum = 0;
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) sum += m[i][j];
    return sum;
}

uint64_t tf_plan_node_bytes(const tf_plan *plan, int node) {
    uint64_t sum = 0;
    tf_traffic_matrix sent;
    for (int phase = TF_SOLO_PHASE; phase < TF_MAX_EXCHANGES; phase++)
        if (tf_plan_emission(plan, (tf_entry){node, phase}, sent)) sum += matrix_sum(sent);
    return sum;
}

/** Whether the node has anything to do. */
static bool runs(const tf_step_node *node) {
    return node->step && !tf_step_is_parameter(node) && !node->step->alias && (node->inputs || !node->step->held);
}

/** Whether its value lives in the arena. */
static bool stored(const tf_step_node *node) {
    return runs(node) && !node->step->held;
}

/** The times of a node whose inputs have theirs, as soon as possible. `traffic` NULL: a local step. `alone`: as if what
 * other ops made were there at the start. */
static void set_times(const tf_program *program, const tf_step_node *node, const tf_traffic *traffic,
                      const tf_schedule *schedule, bool alone, tf_schedule *s) {
    int all = 0, solo = 0;
    for (int k = 0; k < node->inputs; k++) {
        if (alone && program->node[node->input[k]].op != node->op) continue;
        all = max(all, schedule[node->input[k]].end);
        solo = max(solo, tf_step_reads_whole(program, node, k) ? schedule[node->input[k]].end
                                                               : schedule[node->input[k]].ready_solo);
    }
    bool ahead = tf_step_keeps_thirds(program, node);
    if (!ahead) solo = all;
    s->pair = s->end = all;
    s->ready_solo = solo;
    s->solo = !traffic && node->step->local && ahead ? solo : -1;
    if (!traffic) return;
    s->ready_solo = all + traffic->exchanges;
    if (node->step->solo) { /* just early enough for R to have S's message in phase dealt_at */
        s->pair = max(all, solo + 1 - traffic->dealt_at);
        s->solo = s->ready_solo = s->pair + traffic->dealt_at - 1;
    }
    s->end = s->pair + traffic->exchanges;
}

/** Times of every node; returns the number of rounds. */
static int schedule(const tf_program *program, tf_plan *plan) {
    int rounds = 0;
    for (int i = 0; i < program->nodes; i++) {
        const tf_step_node *node = &program->node[i];
        tf_schedule *s = &plan->schedule[i];
        *s = (tf_schedule){.solo = -1, .traffic = -1, .root = i};
        if (!node->step || tf_step_is_parameter(node)) continue;
        if (node->step->alias) s->root = plan->schedule[node->input[0]].root;
        tf_traffic *traffic = NULL;
        if (node->step->cost) {
            s->traffic = plan->traffics;
            traffic = &plan->traffic[plan->traffics++];
            *traffic = (tf_traffic){.cut = program->cut, .dealt_at = -1};
            node->step->cost(program, node, traffic);
        }
        set_times(program, node, traffic, plan->schedule, false, s);
        rounds = max(rounds, s->end);
    }
    return rounds;
}

tf_status tf_plan_ops(const tf_program *program, const tf_plan *plan, int ops, tf_op_moves *moves) {
    tf_schedule *alone = calloc((size_t)program->nodes + 1, sizeof *alone);
    if (!alone) return tf_fail(TF_NOMEM, "no memory for a plan of %d steps", program->nodes);
    memset(moves, 0, ((size_t)ops + 1) * sizeof *moves);
    for (int i = 0; i < program->nodes; i++) {
        const tf_step_node *node = &program->node[i];
        int index = plan->schedule[i].traffic;
        if (!node->step || tf_step_is_parameter(node)) continue;
        tf_op_moves *op = &moves[node->op < 0 ? ops : node->op];
        set_times(program, node, index < 0 ? NULL : &plan->traffic[index], alone, true, &alone[i]);
        op->rounds = max(op->rounds, alone[i].end);
        op->bytes += tf_plan_node_bytes(plan, i);
    }
    free(alone);
    return TF_OK;
}

/** Whether a node's solo phase needs nothing that the pair phases of its time make: of each input S's third, which was
 *  there before or is made by a solo phase of which that is true, or all of it since an earlier time. */
static bool is_early(const tf_program *program, const tf_plan *plan, const bool *early, int i) {
    const tf_step_node *node = &program->node[i];
    const int time = plan->schedule[i].solo;
    const bool ahead = tf_step_keeps_thirds(program, node);
    for (int k = 0; k < node->inputs; k++) {
        const int made = plan->schedule[node->input[k]].root;
        const tf_schedule *s = &plan->schedule[made];
        if (!runs(&program->node[made])) continue;
        const bool third = ahead && s->solo >= 0 && !tf_step_reads_whole(program, node, k);
        if (third ? s->solo > time || (s->solo == time && !early[made]) : s->end >= time) return false;
    }
    return time >= 0;
}

/** Of a pass over the entries of all times: solo phases that can come first do, and are worked on while messages of the
 *  round before are under way; then the others, in the order of nodes. */
enum { EARLY, OTHERS, SHARES };

static bool belongs(const tf_schedule *s, const bool *early, int i, int share, int phase) {
    const bool first = phase == TF_SOLO_PHASE && early[i];
    return (phase == TF_SOLO_PHASE ? s->solo : s->pair + phase) >= 0 && first == (share == EARLY);
}

/** Entries by time; what each round carries. */
static tf_status fill_rounds(const tf_program *program, tf_plan *plan) {
    size_t times = (size_t)plan->rounds + 1, entries = 0;
    plan->first_entry = calloc(times + 1, sizeof *plan->first_entry);
    plan->round_bytes = calloc(times, sizeof *plan->round_bytes);
    plan->early = calloc(times, sizeof *plan->early);
    int *fill = calloc(times + 1, sizeof *fill);
    bool *early = calloc((size_t)program->nodes + 1, sizeof *early);
    for (int i = 0; i < program->nodes && early; i++)
        early[i] = runs(&program->node[i]) && is_early(program, plan, early, i);
    for (int pass = 0; pass < 2; pass++) {
        if (!plan->first_entry || !plan->round_bytes || !plan->early || !fill || !early) break;
        for (int at = 0; at < SHARES * program->nodes; at++) {
            const int i = at % program->nodes, share = at / program->nodes;
            tf_schedule *s = &plan->schedule[i];
            if (!runs(&program->node[i])) continue;
            for (int phase = TF_SOLO_PHASE; phase <= s->end - s->pair; phase++) {
                int time = phase == TF_SOLO_PHASE ? s->solo : s->pair + phase;
                if (!belongs(s, early, i, share, phase)) continue;
                if (pass == 0)
                    plan->first_entry[time + 1]++, plan->early[time] += share == EARLY, entries++;
                else
                    plan->entry[fill[time]++] = (tf_entry){i, phase};
            }
        }
        if (pass == 0) {
            for (size_t t = 0; t < times; t++) plan->first_entry[t + 1] += plan->first_entry[t];
            memcpy(fill, plan->first_entry, (times + 1) * sizeof *fill);
            plan->entry = malloc((entries + 1) * sizeof *plan->entry);
            plan->place = malloc((entries + 1) * sizeof *plan->place);
            if (!plan->entry || !plan->place) break;
        }
    }
    free(fill);
    free(early);
    if (!plan->entry || !plan->place) return tf_fail(TF_NOMEM, "no memory for a plan of %d steps", program->nodes);
    uint64_t before = 0;
    for (size_t t = 0; t < times; t++) {
        for (int e = plan->first_entry[t]; e < plan->first_entry[t + 1]; e++) {
            tf_traffic_matrix sent;
            memcpy(plan->place[e], plan->round_bytes[t], sizeof sent);
            if (!tf_plan_emission(plan, plan->entry[e], sent)) continue;
            for (int i = 0; i < TF_PARTIES; i++)
                for (int j = 0; j < TF_PARTIES; j++) {
                    plan->round_bytes[t][i][j] += sent[i][j];
                    plan->bytes[i][j] += sent[i][j];
                }
        }
        uint64_t most = 0;
        for (int p = 0; p < TF_PARTIES; p++) {
            uint64_t held = 0;
            for (int q = 0; q < TF_PARTIES; q++) held += plan->round_bytes[t][p][q] + plan->round_bytes[t][q][p];
            if (held > most) most = held;
        }
        if (most + before > plan->buffer_bytes) plan->buffer_bytes = most + before; /* two rounds are held at a time */
        before = most;
    }
    plan->total_bytes = matrix_sum(plan->bytes);
    return TF_OK;
}

/* Memory: intervals of time get offsets by first fit, in order of their start. */

typedef struct interval {
    int start, end;
    uint64_t words, *offset;
} interval;

static int by_start(const void *a, const void *b) {
    const interval *x = a, *y = b;
    if (x->start != y->start) return x->start < y->start ? -1 : 1;
    return x->words < y->words ? 1 : x->words > y->words ? -1 : x->offset < y->offset ? -1 : 1;
}

typedef struct block {
    uint64_t begin, end;
    int until;
} block;

static tf_status place(interval *list, size_t count, uint64_t *total) {
    block *live = malloc((count + 1) * sizeof *live);
    if (!live) return tf_fail(TF_NOMEM, "no memory for a plan");
    size_t n = 0;
    qsort(list, count, sizeof *list, by_start);
    for (size_t i = 0; i < count; i++) {
        size_t kept = 0;
        for (size_t k = 0; k < n; k++)
            if (live[k].until >= list[i].start) live[kept++] = live[k];
        n = kept;
        uint64_t at = 0;
        size_t k = 0;
        for (; k < n && live[k].begin - at < list[i].words; k++) at = live[k].end;
        memmove(live + k + 1, live + k, (n - k) * sizeof *live);
        live[k] = (block){at, at + list[i].words, list[i].end};
        n++;
        *list[i].offset = at;
        if (at + list[i].words > *total) *total = at + list[i].words;
    }
    free(live);
    return TF_OK;
}

static tf_status assign_memory(const tf_program *program, tf_plan *plan) {
    size_t nodes = (size_t)program->nodes, count = 0;
    interval *list = malloc((2 * nodes + 1) * sizeof *list);
    int *last = calloc(nodes + 1, sizeof *last);
    tf_status status = list && last ? TF_OK : tf_fail(TF_NOMEM, "no memory for a plan of %zu steps", nodes);
    for (size_t i = 0; i < nodes && !status; i++) {
        tf_schedule *s = &plan->schedule[i];
        last[s->root] = max(last[s->root], s->end);
        for (int k = 0; k < program->node[i].inputs; k++) {
            int root = plan->schedule[program->node[i].input[k]].root;
            last[root] = max(last[root], s->end);
        }
    }
    for (size_t i = 0; i < nodes && !status; i++) {
        const tf_step_node *node = &program->node[i];
        tf_schedule *s = &plan->schedule[i];
        if (!stored(node)) continue;
        size_t n = tf_shape_count(node->type.shape), state = node->step->state ? node->step->state(program, node) : 0;
        s->words = node->type.kind == TF_BIT ? (node->type.bits * tf_words(n) + 7) / 8 * 8 : 2 * ((n + 7) / 8 * 8);
        int start = s->solo >= 0 && s->solo < s->pair ? s->solo : s->pair;
        list[count++] = (interval){start, last[i], s->words, &s->offset};
        if (state) list[count++] = (interval){start, s->end, (state + 7) / 8 * 8, &s->state};
    }
    if (!status) status = place(list, count, &plan->arena_words);
    free(list);
    free(last);
    return status;
}

tf_status tf_plan_make(const tf_program *program, tf_plan *plan) {
    *plan = (tf_plan){0};
    TF_TRY(tf_program_status(program));
    size_t nodes = (size_t)program->nodes + 1;
    plan->schedule = calloc(nodes, sizeof *plan->schedule);
    plan->traffic = calloc(nodes, sizeof *plan->traffic);
    tf_status status =
        plan->schedule && plan->traffic ? TF_OK : tf_fail(TF_NOMEM, "no memory for a plan of %zu steps", nodes);
    if (!status) {
        plan->rounds = schedule(program, plan);
        status = fill_rounds(program, plan);
    }
    if (!status) status = assign_memory(program, plan);
    if (status) tf_plan_free(plan);
    return status;
}

void tf_plan_free(tf_plan *plan) {
    free(plan->schedule);
    free(plan->traffic);
    free(plan->entry);
    free(plan->place);
    free(plan->first_entry);
    free(plan->early);
    free(plan->round_bytes);
    *plan = (tf_plan){0};
}
