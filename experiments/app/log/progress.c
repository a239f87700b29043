#include "experiments/app/log/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "net/base/clock.h"

static const double SECONDS_BETWEEN_LINES = 30, SECONDS_BETWEEN_REWRITES = 0.1;

static bool silent;

void progress_silence(void) {
    silent = true;
}

void progress_begin(progress_line *p, const char *what, size_t total, double work) {
    double now = tf_clock();
    *p = (progress_line){.what = what,
                         .total = total,
                         .work_total = work,
                         .start = now,
                         .shown = now - SECONDS_BETWEEN_REWRITES,
                         .terminal = isatty(STDERR_FILENO)};
    if (!p->terminal) p->shown = now;
}

static const char *duration_text(double seconds, char buffer[32]) {
    unsigned long s = (unsigned long)(seconds + 0.5);
    if (s < 60)
        snprintf(buffer, 32, "%lu s", s);
    else if (s < 3600)
        snprintf(buffer, 32, "%lu min %lu s", s / 60, s % 60);
    else
        snprintf(buffer, 32, "%lu h %lu min", s / 3600, s % 3600 / 60);
    return buffer;
}

static void show(progress_line *p, double now) {
    char left[32];
    double seconds = now - p->start,
           rest = p->work_done > 0 ? seconds / p->work_done * (p->work_total - p->work_done) : 0;
    fprintf(stderr, "%s%s: %zu of %zu, %.3g a second, %s left%s", p->terminal ? "\r" : "", p->what, p->done, p->total,
            seconds > 0 ? (double)p->done / seconds : 0, duration_text(rest, left), p->terminal ? "\033[K" : "\n");
    fflush(stderr);
    p->shown = now;
    p->open = p->terminal;
}

void progress_step(progress_line *p, size_t examples, double work) {
    double now = tf_clock(), between = p->terminal ? SECONDS_BETWEEN_REWRITES : SECONDS_BETWEEN_LINES;
    p->done += examples;
    p->work_done += work;
    if (!silent && !p->quiet && now - p->shown >= between) show(p, now);
}

void progress_end(progress_line *p) {
    if (p->open) fputs("\r\033[K", stderr);
    fflush(stderr);
    p->open = false;
}

void show_progress(const char *what, size_t done, size_t total) {
    if (silent || !isatty(STDERR_FILENO)) return;
    if (done < total)
        fprintf(stderr, "\r%s %zu of %zu\033[K", what, done, total);
    else
        fputs("\r\033[K", stderr);
    fflush(stderr);
}
