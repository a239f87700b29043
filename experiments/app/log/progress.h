/** How far a long command has come: a line on standard error, rewritten, where a person looks at a terminal. */
#ifndef TF_APP_PROGRESS_H
#define TF_APP_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct progress_line {
    const char *what;
    size_t done, total;           /**< examples */
    double work_done, work_total; /**< what time is proportional to, such as tokens */
    double start, shown;          /**< seconds by the clock */
    bool quiet;                   /**< nothing is shown */
} progress_line;

/** No progress is shown from now on. */
void progress_silence(void);

/** `total` examples are to be done, which are `work` in all. Shows nothing yet. */
void progress_begin(progress_line *progress, const char *what, size_t total, double work);

/** So many more are done. */
void progress_step(progress_line *progress, size_t examples, double work);

/** So much of the work after the last step is done; `detail` says at what this party is, such as an op, or NULL. */
void progress_within(progress_line *progress, double work, const char *detail);

/** Clears the line. */
void progress_end(progress_line *progress);

#endif
