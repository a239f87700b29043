#include "experiments/app/service/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "experiments/app/report/form.h"
#include "experiments/app/service/cost.h"

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

/* What is asked about: so many texts, or prompts, that are computed together. */
typedef struct question {
    const private_job *job;
    const generate_job *prompts; /* NULL: texts are read */
    const tf_batch *batch;       /* of texts */
    size_t texts, length;
} question;

static tf_status forecast(const question *q, size_t texts, double *bytes) {
    cost_report report = {0};
    tf_batch batch = q->batch ? *q->batch : (tf_batch){.texts = 0};
    text_batches one = {.batch = &batch, .count = 1};
    private_job job = *q->job;
    batch.texts = texts;
    job.weights = NULL;
    job.batches = &one;
    tf_status status =
        q->prompts ? cost_generation(&job, q->prompts->reveal, texts, q->length, q->prompts->piece, 1, 0, NULL, &report)
                   : cost_batches(&job, &report);
    *bytes = (double)report.memory;
    cost_report_free(&report);
    return status;
}

static tf_status check(const question *q, int parties) {
    const char *what = q->prompts ? "prompt" : "text";
    double needed, free = free_bytes();
    char here[32] = "", wants[32], has[32];
    if (q->texts * q->length <= FEW_TOKENS) return TF_OK;
    TF_TRY(forecast(q, q->texts, &needed));
    if (needed * parties <= free) return TF_OK;
    size_t fits = q->texts;
    for (double less = needed; fits > 1 && less * parties > free;) {
        fits /= 2;
        TF_TRY(forecast(q, fits, &less));
    }
    if (parties > 1) snprintf(here, sizeof here, " for %d parties here", parties);
    return tf_fail(TF_INVALID, "%zu %s%s of %zu tokens need %s%s, and %s are free: try --batch %zu%s%s", q->texts, what,
                   q->texts == 1 ? "" : "s", q->length, bytes_text((uint64_t)(needed * parties), wants), here,
                   bytes_text((uint64_t)free, has), fits, q->prompts ? ", or --prefill" : "",
                   fits > 1     ? ""
                   : q->prompts ? ", or shorter prompts"
                                : ", or shorter texts");
}

tf_status memory_check(const private_job *job, int parties) {
    question q = {.job = job};
    double most = 0;
    for (size_t b = 0; job->batches && b < job->batches->count; b++) {
        const tf_batch *batch = &job->batches->batch[b];
        double size = (double)batch->texts * (double)batch->length * (double)(batch->length + FEW_TOKENS);
        if (size <= most) continue;
        most = size;
        q.batch = batch;
        q.texts = batch->texts;
        q.length = batch->length;
    }
    return q.batch ? check(&q, parties) : TF_OK;
}

tf_status memory_check_prompts(const generate_job *job, int parties) {
    question q = {.job = job->job, .prompts = job};
    for (size_t b = 0; job->batch && b < job->batches; b++) {
        const prompt_batch *batch = &job->batch[b];
        if (batch->texts * batch->longest <= q.texts * q.length) continue;
        q.texts = batch->texts;
        q.length = batch->longest;
    }
    return q.texts ? check(&q, parties) : TF_OK;
}

tf_status memory_check_bytes(const char *what, double bytes, int parties) {
    const double needed = bytes * parties, free = free_bytes();
    char here[32] = "", wants[32], has[32];
    if (needed <= free) return TF_OK;
    if (parties > 1) snprintf(here, sizeof here, " for %d parties here", parties);
    return tf_fail(TF_INVALID, "%s: %s are needed%s, and %s are free", what,
                   bytes_text(needed < 0x1p63 ? (uint64_t)needed : UINT64_MAX, wants), here,
                   bytes_text((uint64_t)free, has));
}

tf_status memory_check_program(const char *what, const tf_program *program, int parties) {
    uint64_t bytes;
    TF_TRY(cost_memory(program, &bytes));
    return memory_check_bytes(what, (double)bytes, parties);
}
