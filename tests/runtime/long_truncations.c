/*
 * Very many truncations by 16 bits: none may be off by more than one unit, and the mean error must vanish.
 *
 *     long_truncations [COUNT]
 *
 * COUNT of each kind, 10^8 if it is left out. Wide ones take values up to 2^60 in magnitude, narrow ones (from Z_2^48
 * into Z_2^32) up to 2^46. Prints what it found; the exit status is 0 if all is well.
 */
#include <math.h>

#include "runtime/graph/graph.h"
#include "tests/support/three.h"

enum { SHIFT = 16, CHUNK = 1 << 17 };

typedef struct kind {
    const char *name;
    unsigned ring, bits; /* |x| < 2^bits */
    bool wide;
} kind;

typedef struct job {
    const kind *kind;
    uint64_t count;
    uint64_t wrong; /* the rest is found by party 0, who gets the results */
    double sum, worst;
} job;

/* A public, repeatable source of numbers: word `index` of a sequence. All parties make the shares that they hold from
 * it. */
static uint64_t word(uint64_t index) {
    uint64_t z = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Uniform below 2^bits in magnitude, with the extremes and zero among the first. */
static int64_t value(const kind *k, uint64_t index) {
    int64_t most = (INT64_C(1) << k->bits) - 1, edge[] = {most, -most, 0, 1, -1, most - 1};
    uint64_t w = word(3 * index);
    if (index < sizeof edge / sizeof *edge) return edge[index];
    return w & 1 ? (int64_t)(w >> (64 - k->bits)) : -(int64_t)(w >> (64 - k->bits));
}

/* Component j of value `index`: two are uniform, which of them is the difference goes round. */
static uint64_t component(const kind *k, uint64_t index, int j) {
    int turned = (int)((index + (uint64_t)j) % 3);
    uint64_t a = word(3 * index + 1), b = word(3 * index + 2);
    return turned == 0 ? a : turned == 1 ? b : (uint64_t)value(k, index) - a - b;
}

static void check(job *own, uint64_t from, size_t count, const double *result) {
    for (size_t i = 0; i < count; i++) {
        double error =
            (double)((int64_t)result[i] * (1 << SHIFT) - value(own->kind, from + i)) / (1 << SHIFT); /* exact */
        own->sum += error;
        own->worst = fmax(own->worst, fabs(error));
        own->wrong += !(fabs(error) <= 1);
    }
}

static tf_status run_chunks(tf_party *party, const tf_program *program, job *own, uint64_t *c[2], double *result) {
    tf_plan plan;
    TF_TRY(tf_plan_make(program, &plan));
    tf_view param = {.c = {c[0], c[1]}};
    tf_slots slots = {.output = &result};
    tf_status status = TF_OK;
    for (uint64_t at = 0; at < own->count && !status; at += CHUNK) {
        for (int j = 0; j < 2; j++)
            for (size_t i = 0; i < CHUNK; i++) c[j][i] = component(own->kind, at + i, (party->id + j) % 3);
        status = tf_execute(party, program, &plan, &param, &slots, NULL, NULL);
        size_t count = own->count - at < CHUNK ? (size_t)(own->count - at) : CHUNK;
        if (!status && party->id == 0) check(own, at, count, result);
    }
    tf_plan_free(&plan);
    return status;
}

static tf_status play(tf_link *link, int id, void *context) {
    job *own = context;
    const kind *k = own->kind;
    tf_node leaf = {.name = "x", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(CHUNK)};
    tf_program program;
    tf_program_init(&program, SHIFT, 0, 1);
    tf_value x = tf_weight(&program, tf_program_leaf(&program, &leaf), SHIFT, k->ring);
    x = tf_assume(&program, x, ldexp(1, (int)k->bits - SHIFT));
    tf_output(&program, k->wide ? tf_trunc_wide(&program, x, 0) : tf_trunc(&program, x, 0), 0, 0);
    uint64_t *c[2] = {malloc(CHUNK * sizeof(uint64_t)), malloc(CHUNK * sizeof(uint64_t))};
    double *result = malloc(CHUNK * sizeof *result);
    tf_party party;
    tf_status status =
        c[0] && c[1] && result ? tf_party_open(&party, link) : tf_fail(TF_NOMEM, "no memory for a chunk");
    if (!status) {
        status = run_chunks(&party, &program, own, c, result);
        tf_party_close(&party);
    }
    free(c[0]), free(c[1]), free(result);
    tf_program_free(&program);
    return status;
}

int main(int argc, char **argv) {
    const kind kinds[] = {{"wide, in Z_2^64", 64, 60, true}, {"narrow, Z_2^48 to Z_2^32", 48, 46, false}};
    double count = argc > 1 ? atof(argv[1]) : 1e8;
    int failures = 0;
    if (!(count >= 1 && count <= 1e12)) {
        fprintf(stderr, "%s: %s is no count\n", argv[0], argv[1]);
        return 2;
    }
    for (int k = 0; k < 2; k++) {
        job work = {.kind = &kinds[k], .count = (uint64_t)count};
        three_outcome outcome;
        if (three_do(play, &work, &outcome) != TF_OK) {
            fprintf(stderr, "%s: %s\n", kinds[k].name, tf_error());
            return 1;
        }
        double mean = work.sum / count, allowed = fmax(1e-3, 6 * 0.5 / sqrt(count)); /* fewer than 10^7 show less */
        bool good = work.wrong == 0 && fabs(mean) < allowed;
        printf("%s: %.0f truncations, %llu off by more than one unit, worst %.6f, mean error %.2e units%s\n",
               kinds[k].name, count, (unsigned long long)work.wrong, work.worst, mean, good ? "" : ": FAILED");
        failures += !good;
    }
    return failures > 0;
}
