/* The lines of a log: what stands in front, levels, JSON, and that no line can be made two. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "experiments/app/log/log.h"

static FILE *kept;

static void keep_lines(void) {
    kept = tmpfile();
    cr_assert(kept && dup2(fileno(kept), STDERR_FILENO) == STDERR_FILENO);
}

/* The n-th line that was written, without its end; empty if there is none. */
static const char *line(int n) {
    static char text[4096];
    rewind(kept);
    for (int i = 0; i <= n; i++)
        if (!fgets(text, sizeof text, kept)) return "";
    text[strcspn(text, "\n")] = '\0';
    return text;
}

TestSuite(log, .init = keep_lines);

Test(log, of_a_command_begins_with_its_name) {
    log_line(LOG_ERROR, "%s: no such file", "model");
    log_line(LOG_WARNING, "careful");
    log_line(LOG_DEBUG, "left out");
    cr_assert_str_eq(line(0), "trefoil: model: no such file");
    cr_assert_str_eq(line(1), "trefoil: warning: careful");
    log_party(1);
    log_line(LOG_WARNING, "careful");
    cr_assert_str_eq(line(2), "trefoil: party 1: warning: careful");
    cr_assert_str_eq(line(3), "");
}

Test(log, of_a_service_tells_time_party_session_and_request) {
    log_open(&(log_settings){.level = LOG_INFO, .service = true});
    log_party(2);
    log_line(LOG_INFO, "ready");
    log_session("5f3a91c2");
    log_request(12);
    log_line(LOG_WARNING, "3 texts, done");
    log_session(NULL);
    log_line(LOG_ERROR, "left");
    log_session("0a");
    log_next_request();
    log_request(0);
    log_next_request();
    log_line(LOG_INFO, "done");
    int used = 0;
    cr_assert_eq(sscanf(line(0), "%*4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ info party 2: ready%n", &used), 0);
    cr_assert_eq(used, (int)strlen(line(0)), "%s", line(0));
    cr_assert_str_eq(line(1) + 25, "warning party 2 session 5f3a91c2 request 12: 3 texts, done");
    cr_assert_str_eq(line(2) + 25, "error party 2: left");
    cr_assert_str_eq(line(3) + 25, "info party 2 session 0a request 2: done");
}

Test(log, in_json_has_the_same_and_the_numbers) {
    log_open(&(log_settings){.level = LOG_DEBUG, .json = true});
    log_party(0);
    log_session("5f3a91c2");
    log_request(3);
    log_numbers(LOG_INFO, (log_number[]){{"texts", 2}, {"seconds", 1.5}}, 2, "2 texts, \"%s\"", "done");
    log_line(LOG_DEBUG, "\xff");
    json_t *object = json_loads(line(0), 0, NULL);
    const char *level, *session, *message, *time;
    int party, request, texts;
    double seconds;
    cr_assert(object, "%s", line(0));
    cr_assert_eq(json_unpack(object, "{s:s,s:s,s:i,s:s,s:i,s:s,s:i,s:F}", "time", &time, "level", &level, "party",
                             &party, "session", &session, "request", &request, "message", &message, "texts", &texts,
                             "seconds", &seconds),
                 0);
    cr_assert(!strcmp(level, "info") && party == 0 && !strcmp(session, "5f3a91c2") && request == 3);
    cr_assert_str_eq(message, "2 texts, \"done\"");
    cr_assert(texts == 2 && seconds == 1.5 && strlen(time) == 24);
    json_decref(object);
    object = json_loads(line(1), 0, NULL);
    cr_assert(object, "a message that is no UTF-8: %s", line(1));
    json_decref(object);
}

Test(log, is_one_line_a_message) {
    char longer[2 * LOG_LINE];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    log_line(LOG_ERROR, "a\nb\x1b[2Jc\x7f");
    log_line(LOG_ERROR, "%s", longer);
    cr_assert_str_eq(line(0), "trefoil: a b [2Jc ");
    cr_assert_eq(strlen(line(1)), (size_t)LOG_LINE - 1);
    cr_assert_str_eq(line(2), "");
}

Test(log, levels_have_names) {
    log_level level;
    cr_assert_eq(log_level_find("warning", &level), TF_OK);
    cr_assert_eq(level, LOG_WARNING);
    cr_assert_eq(log_level_find("loud", &level), TF_INVALID);
    cr_assert(strstr(tf_error(), "'loud'") && strstr(tf_error(), "debug"));
    log_open(&(log_settings){.level = LOG_ERROR});
    log_line(LOG_WARNING, "left out");
    cr_assert_str_eq(line(0), "");
    cr_assert(!log_shows(LOG_WARNING) && log_shows(LOG_ERROR));
}
