#include "runtime/session/store.h"

#include <stdlib.h>
#include <string.h>

#include "net/base/array.h"
#include "net/base/secret.h"
#include "runtime/graph/graph.h"
#include "runtime/session/sharing.h"

enum { LINE = 64 };

/** Panels of the weights that came to the store together: one piece of memory, so that all of it is in huge pages. */
struct tf_block {
    tf_block *before;
    uint8_t *data;
    uint64_t size;
};

void tf_store_forget(tf_store *store) {
    for (size_t i = 0; i < store->count; i++) tf_stored_release(&store->stored[i]);
    free(store->stored);
    store->stored = NULL;
    store->count = store->capacity = 0;
    for (tf_block *block = store->block, *before; block; block = before) {
        before = block->before;
        tf_secret_free(block->data, block->size);
        free(block);
    }
    store->block = NULL;
    store->lent = false;
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

/** Whether a stored weight holds the numbers of this name and type, in a ring that has its ring's bits. */
static bool holds(const tf_stored *s, const char *name, const tf_type *type) {
    return s->type.frac == type->frac && s->type.bits >= type->bits && tf_shape_equal(s->type.shape, type->shape) &&
           !strcmp(s->name, name);
}

/** The stored weight that serves as a parameter. Components and tables serve narrower rings too, whose readers do not
 *  look at upper bits, and components serve as tables. */
static tf_stored *find(const tf_store *store, const tf_program *program, const tf_param *param) {
    const tf_type *type = &program->node[param->value].type;
    for (size_t i = 0; i < store->count; i++) {
        tf_stored *s = &store->stored[i];
        if (!holds(s, param->leaf->name, type)) continue;
        if (param->packed ? s->is_packed && s->type.bits == type->bits
                          : !s->is_packed && (param->table || !s->is_table))
            return s;
    }
    return NULL;
}

/** Of the first `count` weights one that can be read element by element, of which another form can be made. */
static const tf_stored *find_readable(const tf_store *store, size_t count, const char *name, const tf_type *type) {
    for (size_t i = 0; i < count; i++)
        if (!store->stored[i].is_packed && holds(&store->stored[i], name, type)) return &store->stored[i];
    return NULL;
}

static tf_status add(tf_store *store, const tf_program *program, const tf_param *param, unsigned bits) {
    tf_stored *grown = tf_grow(store->stored, &store->capacity, store->count + 1, sizeof *grown);
    if (!grown) return tf_fail(TF_NOMEM, "no memory for %zu weights", store->count + 1);
    store->stored = grown;
    tf_stored *s = &store->stored[store->count++];
    *s = (tf_stored){.type = program->node[param->value].type, .is_packed = param->packed, .is_table = param->table};
    s->type.bits = bits;
    memcpy(s->name, param->leaf->name, sizeof s->name);
    return TF_OK;
}

/** Bytes of a weight's panels, to the beginning of the next one's. */
static uint64_t panels_size(const tf_party *party, const tf_stored *s) {
    return (tf_operand_bytes(party->id, &s->type) + LINE - 1) / LINE * LINE;
}

/** Whether a weight is an operand whose panels are still to be made, in this process's memory. */
static bool wants_panels(const tf_stored *s) {
    return s->is_packed && !s->packed && !s->panels && !s->has_source;
}

/** Room for the panels of the weights from number `first` on. */
static tf_status place_panels(tf_store *store, const tf_party *party, size_t first) {
    uint64_t size = 0, at = 0;
    for (size_t i = first; i < store->count; i++)
        if (wants_panels(&store->stored[i])) size += panels_size(party, &store->stored[i]);
    if (!size) return TF_OK;
    tf_block *block = malloc(sizeof *block);
    uint8_t *data = block ? tf_secret_alloc(size) : NULL;
    if (!data) {
        free(block);
        return tf_fail(TF_NOMEM, "no memory for weights (%llu bytes)", (unsigned long long)size);
    }
    *block = (tf_block){store->block, data, size};
    store->block = block;
    for (size_t i = first; i < store->count; i++) {
        if (!wants_panels(&store->stored[i])) continue;
        store->stored[i].panels = data + at;
        at += panels_size(party, &store->stored[i]);
    }
    return TF_OK;
}

/** The operand over the panels, which are complete. */
static tf_status finish_panels(const tf_party *party, tf_stored *s, const uint8_t *panels) {
    return tf_operand_over(party->id, party->kernels, panels, &s->type, &s->packed);
}

/** What a product, or else a step, reads of it, made of a source that stays. */
static tf_status fill(tf_party *party, tf_stored *s, const tf_source *source) {
    if (s->is_packed) {
        TF_TRY(tf_source_panels(party->id, party->kernels, party->workers, source, &s->type, s->panels));
        return finish_panels(party, s, s->panels);
    }
    TF_TRY(tf_stored_components(s));
    for (int j = 0; j < 2; j++) TF_TRY(tf_source_read(party->kernels, source, j, 0, source->count, s->component[j]));
    tf_source_release(source);
    return TF_OK;
}

/* From share files ------------------------------------------------------------------------------------------------- */

/** Finds a weight, and decides in which form it is kept. */
static tf_status find_source(const tf_store *store, const tf_party *party, tf_stored *s) {
    TF_TRY(store->provider->find(store->provider->context, s->name, &s->type, s->is_packed, &s->source));
    if (s->source.count != tf_shape_count(s->type.shape))
        return tf_fail_public(TF_INTERNAL, "a share file's weight has another size");
    if (s->source.panels) return finish_panels(party, s, s->source.panels);
    s->has_source = s->is_table || (s->is_packed && store->stream);
    tf_source_release(&s->source); /* which was read to be checked */
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
    if (find(store, program, param) || find_readable(store, store->count, param->leaf->name, type)) return TF_OK;
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

/** Makes the other forms of what was shared. Nothing is sent. */
static tf_status derive_all(tf_store *store, tf_party *party, const tf_program *program) {
    const size_t first = store->count;
    for (int i = 0; i < program->params; i++)
        if (!find(store, program, &program->param[i]))
            TF_TRY(add(store, program, &program->param[i], program->node[program->param[i].value].type.bits));
    TF_TRY(place_panels(store, party, first));
    for (size_t i = first; i < store->count; i++) {
        tf_stored *s = &store->stored[i];
        const tf_stored *from = find_readable(store, first, s->name, &s->type);
        tf_source words = {.count = tf_shape_count(from->type.shape), .bytes = sizeof(uint64_t)};
        for (int j = 0; j < 2; j++) words.part[j].data = (const uint8_t *)from->component[j];
        TF_TRY(fill(party, s, from->has_source ? &from->source : &words));
    }
    return TF_OK;
}

static tf_status load_new(tf_store *store, tf_party *party, const tf_program *program) {
    const size_t first = store->count;
    tf_status status = TF_OK;
    for (int i = 0; i < program->params; i++) {
        const tf_param *param = &program->param[i];
        if (find(store, program, param)) continue;
        TF_TRY(add(store, program, param, program->node[param->value].type.bits));
        status = find_source(store, party, &store->stored[store->count - 1]);
        if (status) return tf_fail_in(status, "weight %s", param->leaf->name);
    }
    TF_TRY(place_panels(store, party, first));
    for (size_t i = first; i < store->count && !status; i++) {
        tf_stored *s = &store->stored[i];
        if (!s->has_source && !s->packed) status = fill(party, s, &s->source);
        if (status) return tf_fail_in(status, "weight %s", s->name);
    }
    return status;
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
    if (!status) status = place_panels(store, party, first);
    tf_stored *weight = store->stored + first;
    size_t count = store->count - first;
    if (!status && count) {
        status = tf_share_weights(party, program->model_owner, weight, count, floats, &store->bytes);
        store->lent = status && party->abandoned && party->id == tf_next(program->model_owner);
    }
    for (size_t i = 0; i < count && !status; i++)
        if (weight[i].is_packed) status = finish_panels(party, &weight[i], weight[i].panels);
    free(floats);
    return status ? status : derive_all(store, party, program);
}

tf_status tf_store_provide(tf_store *store, tf_party *party, const tf_program *program, const tf_graph *graph,
                           tf_view *view) {
    if (store->lent) return tf_fail_public(TF_INTERNAL, "weights are shared over a link that has failed");
    tf_status status = store->provider ? load_new(store, party, program) : share_missing(store, party, program, graph);
    for (int i = 0; i < program->params && !status; i++) { /* only now: the store has stopped moving */
        const tf_stored *s = find(store, program, &program->param[i]);
        view[i] = (tf_view){.c = {s->component[0], s->component[1]}, .packed = s->packed};
        if (s->has_source && s->is_table) view[i].source = &s->source;
        if (s->has_source && s->is_packed) view[i].later = &s->source;
    }
    if (status && !store->lent) tf_store_forget(store); /* rather than keep weights that are there in part */
    return status;
}

uint64_t tf_store_bytes(const tf_program *program, const tf_param *param) {
    const tf_type *type = &program->node[param->value].type;
    uint64_t count = tf_shape_count(type->shape);
    if (param->packed) return tf_operand_bytes(-1, type);
    if (param->table) return count * tf_bytes_of(type->bits) * (program->model_owner < 0 ? 1 : 2);
    return count * sizeof(uint64_t) * 2;
}
