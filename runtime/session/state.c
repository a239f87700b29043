#include "runtime/session/state.h"

#include <stdlib.h>
#include <string.h>

#include "net/base/secret.h"
#include "runtime/graph/graph.h"

/** outer x capacity x inner elements, zero past `length`. */
typedef struct tf_state_item {
    char name[sizeof((tf_node *)0)->name];
    unsigned bits;
    int frac;
    double bound;
    size_t outer, capacity, inner, length;
    uint64_t *component[2];
} tf_state_item;

static size_t bytes_of(const tf_state_item *item, size_t capacity) {
    return item->outer * capacity * item->inner * sizeof(uint64_t);
}

static void release(tf_state_item *item) {
    for (int j = 0; j < 2; j++) {
        tf_secret_free(item->component[j], bytes_of(item, item->capacity));
        item->component[j] = NULL;
    }
    item->capacity = 0;
}

void tf_state_forget(tf_state *state) {
    for (size_t i = 0; i < state->count; i++) release(&state->item[i]);
    free(state->item);
    *state = (tf_state){0};
}

static tf_state_item *find(const tf_state *state, const char *name) {
    for (size_t i = 0; i < state->count; i++)
        if (!strcmp(state->item[i].name, name)) return &state->item[i];
    return NULL;
}

size_t tf_state_length(const tf_state *state, const char *name) {
    const tf_state_item *item = find(state, name);
    return item ? item->length : 0;
}

/** Wipes rows [from, to). */
static void wipe_rows(tf_state_item *item, size_t from, size_t to) {
    for (int j = 0; j < 2; j++)
        for (size_t o = 0; o < item->outer; o++)
            explicit_bzero(item->component[j] + (o * item->capacity + from) * item->inner,
                           (to - from) * item->inner * sizeof(uint64_t));
}

void tf_state_truncate(tf_state *state, size_t length) {
    for (size_t i = 0; i < state->count; i++) {
        tf_state_item *item = &state->item[i];
        if (item->length <= length) continue;
        wipe_rows(item, length, item->length);
        item->length = length;
    }
}

static bool ends_with(const char *name, const char *ending) {
    size_t length = strlen(name), last = strlen(ending);
    return length >= last && !strcmp(name + length - last, ending);
}

void tf_state_drop(tf_state *state, const char *ending) {
    for (size_t i = 0; i < state->count; i++) {
        tf_state_item *item = &state->item[i];
        if (!ends_with(item->name, ending)) continue;
        release(item);
        item->length = 0;
    }
}

tf_digest tf_state_digest(const tf_state *state, tf_digest before) {
    struct {
        tf_digest before;
        char name[sizeof state->item->name];
        int32_t bits, frac;
        double bound;
        uint64_t outer, capacity, inner, length;
    } facts;
    for (size_t i = 0; i < state->count; i++) {
        const tf_state_item *item = &state->item[i];
        memset(&facts, 0, sizeof facts);
        facts.before = before;
        memcpy(facts.name, item->name, sizeof facts.name);
        facts.bits = (int32_t)item->bits, facts.frac = item->frac, facts.bound = item->bound;
        facts.outer = item->outer, facts.capacity = item->capacity, facts.inner = item->inner;
        facts.length = item->length;
        before = tf_digest_of(&facts, sizeof facts);
    }
    return before;
}

/* Runs ------------------------------------------------------------------------------------------------------------- */

/** Rows that a run of the program appends to a state. */
static size_t rows_of(const tf_program *program, const tf_held *held) {
    const tf_step_node *node = &program->node[held->value];
    return node->inputs ? program->node[node->input[0]].type.shape.dim[held->leaf->axis] : 0;
}

/** Lays the rows out for another capacity. */
static tf_status set_capacity(tf_state_item *item, size_t capacity) {
    if (item->component[0] && item->capacity == capacity) return TF_OK;
    size_t bytes = bytes_of(item, capacity), row = item->inner * sizeof(uint64_t);
    uint64_t *grown[2] = {tf_secret_alloc(bytes), tf_secret_alloc(bytes)};
    if (!grown[0] || !grown[1]) {
        for (int j = 0; j < 2; j++) tf_secret_free(grown[j], bytes);
        return tf_fail(TF_NOMEM, "no memory for a state of %zu rows", capacity);
    }
    for (int j = 0; j < 2; j++) {
        memset(grown[j], 0, bytes);
        for (size_t o = 0; o < item->outer && item->length; o++)
            memcpy(grown[j] + o * capacity * item->inner, item->component[j] + o * item->capacity * item->inner,
                   item->length * row);
    }
    release(item);
    for (int j = 0; j < 2; j++) item->component[j] = grown[j];
    item->capacity = capacity;
    return TF_OK;
}

/** The state of that name, made where it is not there; an empty one takes any form. */
static tf_status take_form(tf_state *state, const tf_held *held, const tf_type *type, bool appends, size_t outer,
                           size_t inner, tf_state_item **item) {
    *item = find(state, held->leaf->name);
    if (!appends && (!*item || !(*item)->length)) return tf_fail(TF_INVALID, "there is no such state");
    if (!*item) {
        tf_state_item *grown = realloc(state->item, (state->count + 1) * sizeof *grown);
        if (!grown) return tf_fail(TF_NOMEM, "no memory for a state");
        state->item = grown;
        *item = &grown[state->count++];
        **item = (tf_state_item){.length = 0};
        memcpy((*item)->name, held->leaf->name, sizeof(*item)->name);
    }
    tf_state_item *i = *item;
    if (!i->length) {
        release(i);
        i->bits = type->bits, i->frac = type->frac, i->bound = type->bound, i->outer = outer, i->inner = inner;
    }
    if (i->outer != outer || i->inner != inner) return tf_fail(TF_INVALID, "the state was made with other dimensions");
    if (i->frac != type->frac || i->bits < type->bits || (appends && i->bits > type->bits) || i->bound > type->bound)
        return tf_fail(TF_INVALID,
                       "the state was made with %u bits, %d of them fractional, and a range of %g; this program takes "
                       "%u, %d and %g",
                       i->bits, i->frac, i->bound, type->bits, type->frac, type->bound);
    if (appends) i->bound = type->bound;
    return TF_OK;
}

static tf_status open_item(tf_state *state, const tf_program *program, const tf_held *held, tf_held_view *view) {
    const tf_type *type = &program->node[held->value].type;
    int axis = held->leaf->axis;
    size_t outer = 1, inner = 1, capacity = type->shape.dim[axis], rows = rows_of(program, held);
    for (int i = 0; i < axis; i++) outer *= type->shape.dim[i];
    for (int i = axis + 1; i < type->shape.rank; i++) inner *= type->shape.dim[i];
    tf_state_item *item;
    TF_TRY(take_form(state, held, type, rows > 0, outer, inner, &item));
    if (item->length > capacity || rows > capacity - item->length)
        return tf_fail(TF_INVALID, "%zu rows and %zu more do not fit into a capacity of %zu", item->length, rows,
                       capacity);
    TF_TRY(set_capacity(item, capacity));
    *view = (tf_held_view){.view = {.c = {item->component[0], item->component[1]}}, .length = item->length};
    return TF_OK;
}

tf_status tf_state_open(tf_state *state, const tf_program *program, tf_held_view *view) {
    for (int k = 0; k < program->helds; k++) {
        tf_status status = open_item(state, program, &program->held[k], &view[k]);
        if (status) return tf_fail_in(status, "%s", program->held[k].leaf->name);
    }
    return TF_OK;
}

void tf_state_close(tf_state *state, const tf_program *program, bool keep) {
    for (int k = 0; k < program->helds; k++) {
        tf_state_item *item = find(state, program->held[k].leaf->name);
        size_t rows = rows_of(program, &program->held[k]);
        if (!item || !item->component[0] || item->length + rows > item->capacity) continue;
        if (keep)
            item->length += rows;
        else
            wipe_rows(item, item->length, item->length + rows);
    }
}
