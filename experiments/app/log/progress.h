/** How far a long command has come, on standard error: one line that is rewritten on a terminal, a line now and then
 *  elsewhere. */
#ifndef TF_APP_PROGRESS_H
#define TF_APP_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct progress_line {
    const char *what;
    size_t done, total;           /**< examples */
    double work_done, work_total; /**< what time is proportional to, such as tokens */
    double start, shown;          /**< seconds by the clock */
    bool terminal, open;          /**< open: a line waits to be rewritten */
    bool quiet;                   /**< nothing is shown */
} progress_line;

/** No progress is shown from now on. */
void progress_silence(void);

/** `total` examples are to be done, which are `work` in all. Shows nothing yet. */
void progress_begin(progress_line *progress, const char *what, size_t total, double work);

/** So many more are done. */
void progress_step(progress_line *progress, size_t examples, double work);

/** Clears the line of a terminal. */
void progress_end(progress_line *progress);

/** Prints a line over the last one on stderr if that is a terminal; done == total ends it. */
void show_progress(const char *what, size_t done, size_t total);

#endif
