#include "experiments/app/measure/bench_steps.h"

#include <stdio.h>
#include <string.h>

#include "runtime/lower/compose.h"

static tf_value multiply(tf_program *p, tf_value x, tf_value y) {
    return tf_mul(p, x, y, (tf_result){p->frac, 0, false});
}
static tf_value multiply_wide(tf_program *p, tf_value x, tf_value y) {
    return tf_mul(p, x, y, (tf_result){p->frac, 0, true});
}
static tf_value truncate(tf_program *p, tf_value x, tf_value y) {
    return tf_trunc(p, x, 0);
}
static tf_value truncate_wide(tf_program *p, tf_value x, tf_value y) {
    return tf_trunc_wide(p, x, 0);
}
static tf_value lift(tf_program *p, tf_value x, tf_value y) {
    return tf_lift(p, x, 64);
}
static tf_value sign(tf_program *p, tf_value x, tf_value y) {
    return tf_negative(p, x, 0);
}
static tf_value sign_low(tf_program *p, tf_value x, tf_value y) {
    return tf_negative(p, x, tf_default_low(tf_type_of(p, x)));
}
static tf_value bit(tf_program *p, tf_value x, tf_value y) {
    return tf_bit_to_share(p, tf_negative(p, x, 0), 64, false);
}
static tf_value relu(tf_program *p, tf_value x, tf_value y) {
    return tf_relu(p, x);
}
static tf_value multiply_relu(tf_program *p, tf_value x, tf_value y) {
    return tf_relu(p, multiply(p, x, y));
}
static tf_value exp2_step(tf_program *p, tf_value x, tf_value y) {
    return tf_exp2(p, tf_assume(p, x, 16), 16, p->frac);
}
static tf_value exponential(tf_program *p, tf_value x, tf_value y) {
    return tf_exp_negative(p, x);
}
static tf_value reciprocal(tf_program *p, tf_value x, tf_value y) {
    return tf_reciprocal(p, x, 0.5, 256, p->frac + 4);
}
static tf_value rsqrt_step(tf_program *p, tf_value x, tf_value y) {
    return tf_rsqrt(p, x, 0.5, 256, 1, p->frac + 4, 0);
}
static tf_value maximum(tf_program *p, tf_value x, tf_value y) {
    return tf_max(p, x, y);
}

static tf_value lookup(tf_program *p, tf_value x, tf_value y) {
    double table[256];
    for (int i = 0; i < 256; i++) table[i] = i;
    return tf_lookup(p, x, 8, table, p->frac, 256);
}

static const bench_step steps[] = {
    {"multiply", 48, 10, 0, multiply},
    {"multiply_wide", 64, 10, 0, multiply_wide},
    {"truncate", 48, 10, 0, truncate},
    {"truncate_wide", 64, 10, 0, truncate_wide},
    {"lift", 0, 10, 0, lift},
    {"sign", 0, 10, 0, sign},
    {"sign_low", 0, 10, 0, sign_low},
    {"bit_to_share", 0, 10, 0, bit},
    {"relu", 0, 10, 0, relu},
    {"multiply_relu", 48, 10, 0, multiply_relu},
    {"maximum", 0, 10, 0, maximum},
    {"exp2", 0, 7, -8, exp2_step},
    {"exponential", 0, 7, -8, exponential},
    {"lookup", 0, 10, 0, lookup},
    {"reciprocal", 0, 100, 120, reciprocal},
    {"rsqrt", 0, 100, 120, rsqrt_step},
};

tf_status bench_step_find(const char *name, const bench_step **step) {
    char known[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (!strcmp(steps[i].name, name)) return *step = &steps[i], TF_OK;
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", steps[i].name);
    }
    return tf_fail(TF_INVALID, "unknown step '%.64s': known are %s", name, known);
}
