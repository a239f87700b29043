#include "runtime/session.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "net/clock.h"

/** A shared weight. A packed one keeps only the sum of both components, in the kernel's form. */
typedef struct tf_stored {
    char name[sizeof((tf_node *)0)->name];
    int frac;
    unsigned bits;
    bool is_packed;
    tf_packed *packed;
    uint64_t *component[2];
    tf_shape shape;
} tf_stored;

enum { CHUNK = 1 << 21 }; /* elements that are put in at a time */

tf_status tf_session_open(tf_session *session, tf_link *link) {
    *session = (tf_session){0};
    return tf_party_open(&session->party, link);
}

static void release_components(tf_stored *stored) {
    for (int j = 0; j < 2; j++) {
        if (stored->component[j])
            explicit_bzero(stored->component[j], tf_shape_count(stored->shape) * sizeof(uint64_t));
        free(stored->component[j]);
        stored->component[j] = NULL;
    }
}

/** Drops the shared weights from number `first` on. */
static void drop(tf_session *session, size_t first) {
    for (size_t i = first; i < session->count; i++) {
        release_components(&session->stored[i]);
        tf_packed_free(session->stored[i].packed);
    }
    if (session->count > first) session->count = first;
}

void tf_session_close(tf_session *session) {
    drop(session, 0);
    free(session->stored);
    session->stored = NULL;
    session->capacity = 0;
    tf_party_close(&session->party);
}

tf_digest tf_digest_of(const void *data, size_t size) {
    tf_digest digest;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, size));
    memcpy(digest.byte, canonical.digest, sizeof digest.byte);
    return digest;
}

/** Sends `out` to both others and receives their `size` bytes each into in[0] (party id + 1) and in[1] (id + 2). */
static tf_status swap_public(tf_link *link, const void *out, void *in[2], size_t size) {
    int id = tf_link_party(link);
    tf_ticket sent[2], received[2];
    for (int k = 0; k < 2; k++) {
        TF_TRY(tf_link_receive(link, (id + 1 + k) % 3, in[k], size, &received[k]));
        TF_TRY(tf_link_send(link, (id + 1 + k) % 3, out, size, &sent[k]));
    }
    for (int k = 0; k < 2; k++) TF_TRY(tf_link_wait(link, received[k]));
    for (int k = 0; k < 2; k++) TF_TRY(tf_link_wait(link, sent[k]));
    return TF_OK;
}

tf_status tf_session_agree(tf_session *session, const tf_fact *fact, size_t facts) {
    enum { MOST = 16 };
    tf_digest own[MOST] = {0}, other[2][MOST];
    if (facts > MOST) return tf_fail(TF_INTERNAL, "more than %d facts to compare", MOST);
    for (size_t i = 0; i < facts; i++) own[i] = fact[i].digest;
    TF_TRY(swap_public(session->party.link, own, (void *[]){other[0], other[1]}, facts * sizeof *own));
    for (size_t i = 0; i < facts; i++)
        for (int k = 0; k < 2; k++)
            if (memcmp(&own[i], &other[k][i], sizeof *own))
                return tf_fail(TF_MISMATCH, "the parties differ in %s: start all three with the same", fact[i].name);
    return TF_OK;
}

tf_status tf_session_publish(tf_session *session, int from, void *data, size_t size) {
    tf_link *link = session->party.link;
    tf_ticket ticket[2];
    if (session->party.id != from) {
        TF_TRY(tf_link_receive(link, from, data, size, &ticket[0]));
        return tf_link_wait(link, ticket[0]);
    }
    for (int k = 0; k < 2; k++) TF_TRY(tf_link_send(link, (from + 1 + k) % 3, data, size, &ticket[k]));
    for (int k = 0; k < 2; k++) TF_TRY(tf_link_wait(link, ticket[k]));
    return TF_OK;
}

/* Resuming --------------------------------------------------------------------------------------------------------- */

/** What the parties must hold alike to keep it: the generation, and which weights of it are complete. */
static tf_digest holdings(const tf_session *session) {
    struct {
        tf_digest before;
        char name[sizeof session->stored->name];
        int32_t frac, bits, is_packed;
        uint64_t elements;
    } item;
    tf_digest digest = session->generation;
    for (size_t i = 0; i < session->count; i++) {
        const tf_stored *s = &session->stored[i];
        memset(&item, 0, sizeof item);
        item.before = digest;
        memcpy(item.name, s->name, sizeof item.name);
        item.frac = s->frac, item.bits = (int32_t)s->bits, item.is_packed = s->is_packed;
        item.elements = tf_shape_count(s->shape);
        digest = tf_digest_of(&item, sizeof item);
    }
    return digest;
}

tf_status tf_session_resume(tf_session *session, tf_link *link) {
    int threads = tf_workers_count(session->party.workers);
    session->party.abandoned = false;
    tf_party_close(&session->party);
    TF_TRY(tf_party_open(&session->party, link));
    TF_TRY(tf_party_set_threads(&session->party, threads));
    tf_digest own = holdings(session), other[2];
    TF_TRY(swap_public(link, &own, (void *[]){&other[0], &other[1]}, sizeof own));
    if (session->count > 0 && !memcmp(&own, &other[0], sizeof own) && !memcmp(&own, &other[1], sizeof own))
        return TF_OK;
    drop(session, 0);
    if (session->party.id == 0 && RAND_bytes(session->generation.byte, sizeof session->generation.byte) != 1)
        return tf_fail(TF_INTERNAL, "no random numbers for a session");
    return tf_session_publish(session, 0, &session->generation, sizeof session->generation);
}

/* Sharing weights -------------------------------------------------------------------------------------------------- */

static tf_stored *find(tf_session *session, const tf_program *program, const tf_param *param) {
    const tf_type *type = &program->node[param->value].type;
    for (size_t i = 0; i < session->count; i++) {
        tf_stored *s = &session->stored[i];
        if (s->frac == type->frac && s->bits == type->bits && s->is_packed == param->packed &&
            tf_shape_equal(s->shape, type->shape) && !strcmp(s->name, param->leaf->name))
            return s;
    }
    return NULL;
}

static tf_status add(tf_session *session, const tf_program *program, const tf_param *param, tf_stored **out) {
    if (session->count == session->capacity) {
        size_t capacity = session->capacity ? 2 * session->capacity : 64;
        tf_stored *grown = realloc(session->stored, capacity * sizeof *grown);
        if (!grown) return tf_fail(TF_NOMEM, "no memory for %zu weights", capacity);
        session->stored = grown;
        session->capacity = capacity;
    }
    const tf_type *type = &program->node[param->value].type;
    tf_stored *s = &session->stored[session->count];
    *s = (tf_stored){.frac = type->frac, .bits = type->bits, .is_packed = param->packed, .shape = type->shape};
    memcpy(s->name, param->leaf->name, sizeof s->name);
    session->count++;
    for (int j = 0; j < 2; j++) {
        s->component[j] = malloc(tf_shape_count(s->shape) * sizeof(uint64_t));
        if (!s->component[j]) return tf_fail(TF_NOMEM, "no memory for the weight %s", s->name);
    }
    *out = s;
    return TF_OK;
}

static tf_status share(tf_session *session, const tf_program *program, const tf_param *param, tf_stored *stored) {
    const tf_type *type = &program->node[param->value].type;
    size_t elements = tf_shape_count(type->shape);
    for (size_t at = 0; at < elements; at += CHUNK) {
        size_t count = elements - at < CHUNK ? elements - at : CHUNK;
        tf_program input;
        tf_plan plan;
        tf_program_init(&input, program->frac, program->model_owner, program->data_owner);
        tf_keep(&input, tf_input(&input, program->model_owner, tf_dims(count), type->frac, type->bits, type->bound, 0),
                0);
        tf_status status = tf_plan_make(&input, &plan);
        if (!status) {
            const float *data = param->leaf->data ? param->leaf->data + at : NULL;
            tf_view kept = {.c = {stored->component[0] + at, stored->component[1] + at}};
            tf_slots slots = {.input = &data, .kept = &kept};
            status = tf_execute(&session->party, &input, &plan, NULL, &slots, NULL, NULL);
            tf_plan_free(&plan);
        }
        tf_program_free(&input);
        if (status) return tf_fail_in(status, "weight %s", param->leaf->name);
    }
    if (!param->packed) return TF_OK;
    size_t out = type->shape.dim[0], in = type->shape.dim[1];
    stored->packed =
        session->party.kernels->pack_sum(stored->component[0], stored->component[1], in, out, 1, in, type->bits);
    if (!stored->packed) return tf_fail(TF_NOMEM, "no memory to pack the weight %s", stored->name);
    release_components(stored);
    return TF_OK;
}

/** The views of all parameters, sharing those that are not there yet. */
static tf_status provide(tf_session *session, const tf_program *program, tf_view *view) {
    for (int i = 0; i < program->params; i++) {
        const tf_param *param = &program->param[i];
        tf_stored *stored = find(session, program, param);
        if (stored) continue;
        size_t whole = session->count;
        tf_status status = add(session, program, param, &stored);
        if (!status) status = share(session, program, param, stored);
        if (status) {
            drop(session, whole);
            return status;
        }
    }
    for (int i = 0; i < program->params; i++) { /* only now: the store has stopped moving */
        const tf_stored *stored = find(session, program, &program->param[i]);
        view[i] = (tf_view){.c = {stored->component[0], stored->component[1]}, .packed = stored->packed};
    }
    return TF_OK;
}

/* Running -----------------------------------------------------------------------------------------------------------
 */

tf_status tf_session_run_program(tf_session *session, const tf_program *program, tf_slots *slots,
                                 tf_session_stats *stats, double *op_seconds) {
    tf_session_stats local;
    if (!stats) stats = &local;
    *stats = (tf_session_stats){.online.op = -1};
    int owners[] = {program->model_owner, program->data_owner};
    tf_fact fact[] = {{"the fractional bits of activations", tf_digest_of(&program->frac, sizeof program->frac)},
                      {"who owns the model and who the data", tf_digest_of(owners, sizeof owners)},
                      {.name = "the lowered program (model, lengths of texts, approximations, or version)"}};
    TF_TRY(tf_program_digest(program, &fact[2].digest));
    tf_status agreed = tf_session_agree(session, fact, sizeof fact / sizeof *fact);
    if (agreed) return agreed == TF_PEER ? tf_fail_in(agreed, "comparing programs") : agreed;
    tf_view *view = calloc((size_t)program->params + 1, sizeof *view);
    if (!view) return tf_fail(TF_NOMEM, "no memory for %d weights", program->params);
    tf_plan plan;
    tf_status status = tf_plan_make(program, &plan);
    if (!status) {
        double start = tf_clock();
        status = provide(session, program, view);
        stats->setup_seconds = tf_clock() - start;
        if (!status) status = tf_execute(&session->party, program, &plan, view, slots, &stats->online, op_seconds);
        memcpy(stats->bytes, plan.bytes, sizeof stats->bytes);
        stats->rounds = (uint64_t)plan.rounds;
        stats->memory = plan.arena_words * sizeof(uint64_t) + plan.buffer_bytes;
        tf_plan_free(&plan);
    }
    free(view);
    return status;
}

tf_status tf_session_run(tf_session *session, const tf_graph *graph, int frac, int model_owner, int data_owner,
                         double *output, tf_session_stats *stats, double *op_seconds) {
    tf_program program;
    TF_TRY(tf_lower(graph, frac, model_owner, data_owner, &program));
    tf_slots slots = {.output = &output};
    tf_session_stats local;
    if (!stats) stats = &local;
    stats->online.op = -1;
    tf_status status = tf_session_run_program(session, &program, &slots, stats, op_seconds);
    int op = stats->online.op;
    if (status == TF_PEER && op >= 0 && op < graph->nodes) status = tf_fail_in(status, "%s", graph->node[op].name);
    tf_program_free(&program);
    return status;
}
