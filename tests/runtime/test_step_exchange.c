/* Putting values in and opening them. */
#include <math.h>

#include "runtime/program/weights.h"
#include "tests/support/alter.h"
#include "tests/support/rig.h"
#include "tests/support/view.h"

/* Runs a program that has only inputs and outputs by slot; everybody is given everything. */
typedef struct slots {
    three t;
    double *output[TF_PARTIES][3];
} slots;

static tf_status run(const tf_program *program, const float *const *input, size_t n, slots *s) {
    *s = (slots){.t.program = program};
    for (int p = 0; p < TF_PARTIES; p++) {
        for (int k = 0; k < 3; k++) {
            s->output[p][k] = malloc(n * sizeof(double));
            for (size_t i = 0; i < n; i++) s->output[p][k][i] = NAN;
        }
        s->t.party[p].slots = (tf_slots){.input = input, .output = s->output[p]};
    }
    return three_parties(&s->t);
}

static void release(slots *s) {
    for (int p = 0; p < TF_PARTIES; p++)
        for (int k = 0; k < 3; k++) free(s->output[p][k]);
    three_free(&s->t);
}

Test(step_exchange, every_owner_to_every_receiver) {
    const unsigned rings[] = {20, 32, 41, 48, 64};
    for (int owner = 0; owner < TF_PARTIES; owner++)
        for (int s = 0; s < RIG_SIZES; s++) {
            size_t n = rig_size[s];
            unsigned bits = rings[(owner + s) % 5];
            double bound = ldexp(1, (int)bits - 2 - 12);
            float *x = malloc(n * sizeof *x);
            for (size_t i = 0; i < n; i++) x[i] = (float)ldexp(rint(rig_uniform(-1, 1) * 0x1p17), -12);
            if (n > 2) x[0] = (float)ldexp(-bound, 0), x[1] = nextafterf((float)bound, 0), x[2] = 0;
            if (n > 2 && bits - 2 < 24) x[1] = (float)(bound - ldexp(1, -12));
            tf_program program;
            tf_program_init(&program, 12, 0, 1);
            tf_value v = tf_input(&program, owner, tf_dims(n), 12, bits, bound, 0);
            tf_output(&program, v, (owner + s) % 3, 1);
            tf_output(&program, v, TF_EVERYONE, 2);
            slots r;
            cr_assert_eq(run(&program, (const float *const[]){x}, n, &r), TF_OK, "%s", tf_error());
            rig_check_forecast(&r.t);
            for (int p = 0; p < TF_PARTIES; p++)
                for (size_t i = 0; i < n; i++) {
                    double wanted = ldexp(rint(ldexp(x[i], 12)), -12);
                    cr_assert_eq(r.output[p][2][i], wanted, "%g, not %g", r.output[p][2][i], wanted);
                    if (p == (owner + s) % 3)
                        cr_assert_eq(r.output[p][1][i], wanted);
                    else
                        cr_assert(isnan(r.output[p][1][i]), "party %d learnt another's output", p);
                }
            release(&r);
            tf_program_free(&program);
            free(x);
        }
}

Test(step_exchange, shares_of_an_input_are_those_of_its_owner) {
    enum { N = 3000 };
    float *x = malloc(N * sizeof *x);
    for (int i = 0; i < N; i++) x[i] = (float)i / 4;
    const float *input[] = {x};
    for (int owner = 0; owner < TF_PARTIES; owner++) {
        rig r = rig_open(16);
        tf_value v = tf_input(&r.program, owner, tf_dims(N), 16, 48, 1024, 0);
        cr_assert_eq(tf_type_of(&r.program, v)->zero, tf_previous(owner));
        int y = rig_take(&r, v);
        for (int p = 0; p < TF_PARTIES; p++) r.t.party[p].slots.input = input;
        rig_run(&r);
        for (int i = 0; i < N; i++) {
            cr_assert_eq(rig_result(&r, y)[i], (int64_t)i << 14);
            cr_assert_eq(r.kept[tf_next(owner)][y].c[1][i], 0, "the third component");
            cr_assert_eq(r.kept[tf_previous(owner)][y].c[0][i], 0, "the third component");
        }
        rig_close(&r);
    }
    free(x);
}

Test(step_exchange, rounds_to_the_nearest) {
    const float x[] = {0.3f, -0.3f, 1e-9f, -1e-9f, 0x1p-17f, 0x1.8p-16f, -0x1.8p-16f, 100.00001f};
    tf_program program;
    tf_program_init(&program, 16, 0, 1);
    tf_output(&program, tf_input(&program, 1, tf_dims(8), 16, 32, 1 << 13, 0), 0, 0);
    slots r;
    cr_assert_eq(run(&program, (const float *const[]){x}, 8, &r), TF_OK, "%s", tf_error());
    for (int i = 0; i < 8; i++) cr_assert_eq(r.output[0][0][i], ldexp(rint(ldexp((double)x[i], 16)), -16));
    release(&r);
    tf_program_free(&program);
}

static void check_refused(int owner, const float *x, tf_status status, const char *reason) {
    tf_program program;
    tf_program_init(&program, 16, 0, 1);
    tf_output(&program, tf_input(&program, owner, tf_dims(1), 16, 32, 1 << 13, 0), 0, 0);
    slots r;
    cr_assert_eq(run(&program, x ? (const float *const[]){x} : NULL, 1, &r), status, "%s", tf_error());
    cr_assert(strstr(tf_error(), reason) != NULL, "%s", tf_error());
    for (int p = 0; p < TF_PARTIES; p++) { /* the others end with the owner's reason */
        /* but who is to receive neither the input nor the output may have ended before */
        if (p != 0 && p != owner && p != tf_next(owner) && !r.t.outcome.status[p]) continue;
        cr_assert(r.t.outcome.status[p] == (p == owner ? status : TF_PEER));
        cr_assert(strstr(r.t.outcome.error[p], reason) != NULL, "party %d: %s", p, r.t.outcome.error[p]);
    }
    release(&r);
    tf_program_free(&program);
}

Test(step_exchange, refuses_what_is_no_number_or_out_of_range) {
    const float bad[] = {NAN, INFINITY, -INFINITY, 8193, -8193, 8192 /* in Z_2^32 it could not be lifted */};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_refused((int)i % 3, &bad[i], TF_RANGE,
                      "not a number or too large: at 16 fractional bits its range ends at 8192");
}

/* To the last number that is in range, of both signs, in odd counts and in ranges of both ways to encode. */
Test(step_exchange, encodes_to_the_nearest_number_ties_to_even) {
    enum { COUNT = 37 };
    for (int frac = 0; frac <= 44; frac += 11) {
        const tf_type type = {.frac = frac, .bound = 1 << 13, .bits = 64, .shape = tf_dims(COUNT)};
        const float outside[] = {NAN, INFINITY, -INFINITY, 8194, -8194, 0x1p62f, -0x1p62f, 0x1p127f, -0x1p127f};
        float in[COUNT];
        uint64_t out[COUNT];
        for (int i = 0; i < COUNT; i++) in[i] = (float)((i - COUNT / 2) * ldexp(0.25, -frac / 2) * (i % 5 ? 1 : 455));
        in[0] = -8192, in[1] = 8191, in[2] = 0.5f, in[3] = 1.5f, in[4] = -0.5f, in[5] = -0.f;
        cr_assert_eq(tf_encode(&type, in, COUNT, out), TF_OK, "%d bits: %s", frac, tf_error());
        for (int i = 0; i < COUNT; i++)
            cr_assert_eq((int64_t)out[i], (int64_t)rint(ldexp(in[i], frac)), "%d bits: %a", frac, in[i]);
        for (size_t k = 0; k < sizeof outside / sizeof *outside; k++) {
            in[k * 4] = outside[k];
            cr_assert_eq(tf_encode(&type, in, COUNT, out), TF_RANGE, "%d bits: %g", frac, outside[k]);
            in[k * 4] = 0;
        }
    }
}

Test(step_exchange, refuses_an_input_without_data) {
    for (int owner = 0; owner < TF_PARTIES; owner++) check_refused(owner, NULL, TF_INVALID, "no data for input 0");
}

/* A value opened to party 0 twice. Party 1 sends the component that it misses, party 2 the tags of it. */
static tf_status open_twice(alter *t, double out[2]) {
    const float x = 12.5f;
    tf_program program;
    tf_program_init(&program, 16, 0, 1);
    tf_value v = tf_input(&program, 1, tf_dims(1), 16, 48, 1 << 13, 0);
    tf_output(&program, v, 0, 0);
    tf_output(&program, v, 0, 1);
    slots r = {.t.program = &program};
    double *place[] = {&out[0], &out[1]};
    const float *input[] = {&x};
    for (int p = 0; p < TF_PARTIES; p++) r.t.party[p].slots = (tf_slots){.input = input, .output = place};
    r.t.party[0].observer = alter_observe, r.t.party[0].observer_context = t;
    tf_status status = three_parties(&r.t);
    three_free(&r.t);
    tf_program_free(&program);
    return status;
}

Test(step_exchange, no_party_alone_can_change_an_output) {
    enum { VALUE = 2 * 6, TAGS = 2 * 16 };
    double out[2];
    for (int from = 1; from <= 2; from++)
        for (uint64_t at = 0; at < (from == 1 ? VALUE : TAGS); at++) {
            alter t = {.from = from, .at = at, .count = 1};
            cr_assert_eq(open_twice(&t, out), TF_MISMATCH, "byte %d from party %d", (int)at, from);
            cr_assert(strstr(tf_error(), "hold different shares of an output"), "%s", tf_error());
            cr_assert_eq(t.changed, 1);
        }
    alter none = {.from = 1};
    cr_assert_eq(open_twice(&none, out), TF_OK, "%s", tf_error());
    cr_assert(none.seen == VALUE && out[0] == 12.5 && out[1] == 12.5);
}

/* What tells two tags of one value apart is their key. A digest without one could be made by whoever knows the value:
   by party 1, who could look for two values of one digest. */
Test(step_exchange, tags_of_outputs_have_a_key) {
    view seen = {0};
    alter t = {.from = 2, .next = view_observe, .context = &seen};
    double out[2];
    cr_assert_eq(open_twice(&t, out), TF_OK, "%s", tf_error());
    size_t tags = 0;
    for (size_t i = 0; i < seen.messages; i++)
        if (seen.message[i].peer == 2) {
            cr_assert_eq(seen.message[i].length, 32);
            cr_assert_arr_neq(seen.message[i].data, seen.message[i].data + 16, 16);
            tags++;
        }
    cr_assert_eq(tags, 1);
    view_free(&seen);
}
