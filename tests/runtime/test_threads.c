/* Several threads that share a party's work: the pool itself, and steps that give the same results as with one. */
#include <pthread.h>

#include "runtime/party/workers.h"
#include "tests/support/rig.h"

enum { N = 128 * 400 + 77, THREADS = 3, RESULTS = 8, RELU = 2 };

/* What the work of the pool writes: each worker its own row, and after the meeting what the others wrote. */
typedef struct notes {
    tf_workers *workers;
    int before[THREADS], seen[THREADS];
} notes;

static void note(void *context, int k) {
    notes *n = context;
    n->before[k]++;
    tf_workers_meet(n->workers);
    n->seen[k] = 0;
    for (int i = 0; i < THREADS; i++) n->seen[k] += n->before[i];
    tf_workers_meet(n->workers);
}

Test(threads, all_work_and_meet) {
    notes n = {0};
    cr_assert_eq(tf_workers_open(THREADS, &n.workers), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_workers_count(n.workers), THREADS);
    for (int job = 1; job <= 1000; job++) {
        tf_workers_run(n.workers, note, &n);
        for (int k = 0; k < THREADS; k++) cr_assert(n.before[k] == job && n.seen[k] == THREADS * job);
    }
    tf_workers_close(n.workers);
    tf_workers_close(NULL);
    cr_assert_eq(tf_workers_count(NULL), 1);
    for (int bad = -1; bad < 2; bad++) cr_assert_eq(tf_workers_open(bad, &n.workers), TF_INVALID);
}

/* Steps of every kind, long enough to be shared. */
static void append_all(rig *r, const int64_t *a, const int64_t *b, int *kept) {
    tf_program *p = &r->program;
    tf_value x = rig_put(r, tf_dims(N), a, 16, 32, 8), y = rig_put(r, tf_dims(N), b, 16, 32, 8);
    int k = 0;
    kept[k++] = rig_take(r, tf_mul(p, x, y, (tf_result){16, 64, false}));
    kept[k++] = rig_take(r, tf_mul(p, x, y, (tf_result){16, 64, true}));
    kept[k++] = rig_take(r, tf_relu(p, tf_sub(p, x, y)));
    kept[k++] = rig_take(r, tf_exp2(p, tf_add_const(p, x, -8), 16, 16));
    tf_value rows = tf_reshape(p, tf_slice(p, tf_add(p, x, y), 0, 5, 128 * 396), tf_dims(3, 128, 132));
    kept[k++] = rig_take(r, tf_sum_axis(p, rows, -1, 4096));
    kept[k++] = rig_take(r, tf_sum_axis(p, rows, 1, 4096));
    tf_matmul_layout l = {.batch = {3, 1},
                          .m = 128,
                          .k = 132,
                          .n = 128,
                          .a_batch = {128 * 132},
                          .a_row = 132,
                          .b_batch = {128 * 132},
                          .b_row = 1,
                          .b_col = 132,
                          .c_batch = {128 * 128},
                          .c_row = 128};
    kept[k++] = rig_take(r, tf_matmul(p, rows, rows, -1, l, tf_dims(3, 128, 128), (tf_result){16, 0x1p15, true}));
    kept[k++] = rig_take(r, tf_dot(p, rows, rows, (tf_result){16, 0x1p15, true}));
}

Test(threads, steps_give_the_same) {
    int64_t *a = rig_integers(N, 20), *b = rig_integers(N, 20);
    rig one = rig_open(16), many = rig_open(16);
    int kept[2][RESULTS];
    append_all(&one, a, b, kept[0]);
    append_all(&many, a, b, kept[1]);
    many.t.threads = THREADS;
    rig_run(&one);
    rig_run(&many);
    for (int k = 0; k < RESULTS; k++)
        for (size_t i = 0; i < tf_shape_count(one.type[kept[0][k]].shape); i++)
            cr_assert_leq(llabs(rig_result(&one, kept[0][k])[i] - rig_result(&many, kept[1][k])[i]),
                          k == RELU ? 256 : 4, "%d: %zu", k, i); /* each is off by two units at most */
    rig_close(&one);
    rig_close(&many);
    free(a), free(b);
}
