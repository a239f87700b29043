#include "runtime/session/range_check.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/array.h"

/* One party's contribution to a value that the other has not brought yet. */
typedef struct half {
    uint32_t run;
    int node;
    uint64_t *sum; /* of its components: both of party 0, the second of party 1 */
    struct half *next;
} half;

struct tf_range_check {
    pthread_mutex_t lock; /* of all that follows */
    half *waiting;
    tf_range_entry *entry;
    size_t entries, capacity;
};

tf_status tf_range_check_make(tf_range_check **check) {
    *check = calloc(1, sizeof **check);
    if (!*check) return tf_fail(TF_NOMEM, "out of memory");
    pthread_mutex_init(&(*check)->lock, NULL);
    return TF_OK;
}

void tf_range_check_free(tf_range_check *check) {
    if (!check) return;
    for (half *h = check->waiting, *next; h; h = next) {
        next = h->next;
        free(h->sum);
        free(h);
    }
    free(check->entry);
    pthread_mutex_destroy(&check->lock);
    free(check);
}

size_t tf_range_check_count(const tf_range_check *check) {
    return check->entries;
}

const tf_range_entry *tf_range_check_entry(const tf_range_check *check, size_t i) {
    return &check->entry[i];
}

static tf_status find_entry(tf_range_check *check, const tf_node *node, tf_range_entry **entry) {
    for (size_t i = 0; i < check->entries; i++)
        if (!strcmp(check->entry[i].name, node->name)) {
            *entry = &check->entry[i];
            return TF_OK;
        }
    tf_range_entry *grown = tf_grow(check->entry, &check->capacity, check->entries + 1, sizeof *grown);
    if (!grown) return tf_fail(TF_NOMEM, "out of memory");
    check->entry = grown;
    *entry = &check->entry[check->entries++];
    **entry = (tf_range_entry){.kind = node->op->kind, .bound = INFINITY};
    memcpy((*entry)->name, node->name, sizeof node->name);
    return TF_OK;
}

/* The largest magnitude of integers mod 2^bits around zero, at their scale. */
static double magnitude_of(const uint64_t *sum, size_t count, const tf_type *type) {
    uint64_t mask = tf_mask(type->bits), middle = UINT64_C(1) << (type->bits - 1), largest = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t x = sum[i] & mask, size = x < middle ? x : ((~x + 1) & mask);
        if (size > largest) largest = size;
    }
    return ldexp((double)largest, -type->frac);
}

/* Rounding may put a value this far above the bound of what was rounded. */
static double slack(const tf_type *type) {
    return ldexp(4, -type->frac) + 1e-3 * type->bound;
}

static tf_status complain(const tf_program *program, int node, double magnitude) {
    const tf_step_node *n = &program->node[node];
    const tf_node *op = program->graph && n->op >= 0 ? &program->graph->node[n->op] : NULL;
    return tf_fail(TF_RANGE,
                   "%s (%s): a value of %.6g leaves its range of %.6g at step %d, %s (%u bits, %d of them "
                   "fractional)",
                   op ? op->name : "an input", op && op->op ? op->op->kind : "leaf", magnitude, n->type.bound, node,
                   n->step->name, n->type.bits, n->type.frac);
}

/* Whether the value goes by another name under which it may be larger: then its own range is provisional. */
static bool widened(const tf_program *program, const tf_plan *plan, int node) {
    for (int i = node + 1; i < program->nodes; i++)
        if (plan->schedule[i].root == plan->schedule[node].root && program->node[i].step &&
            program->node[i].type.bound > program->node[node].type.bound)
            return true;
    return false;
}

/* Looks at a whole value under all of its names. */
static tf_status examine(tf_range_check *check, const tf_program *program, const tf_plan *plan, int root,
                         const uint64_t *sum) {
    for (int i = root; i < program->nodes; i++) {
        const tf_step_node *n = &program->node[i];
        if (!n->step || plan->schedule[i].root != root || n->type.kind != TF_SHARE) continue;
        double magnitude = magnitude_of(sum, tf_shape_count(n->type.shape), &n->type);
        if (!n->loose && magnitude > n->type.bound + slack(&n->type) && !widened(program, plan, i))
            return complain(program, i, magnitude);
        for (int k = 0; program->graph && k < program->graph->nodes; k++) {
            tf_range_entry *entry = NULL;
            if (program->result[k] != i || !program->graph->node[k].op) continue;
            TF_TRY(find_entry(check, &program->graph->node[k], &entry));
            entry->largest = fmax(entry->largest, magnitude);
            entry->bound = fmin(entry->bound, n->type.bound);
        }
    }
    return TF_OK;
}

/* The other party's half of this value, taken out of the list; or NULL. */
static half *take(tf_range_check *check, uint32_t run, int node) {
    for (half **at = &check->waiting; *at; at = &(*at)->next)
        if ((*at)->run == run && (*at)->node == node) {
            half *found = *at;
            *at = found->next;
            return found;
        }
    return NULL;
}

static tf_status meet(tf_range_check *check, const tf_party *party, const tf_program *program, const tf_plan *plan,
                      int node, const tf_view *view) {
    size_t count = tf_shape_count(program->node[node].type.shape);
    half *other = take(check, party->run, node), *own = other ? other : calloc(1, sizeof *own);
    if (own && !own->sum) own->sum = calloc(count, sizeof *own->sum);
    if (!own || !own->sum) {
        free(own);
        return tf_fail(TF_NOMEM, "no memory to check %zu values", count);
    }
    for (size_t i = 0; i < count; i++) own->sum[i] += party->id == 0 ? view->c[0][i] + view->c[1][i] : view->c[1][i];
    if (!other) {
        own->run = party->run;
        own->node = node;
        own->next = check->waiting;
        check->waiting = own;
        return TF_OK;
    }
    tf_status status = examine(check, program, plan, node, own->sum);
    free(own->sum);
    free(own);
    return status;
}

static tf_status observe(void *context, const tf_party *party, const tf_program *program, const tf_plan *plan, int node,
                         const tf_view *view) {
    tf_range_check *check = context;
    if (party->id == 2 || program->node[node].type.kind != TF_SHARE || program->node[node].step->sink) return TF_OK;
    pthread_mutex_lock(&check->lock);
    tf_status status = meet(check, party, program, plan, node, view);
    pthread_mutex_unlock(&check->lock);
    return status;
}

void tf_range_check_attach(tf_range_check *check, tf_party *party) {
    party->observer = observe;
    party->observer_context = check;
}
