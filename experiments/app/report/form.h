/** The forms in which everything is printed: JSON objects, and text for people. */
#ifndef TF_APP_FORM_H
#define TF_APP_FORM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "experiments/app/report/run_report.h"

/** Room for what a run was planned for, in words. */
enum { NETWORK_WORDS = TF_NETWORK_TEXT + 40 };

/** A setting that results depend on, by its name in JSON. */
typedef struct report_setting {
    char name[24];
    enum { SETTING_UNSET, SETTING_TEXT, SETTING_WHOLE, SETTING_REAL, SETTING_TRUTH } type; /**< unset: null */
    const char *text;
    double number; /**< also of a truth: 0 or 1 */
} report_setting;

/** How a command prints what it found. */
typedef struct report_form {
    bool json;
    const report_setting *setting; /**< what JSON tells as "settings" */
    size_t settings;
    bool warns; /**< warnings are told also where there are no settings */
} report_form;

/** Prints an object with the settings in front, as its member "settings", "warnings" where there were any, and
 * "peak_memory" of this process in bytes, and frees it, as json_print does. */
TF_CHECKED tf_status form_print(const report_form *form, json_t *object);

/** Prints {"error": message} in place of an object. */
TF_CHECKED tf_status form_print_error(const char *message);

/** The sum over a matrix of links. */
uint64_t links_total(const uint64_t links[TF_PARTIES][TF_PARTIES]);

/** {"total": n, "links": 3x3}; {"bytes": n, "rounds": n}. */
json_t *json_bytes(const uint64_t links[TF_PARTIES][TF_PARTIES]);
json_t *json_forecast(uint64_t bytes, uint64_t rounds);

/** {"by": "default", "told" or "measured", "text": as --network takes it, or null}; for people, such as
 *  ", planned for 40ms,400mbit,2ns (measured)". */
json_t *json_network(const run_network *network);
const char *network_text(const run_network *network, char buffer[NETWORK_WORDS]);

/** Prints an object with a line feed to stdout and frees it; fails when it is NULL or cannot be written. */
TF_CHECKED tf_status json_print(json_t *object);

/** Fails when stdout could not take all that was printed. */
TF_CHECKED tf_status finish_output(void);

/** Bytes for people: "12.3 MB". */
const char *bytes_text(uint64_t bytes, char buffer[32]);

/** Writes a text in exactly `columns` columns of a terminal: cut or filled, control characters as blanks. */
void print_cell(const char *text, size_t length, int columns);

/** Prints words from column `at` on, breaking lines before `width` and going on at `indent`; ends the line. */
void print_words(FILE *to, const char *text, int at, int indent, int width);

/** Prints a line with `indent` blanks in front, broken at the width of a terminal; into a file it stays whole. */
__attribute__((format(printf, 3, 4))) void print_prose(FILE *to, int indent, const char *format, ...);

/** The columns of tables: those of the terminal; and what a table leaves for a text when it has taken some, within
 *  bounds. */
int report_columns(void);
int columns_left(int taken, int fewest, int most);

#endif
