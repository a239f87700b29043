#include "experiments/app/measure/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "experiments/app/measure/cost.h"
#include "experiments/app/report/form.h"

enum { FEW_TOKENS = 1024 }; /* which need no look */

/* A number in a file, after a word if there is one; `otherwise` where there is none, as in "max". */
static double number_in(const char *path, const char *format, double otherwise) {
    char line[256];
    double value = otherwise, found;
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, format, &found) == 1) value = found;
    if (file) fclose(file);
    return value;
}

/* What this process may still take: of the host, of its control group, and of its own limit. */
static double free_bytes(void) {
    struct rlimit limit;
    double bytes = 1024 * number_in("/proc/meminfo", "MemAvailable: %lf", 0x1p50);
    double group =
        number_in("/sys/fs/cgroup/memory.max", "%lf", 0x1p60) - number_in("/sys/fs/cgroup/memory.current", "%lf", 0);
    if (group < bytes) bytes = group;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        double own = (double)limit.rlim_cur - 1024 * number_in("/proc/self/status", "VmSize: %lf", 0);
        if (own < bytes) bytes = own;
    }
    return bytes > 0 ? bytes : 0;
}

static tf_status forecast(const private_job *job, size_t texts, size_t length, bool hidden, double *bytes) {
    cost_report report = {0};
    tf_status status =
        cost_forecast(job->settings, job->config, job->approx, job->ranges, texts, length, hidden, NULL, &report);
    *bytes = (double)report.memory;
    free(report.op);
    return status;
}

static const tf_batch *largest(const text_batches *batches) {
    const tf_batch *found = NULL;
    double most = 0;
    for (size_t b = 0; b < batches->count; b++) {
        const tf_batch *batch = &batches->batch[b];
        double size = (double)batch->texts * (double)batch->length * (double)(batch->length + FEW_TOKENS);
        if (size <= most) continue;
        most = size;
        found = batch;
    }
    return found;
}

tf_status memory_check(const private_job *job, int parties) {
    const tf_batch *batch = job->batches ? largest(job->batches) : NULL;
    double needed, free = free_bytes();
    char here[32] = "", wants[32], has[32];
    if (!batch || batch->texts * batch->length <= FEW_TOKENS) return TF_OK;
    TF_TRY(forecast(job, batch->texts, batch->length, batch->hidden, &needed));
    if (needed * parties <= free) return TF_OK;
    size_t fits = batch->texts;
    for (double less = needed; fits > 1 && less * parties > free;) {
        fits /= 2;
        TF_TRY(forecast(job, fits, batch->length, batch->hidden, &less));
    }
    if (parties > 1) snprintf(here, sizeof here, " for %d parties here", parties);
    return tf_fail(TF_INVALID, "%zu text%s of %zu tokens need %s%s, and %s are free: try --batch %zu%s", batch->texts,
                   batch->texts == 1 ? "" : "s", batch->length, bytes_text((uint64_t)(needed * parties), wants), here,
                   bytes_text((uint64_t)free, has), fits, fits == 1 ? ", or shorter texts" : "");
}
