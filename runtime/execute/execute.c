#include "runtime/execute/execute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/clock.h"
#include "runtime/execute/rounds.h"
#include "runtime/steps/copies.h"

/** A moment, for the times of a run. */
typedef struct instant {
    double clock, sealed; /**< sealed: seconds of encryption until now */
    tf_meter meter;
} instant;

typedef struct run {
    tf_party *party;
    const tf_program *program;
    const tf_plan *plan;
    tf_slots *slots;
    uint64_t *arena;
    tf_view *view;                   /* of every node */
    tf_mail (*received)[TF_PARTIES]; /* of every node: the last exchange's messages */
    tf_mail (*dealt)[TF_PARTIES];    /* of every node: what each S sent to us as R */
    tf_copies copies;                /* their hashes, where they are compared */
    tf_rounds rounds;
    int op;          /* the op of the graph that ran last */
    instant counted; /* until when times have been counted */
} run;

static void set_views(run *r, const tf_view *params) {
    /* first, because a view of a weight or a state may have another name later on */
    for (int k = 0; k < r->program->params; k++) r->view[r->program->param[k].value] = params[k];
    for (int k = 0; k < r->program->helds; k++) r->view[r->program->held[k].value] = r->slots->held[k].view;
    for (int i = 0; i < r->program->nodes; i++) {
        const tf_step_node *node = &r->program->node[i];
        const tf_schedule *s = &r->plan->schedule[i];
        if (!node->step || tf_step_is_parameter(node) || node->step->held) continue;
        if (s->root != i) {
            r->view[i] = r->view[node->input[0]];
            if (node->step->alias_offset) r->view[i].bit += node->step->alias_offset(r->program, node);
        } else if (node->type.kind == TF_BIT) {
            r->view[i].bit = r->arena + s->offset;
        } else {
            r->view[i].c[0] = r->arena + s->offset;
            r->view[i].c[1] = r->view[i].c[0] + s->words / 2;
        }
    }
}

/* The times of a run, if anybody wants them. */

static instant now(const run *r) {
    if (!r->party->profile) return (instant){0};
    return (instant){tf_clock(), tf_link_read_counters(r->party->link).encryption_seconds, tf_thread_meter};
}

/** Counts what went by since the last call for an op; what no meter has seen is `otherwise`. */
static void count_times(run *r, int op, tf_activity otherwise) {
    tf_profile *profile = r->party->profile;
    if (!profile) return;
    instant end = now(r), *start = &r->counted;
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
    *start = end;
}

/* Phases --------------------------------------------------------------------------------------------------------- */

/** What one call of a step is given of a part. */
typedef struct part_call {
    tf_part part;
    uint8_t *message, *copy; /* the copy is for L, of so many bytes */
    size_t copied;
    const uint8_t *received, *dealt;
} part_call;

/** A phase of a node, or some of its parts. */
typedef struct task {
    tf_call call;
    int phase;
    part_call part[TF_PARTS];
    int parts;
} task;

static tf_status call_phase(tf_call *call, const task *t) {
    const tf_step *step = call->node->step;
    if (step->whole) return step->whole(call, t->phase);
    for (int k = 0; k < t->parts; k++) {
        call->part = t->part[k].part;
        call->message = t->part[k].message;
        call->received = t->part[k].received;
        call->dealt = t->part[k].dealt;
        if (step->local)
            TF_TRY(step->local(call));
        else if (t->phase == TF_SOLO_PHASE)
            TF_TRY(step->solo(call));
        else
            TF_TRY(step->pair(call, t->phase));
    }
    return TF_OK;
}

/* A phase that several threads work on. */

enum { MUCH = 1 << 14 }; /* elements: less is done before a thread has woken up */

typedef struct shared_phase {
    const task *task;
    tf_party *party; /* of every worker: whether a stream could be made is its own */
    struct {
        tf_failure failure;
    } * outcome;
} shared_phase;

/** Bytes of a worker's scratch: those of a product of any size. */
static size_t scratch_bytes(const tf_party *party) {
    return party->kernels->matmul_scratch(SIZE_MAX, SIZE_MAX);
}

static void work_on_phase(void *context, int k) {
    const shared_phase *shared = context;
    tf_call call = shared->task->call;
    call.party = &shared->party[k];
    call.worker = k;
    call.scratch = (char *)call.scratch + (size_t)k * scratch_bytes(call.party);
    call.workers = tf_workers_count(shared->task->call.party->workers);
    tf_failure_keep(call_phase(&call, shared->task), &shared->outcome[k].failure);
}

static tf_status share_phase(tf_party *party, const task *t) {
    int threads = tf_workers_count(party->workers);
    shared_phase shared = {.task = t};
    shared.party = calloc((size_t)threads, sizeof *shared.party);
    shared.outcome = calloc((size_t)threads, sizeof *shared.outcome);
    tf_status status = TF_OK;
    if (!shared.party || !shared.outcome) status = tf_fail(TF_NOMEM, "no memory for %d threads", threads);
    for (int k = 0; k < threads && !status; k++) shared.party[k] = *party;
    if (!status) tf_workers_run(party->workers, work_on_phase, &shared);
    for (int k = 0; k < threads && !status; k++) {
        party->broken |= shared.party[k].broken;
        if (shared.outcome[k].failure.status) status = tf_failure_raise(&shared.outcome[k].failure);
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
        tf_party *party = r->party;
        TF_TRY(tf_buffer_reserve(&party->scratch, tf_operand_bytes(party->id, type)));
        TF_TRY(
            tf_source_panels(party->id, party->kernels, party->workers, call->in[k].later, type, party->scratch.data));
        TF_TRY(tf_operand_over(party->id, party->kernels, party->scratch.data, type, packed));
        call->in[k].packed = *packed;
    }
    return TF_OK;
}

/** Waits until a step can read what a peer sent it. */
static tf_status await(run *r, int node, int peer, const tf_mail *mail) {
    if (tf_rounds_arrived(&r->rounds, peer, mail)) return TF_OK;
    count_times(r, r->program->node[node].op, TF_LOCAL);
    tf_status status = tf_rounds_await(&r->rounds, peer, mail);
    count_times(r, r->program->node[node].op, TF_WAITING);
    return status;
}

/** Waits until a part's bytes are there: all that a peer sent for the entry but the last `after` bytes, those of the
 * part that follows. */
static tf_status await_part(run *r, int node, int peer, tf_mail mail, uint64_t after) {
    mail.end -= after;
    return await(r, node, peer, &mail);
}

/** Part k of a phase becomes part of the task: waits for what it reads, and finds places for what it sends. */
static tf_status add_part(run *r, tf_entry entry, int k, task *t) {
    int id = r->party->id, s = tf_solo_of(k), index = r->plan->schedule[entry.node].traffic;
    const tf_traffic *traffic = &r->plan->traffic[index];
    part_call *c = &t->part[t->parts++];
    *c = (part_call){.part = tf_part_of(id, tf_shape_count(t->call.node->type.shape), r->program->cut, k)};
    if (entry.phase == TF_SOLO_PHASE) {
        c->message = tf_rounds_place(&r->rounds, tf_right_of(k), traffic->dealt[k]);
        if (!traffic->both) return TF_OK;
        c->copied = traffic->dealt[k];
        c->copy = tf_rounds_place(&r->rounds, tf_left_of(k), c->copied);
        return TF_OK;
    }
    int other = tf_partner(id, k);
    if (entry.phase > 0) {
        const uint64_t *swapped = traffic->swapped[entry.phase - 1];
        const tf_mail *mail = &r->received[entry.node][other];
        TF_TRY(await_part(r, entry.node, other, *mail, k % 2 ? 0 : swapped[k + 1]));
        c->received = mail->data + (k % 2 ? swapped[k - 1] : 0);
    }
    if (entry.phase == traffic->dealt_at && (c->part.role == TF_RIGHT || traffic->both)) {
        const tf_mail *mail = &r->dealt[entry.node][s];
        TF_TRY(await_part(r, entry.node, s, *mail, traffic->both && k % 2 == 0 ? traffic->dealt[k + 1] : 0));
        c->dealt = mail->data + (k % 2 && traffic->both ? traffic->dealt[k - 1] : 0);
    }
    if (entry.phase < traffic->exchanges)
        c->message = tf_rounds_place(&r->rounds, other, traffic->swapped[entry.phase][k]);
    return TF_OK;
}

static tf_status run_task(run *r, const task *t) {
    bool much = work_of(r->program, t->call.node) >= MUCH;
    tf_call call = t->call;
    TF_TRY(much && t->call.node->step->shares_work && r->party->workers ? share_phase(r->party, t)
                                                                        : call_phase(&call, t));
    for (int k = 0; k < t->parts; k++)
        if (t->part[k].copied) memcpy(t->part[k].copy, t->part[k].message, t->part[k].copied);
    TF_TRY(tf_rounds_send(&r->rounds));
    return much ? tf_rounds_poll(&r->rounds) : TF_OK;
}

/** A step that works on everything at once. */
static tf_status run_whole(run *r, int e, task *t) {
    tf_entry entry = r->plan->entry[e];
    for (int p = 0; p < TF_PARTIES; p++) {
        if (p == r->party->id) continue;
        if (entry.phase > 0) TF_TRY(await(r, entry.node, p, &r->received[entry.node][p]));
        t->call.receive[p] = r->received[entry.node][p].data;
        tf_place place = tf_plan_place(r->plan, r->rounds.time, e, r->party->id, p);
        t->call.send[p] = tf_rounds_place(&r->rounds, p, place.end - place.begin);
    }
    return run_task(r, t);
}

/** A step without messages: what S can know ahead at the time of the solo phase, the rest when all parties can. */
static tf_status run_local(run *r, tf_entry entry, task *t) {
    size_t n = tf_shape_count(t->call.node->type.shape);
    bool ahead = r->plan->schedule[entry.node].solo >= 0;
    for (int s = 0; s < (ahead ? TF_PARTIES : 1); s++)
        if (!ahead || (s == r->party->id) == (entry.phase == TF_SOLO_PHASE))
            t->part[t->parts++].part.span = ahead ? tf_third(n, r->program->cut, s) : (tf_span){0, n};
    return run_task(r, t);
}

/** A step that works in parts: one by one, so that one travels while the next is computed, but all of a third, or all
 * at once, where there is little to do in one for each thread. */
static tf_status run_parts(run *r, tf_entry entry, task *t) {
    const int id = r->party->id;
    const size_t threads = (size_t)tf_workers_count(r->party->workers);
    const size_t n = tf_shape_count(t->call.node->type.shape);
    const bool solo = entry.phase == TF_SOLO_PHASE, alone = threads == 1 && work_of(r->program, t->call.node) >= MUCH,
               together = !solo && threads > 1 && n / TF_PARTS < 4 * threads * TF_BLOCK;
    for (int k = 0; k < TF_PARTS; k++) {
        if ((tf_solo_of(k) == id) != solo) continue;
        TF_TRY(add_part(r, entry, k, t));
        const bool last = k == 2 * id + 1 || k == (id == 2 ? 3 : 5);
        if (!last && (together || (k % 2 == 0 && !alone))) continue;
        TF_TRY(run_task(r, t));
        t->parts = 0;
    }
    return TF_OK;
}

/** Where the messages of this phase will be read. */
static void expect_mail(run *r, int e) {
    tf_entry entry = r->plan->entry[e];
    tf_mail(*mail)[TF_PARTIES] = entry.phase == TF_SOLO_PHASE ? r->dealt : r->received;
    for (int p = 0; p < TF_PARTIES; p++) {
        if (p == r->party->id) continue;
        tf_place place = tf_plan_place(r->plan, r->rounds.time, e, p, r->party->id);
        mail[entry.node][p] = tf_rounds_mail(&r->rounds, p, place.begin, place.end - place.begin);
    }
}

static tf_status run_entry(run *r, int e) {
    tf_entry entry = r->plan->entry[e];
    const tf_step_node *node = &r->program->node[entry.node];
    const tf_schedule *s = &r->plan->schedule[entry.node];
    task t = {.phase = entry.phase,
              .call = {.party = r->party,
                       .program = r->program,
                       .node = node,
                       .index = (uint32_t)entry.node,
                       .out = r->view[entry.node],
                       .state = r->arena + s->state,
                       .scratch = r->party->products.data,
                       .copies = &r->copies,
                       .workers = 1,
                       .slots = r->slots}};
    for (int k = 0; k < node->inputs; k++) t.call.in[k] = r->view[node->input[k]];
    tf_packed *packed = NULL;
    const bool ahead = tf_step_keeps_thirds(r->program, node); /* else all is made in the solo phase */
    if (entry.phase == TF_SOLO_PHASE || (entry.phase == 0 && ahead)) TF_TRY(pack_weight(r, &t.call, &packed));
    tf_status status = node->step->whole   ? run_whole(r, e, &t)
                       : node->step->local ? run_local(r, entry, &t)
                                           : run_parts(r, entry, &t);
    tf_packed_free(packed);
    expect_mail(r, e);
    if (status || entry.phase == TF_SOLO_PHASE || s->pair + entry.phase < s->end) return status;
    if (r->party->observer)
        TF_TRY(r->party->observer(r->party->observer_context, r->party, r->program, r->plan, entry.node, &t.call.out));
    if (entry.node < r->program->copies && !node->step->sink)
        tf_copies_hash(r->party, r->program, entry.node, &t.call.out, &r->copies);
    return TF_OK;
}

static tf_status run_time(run *r, int time) {
    TF_TRY(tf_rounds_open(&r->rounds, time));
    count_times(r, r->op, TF_WAITING);
    for (int e = r->plan->first_entry[time]; e < r->plan->first_entry[time + 1]; e++) {
        tf_entry entry = r->plan->entry[e];
        int op = r->program->node[entry.node].op;
        if (entry.phase != TF_SOLO_PHASE) r->op = op; /* solo phases run ahead of the op that the others are at */
        TF_TRY(run_entry(r, e));
        count_times(r, op, TF_LOCAL);
    }
    tf_status status = tf_rounds_send(&r->rounds);
    if (!status) status = tf_rounds_close(&r->rounds);
    count_times(r, r->op, TF_WAITING);
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
            return tf_fail_public(TF_INTERNAL,
                                  "the run and its forecast differ between parties %d and %d: sent %llu of %llu, "
                                  "received %llu of %llu bytes",
                                  party->id, p, (unsigned long long)stats->sent[p],
                                  (unsigned long long)plan->bytes[party->id][p], (unsigned long long)stats->received[p],
                                  (unsigned long long)plan->bytes[p][party->id]);
    }
    if (stats->rounds != (uint64_t)plan->rounds)
        return tf_fail_public(TF_INTERNAL, "the run took %llu rounds where %d were forecast",
                              (unsigned long long)stats->rounds, plan->rounds);
    return TF_OK;
}

/** The memory of a run, and the views of its values. */
static tf_status open_run(run *r, const tf_view *params) {
    size_t nodes = (size_t)r->program->nodes + 1;
    TF_TRY(tf_buffer_reserve(&r->party->arena, (r->plan->arena_words + 1) * sizeof(uint64_t)));
    r->arena = r->party->arena.data;
    const size_t threads = (size_t)tf_workers_count(r->party->workers);
    TF_TRY(tf_buffer_reserve(&r->party->products, threads * scratch_bytes(r->party)));
    r->view = calloc(nodes, sizeof *r->view);
    r->received = calloc(nodes, sizeof *r->received);
    r->dealt = calloc(nodes, sizeof *r->dealt);
    if (!r->view || !r->received || !r->dealt) return tf_fail(TF_NOMEM, "no memory for a run of %zu steps", nodes);
    set_views(r, params);
    TF_TRY(tf_rounds_reserve(&r->rounds));
    return r->program->copies ? tf_copies_open(r->party, r->program->copies, &r->copies) : TF_OK;
}

static void close_run(run *r) {
    if (r->arena) explicit_bzero(r->arena, (r->plan->arena_words + 1) * sizeof(uint64_t));
    const tf_buffer *products = &r->party->products;
    if (products->data) explicit_bzero(products->data, products->capacity);
    tf_copies_close(&r->copies);
    free(r->view);
    free(r->received);
    free(r->dealt);
    tf_rounds_free(&r->rounds);
}

static uint64_t moved(const tf_party *party) {
    tf_link_counters counters = tf_link_read_counters(party->link);
    uint64_t bytes = 0;
    for (int p = 0; p < TF_PARTIES; p++) bytes += counters.bytes_sent[p] + counters.bytes_received[p];
    return bytes;
}

static void tell_part(const run *r, int round, uint64_t before) {
    const tf_party *party = r->party;
    uint64_t all = 0;
    for (int p = 0; p < TF_PARTIES; p++) all += r->plan->bytes[party->id][p] + r->plan->bytes[p][party->id];
    double bytes = all ? (double)(moved(party) - before) / (double)all : 1;
    party->watch(party->watch_context, 0.5 * (bytes + (double)round / (r->plan->rounds + 1)), r->op);
}

static tf_status run_rounds(run *r, tf_run_stats *stats) {
    tf_status status = TF_OK;
    uint64_t before = r->party->watch ? moved(r->party) : 0;
    r->counted = now(r);
    for (int time = 0; time <= r->plan->rounds && !status; time++) {
        stats->round = time < r->plan->rounds ? time + 1 : time;
        status = run_time(r, time);
        if (r->party->watch && !status) tell_part(r, time + 1, before);
    }
    stats->op = r->op;
    return status ? status : tf_rounds_finish(&r->rounds);
}

/** All rounds under the clock, and metered where somebody asks. */
static tf_status time_rounds(run *r, tf_run_stats *stats, tf_profile *profile) {
    tf_party *party = r->party;
    tf_link_counters before = tf_link_read_counters(party->link);
    double start = tf_clock();
    party->profile = profile;
    tf_thread_meter.on = profile;
    tf_status status = run_rounds(r, stats);
    party->profile = NULL;
    tf_thread_meter.on = false;
    stats->seconds = tf_clock() - start;
    return status ? status : check_forecast(party, r->plan, &before, stats);
}

tf_status tf_execute(tf_party *party, const tf_program *program, const tf_plan *plan, const tf_view *params,
                     tf_slots *slots, tf_run_stats *stats, tf_profile *profile) {
    tf_run_stats local;
    if (!stats) stats = &local;
    *stats = (tf_run_stats){.op = -1};
    if (program->helds && (!slots || !slots->held)) return tf_fail(TF_INTERNAL, "a program with state was given none");
    TF_TRY(tf_party_next_run(party));
    run r = {.party = party, .program = program, .plan = plan, .slots = slots, .op = -1};
    r.rounds = (tf_rounds){.party = party, .plan = plan};
    tf_status status = open_run(&r, params);
    if (!status) status = time_rounds(&r, stats, profile);
    close_run(&r);
    if (!status) return TF_OK;
    party->abandoned = true;
    char round[64];
    snprintf(round, sizeof round, "round %d of %d", stats->round, plan->rounds);
    return tf_fail_doing(status, round);
}
