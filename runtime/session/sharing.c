#include "runtime/session/sharing.h"

#include <stdlib.h>
#include <string.h>

#include "net/base/secret.h"
#include "net/link_abandon.h"
#include "runtime/graph/graph.h"
#include "runtime/kernels/multiversion.h"

enum { CHUNK = 1 << 16, MASK = 1 }; /* elements of a message; purpose of the streams */

/** A message: elements [at, at + count) of one weight, of a matrix for products in the order of its panels. */
typedef struct chunk {
    size_t weight, at, count;
    uint64_t bytes;
} chunk;

typedef struct sharing {
    tf_party *party;
    tf_stored *weight;
    size_t weights;
    const float *const *floats;
    chunk *list;
    size_t chunks;
    int owner;
    tf_buffer *message[2]; /**< the owner's, of the party, so that they outlive a failure: its link may read them */
    tf_ticket ticket[2];
} sharing;

static tf_status list_chunks(sharing *s) {
    size_t total = 0;
    for (size_t i = 0; i < s->weights; i++) total += (tf_shape_count(s->weight[i].type.shape) + CHUNK - 1) / CHUNK;
    s->list = malloc((total + 1) * sizeof *s->list);
    if (!s->list) return tf_fail(TF_NOMEM, "no memory for %zu messages", total);
    for (size_t i = 0; i < s->weights; i++) {
        size_t elements = tf_shape_count(s->weight[i].type.shape);
        unsigned bytes = tf_bytes_of(s->weight[i].type.bits);
        for (size_t at = 0; at < elements; at += CHUNK) {
            size_t count = elements - at < CHUNK ? elements - at : CHUNK;
            s->list[s->chunks++] = (chunk){i, at, count, (uint64_t)count * bytes};
        }
    }
    return TF_OK;
}

/** Room for a weight. Of a table each party keeps what it holds in bytes: it is read whole for every lookup. */
static tf_status begin_weight(const sharing *s, tf_stored *w) {
    size_t count = tf_shape_count(w->type.shape);
    bool receives = s->party->id == tf_next(s->owner), derives = s->party->id == tf_previous(s->owner);
    unsigned bytes = tf_bytes_of(w->type.bits);
    if (w->is_packed) return TF_OK;
    if (!w->is_table) return tf_stored_components(w);
    w->has_source = true;
    w->source = (tf_source){.count = count, .bytes = bytes};
    for (int j = 0; j < 2; j++) { /* component 1 of the receiver's is zero, and 0 of the deriver's */
        if (j == 0 ? derives : receives) continue;
        w->source.part[j].data = w->data[j] = tf_secret_alloc(count * bytes);
        if (!w->data[j]) return tf_fail(TF_NOMEM, "no memory for the weight %s", w->name);
    }
    return TF_OK;
}

/** The work on a chunk, of which each thread has some blocks. */
typedef struct chunk_work {
    const sharing *s;
    tf_stored *weight;
    const chunk *chunk;
    uint8_t *message; /**< to be filled by the owner */
} chunk_work;

/** Words [at, at + count) of the mask, which follow from a key that this party shares with the owner, or as owner. */
static tf_status mask_words(const chunk_work *work, size_t at, size_t count, uint64_t *out) {
    const tf_party *party = work->s->party;
    const uint64_t address = (uint64_t)party->run << 32 | work->chunk->weight;
    if (!tf_prf_words(party->prf[party->id == work->s->owner ? 0 : 1], address, MASK, at, out, count))
        return tf_fail_public(TF_INTERNAL, "AES-128-CTR failed: nothing unmasked was sent");
    return TF_OK;
}

TF_MULTIVERSION static void add_number(const uint64_t *x, uint64_t number, size_t count, uint64_t *sum) {
    for (size_t i = 0; i < count; i++) sum[i] = x[i] + number;
}

TF_MULTIVERSION static void subtract(uint64_t *x, const uint64_t *mask, size_t count) {
    for (size_t i = 0; i < count; i++) x[i] -= mask[i];
}

/** The owner's block, encoded and masked into the message, and what the owner keeps of it. */
static tf_status owner_block(const chunk_work *work, size_t at, size_t count) {
    tf_stored *w = work->weight;
    const tf_kernels *kernels = work->s->party->kernels;
    const float *in = work->s->floats[work->chunk->weight];
    const unsigned bytes = tf_bytes_of(w->type.bits);
    uint8_t *message = work->message + (at - work->chunk->at) * bytes;
    float ordered[TF_BLOCK];
    uint64_t x[TF_BLOCK], mask[TF_BLOCK];
    if (w->is_packed) tf_panel_order(in, w->type.shape, at, count, ordered);
    tf_status status = tf_encode(&w->type, w->is_packed ? ordered : in + at, count, x);
    if (!status) status = mask_words(work, at, count, mask);
    if (status) return status;
    if (w->is_packed) {
        const tf_operand own = tf_operand_of(work->s->owner, &w->type);
        uint64_t moved[TF_BLOCK];
        add_number(x, own.offset, count, moved);
        kernels->pack_bytes(moved, count, own.bytes, w->panels + at * own.bytes);
    }
    subtract(x, mask, count);
    kernels->pack_bytes(x, count, bytes, message);
    if (w->is_table) {
        kernels->pack_bytes(mask, count, bytes, w->data[0] + at * bytes);
        memcpy(w->data[1] + at * bytes, message, count * bytes);
    } else if (!w->is_packed) {
        memcpy(w->component[0] + at, mask, count * sizeof *mask);
        memcpy(w->component[1] + at, x, count * sizeof *x);
    }
    return TF_OK;
}

static tf_status deriver_block(const chunk_work *work, size_t at, size_t count) {
    tf_stored *w = work->weight;
    const unsigned bytes = tf_bytes_of(w->type.bits);
    uint64_t mask[TF_BLOCK];
    TF_TRY(mask_words(work, at, count, mask));
    if (w->is_packed || w->is_table) {
        uint8_t *to = w->is_packed ? w->panels : w->data[1];
        work->s->party->kernels->pack_bytes(mask, count, bytes, to + at * bytes);
    } else {
        memset(w->component[0] + at, 0, count * sizeof *mask);
        memcpy(w->component[1] + at, mask, count * sizeof *mask);
    }
    return TF_OK;
}

static tf_status work_on_blocks(void *context, size_t begin, size_t end) {
    const chunk_work *work = context;
    const chunk *c = work->chunk;
    const size_t stop = end * TF_BLOCK < c->count ? end * TF_BLOCK : c->count;
    const bool owns = work->s->party->id == work->s->owner;
    tf_for_blocks_of(at, count, ((tf_span){c->at + begin * TF_BLOCK, c->at + stop}))
        TF_TRY(owns ? owner_block(work, at, count) : deriver_block(work, at, count));
    return TF_OK;
}

/**
 * Where the next party receives a message: in its place, or, of components, in the memory of the one that is zero,
 * which has room for as many words. So nothing is copied, but that memory is the link's until the message is there.
 */
static uint8_t *place_of(const tf_stored *w, const chunk *c) {
    uint8_t *all = w->is_packed ? w->panels : w->is_table ? w->data[0] : (uint8_t *)w->component[1];
    return all + c->at * tf_bytes_of(w->type.bits);
}

static void finish_received(const sharing *s, tf_stored *w, const chunk *c) {
    const size_t end = c->at + c->count;
    if (w->is_packed || w->is_table) return;
    s->party->kernels->unpack_bytes(place_of(w, c), c->count, tf_bytes_of(w->type.bits), w->component[0] + c->at);
    if (end == tf_shape_count(w->type.shape)) memset(w->component[1], 0, end * sizeof(uint64_t));
}

static tf_status receive_chunk(sharing *s, size_t k) {
    if (k >= s->chunks) return TF_OK;
    const chunk *c = &s->list[k];
    tf_stored *w = &s->weight[c->weight];
    if (c->at == 0) TF_TRY(begin_weight(s, w));
    return tf_link_receive(s->party->link, s->owner, place_of(w, c), c->bytes, &s->ticket[k % 2]);
}

static tf_status run_chunk(sharing *s, size_t k) {
    const chunk *c = &s->list[k];
    tf_stored *w = &s->weight[c->weight];
    tf_party *party = s->party;
    const size_t blocks = (c->count + TF_BLOCK - 1) / TF_BLOCK;
    chunk_work work = {s, w, c, NULL};
    if (c->at == 0 && party->id != tf_next(s->owner)) TF_TRY(begin_weight(s, w));
    if (party->id == s->owner) {
        if (!s->floats[c->weight]) return tf_fail(TF_INVALID, "party %d was given no data for it", s->owner);
        if (k >= 2) TF_TRY(tf_link_wait(party->link, s->ticket[k % 2]));
        TF_TRY(tf_buffer_reserve(s->message[k % 2], c->bytes));
        work.message = s->message[k % 2]->data;
        TF_TRY(tf_workers_split(party->workers, blocks, work_on_blocks, &work));
        return tf_link_send(party->link, tf_next(s->owner), work.message, c->bytes, &s->ticket[k % 2]);
    }
    if (party->id != tf_next(s->owner)) return tf_workers_split(party->workers, blocks, work_on_blocks, &work);
    TF_TRY(receive_chunk(s, k + 1));
    TF_TRY(tf_link_wait(party->link, s->ticket[k % 2]));
    finish_received(s, w, c);
    return TF_OK;
}

static tf_status share(sharing *s, uint64_t *bytes) {
    int id = s->party->id, next = tf_next(s->owner);
    TF_TRY(list_chunks(s));
    TF_TRY(tf_party_next_run(s->party));
    if (id == next) TF_TRY(receive_chunk(s, 0));
    for (size_t k = 0; k < s->chunks; k++) {
        tf_status status = run_chunk(s, k);
        if (status) return tf_fail_in(status, "weight %s", s->weight[s->list[k].weight].name);
        if (id == next || id == s->owner) *bytes += s->list[k].bytes;
    }
    for (size_t k = s->chunks < 2 ? 0 : s->chunks - 2; k < s->chunks && id == s->owner; k++)
        TF_TRY(tf_link_wait(s->party->link, s->ticket[k % 2]));
    tf_link_count_round(s->party->link);
    return TF_OK;
}

tf_status tf_share_weights(tf_party *party, int owner, tf_stored *weight, size_t count, const float *const *floats,
                           uint64_t *bytes) {
    sharing s = {.party = party, .weight = weight, .weights = count, .floats = floats, .owner = owner};
    if (owner < 0) return tf_fail(TF_INVALID, "no party holds the weights, and no share files were given");
    for (int k = 0; k < 2; k++) s.message[k] = &party->message[0][k][party->id]; /* no run sends to itself */
    tf_status status = share(&s, bytes);
    free(s.list);
    const bool lent = status && !tf_link_abandon(party->link);
    party->abandoned |= lent;
    for (int k = 0; k < 2 && !lent; k++) tf_buffer_release(s.message[k]);
    return status;
}
