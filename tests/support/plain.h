/** Running one op's plain reference in a test. */
#ifndef TF_TESTS_PLAIN_H
#define TF_TESTS_PLAIN_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"
#include "runtime/graph/graph.h"

#define ARRAYS(...) (int)(sizeof((tf_array[]){__VA_ARGS__}) / sizeof(tf_array)), ((tf_array[]){__VA_ARGS__})

/* Runs an op on arrays; the caller frees out->data. */
static inline tf_status run_plain(const char *kind, const char *variant, int inputs, const tf_array *in, int attrs,
                                  const tf_attr *attr, tf_array *out) {
    tf_graph graph;
    tf_id id[TF_MAX_INPUTS];
    out->data = NULL;
    TF_TRY(tf_ops_register());
    tf_graph_init(&graph);
    for (int i = 0; i < inputs; i++) {
        char name[16];
        snprintf(name, sizeof name, "input%d", i);
        id[i] = tf_graph_leaf(&graph, TF_LEAF_WEIGHT, name, in[i].shape, in[i].data);
    }
    tf_status status = tf_graph_finish(&graph, tf_graph_op(&graph, kind, variant, "y", inputs, id, attrs, attr));
    if (status == TF_OK) status = tf_graph_plain(&graph, out, NULL, NULL);
    tf_graph_free(&graph);
    return status;
}

/* The op's result has this shape and is within `tolerance` of these values. */
static inline void check_values(tf_array y, tf_shape shape, const double *wanted, double tolerance) {
    char have[96], want[96];
    cr_assert(tf_shape_equal(y.shape, shape), "%s, not %s", tf_shape_text(y.shape, have), tf_shape_text(shape, want));
    for (size_t i = 0; i < tf_shape_count(shape); i++) {
        double error = y.data[i] - wanted[i];
        cr_assert(error <= tolerance && -error <= tolerance, "element %zu is %.9g, not %.9g", i, (double)y.data[i],
                  wanted[i]);
    }
    free(y.data);
}

/* The op cannot be built or run on these inputs and says why. */
static inline void check_refused(const char *kind, int inputs, const tf_array *in, int attrs, const tf_attr *attr,
                                 const char *reason) {
    tf_array y;
    cr_assert_eq(run_plain(kind, "", inputs, in, attrs, attr, &y), TF_INVALID);
    cr_assert(strstr(tf_error(), reason) != NULL, "%s", tf_error());
    cr_assert_null(y.data);
}

/* Numbers in low..high, always the same for a seed. The caller frees data. */
static inline tf_array random_array(tf_shape shape, double low, double high, uint64_t seed) {
    size_t count = tf_shape_count(shape);
    tf_array a = {shape, malloc(count * sizeof(float))};
    for (size_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        a.data[i] = (float)(low + (high - low) * (double)(seed >> 11) / 0x1p53);
    }
    return a;
}

static inline double *doubles(size_t count) {
    return calloc(count, sizeof(double));
}

#endif
