/** How far a long command has come, on standard error: one line that is rewritten on a terminal, a line now and then
 *  elsewhere. */
#ifndef TF_APP_PROGRESS_H
#define TF_APP_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cli_progress {
    const char *what;
    size_t done, total;           /**< examples */
    double work_done, work_total; /**< what time is proportional to, such as tokens */
    double start, shown;          /**< seconds by the clock */
    bool terminal, open;          /**< open: a line waits to be rewritten */
    bool quiet;                   /**< nothing is shown */
} cli_progress;

/** `total` examples are to be done, which are `work` in all. Shows nothing yet. */
void progress_begin(cli_progress *progress, const char *what, size_t total, double work);

/** So many more are done. */
void progress_step(cli_progress *progress, size_t examples, double work);

/** Clears the line of a terminal. */
void progress_end(cli_progress *progress);

#endif
