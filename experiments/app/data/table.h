/** Where the texts and labels of a tab-separated table stand. */
#ifndef TF_APP_TABLE_H
#define TF_APP_TABLE_H

#include <stdbool.h>

#include "net/base/status.h"

/** Columns from 0; -1 where there is none. */
typedef struct table_form {
    int first, second, label;
    bool header; /**< whether the first line names the columns */
} table_form;

/**
 * Finds the columns from --columns, or (NULL) from the first line: a header with the names that public data sets use,
 * or the four columns of CoLA, which has no header.
 */
TF_CHECKED tf_status table_form_find(const char *path, const char *columns, const char *first_line, table_form *form);

/** Cuts the line at its tabs and picks the form's fields; NULL where the line has too few. */
void table_split(char *line, const table_form *form, char **first, char **second, char **label);

#endif
