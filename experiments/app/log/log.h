/**
 * What a process says on standard error: a line at a time, which is written at once, so that the lines of three parties
 * do not mix. A command's lines begin with "trefoil: " and the party, where the process plays one;
 * those of a service tell time, party, session and request. Lines
 * are made of counts, times and places: never of texts, prompts, results, weights or keys.
 */
#ifndef TF_APP_LOG_H
#define TF_APP_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

typedef enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG } log_level;

enum {
    LOG_LINE = 1280, /**< the most bytes of a line; what is longer is cut */
    LOG_KEPT = 16    /**< warnings that are kept */
};

typedef struct log_settings {
    log_level level; /**< lines beyond it are left out */
    bool json;       /**< a line is one JSON object: time, level, party, session, request, message and its numbers */
    bool service;    /**< lines for a log in place of a terminal: time, party, session and request stand in front */
} log_settings;

/** A number that a line in JSON tells by itself, beside the message that has it in words. */
typedef struct log_number {
    const char *name;
    double value;
} log_number;

/** How this process's lines look from now on; until then as a command's. Called while there is one thread. */
void log_open(const log_settings *settings);

/** The level of a name: error, warning, info or debug. Fails with TF_INVALID. */
TF_CHECKED tf_status log_level_find(const char *name, log_level *level);

/** Whether lines of this level are written. */
bool log_shows(log_level level);

/** Which party this process plays; -1: none, or several. */
void log_party(int party);
/** Whether this process plays that party alone. */
bool log_is_party(int party);

/** What the calling thread's lines belong to from now on: the session, by the name that all its parties share, or NULL;
 *  in it a request by its number, 0 none; the session's next one, counted from 1. */
void log_session(const char *name);
void log_request(uint64_t number);
void log_next_request(void);

/** Writes a line; control characters in it become blanks. */
__attribute__((format(printf, 2, 3))) void log_line(log_level level, const char *format, ...);

/** The same with the numbers of the message, for those who read JSON. */
__attribute__((format(printf, 4, 5))) void log_numbers(log_level level, const log_number *number, size_t numbers,
                                                       const char *format, ...);

/** The i-th warning of this process, whether it was written or not, for those who read JSON; NULL beyond the last, and
 *  beyond LOG_KEPT. */
const char *log_warning(size_t i);

/** Forgets the warnings so far, for a process that answers several questions. */
void log_forget(void);

/** Writes the calling thread's last failure (tf_error) as an error, unless that is what it wrote last. */
void log_failure(void);

/** The same where another process of this job tells it on the same terminal: it is not written. */
void log_failure_told(void);

/** What is called before each line, to clear what stands on the terminal and a line would tear; or NULL. */
void log_before(void (*clear)(void));

#endif
