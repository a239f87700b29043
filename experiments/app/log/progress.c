#include "experiments/app/log/progress.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "experiments/app/log/log.h"
#include "experiments/app/log/terminal.h"
#include "net/base/clock.h"

enum { LINE = 512, USUAL = 80, SHOWN_DETAIL = 60 };

static const double SECONDS_BETWEEN = 0.1, SECONDS_BEFORE_THE_FIRST = 0.5;

static bool silent;
static atomic_bool stands; /* a line is on the terminal; who writes to the log takes it away */

void progress_silence(void) {
    silent = true;
}

static void clear(void) {
    static const char erase[] = "\r\033[K";
    if (!atomic_exchange(&stands, false)) return;
    ssize_t written = write(STDERR_FILENO, erase, sizeof erase - 1);
    (void)written; /* there is nowhere to complain */
}

void progress_begin(progress_line *p, const char *what, size_t total, double work) {
    double now = tf_clock();
    *p = (progress_line){.what = what,
                         .total = total,
                         .work_total = work,
                         .start = now,
                         .shown = now + SECONDS_BEFORE_THE_FIRST - SECONDS_BETWEEN,
                         .quiet = silent || !terminal_watched()};
    log_before(clear);
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

/* One write of at most the terminal's width, so that nothing wraps and lines of several processes do not mix. */
static void show(progress_line *p, double now, double work, const char *detail) {
    char line[LINE] = "\r", left[48] = "", duration[32];
    double part = p->work_total > 0 ? work / p->work_total : 0, spent = now - p->start;
    if (part > 1) part = 1;
    if (part > 0.01) snprintf(left, sizeof left, ", %s left", duration_text(spent / part * (1 - part), duration));
    size_t room = (size_t)terminal_columns(USUAL), used = 1;
    int length = snprintf(line + used, sizeof line - used, "%s: %.0f %%, %zu of %zu%s%s%.*s", p->what, 100 * part,
                          p->done, p->total, left, detail ? ": " : "", (int)SHOWN_DETAIL, detail ? detail : "");
    used += (size_t)length < room ? (size_t)length : room - 1;
    memcpy(line + used, "\033[K", 3);
    ssize_t written = write(STDERR_FILENO, line, used + 3);
    (void)written;
    p->shown = now;
    stands = true;
}

void progress_step(progress_line *p, size_t examples, double work) {
    p->done += examples;
    p->work_done += work;
    progress_within(p, 0, NULL);
}

void progress_within(progress_line *p, double work, const char *detail) {
    double now = tf_clock();
    if (!p->quiet && now - p->shown >= SECONDS_BETWEEN) show(p, now, p->work_done + work, detail);
}

void progress_end(progress_line *p) {
    if (!p->quiet) clear();
}
