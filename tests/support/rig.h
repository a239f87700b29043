/**
 * A rig: one program whose inputs and results are ring integers, run by three parties, for tests of steps.
 *
 *     rig r = rig_open(16);
 *     tf_value x = rig_put(&r, tf_dims(n), integers, 16, 48, 100); // shares made here, not by the input step
 *     int y = rig_take(&r, tf_trunc(&r.program, x, 0));
 *     rig_run(&r);                                                 // asserts success and forecast = measured
 *     rig_result(&r, y)[i] ...                                     // the integers behind y
 *     rig_close(&r);
 *
 * Shares have garbage above their ring, and some are extreme: all zeros, all ones, the top bit alone.
 */
#ifndef TF_TESTS_RIG_H
#define TF_TESTS_RIG_H

#include <criterion/criterion.h>
#include <math.h>

#include "runtime/graph/graph.h"
#include "runtime/lower/compose.h"
#include "tests/support/three.h"

enum { RIG_INPUTS = 8, RIG_RESULTS = 8 };

/** How rig_put cuts integers into components. */
typedef enum rig_sharing {
    RIG_EDGES, /**< uniform, and every few elements extreme */
    RIG_UNIFORM,
    RIG_BARE /**< no randomness at all: whatever a message lacks a mask for shows */
} rig_sharing;

typedef struct rig {
    tf_program program;
    rig_sharing sharing;
    int inputs, results;
    tf_node leaf[RIG_INPUTS];
    uint64_t *component[RIG_INPUTS][TF_PARTIES];
    tf_view param[TF_PARTIES][RIG_INPUTS];
    tf_type type[RIG_RESULTS];
    tf_view kept[TF_PARTIES][RIG_RESULTS];
    int64_t *result[RIG_RESULTS];
    three t;
} rig;

/** Sizes around every boundary there is: words of bits, thirds (multiples of 128) and blocks (2048). */
static const size_t rig_size[] = {1, 2, 63, 64, 65, 127, 128, 129, 383, 384, 385, 2047, 2048, 2049, 10000};
enum { RIG_SIZES = sizeof rig_size / sizeof *rig_size };

/** The same numbers in every run of a test. */
static inline uint64_t rig_random(void) {
    static uint64_t state = 20260101;
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/** Uniform in low..high. */
static inline double rig_uniform(double low, double high) {
    return low + (high - low) * ldexp((double)(rig_random() >> 11), -53);
}

/** n integers of |x| < 2^bits: the extremes first, then of all magnitudes. The caller frees them. */
static inline int64_t *rig_integers(size_t n, unsigned bits) {
    int64_t *x = malloc(n * sizeof *x), most = (INT64_C(1) << bits) - 1;
    const int64_t edge[] = {most, -most, 0, 1, -1, most / 2, -most / 2, most - 1};
    for (size_t i = 0; i < n; i++) {
        int64_t magnitude = (int64_t)(rig_random() >> (64 - bits) >> rig_random() % bits);
        x[i] = i < sizeof edge / sizeof *edge ? edge[i] : rig_random() & 1 ? magnitude : -magnitude;
    }
    return x;
}

/** The integer in -2^(bits-1)..2^(bits-1) that is x mod 2^bits. */
static inline int64_t rig_signed(uint64_t x, unsigned bits) {
    return (int64_t)(x << (64 - bits)) >> (64 - bits);
}

static inline rig rig_open(int frac) {
    rig r = {.inputs = 0};
    tf_program_init(&r.program, frac, 0, 1);
    return r;
}

static inline uint64_t rig_component(rig_sharing sharing, size_t i) {
    const uint64_t extreme[] = {0, ~UINT64_C(0), UINT64_C(1) << 63, 1, UINT64_C(1) << 47, UINT64_C(1) << 31};
    if (sharing == RIG_BARE) return 0;
    if (sharing == RIG_EDGES && i % 4 == 1) return extreme[rig_random() % 6];
    return rig_random();
}

/** Integers as shares mod 2^bits, of reals with `frac` fractional bits and at most `bound`. */
static inline tf_value rig_put(rig *r, tf_shape shape, const int64_t *x, int frac, unsigned bits, double bound) {
    int k = r->inputs++;
    size_t n = tf_shape_count(shape);
    cr_assert(k < RIG_INPUTS);
    for (int j = 0; j < TF_PARTIES; j++) r->component[k][j] = malloc(n * sizeof(uint64_t));
    for (size_t i = 0; i < n; i++) {
        uint64_t *c[TF_PARTIES], garbage = bits < 64 && r->sharing != RIG_BARE ? rig_random() << bits : 0;
        for (int j = 0; j < TF_PARTIES; j++) c[j] = &r->component[k][(i + (size_t)j) % 3][i];
        *c[0] = rig_component(r->sharing, i);
        *c[1] = rig_component(r->sharing, i);
        *c[2] = (uint64_t)x[i] - *c[0] - *c[1] + garbage;
    }
    for (int p = 0; p < TF_PARTIES; p++)
        r->param[p][k] = (tf_view){.c = {r->component[k][p], r->component[k][tf_next(p)]}};
    r->leaf[k] = (tf_node){.leaf = TF_LEAF_WEIGHT, .shape = shape};
    snprintf(r->leaf[k].name, sizeof r->leaf[k].name, "input%d", k);
    tf_value v = tf_weight(&r->program, tf_program_leaf(&r->program, &r->leaf[k]), frac, bits);
    cr_assert(v >= 0, "%s", tf_error());
    r->program.node[v].type.bound = bound;
    r->program.node[v].type.zero = -1; /* these shares have none */
    return v;
}

/** Asks for the integers of a value; the number by which rig_result knows them. */
static inline int rig_take(rig *r, tf_value v) {
    int k = r->results++;
    cr_assert(k < RIG_RESULTS);
    cr_assert(tf_keep(&r->program, v, k) >= 0, "%s", r->program.error);
    r->type[k] = *tf_type_of(&r->program, v);
    size_t bytes = tf_shape_count(r->type[k].shape) * sizeof(uint64_t);
    for (int p = 0; p < TF_PARTIES; p++)
        for (int j = 0; j < 2; j++) r->kept[p][k].c[j] = malloc(bytes);
    r->result[k] = malloc(bytes);
    return k;
}

/** Measured bytes are the forecast's on every directed link, and so are the rounds. */
static inline void rig_check_forecast(const three *t) {
    for (int p = 0; p < TF_PARTIES; p++) {
        const tf_run_stats *stats = &t->party[p].stats;
        cr_assert_eq(stats->rounds, (uint64_t)t->plan.rounds);
        for (int q = 0; q < TF_PARTIES; q++) {
            cr_assert_eq(stats->sent[q], t->plan.bytes[p][q], "%d to %d", p, q);
            cr_assert_eq(stats->received[q], t->plan.bytes[q][p], "%d from %d", p, q);
        }
        cr_assert_eq(t->undefined[p], 0, "party %d received %zu messages with uninitialised bytes", p, t->undefined[p]);
    }
}

/** The status of a run, for those that are to fail. */
static inline tf_status rig_try(rig *r) {
    three_free(&r->t);
    r->t.program = &r->program;
    for (int p = 0; p < TF_PARTIES; p++) {
        r->t.party[p].params = r->param[p];
        r->t.party[p].slots.kept = r->kept[p];
    }
    for (int k = 0; k < r->inputs && r->t.tainted; k++)
        for (int j = 0; j < TF_PARTIES; j++)
            VALGRIND_MAKE_MEM_UNDEFINED(r->component[k][j], tf_shape_count(r->leaf[k].shape) * sizeof(uint64_t));
    tf_status status = three_parties(&r->t);
    for (int k = 0; k < r->results; k++)
        for (int p = 0; p < TF_PARTIES; p++)
            for (int j = 0; j < 2 && r->t.tainted; j++)
                VALGRIND_MAKE_MEM_DEFINED(r->kept[p][k].c[j], tf_shape_count(r->type[k].shape) * sizeof(uint64_t));
    return status;
}

/** Runs; the two holders of a component must agree on it. */
static inline void rig_run(rig *r) {
    cr_assert_eq(rig_try(r), TF_OK, "%s", tf_error());
    rig_check_forecast(&r->t);
    for (int k = 0; k < r->results; k++) {
        uint64_t mask = tf_mask(r->type[k].bits);
        size_t n = tf_shape_count(r->type[k].shape);
        for (size_t i = 0; i < n; i++) {
            uint64_t sum = 0;
            for (int p = 0; p < TF_PARTIES; p++) {
                uint64_t mine = r->kept[p][k].c[1][i], next = r->kept[tf_next(p)][k].c[0][i];
                if ((mine ^ next) & mask) cr_assert_fail("element %zu: parties %d and %d differ", i, p, tf_next(p));
                sum += mine;
            }
            r->result[k][i] = rig_signed(sum, r->type[k].bits);
        }
    }
}

static inline const int64_t *rig_result(const rig *r, int k) {
    return r->result[k];
}

/** Element i of a result as a real. */
static inline double rig_real(const rig *r, int k, size_t i) {
    return ldexp((double)r->result[k][i], -r->type[k].frac);
}

static inline void rig_close(rig *r) {
    for (int k = 0; k < r->inputs; k++)
        for (int j = 0; j < TF_PARTIES; j++) free(r->component[k][j]);
    for (int k = 0; k < r->results; k++) {
        free(r->result[k]);
        for (int p = 0; p < TF_PARTIES; p++)
            for (int j = 0; j < 2; j++) free(r->kept[p][k].c[j]);
    }
    three_free(&r->t);
    tf_program_free(&r->program);
}

#endif
