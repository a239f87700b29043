#include "experiments/app/log/log.h"

#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SESSION_TEXT = 24, TIME_TEXT = 40 };

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static log_settings settings = {.level = LOG_INFO};
static int own_party = -1;
typedef void clear_function(void);
static _Atomic(clear_function *) clear_terminal;
static pthread_mutex_t keeping = PTHREAD_MUTEX_INITIALIZER; /* under --local the parties are threads */
static char kept[LOG_KEPT][LOG_LINE];
static size_t kept_lines;
static _Thread_local char session[SESSION_TEXT];
static _Thread_local uint64_t request, counted;

void log_open(const log_settings *given) {
    settings = *given;
}

tf_status log_level_find(const char *name, log_level *level) {
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
        if (!strcmp(name, level_names[i])) return *level = (log_level)i, TF_OK;
    return tf_fail(TF_INVALID, "'%.40s' is none of the levels error, warning, info and debug", name);
}

bool log_shows(log_level level) {
    return level <= settings.level;
}

void log_party(int party) {
    own_party = party;
}

bool log_is_party(int party) {
    return party == own_party;
}

void log_session(const char *name) {
    snprintf(session, sizeof session, "%s", name ? name : "");
    request = counted = 0;
}

void log_request(uint64_t number) {
    request = number;
}

void log_next_request(void) {
    request = ++counted;
}

void log_before(void (*clear)(void)) {
    clear_terminal = clear;
}

/* UTC to the millisecond, as ISO 8601 writes it. */
static void time_text(char text[TIME_TEXT]) {
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t used = strftime(text, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + used, TIME_TEXT - used, ".%03ldZ", now.tv_nsec / 1000000);
}

/* One write, so that lines of several processes do not mix. */
static void put(char *line, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) line[i] = ' ';
    line[length] = '\n';
    clear_function *clear = clear_terminal;
    if (clear) clear();
    ssize_t written = write(STDERR_FILENO, line, length + 1);
    (void)written; /* there is nowhere to complain */
}

static void put_words(log_level level, const char *message) {
    char line[LOG_LINE + 1], time[TIME_TEXT], place[SESSION_TEXT + 80] = "";
    int used = 0;
    if (own_party >= 0) used += snprintf(place, sizeof place, "party %d", own_party);
    if (session[0] && settings.service)
        used += snprintf(place + used, sizeof place - (size_t)used, "%ssession %s", used ? " " : "", session);
    if (request && settings.service)
        used += snprintf(place + used, sizeof place - (size_t)used, "%srequest %llu", used ? " " : "",
                         (unsigned long long)request);
    time_text(time);
    int length = settings.service ? snprintf(line, LOG_LINE, "%s %s %s%s%s", time, level_names[level], place,
                                             used ? ": " : "", message)
                                  : snprintf(line, LOG_LINE, "trefoil: %s%s%s%s", place, used ? ": " : "",
                                             level == LOG_WARNING ? "warning: " : "", message);
    if (length >= LOG_LINE) length = LOG_LINE - 1;
    put(line, (size_t)length);
}

static json_t *number_json(double value) {
    bool whole = value >= 0 && value < 0x1p53 && value == (double)(json_int_t)value;
    return whole ? json_integer((json_int_t)value) : json_real(value);
}

static void put_json(log_level level, const log_number *number, size_t numbers, const char *message) {
    char time[TIME_TEXT], line[2 * LOG_LINE];
    time_text(time);
    json_t *object = json_pack("{s:s,s:s}", "time", time, "level", level_names[level]);
    if (own_party >= 0) json_object_set_new(object, "party", json_integer(own_party));
    if (session[0]) json_object_set_new(object, "session", json_string(session));
    if (request) json_object_set_new(object, "request", json_integer((json_int_t)request));
    json_t *text = json_string(message); /* NULL where it is no UTF-8 */
    json_object_set_new(object, "message", text ? text : json_string("(not UTF-8)"));
    for (size_t i = 0; i < numbers; i++) json_object_set_new(object, number[i].name, number_json(number[i].value));
    size_t length = json_dumpb(object, line, sizeof line - 1, JSON_REAL_PRECISION(9));
    json_decref(object);
    if (length > 0 && length < sizeof line) put(line, length);
}

static void keep(const char *message) {
    pthread_mutex_lock(&keeping);
    if (kept_lines < LOG_KEPT) snprintf(kept[kept_lines++], LOG_LINE, "%s", message);
    pthread_mutex_unlock(&keeping);
}

const char *log_warning(size_t i) {
    pthread_mutex_lock(&keeping);
    const char *text = i < kept_lines ? kept[i] : NULL;
    pthread_mutex_unlock(&keeping);
    return text;
}

void log_forget(void) {
    pthread_mutex_lock(&keeping);
    kept_lines = 0;
    pthread_mutex_unlock(&keeping);
}

static void say(log_level level, const log_number *number, size_t numbers, const char *format, va_list args) {
    char message[LOG_LINE];
    if (!log_shows(level) && level != LOG_WARNING) return;
    vsnprintf(message, sizeof message, format, args);
    if (level == LOG_WARNING) keep(message);
    if (!log_shows(level)) return;
    if (settings.json)
        put_json(level, number, numbers, message);
    else
        put_words(level, message);
}

void log_line(log_level level, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(level, NULL, 0, format, args);
    va_end(args);
}

void log_numbers(log_level level, const log_number *number, size_t numbers, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(level, number, numbers, format, args);
    va_end(args);
}

static _Thread_local char failure[LOG_LINE]; /* that was written last, or need not be */

void log_failure(void) {
    if (!strcmp(failure, tf_error())) return;
    snprintf(failure, sizeof failure, "%s", tf_error());
    log_line(LOG_ERROR, "%s", failure);
}

void log_failure_told(void) {
    snprintf(failure, sizeof failure, "%s", tf_error());
}
