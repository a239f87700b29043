#include "runtime/graph/plain_state.h"

#include <stdlib.h>
#include <string.h>

void tf_plain_state_free(tf_plain_state *state) {
    for (size_t i = 0; i < state->count; i++) free(state->held[i].data);
    free(state->held);
    *state = (tf_plain_state){0};
}

static tf_plain_held *find(const tf_plain_state *state, const char *name) {
    for (size_t i = 0; i < state->count; i++)
        if (!strcmp(state->held[i].name, name)) return &state->held[i];
    return NULL;
}

size_t tf_plain_length(const tf_plain_state *state, const char *name) {
    const tf_plain_held *held = find(state, name);
    return held ? held->length : 0;
}

/** Zeros rows [from, to). */
static void clear_rows(tf_plain_held *held, size_t from, size_t to) {
    for (size_t o = 0; o < held->outer; o++)
        memset(held->data + (o * held->capacity + from) * held->inner, 0, (to - from) * held->inner * sizeof(float));
}

void tf_plain_truncate(tf_plain_state *state, size_t length) {
    for (size_t i = 0; i < state->count; i++) {
        tf_plain_held *held = &state->held[i];
        if (held->length <= length) continue;
        clear_rows(held, length, held->length);
        held->length = length;
    }
}

void tf_plain_drop(tf_plain_state *state, const char *ending) {
    size_t last = strlen(ending);
    for (size_t i = 0; i < state->count; i++) {
        tf_plain_held *held = &state->held[i];
        size_t length = strlen(held->name);
        if (length < last || strcmp(held->name + length - last, ending) != 0) continue;
        free(held->data);
        held->data = NULL;
        held->capacity = held->length = 0;
    }
}

static tf_status set_capacity(tf_plain_held *held, size_t capacity) {
    if (held->data && held->capacity == capacity) return TF_OK;
    if (held->length > capacity)
        return tf_fail(TF_INVALID, "the state has %zu rows, more than a capacity of %zu", held->length, capacity);
    float *data = calloc(held->outer * capacity * held->inner, sizeof *data);
    if (!data) return tf_fail(TF_NOMEM, "no memory for a state of %zu rows", capacity);
    for (size_t o = 0; o < held->outer && held->data; o++)
        memcpy(data + o * capacity * held->inner, held->data + o * held->capacity * held->inner,
               held->length * held->inner * sizeof *data);
    free(held->data);
    held->data = data;
    held->capacity = capacity;
    return TF_OK;
}

static tf_status make(tf_plain_state *state, const tf_node *node, size_t outer, size_t inner, tf_plain_held **held) {
    if (!node->inputs) return tf_fail(TF_INVALID, "there is no such state");
    tf_plain_held *grown = realloc(state->held, (state->count + 1) * sizeof *grown);
    if (!grown) return tf_fail(TF_NOMEM, "no memory for a state");
    state->held = grown;
    *held = &grown[state->count++];
    **held = (tf_plain_held){.outer = outer, .inner = inner};
    memcpy((*held)->name, node->name, sizeof node->name);
    return TF_OK;
}

static tf_status open_node(tf_plain_state *state, const tf_node *node, tf_plain_held **held) {
    size_t outer = 1, inner = 1;
    for (int i = 0; i < node->axis; i++) outer *= node->shape.dim[i];
    for (int i = node->axis + 1; i < node->shape.rank; i++) inner *= node->shape.dim[i];
    *held = find(state, node->name);
    if (!*held) TF_TRY(make(state, node, outer, inner, held));
    if ((*held)->outer != outer || (*held)->inner != inner)
        return tf_fail(TF_INVALID, "the state was made with other dimensions");
    return set_capacity(*held, node->shape.dim[node->axis]);
}

tf_status tf_plain_state_open(tf_plain_state *state, const tf_node *node, tf_plain_held **held) {
    tf_status status = open_node(state, node, held);
    return status == TF_OK ? TF_OK : tf_fail_in(status, "%s", node->name);
}

tf_status tf_plain_state_append(tf_plain_held *held, const tf_node *node, const tf_array *x) {
    size_t rows = x->shape.dim[node->axis];
    if (rows > held->capacity - held->length)
        return tf_fail(TF_INVALID, "%s: %zu rows and %zu more do not fit into a capacity of %zu", node->name,
                       held->length, rows, held->capacity);
    for (size_t o = 0; o < held->outer; o++)
        memcpy(held->data + (o * held->capacity + held->length) * held->inner, x->data + o * rows * held->inner,
               rows * held->inner * sizeof(float));
    held->coming = rows;
    return TF_OK;
}

void tf_plain_state_commit(tf_plain_state *state) {
    for (size_t i = 0; i < state->count; i++) {
        state->held[i].length += state->held[i].coming;
        state->held[i].coming = 0;
    }
}

void tf_plain_state_roll_back(tf_plain_state *state) {
    for (size_t i = 0; i < state->count; i++) {
        tf_plain_held *held = &state->held[i];
        if (held->coming) clear_rows(held, held->length, held->length + held->coming);
        held->coming = 0;
    }
}
