#include "runtime/execute/rounds.h"

#include <stdlib.h>

/* Small enough to overlap with the work on it, large enough to cost nothing; less than what S deals ahead of a layer
 * of BERT-base makes. */
enum { PIECE_BYTES = 3 << 15 };

/** Whether a piece ends where `to` bytes are complete. Both ends of the link ask the same. */
static bool piece_ends(uint64_t from, uint64_t to, bool last) {
    return last ? to > from : to - from >= PIECE_BYTES;
}

static tf_status expect_piece(tf_rounds *r, int peer, tf_incoming *in, uint64_t from, uint64_t to) {
    if (in->pieces == in->capacity) {
        size_t capacity = in->capacity ? 2 * in->capacity : 16;
        tf_piece *more = realloc(in->piece, capacity * sizeof *more);
        if (!more) return tf_fail(TF_NOMEM, "no memory for the pieces of a message");
        in->piece = more;
        in->capacity = capacity;
    }
    in->piece[in->pieces].end = to;
    return tf_link_receive(r->party->link, peer, in->data + from, to - from, &in->piece[in->pieces++].ticket);
}

/** Queues the receptions of a round, cut where the senders will cut them. */
static tf_status expect_all(tf_rounds *r) {
    int id = r->party->id, first = r->plan->first_entry[r->time], end = r->plan->first_entry[r->time + 1];
    uint64_t begun[TF_PARTIES] = {0};
    for (int e = first; e <= end; e++)
        for (int p = 0; p < TF_PARTIES; p++) {
            if (p == id) continue;
            uint64_t complete =
                e < end ? tf_plan_place(r->plan, r->time, e, p, id).end : r->plan->round_bytes[r->time][p][id];
            if (!piece_ends(begun[p], complete, e == end)) continue;
            TF_TRY(expect_piece(r, p, &r->in[1 - r->time % 2][p], begun[p], complete));
            begun[p] = complete;
        }
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
        in->data = r->party->message[1][1 - parity][p].data;
        in->pieces = in->arrived = 0;
    }
    return expect_all(r);
}

uint8_t *tf_rounds_place(tf_rounds *r, int peer, uint64_t bytes) {
    tf_outgoing *out = &r->out[r->time % 2][peer];
    if (!out->data) return NULL;
    uint8_t *at = out->data + out->placed;
    out->placed += bytes;
    return at;
}

tf_status tf_rounds_send(tf_rounds *r, bool last) {
    if (r->party->broken) return tf_fail_public(TF_INTERNAL, "AES-128-CTR failed: nothing unmasked was sent");
    for (int p = 0; p < TF_PARTIES; p++) {
        tf_outgoing *out = &r->out[r->time % 2][p];
        out->filled = out->placed;
        if (!piece_ends(out->sent, out->filled, last)) continue;
        TF_TRY(tf_link_send(r->party->link, p, out->data + out->sent, out->filled - out->sent, &out->last));
        out->sent = out->filled;
        out->busy = true;
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
