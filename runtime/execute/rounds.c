#include "runtime/execute/rounds.h"

#include <stdlib.h>

#include "net/base/array.h"

/* Small enough to overlap with the work on it, large enough to cost nothing. */
enum { PIECE_BYTES = 1 << 16 };

/** Where the first part's bytes end in an entry's message, of those that travel in two parts; else where they begin. */
static uint64_t first_part_end(const tf_plan *plan, int time, int e, int from, int to) {
    const tf_entry entry = plan->entry[e];
    const int index = plan->schedule[entry.node].traffic;
    const uint64_t begin = tf_plan_place(plan, time, e, from, to).begin;
    if (index < 0) return begin;
    const tf_traffic *traffic = &plan->traffic[index];
    if (entry.phase == TF_SOLO_PHASE)
        return tf_right_of(2 * from) == to || traffic->both ? begin + traffic->dealt[2 * from] : begin;
    return entry.phase < traffic->exchanges ? begin + traffic->swapped[entry.phase][2 * (TF_PARTIES - from - to)]
                                            : begin;
}

/** The next place at which a message may be cut, where parts end, from candidate *k of the time on: its end if it has
 *  come so far that a piece is complete, or the whole message. 0 when nothing is left. Both ends of the link ask the
 *  same. */
static uint64_t next_cut(const tf_plan *plan, int time, int from, int to, uint64_t begun, int *k) {
    const int first = plan->first_entry[time], count = 2 * (plan->first_entry[time + 1] - first);
    for (; *k < count; ++*k) {
        const int e = first + *k / 2;
        const uint64_t end =
            *k % 2 ? tf_plan_place(plan, time, e, from, to).end : first_part_end(plan, time, e, from, to);
        if (end >= begun + PIECE_BYTES) return end;
    }
    const uint64_t whole = plan->round_bytes[time][from][to];
    return whole > begun ? whole : 0;
}

static tf_status expect_piece(tf_rounds *r, int peer, tf_incoming *in, uint64_t from, uint64_t to) {
    tf_piece *more = tf_grow(in->piece, &in->capacity, in->pieces + 1, sizeof *more);
    if (!more) return tf_fail(TF_NOMEM, "no memory for the pieces of a message");
    in->piece = more;
    in->piece[in->pieces].end = to;
    return tf_link_receive(r->party->link, peer, in->data + from, to - from, &in->piece[in->pieces++].ticket);
}

/** Queues the receptions of a round from a peer, cut where it will cut them. */
static tf_status expect_pieces(tf_rounds *r, int p) {
    const int id = r->party->id;
    int k = 0;
    for (uint64_t begun = 0, end; (end = next_cut(r->plan, r->time, p, id, begun, &k)); begun = end)
        TF_TRY(expect_piece(r, p, &r->in[1 - r->time % 2][p], begun, end));
    return TF_OK;
}

tf_status tf_rounds_reserve(tf_rounds *r) {
    const int id = r->party->id;
    for (int p = 0; p < TF_PARTIES; p++) {
        uint64_t most[2][2] = {{0}};
        if (p == id) continue;
        for (int time = 0; time < r->plan->rounds; time++) {
            const uint64_t to = r->plan->round_bytes[time][id][p], from = r->plan->round_bytes[time][p][id];
            if (to > most[0][time % 2]) most[0][time % 2] = to;
            if (from > most[1][1 - time % 2]) most[1][1 - time % 2] = from;
        }
        for (int k = 0; k < 4; k++) TF_TRY(tf_buffer_reserve(&r->party->message[k / 2][k % 2][p], most[k / 2][k % 2]));
    }
    return TF_OK;
}

tf_status tf_rounds_open(tf_rounds *r, int time) {
    int id = r->party->id, parity = time % 2;
    r->time = time;
    if (time == r->plan->rounds) return TF_OK;
    for (int p = 0; p < TF_PARTIES; p++) {
        if (p == id) continue;
        tf_outgoing *out = &r->out[parity][p];
        tf_incoming *in = &r->in[1 - parity][p];
        if (out->busy) TF_TRY(tf_link_wait(r->party->link, out->last));
        *out = (tf_outgoing){.data = r->party->message[0][parity][p].data};
        out->end = next_cut(r->plan, time, id, p, 0, &out->cut);
        in->data = r->party->message[1][1 - parity][p].data;
        in->pieces = in->arrived = 0;
        TF_TRY(expect_pieces(r, p));
    }
    return TF_OK;
}

uint8_t *tf_rounds_place(tf_rounds *r, int peer, uint64_t bytes) {
    tf_outgoing *out = &r->out[r->time % 2][peer];
    if (!out->data) return NULL;
    uint8_t *at = out->data + out->placed;
    out->placed += bytes;
    return at;
}

tf_status tf_rounds_send(tf_rounds *r) {
    if (r->party->broken) return tf_fail_public(TF_INTERNAL, "AES-128-CTR failed: nothing unmasked was sent");
    for (int p = 0; p < TF_PARTIES; p++) {
        tf_outgoing *out = &r->out[r->time % 2][p];
        while (out->end && out->end <= out->placed) {
            TF_TRY(tf_link_send(r->party->link, p, out->data + out->sent, out->end - out->sent, &out->last));
            out->sent = out->end;
            out->end = next_cut(r->plan, r->time, r->party->id, p, out->sent, &out->cut);
            out->busy = true;
        }
    }
    return TF_OK;
}

tf_status tf_rounds_poll(tf_rounds *r) {
    for (int p = 0; p < TF_PARTIES; p++) {
        const tf_incoming *in = &r->in[1 - r->time % 2][p];
        bool done;
        if (in->arrived < in->pieces) return tf_link_test(r->party->link, in->piece[in->pieces - 1].ticket, &done);
    }
    return TF_OK;
}

tf_mail tf_rounds_mail(const tf_rounds *r, int peer, uint64_t from, uint64_t bytes) {
    int parity = 1 - r->time % 2;
    const uint8_t *data = r->in[parity][peer].data;
    return (tf_mail){.data = data ? data + from : NULL, .end = bytes ? from + bytes : 0, .parity = parity};
}

bool tf_rounds_arrived(const tf_rounds *r, int peer, const tf_mail *mail) {
    const tf_incoming *in = &r->in[mail->parity][peer];
    return in->arrived == in->pieces || (in->arrived ? in->piece[in->arrived - 1].end : 0) >= mail->end;
}

tf_status tf_rounds_await(tf_rounds *r, int peer, const tf_mail *mail) {
    tf_incoming *in = &r->in[mail->parity][peer];
    for (; !tf_rounds_arrived(r, peer, mail); in->arrived++)
        TF_TRY(tf_link_wait(r->party->link, in->piece[in->arrived].ticket));
    return TF_OK;
}

tf_status tf_rounds_close(tf_rounds *r) {
    if (r->time == r->plan->rounds) return TF_OK;
    tf_mail everything = {.end = UINT64_MAX, .parity = r->time % 2};
    for (int p = 0; p < TF_PARTIES; p++)
        if (p != r->party->id) TF_TRY(tf_rounds_await(r, p, &everything));
    tf_link_count_round(r->party->link);
    return TF_OK;
}

tf_status tf_rounds_finish(tf_rounds *r) {
    for (int k = 0; k < 2; k++)
        for (int p = 0; p < TF_PARTIES; p++)
            if (r->out[k][p].busy) TF_TRY(tf_link_wait(r->party->link, r->out[k][p].last));
    return TF_OK;
}

void tf_rounds_free(tf_rounds *r) {
    for (int k = 0; k < 2; k++)
        for (int p = 0; p < TF_PARTIES; p++) free(r->in[k][p].piece);
}
