#include "runtime/execute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/clock.h"

/** One peer and direction of a round. */
typedef struct transfer {
    uint8_t *data;
    tf_ticket ticket;
    bool busy;
} transfer;

typedef struct run {
    tf_party *party;
    const tf_program *program;
    const tf_plan *plan;
    tf_slots *slots;
    uint64_t *arena;
    tf_view *view;                                  /* of every node */
    const uint8_t *(*received)[TF_PARTIES];         /* of every node: the last exchange's messages */
    const uint8_t **dealt;                          /* of every node: S's message to us as R */
    transfer out[2][TF_PARTIES], in[2][TF_PARTIES]; /* by the round's parity: one is filled while the other travels */
    int op;                                         /* the op of the graph that ran last */
} run;

static void set_views(run *r, const tf_view *params) {
    /* first, because a view of a weight may have another name later on */
    for (int k = 0; k < r->program->params; k++) r->view[r->program->param[k].value] = params[k];
    for (int i = 0; i < r->program->nodes; i++) {
        const tf_step_node *node = &r->program->node[i];
        const tf_schedule *s = &r->plan->schedule[i];
        if (!node->step || tf_step_is_parameter(node)) continue;
        if (s->root != i) {
            r->view[i] = r->view[s->root];
        } else if (node->type.class == TF_BIT) {
            r->view[i].bit = r->arena + s->offset;
        } else {
            r->view[i].c[0] = r->arena + s->offset;
            r->view[i].c[1] = r->view[i].c[0] + s->words / 2;
        }
    }
}

/** Reserves the round's buffers, queues the receptions, and says where each message of the round lies. */
static tf_status open_round(run *r, int time) {
    int id = r->party->id;
    transfer *in = r->in[(time + 1) % 2], *out = r->out[time % 2];
    for (int p = 0; p < TF_PARTIES; p++) {
        if (p == id) continue;
        if (out[p].busy) TF_TRY(tf_link_wait(r->party->link, out[p].ticket));
        out[p].busy = false;
        tf_buffer *to = &r->party->message[0][time % 2][p], *from = &r->party->message[1][(time + 1) % 2][p];
        uint64_t length = r->plan->round_bytes[time][p][id];
        TF_TRY(tf_buffer_reserve(to, r->plan->round_bytes[time][id][p]));
        TF_TRY(tf_buffer_reserve(from, length));
        out[p].data = to->data;
        in[p].data = from->data;
        if (length) TF_TRY(tf_link_receive(r->party->link, p, in[p].data, length, &in[p].ticket));
        in[p].busy = length > 0;
    }
    return TF_OK;
}

/** After a time's phases: what they wrote leaves, what the others wrote arrives. */
static tf_status close_round(run *r, int time) {
    int id = r->party->id;
    transfer *in = r->in[(time + 1) % 2], *out = r->out[time % 2];
    if (r->party->broken) return tf_fail(TF_INTERNAL, "AES-128-CTR failed: nothing unmasked was sent");
    for (int p = 0; p < TF_PARTIES; p++) {
        uint64_t length = p == id ? 0 : r->plan->round_bytes[time][id][p];
        if (!length) continue;
        TF_TRY(tf_link_send(r->party->link, p, out[p].data, length, &out[p].ticket));
        out[p].busy = true;
    }
    for (int p = 0; p < TF_PARTIES; p++) {
        if (p == id || !in[p].busy) continue;
        TF_TRY(tf_link_wait(r->party->link, in[p].ticket));
        in[p].busy = false;
    }
    tf_link_count_round(r->party->link);
    return TF_OK;
}

static tf_status call_phase(tf_call *call, int phase) {
    const tf_step *step = call->node->step;
    return phase == TF_SOLO_PHASE ? step->solo(call) : step->pair(call, phase);
}

/* A phase that several threads work on. */

enum { LEAST_SHARED = 1 << 14 }; /* elements: less is done before a thread has woken up */

typedef struct shared_phase {
    const tf_call *call;
    int phase;
    tf_party *party; /* of every worker: with its own ciphers */
    struct {
        tf_status status;
        char error[512];
    } * outcome;
} shared_phase;

static void work_on_phase(void *context, int k) {
    const shared_phase *shared = context;
    tf_call call = *shared->call;
    call.party = &shared->party[k];
    call.worker = k;
    shared->outcome[k].status = call_phase(&call, shared->phase);
    if (shared->outcome[k].status)
        snprintf(shared->outcome[k].error, sizeof shared->outcome[k].error, "%s", tf_error());
}

static tf_status share_phase(tf_party *party, tf_call *call, int phase) {
    int threads = call->workers = tf_workers_count(party->workers);
    shared_phase shared = {.call = call, .phase = phase};
    shared.party = calloc((size_t)threads, sizeof *shared.party);
    shared.outcome = calloc((size_t)threads, sizeof *shared.outcome);
    tf_status status = TF_OK;
    if (!shared.party || !shared.outcome) status = tf_fail(TF_NOMEM, "no memory for %d threads", threads);
    for (int k = 0; k < threads && !status; k++) {
        shared.party[k] = *party;
        memcpy(shared.party[k].prf, party->own[k], sizeof shared.party[k].prf);
    }
    if (!status) tf_workers_run(party->workers, work_on_phase, &shared);
    for (int k = 0; k < threads && !status; k++) {
        party->broken |= shared.party[k].broken;
        if (shared.outcome[k].status) status = tf_fail(shared.outcome[k].status, "%s", shared.outcome[k].error);
    }
    free(shared.party);
    free(shared.outcome);
    return status;
}

/** Elements that a phase goes through, about. */
static size_t work_of(const tf_program *program, const tf_step_node *node) {
    size_t most = tf_shape_count(node->type.shape);
    for (int k = 0; k < node->inputs; k++) {
        size_t n = tf_shape_count(program->node[node->input[k]].type.shape);
        if (n > most) most = n;
    }
    return most;
}

/** The weight of a product that is packed when it is used. */
static tf_status pack_weight(run *r, tf_call *call, tf_packed **packed) {
    for (int k = 0; k < call->node->inputs; k++) {
        if (!call->in[k].later) continue;
        const tf_type *type = &r->program->node[call->node->input[k]].type;
        TF_TRY(tf_source_pack(r->party, call->in[k].later, type->shape, type->bits, type->zero, packed));
        call->in[k].packed = *packed;
    }
    return TF_OK;
}

static tf_status run_entry(run *r, tf_entry entry, const uint64_t *sent) {
    const tf_step_node *node = &r->program->node[entry.node];
    const tf_schedule *s = &r->plan->schedule[entry.node];
    tf_call call = {.party = r->party,
                    .program = r->program,
                    .node = node,
                    .index = (uint32_t)entry.node,
                    .out = r->view[entry.node],
                    .state = r->arena + s->state,
                    .slots = r->slots,
                    .dealt = r->dealt[entry.node]};
    for (int k = 0; k < node->inputs; k++) call.in[k] = r->view[node->input[k]];
    int time = entry.phase == TF_SOLO_PHASE ? s->solo : s->pair + entry.phase;
    for (int p = 0; p < TF_PARTIES; p++) {
        call.receive[p] = r->received[entry.node][p];
        if (p != r->party->id && r->out[time % 2][p].data) call.send[p] = r->out[time % 2][p].data + sent[p];
    }
    tf_packed *packed = NULL;
    if (entry.phase == TF_SOLO_PHASE) TF_TRY(pack_weight(r, &call, &packed));
    tf_status status;
    if (!node->step->shares_work || !r->party->workers || work_of(r->program, node) < LEAST_SHARED) {
        call.workers = 1;
        status = call_phase(&call, entry.phase);
    } else {
        status = share_phase(r->party, &call, entry.phase);
    }
    tf_packed_free(packed);
    if (status || !r->party->observer || entry.phase == TF_SOLO_PHASE || s->pair + entry.phase < s->end) return status;
    return r->party->observer(r->party->observer_context, r->party, r->program, r->plan, entry.node, &call.out);
}

/* The times of a run, if anybody wants them. */

typedef struct instant {
    double clock, sealed; /**< sealed: seconds of encryption until now */
    tf_meter meter;
} instant;

static instant now(const run *r) {
    if (!r->party->profile) return (instant){0};
    return (instant){tf_clock(), tf_link_read_counters(r->party->link).encryption_seconds, tf_thread_meter};
}

/** Counts what went by since `start` for an op; what no meter has seen is `otherwise`. */
static void count_times(run *r, int op, const instant *start, tf_activity otherwise) {
    tf_profile *profile = r->party->profile;
    if (!profile) return;
    instant end = now(r);
    tf_op_times times = {.seconds = {0}};
    times.seconds[TF_PRF] = end.meter.prf - start->meter.prf;
    times.seconds[TF_PACKING] = end.meter.packing - start->meter.packing;
    times.seconds[TF_ENCRYPTION] = end.sealed - start->sealed;
    times.seconds[otherwise] =
        end.clock - start->clock - times.seconds[TF_PRF] - times.seconds[TF_PACKING] - times.seconds[TF_ENCRYPTION];
    times.product.seconds = end.meter.product.seconds - start->meter.product.seconds;
    for (int i = 0; i < TF_PRODUCT_WIDTHS; i++)
        times.product.multiplications[i] =
            end.meter.product.multiplications[i] - start->meter.product.multiplications[i];
    tf_op_times_add(op >= 0 ? &profile->op[op] : &profile->rest, &times);
}

static tf_status run_time(run *r, int time) {
    int id = r->party->id;
    uint64_t sent[TF_PARTIES] = {0}, received[TF_PARTIES] = {0};
    bool last = time == r->plan->rounds;
    instant start = now(r);
    if (!last) TF_TRY(open_round(r, time));
    count_times(r, r->op, &start, TF_WAITING);
    for (int e = r->plan->first_entry[time]; e < r->plan->first_entry[time + 1]; e++) {
        tf_entry entry = r->plan->entry[e];
        int op = r->program->node[entry.node].op;
        if (entry.phase != TF_SOLO_PHASE) r->op = op; /* solo phases run ahead of the op that the others are at */
        start = now(r);
        tf_status status = run_entry(r, entry, sent);
        count_times(r, op, &start, TF_LOCAL);
        if (status) return status;
        const tf_traffic_matrix *m = tf_plan_emission(r->plan, entry);
        for (int p = 0; m && p < TF_PARTIES; p++) {
            if (p == id) continue;
            const uint8_t *at = r->in[(time + 1) % 2][p].data + received[p];
            if (entry.phase != TF_SOLO_PHASE)
                r->received[entry.node][p] = at;
            else if (p == (id + 2) % 3)
                r->dealt[entry.node] = at;
            sent[p] += (*m)[id][p];
            received[p] += (*m)[p][id];
        }
    }
    start = now(r);
    tf_status status = last ? TF_OK : close_round(r, time);
    count_times(r, r->op, &start, TF_WAITING);
    return status;
}

static tf_status check_forecast(const tf_party *party, const tf_plan *plan, const tf_link_counters *before,
                                tf_run_stats *stats) {
    tf_link_counters after = tf_link_read_counters(party->link);
    stats->wait_seconds = after.wait_seconds - before->wait_seconds;
    stats->rounds = after.rounds - before->rounds;
    for (int p = 0; p < TF_PARTIES; p++) {
        stats->sent[p] = after.bytes_sent[p] - before->bytes_sent[p];
        stats->received[p] = after.bytes_received[p] - before->bytes_received[p];
        if (stats->sent[p] != plan->bytes[party->id][p] || stats->received[p] != plan->bytes[p][party->id])
            return tf_fail(TF_INTERNAL,
                           "the run and its forecast differ between parties %d and %d: sent %llu of %llu, "
                           "received %llu of %llu bytes",
                           party->id, p, (unsigned long long)stats->sent[p],
                           (unsigned long long)plan->bytes[party->id][p], (unsigned long long)stats->received[p],
                           (unsigned long long)plan->bytes[p][party->id]);
    }
    if (stats->rounds != (uint64_t)plan->rounds)
        return tf_fail(TF_INTERNAL, "the run took %llu rounds where %d were forecast",
                       (unsigned long long)stats->rounds, plan->rounds);
    return TF_OK;
}

tf_status tf_execute(tf_party *party, const tf_program *program, const tf_plan *plan, const tf_view *params,
                     tf_slots *slots, tf_run_stats *stats, tf_profile *profile) {
    TF_TRY(tf_party_next_run(party));
    run r = {.party = party, .program = program, .plan = plan, .slots = slots, .op = -1};
    size_t nodes = (size_t)program->nodes + 1, bytes = (plan->arena_words + 1) * sizeof(uint64_t);
    TF_TRY(tf_buffer_reserve(&party->arena, bytes));
    r.arena = party->arena.data;
    r.view = calloc(nodes, sizeof *r.view);
    r.received = calloc(nodes, sizeof *r.received);
    r.dealt = calloc(nodes, sizeof *r.dealt);
    tf_run_stats local;
    if (!stats) stats = &local;
    *stats = (tf_run_stats){.op = -1};
    tf_status status =
        r.view && r.received && r.dealt ? TF_OK : tf_fail(TF_NOMEM, "no memory for a run of %zu steps", nodes);
    if (!status) {
        set_views(&r, params);
        tf_link_counters before = tf_link_read_counters(party->link);
        double start = tf_clock();
        const tf_kernels *kernels = party->kernels;
        party->profile = profile;
        if (profile) party->kernels = tf_kernels_metered();
        for (int time = 0; time <= plan->rounds && !status; time++) {
            stats->round = time < plan->rounds ? time + 1 : time;
            status = run_time(&r, time);
        }
        stats->op = r.op;
        for (int k = 0; k < 2 && !status; k++)
            for (int p = 0; p < TF_PARTIES && !status; p++)
                if (r.out[k][p].busy) status = tf_link_wait(party->link, r.out[k][p].ticket);
        stats->seconds = tf_clock() - start;
        party->profile = NULL;
        party->kernels = kernels;
        if (!status) status = check_forecast(party, plan, &before, stats);
    }
    explicit_bzero(r.arena, bytes);
    free(r.view);
    free(r.received);
    free(r.dealt);
    if (status) {
        party->abandoned = true;
        return status == TF_PEER ? tf_fail_in(status, "round %d of %d", stats->round, plan->rounds) : status;
    }
    return TF_OK;
}
