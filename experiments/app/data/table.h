/** Tables: tab-separated as in GLUE, without quotes; or CSV, with quotes and whichever separator it has. */
#ifndef TF_APP_TABLE_H
#define TF_APP_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "experiments/app/data/fields.h"

/** How a table's lines are cut, and which fields are the texts and the label. */
typedef struct table_form {
    char separator;
    bool quoted;            /**< CSV */
    bool header;            /**< whether the first line names the columns */
    size_t columns;         /**< of CSV: what each line must have; 0: not yet known */
    int place[FIELD_ROLES]; /**< of the fields; -1 where there is none */
} table_form;

/** Settles the form from the first line: by --columns, a header with known names, or the four columns of CoLA. */
TF_CHECKED tf_status table_form_find(const char *path, const char *columns, bool quoted, const char *first_line,
                                     table_form *form);

/** Whether a quote is open after bytes from..to-1 of a line of CSV, given whether one was open before them. */
bool table_quote_open(const char *line, size_t from, size_t to, char separator, bool open);

/** The separator of CSV, by its first line: the one of , ; tab | that comes most often outside of quotes. */
char table_separator(const char *line);

/** Cuts the line in place and picks the form's fields, NULL where there is none. `place` names the line in messages. */
TF_CHECKED tf_status table_split(char *line, const char *place, table_form *form, char *field[FIELD_ROLES]);

#endif
