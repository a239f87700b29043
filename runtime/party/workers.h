/** Threads that share the local work of one party. */
#ifndef TF_WORKERS_H
#define TF_WORKERS_H

#include <stddef.h>

#include "net/base/status.h"

typedef struct tf_workers tf_workers;

/** Work of worker `k`, 0 <= k < threads. */
typedef void tf_work(void *context, int k);

/** Starts threads - 1 threads, which rest until there is work; threads >= 2. */
TF_CHECKED tf_status tf_workers_open(int threads, tf_workers **workers);

/** Ends them. NULL is allowed. */
void tf_workers_close(tf_workers *workers);

int tf_workers_count(const tf_workers *workers);

/** Calls work(context, k) for all k at the same time, k = 0 on the calling thread; returns when all are done. */
void tf_workers_run(tf_workers *workers, tf_work *work, void *context);

/**
 * Calls work(context, begin, end) for consecutive slices of `items` things on all threads at the same time, for all of
 * them on the calling one where `workers` is NULL. Returns the first failure.
 */
TF_CHECKED tf_status tf_workers_split(tf_workers *workers, size_t items,
                                      tf_status (*work)(void *context, size_t begin, size_t end), void *context);

/** Within such work, called by all: nobody goes on before all have come here. */
void tf_workers_meet(tf_workers *workers);

#endif
