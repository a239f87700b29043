#define _GNU_SOURCE /* sched_getaffinity */
#include "experiments/app/service/computing.h"

#include <math.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "runtime/session/measure.h"
#include "runtime/steps/lookup/buckets.h"
#include "runtime/steps/product.h"

/* Seconds of each party on a core of Zen 1 (EPYC), by trefoil bench --step and --op; cells, weights and rounds by whole
   models on Ice Lake, since parties of one host share memory, shared cells by models of one layer. */
static const double STREAM = 0.25e-9, /* for a byte of keystream */
    BYTE = 1.3e-9,                    /* of a step, for a byte that it moves over all links */
    TABLE_BYTE = 2.1e-9,              /* likewise of steps that add up rows of tables for each element */
    ELEMENT = 1.0e-9,                 /* of a step that moves nothing, for each of its elements */
    CELL = 0.01e-9,                   /* of a secret table that is read blindly, for each of its cells and token */
    SHARED_CELL = 1.7e-9,             /* the same for a group of tokens that share the reading */
    WEIGHT = 0.6e-9,                  /* of a packed weight, for each of its elements, however few rows meet it */
    ROUND = 0.1e-3,                   /* for handing over */
    EFFICIENCY = 0.95,                /* of products, of their peak */
    STREAMS = 0.43;                   /* of a step's time, what keystreams are worth: the rest is memory's */

static int cores_granted(void) {
    cpu_set_t granted;
    if (sched_getaffinity(0, sizeof granted, &granted) == 0) return CPU_COUNT(&granted);
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

tf_status machine_measure(const machine **found) {
    static machine here;
    *found = &here;
    if (here.cores) return TF_OK;
    double stream;
    TF_TRY(tf_stream_time(NULL, &stream));
    here.pace = 1 - STREAMS + STREAMS * stream / STREAM;
    for (int i = 0; i < TF_PRODUCT_WIDTHS; i++) {
        here.peak[i] = tf_kernels_multiply_peak(tf_kernels_get(), tf_product_width[i]);
        if (here.peak[i] <= 0) return tf_fail(TF_NOMEM, "no memory to measure the peak of products");
    }
    here.cores = cores_granted();
    return TF_OK;
}

static bool is(const tf_step_node *node, const char *const names[], size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(node->step->name, names[i])) return true;
    return false;
}

/* A party makes one ring product of each multiplication by a weight, and five thirds of others. */
static double product_seconds(const machine *m, const tf_program *program, const tf_step_node *node) {
    const tf_matmul_layout *l = &tf_args(tf_product_args, node)->layout;
    bool weight = tf_step_is_parameter(&program->node[node->input[1]]);
    double outputs = (double)tf_shape_count(node->type.shape),
           products = outputs * (double)l->k * (weight ? 1 : 5 / 3.0);
    int width = 0;
    while (width < TF_PRODUCT_WIDTHS - 1 && tf_product_width[width] < tf_product_ring(node)) width++;
    double seconds = products / m->peak[width] / EFFICIENCY;
    return weight ? fmax(seconds, WEIGHT * m->pace * (double)(l->k * l->n)) : seconds;
}

static double step_seconds(const machine *m, const tf_program *program, const tf_plan *plan, int k) {
    static const char *const tables[] = {"spline", "pieces", "thresholds", "rotate", "select", "select_lifted"};
    const tf_step_node *node = &program->node[k];
    if (!node->step || tf_step_is_parameter(node) || node->step->alias) return 0;
    double elements = (double)tf_shape_count(node->type.shape), bytes = (double)tf_plan_node_bytes(plan, k), seconds;
    if (bytes == 0) return ELEMENT * elements * m->pace;
    seconds = (is(node, tables, sizeof tables / sizeof *tables) ? TABLE_BYTE : BYTE) * bytes;
    if (is(node, (const char *const[]){"embed", "embed_shared"}, 2))
        seconds += CELL * elements * (double)program->node[node->input[0]].type.shape.dim[0];
    if (is(node, (const char *const[]){"embed_batch"}, 1))
        seconds += SHARED_CELL * (double)tf_shape_count(program->node[node->input[0]].type.shape) *
                   (double)tf_buckets_of(tf_shape_count(node->leaf->shape)).groups;
    seconds *= m->pace;
    return strcmp(node->step->name, "matmul") ? seconds : seconds + product_seconds(m, program, node);
}

double machine_seconds(const machine *m, const tf_program *program, const tf_plan *plan) {
    double sum = ROUND * plan->rounds;
    for (int k = 0; k < program->nodes; k++) sum += step_seconds(m, program, plan, k);
    return sum;
}

double machine_elapsed(const machine *m, double seconds, int parties) {
    int threads = m->cores / parties > 1 ? m->cores / parties : 1;
    double share = (double)(parties * threads) / m->cores; /* of a core's time, as many threads as want it */
    return seconds * fmax(share, 1) / threads;
}
