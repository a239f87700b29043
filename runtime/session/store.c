#include "runtime/session/store.h"

#include <stdlib.h>
#include <string.h>

#include "net/base/secret.h"
#include "runtime/graph/graph.h"

enum { CHUNK = 1 << 18, MASK = 1 }; /* elements of a message; purpose of the streams */

/** A weight in one of three forms: packed for products, components as words, or a table in few bytes. */
typedef struct tf_stored {
    char name[sizeof((tf_node *)0)->name];
    tf_type type;
    bool is_packed, is_table;
    tf_packed *packed;
    uint64_t *component[2];
    uint8_t *data[2]; /* behind `source`, where that is not a file's */
    bool has_source;
    tf_source source;
} tf_stored;

void tf_store_forget(tf_store *store) {
    for (size_t i = 0; i < store->count; i++) {
        tf_stored *s = &store->stored[i];
        size_t count = tf_shape_count(s->type.shape);
        for (int j = 0; j < 2; j++) {
            tf_secret_free(s->component[j], count * sizeof(uint64_t));
            tf_secret_free(s->data[j], count * tf_bytes_of(s->type.bits));
        }
        tf_packed_free(s->packed);
    }
    free(store->stored);
    store->stored = NULL;
    store->count = store->capacity = 0;
}

void tf_store_free(tf_store *store) {
    tf_store_forget(store);
    *store = (tf_store){0};
}

tf_digest tf_store_digest(const tf_store *store, tf_digest before) {
    struct {
        tf_digest before;
        char name[sizeof store->stored->name];
        int32_t frac, bits, is_packed, is_table;
        uint64_t elements;
    } item;
    for (size_t i = 0; i < store->count; i++) {
        const tf_stored *s = &store->stored[i];
        memset(&item, 0, sizeof item);
        item.before = before;
        memcpy(item.name, s->name, sizeof item.name);
        item.frac = s->type.frac, item.bits = (int32_t)s->type.bits;
        item.is_packed = s->is_packed, item.is_table = s->is_table;
        item.elements = tf_shape_count(s->type.shape);
        before = tf_digest_of(&item, sizeof item);
    }
    return before;
}

/** Whether a stored weight holds the same numbers as a parameter, in a ring that has its ring's bits. */
static bool holds(const tf_stored *s, const tf_program *program, const tf_param *param) {
    const tf_type *type = &program->node[param->value].type;
    return s->type.frac == type->frac && s->type.bits >= type->bits && tf_shape_equal(s->type.shape, type->shape) &&
           !strcmp(s->name, param->leaf->name);
}

/** The stored weight that serves as a parameter. Components and tables serve narrower rings too, whose readers do not
 *  look at upper bits, and components serve as tables. */
static tf_stored *find(const tf_store *store, const tf_program *program, const tf_param *param) {
    for (size_t i = 0; i < store->count; i++) {
        tf_stored *s = &store->stored[i];
        if (!holds(s, program, param)) continue;
        if (param->packed ? s->is_packed && s->type.bits == program->node[param->value].type.bits
                          : !s->is_packed && (param->table || !s->is_table))
            return s;
    }
    return NULL;
}

/** A stored weight that can be read element by element, of which a parameter can be made. */
static tf_stored *find_readable(const tf_store *store, const tf_program *program, const tf_param *param) {
    for (size_t i = 0; i < store->count; i++)
        if (!store->stored[i].is_packed && holds(&store->stored[i], program, param)) return &store->stored[i];
    return NULL;
}

static tf_status add(tf_store *store, const tf_program *program, const tf_param *param, unsigned bits) {
    if (store->count == store->capacity) {
        size_t capacity = store->capacity ? 2 * store->capacity : 64;
        tf_stored *grown = realloc(store->stored, capacity * sizeof *grown);
        if (!grown) return tf_fail(TF_NOMEM, "no memory for %zu weights", capacity);
        store->stored = grown;
        store->capacity = capacity;
    }
    tf_stored *s = &store->stored[store->count++];
    *s = (tf_stored){.type = program->node[param->value].type, .is_packed = param->packed, .is_table = param->table};
    s->type.bits = bits;
    memcpy(s->name, param->leaf->name, sizeof s->name);
    return TF_OK;
}

static tf_status allocate_components(tf_stored *s) {
    for (int j = 0; j < 2; j++) {
        s->component[j] = tf_secret_alloc(tf_shape_count(s->type.shape) * sizeof(uint64_t));
        if (!s->component[j]) return tf_fail(TF_NOMEM, "no memory for the weight %s", s->name);
    }
    return TF_OK;
}

/* Sharing by one of the parties ------------------------------------------------------------------------------------ */

/** A message: elements [at, at + count) of one weight. */
typedef struct chunk {
    size_t stored, at, count;
    uint64_t bytes;
} chunk;

/** The weights from number `first` on, whose floats the owner has. */
typedef struct sharing {
    tf_store *store;
    tf_party *party;
    size_t first;
    const float **floats; /* of each weight, where this is the owner */
    chunk *list;
    size_t chunks;
    int owner;
    tf_buffer *message[2]; /**< of the party, so that they outlive a failure: its link may touch them until it ends */
    tf_ticket ticket[2];
} sharing;

static tf_status list_chunks(sharing *s) {
    size_t total = 0;
    for (size_t i = s->first; i < s->store->count; i++)
        total += (tf_shape_count(s->store->stored[i].type.shape) + CHUNK - 1) / CHUNK;
    s->list = malloc((total + 1) * sizeof *s->list);
    if (!s->list) return tf_fail(TF_NOMEM, "no memory for %zu messages", total);
    for (size_t i = s->first; i < s->store->count; i++) {
        size_t elements = tf_shape_count(s->store->stored[i].type.shape);
        unsigned bytes = tf_bytes_of(s->store->stored[i].type.bits);
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
    if (w->is_packed) return tf_buffer_reserve(&s->party->scratch, count * sizeof(uint64_t));
    if (!w->is_table) return allocate_components(w);
    w->has_source = true;
    w->source = (tf_source){.count = count, .bytes = bytes};
    for (int j = 0; j < 2; j++) { /* component 1 of the receiver's is zero, and 0 of the deriver's */
        if (j == 0 ? derives : receives) continue;
        w->source.part[j].data = w->data[j] = tf_secret_alloc(count * bytes);
        if (!w->data[j]) return tf_fail(TF_NOMEM, "no memory for the weight %s", w->name);
    }
    return TF_OK;
}

/** The owner's chunk, encoded and masked into `message`. */
static tf_status owner_chunk(sharing *s, tf_stored *w, const chunk *c, uint8_t *message) {
    const tf_kernels *kernels = s->party->kernels;
    const float *in = s->floats[c->stored - s->first];
    unsigned bytes = tf_bytes_of(w->type.bits);
    uint64_t *sum = s->party->scratch.data;
    tf_for_blocks_of(at, count, ((tf_span){c->at, c->at + c->count})) {
        uint64_t x[TF_BLOCK], mask[TF_BLOCK];
        TF_TRY(tf_encode(&w->type, in + at, count, x));
        tf_stream(s->party, 0, (uint32_t)(c->stored - s->first), MASK, at, mask, count);
        if (w->is_packed) memcpy(sum + at, x, count * sizeof *x);
        for (size_t i = 0; i < count; i++) x[i] -= mask[i];
        kernels->pack_bytes(x, count, bytes, message + (at - c->at) * bytes);
        if (w->is_table) kernels->pack_bytes(mask, count, bytes, w->data[0] + at * bytes);
        if (w->is_packed || w->is_table) continue;
        memcpy(w->component[0] + at, mask, count * sizeof *mask);
        memcpy(w->component[1] + at, x, count * sizeof *x);
    }
    if (w->is_table) memcpy(w->data[1] + c->at * bytes, message, c->bytes);
    return TF_OK;
}

static void receiver_chunk(sharing *s, tf_stored *w, const chunk *c, const uint8_t *message) {
    unsigned bytes = tf_bytes_of(w->type.bits);
    if (w->is_table) {
        memcpy(w->data[0] + c->at * bytes, message, c->bytes);
        return;
    }
    uint64_t *to = w->is_packed ? s->party->scratch.data : w->component[0];
    s->party->kernels->unpack_bytes(message, c->count, bytes, to + c->at);
    if (!w->is_packed) memset(w->component[1] + c->at, 0, c->count * sizeof(uint64_t));
}

static void deriver_chunk(sharing *s, tf_stored *w, const chunk *c) {
    unsigned bytes = tf_bytes_of(w->type.bits);
    uint64_t *to = w->is_packed ? s->party->scratch.data : w->component[1];
    tf_for_blocks_of(at, count, ((tf_span){c->at, c->at + c->count})) {
        uint64_t mask[TF_BLOCK], *out = w->is_table ? mask : to + at;
        tf_stream(s->party, 1, (uint32_t)(c->stored - s->first), MASK, at, out, count);
        if (w->is_table) s->party->kernels->pack_bytes(mask, count, bytes, w->data[1] + at * bytes);
    }
    if (!w->is_packed && !w->is_table) memset(w->component[0] + c->at, 0, c->count * sizeof(uint64_t));
}

static tf_status receive_chunk(sharing *s, size_t k) {
    if (k >= s->chunks) return TF_OK;
    TF_TRY(tf_buffer_reserve(s->message[k % 2], s->list[k].bytes));
    return tf_link_receive(s->party->link, s->owner, s->message[k % 2]->data, s->list[k].bytes, &s->ticket[k % 2]);
}

static tf_status run_chunk(sharing *s, size_t k) {
    const chunk *c = &s->list[k];
    tf_stored *w = &s->store->stored[c->stored];
    int next = tf_next(s->owner);
    if (c->at == 0) TF_TRY(begin_weight(s, w));
    if (s->party->id == s->owner) {
        if (!s->floats[c->stored - s->first]) return tf_fail(TF_INVALID, "party %d was given no data for it", s->owner);
        if (k >= 2) TF_TRY(tf_link_wait(s->party->link, s->ticket[k % 2]));
        TF_TRY(tf_buffer_reserve(s->message[k % 2], c->bytes));
        TF_TRY(owner_chunk(s, w, c, s->message[k % 2]->data));
        if (s->party->broken) return tf_fail_public(TF_INTERNAL, "AES-128-CTR failed: nothing unmasked was sent");
        TF_TRY(tf_link_send(s->party->link, next, s->message[k % 2]->data, c->bytes, &s->ticket[k % 2]));
    } else if (s->party->id == next) {
        TF_TRY(receive_chunk(s, k + 1));
        TF_TRY(tf_link_wait(s->party->link, s->ticket[k % 2]));
        receiver_chunk(s, w, c, s->message[k % 2]->data);
    } else {
        deriver_chunk(s, w, c);
    }
    if (w->is_packed && c->at + c->count == tf_shape_count(w->type.shape))
        TF_TRY(tf_pack_weight(s->party, s->party->scratch.data, w->type.shape, w->type.bits, &w->packed));
    return TF_OK;
}

static tf_status share(sharing *s) {
    int id = s->party->id, next = tf_next(s->owner);
    TF_TRY(list_chunks(s));
    TF_TRY(tf_party_next_run(s->party));
    if (id == next) TF_TRY(receive_chunk(s, 0));
    for (size_t k = 0; k < s->chunks; k++) {
        tf_status status = run_chunk(s, k);
        if (status) return tf_fail_in(status, "weight %s", s->store->stored[s->list[k].stored].name);
        if (id == next || id == s->owner) s->store->bytes += s->list[k].bytes;
    }
    for (size_t k = s->chunks < 2 ? 0 : s->chunks - 2; k < s->chunks && id == s->owner; k++)
        TF_TRY(tf_link_wait(s->party->link, s->ticket[k % 2]));
    tf_link_count_round(s->party->link);
    return s->party->broken ? tf_fail_public(TF_INTERNAL, "AES-128-CTR failed") : TF_OK;
}

static tf_status share_new(tf_store *store, tf_party *party, size_t first, const float **floats, int owner) {
    sharing s = {.store = store, .party = party, .first = first, .floats = floats, .owner = owner};
    if (owner < 0) return tf_fail(TF_INVALID, "no party holds the weights, and no share files were given");
    for (int k = 0; k < 2; k++) s.message[k] = &party->message[0][k][party->id]; /* no run sends to itself */
    tf_status status = share(&s);
    free(s.list);
    party->abandoned |= status != TF_OK;
    for (int k = 0; k < 2 && !status; k++) tf_buffer_release(s.message[k]);
    return status;
}

/* From share files ------------------------------------------------------------------------------------------------- */

static tf_status load(tf_store *store, tf_party *party, tf_stored *s) {
    size_t count = tf_shape_count(s->type.shape);
    TF_TRY(store->provider->find(store->provider->context, s->name, &s->type, &s->source));
    if (s->source.count != count) return tf_fail_public(TF_INTERNAL, "a share file's weight has another size");
    s->has_source = s->is_table || (s->is_packed && store->stream);
    if (s->has_source) {
        tf_source_release(&s->source); /* which was read to be checked */
        return TF_OK;
    }
    if (s->is_packed) return tf_source_pack(party, &s->source, s->type.shape, s->type.bits, s->type.zero, &s->packed);
    TF_TRY(allocate_components(s));
    for (int j = 0; j < 2; j++) TF_TRY(tf_source_read(party->kernels, &s->source, j, 0, count, s->component[j]));
    tf_source_release(&s->source);
    return TF_OK;
}

/* Both ------------------------------------------------------------------------------------------------------------- */

/**
 * Adds what must be shared of a parameter that is not there: itself, or, where the program wants the same weight in
 * several forms or rings, a readable form in the widest ring, of which the others are made. *added: 1 if anything was.
 */
static tf_status add_shared(tf_store *store, const tf_program *program, int index, size_t *added) {
    const tf_param *param = &program->param[index];
    const tf_type *type = &program->node[param->value].type;
    tf_param form = *param;
    unsigned bits = type->bits;
    *added = 0;
    if (find(store, program, param) || find_readable(store, program, param)) return TF_OK;
    for (int i = 0; i < program->params; i++) {
        const tf_param *other = &program->param[i];
        const tf_type *its = &program->node[other->value].type;
        if (i == index || other->leaf != param->leaf || its->frac != type->frac || find(store, program, other))
            continue;
        if (its->bits > bits) bits = its->bits;
        if (form.packed) form.packed = false, form.table = true;
        if (!other->packed && !other->table) form.table = false;
    }
    *added = 1;
    return add(store, program, &form, bits);
}

/** The other forms of what was shared. Nothing is sent. */
static tf_status derive_all(tf_store *store, tf_party *party, const tf_program *program) {
    for (int i = 0; i < program->params; i++) {
        const tf_param *param = &program->param[i];
        if (find(store, program, param)) continue;
        TF_TRY(add(store, program, param, program->node[param->value].type.bits));
        tf_stored *s = &store->stored[store->count - 1];
        const tf_stored *from = find_readable(store, program, param);
        size_t count = tf_shape_count(s->type.shape);
        tf_source words = {.count = count, .bytes = sizeof(uint64_t)};
        for (int j = 0; j < 2; j++) words.part[j].data = (const uint8_t *)from->component[j];
        const tf_source *source = from->has_source ? &from->source : &words;
        if (s->is_packed) {
            TF_TRY(tf_source_pack(party, source, s->type.shape, s->type.bits, s->type.zero, &s->packed));
            continue;
        }
        TF_TRY(allocate_components(s));
        for (int j = 0; j < 2; j++) TF_TRY(tf_source_read(party->kernels, source, j, 0, count, s->component[j]));
    }
    return TF_OK;
}

static tf_status load_new(tf_store *store, tf_party *party, const tf_program *program) {
    for (int i = 0; i < program->params; i++) {
        const tf_param *param = &program->param[i];
        if (find(store, program, param)) continue;
        TF_TRY(add(store, program, param, program->node[param->value].type.bits));
        tf_stored *s = &store->stored[store->count - 1];
        tf_status status = load(store, party, s);
        if (status) return tf_fail_in(status, "weight %s", s->name);
    }
    return TF_OK;
}

/** Shares what is not there in any form, and makes the other forms of it. */
static tf_status share_missing(tf_store *store, tf_party *party, const tf_program *program, const tf_graph *graph) {
    size_t first = store->count, added;
    const float **floats = calloc((size_t)program->params + 1, sizeof *floats);
    tf_status status = floats ? TF_OK : tf_fail(TF_NOMEM, "no memory for %d weights", program->params);
    for (int i = 0; i < program->params && !status; i++) {
        const tf_node *leaf = program->param[i].leaf;
        if (graph) leaf = &graph->node[leaf - program->graph->node];
        status = add_shared(store, program, i, &added);
        if (!status && added) floats[store->count - 1 - first] = leaf->data;
    }
    if (!status && store->count > first) status = share_new(store, party, first, floats, program->model_owner);
    free(floats);
    return status ? status : derive_all(store, party, program);
}

tf_status tf_store_provide(tf_store *store, tf_party *party, const tf_program *program, const tf_graph *graph,
                           tf_view *view) {
    tf_status status = store->provider ? load_new(store, party, program) : share_missing(store, party, program, graph);
    for (int i = 0; i < program->params && !status; i++) { /* only now: the store has stopped moving */
        const tf_stored *s = find(store, program, &program->param[i]);
        view[i] = (tf_view){.c = {s->component[0], s->component[1]}, .packed = s->packed};
        if (s->has_source && s->is_table) view[i].source = &s->source;
        if (s->has_source && s->is_packed) view[i].later = &s->source;
    }
    if (status) tf_store_forget(store); /* rather than keep weights that are there in part */
    return status;
}

uint64_t tf_store_bytes(const tf_program *program, const tf_param *param) {
    const tf_type *type = &program->node[param->value].type;
    uint64_t count = tf_shape_count(type->shape);
    if (param->table) return count * tf_bytes_of(type->bits) * (program->model_owner < 0 ? 1 : 2);
    return count * sizeof(uint64_t) * (param->packed ? 1 : 2);
}
